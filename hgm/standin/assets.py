"""What all stand-in people are made from: the surfaces of the body, the two cloth patterns, skin
masks and their UV boxes."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp

from hgm.standin.body import core
from hgm.standin.body.skeleton import BODY_VERTICES, LEFT_EYE, RIGHT_EYE
from hgm.standin.body.skinning import Skeleton
from hgm.standin.mesh.subdivision import subdivide
from hgm.standin.mesh.triangles import neighbor_average, relaxed, rim_loops

FILE_GENDER = "male"  # THuman2.0's fits use the male file for everybody
LIMBS, HEAD, HANDS_FEET, HIDDEN = range(4)  # islands of the body's UV layout

Box = tuple[np.ndarray, np.ndarray]  # lower left and upper right corner [2] in a source UV layout


@dataclass(frozen=True)
class Surface:
    """A mesh bound to the body: faces [F,3], uvs [F,3,2] at corners, weights [V,55], design [V,3].

    `matrix` makes its vertices from those of its source; `design` holds its positions on the
    neutral body in meters (x left, y up from the chest, z front), the coordinates in which clothes
    are cut and patterns drawn.
    """

    matrix: sp.csr_matrix
    faces: np.ndarray
    uvs: np.ndarray
    weights: np.ndarray
    design: np.ndarray


@dataclass(frozen=True)
class Cloth:
    """A garment pattern: its refined surface, and base [N,3] and shapes [N,3,10] that fit it to
    betas.

    `rough_*` are the faces, corner UVs and design positions before refinement.
    """

    surface: Surface
    average: sp.csr_matrix
    base: np.ndarray
    shapes: np.ndarray
    rough_faces: np.ndarray
    rough_uvs: np.ndarray
    rough_design: np.ndarray

    def worn(self, betas: np.ndarray) -> np.ndarray:
        """Vertices [V,3] on the body of these betas [10] at rest."""
        return self.surface.matrix @ (self.base + self.shapes @ betas)


@dataclass(frozen=True)
class StandinAssets:
    """skeleton; faces [20908,3]; skin (with closed eye holes) and its refinement; island [F] of
    each of their faces; eyes' faces; cloths; skin masks [H,W,3] (lips, nails, mouth); UV boxes of
    the texture tiles; body statistics."""

    skeleton: Skeleton
    faces: np.ndarray
    skin: Surface
    fine_skin: Surface
    island: np.ndarray
    fine_island: np.ndarray
    eye_faces: tuple[np.ndarray, np.ndarray]
    eye_center: np.ndarray
    eye_radius: float
    lip_height: float
    tights: Cloth
    skirt: Cloth
    masks: np.ndarray
    boxes: dict[str, Box]
    betas_mean: dict[str, np.ndarray]
    betas_spread: dict[str, np.ndarray]


@functools.cache
def load_assets() -> StandinAssets:
    """The assets of this installation, built once a process."""
    from PIL import Image

    wardrobe = core.resource("wardrobe.npz")
    masks = (
        np.asarray(Image.open(core.RESOURCES / "skin_masks.png").convert("RGB"), np.float32) / 255
    )
    return build_assets(core.model(FILE_GENDER), core.model("neutral"), wardrobe, masks)


def build_assets(
    model: Mapping[str, np.ndarray],
    neutral: Mapping[str, np.ndarray],
    wardrobe: Mapping[str, np.ndarray],
    masks: np.ndarray,
) -> StandinAssets:
    """Assets from the SMPL-X arrays of the file that the fits are for and of the neutral one, the
    wardrobe and the masks."""
    skeleton = Skeleton.from_model(model)
    faces = model["f"].astype(np.int64)
    design = neutral["v_template"].astype(np.float64)
    corner_uvs = model["vt"][model["ft"].astype(np.int64)].astype(np.float64)
    skin, fine_skin, capped = _skin(faces, corner_uvs, design, skeleton.weights)
    fine_island = _islands(fine_skin.uvs, np.tile(capped, 4))
    tights = _cloth("helper-tights", wardrobe, relax=6)
    skirt = _cloth("helper-skirt", wardrobe, relax=0)
    eye = design[LEFT_EYE:RIGHT_EYE]
    mean, spread = _statistics(wardrobe)
    return StandinAssets(
        skeleton=skeleton,
        faces=faces,
        skin=skin,
        fine_skin=fine_skin,
        # the last block of a refinement is made of the middles of the old faces, in their order
        island=fine_island[3 * len(skin.faces) :],
        fine_island=fine_island,
        eye_faces=_eye_faces(faces),
        eye_center=(neutral["J_regressor"] @ design)[23],
        eye_radius=0.5 * float(np.ptp(eye[:, 1])),
        lip_height=_lip_height(neutral, design),
        tights=tights,
        skirt=skirt,
        masks=masks,
        boxes=_boxes(fine_skin, fine_island, tights, skirt),
        betas_mean=mean,
        betas_spread=spread,
    )


def _statistics(
    wardrobe: Mapping[str, np.ndarray],
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """For each gender the mean betas in the file all fits are for, and the factor [10,10] of their
    covariance."""
    genders = ("female", "male")
    mean = {g: wardrobe[f"betas_mean_{g}"] - wardrobe[f"betas_mean_{FILE_GENDER}"] for g in genders}
    spread = {
        g: np.linalg.cholesky(wardrobe[f"betas_cov_{g}"] + 1e-9 * np.eye(10)) for g in genders
    }
    return mean, spread


def _skin(
    faces: np.ndarray, uvs: np.ndarray, design: np.ndarray, weights: np.ndarray
) -> tuple[Surface, Surface, np.ndarray]:
    """The body with its eye holes closed, the same one Loop step finer, and which coarse faces
    close the holes."""
    body = (faces < BODY_VERTICES).all(1)
    body_faces = faces[body]
    rows = [sp.identity(BODY_VERTICES, format="csr")]
    caps = []
    for number, loop in enumerate(rim_loops(body_faces)):
        center = BODY_VERTICES + number
        share = np.full(len(loop), 1 / len(loop))
        rows.append(
            sp.csr_matrix((share, (np.zeros(len(loop), int), loop)), shape=(1, BODY_VERTICES))
        )
        caps += [[b, a, center] for a, b in zip(loop, loop[1:] + loop[:1], strict=True)]
    matrix = sp.vstack(rows).tocsr()
    all_faces = np.concatenate([body_faces, caps])
    all_uvs = np.concatenate([uvs[body], np.zeros((len(caps), 3, 2))])
    refined = subdivide(all_faces, matrix.shape[0], all_uvs)
    fine = (refined.matrix @ matrix).tocsr()
    weights = weights[:BODY_VERTICES]
    design = design[:BODY_VERTICES]
    return (
        Surface(matrix, all_faces, all_uvs, matrix @ weights, matrix @ design),
        Surface(fine, refined.faces, refined.uvs, fine @ weights, fine @ design),
        np.arange(len(all_faces)) >= len(body_faces),
    )


def _islands(uvs: np.ndarray, capped: np.ndarray) -> np.ndarray:
    """[F] island of each face, told by where the middle of its UVs lies in MakeHuman's layout."""
    u, v = uvs.mean(1).T
    island = np.where(v < 0.172, HANDS_FEET, LIMBS)
    island = np.where(u > 0.636, np.where(v > 0.14, HEAD, HANDS_FEET), island)
    sockets = (u < 0.16) & (v > 0.53) & (v < 0.65)
    return np.where(sockets | capped, HIDDEN, island)


