"""Animatable Gaussians: a multi-view video of a person to an avatar that any motion drives."""


include: "body.smk"
include: "inputs/animatable.smk"


rule capture:
    """Render a part of a stand-in's multi-view video, or write its cameras and parameters."""
    input:
        models=body_files,
    output:
        manifest=ensure("<results>/capture/{part}.json", non_empty=True),
    log:
        "<logs>/capture/{part}.log",
    benchmark:
        "<benchmarks>/capture/{part}.jsonl"
    conda:
        environment("render")
    threads: 1
    resources:
        mem_mb=growing(plan.memory("capture")),
        runtime=growing(240),
    params:
        **settings("seed", "standin"),
        frames=part_frames,
        code=plan.code("capture"),
    message:
        "Filming {wildcards.part}"
    script:
        "../scripts/animatable/capture.py"


rule capture_check:
    """Check that the body, placed by the capture's parameters, covers the person in the pictures."""
    input:
        parts=capture_parts,
        files=capture_files,
        models=body_files,
    output:
        check=ensure("<results>/check/{kind}.json", non_empty=True),
        overlay=ensure("<results>/check/{kind}.png", non_empty=True),
    log:
        "<logs>/capture_check/{kind}.log",
    benchmark:
        "<benchmarks>/capture_check/{kind}.jsonl"
    priority: 2
    conda:
        environment("evaluate")
    threads: 1
    resources:
        mem_mb=growing(plan.memory("capture_check")),
        runtime=growing(120),
    params:
        **settings("splat"),
        capture=capture_of,
        pictures=pictures,
        code=plan.code("capture_check"),
    message:
        "Checking the capture ({wildcards.kind})"
    script:
        "../scripts/animatable/capture_check.py"


rule template:
    """Carry the body's weights to a mesh that a user brings."""
    input:
        check="<results>/check/train.json",
        models=body_files,
        mesh=mesh_files,
    output:
        template=ensure("<results>/template/template.ply", non_empty=True),
        weights=ensure("<results>/template/weights.npz", non_empty=True),
    log:
        "<logs>/template.log",
    benchmark:
        "<benchmarks>/template.jsonl"
    conda:
        environment("render")
    threads: 1
    resources:
        mem_mb=growing(plan.memory("template")),
        runtime=growing(240),
    params:
        **settings("template"),
        capture=plan.capture_of("train"),
        code=plan.code("template"),
    message:
        "Making the template"
    script:
        "../scripts/animatable/template.py"


rule position_maps:
    """Lay the surface out on the two canonical maps, and pose it as in each frame."""
    input:
        check="<results>/check/train.json",
        models=body_files,
        template=template_files,
    output:
        canonical=ensure("<results>/maps/canonical.npz", non_empty=True),
        frames=ensure("<results>/maps/frames.npz", non_empty=True),
        manifest=ensure("<results>/maps/manifest.json", non_empty=True),
    log:
        "<logs>/position_maps.log",
    benchmark:
        "<benchmarks>/position_maps.jsonl"
    conda:
        environment("render")
    threads: 1
    resources:
        mem_mb=growing(plan.memory("position_maps")),
        runtime=growing(120),
    params:
        **settings("maps", "template"),
        capture=plan.capture_of("train"),
        code=plan.code("position_maps"),
    message:
        "Making the maps"
    script:
        "../scripts/animatable/position_maps.py"


rule pretrain:
    """Train the networks to give the attributes that the avatar starts with."""
    input:
        canonical="<results>/maps/canonical.npz",
        frames="<results>/maps/frames.npz",
    output:
        weights=ensure(
            "<results>/pretrain/{variant}/weights.safetensors", non_empty=True
        ),
        design=ensure("<results>/pretrain/{variant}/model.json", non_empty=True),
        base=ensure("<results>/pretrain/{variant}/canonical.npz", non_empty=True),
        history=ensure("<results>/pretrain/{variant}/history.tsv", non_empty=True),
    log:
        "<logs>/pretrain/{variant}.log",
    benchmark:
        "<benchmarks>/pretrain/{variant}.jsonl"
    priority: 1
    conda:
        environment("train")
    threads: plan.threads("pretrain")
    resources:
        mem_mb=growing(plan.memory("pretrain")),
        runtime=1440,
        gpu=plan.gpus("pretrain"),
    params:
        **settings("seed", "device", "network", "maps", "pretrain"),
        opacity=plan.config["avatar"]["opacity"],
        code=plan.code("pretrain"),
    message:
        "Pretraining the avatar ({wildcards.variant})"
    script:
        "../scripts/animatable/pretrain.py"


