rule record:
    """Write down what is run: configuration, commit, versions, machine."""
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


rule report:
    """Collect the tables and build the page that opens offline."""
    input:
        evaluations=expand(
            "<results>/subjects/{variant}/{chunk}.evaluate.json",
            variant=plan.variants,
            chunk=plan.test_chunks,
        ),
        baselines=expand(
            "<results>/baselines/{method}/{chunk}.json",
            method=plan.baselines,
            chunk=plan.test_chunks,
        ),
        views=expand("<results>/views/{chunk}/manifest.json", chunk=plan.chunks),
        pairs="<results>/pairs/manifest.json",
        normals=normal_net,
        coarse="<results>/coarse/history.tsv",
        fusion="<results>/fusion/history.tsv",
        controlnet="<results>/controlnet/history.tsv",
        run="<results>/run.json",
        scans="<results>/scans.tsv",
        rejected="<results>/rejected.tsv",
    output:
        page=ensure("<results>/report/index.html", non_empty=True),
        tables=ensure(
            expand(
                "<results>/tables/{table}.csv",
                table=[
                    "nvs",
                    "geometry",
                    "ablation",
                    "smplx",
                    "backview",
                    "paper_vs_ours",
                ],
            ),
            non_empty=True,
        ),
    log:
        "<logs>/report.log",
    benchmark:
        "<benchmarks>/report.jsonl"
    conda:
        environment("evaluate")
    threads: 1
    resources:
        mem_mb=growing(2000),
        runtime=growing(60),
    params:
        config=plan.config,
        texts=plan.texts,
        viewer=plan.viewer,
        code=plan.code("report"),
    message:
        "Building the report"
    script:
        "../scripts/report.py"
