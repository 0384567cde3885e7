"""The avatar of a head: points in a learned canonical space that become Gaussians for any
expression and pose."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hgm.core.files import atomic_write
from hgm.core.manifests import write_json
from hgm.core.npz import read_npz
from hgm.errors import InputError
from hgm.gaussians import Gaussians
from hgm.nets.weights import WEIGHTS, assign, read_tensors, save_tensors
from hgm.systems.monogaussian.deformer import Anchored, Deformer, anchor, deform
from hgm.systems.monogaussian.fields import Correction, Geometry, Look, UnusedRenderer
from hgm.systems.monogaussian.settings import Avatar
from hgm.systems.monogaussian.subject import Directions, Skeleton, SubjectHead
from hgm.systems.monogaussian.variants import Variant

MODEL = "model.json"
POINTS = "points.npz"
SCALED_FOR = 512  # pixels of the pictures that the largest scale is meant for


@dataclass(frozen=True)
class Design:
    """What an avatar is made of, beside its weights."""

    deformer_width: int = 128
    geometry_width: int = 256
    correction_width: int = 64
    frequencies: int = 6
    scale: float = 0.025  # largest scale of a Gaussian, before its radius is added
    correction: bool = True
    expression: bool = True
    bound: bool = False
    unused_renderer: bool = False

    @classmethod
    def of(cls, settings: Avatar, variant: Variant, size: int) -> Design:
        """For pictures of `size` pixels, in which a Gaussian of the same share of a pixel is
        larger the fewer there are."""
        return cls(
            deformer_width=settings.deformer_width,
            geometry_width=settings.geometry_width,
            correction_width=settings.correction_width,
            frequencies=settings.frequencies,
            scale=settings.scale * SCALED_FOR / size,
            correction=variant.correction,
            expression=variant.expression,
            bound=variant.bound,
            unused_renderer=variant.released.unused_renderer,
        )


class Ready(NamedTuple):
    """An avatar's points with all that no frame changes."""

    anchored: Anchored
    look: Look


