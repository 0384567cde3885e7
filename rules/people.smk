"""The people of a run: makes stand-ins where there is no data set, and checks which scans can be used."""


include: "body.smk"
include: "inputs/people.smk"


rule standin:
    """Make the free stand-in humans of one chunk in THuman2.0's layout."""
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
