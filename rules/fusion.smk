rule fusion:
    """Train the two-view HGM on the front and the back view."""
    input:
        views=learning_views,
        pairs=fusion_backs,
        coarse=fusion_start,
    output:
        weights=ensure("<results>/fusion{networks}/weights.safetensors", non_empty=True),
        model=ensure("<results>/fusion{networks}/model.json", non_empty=True),
        history=ensure("<results>/fusion{networks}/history.tsv", non_empty=True),
    log:
        "<logs>/fusion{networks}.log",
    benchmark:
        "<benchmarks>/fusion{networks}.jsonl"
    priority: 1
    conda:
        environment("train")
    threads: plan.threads("fusion")
    resources:
        mem_mb=growing(plan.memory("fusion")),
        runtime=1440,
        gpu=plan.gpus("fusion"),
    params:
        **settings(
            "seed",
            "device",
            "splat",
            "rendering",
            "network",
            "loss",
            "fusion",
            "weights",
        ),
        code=plan.code("fusion"),
    message:
        "Training the fusion HGM{wildcards.networks}"
    script:
        "../scripts/fusion.py"
