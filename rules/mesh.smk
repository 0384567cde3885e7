rule mesh:
    """Fuse depth renders of the Gaussians to a mesh, clean it and refine it by normals."""
    input:
        subjects="<results>/subjects/{variant}/{chunk}.reconstruct.json",
        normals=meshing_normal_net,
        models=body_models,
    output:
        manifest=ensure(
            "<results>/subjects/{variant}/{chunk}.mesh.json", non_empty=True
        ),
    log:
        "<logs>/mesh/{variant}/{chunk}.log",
    benchmark:
        "<benchmarks>/mesh/{variant}/{chunk}.jsonl"
    conda:
        environment("mesh")
    threads: 1
    resources:
        mem_mb=growing(plan.memory("mesh")),
        runtime=growing(120),
        gpu=plan.gpus("mesh"),
    params:
        **settings("device", "splat", "mesh", "normals"),
        scans=chunk_sources,
        code=plan.code("mesh"),
    message:
        "Meshing {wildcards.chunk} ({wildcards.variant})"
    script:
        "../scripts/mesh.py"