def _cloth(name: str, wardrobe: Mapping[str, np.ndarray], *, relax: int) -> Cloth:
    """A helper mesh, two Loop steps finer; `relax` drape steps smooth its design coordinates."""
    group = [str(g) for g in wardrobe["groups"]].index(name)
    member = wardrobe["quad_group"] == group
    quads = wardrobe["quads"][member] - int(wardrobe["offset"])
    corner = wardrobe["uv"].astype(np.float64)[wardrobe["quads_uv"][member]]
    rough = np.concatenate([quads[:, [0, 1, 2]], quads[:, [0, 2, 3]]])
    rough_uvs = np.concatenate([corner[:, [0, 1, 2]], corner[:, [0, 2, 3]]])
    used, inverse = np.unique(rough, return_inverse=True)
    rough = inverse.reshape(-1, 3)

    matrix = sp.identity(len(used), format="csr")
    faces = rough
    uvs = rough_uvs
    for _ in range(2):
        step = subdivide(faces, matrix.shape[0], uvs)
        matrix = (step.matrix @ matrix).tocsr()
        faces = step.faces
        uvs = step.uvs
    average = neighbor_average(faces, matrix.shape[0])
    rough_design = wardrobe["neutral_v"][used].astype(np.float64)
    design = relaxed(matrix @ rough_design, average, relax)
    weights = matrix @ wardrobe["weights"][used].astype(np.float64)
    return Cloth(
        surface=Surface(matrix, faces, uvs, weights, design),
        average=average,
        base=wardrobe[f"{FILE_GENDER}_v"][used].astype(np.float64),
        shapes=wardrobe["shapedirs"][used].astype(np.float64),
        rough_faces=rough,
        rough_uvs=rough_uvs,
        rough_design=rough_design,
    )


def _eye_faces(faces: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    on_left = ((faces >= LEFT_EYE) & (faces < RIGHT_EYE)).all(1)
    return faces[on_left] - LEFT_EYE, faces[(faces >= RIGHT_EYE).all(1)] - RIGHT_EYE


def _lip_height(model: Mapping[str, np.ndarray], design: np.ndarray) -> float:
    """Height of the line between the lips: the landmarks 61 and 65 of the inner mouth."""
    corners = design[model["f"].astype(np.int64)[model["lmk_faces_idx"]]]
    landmarks = (corners * model["lmk_bary_coords"][..., None]).sum(1)
    return float(landmarks[[44, 48], 1].mean())


def _boxes(skin: Surface, island: np.ndarray, tights: Cloth, skirt: Cloth) -> dict[str, Box]:
    """The part of its source UV layout that each texture tile shows."""

    def around(uvs: np.ndarray) -> Box:
        flat = uvs.reshape(-1, 2)
        return flat.min(0) - 1e-3, flat.max(0) + 1e-3

    middle = tights.rough_design[tights.rough_faces].mean(1)
    side = np.abs(middle[:, 0])
    height = middle[:, 1]
    uvs = tights.rough_uvs
    feet = uvs.mean(1)[:, 1] < 0.9
    top = around(uvs[(((height > -0.50) | (side > 0.35)) & ~feet) & (height >= -0.5)])
    head = around(skin.uvs[island == HEAD])
    everything = (np.zeros(2), np.ones(2))
    return {
        "head": head,
        "limbs": around(skin.uvs[island == LIMBS]),
        "hands_feet": around(skin.uvs[island == HANDS_FEET]),
        "eye": everything,
        "top": top,
        "jacket": top,
        "bottom": around(uvs[(height < -0.12) & (side < 0.4) & ~feet]),
        "shoes": around(uvs[height < -1.05]),
        "skirt": around(skirt.rough_uvs),
        "hair": head,
        "strands": everything,
        "lining": everything,
    }
