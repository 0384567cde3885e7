rule pairs:
    """Render the back view of every training scan with the unconverged coarse model, downsampled, next to the truth."""
    input:
        views=training_views,
        coarse="<results>/coarse/early.safetensors",
    output:
        manifest=ensure("<results>/pairs/manifest.json", non_empty=True),
    log:
        "<logs>/pairs.log",
    benchmark:
        "<benchmarks>/pairs.jsonl"
    priority: 1
    conda:
        environment("diffusion")
    threads: 1
    resources:
        mem_mb=growing(plan.memory("pairs")),
        runtime=growing(120),
        gpu=plan.gpus("pairs"),
    params:
        **settings("device", "splat", "rendering", "network", "pairs"),
        code=plan.code("pairs"),
    message:
        "Making the ControlNet pairs"
    script:
        "../scripts/pairs.py"
