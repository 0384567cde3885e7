"""The avatar: Gaussians on the canonical maps of a person, whose places and looks networks predict
from a picture of the posed body, skinned to its pose."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hgm.body.kinematics import blended
from hgm.core.manifests import write_json
from hgm.errors import InputError
from hgm.gaussians import Gaussians, quaternions
from hgm.nets.weights import WEIGHTS, assign, read_tensors, save_tensors
from hgm.systems.animatable.canonical import SIDES, CanonicalMaps
from hgm.systems.animatable.nets.attributes import OTHER, AttributeNets
from hgm.systems.animatable.pose_map import position_map
from hgm.systems.animatable.settings import Network
from hgm.systems.animatable.variants import VARIANTS

MODEL = "model.json"
CANONICAL = "canonical.npz"
REACH = 0.05  # meters by which a Gaussian leaves its place where a network gives 1
NEIGHBORS = 3  # whose distance is the scale of a Gaussian at the start
SMALLEST = 1e-6  # meters, of that scale
UNTURNED = (1.0, 0.0, 0.0, 0.0)
START_COLOR = 0.5  # where the colors begin that are learned without networks


@dataclass(frozen=True)
class AvatarDesign:
    """What an avatar is made of, beside its weights and its canonical maps."""

    size: int = 1024  # edge of a map; the networks see half of it
    top: int = 64
    cap: int = 512
    style: int = 512
    opacity: float = 0.1  # of a Gaussian at the start
    variant: str = "full"
    precision: str = "fp32"

    @classmethod
    def of(cls, network: Network, size: int, opacity: float, variant: str) -> AvatarDesign:
        return cls(
            size, network.top, network.cap, network.style, opacity, variant, network.precision
        )


class Attributes(NamedTuple):
    """N Gaussians of B frames in the star pose, activated."""

    offsets: Tensor  # [B, N, 3] meters, from the canonical places
    opacities: Tensor  # [B, N]
    scales: Tensor  # [B, N, 3] meters
    rotations: Tensor  # [B, N, 4] unit quaternions, wxyz
    colors: Tensor  # [B, N, 3], raw


class AvatarOutput(NamedTuple):
    """B frames of an avatar."""

    gaussians: Gaussians  # [B, N] in the world of the capture, meters
    offsets: Tensor  # [B, N, 3] meters, in the star pose


class Avatar(nn.Module):
    """Called with what the networks see of B poses, the joints' transforms and where the cameras
    are, it gives the Gaussians of these frames.

    Where the Gaussians are at the start, how large and how opaque, follows from the canonical maps
    and is never trained: only the networks are, or, in a variant without them, a color for each
    Gaussian. Initial weights depend on torch's global seed.
    """

    canonical: CanonicalMaps
    log_scales: Tensor  # [N]
    star: Tensor  # [3, S / 2, S / 2] what the networks see of the star pose

    def __init__(self, design: AvatarDesign, canonical: CanonicalMaps) -> None:
        super().__init__()
        if canonical.size != design.size:
            raise ValueError(f"maps of {canonical.size} pixels for a design of {design.size}")
        self.design = design
        self.canonical = canonical
        scales = start_scales(canonical.positions)
        still = torch.eye(4).expand(canonical.weights.shape[-1], 4, 4)
        self.register_buffer("log_scales", scales.log(), persistent=False)
        self.register_buffer("star", position_map(canonical, still), persistent=False)
        self.networks: AttributeNets | None = None
        if VARIANTS[design.variant].networks:
            self.networks = AttributeNets(
                design.size // 2, design.top, design.cap, design.style, design.precision
            )
        else:
            self.colors = nn.Parameter(torch.full((len(canonical), 3), START_COLOR))

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Avatar:
        """The canonical maps go where the module goes."""
        super()._apply(fn, recurse)
        fields = dataclasses.fields(self.canonical)
        tensors = {field.name: fn(getattr(self.canonical, field.name)) for field in fields}
        self.canonical = CanonicalMaps(**tensors)
        return self

    def forward(
        self,
        pose_map: Tensor,
        transforms: Tensor,
        camera_centers: Tensor,
        view_noise: Tensor | None = None,
    ) -> AvatarOutput:
        """pose_map [B, 3, S / 2, S / 2] (`position_map`); transforms [B, 55, 4, 4] from the star
        pose to the frame; camera_centers [B, 3] in its world; view_noise [B, 2, S / 2, S / 2] is
        added to the cosines of the viewing direction."""
        moved = blended(self.canonical.weights, transforms)
        cosines = self.cosines(moved, camera_centers)
        if view_noise is not None:
            cosines = cosines + view_noise
        attributes = self.attributes(pose_map, cosines)
        return AvatarOutput(self.posed(attributes, moved), attributes.offsets)

    def cosines(self, moved: Tensor, camera_centers: Tensor) -> Tensor:
        """Maps [B, 2, S / 2, S / 2] of the cosines between the normals of the points, moved
        [B, N, 4, 4] with the body, and the directions to the cameras [B, 3]; 0 where nobody is."""
        pixels, points = self.canonical.coarse
        sides = torch.cat([points, points + len(self.canonical) // SIDES])
        moved = moved[:, sides]
        normals = _turned(moved, self.canonical.normals[sides])
        places = _placed(moved, self.canonical.positions[sides])
        found = F.cosine_similarity(normals, camera_centers[:, None] - places, dim=-1)
        size = self.design.size // 2
        picture = found.new_zeros(len(found), SIDES, size * size)
        picture = picture.index_copy(-1, pixels, found.unflatten(-1, (SIDES, -1)))
        return picture.unflatten(-1, (size, size))

    def attributes(self, pose_map: Tensor, cosines: Tensor) -> Attributes:
        """What the networks predict of B frames, or what is the same in all of them."""
        if self.networks is None:
            return self.start(len(cosines))._replace(
                colors=self.colors.expand(len(cosines), -1, -1)
            )
        shapes = self.shapes(pose_map)
        colors = self.networks.colors(self.seen(pose_map), cosines)
        return shapes._replace(colors=self.canonical.pick(colors))

    def shapes(self, pose_map: Tensor) -> Attributes:
        """All attributes but the colors, which are those of the start; of an avatar with
        networks."""
        assert self.networks is not None
        pose_map = self.seen(pose_map)
        others = self.canonical.pick(self.networks.others(pose_map))
        opacity, scale, rotation = others.split(OTHER, -1)
        return self.start(len(pose_map))._replace(
            offsets=REACH * self.canonical.pick(self.networks.positions(pose_map)),
            opacities=torch.sigmoid(opacity[..., 0] + _logit(self.design.opacity)),
            scales=torch.exp(scale + self.log_scales[:, None]),
            rotations=F.normalize(rotation + rotation.new_tensor(UNTURNED), dim=-1),
        )

    def seen(self, pose_map: Tensor) -> Tensor:
        """What the networks see of poses: their maps, or always the star pose's."""
        if VARIANTS[self.design.variant].posed:
            return pose_map
        return self.star.expand(len(pose_map), -1, -1, -1)

    def start(self, frames: int = 1) -> Attributes:
        """What every Gaussian begins with, in so many frames."""
        positions = self.canonical.positions.expand(frames, -1, -1)
        return Attributes(
            torch.zeros_like(positions),
            torch.full_like(positions[..., 0], self.design.opacity),
            self.log_scales.exp()[:, None].expand_as(positions),
            positions.new_tensor(UNTURNED).expand(*positions.shape[:-1], 4),
            torch.full_like(positions, START_COLOR),
        )

    def posed(self, attributes: Attributes, moved: Tensor) -> Gaussians:
        """The Gaussians [B, N] in the world, by the transforms [B, N, 4, 4] of their points. A
        blend of rotations is none; the quaternion is that of the matrix as it is (release)."""
        return Gaussians(
            means=_placed(moved, self.canonical.positions + attributes.offsets),
            opacities=attributes.opacities,
            scales=attributes.scales,
            quats=followed_by(attributes.rotations, quaternions(moved[..., :3, :3])),
            colors=attributes.colors,
        )

    def fold(self) -> Avatar:
        """Make the networks ready for films: their convolutions become plain ones, which gives the
        same in less time. A folded avatar is neither trained nor saved."""
        if self.networks is not None:
            self.networks.fold()
        return self

    def save(self, folder: str | Path) -> None:
        """Write weights.safetensors, model.json and canonical.npz; equal avatars give equal
        bytes."""
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        save_tensors(self.state_dict(), folder / WEIGHTS)
        self.canonical.save(folder / CANONICAL)
        write_json(folder / MODEL, dataclasses.asdict(self.design))

    @classmethod
    def load(cls, folder: str | Path, device: str | torch.device = "cpu") -> Avatar:
        """The avatar in a folder that `save` wrote, frozen and in evaluation mode. Raises
        InputError for a file that is missing, damaged or of another avatar."""
        folder = Path(folder)
        design = _design(folder / MODEL)
        canonical = CanonicalMaps.load(folder / CANONICAL)
        if canonical.size != design.size:
            raise InputError(
                f"{folder / CANONICAL}: maps of {canonical.size} pixels, {MODEL} says "
                f"{design.size}; train the avatar again"
            )
        avatar = cls(design, canonical)
        assign(avatar, read_tensors(folder / WEIGHTS), source=str(folder / WEIGHTS))
        return avatar.requires_grad_(False).eval().to(device)


