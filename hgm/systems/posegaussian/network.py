"""The network: two rectified photos in, and where the person is in each; then Gaussians of both."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import torch
import torch.nn.functional as F
from scipy.spatial.transform import Rotation
from torch import Tensor, nn

from hgm.core.manifests import write_json
from hgm.errors import InputError
from hgm.gaussians import Gaussians
from hgm.nets.weights import WEIGHTS, assign, read_tensors, save_tensors
from hgm.systems.posegaussian.batches import StereoBatch
from hgm.systems.posegaussian.nets.encoders import Encoder
from hgm.systems.posegaussian.nets.fusion import PoseFusion
from hgm.systems.posegaussian.nets.gaussian_maps import SHARPNESS, GaussianMaps
from hgm.systems.posegaussian.nets.stereo import ConvGRU, Stereo
from hgm.systems.posegaussian.released import UNUSED
from hgm.systems.posegaussian.settings import Network
from hgm.systems.posegaussian.surface import Surface
from hgm.systems.posegaussian.variants import variant_of
from hgm.systems.posegaussian.widths import CHANNELS, WIDTHS, Widths

MODEL = "model.json"
PRECISIONS = {"fp32": torch.float32, "bf16": torch.bfloat16}
SMALLEST = 1e-4  # meters, of a Gaussian's scale
SCALED_FOR = 1024  # pixels of the pictures that the largest scale is meant for


@dataclass(frozen=True)
class Design:
    """What a network is made of, beside its weights."""

    widths: Widths
    heat: int = 3  # channels of a heat map; 0: the network sees none
    learned: bool = True  # whether the fusion is trained
    maps: bool = True  # False: disparity alone, the first training
    iterations: int = 3
    rotate_by_camera: bool = False
    largest: float = 0.01  # scale of a Gaussian in pictures of SCALED_FOR pixels, or as released
    precision: str = "fp32"
    released: bool = False  # with the release's faults (hgm.systems.posegaussian.released)

    @classmethod
    def of(
        cls,
        settings: Network,
        fusion: str,
        *,
        encoding: str = "jet3",
        compat: str = "repaired",
        maps: bool = True,
    ) -> Design:
        """Of a variant, for heat maps of this encoding; released, none learns to join them."""
        variant = variant_of(fusion, compat)
        return cls(
            WIDTHS[settings.preset],
            heat=CHANNELS[encoding] if variant.heat else 0,
            learned=variant.learned,
            maps=maps,
            iterations=settings.iterations,
            rotate_by_camera=settings.rotate_by_camera,
            largest=settings.largest,
            precision=settings.precision,
            released=compat == "released",
        )


class Matching(NamedTuple):
    """What the network found about 2B views."""

    # [2B, 1, S, S] in pixels, one a refinement, the last the best; in evaluation mode that alone
    flows: list[Tensor]
    features: list[Tensor]  # of the pictures, finest first


class Maps(NamedTuple):
    """A Gaussian for each pixel of 2B views, which counts where there is inverse depth."""

    inverse_depth: Tensor  # [2B, 1, S, S] in 1/m, 0 outside of the person
    rotations: Tensor  # [2B, 4, S, S], wxyz of any length
    scales: Tensor  # [2B, 3, S, S] in meters
    opacities: Tensor  # [2B, 1, S, S] in 0-1


class PoseGaussian(nn.Module):
    """Stereo matching guided by pose, and maps of Gaussians (docs/posegaussian.md).

    `forward` finds the flow, `maps` the Gaussians of each pixel, `gaussians` those of each pair.
    Convolutions run in the design's precision, all else in float32. The initial weights depend on
    torch's global seed.
    """

    def __init__(self, design: Design) -> None:
        super().__init__()
        self.design = design
        widths = design.widths
        self.encoder = Encoder(3, widths.image[0], widths.image)
        self.fusion = (
            PoseFusion(design.heat, widths, learned=design.learned) if design.heat else None
        )
        self.stereo = Stereo(widths)
        self.regressor = GaussianMaps(widths, even=not design.released) if design.maps else None
        if design.released:
            width = widths.image[-1]
            self.unused = nn.ModuleList(ConvGRU(width, width) for _ in range(UNUSED))
        for p in self.parameters():
            if p.ndim == 4:  # convolutions of a CPU are faster so
                p.data = p.data.contiguous(memory_format=torch.channels_last)

    def forward(self, batch: StereoBatch, iterations: int | None = None) -> Matching:
        """The flow of all views, after as many refinements as the design has or as are asked for.
        Raises InputError for pictures whose edge the levels do not halve evenly, and for heat maps
        that are missing or have other channels."""
        self._check(batch)
        with self._nets(batch):
            features = self.encoder(_shown(batch))
            coarsest = features[-1]
            if self.fusion is not None:
                coarsest = self.fusion(coarsest, batch.heat)
            return Matching(self.stereo(coarsest, iterations or self.design.iterations), features)

    def maps(self, batch: StereoBatch, matching: Matching) -> Maps:
        """The Gaussians of all pixels, of the last flow."""
        if self.regressor is None:
            raise ValueError("a network of disparity alone has no maps")
        inverse_depth = batch.inverse_depth(matching.flows[-1])
        with self._nets(batch):
            found = self.regressor(_shown(batch), inverse_depth, matching.features)
        rotations, scales, opacities = (x.float() for x in found)
        limits = self._limits(batch.images.shape[-1])
        return Maps(
            inverse_depth,
            rotations,
            F.softplus(scales, beta=SHARPNESS).clamp(*limits),
            torch.sigmoid(opacities),
        )

    def _limits(self, size: int) -> tuple[float, float]:
        """Smallest and largest scale in pictures of `size` pixels, meters."""
        if self.design.released:
            return 0.0, self.design.largest
        # the same in pixels, the fewer of which there are the further apart they lie
        return SMALLEST, self.design.largest * SCALED_FOR / size

    def gaussians(self, batch: StereoBatch, maps: Maps) -> list[Gaussians]:
        """The Gaussians [N] of each of B pairs, from both of its views, in the world."""
        pairs = len(batch.images) // 2
        return [
            Gaussians.cat([self._gaussians_of(batch, maps, view) for view in (i, i + pairs)])
            for i in range(pairs)
        ]

    def _gaussians_of(self, batch: StereoBatch, maps: Maps, view: int) -> Gaussians:
        surface = Surface.of(batch, maps.inverse_depth, view)
        rotations = F.normalize(surface.at(maps.rotations[view]), dim=-1)
        if self.design.rotate_by_camera:
            rotations = turned(rotations, batch.cameras[view].world_to_camera[:3, :3].mT)
        return Gaussians(
            surface.points,
            surface.at(maps.opacities[view])[:, 0],
            surface.at(maps.scales[view]),
            rotations,
            surface.colors,
        )

    def _nets(self, batch: StereoBatch) -> torch.autocast:
        dtype = PRECISIONS[self.design.precision]
        return torch.autocast(batch.images.device.type, dtype, enabled=dtype != torch.float32)

    def _check(self, batch: StereoBatch) -> None:
        size = batch.images.shape[-1]
        if size % self.design.widths.factor:
            raise InputError(
                f"pairs: pictures of {size} pixels; expected a multiple of "
                f"{self.design.widths.factor}"
            )
        channels = 0 if batch.heat is None else batch.heat.shape[1]
        if self.fusion is not None and channels != self.design.heat:
            raise InputError(
                f"heat maps: {channels or 'no'} channels; this network expects "
                f"{self.design.heat} (heatmaps.encoding)"
            )

    def save(self, folder: str | Path) -> None:
        """Write weights.safetensors and model.json; equal networks give equal bytes."""
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        save_tensors(self.state_dict(), folder / WEIGHTS)
        write_json(folder / MODEL, dataclasses.asdict(self.design))

    @classmethod
    def load(cls, folder: str | Path, device: str | torch.device = "cpu") -> PoseGaussian:
        """The network in a folder that `save` wrote, frozen and in evaluation mode. Raises
        InputError for a file that is missing, damaged or of another network."""
        folder = Path(folder)
        network = cls(_design(folder / MODEL))
        assign(network, read_tensors(folder / WEIGHTS), source=str(folder / WEIGHTS))
        return network.requires_grad_(False).eval().to(device)

    def start_from(self, folder: str | Path) -> None:
        """Take over the weights of a network of disparity alone; the regressor keeps its own.
        Raises InputError as `load`."""
        path = Path(folder) / WEIGHTS
        own = {k: v for k, v in self.state_dict().items() if k.startswith("regressor.")}
        assign(self, {**own, **read_tensors(path)}, source=str(path))


def turned(quats: Tensor, rotation: Tensor) -> Tensor:
    """Rotations wxyz [N, 4] followed by a rotation matrix [3, 3], which gets no gradient."""
    x, y, z, w = Rotation.from_matrix(rotation.detach().cpu().double().numpy()).as_quat()
    # the product of two quaternions is linear in the second one (Hamilton)
    product = quats.new_tensor([[w, -x, -y, -z], [x, w, -z, y], [y, z, w, -x], [z, -y, x, w]])
    return quats @ product.mT


def _shown(batch: StereoBatch) -> Tensor:
    """Pictures [2B, 3, S, S] in -1-1, 0 outside of the person."""
    shown = 2 * batch.images - batch.masks
    return shown.contiguous(memory_format=torch.channels_last)


def _design(path: Path) -> Design:
    try:
        found = json.loads(path.read_text())
        return Design(**{**found, "widths": Widths(**found["widths"])})
    except FileNotFoundError:
        raise InputError(f"{path}: no such file; expected a folder of a trained network") from None
    except (OSError, ValueError, TypeError, KeyError, RecursionError) as error:
        raise InputError(f"{path}: not the design of a network ({error}); train it again") from None
