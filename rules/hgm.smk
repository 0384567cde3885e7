"""HGM: one photo to Gaussians, from the trainings to the report."""


include: "people.smk"
include: "views.smk"
include: "inputs/hgm.smk"


rule coarse:
    """Train the one-view HGM."""
    input:
        views=learning_views,
        start=coarse_start,
    output:
        weights=ensure("<results>/coarse{branch}/weights.safetensors", non_empty=True),
        early=ensure("<results>/coarse{branch}/early.safetensors", non_empty=True),
        model=ensure("<results>/coarse{branch}/model.json", non_empty=True),
        history=ensure("<results>/coarse{branch}/history.tsv", non_empty=True),
    log:
        "<logs>/coarse{branch}.log",
    benchmark:
        "<benchmarks>/coarse{branch}.jsonl"
    priority: 1
    conda:
        environment("train")
    threads: plan.threads("coarse")
    resources:
        mem_mb=growing(plan.memory("coarse")),
        runtime=1440,
        gpu=plan.gpus("coarse"),
    params:
        **settings(
            "seed",
            "device",
            "splat",
            "rendering",
            "network",
            "loss",
            "coarse",
            "weights",
        ),
        code=plan.code("coarse"),
    message:
        "Training the coarse HGM{wildcards.branch}"
    script:
        "../scripts/hgm/coarse.py"


rule base:
    """Provide the latent diffusion model: the configured Stable Diffusion folder, or a small one trained on the rendered views."""
    input:
        views=training_views,
        start=base_start,
    output:
        manifest=ensure("<results>/base/manifest.json", non_empty=True),
    log:
        "<logs>/base.log",
    benchmark:
        "<benchmarks>/base.jsonl"
    conda:
        environment("diffusion")
    threads: 1
    resources:
        mem_mb=growing(plan.memory("base")),
        runtime=720,
        gpu=plan.gpus("base"),
    params:
        **settings("seed", "device", "rendering", "base", "weights"),
        code=plan.code("base"),
    message:
        "Preparing the latent diffusion base"
    script:
        "../scripts/hgm/base.py"


rule normals:
    """Train the net that predicts a normal map from a picture, on rendered normals."""
    input:
        views=training_views,
        models=body_models,
        start=normals_start,
    output:
        weights=ensure("<results>/normals/weights.safetensors", non_empty=True),
        model=ensure("<results>/normals/model.json", non_empty=True),
        history=ensure("<results>/normals/history.tsv", non_empty=True),
    log:
        "<logs>/normals.log",
    benchmark:
        "<benchmarks>/normals.jsonl"
    conda:
        environment("train")
    threads: 1
    resources:
        mem_mb=growing(plan.memory("normals")),
        runtime=720,
        gpu=plan.gpus("normals"),
    params:
        **settings("seed", "device", "splat", "normals"),
        scans=plan.sources,
        code=plan.code("normals"),
    message:
        "Training the normal net"
    script:
        "../scripts/hgm/normals.py"


rule pairs:
    """Render the back view of every training scan with the unconverged coarse model, downsampled, next to the truth."""
    input:
        views=training_views,
        coarse=["<results>/coarse/early.safetensors", "<results>/coarse/model.json"],
    output:
        manifest=ensure("<results>/pairs/manifest.json", non_empty=True),
    log:
        "<logs>/pairs.log",
    benchmark:
        "<benchmarks>/pairs.jsonl"
    priority: 1
    conda:
        environment("diffusion")
    threads: 1
    resources:
        mem_mb=growing(plan.memory("pairs")),
        runtime=growing(120),
        gpu=plan.gpus("pairs"),
    params:
        **settings("device", "splat", "rendering", "network", "pairs"),
        code=plan.code("pairs"),
    message:
        "Making the ControlNet pairs"
    script:
        "../scripts/hgm/pairs.py"


rule controlnet:
    """Train the ControlNet on the pairs; the base stays frozen (paper eq. 4)."""
    input:
        pairs="<results>/pairs/manifest.json",
        base="<results>/base/manifest.json",
        start=controlnet_start,
    output:
        manifest=ensure("<results>/controlnet/manifest.json", non_empty=True),
        history=ensure("<results>/controlnet/history.tsv", non_empty=True),
    log:
        "<logs>/controlnet.log",
    benchmark:
        "<benchmarks>/controlnet.jsonl"
    conda:
        environment("diffusion")
    threads: plan.threads("controlnet")
    resources:
        mem_mb=growing(plan.memory("controlnet")),
        runtime=1440,
        gpu=plan.gpus("controlnet"),
    params:
        **settings("seed", "device", "controlnet"),
        code=plan.code("controlnet"),
    message:
        "Training the ControlNet"
    script:
        "../scripts/hgm/controlnet.py"


