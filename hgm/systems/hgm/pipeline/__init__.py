"""From one picture of a person to Gaussians and a mesh: the steps refine, reconstruct and mesh.

Each rule drives one of them, `hgm reconstruct` and the rule `photos` all three. Every step has a
file of its own and is imported by itself, so that a job needs only its step's packages and runs
again only after its step's code has changed.
"""
