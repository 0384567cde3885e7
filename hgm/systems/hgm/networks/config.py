"""All sizes of HGM in one frozen dataclass: the published ones and three smaller presets."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

from hgm.errors import InputError
from hgm.nets.widths import UNetWidths

RAY_CHANNELS = 6  # moment o x d, then direction d
INPUT_CHANNELS = 3 + RAY_CHANNELS
# of a picture's pixels, as people cover it in the rig's views; sizes of what depends on the person
# are counted with it
PERSON_SHARE = 1 / 8
# of the merge network, for surfaces: which one it is, how far the U-Net moves it along its ray
SURFACE_CHANNELS = 2
LARGEST = 65536  # upper bound of any number in a model.json


@dataclass(frozen=True)
class HGMConfig:
    """The sizes of one HGM; lengths in normalized units (NU).

    `use_body` off is the ablation without the body branch. `legacy` reproduces three faults of the
    released network: body attention without residual and LayerNorm, 1-D attention over runs of
    positions instead of Gaussians, and U-Net features of several views reshaped instead of
    permuted.
    """

    unet: UNetWidths
    merge: UNetWidths
    views: int = 1
    input_size: int = 512
    encoder_stem: int = 64
    # (channels, residual blocks)
    encoder_stages: tuple[tuple[int, int], ...] = ((64, 3), (128, 4), (256, 6))
    vertices: int = 10475
    # channels of the tokens, the image features, the attention and the sparse network
    token_channels: int = 32
    attention_heads: int = 8
    patch: int = 3  # side of the patch of image features that a vertex attends to, per view
    body_head: str = "mlp"  # or "mixnet", which has the widths of `merge`
    body_hidden: int = 128
    voxel: float = 0.005
    sparse_levels: int = 4
    # momentum of BatchNorm's running statistics; short trainings need a larger one
    sparse_momentum: float = 0.01
    use_body: bool = True
    legacy: bool = False
    # adds two layers that the release declares and never uses, so that its weights load strictly
    spare_layers: bool = False
    initial_scale: float = 0.01  # standard deviation of a splat before training
    # the same for a splat of the body: about the spacing of SMPL-X's vertices
    initial_body_scale: float = 0.01
    initial_opacity: float = 0.5
    # surfaces of the person along the ray of each pixel of its mask that become Gaussians, 1 (the
    # one that the picture shows) or 2 (also the last one), which start there with the pixel's color
    # (`networks.surfaces`); 0: the paper's Gaussian for each pixel of a map, anywhere
    surfaces: int = 0
    detail_hidden: int = 64  # width of the detail head, which such Gaussians need
    checkpointing: bool = False  # recompute blocks in the backward pass: less memory, more time
    channels_last: bool = False  # memory layout of the 2-D networks

    def __post_init__(self) -> None:
        object.__setattr__(
            self, "encoder_stages", tuple((int(c), int(n)) for c, n in self.encoder_stages)
        )
        if self.input_size % self.unet.reduction:
            raise InputError(
                f"input_size: {self.input_size} is not a multiple of {self.unet.reduction}, "
                "the U-Net's total stride"
            )
        if self.body_head not in ("mlp", "mixnet"):
            raise InputError(f"body_head: {self.body_head!r} is unknown; expected mlp or mixnet")
        if self.token_channels % self.attention_heads:
            raise InputError(
                f"token_channels: {self.token_channels} is not a multiple of "
                f"{self.attention_heads} heads"
            )
        if self.patch % 2 == 0:
            raise InputError(f"patch: {self.patch} is even; expected an odd side")
        if len(self.encoder_stages) < 2:
            raise InputError("encoder_stages: expected at least two stages")
        if not 0 <= self.surfaces <= 2:
            raise InputError(f"surfaces: expected 0, 1 or 2, got {self.surfaces}")
        if self.views < 1:
            raise InputError(f"views: expected 1 or more, got {self.views}")
        if (
            not 0 < self.initial_opacity < 1
            or min(self.initial_scale, self.initial_body_scale, self.voxel) <= 0
        ):
            raise InputError(
                "initial_opacity must lie between 0 and 1, the initial scales and voxel above 0"
            )

    @property
    def map_size(self) -> int:
        """Side of the Gaussian map of one view."""
        return self.input_size // self.unet.output_reduction

    @property
    def gaussians(self) -> int:
        """Number of Gaussians in the merged set and in the U-Net set; with surfaces that of a
        person who covers PERSON_SHARE of the pictures."""
        if self.surfaces:
            return round(self.views * self.surfaces * self.input_size**2 * PERSON_SHARE)
        return self.views * self.map_size**2

    @property
    def merge_channels(self) -> int:
        """Input channels of the merge network: center, U-Net feature, body volume, and what
        surfaces add."""
        return (
            3
            + self.unet.up[-1]
            + (SURFACE_CHANNELS if self.surfaces else 0)
            + (self.sparse_levels * self.token_channels if self.use_body else 0)
        )

    def replace(self, **changes: Any) -> HGMConfig:
        return replace(self, **changes)

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> HGMConfig:
        """Inverse of `to_json`. Raises InputError for an unknown key and for a value that is
        missing, of the wrong kind or out of range."""
        from pydantic import TypeAdapter, ValidationError

        known = {f.name for f in fields(cls)}
        for key in data if isinstance(data, dict) else ():
            if key not in known:
                raise InputError(
                    f"model.json: key {key!r} is unknown; the file is of another version of hgm"
                )
        try:
            config = TypeAdapter(cls).validate_python(data)
        except ValidationError as error:
            first = error.errors()[0]
            reason = f"{'.'.join(map(str, first['loc']))}: {first['msg']}"
            raise InputError(
                f"model.json: {reason}; the file is damaged or of another version of hgm"
            ) from None
        except ArithmeticError as error:  # such as a division by zero groups, or an overflow
            raise InputError(
                f"model.json: {error}; the file is damaged or of another version of hgm"
            ) from None
        for number in _leaves(config.to_json()):
            if isinstance(number, int | float) and not 0 <= number <= LARGEST:
                raise InputError(
                    f"model.json: holds {str(number)[:12]}, expected 0 to {LARGEST}; the file is "
                    "damaged"
                )
        return config

    @classmethod
    def paper(cls, views: int = 1, **changes: Any) -> HGMConfig:
        """The published sizes (paper section 3 and appendix): input of 512 px, 256 x 256 Gaussians
        for each view."""
        unet = UNetWidths(
            down=(64, 128, 256, 512, 1024, 1024),
            down_attention=(False, False, False, True, True, True),
            up=(1024, 1024, 512, 256, 128),
            up_attention=(True, True, True, False, False),
        )
        merge = UNetWidths(
            down=(64, 128, 256, 512, 1024),
            down_attention=(False, False, False, True, True),
            up=(1024, 512, 256, 128, 64),
            up_attention=(True, True, False, False, False),
        )
        config = cls(
            unet=unet,
            merge=merge,
            views=views,
            body_head="mixnet",
            spare_layers=True,
            initial_scale=_splat_scale(256),
        )
        return config.replace(**changes)

    @classmethod
    def medium(cls, views: int = 1, **changes: Any) -> HGMConfig:
        """Input of 256 px, Gaussians on each surface for each pixel of the person; trains on one
        GPU within an hour."""
        unet = UNetWidths(
            down=(48, 96, 192, 320, 320),
            down_attention=(False, False, False, True, True),
            up=(320, 256, 128, 96),
            up_attention=(True, True, False, False),
            layers=2,
            heads=8,
            groups=16,
        )
        merge = UNetWidths(
            down=(48, 64, 128, 256),
            down_attention=(False, False, False, True),
            up=(256, 128, 64, 48),
            up_attention=(True, False, False, False),
            layers=2,
            heads=8,
            groups=16,
        )
        config = cls(
            unet=unet,
            merge=merge,
            views=views,
            input_size=256,
            encoder_stem=32,
            encoder_stages=((32, 2), (64, 2), (128, 3)),
            voxel=0.01,
            surfaces=2 if views == 1 else 1,
            initial_scale=_splat_scale(128),
        )
        return config.replace(**changes)

    @classmethod
    def small(cls, views: int = 1, **changes: Any) -> HGMConfig:
        """Input of 128 px, Gaussians on each surface for each pixel of the person; small enough to
        train on a CPU core."""
        unet = UNetWidths(
            down=(16, 32, 64, 96, 96),
            down_attention=(False, False, False, True, True),
            up=(96, 80, 48, 32),
            up_attention=(True, True, False, False),
            layers=1,
            heads=4,
            groups=8,
        )
        merge = UNetWidths(
            down=(32, 48, 64, 96),
            down_attention=(False, False, False, True),
            up=(96, 64, 48, 32),
            up_attention=(True, False, False, False),
            layers=1,
            heads=4,
            groups=8,
        )
        config = cls(
            unet=unet,
            merge=merge,
            views=views,
            input_size=128,
            encoder_stem=16,
            encoder_stages=((16, 1), (32, 1), (64, 1)),
            token_channels=16,
            attention_heads=4,
            body_hidden=64,
            voxel=0.02,
            sparse_levels=3,
            sparse_momentum=0.1,
            surfaces=2 if views == 1 else 1,
            initial_scale=_splat_scale(64),
        )
        return config.replace(**changes)

    @classmethod
    def tiny(cls, views: int = 1, **changes: Any) -> HGMConfig:
        """Input of 64 px, Gaussians on each surface for each pixel of the person; for tests and the
        smallest runs."""
        unet = UNetWidths(
            down=(8, 16, 32),
            down_attention=(False, False, True),
            up=(32, 16),
            up_attention=(True, False),
            layers=1,
            heads=2,
            groups=4,
        )
        merge = UNetWidths(
            down=(16, 16, 32),
            down_attention=(False, False, True),
            up=(32, 16, 16),
            up_attention=(True, False, False),
            layers=1,
            heads=2,
            groups=4,
        )
        config = cls(
            unet=unet,
            merge=merge,
            views=views,
            input_size=64,
            encoder_stem=8,
            encoder_stages=((8, 1), (16, 1), (16, 1)),
            token_channels=8,
            attention_heads=2,
            body_hidden=32,
            voxel=0.04,
            sparse_levels=2,
            sparse_momentum=0.1,
            surfaces=2 if views == 1 else 1,
            initial_scale=_splat_scale(32),
        )
        return config.replace(**changes)


def _leaves(data: Any) -> Iterator[Any]:
    """The values in nested dictionaries, lists and tuples."""
    if isinstance(data, dict | list | tuple):
        for value in data.values() if isinstance(data, dict) else data:
            yield from _leaves(value)
    else:
        yield data


def _splat_scale(map_size: int) -> float:
    """A scale of 0.75 pixels of the map at the depth of the pelvis, which is 1.5 pixels of an image
    with twice the size of the map."""
    from hgm.rig import FOCAL, RADIUS

    return round(0.75 * RADIUS / (FOCAL * map_size), 5)


def inverse_softplus(value: float) -> float:
    """x with softplus(x) = value."""
    return value + math.log(-math.expm1(-value))