rule fusion:
    """Train the two-view HGM on the front and the back view."""
    input:
        views=learning_views,
        pairs=fusion_backs,
        start=fusion_start,
    output:
        weights=ensure("<results>/fusion{branch}/weights.safetensors", non_empty=True),
        model=ensure("<results>/fusion{branch}/model.json", non_empty=True),
        history=ensure("<results>/fusion{branch}/history.tsv", non_empty=True),
    log:
        "<logs>/fusion{branch}.log",
    benchmark:
        "<benchmarks>/fusion{branch}.jsonl"
    priority: 1
    conda:
        environment("train")
    threads: plan.threads("fusion")
    resources:
        mem_mb=growing(plan.memory("fusion")),
        runtime=1440,
        gpu=plan.gpus("fusion"),
    params:
        **settings(
            "seed",
            "device",
            "splat",
            "rendering",
            "network",
            "loss",
            "fusion",
            "weights",
        ),
        code=plan.code("fusion"),
    message:
        "Training the fusion HGM{wildcards.branch}"
    script:
        "../scripts/hgm/fusion.py"


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
        "../scripts/hgm/estimate_pixie.py"


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
        "../scripts/hgm/estimate_pymafx.py"


rule estimate:
    """Write the first SMPL-X estimate of each test subject of one chunk."""
    input:
        models=body_models,
        views="<results>/views/{chunk}/manifest.json",
        bodies=first_bodies,
    output:
        manifest=ensure(
            "<results>/bodies/estimated{first}/{chunk}.json", non_empty=True
        ),
    log:
        "<logs>/estimate{first}/{chunk}.log",
    benchmark:
        "<benchmarks>/estimate{first}/{chunk}.jsonl"
    conda:
        environment("diffusion")
    threads: 1
    resources:
        mem_mb=growing(4000),
        runtime=growing(60),
    params:
        **settings("seed", "estimate"),
        source=first_source,
        scans=chunk_sources,
        code=plan.code("estimate"),
    message:
        "Estimating the bodies of {wildcards.chunk}"
    script:
        "../scripts/hgm/estimate.py"


rule refine:
    """Refine SMPL-X against the silhouettes of the coarse Gaussians (paper section 3.4)."""
    input:
        models=body_models,
        views="<results>/views/{chunk}/manifest.json",
        bodies="<results>/bodies/estimated{first}/{chunk}.json",
        coarse=network("coarse"),
        normals=refining_normal_net,
    output:
        manifest=ensure(
            "<results>/bodies/refined{first}{sides}/{chunk}.json", non_empty=True
        ),
    log:
        "<logs>/refine{first}{sides}/{chunk}.log",
    benchmark:
        "<benchmarks>/refine{first}{sides}/{chunk}.jsonl"
    conda:
        environment("diffusion")
    threads: 1
    resources:
        mem_mb=growing(plan.memory("refine")),
        runtime=growing(120),
        gpu=plan.gpus("refine"),
    params:
        **settings("device", "splat", "rendering", "network"),
        refine=refining,
        normals=plan.refining_normals,
        scans=chunk_sources,
        code=plan.code("refine"),
    message:
        "Refining the bodies of {wildcards.chunk}"
    script:
        "../scripts/hgm/refine.py"


rule reconstruct:
    """Reconstruct the subjects of one chunk from one picture each: coarse, back view, fusion."""
    input:
        views="<results>/views/{chunk}/manifest.json",
        bodies=bodies,
        coarse=coarse_model,
        fusion=fusion_model,
        back_view=back_view_models,
    output:
        manifest=ensure(
            "<results>/subjects/{variant}/{chunk}.reconstruct.json", non_empty=True
        ),
    log:
        "<logs>/reconstruct/{variant}/{chunk}.log",
    benchmark:
        "<benchmarks>/reconstruct/{variant}/{chunk}.jsonl"
    conda:
        environment("diffusion")
    threads: 1
    resources:
        mem_mb=growing(plan.memory("reconstruct")),
        runtime=growing(120),
        gpu=plan.gpus("reconstruct"),
    params:
        **settings(
            "device", "splat", "rendering", "network", "back_view", "reconstruct"
        ),
        code=plan.code("reconstruct"),
    message:
        "Reconstructing {wildcards.chunk} ({wildcards.variant})"
    script:
        "../scripts/hgm/reconstruct.py"


