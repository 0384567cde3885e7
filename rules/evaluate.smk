rule evaluate:
    """Measure the subjects of one chunk against their scans, under both metric definitions."""
    input:
        subjects="<results>/subjects/{variant}/{chunk}.reconstruct.json",
        meshes="<results>/subjects/{variant}/{chunk}.mesh.json",
        views="<results>/views/{chunk}/manifest.json",
        first=first_estimates,
        models=body_models,
        scans="<results>/scans.tsv",
    output:
        manifest=ensure(
            "<results>/subjects/{variant}/{chunk}.evaluate.json", non_empty=True
        ),
    log:
        "<logs>/evaluate/{variant}/{chunk}.log",
    benchmark:
        "<benchmarks>/evaluate/{variant}/{chunk}.jsonl"
    conda:
        environment("evaluate")
    threads: 1
    resources:
        mem_mb=growing(4000),
        runtime=growing(120),
    params:
        **settings("seed", "splat", "weights"),
        evaluate=plan.measuring,
        simple_baselines=simple_baselines,
        scans=chunk_sources,
        code=plan.code("evaluate"),
    message:
        "Measuring {wildcards.chunk} ({wildcards.variant})"
    script:
        "../scripts/evaluate.py"
