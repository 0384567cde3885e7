rule photos:
    """Reconstruct and mesh the photos of the configuration with the networks of this run."""
    input:
        photos=photo_files,
        models=body_models,
        coarse=coarse_model,
        fusion=fusion_model,
        back_view=back_view_models,
        normals=photo_normal_net,
        bodies=photo_bodies,
    output:
        manifest=ensure("<results>/photos/manifest.json", non_empty=True),
        sheet=ensure("<results>/photos/contact.png", non_empty=True),
    log:
        "<logs>/photos.log",
    benchmark:
        "<benchmarks>/photos.jsonl"
    conda:
        environment("photos")
    threads: 1
    resources:
        mem_mb=growing(plan.memory("photos")),
        runtime=growing(240),
        gpu=plan.gpus("photos"),
    params:
        **settings(
            "device",
            "splat",
            "rendering",
            "network",
            "back_view",
            "refine",
            "reconstruct",
            "mesh",
            "normals",
        ),
        variant=plan.photo_variant,
        scans=plan.sources,
        code=plan.code("photos"),
    message:
        "Reconstructing the photos of the configuration"
    script:
        "../scripts/photos.py"
