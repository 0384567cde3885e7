"""Rules of every run, whatever its system."""


rule record:
    """Record what is run: configuration, commit, versions, machine."""
    output:
        run=ensure("<results>/run.json", non_empty=True),
    log:
        "<logs>/record.log",
    benchmark:
        "<benchmarks>/record.jsonl"
    conda:
        environment("evaluate")
    threads: 1
    resources:
        mem_mb=growing(500),
        runtime=growing(10),
    params:
        config=plan.config,
        code=plan.code("record"),
    message:
        "Recording the run"
    script:
        "../scripts/record.py"
