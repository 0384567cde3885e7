"""What all rules share: the validated configuration, folders, resource classes."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(workflow.basedir)))

from hgm.errors import InputError
from hgm.plan import Plan


def validated(data):
    """The plan of a configuration; one line and no traceback where it is wrong."""
    try:
        return Plan(data)
    except InputError as error:
        raise WorkflowError(f"configuration: {error}") from None


plan = validated(config)


def results_folder():
    """Results of this run."""
    return f"results/{plan.config['run']}"


def logs_folder():
    """Logs and job records of this run."""
    return f"results/{plan.config['run']}/logs"


def benchmarks_folder():
    """Time and memory of each job of this run."""
    return f"results/{plan.config['run']}/benchmarks"


def standin_manifests(wildcards):
    """The scans a stand-in run makes first; nothing for other sources."""
    return (
        expand("<results>/standin/{chunk}.json", chunk=plan.chunks)
        if plan.standin
        else []
    )


def body_models(wildcards):
    """The stand-in body model; a user's own SMPL-X files are no product of the workflow."""
    return (
        "<results>/standin/models.json"
        if plan.config["scans"]["models"] is None
        else []
    )


def learning_views(wildcards):
    """Rendered training and validation scans."""
    return expand("<results>/views/{chunk}/manifest.json", chunk=plan.learning_chunks)


def training_views(wildcards):
    """Rendered training scans."""
    return expand("<results>/views/{chunk}/manifest.json", chunk=plan.training_chunks)


def networks(wildcards):
    """Suffix of the network folders that a variant uses."""
    return "_no_body" if wildcards.variant == "no_body" else ""


def coarse_model(wildcards):
    """The coarse networks of a variant."""
    return f"<results>/coarse{networks(wildcards)}/weights.safetensors"


def fusion_model(wildcards):
    """The fusion networks of a variant; none for the one-view variant."""
    if wildcards.variant == "one_view":
        return []
    return f"<results>/fusion{networks(wildcards)}/weights.safetensors"


def back_view_models(wildcards):
    """The diffusion model and its ControlNet; none for the variants that do without."""
    if wildcards.variant in ("one_view", "no_diffusion"):
        return []
    return ["<results>/base/manifest.json", "<results>/controlnet/manifest.json"]


def bodies(wildcards):
    """Refined bodies, or the first estimates for the variant without refinement."""
    stage = "estimated" if wildcards.variant == "no_refine" else "refined"
    return f"<results>/bodies/{stage}/{wildcards.chunk}.json"


def settings(*sections):
    """Sections of the configuration as parameters."""
    return plan.params(*sections)


def memory(mb):
    """Megabytes that grow with each attempt."""

    def scaled(wildcards, attempt):
        return mb * attempt

    return scaled


wildcard_constraints:
    chunk=r"(train|val|test)\d{3}",
    networks=r"(|_no_body)",
    variant=r"[a-z_]+",


def chunk_members(wildcards):
    """Scans of a chunk."""
    return plan.members(wildcards.chunk)
