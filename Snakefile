"""HGM from scans to Gaussians, meshes and tables. `config.yaml` is the demo; a preset in `config/hgm/` changes numbers only."""

from snakemake.utils import min_version

min_version("9.25")


include: "rules/common.smk"


pathvars:
    results=results_folder(),
    logs=logs_folder(),
    benchmarks=benchmarks_folder(),


include: "rules/standin.smk"
include: "rules/catalogue.smk"
include: "rules/render.smk"
include: "rules/coarse.smk"
include: "rules/base.smk"
include: "rules/normals.smk"
include: "rules/pairs.smk"
include: "rules/controlnet.smk"
include: "rules/fusion.smk"
include: "rules/estimators.smk"
include: "rules/estimate.smk"
include: "rules/refine.smk"
include: "rules/reconstruct.smk"
include: "rules/mesh.smk"
include: "rules/photos.smk"
include: "rules/evaluate.smk"
include: "rules/baseline.smk"
include: "rules/report.smk"


onstart:
    require_gpus()


rule all:
    """The report with everything it is made from, and the photos of the configuration."""
    default_target: True
    input:
        "<results>/report/index.html",
        photo_results,


rule views:
    """Only the rendered data set."""
    input:
        expand("<results>/views/{chunk}/manifest.json", chunk=plan.chunks),


rule models:
    """Only the trained networks."""
    input:
        "<results>/coarse/weights.safetensors",
        "<results>/controlnet/manifest.json",
        "<results>/fusion/weights.safetensors",
        normal_net,
