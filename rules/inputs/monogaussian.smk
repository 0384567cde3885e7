"""Inputs of MonoGaussianAvatar's rules as functions of their wildcards, and the patterns of the wildcards."""


wildcard_constraints:
    clip=r"[A-Za-z0-9][A-Za-z0-9_.-]*",
    variant=r"[a-z_]+",
    protocol=r"[a-z]+",
    driver=r"[A-Za-z0-9][A-Za-z0-9_.-]*",


def head_files(wildcards):
    """The head model that the run writes, or the file that a user brings."""
    return plan.head_files()


def staging(wildcards):
    """The settings of the stand-in's clip."""
    return plan.staging(wildcards.clip)


def measuring(wildcards):
    """The settings of a protocol's measurements."""
    return plan.measuring(wildcards.protocol)


def filming(wildcards):
    """The settings of a driver's films."""
    return plan.filming(wildcards.driver)


def clip_files(wildcards):
    """All files of a clip."""
    return plan.clip_files(wildcards.clip)


def checks(kind, clips):
    """What the checks of clips write: kind is json, what was found, or png, the overlay."""
    return expand(f"<results>/check/{{clip}}.{kind}", clip=clips)


def training_clips(wildcards):
    """Parameters of the training clips."""
    return [file for clip in plan.training_clips for file in plan.parameters(clip)]


def test_clip(wildcards):
    """Parameters of the test clip."""
    return plan.parameters(plan.clips[-1])


def driver_files(wildcards):
    """The file of parameters that a driver follows; none for a sweep or an orbit."""
    return plan.driver_files(wildcards.driver)


def other_results(wildcards):
    """The films of all variants."""
    return expand(
        "<results>/animations/{variant}/{driver}/rgb.mp4",
        variant=plan.variants,
        driver=plan.drivers,
    )
