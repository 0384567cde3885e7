rule baseline:
    """Measure another method's results for the subjects of one chunk, as `evaluate` measures ours."""
    input:
        views="<results>/views/{chunk}/manifest.json",
        theirs=baseline_results,
        models=body_models,
        scans="<results>/scans.tsv",
    output:
        manifest=ensure("<results>/baselines/{method}/{chunk}.json", non_empty=True),
    log:
        "<logs>/baseline/{method}/{chunk}.log",
    benchmark:
        "<benchmarks>/baseline/{method}/{chunk}.jsonl"
    conda:
        environment("evaluate")
    threads: 1
    resources:
        mem_mb=growing(4000),
        runtime=growing(120),
    params:
        **settings("seed", "weights"),
        folder=baseline_folder,
        evaluate=plan.measuring,
        scans=chunk_sources,
        code=plan.code("baseline"),
    message:
        "Measuring {wildcards.chunk} ({wildcards.method})"
    script:
        "../scripts/baseline.py"
