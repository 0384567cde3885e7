"""The views of the people of a run, rendered or taken over from the data set."""


rule render:
    """Render the views of every scan of one chunk with Blender's Cycles, or take over those that the data set brings."""
    input:
        scans="<results>/scans.tsv",
        models=body_models,
    output:
        manifest=ensure("<results>/views/{chunk}/manifest.json", non_empty=True),
    log:
        "<logs>/render/{chunk}.log",
    benchmark:
        "<benchmarks>/render/{chunk}.jsonl"
    conda:
        environment("render")
    threads: 1
    resources:
        mem_mb=growing(2000),
        runtime=growing(120),
        gpu=plan.gpus("render"),
    params:
        **settings("rendering"),
        scans=chunk_sources,
        code=plan.code("render"),
    message:
        "Rendering {wildcards.chunk}"
    script:
        "../scripts/render.py"


rule views:
    """Only the rendered data set."""
    input:
        expand("<results>/views/{chunk}/manifest.json", chunk=plan.chunks),
