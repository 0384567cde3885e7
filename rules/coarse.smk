rule coarse:
    """Train the one-view HGM."""
    input:
        views=learning_views,
    output:
        weights=ensure("<results>/coarse{networks}/weights.safetensors", non_empty=True),
        early=ensure("<results>/coarse{networks}/early.safetensors", non_empty=True),
        model=ensure("<results>/coarse{networks}/model.json", non_empty=True),
        history=ensure("<results>/coarse{networks}/history.tsv", non_empty=True),
    log:
        "<logs>/coarse{networks}.log",
    benchmark:
        "<benchmarks>/coarse{networks}.jsonl"
    priority: 1
    conda:
        environment("train")
    threads: plan.threads("coarse")
    resources:
        mem_mb=growing(plan.memory("coarse")),
        runtime=1440,
        gpu=plan.gpus("coarse"),
    params:
        **settings(
            "seed",
            "device",
            "splat",
            "rendering",
            "network",
            "loss",
            "coarse",
            "weights",
        ),
        code=plan.code("coarse"),
    message:
        "Training the coarse HGM{wildcards.networks}"
    script:
        "../scripts/coarse.py"
