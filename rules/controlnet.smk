rule controlnet:
    """Train the ControlNet on the pairs; the base stays frozen (paper eq. 4)."""
    input:
        pairs="<results>/pairs/manifest.json",
        base="<results>/base/manifest.json",
    output:
        manifest=ensure("<results>/controlnet/manifest.json", non_empty=True),
        history=ensure("<results>/controlnet/history.tsv", non_empty=True),
    log:
        "<logs>/controlnet.log",
    benchmark:
        "<benchmarks>/controlnet.jsonl"
    conda:
        environment("diffusion")
    threads: plan.threads("controlnet")
    resources:
        mem_mb=growing(plan.memory("controlnet")),
        runtime=1440,
        gpu=plan.gpus("controlnet"),
    params:
        **settings("seed", "device", "controlnet"),
        code=plan.code("controlnet"),
    message:
        "Training the ControlNet"
    script:
        "../scripts/controlnet.py"
