rule refine:
    """Refine SMPL-X against the silhouettes of the coarse Gaussians (paper section 3.4)."""
    input:
        models=body_models,
        views="<results>/views/{chunk}/manifest.json",
        bodies="<results>/bodies/estimated{first}/{chunk}.json",
        coarse="<results>/coarse/weights.safetensors",
        normals=refining_normal_net,
    output:
        manifest=ensure(
            "<results>/bodies/refined{first}{sides}/{chunk}.json", non_empty=True
        ),
    log:
        "<logs>/refine{first}{sides}/{chunk}.log",
    benchmark:
        "<benchmarks>/refine{first}{sides}/{chunk}.jsonl"
    conda:
        environment("diffusion")
    threads: 1
    resources:
        mem_mb=growing(plan.memory("refine")),
        runtime=growing(120),
        gpu=plan.gpus("refine"),
    params:
        **settings("device", "splat", "rendering", "network"),
        refine=refining,
        normals=plan.refining_normals,
        scans=chunk_sources,
        code=plan.code("refine"),
    message:
        "Refining the bodies of {wildcards.chunk}"
    script:
        "../scripts/refine.py"
