"""What all rules share: the validated configuration, folders, resource classes."""

import sys
from pathlib import Path

# the checkout's packages and plugins, also where another workflow uses this one as a module
checkout = Path(str(workflow.current_basedir)).parent
sys.path[:0] = [str(checkout), str(checkout / "plugins")]

from hgm.core.checkout import default_config
from hgm.workflow.environments import ON_GPU
from hgm.errors import InputError
from hgm.core.isolation import isolate
from hgm.workflow.configuration import check_one_system, is_named, read
from hgm.workflow.plan import plan_for
from hgm.systems.hgm.variants import VARIANTS
from snakemake_logger_plugin_live import watch

# a file that names its system stands on the defaults of that system, others on config.yaml
if not is_named([config]):

    configfile: default_config()


def validated(data):
    """The plan of a configuration; one line and no traceback where it is wrong."""
    try:
        isolate()
        check_one_system({path: read(path) for path in workflow.configfiles})
        return plan_for(data)
    except InputError as error:
        raise WorkflowError(f"configuration: {error}") from None


plan = validated(config)
# a workflow that uses this one as a module has jobs of its own
if workflow.modifier.is_main_snakefile():
    watch(plan, workflow)


def require_gpus():
    """End with one line where the jobs of this machine need a GPU that it lacks."""
    try:
        if workflow.is_main_process and workflow.local_exec:
            plan.require_gpus(job.rule.name for job in workflow.dag.needrun_jobs())
    except InputError as error:
        raise WorkflowError(str(error)) from None


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
    return expand("<results>/standin/{chunk}.json", chunk=plan.standin_chunks)


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


def fusion_start(wildcards):
    """The coarse networks, where the fusion training starts from them."""
    if not plan.warm_start:
        return []
    return f"<results>/coarse{wildcards.networks}/weights.safetensors"


def fusion_backs(wildcards):
    """The pairs, where the fusion training sees some of their renders as back views."""
    return "<results>/pairs/manifest.json" if plan.unconverged_backs else []


def variant_of(wildcards):
    """The variant of a job; photos take the first one."""
    return VARIANTS[wildcards.get("variant", plan.photo_variant)]


def coarse_model(wildcards):
    """The coarse networks of a variant."""
    suffix = variant_of(wildcards).networks
    return f"<results>/coarse{suffix}/weights.safetensors"


def fusion_model(wildcards):
    """The fusion networks of a variant, if it has any."""
    variant = variant_of(wildcards)
    if not variant.two_view:
        return []
    return f"<results>/fusion{variant.networks}/weights.safetensors"


def back_view_models(wildcards):
    """The diffusion model and its ControlNet, if the variant uses them."""
    if not variant_of(wildcards).diffusion:
        return []
    return ["<results>/base/manifest.json", "<results>/controlnet/manifest.json"]


def normal_net(wildcards):
    """The net that the run trains to read normals, unless published weights take its place."""
    return "<results>/normals/weights.safetensors" if plan.own_normals else []


def meshing_normal_net(wildcards):
    """The same for the refinement of meshes, which may do without."""
    return normal_net(wildcards) if plan.meshing_normals else []


def refining_normal_net(wildcards):
    """The same for the refinement of bodies, which may do without."""
    return normal_net(wildcards) if plan.refining_normals else []


def bodies(wildcards):
    """The bodies of a variant: refined ones, or the first estimates."""
    return f"<results>/bodies/{variant_of(wildcards).bodies}/{wildcards.chunk}.json"


def first_estimates(wildcards):
    """The first estimates of a variant's bodies, beside which its own are measured."""
    return f"<results>/bodies/estimated{variant_of(wildcards).first}/{wildcards.chunk}.json"


def first_source(wildcards):
    """Where the first bodies come from."""
    return plan.first_source(wildcards.first)


def first_bodies(wildcards):
    """What an estimator found, or the files of bodies that a user brings; nothing where the true fits are disturbed."""
    source = first_source(wildcards)
    if source == "fits":
        return plan.given_bodies(wildcards.chunk)
    if source == "disturbed":
        return []
    return f"<results>/bodies/{source}/{wildcards.chunk}.json"


def refining(wildcards):
    """How the bodies of a folder are refined."""
    return plan.refining(wildcards.sides)


def pixie_files(wildcards):
    """The checkout of PIXIE with its weights."""
    return plan.estimator_files("pixie")


def pymafx_files(wildcards):
    """The checkout of PyMAF-X with its weights."""
    return plan.estimator_files("pymafx")


def pixie_python(wildcards):
    """The interpreter of PIXIE's environment."""
    return plan.estimator_python("pixie")


def pymafx_python(wildcards):
    """The interpreter of PyMAF-X's environment."""
    return plan.estimator_python("pymafx")


def seen_views(wildcards):
    """The views that an estimator sees; none where it sees photos."""
    if wildcards.people == "photos":
        return []
    return f"<results>/views/{wildcards.people}/manifest.json"


def seen_photos(wildcards):
    """The photos that an estimator sees; none where it sees views."""
    return photo_files(wildcards) if wildcards.people == "photos" else []


def photo_bodies(wildcards):
    """What an estimator found in the photos that bring no body."""
    if not plan.photos_to_estimate:
        return []
    return f"<results>/bodies/{plan.photo_estimator}/photos.json"


def simple_baselines(wildcards):
    """Whether a variant is the one beside whose results the simple baselines stand."""
    return wildcards.variant == plan.main_variant


def baseline_folder(wildcards):
    """Where the results of another method are."""
    return plan.baselines[wildcards.method]


def baseline_results(wildcards):
    """Another method's files of the subjects of a chunk, as far as they are there."""
    return plan.baseline_files(wildcards.method, wildcards.chunk)


def environment(step):
    """The conda environment of a step, in the variant that the configuration names."""
    variant = plan.config["environments"]
    return f"../envs/{step}{f'-{variant}' if step in ON_GPU and variant != 'cpu' else ''}.yaml"


def settings(*sections):
    """Sections of the configuration as parameters."""
    return plan.params(*sections)


def growing(amount):
    """Megabytes or minutes that grow with each attempt. Trainings have slices of constant length instead."""

    def scaled(wildcards, attempt):
        return amount * attempt

    return scaled


wildcard_constraints:
    chunk=r"(train|val|test)\d{3}",
    networks=r"(|_no_body)",
    variant=r"[a-z_]+",
    people=r"(test\d{3}|photos)",
    first=r"(|_by_[a-z]+)",
    sides=r"(|_front_only)",
    method=r"[A-Za-z0-9_-]+",


def chunk_sources(wildcards):
    """Where the scans of a chunk and the body models of their fits are."""
    return plan.sources_of(wildcards.chunk)


def photo_files(wildcards):
    """Photos of the configuration with the masks and bodies beside them."""
    return plan.photo_files


def photo_results(wildcards):
    """What the photos become, if the configuration names any."""
    return "<results>/photos/manifest.json" if plan.photos else []


def photo_normal_net(wildcards):
    """The net that the run trains to read normals, if the variant of the photos knows a body."""
    return normal_net(wildcards) if variant_of(wildcards).body else []


def chunk_members(wildcards):
    """Scans of a chunk."""
    return plan.members(wildcards.chunk)
