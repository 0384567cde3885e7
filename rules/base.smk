rule base:
    """Give the latent diffusion model: the named Stable Diffusion folder, or a small one trained on the rendered views."""
    input:
        views=training_views,
    output:
        manifest=ensure("<results>/base/manifest.json", non_empty=True),
    log:
        "<logs>/base.log",
    benchmark:
        "<benchmarks>/base.jsonl"
    conda:
        environment("diffusion")
    threads: 1
    resources:
        mem_mb=growing(plan.memory("base")),
        runtime=720,
        gpu=plan.gpus("base"),
    params:
        **settings("seed", "device", "rendering", "base", "weights"),
        code=plan.code("base"),
    message:
        "Preparing the latent diffusion base"
    script:
        "../scripts/base.py"
