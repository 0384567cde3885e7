rule normals:
    """Train the net that reads a normal map from a picture, on the rendered normals."""
    input:
        views=training_views,
        models=body_models,
    output:
        weights=ensure("<results>/normals/weights.safetensors", non_empty=True),
        model=ensure("<results>/normals/model.json", non_empty=True),
        history=ensure("<results>/normals/history.tsv", non_empty=True),
    log:
        "<logs>/normals.log",
    benchmark:
        "<benchmarks>/normals.jsonl"
    conda:
        environment("train")
    threads: 1
    resources:
        mem_mb=growing(plan.memory("normals")),
        runtime=720,
        gpu=plan.gpus("normals"),
    params:
        **settings("seed", "device", "splat", "normals"),
        scans=plan.sources,
        code=plan.code("normals"),
    message:
        "Training the normal net"
    script:
        "../scripts/normals.py"