def start_scales(places: Tensor) -> Tensor:
    """The scales [N] of Gaussians at the start: of each of places [N, 3] the root of the mean
    squared distance to its three nearest neighbors."""
    from scipy.spatial import cKDTree

    points = places.double().cpu().numpy()
    distances = cKDTree(points).query(points, NEIGHBORS + 1)[0][:, 1:]
    scales = torch.from_numpy((distances**2).mean(1) ** 0.5).clamp(min=SMALLEST)
    return scales.to(places)


def followed_by(first: Tensor, second: Tensor) -> Tensor:
    """The rotation that does one after the other, both quaternions wxyz [..., 4]: Hamilton's
    product of the second and the first."""
    w, x, y, z = first.unbind(-1)
    a, b, c, d = second.unbind(-1)
    return torch.stack(
        [
            a * w - b * x - c * y - d * z,
            a * x + b * w + c * z - d * y,
            a * y - b * z + c * w + d * x,
            a * z + b * y - c * x + d * w,
        ],
        -1,
    )


def _placed(moved: Tensor, places: Tensor) -> Tensor:
    """Places [..., N, 3] by their transforms [..., N, 4, 4]."""
    return _turned(moved, places) + moved[..., :3, 3]


def _turned(moved: Tensor, vectors: Tensor) -> Tensor:
    # many small products are slow
    return (moved[..., :3, :3] * vectors[..., None, :]).sum(-1)


def _logit(share: float) -> float:
    return math.log(share / (1 - share))


def _design(path: Path) -> AvatarDesign:
    try:
        design = AvatarDesign(**json.loads(path.read_text()))
        if design.variant not in VARIANTS:
            raise ValueError(f"variant {design.variant!r}")
        return design
    except FileNotFoundError:
        raise InputError(f"{path}: no such file; expected a folder of a trained avatar") from None
    except (OSError, ValueError, TypeError, RecursionError) as error:
        raise InputError(
            f"{path}: not the design of an avatar ({error}); train the avatar again"
        ) from None