class HeadAvatar(nn.Module):
    """Called with expressions [B, 50] and poses [B, 15] it gives Gaussians [B, N] in head units,
    and with `radius`, which is added to their scales, those of another time of the training.

    `head` gives the joints and the vertex that is nearest to each point (`find_nearest`). A bound
    avatar keeps the head's directions, since its points move as their vertices do.
    """

    points: nn.Parameter  # [N, 3] in the learned canonical space
    nearest: Tensor  # [N] vertex of the head, int64
    radius: Tensor  # [] head units, of the finished avatar
    # of the head's vertices, in a bound avatar
    bound_weights: Tensor
    bound_pose_shapes: Tensor
    bound_expressions: Tensor

    def __init__(
        self, design: Design, points: Tensor, skeleton: Skeleton, bound_to: Directions | None = None
    ) -> None:
        super().__init__()
        self.design = design
        self.points = nn.Parameter(points)
        self.skeleton = skeleton
        self.register_buffer("nearest", torch.zeros(len(points), dtype=torch.int64))
        self.register_buffer("radius", torch.zeros(()))
        self.geometry = Geometry(design.geometry_width, design.frequencies)
        self.deformer = None if design.bound else Deformer(design.deformer_width)
        self.correction = Correction(design.correction_width) if design.correction else None
        if design.unused_renderer:
            self.renderer = UnusedRenderer(design.correction_width)
        if design.bound and bound_to is None:
            raise ValueError("a bound avatar needs the directions of the head's vertices")
        for name, value in vars(bound_to).items() if design.bound else ():
            self.register_buffer(f"bound_{name}", value, persistent=False)

    def ready(self) -> Ready:
        """The points, once for any number of frames."""
        if self.deformer is None:
            table = Directions(self.bound_weights, self.bound_pose_shapes, self.bound_expressions)
            canonical = self.points
            directions = table.at(self.nearest)
        else:
            offset, directions = self.deformer(self.points)
            canonical = self.points + offset
        anchored = anchor(canonical, directions, self.skeleton)
        # how a point looks does not move it (release)
        return Ready(anchored, self.geometry(self.points.detach()))

    def forward(
        self,
        expression: Tensor,
        pose: Tensor,
        *,
        radius: float | None = None,
        ready: Ready | None = None,
    ) -> Gaussians:
        """ready: what `ready` gave, for frames one after the other."""
        if ready is None:
            ready = self.ready()
        if not self.design.expression:
            expression = self.skeleton.expression.expand(len(pose), -1)
        places = deform(ready.anchored, self.skeleton, expression, pose)
        look = Look(*(x.expand(len(places), *x.shape) for x in ready.look))
        if self.correction is not None:
            look = look.plus(self.correction((places - ready.anchored.canonical).detach()))
        return self._gaussians(places, look, self.radius if radius is None else radius)

    def canonical(self) -> Gaussians:
        """The Gaussians [N] in FLAME's canonical space."""
        ready = self.ready()
        return self._gaussians(ready.anchored.canonical, ready.look, self.radius)

    def _gaussians(self, places: Tensor, look: Look, radius: Tensor | float) -> Gaussians:
        return Gaussians(
            means=places,
            opacities=torch.sigmoid(look.opacity[..., 0]),
            scales=self.design.scale * torch.sigmoid(look.scale) + radius,
            quats=F.normalize(look.rotation, dim=-1),
            colors=torch.sigmoid(look.color),
        )

    def find_nearest(self, head: SubjectHead) -> None:
        """Look up the head's vertex that is nearest to each point."""
        with torch.no_grad():
            offset = 0 if self.deformer is None else self.deformer(self.points)[0]
            self.nearest = head.nearest(self.points + offset)

    def save(self, folder: str | Path) -> None:
        """Write weights.safetensors (networks), points.npz (points and the subject's joints) and
        model.json; equal avatars give equal bytes."""
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        state = self.state_dict()
        arrays = {name: state.pop(name) for name in ("points", "nearest", "radius")}
        arrays |= {f"skeleton_{name}": x for name, x in self.skeleton.named_buffers()}
        arrays |= {name: x for name, x in self.named_buffers() if name.startswith("bound_")}
        save_tensors(state, folder / WEIGHTS)
        with atomic_write(folder / POINTS) as file:
            np.savez(file, **{name: x.detach().cpu().numpy() for name, x in arrays.items()})
        write_json(folder / MODEL, dataclasses.asdict(self.design))

    @classmethod
    def load(cls, folder: str | Path, device: str | torch.device = "cpu") -> HeadAvatar:
        """The avatar in a folder that `save` wrote, frozen and in evaluation mode. Raises
        InputError for a file that is missing, damaged or of another avatar."""
        folder = Path(folder)
        design = _design(folder / MODEL)
        path = folder / POINTS
        arrays = {
            name: torch.from_numpy(x)
            for name, x in read_npz(
                path, what="avatar's points", advice="train the avatar again"
            ).items()
        }
        try:
            skeleton = Skeleton(
                *(arrays[f"skeleton_{x}"] for x in ("joints", "joint_shapes", "expression"))
            )
            bound = (
                Directions(*(arrays[f"bound_{x.name}"] for x in dataclasses.fields(Directions)))
                if design.bound
                else None
            )
            points, nearest, radius = (arrays[name] for name in ("points", "nearest", "radius"))
        except KeyError as error:
            raise InputError(
                f"{path}: the array {error} is missing; train the avatar again"
            ) from None
        if points.ndim != 2 or points.shape[1] != 3 or nearest.shape != points.shape[:1]:
            raise InputError(
                f"{path}: points {list(points.shape)} and nearest {list(nearest.shape)} do not "
                "belong together; train the avatar again"
            )
        avatar = cls(design, points, skeleton, bound)
        tensors = read_tensors(folder / WEIGHTS)
        own = {"points": points, "nearest": nearest, "radius": radius}
        assign(avatar, {**tensors, **own}, source=str(folder / WEIGHTS))
        return avatar.requires_grad_(False).eval().to(device)


def _design(path: Path) -> Design:
    try:
        return Design(**json.loads(path.read_text()))
    except FileNotFoundError:
        raise InputError(f"{path}: no such file; expected a folder of a trained avatar") from None
    except (OSError, ValueError, TypeError, RecursionError) as error:
        raise InputError(
            f"{path}: not the design of an avatar ({error}); train the avatar again"
        ) from None
