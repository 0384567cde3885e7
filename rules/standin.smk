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


rule standin:
    """Make the free stand-in humans of one chunk in THuman2.0's layout, and the body model they are fitted with."""
    output:
        manifest=ensure("<results>/standin/{chunk}.json", non_empty=True),
    log:
        "<logs>/standin/{chunk}.log",
    benchmark:
        "<benchmarks>/standin/{chunk}.jsonl"
    conda:
        environment("render")
    threads: 1
    resources:
        mem_mb=growing(2000),
        runtime=growing(60),
    params:
        scans=chunk_members,
        texture=plan.config["scans"]["texture"],
        code=plan.code("standin"),
    message:
        "Making the stand-in humans of {wildcards.chunk}"
    script:
        "../scripts/standin.py"
