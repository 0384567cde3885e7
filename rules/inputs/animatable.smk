"""Inputs of the rules of Animatable Gaussians as functions of their wildcards, and the patterns of the wildcards."""


wildcard_constraints:
    part=r"rig|(train|test)\d{3}",
    kind="train|test",
    variant=r"[a-z_]+",
    motion=r"[A-Za-z0-9][A-Za-z0-9_.-]*",


def capture_parts(wildcards):
    """What the jobs that make a stand-in's capture write, of what is checked."""
    return plan.capture_parts(wildcards.kind)


def capture_of(wildcards):
    """The settings of what is checked."""
    return plan.capture_of(wildcards.kind)


def film_check(wildcards):
    """The check of the capture's part that a film needs."""
    return f"<results>/check/{plan.film_kind(wildcards.motion)}.json"


def film_capture(wildcards):
    """The settings of that part."""
    return plan.capture_of(plan.film_kind(wildcards.motion))


def capture_files(wildcards):
    """Cameras and parameters of a capture that a user brings."""
    return plan.capture_files()


def part_frames(wildcards):
    """The frames whose pictures a part holds."""
    return plan.part_frames(wildcards.part)


def pictures(wildcards):
    """What tells whether a user's pictures changed."""
    return plan.pictures()


def body_files(wildcards):
    """The body model that the run writes, or the file that a user brings."""
    return plan.body_files()


def mesh_files(wildcards):
    """The mesh of a user's template."""
    return plan.mesh_files()


def template_files(wildcards):
    """The template and its weights; nothing where the body itself is the surface."""
    return plan.template_files()


def motion_files(wildcards):
    """The file that a motion is read from."""
    return plan.motion_files(wildcards.motion)


def filming(wildcards):
    """The settings of a motion's film."""
    return plan.filming(wildcards.motion)


def avatar_files(wildcards):
    """The files of a finished avatar."""
    return expand(
        "<results>/avatar/{variant}/{file}",
        variant=wildcards.variant,
        file=["weights.safetensors", "model.json", "canonical.npz"],
    )


def other_results(wildcards):
    """The films of all variants."""
    return expand(
        "<results>/animations/{variant}/{motion}/rgb.mp4",
        variant=plan.variants,
        motion=plan.motions,
    )
