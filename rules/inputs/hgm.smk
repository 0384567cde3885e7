"""Inputs and parameters of HGM's rules as functions of their wildcards, and the patterns of the wildcards."""

from hgm.systems.hgm.variants import VARIANTS


wildcard_constraints:
    branch=r"(|_no_body)",
    variant=r"[a-z_]+",
    people=r"(test\d{3}|photos)",
    first=r"(|_by_[a-z]+)",
    sides=r"(|_front_only)",
    method=r"[A-Za-z0-9_-]+",


def learning_views(wildcards):
    """Manifests of the rendered training and validation scans."""
    return expand("<results>/views/{chunk}/manifest.json", chunk=plan.learning_chunks)


def training_views(wildcards):
    """Manifests of the rendered training scans."""
    return expand("<results>/views/{chunk}/manifest.json", chunk=plan.training_chunks)


def coarse_start(wildcards):
    """The coarse networks that the coarse training starts from, if it does not start from random weights."""
    return plan.start("coarse", wildcards.branch)


def fusion_start(wildcards):
    """The networks that the fusion training starts from: those that `init` names, or this run's coarse ones."""
    if not plan.warm_start:
        return plan.start("fusion", wildcards.branch)
    return f"<results>/coarse{wildcards.branch}/weights.safetensors"


def base_start(wildcards):
    """The diffusion model that the training of the small one starts from, if any."""
    return plan.start("base")


def controlnet_start(wildcards):
    """The ControlNet that the training starts from, if `init` names one."""
    return plan.start("controlnet")


def normals_start(wildcards):
    """The normal net that the training starts from, if it does not start from random weights."""
    return plan.start("normals")


def fusion_backs(wildcards):
    """The pairs, where the fusion training takes some of their renders as back views."""
    return "<results>/pairs/manifest.json" if plan.unconverged_backs else []


def variant_of(wildcards):
    """The variant of a job; for photos the one that the plan chooses."""
    return VARIANTS[wildcards.get("variant", plan.photo_variant)]


def network(folder):
    """The files of trained networks in a folder: their weights and what their sizes are read from."""
    return [
        f"<results>/{folder}/{name}" for name in ("weights.safetensors", "model.json")
    ]


def coarse_model(wildcards):
    """The coarse networks of a variant."""
    return network(f"coarse{variant_of(wildcards).branch}")


def fusion_model(wildcards):
    """The fusion networks of a variant, if it has any."""
    variant = variant_of(wildcards)
    if not variant.two_view:
        return []
    return network(f"fusion{variant.branch}")


def back_view_models(wildcards):
    """The diffusion model and its ControlNet, if the variant uses them."""
    if not variant_of(wildcards).diffusion:
        return []
    return ["<results>/base/manifest.json", "<results>/controlnet/manifest.json"]


def normal_net(wildcards):
    """The normal net that the run trains; none where published weights are configured."""
    return network("normals") if plan.own_normals else []


def meshing_normal_net(wildcards):
    """The same for the refinement of meshes; none where that uses no normals."""
    return normal_net(wildcards) if plan.meshing_normals else []


def refining_normal_net(wildcards):
    """The same for the refinement of bodies; none where that uses no normals."""
    return normal_net(wildcards) if plan.refining_normals else []


def bodies(wildcards):
    """The bodies of a variant: refined ones, or the first estimates."""
    return f"<results>/bodies/{variant_of(wildcards).bodies}/{wildcards.chunk}.json"


def first_estimates(wildcards):
    """The first estimates that a variant's bodies are refined from, which are measured for comparison."""
    return f"<results>/bodies/estimated{variant_of(wildcards).first}/{wildcards.chunk}.json"


def first_source(wildcards):
    """Where the first bodies come from."""
    return plan.first_source(wildcards.first)


def first_bodies(wildcards):
    """The estimator's manifest, or the body files that a user brings; none where the job finds the first bodies by itself."""
    source = first_source(wildcards)
    if source == "fits":
        return plan.given_bodies(wildcards.chunk)
    if source in ("disturbed", "landmarks"):
        return []
    return f"<results>/bodies/{source}/{wildcards.chunk}.json"


def refining(wildcards):
    """The settings by which bodies are refined."""
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
    """The views that an estimator works on; none where it works on photos."""
    if wildcards.people == "photos":
        return []
    return f"<results>/views/{wildcards.people}/manifest.json"


def seen_photos(wildcards):
    """The photos that an estimator works on; none where it works on views."""
    return photo_files(wildcards) if wildcards.people == "photos" else []


def photo_bodies(wildcards):
    """The estimator's manifest for the photos without a body file; none where all have one."""
    if not plan.photos_to_estimate:
        return []
    return f"<results>/bodies/{plan.photo_estimator}/photos.json"


def simple_baselines(wildcards):
    """Whether the simple baselines are measured along with a variant: only with the main one."""
    return wildcards.variant == plan.main_variant


def baseline_folder(wildcards):
    """The folder of another method's results."""
    return plan.baselines[wildcards.method]


def baseline_results(wildcards):
    """Another method's files for the subjects of a chunk, as far as they exist."""
    return plan.baseline_files(wildcards.method, wildcards.chunk)


def photo_files(wildcards):
    """The photos that the configuration names, and the masks and bodies beside them."""
    return plan.photo_files


def other_results(wildcards):
    """The reconstructed photos, if the configuration names any."""
    return "<results>/photos/manifest.json" if plan.photos else []


def photo_normal_net(wildcards):
    """The normal net for photos; none where the variant of the photos uses no body."""
    return normal_net(wildcards) if variant_of(wildcards).body else []
