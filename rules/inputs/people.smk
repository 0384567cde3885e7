"""Inputs and parameters of the people's rules as functions of their wildcards."""


wildcard_constraints:
    chunk=r"(train|val|test)\d{3}",


def standin_manifests(wildcards):
    """Manifests of the stand-ins that the run makes; none where it works on a data set."""
    return expand("<results>/standin/{chunk}.json", chunk=plan.standin_chunks)


def body_models(wildcards):
    """The stand-in body model; none where the configuration names SMPL-X files, which no rule makes."""
    return (
        "<results>/standin/models.json"
        if plan.config["scans"]["models"] is None
        else []
    )


def chunk_sources(wildcards):
    """The settings that locate the scans of a chunk and the body models of their fits."""
    return plan.sources_of(wildcards.chunk)


def chunk_members(wildcards):
    """Scans of a chunk."""
    return plan.members(wildcards.chunk)
