"""HGM: images, cameras and a posed body in, three sets of Gaussians out (paper section 3)."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
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
from hgm.systems.hgm.networks.mix import MixNet
from hgm.systems.hgm.networks.prior import pixel_prior, vertex_prior

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
PRIOR_GAIN = 0.05
PRECISIONS = {"fp32": torch.float32, "bf16": torch.bfloat16}


@dataclass(frozen=True)
class HGMOutput:
    """The three sets of Gaussians that training supervises. N = views * (side of the map)^2, view
    after view in raster order."""

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
        rays: Cameras | None = None,
        precision: str = "fp32",
    ) -> HGMOutput:
        """images [B, V, 3, H, W] in [0, 1] on white, cameras [B, V] of that size, vertices [B, P,
        3] NU.

        `rays` [B, V] are the cameras of the ray embedding, where training gives it jittered ones;
        by default `cameras`. Without vertices (or with `use_body` off) there is no body set, and a
        model with a body branch merges with an empty volume. With `precision` "bf16" the
        convolutional and attention networks run under autocast; projection, voxels, sparse
        convolution and activations stay float32. Raises InputError where shapes do not fit the
        config.
        """
        self._check(images, cameras, vertices)
        if precision not in PRECISIONS:
            raise InputError(
                f"precision: {precision!r} is unknown; expected one of {', '.join(PRECISIONS)}"
            )
        # the geometry must not run in a caller's autocast region; the networks open their own
        with torch.autocast(images.device.type, enabled=False):
            return self._forward(
                images, cameras, vertices, cameras if rays is None else rays, PRECISIONS[precision]
            )

    def _forward(
        self,
        images: Tensor,
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
        raw = _sequence(raw, views).float()
        prior = (
            pixel_prior(images, cameras, self.config.map_size)
            if self.config.prior
            else raw.new_zeros(1, 1, CHANNELS)
        )
        unet = activate(raw + prior)
        parts = [unet.means, self._merge_features(features.float(), views)]
        body = None
        if self.config.use_body and vertices is not None:
            with nets:
                maps = self.encoder(x)
            start = (
                vertex_prior(images, cameras, vertices)
                if self.config.prior
                else vertices.new_zeros(())
            )
            body, tokens = self.body(
                maps.float().unflatten(0, (batch, views)), cameras, vertices, nets, start
            )
            parts.append(self.volume(tokens, body.means, unet.means))
        elif self.config.use_body:
            missing = self.config.sparse_levels * self.config.token_channels
            parts.append(unet.means.new_zeros(*unet.shape, missing))
        with nets:
            mixed = self.merge(torch.cat(parts, -1).mT)
        g = activate(
            torch.cat([mixed.mT[..., :3].float(), mixed.mT[..., 3:].float() + prior[..., 3:]], -1)
        )
        merged = Gaussians(unet.means + g.means, g.opacities, g.scales, g.quats, g.colors)
        return HGMOutput(merged, unet, body)

    def compile_networks(self) -> None:
        """Compile the networks whose shapes are constant (torch.compile); names of weights do not
        change.

        The first pass takes minutes; later processes use the compiled code from the cache. Raises
        InputError without a compiler (see `prepare_compiling`).
        """
        prepare_compiling()
        for network in [
            self.unet,
            self.merge,
            *([self.encoder, self.body.head] if self.config.use_body else []),
        ]:
            network.compile(dynamic=False)

    def parameter_table(self) -> dict[str, int]:
        """Number of parameters of each part, in the paper's terms."""
        parts: dict[str, nn.Module] = {
            "unet": self.unet,
            "unet_output": self.conv,
            "merge": self.merge,
        }
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
        outputs = [(self.conv, c.initial_scale), (self.merge.conv_out, c.initial_scale)]
        if c.use_body:
            outputs.append((self.body.head.conv_out, c.initial_body_scale))
            nn.init.normal_(self.body.tokens.weight, std=0.1)  # 1 would hide image features
        # the networks' first, random outputs must stay small next to a prior
        gain = PRIOR_GAIN if c.prior else 1.0
        with torch.no_grad():
            for layer, scale in outputs:
                start = torch.zeros(CHANNELS)
                start[3] = math.log(c.initial_opacity / (1 - c.initial_opacity))
                start[4:7] = inverse_softplus(scale / 0.1)
                start[7] = 1.0
                assert layer.bias is not None
                layer.bias.copy_(start)
                nn.init.normal_(layer.weight, std=0.1 * gain / layer.weight[0].numel() ** 0.5)
            self.conv.weight.copy_(gain * torch.eye(CHANNELS)[..., None, None])

    def _check(self, images: Tensor, cameras: Cameras, vertices: Tensor | None) -> None:
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
        if vertices is not None and c.use_body and vertices.shape != (len(images), c.vertices, 3):
            raise InputError(
                f"vertices: expected [{len(images)}, {c.vertices}, 3], got {list(vertices.shape)}"
            )


def _sequence(maps: Tensor, views: int) -> Tensor:
    """Maps [B*V, C, h, w] -> a sequence [B, V*h*w, C], view after view in raster order."""
    return maps.unflatten(0, (-1, views)).permute(0, 1, 3, 4, 2).flatten(1, 3)
