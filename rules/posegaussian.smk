"""PoseGaussian: two calibrated photos of a person to every view between them."""


include: "people.smk"
include: "inputs/posegaussian.smk"


rule stereo_views:
    """Render the stereo pairs of a part's scans and the views between, or take over those that somebody else rendered."""
    input:
        scans=scans_table,
        models=pair_models,
        given=pair_files,
    output:
        manifest=ensure("<results>/render_data/{part}.json", non_empty=True),
    log:
        "<logs>/stereo_views/{part}.log",
    benchmark:
        "<benchmarks>/stereo_views/{part}.jsonl"
    conda:
        environment("render")
    threads: 1
    resources:
        mem_mb=growing(plan.memory("stereo_views")),
        runtime=growing_minutes("stereo_views"),
        gpu=plan.gpus("stereo_views"),
    params:
        **settings("seed"),
        pairs=sighting,
        per_scan=pairs_per_scan,
        names=part_scans,
        scans=part_sources,
        code=plan.code("stereo_views"),
    message:
        "Rendering the pairs of {wildcards.part}"
    script:
        "../scripts/posegaussian/stereo_views.py"


rule rectify:
    """Turn both views of each pair so that their rows correspond."""
    input:
        views="<results>/render_data/{part}.json",
    output:
        manifest=ensure("<results>/rectified/{part}/manifest.json", non_empty=True),
        checks=ensure("<results>/rectified/{part}/checks.json", non_empty=True),
    log:
        "<logs>/rectify/{part}.log",
    benchmark:
        "<benchmarks>/rectify/{part}.jsonl"
    conda:
        environment("render")
    threads: 1
    resources:
        mem_mb=growing(plan.memory("rectify")),
        runtime=growing_minutes("rectify"),
    params:
        **settings("rectify"),
        degrees=given_degrees,
        code=plan.code("rectify"),
    message:
        "Rectifying {wildcards.part}"
    script:
        "../scripts/posegaussian/rectify.py"


rule heatmaps:
    """Draw the pictures of joints of a part's pairs, or take over those that a user brings, and rectify them."""
    input:
        pairs=pairs_of,
        views=true_views,
        photos=photos_of,
        given=heat_files,
    output:
        manifest=ensure("<results>/render_data/{shots}.heatmaps.json", non_empty=True),
    log:
        "<logs>/heatmaps/{shots}.log",
    benchmark:
        "<benchmarks>/heatmaps/{shots}.jsonl"
    conda:
        environment("render")
    threads: 1
    resources:
        mem_mb=growing(plan.memory("heatmaps")),
        runtime=growing_minutes("heatmaps"),
    params:
        **settings("heatmaps", "rectify"),
        place=heat_place,
        code=plan.code("heatmaps"),
    message:
        "Drawing the joints of {wildcards.shots}"
    script:
        "../scripts/posegaussian/heatmaps.py"


rule rig:
    """Read the photos of a real rig and rectify them."""
    input:
        photos=capture_files,
    output:
        manifest=ensure("<results>/capture/manifest.json", non_empty=True),
        checks=ensure("<results>/capture/checks.json", non_empty=True),
    log:
        "<logs>/rig.log",
    benchmark:
        "<benchmarks>/rig.jsonl"
    conda:
        environment("render")
    threads: 1
    resources:
        mem_mb=growing(plan.memory("rig")),
        runtime=growing_minutes("rig"),
    params:
        **settings("capture", "rectify"),
        size=plan.config["pairs"]["size"],
        degrees=plan.config["pairs"]["degrees"],
        code=plan.code("rig"),
    message:
        "Reading the photos of the rig"
    script:
        "../scripts/posegaussian/rig.py"


rule depth:
    """Train the disparity between the two views of a pair."""
    input:
        pairs=learning_pairs,
        views=learning_views,
        heatmaps=learning_heatmaps,
    output:
        weights=ensure("<results>/depth/{fusion}/weights.safetensors", non_empty=True),
        design=ensure("<results>/depth/{fusion}/model.json", non_empty=True),
        history=ensure("<results>/depth/{fusion}/history.tsv", non_empty=True),
    log:
        "<logs>/depth/{fusion}.log",
    benchmark:
        "<benchmarks>/depth/{fusion}.jsonl"
    priority: 1
    conda:
        environment("train")
    threads: plan.threads("depth")
    resources:
        mem_mb=growing(plan.memory("depth")),
        runtime=1440,
        gpu=plan.gpus("depth"),
    params:
        **settings("seed", "device", "compat", "network", "depth"),
        encoding=encoding,
        code=plan.code("depth"),
    message:
        "Training the disparity ({wildcards.fusion})"
    script:
        "../scripts/posegaussian/depth.py"


