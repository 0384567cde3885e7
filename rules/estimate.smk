rule estimate:
    """Give the first SMPL-X of the test subjects of one chunk."""
    input:
        models=body_models,
        views="<results>/views/{chunk}/manifest.json",
    output:
        manifest=ensure("<results>/bodies/estimated/{chunk}.json", non_empty=True),
    log:
        "<logs>/estimate/{chunk}.log",
    benchmark:
        "<benchmarks>/estimate/{chunk}.jsonl"
    conda:
        environment("diffusion")
    threads: 1
    resources:
        mem_mb=growing(4000),
        runtime=growing(60),
    params:
        **settings("seed", "estimate"),
        scans=chunk_sources,
        code=plan.code("estimate"),
    message:
        "Estimating the bodies of {wildcards.chunk}"
    script:
        "../scripts/estimate.py"
