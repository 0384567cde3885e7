rule estimate_pixie:
    """Run the user's PIXIE on the front views of one chunk, or on photos without a body."""
    input:
        program=pixie_files,
        python=ancient(pixie_python),
        views=seen_views,
        photos=seen_photos,
    output:
        manifest=ensure("<results>/bodies/pixie/{people}.json", non_empty=True),
    log:
        "<logs>/estimate_pixie/{people}.log",
    benchmark:
        "<benchmarks>/estimate_pixie/{people}.jsonl"
    conda:
        environment("photos")
    threads: 1
    resources:
        mem_mb=growing(12000),
        runtime=growing(240),
        gpu=plan.gpus("estimate_pixie"),
    params:
        **settings("device", "estimate"),
        code=plan.code("estimate_pixie"),
    message:
        "Running PIXIE on {wildcards.people}"
    script:
        "../scripts/estimate_pixie.py"


rule estimate_pymafx:
    """Run the user's PyMAF-X on the front views of one chunk, or on photos without a body."""
    input:
        program=pymafx_files,
        python=ancient(pymafx_python),
        views=seen_views,
        photos=seen_photos,
    output:
        manifest=ensure("<results>/bodies/pymafx/{people}.json", non_empty=True),
    log:
        "<logs>/estimate_pymafx/{people}.log",
    benchmark:
        "<benchmarks>/estimate_pymafx/{people}.jsonl"
    conda:
        environment("photos")
    threads: 1
    resources:
        mem_mb=growing(12000),
        runtime=growing(240),
        gpu=plan.gpus("estimate_pymafx"),
    params:
        **settings("device", "estimate"),
        code=plan.code("estimate_pymafx"),
    message:
        "Running PyMAF-X on {wildcards.people}"
    script:
        "../scripts/estimate_pymafx.py"