rule gaussian_maps:
    """Train the maps of Gaussians by the views between, and the disparity with them."""
    input:
        depth=[
            "<results>/depth/{fusion}/weights.safetensors",
            "<results>/depth/{fusion}/model.json",
        ],
        pairs=learning_pairs,
        views=learning_views,
        heatmaps=learning_heatmaps,
    output:
        weights=ensure(
            "<results>/gaussian_maps/{fusion}/weights.safetensors", non_empty=True
        ),
        design=ensure("<results>/gaussian_maps/{fusion}/model.json", non_empty=True),
        history=ensure("<results>/gaussian_maps/{fusion}/history.tsv", non_empty=True),
    log:
        "<logs>/gaussian_maps/{fusion}.log",
    benchmark:
        "<benchmarks>/gaussian_maps/{fusion}.jsonl"
    priority: 1
    conda:
        environment("train")
    threads: plan.threads("gaussian_maps")
    resources:
        mem_mb=growing(plan.memory("gaussian_maps")),
        runtime=1440,
        gpu=plan.gpus("gaussian_maps"),
    params:
        **settings("seed", "device", "splat", "compat", "network", "maps"),
        encoding=encoding,
        code=plan.code("gaussian_maps"),
    message:
        "Training the maps of Gaussians ({wildcards.fusion})"
    script:
        "../scripts/posegaussian/gaussian_maps.py"


rule novel_views:
    """Make the Gaussians of each pair and the views between its cameras."""
    input:
        weights="<results>/gaussian_maps/{fusion}/weights.safetensors",
        design="<results>/gaussian_maps/{fusion}/model.json",
        pairs=pairs_of,
        views=true_views,
        heatmaps=heatmaps,
    output:
        manifest=ensure("<results>/novel_views/{fusion}/{shots}.json", non_empty=True),
    log:
        "<logs>/novel_views/{fusion}/{shots}.log",
    benchmark:
        "<benchmarks>/novel_views/{fusion}/{shots}.jsonl"
    conda:
        environment("train")
    threads: plan.threads("novel_views")
    resources:
        mem_mb=growing(plan.memory("novel_views")),
        runtime=growing_minutes("novel_views"),
        gpu=plan.gpus("novel_views"),
    params:
        **settings("device", "splat", "network", "between"),
        code=plan.code("novel_views"),
    message:
        "Rendering between the cameras of {wildcards.shots} ({wildcards.fusion})"
    script:
        "../scripts/posegaussian/novel_views.py"


rule stereo_evaluate:
    """Measure disparity and novel views of each pair."""
    input:
        made="<results>/novel_views/{fusion}/{part}.json",
        pairs="<results>/rectified/{part}/manifest.json",
        views="<results>/render_data/{part}.json",
    output:
        manifest=ensure("<results>/evaluations/{fusion}/{part}.json", non_empty=True),
    log:
        "<logs>/stereo_evaluate/{fusion}/{part}.log",
    benchmark:
        "<benchmarks>/stereo_evaluate/{fusion}/{part}.jsonl"
    conda:
        environment("train")
    threads: 1
    resources:
        mem_mb=growing(plan.memory("stereo_evaluate")),
        runtime=growing_minutes("stereo_evaluate"),
        gpu=plan.gpus("stereo_evaluate"),
    params:
        **settings("device", "splat", "weights"),
        standin=plan.standin,
        baselines=is_main,
        code=plan.code("stereo_evaluate"),
    message:
        "Measuring {wildcards.part} ({wildcards.fusion})"
    script:
        "../scripts/posegaussian/stereo_evaluate.py"


rule report:
    """Collect the tables and build the page that opens offline."""
    input:
        evaluations=expand(
            "<results>/evaluations/{fusion}/{part}.json",
            fusion=plan.variants,
            part=plan.test_parts,
        ),
        shown=expand(
            "<results>/novel_views/{fusion}/{shots}.json",
            fusion=plan.variants,
            shots=plan.measured,
        ),
        checks=expand("<results>/{place}/checks.json", place=plan.rectified),
        histories=expand(
            "<results>/{stage}/{fusion}/history.tsv",
            stage=["depth", "gaussian_maps"],
            fusion=plan.variants,
        ),
        run="<results>/run.json",
    output:
        page=ensure("<results>/report/index.html", non_empty=True),
        tables=ensure(
            expand(
                "<results>/tables/{table}.csv",
                table=[
                    "novel_views",
                    "by_view",
                    "by_ratio",
                    "disparity",
                    "calibration",
                    "spacing",
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
        "../scripts/posegaussian/report.py"


rule views:
    """Only the stereo pairs, rendered and rectified."""
    input:
        expand(
            "<results>/rectified/{part}/manifest.json",
            part=[*plan.learning_chunks, *plan.test_parts],
        ),


rule models:
    """Only the trained networks."""
    input:
        expand(
            "<results>/gaussian_maps/{fusion}/weights.safetensors",
            fusion=plan.variants,
        ),
