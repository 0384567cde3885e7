"""MakeHuman's helper meshes, bound to the new joints and shape parameters: what the stand-in's
clothes are cut from."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from hgm.standin.body.core import GENDERS
from tools.standin_recipe.rig import BODY, Rigged
from tools.standin_recipe.sample import Samples
from tools.standin_recipe.spaces import ShapeSpace
from tools.standin_recipe.topology import Topology

BETAS = 10


def wardrobe(
    samples: Samples,
    rigged: Rigged,
    topology: Topology,
    shapes: ShapeSpace,
    means: Mapping[str, np.ndarray],
) -> dict[str, np.ndarray]:
    """The arrays of wardrobe.npz: for every hm08 vertex but the body's (from `offset` on),
    positions on the mean body of each gender, displacements by the first ten betas, weights; quads
    with UVs by group; statistics of the betas."""
    mean = rigged.vertices.mean(0)
    count = len(rigged.vertices)
    flat = (rigged.vertices - mean).reshape(count, -1)
    by_betas = (flat.T @ (shapes.coefficients / count)).reshape(*mean.shape, -1)[:, :, :BETAS]
    helpers = samples.quad_group != list(samples.groups).index("body")
    members = {"neutral": np.ones(count, bool), "male": ~samples.female, "female": samples.female}
    arrays: dict[str, np.ndarray] = {}
    for gender in GENDERS:
        positions = mean + by_betas @ means[gender][:BETAS]
        arrays[f"betas_mean_{gender}"] = means[gender][:BETAS]
        arrays[f"betas_cov_{gender}"] = np.cov(shapes.coefficients[members[gender], :BETAS].T)
        arrays[f"{gender}_v"] = positions[BODY:].astype(np.float32)
        if gender == "neutral":
            arrays["hm08_body_v"] = positions[:BODY].astype(np.float32)
    names = sorted(topology.named)
    return {
        **arrays,
        "shapedirs": by_betas[BODY:].astype(np.float32),
        "weights": rigged.weights[BODY:].astype(np.float32),
        "quads": samples.quads[helpers],
        "quads_uv": samples.quad_uvs[helpers],
        "uv": samples.uv,
        "quad_group": samples.quad_group[helpers],
        "groups": samples.groups,
        "offset": np.array(BODY),
        "source_vertex": topology.source,
        "mirror": topology.mirror,
        "landmark_names": np.array(names),
        "landmark_ids": np.array([topology.named[name] for name in names]),
    }
