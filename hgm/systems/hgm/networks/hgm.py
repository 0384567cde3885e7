"""HGM: images, cameras and a posed body in, three sets of Gaussians out (paper section 3)."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hgm.cameras import Cameras
from hgm.core.compiling import prepare_compiling
from hgm.errors import InputError
from hgm.gaussians import CHANNELS, Gaussians, activate
from hgm.nets.image_encoder import ImageEncoder
from hgm.nets.sparse_volume import SparseVolume
from hgm.nets.unet import UNet
from hgm.systems.hgm.networks.body_branch import BodyBranch
from hgm.systems.hgm.networks.config import INPUT_CHANNELS, HGMConfig, inverse_softplus
from hgm.systems.hgm.networks.detail import DetailHead
from hgm.systems.hgm.networks.image_branch import ImageBranch, SurfaceBranch
from hgm.systems.hgm.networks.mix import MixNet
from hgm.systems.hgm.networks.prior import vertex_prior
from hgm.systems.hgm.networks.surfaces import PersonPixels, starts

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
SURFACE_GAIN = 0.05
PRECISIONS = {"fp32": torch.float32, "bf16": torch.bfloat16}


@dataclass(frozen=True)
class HGMOutput:
    """The three sets of Gaussians that training supervises.

    N = views * (side of the map)^2, view after view in raster order. With `surfaces` it is their
    number times that of the person's pixels in all views: surface after surface, then as before,
    and samples of a batch with fewer of them are filled up with Gaussians of opacity 0.
    """

    merged: Gaussians  # [B, N], the result
    unet: Gaussians  # [B, N], from the U-Net alone
    body: Gaussians | None  # [B, P], one for each vertex; None without the body branch


class HGM(nn.Module):
    """Generalizable Human Gaussians. The initial weights depend on the global torch seed.

    `sparse_backend` is "torch", "spconv" or "auto"; all compute the same.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, config: HGMConfig, *, sparse_backend: str = "auto") -> None:
        super().__init__()
        self.config = config
        self.unet = UNet(
            2,
            INPUT_CHANNELS,
            CHANNELS,
            config.unet,
            spare_layers=config.spare_layers,
            checkpointing=config.checkpointing,
        )
        self.conv = nn.Conv2d(CHANNELS, CHANNELS, 1)
        if config.surfaces:
            self.detail = DetailHead(
                CHANNELS + config.unet.up[-1], INPUT_CHANNELS, config.detail_hidden, config.surfaces
            )
        if config.use_body:
            c = config.token_channels
            self.encoder = ImageEncoder(
                INPUT_CHANNELS, c, config.encoder_stem, config.encoder_stages
            )
            self.body = BodyBranch(config)
            self.volume = SparseVolume(
                c, config.sparse_levels, config.voxel, config.sparse_momentum, sparse_backend
            )
        self.merge = MixNet(
            config.merge_channels,
            CHANNELS,
            config.merge,
            legacy=config.legacy,
            checkpointing=config.checkpointing,
        )
        self.register_buffer("mean", torch.tensor(IMAGENET_MEAN)[:, None, None], persistent=False)
        self.register_buffer("std", torch.tensor(IMAGENET_STD)[:, None, None], persistent=False)
        self._initialize()
        if config.channels_last:
            for p in self.parameters():
                if p.ndim == 4:
                    p.data = p.data.contiguous(memory_format=torch.channels_last)

    def forward(
        self,
        images: Tensor,
        cameras: Cameras,
        vertices: Tensor | None = None,
        *,
        masks: Tensor | None = None,
        rays: Cameras | None = None,
        precision: str = "fp32",
    ) -> HGMOutput:
        """images [B, V, 3, H, W] in [0, 1] on white, cameras [B, V] of that size, vertices [B, P,
        3] NU, masks [B, V, 1, H, W], which a model with `surfaces` needs and others ignore.

        `rays` [B, V] are the cameras of the ray embedding, where training gives it jittered ones;
        by default `cameras`. Without vertices (or with `use_body` off) there is no body set, and a
        model with a body branch merges with an empty volume. With `precision` "bf16" the
        convolutional and attention networks run under autocast; projection, voxels, sparse
        convolution and activations stay float32. Raises InputError where shapes do not fit the
        config.
        """
        self._check(images, cameras, vertices, masks)
        if precision not in PRECISIONS:
            raise InputError(
                f"precision: {precision!r} is unknown; expected one of {', '.join(PRECISIONS)}"
            )
        # the geometry must not run in a caller's autocast region; the networks open their own
        with torch.autocast(images.device.type, enabled=False):
            return self._forward(
                images,
                masks if self.config.surfaces else None,
                cameras,
                vertices,
                cameras if rays is None else rays,
                PRECISIONS[precision],
            )

    def _forward(
        self,
        images: Tensor,
        masks: Tensor | None,
        cameras: Cameras,
        vertices: Tensor | None,
        rays: Cameras,
        dtype: torch.dtype,
    ) -> HGMOutput:
        batch, views = images.shape[:2]
        nets = torch.autocast(images.device.type, dtype, enabled=dtype != torch.float32)
        # [B*V, 9, H, W]
        x = torch.cat([(images - self.mean) / self.std, rays.ray_embedding()], 2).flatten(0, 1)
        if self.config.channels_last:
            x = x.contiguous(memory_format=torch.channels_last)
        with nets:
            raw, features = self.unet(x, views)
            raw = self.conv(raw)
        maps = raw.float(), features.float()
        branch = (
            self._mapped(*maps, views)
            if masks is None
            else self._surfaces(*maps, x, images, masks, cameras, vertices, nets)
        )
        parts = [branch.anchors, *branch.features]
        body = None
        if self.config.use_body and vertices is not None:
            with nets:
                seen = self.encoder(x)
            start = (
                vertex_prior(images, cameras, vertices)
                if self.config.surfaces
                else vertices.new_zeros(())
            )
            body, tokens = self.body(
                seen.float().unflatten(0, (batch, views)), cameras, vertices, nets, start
            )
            parts.append(self.volume(tokens, body.means, branch.anchors))
        elif self.config.use_body:
            missing = self.config.sparse_levels * self.config.token_channels
            parts.append(branch.anchors.new_zeros(*branch.anchors.shape[:2], missing))
        with nets:
            mixed = branch.mixed(self.merge, torch.cat(parts, -1))
        return HGMOutput(branch.merged(mixed.float()), branch.unet, body)

    def _mapped(self, raw: Tensor, features: Tensor, views: int) -> ImageBranch:
        """The paper's Gaussians: one for each pixel of the maps [B*V, C, h, w], anywhere."""
        unet = activate(_sequence(raw, views))
        return ImageBranch(unet, unet.means, [self._merge_features(features, views)])

    def _surfaces(
        self,
        raw: Tensor,
        features: Tensor,
        x: Tensor,
        images: Tensor,
        masks: Tensor,
        cameras: Cameras,
        vertices: Tensor | None,
        nets: torch.autocast,
    ) -> ImageBranch:
        """Gaussians on the surfaces of the person, from maps [B*V, C, h, w] and the networks' input
        x. Those of the U-Net alone start without the body, those that are merged on it."""
        shape = images.shape[:2]
        count = self.config.surfaces
        pixels = PersonPixels.of(masks)
        wide = F.interpolate(
            torch.cat([raw, features], 1),
            images.shape[-2:],
            mode="bilinear",
            align_corners=False,
        )
        found = pixels.take(wide.unflatten(0, shape))
        with nets:
            fine = self.detail(found, x.unflatten(0, shape), pixels)
        raw = fine.float() + found[..., :CHANNELS].repeat(1, count, 1)
        flat = starts(images, masks, cameras, None, pixels, count)
        unet, depth = flat.moved(raw)
        if vertices is None or not self.config.use_body:
            start = replace(flat, depth=depth)
        else:
            start = starts(images, masks, cameras, vertices, pixels, count)
        which = torch.arange(count, device=raw.device).repeat_interleave(pixels.index.shape[1])
        told = [
            found[..., CHANNELS:].repeat(1, count, 1),
            which.to(raw).expand(len(raw), -1)[..., None],
            depth - start.depth,
        ]
        return SurfaceBranch(unet, start.points, told, start, raw)

    def compile_networks(self) -> None:
        """Compile the networks whose shapes are constant (torch.compile), and the merge network,
        also where the number of Gaussians is the person's; names of weights do not change.

        The first pass takes minutes; later processes use the compiled code from the cache. Raises
        InputError without a compiler (see `prepare_compiling`).
        """
        prepare_compiling()
        for network in [
            self.unet,
            *([self.encoder, self.body.head] if self.config.use_body else []),
        ]:
            network.compile(dynamic=False)
        # None: compiled anew, for any length, when a second length occurs
        self.merge.compile(dynamic=None if self.config.surfaces else False)

    def parameter_table(self) -> dict[str, int]:
        """Number of parameters of each part, in the paper's terms."""
        parts: dict[str, nn.Module] = {
            "unet": self.unet,
            "unet_output": self.conv,
            "merge": self.merge,
        }
        if self.config.surfaces:
            parts["detail"] = self.detail
        if self.config.use_body:
            parts |= {
                "image_encoder": self.encoder,
                "tokens": self.body.tokens,
                "attention": self.body.attention,
                "body_head": self.body.head,
                "sparse": self.volume,
            }
        return {name: sum(p.numel() for p in part.parameters()) for name, part in parts.items()}

    def _merge_features(self, features: Tensor, views: int) -> Tensor:
        """U-Net features [B*V, C, h, w] -> [B, N, C] in the order of the Gaussians."""
        if self.config.legacy:  # the release reshapes here and so mixes the views' channels
            return features.reshape(features.shape[0] // views, features.shape[1], -1).mT
        return _sequence(features, views)

    def _initialize(self) -> None:
        """Splats start with a suitable size, half opaque and unrotated; the random part of the
        outputs is small."""
        c = self.config
        # where surfaces start is said by the pictures and the body, not by biases
        scale = None if c.surfaces else c.initial_scale
        outputs: list[tuple[nn.Linear | nn.Conv1d | nn.Conv2d, float | None]] = [
            (self.conv, scale),
            (self.merge.conv_out, scale),
        ]
        if c.use_body:
            outputs.append((self.body.head.conv_out, c.initial_body_scale))
            nn.init.normal_(self.body.tokens.weight, std=0.1)  # 1 would hide image features
        if c.surfaces:
            outputs.append((self.detail.out, None))
        # the networks' first, random outputs must stay small next to what they change
        gain = SURFACE_GAIN if c.surfaces else 1.0
        with torch.no_grad():
            for layer, size in outputs:
                assert layer.bias is not None
                layer.bias.copy_(_bias(c.initial_opacity, size).repeat(len(layer.bias) // CHANNELS))
                nn.init.normal_(layer.weight, std=0.1 * gain / layer.weight[0].numel() ** 0.5)
            self.conv.weight.copy_(gain * torch.eye(CHANNELS)[..., None, None])

    def _check(
        self, images: Tensor, cameras: Cameras, vertices: Tensor | None, masks: Tensor | None
    ) -> None:
        c = self.config
        size = c.input_size
        if images.ndim != 5 or images.shape[1:] != (c.views, 3, size, size):
            raise InputError(
                f"images: expected [B, {c.views}, 3, {size}, {size}], got {list(images.shape)}"
            )
        if (
            cameras.shape != images.shape[:2]
            or (cameras.height, cameras.width) != images.shape[-2:]
        ):
            raise InputError(
                f"cameras: expected {list(images.shape[:2])} of {size} px, got "
                f"{list(cameras.shape)} of {cameras.width} x {cameras.height} px"
            )
        if c.surfaces and (masks is None or masks.shape != images[:, :, :1].shape):
            raise InputError(
                f"masks: expected {list(images[:, :, :1].shape)}, got "
                f"{'none' if masks is None else list(masks.shape)}"
            )
        if vertices is not None and c.use_body and vertices.shape != (len(images), c.vertices, 3):
            raise InputError(
                f"vertices: expected [{len(images)}, {c.vertices}, 3], got {list(vertices.shape)}"
            )


def _bias(opacity: float, scale: float | None) -> Tensor:
    """Raw numbers [14] of an unrotated splat; zeros without a scale."""
    start = torch.zeros(CHANNELS)
    if scale is not None:
        start[3] = math.log(opacity / (1 - opacity))
        start[4:7] = inverse_softplus(scale / 0.1)
        start[7] = 1.0
    return start


def _sequence(maps: Tensor, views: int) -> Tensor:
    """Maps [B*V, C, h, w] -> a sequence [B, V*h*w, C], view after view in raster order."""
    return maps.unflatten(0, (-1, views)).permute(0, 1, 3, 4, 2).flatten(1, 3)
