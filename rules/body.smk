"""The stand-in body, for runs that bring no body model."""


rule body_model:
    """Write the free stand-in body model in the SMPL-X file format."""
    output:
        manifest=ensure("<results>/standin/models.json", non_empty=True),
    log:
        "<logs>/body_model.log",
    benchmark:
        "<benchmarks>/body_model.jsonl"
    conda:
        environment("render")
    threads: 1
    resources:
        mem_mb=growing(1000),
        runtime=growing(30),
    params:
        code=plan.code("body_model"),
    message:
        "Writing the stand-in body model"
    script:
        "../scripts/body_model.py"
