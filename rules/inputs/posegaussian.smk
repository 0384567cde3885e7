"""Inputs and parameters of PoseGaussian's rules as functions of their wildcards, and the patterns of the wildcards."""

from hgm.systems.posegaussian.parts import CAPTURE, chunk_of
from hgm.systems.posegaussian.variants import VARIANTS


wildcard_constraints:
    part=r"(train|val|test)\d{3}(-(hard|d[\d.]*\d))?",
    shots=r"((train|val|test)\d{3}(-(hard|d[\d.]*\d))?|capture)",
    fusion=r"[a-z_]+",


def scans_table(wildcards):
    """The table of usable scans; none where somebody else rendered the pairs."""
    return "<results>/scans.tsv" if plan.config["pairs"]["root"] is None else []


def pair_models(wildcards):
    """The body models of the scans' fits; none where somebody else rendered the pairs."""
    return body_models(wildcards) if plan.config["pairs"]["root"] is None else []


def pair_files(wildcards):
    """The files of pairs that somebody else rendered."""
    return plan.pair_files(wildcards.part)


def part_sources(wildcards):
    """The settings that locate the scans of a part and the body models of their fits."""
    return plan.sources_of(chunk_of(wildcards.part))


def part_scans(wildcards):
    """Scans of a part."""
    return plan.scans_of(wildcards.part)


def sighting(wildcards):
    """How a part's pairs are seen."""
    return plan.sighting(wildcards.part)


def pairs_per_scan(wildcards):
    """Pairs of each scan of a part."""
    return plan.pairs_per_scan(wildcards.part)


def given_degrees(wildcards):
    """The angle that given pairs should have; none for those that are rendered here."""
    pairs = plan.config["pairs"]
    return None if pairs["root"] is None else pairs["degrees"]


def heat_files(wildcards):
    """The pictures of joints, or the detections, that a user brings."""
    return plan.heat_files(wildcards.shots)


def heat_place(wildcards):
    """Where the photos are that heat maps belong to."""
    return plan.heat_place(wildcards.shots)


def photos_of(wildcards):
    """The files of a real rig where heat maps are made for it; none of a part, which has views."""
    return plan.capture_files() if wildcards.shots == CAPTURE else []


def heatmaps(wildcards):
    """The manifest of heat maps of a part, or of a real rig; none for a variant that sees none."""
    if not VARIANTS[wildcards.fusion].heat:
        return []
    return f"<results>/render_data/{wildcards.shots}.heatmaps.json"


def encoding(wildcards):
    """The encoding of the heat maps; none for a variant that sees none."""
    heat = VARIANTS[wildcards.fusion].heat
    return plan.config["heatmaps"]["encoding"] if heat else None


def learning_pairs(wildcards):
    """Manifests of the rectified training and validation pairs."""
    return expand("<results>/rectified/{part}/manifest.json", part=plan.learning_chunks)


def learning_heatmaps(wildcards):
    """Manifests of their heat maps; none for a variant that sees none."""
    parts = plan.learning_chunks if VARIANTS[wildcards.fusion].heat else []
    return expand("<results>/render_data/{part}.heatmaps.json", part=parts)


def learning_views(wildcards):
    """Manifests of their views, the novel ones among them."""
    return expand("<results>/render_data/{part}.json", part=plan.learning_chunks)


def pairs_of(wildcards):
    """The manifest of rectified pairs, of a part or of a real rig."""
    if wildcards.shots == CAPTURE:
        return "<results>/capture/manifest.json"
    return f"<results>/rectified/{wildcards.shots}/manifest.json"


def true_views(wildcards):
    """The manifest of the views between; none of a real rig, which has none."""
    if wildcards.shots == CAPTURE:
        return []
    return f"<results>/render_data/{wildcards.shots}.json"


def capture_files(wildcards):
    """The files of a real rig."""
    return plan.capture_files()


def growing_minutes(rule):
    """Minutes of a job by its work, growing with each attempt."""

    def scaled(wildcards, attempt):
        return attempt * plan.minutes(rule, dict(wildcards.items()))

    return scaled


def is_main(wildcards):
    """Whether the baselines are measured along with a variant: only with the main one."""
    return wildcards.fusion == plan.main_variant
