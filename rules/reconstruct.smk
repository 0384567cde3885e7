rule reconstruct:
    """Reconstruct the subjects of one chunk from one picture each: coarse, back view, fusion."""
    input:
        views="<results>/views/{chunk}/manifest.json",
        bodies=bodies,
        coarse=coarse_model,
        fusion=fusion_model,
        back_view=back_view_models,
    output:
        manifest=ensure(
            "<results>/subjects/{variant}/{chunk}.reconstruct.json", non_empty=True
        ),
    log:
        "<logs>/reconstruct/{variant}/{chunk}.log",
    benchmark:
        "<benchmarks>/reconstruct/{variant}/{chunk}.jsonl"
    conda:
        environment("diffusion")
    threads: 1
    resources:
        mem_mb=growing(plan.memory("reconstruct")),
        runtime=growing(120),
        gpu=plan.gpus("reconstruct"),
    params:
        **settings(
            "device", "splat", "rendering", "network", "back_view", "reconstruct"
        ),
        code=plan.code("reconstruct"),
    message:
        "Reconstructing {wildcards.chunk} ({wildcards.variant})"
    script:
        "../scripts/reconstruct.py"
