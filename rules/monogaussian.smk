"""MonoGaussianAvatar: a video of a head to an avatar that any expression drives."""


include: "inputs/monogaussian.smk"


rule head_model:
    """Write the free stand-in head in the format of FLAME 2020."""
    output:
        model=ensure(plan.made_head, non_empty=True),
        landmarks=ensure(plan.made_landmarks, non_empty=True),
    log:
        "<logs>/head_model.log",
    benchmark:
        "<benchmarks>/head_model.jsonl"
    conda:
        environment("render")
    threads: 1
    resources:
        mem_mb=growing(1000),
        runtime=growing(30),
    params:
        code=plan.code("head_model"),
    message:
        "Writing the stand-in head"
    script:
        "../scripts/monogaussian/head_model.py"


rule head_video:
    """Render a clip of a stand-in's head and shoulders, with its exact parameters."""
    output:
        parameters=ensure(plan.made_clip, non_empty=True),
    log:
        "<logs>/head_video/{clip}.log",
    benchmark:
        "<benchmarks>/head_video/{clip}.jsonl"
    conda:
        environment("render")
    threads: 1
    resources:
        mem_mb=growing(4000),
        runtime=growing(240),
    params:
        **settings("seed"),
        size=plan.config["video"]["size"],
        standin=staging,
        code=plan.code("head_video"),
    message:
        "Filming {wildcards.clip}"
    script:
        "../scripts/monogaussian/head_video.py"


rule tracking_check:
    """Check that the head model, placed by a clip's parameters, covers the head in its pictures."""
    input:
        model=head_files,
        clip=clip_files,
    output:
        check=ensure("<results>/check/{clip}.json", non_empty=True),
        overlay=ensure("<results>/check/{clip}.png", non_empty=True),
    log:
        "<logs>/tracking_check/{clip}.log",
    benchmark:
        "<benchmarks>/tracking_check/{clip}.jsonl"
    # all clips are checked before anything is trained
    priority: 2
    conda:
        environment("evaluate")
    threads: 1
    resources:
        mem_mb=growing(2000),
        runtime=growing(60),
    params:
        code=plan.code("tracking_check"),
    message:
        "Checking the head's tracking ({wildcards.clip})"
    script:
        "../scripts/monogaussian/tracking_check.py"


rule head_avatar:
    """Train the avatar: points in a canonical space, their deformation, their looks."""
    input:
        model=head_files,
        checks=checks("json", plan.training_clips),
        clips=training_clips,
    output:
        weights=ensure("<results>/avatar/{variant}/weights.safetensors", non_empty=True),
        points=ensure("<results>/avatar/{variant}/points.npz", non_empty=True),
        design=ensure("<results>/avatar/{variant}/model.json", non_empty=True),
        tracking=ensure("<results>/avatar/{variant}/tracking.npz", non_empty=True),
        history=ensure("<results>/avatar/{variant}/history.tsv", non_empty=True),
    log:
        "<logs>/head_avatar/{variant}.log",
    benchmark:
        "<benchmarks>/head_avatar/{variant}.jsonl"
    priority: 1
    conda:
        environment("train")
    threads: plan.threads("head_avatar")
    resources:
        mem_mb=growing(plan.memory("head_avatar")),
        runtime=1440,
        gpu=plan.gpus("head_avatar"),
    params:
        **settings("seed", "device", "splat", "compat", "avatar"),
        vgg16=plan.config["weights"]["vgg16"],
        size=plan.config["video"]["size"],
        code=plan.code("head_avatar"),
    message:
        "Training the avatar ({wildcards.variant})"
    script:
        "../scripts/monogaussian/head_avatar.py"


rule head_evaluate:
    """Measure an avatar on the test clip, by one protocol."""
    input:
        model=head_files,
        checks=checks("json", plan.clips[-1:]),
        weights="<results>/avatar/{variant}/weights.safetensors",
        points="<results>/avatar/{variant}/points.npz",
        design="<results>/avatar/{variant}/model.json",
        clip=test_clip,
    output:
        metrics=ensure(
            "<results>/subjects/{variant}/{protocol}/metrics.json", non_empty=True
        ),
    log:
        "<logs>/head_evaluate/{variant}/{protocol}.log",
    benchmark:
        "<benchmarks>/head_evaluate/{variant}/{protocol}.jsonl"
    conda:
        environment("train")
    threads: plan.threads("head_evaluate")
    resources:
        mem_mb=growing(plan.memory("head_evaluate")),
        runtime=growing(240),
        gpu=plan.gpus("head_evaluate"),
    params:
        **settings("device", "splat", "avatar", "weights"),
        size=plan.config["video"]["size"],
        subject=plan.config["video"]["subject"],
        standin=plan.standin,
        evaluate=measuring,
        code=plan.code("head_evaluate"),
    message:
        "Measuring the avatar ({wildcards.variant}, {wildcards.protocol})"
    script:
        "../scripts/monogaussian/head_evaluate.py"


rule reanimate:
    """Drive an avatar by another clip, by one expression after the other, or look at it from around."""
    input:
        checks=checks("json", plan.training_clips),
        weights="<results>/avatar/{variant}/weights.safetensors",
        points="<results>/avatar/{variant}/points.npz",
        design="<results>/avatar/{variant}/model.json",
        clips=training_clips,
        driver=driver_files,
    output:
        film=ensure("<results>/animations/{variant}/{driver}/rgb.mp4", non_empty=True),
        canonical=ensure(
            "<results>/animations/{variant}/{driver}/canonical.ply", non_empty=True
        ),
        deformed=ensure(
            "<results>/animations/{variant}/{driver}/deformed.ply", non_empty=True
        ),
    log:
        "<logs>/reanimate/{variant}/{driver}.log",
    benchmark:
        "<benchmarks>/reanimate/{variant}/{driver}.jsonl"
    conda:
        environment("train")
    threads: plan.threads("reanimate")
    resources:
        mem_mb=growing(plan.memory("reanimate")),
        runtime=growing(240),
        gpu=plan.gpus("reanimate"),
    params:
        **settings("device", "splat"),
        animate=filming,
        code=plan.code("reanimate"),
    message:
        "Driving the avatar ({wildcards.variant}, {wildcards.driver})"
    script:
        "../scripts/monogaussian/reanimate.py"


rule report:
    """Collect the tables and build the page that opens offline."""
    input:
        checks=checks("json", plan.clips),
        overlays=checks("png", plan.clips),
        metrics=expand(
            "<results>/subjects/{variant}/{protocol}/metrics.json",
            variant=plan.variants,
            protocol=plan.protocols,
        ),
        histories=expand(
            "<results>/avatar/{variant}/history.tsv", variant=plan.variants
        ),
        films=other_results,
        run="<results>/run.json",
    output:
        page=ensure("<results>/report/index.html", non_empty=True),
        tables=ensure(
            expand(
                "<results>/tables/{table}.csv",
                table=["reenactment", "paper_vs_ours"],
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
        "../scripts/monogaussian/report.py"


rule models:
    """Only the trained avatars."""
    input:
        expand("<results>/avatar/{variant}/weights.safetensors", variant=plan.variants),
