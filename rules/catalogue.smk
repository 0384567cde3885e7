rule catalogue:
    """Check every scan and its fit; list the good ones and say why others are set aside."""
    input:
        standin=standin_manifests,
        models=body_models,
    output:
        scans=ensure("<results>/scans.tsv", non_empty=True),
        rejected=ensure("<results>/rejected.tsv", non_empty=True),
    log:
        "<logs>/catalogue.log",
    benchmark:
        "<benchmarks>/catalogue.jsonl"
    conda:
        environment("render")
    threads: 1
    resources:
        mem_mb=growing(2000),
        runtime=growing(60),
    params:
        **settings("scans"),
        code=plan.code("catalogue"),
    message:
        "Checking the scans and their fits"
    script:
        "../scripts/catalogue.py"
