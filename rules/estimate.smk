rule estimate:
    """Give the first SMPL-X of the test subjects of one chunk."""
    input:
        models=body_models,
        views="<results>/views/{chunk}/manifest.json",
        bodies=first_bodies,
    output:
        manifest=ensure(
            "<results>/bodies/estimated{first}/{chunk}.json", non_empty=True
        ),
    log:
        "<logs>/estimate{first}/{chunk}.log",
    benchmark:
        "<benchmarks>/estimate{first}/{chunk}.jsonl"
    conda:
        environment("diffusion")
    threads: 1
    resources:
        mem_mb=growing(4000),
        runtime=growing(60),
    params:
        **settings("seed", "estimate"),
        source=first_source,
        scans=chunk_sources,
        code=plan.code("estimate"),
    message:
        "Estimating the bodies of {wildcards.chunk}"
    script:
        "../scripts/estimate.py"
