"""What the rules of the people read, as functions of their wildcards."""


wildcard_constraints:
    chunk=r"(train|val|test)\d{3}",


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


def chunk_sources(wildcards):
    """Where the scans of a chunk and the body models of their fits are."""
    return plan.sources_of(wildcards.chunk)


def chunk_members(wildcards):
    """Scans of a chunk."""
    return plan.members(wildcards.chunk)