rule avatar:
    """Train the avatar by the pictures, and learn the space of its training poses."""
    input:
        check="<results>/check/train.json",
        canonical="<results>/maps/canonical.npz",
        frames="<results>/maps/frames.npz",
        pretrained="<results>/pretrain/{variant}/weights.safetensors",
        pretrained_design="<results>/pretrain/{variant}/model.json",
    output:
        weights=ensure("<results>/avatar/{variant}/weights.safetensors", non_empty=True),
        design=ensure("<results>/avatar/{variant}/model.json", non_empty=True),
        base=ensure("<results>/avatar/{variant}/canonical.npz", non_empty=True),
        history=ensure("<results>/avatar/{variant}/history.tsv", non_empty=True),
        space=ensure("<results>/avatar/{variant}/pose_space.npz", non_empty=True),
    log:
        "<logs>/avatar/{variant}.log",
    benchmark:
        "<benchmarks>/avatar/{variant}.jsonl"
    priority: 1
    conda:
        environment("train")
    threads: plan.threads("avatar")
    resources:
        mem_mb=growing(plan.memory("avatar")),
        runtime=1440,
        gpu=plan.gpus("avatar"),
    params:
        **settings("seed", "device", "splat", "network", "maps", "avatar", "weights"),
        capture=plan.capture_of("train"),
        code=plan.code("avatar"),
    message:
        "Training the avatar ({wildcards.variant})"
    script:
        "../scripts/animatable/avatar.py"


rule avatar_evaluate:
    """Measure an avatar on cameras and poses that it was not trained on."""
    input:
        checks=expand("<results>/check/{kind}.json", kind=["train", "test"]),
        models=body_files,
        avatar=avatar_files,
    output:
        metrics=ensure(
            expand(
                "<results>/subjects/{{variant}}/{split}/metrics.json",
                split=plan.splits,
            ),
            non_empty=True,
        ),
    log:
        "<logs>/avatar_evaluate/{variant}.log",
    benchmark:
        "<benchmarks>/avatar_evaluate/{variant}.jsonl"
    conda:
        environment("train")
    threads: plan.threads("avatar_evaluate")
    resources:
        mem_mb=growing(plan.memory("avatar_evaluate")),
        runtime=growing(480),
        gpu=plan.gpus("avatar_evaluate"),
    params:
        **settings("device", "splat", "weights"),
        capture=plan.capture_of("test"),
        standin=plan.standin,
        every=plan.config["evaluate"]["every"],
        crease=plan.config["evaluate"]["crease"],
        code=plan.code("avatar_evaluate"),
    message:
        "Measuring the avatar ({wildcards.variant})"
    script:
        "../scripts/animatable/avatar_evaluate.py"


rule animate:
    """Drive an avatar by a motion and film it."""
    input:
        check=film_check,
        models=body_files,
        avatar=avatar_files,
        space="<results>/avatar/{variant}/pose_space.npz",
        motion=motion_files,
    output:
        film=ensure("<results>/animations/{variant}/{motion}/rgb.mp4", non_empty=True),
        record=ensure(
            "<results>/animations/{variant}/{motion}/film.json", non_empty=True
        ),
    log:
        "<logs>/animate/{variant}/{motion}.log",
    benchmark:
        "<benchmarks>/animate/{variant}/{motion}.jsonl"
    conda:
        environment("train")
    threads: plan.threads("animate")
    resources:
        mem_mb=growing(plan.memory("animate")),
        runtime=growing(480),
        gpu=plan.gpus("animate"),
    params:
        **settings("seed", "device", "splat"),
        capture=film_capture,
        animate=filming,
        code=plan.code("animate"),
    message:
        "Driving the avatar ({wildcards.variant}, {wildcards.motion})"
    script:
        "../scripts/animatable/animate.py"


rule report:
    """Collect the tables and build the page that opens offline."""
    input:
        checks=expand(
            "<results>/check/{kind}.{file}",
            kind=["train", "test"],
            file=["json", "png"],
        ),
        maps="<results>/maps/manifest.json",
        canonical="<results>/maps/canonical.npz",
        metrics=expand(
            "<results>/subjects/{variant}/{split}/metrics.json",
            variant=plan.variants,
            split=plan.splits,
        ),
        histories=expand(
            "<results>/{stage}/{variant}/history.tsv",
            stage=["pretrain", "avatar"],
            variant=plan.variants,
        ),
        films=other_results,
        run="<results>/run.json",
    output:
        page=ensure("<results>/report/index.html", non_empty=True),
        tables=ensure(
            expand("<results>/tables/{table}.csv", table=["avatars", "paper_vs_ours"]),
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
        "../scripts/animatable/report.py"


rule models:
    """Only the trained avatars."""
    input:
        expand("<results>/avatar/{variant}/weights.safetensors", variant=plan.variants),