rule mesh:
    """Fuse depth renders of the Gaussians to a mesh, clean it and refine it by normals."""
    input:
        subjects="<results>/subjects/{variant}/{chunk}.reconstruct.json",
        normals=meshing_normal_net,
        models=body_models,
    output:
        manifest=ensure(
            "<results>/subjects/{variant}/{chunk}.mesh.json", non_empty=True
        ),
    log:
        "<logs>/mesh/{variant}/{chunk}.log",
    benchmark:
        "<benchmarks>/mesh/{variant}/{chunk}.jsonl"
    conda:
        environment("mesh")
    threads: 1
    resources:
        mem_mb=growing(plan.memory("mesh")),
        runtime=growing(120),
        gpu=plan.gpus("mesh"),
    params:
        **settings("device", "splat", "mesh", "normals"),
        scans=chunk_sources,
        code=plan.code("mesh"),
    message:
        "Meshing {wildcards.chunk} ({wildcards.variant})"
    script:
        "../scripts/hgm/mesh.py"


rule photos:
    """Reconstruct and mesh the photos of the configuration with the networks of this run."""
    input:
        photos=photo_files,
        models=body_models,
        coarse=coarse_model,
        fusion=fusion_model,
        back_view=back_view_models,
        normals=photo_normal_net,
        bodies=photo_bodies,
    output:
        manifest=ensure("<results>/photos/manifest.json", non_empty=True),
        sheet=ensure("<results>/photos/contact.png", non_empty=True),
    log:
        "<logs>/photos.log",
    benchmark:
        "<benchmarks>/photos.jsonl"
    conda:
        environment("photos")
    threads: 1
    resources:
        mem_mb=growing(plan.memory("photos")),
        runtime=growing(240),
        gpu=plan.gpus("photos"),
    params:
        **settings(
            "device",
            "splat",
            "rendering",
            "network",
            "back_view",
            "refine",
            "reconstruct",
            "mesh",
            "normals",
        ),
        variant=plan.photo_variant,
        scans=plan.sources,
        code=plan.code("photos"),
    message:
        "Reconstructing the photos of the configuration"
    script:
        "../scripts/hgm/photos.py"


rule evaluate:
    """Measure the subjects of one chunk against their scans, under both metric definitions."""
    input:
        subjects="<results>/subjects/{variant}/{chunk}.reconstruct.json",
        meshes="<results>/subjects/{variant}/{chunk}.mesh.json",
        views="<results>/views/{chunk}/manifest.json",
        first=first_estimates,
        models=body_models,
        scans="<results>/scans.tsv",
    output:
        manifest=ensure(
            "<results>/subjects/{variant}/{chunk}.evaluate.json", non_empty=True
        ),
    log:
        "<logs>/evaluate/{variant}/{chunk}.log",
    benchmark:
        "<benchmarks>/evaluate/{variant}/{chunk}.jsonl"
    conda:
        environment("evaluate")
    threads: 1
    resources:
        mem_mb=growing(4000),
        runtime=growing(120),
    params:
        **settings("seed", "splat", "weights"),
        evaluate=plan.measuring,
        simple_baselines=simple_baselines,
        scans=chunk_sources,
        code=plan.code("evaluate"),
    message:
        "Measuring {wildcards.chunk} ({wildcards.variant})"
    script:
        "../scripts/hgm/evaluate.py"


rule baseline:
    """Measure another method's results for the subjects of one chunk, as `evaluate` measures ours."""
    input:
        views="<results>/views/{chunk}/manifest.json",
        theirs=baseline_results,
        models=body_models,
        scans="<results>/scans.tsv",
    output:
        manifest=ensure("<results>/baselines/{method}/{chunk}.json", non_empty=True),
    log:
        "<logs>/baseline/{method}/{chunk}.log",
    benchmark:
        "<benchmarks>/baseline/{method}/{chunk}.jsonl"
    conda:
        environment("evaluate")
    threads: 1
    resources:
        mem_mb=growing(4000),
        runtime=growing(120),
    params:
        **settings("seed", "weights"),
        folder=baseline_folder,
        evaluate=plan.measuring,
        scans=chunk_sources,
        code=plan.code("baseline"),
    message:
        "Measuring {wildcards.chunk} ({wildcards.method})"
    script:
        "../scripts/hgm/baseline.py"


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
        "../scripts/hgm/report.py"


rule models:
    """Only the trained networks."""
    input:
        "<results>/coarse/weights.safetensors",
        "<results>/controlnet/manifest.json",
        "<results>/fusion/weights.safetensors",
        normal_net,
