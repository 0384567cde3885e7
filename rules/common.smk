"""What all rules share: the validated configuration, folders, resource classes."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(workflow.basedir)))

from hgm.errors import InputError
from hgm.plan import Plan
from hgm.stages.variants import VARIANTS


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


def coarse_model(wildcards):
    """The coarse networks of a variant."""
    suffix = VARIANTS[wildcards.variant].networks
    return f"<results>/coarse{suffix}/weights.safetensors"


def fusion_model(wildcards):
    """The fusion networks of a variant, if it has any."""
    variant = VARIANTS[wildcards.variant]
    if not variant.two_view:
        return []
    return f"<results>/fusion{variant.networks}/weights.safetensors"


def back_view_models(wildcards):
    """The diffusion model and its ControlNet, if the variant uses them."""
    if not VARIANTS[wildcards.variant].diffusion:
        return []
    return ["<results>/base/manifest.json", "<results>/controlnet/manifest.json"]


def normal_net(wildcards):
    """The net that the run trains to read normals, unless published weights take its place."""
    return "<results>/normals/weights.safetensors" if plan.own_normals else []


def refining_normal_net(wildcards):
    """The same for the refinement of bodies, which may do without."""
    return normal_net(wildcards) if plan.refining_normals else []


def bodies(wildcards):
    """Refined bodies, or the first estimates for a variant without refinement."""
    stage = "refined" if VARIANTS[wildcards.variant].refined else "estimated"
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
