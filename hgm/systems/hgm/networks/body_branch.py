"""The body branch: vertex tokens attend to image patches and become Gaussians (paper section
3.2)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hgm.cameras import Cameras
from hgm.gaussians import CHANNELS, Gaussians, activate
from hgm.systems.hgm.networks.config import HGMConfig
from hgm.systems.hgm.networks.mix import MixNet


def patch_samples(maps: Tensor, cameras: Cameras, points: Tensor, side: int) -> Tensor:
    """Bilinear samples [B, V, C, side^2, P] of float32 maps [B, V, C, h, w] in a patch around the
    projection of each point [B, P, 3].

    Neighbors in a patch are one map pixel apart. Outside the image, the border pixels are used.
    """
    h, w = maps.shape[-2:]
    pixels, _ = cameras.project(points[:, None])  # [B, V, P, 2]
    center = 2 * pixels / pixels.new_tensor([cameras.width, cameras.height]) - 1
    r = torch.arange(side, device=maps.device) - side // 2
    y, x = torch.meshgrid(r, r, indexing="ij")
    # one map pixel in [-1, 1] coordinates
    offsets = torch.stack([x / w, y / h], -1).view(-1, 1, 2) * 2
    grid = (center.clamp(-1, 1)[..., None, :, :] + offsets).flatten(0, 1)  # [B*V, side^2, P, 2]
    out = F.grid_sample(
        maps.flatten(0, 1), grid, mode="bilinear", padding_mode="border", align_corners=False
    )
    return out.unflatten(0, maps.shape[:2])


class PatchAttention(nn.Module):
    """Each token attends to the image patches around its vertex in all views (paper section 3.2).

    Residual and LayerNorm let the tokens matter even where a vertex has a single key; `legacy`
    leaves them out, as the release does.
    """

    def __init__(self, channels: int, heads: int, patch: int, legacy: bool) -> None:
        super().__init__()
        self.heads = heads
        self.patch = patch
        self.legacy = legacy
        self.query, self.key, self.value, self.out = (
            nn.Linear(channels, channels, bias=False) for _ in range(4)
        )
        self.norm = nn.LayerNorm(channels)

    def forward(self, tokens: Tensor, points: Tensor, maps: Tensor, cameras: Cameras) -> Tensor:
        """tokens [P, C], points [B, P, 3], maps [B, V, C, h, w], cameras [B, V] -> features [B, P,
        C]."""
        views = maps.shape[1]
        q = self.query(tokens).T.unflatten(0, (self.heads, -1))[:, :, None]  # [heads, d, 1, P]
        # keys and values are linear in the features, so the maps are projected before they are
        # sampled; each is [B, V, heads, d, K, P]
        k, v = (
            patch_samples(_project(maps, layer.weight), cameras, points, self.patch).unflatten(
                2, (self.heads, -1)
            )
            for layer in (self.key, self.value)
        )
        scores = (q * k).sum(3) / k.shape[3] ** 0.5  # [B, V, heads, K, P]
        weights = (
            scores.transpose(1, 2)
            .flatten(2, 3)
            .softmax(2)
            .unflatten(2, (views, -1))
            .transpose(1, 2)
        )
        mixed = self.out((weights[:, :, :, None] * v).sum((1, 4)).flatten(1, 2).mT)  # [B, P, C]
        return mixed if self.legacy else self.norm(tokens + mixed)


def _project(maps: Tensor, weight: Tensor) -> Tensor:
    """A linear layer [D, C] on the channels of maps [B, V, C, h, w]."""
    return F.conv2d(maps.flatten(0, 1), weight[..., None, None]).unflatten(0, maps.shape[:2])


class BodyHead(nn.Sequential):
    """Three-layer perceptron: features [B, Cin, P] -> raw Gaussians [B, 14, P]."""

    def __init__(self, inputs: int, hidden: int) -> None:
        super().__init__(
            nn.Conv1d(inputs, hidden, 1),
            nn.SiLU(),
            nn.Conv1d(hidden, hidden, 1),
            nn.SiLU(),
            nn.Conv1d(hidden, CHANNELS, 1),
        )

    @property
    def conv_out(self) -> nn.Conv1d:
        layer = self[-1]
        assert isinstance(layer, nn.Conv1d)
        return layer


class BodyBranch(nn.Module):
    """Vertices and image features -> Gaussians of the body, and features at their centers."""

    def __init__(self, config: HGMConfig) -> None:
        super().__init__()
        c = config.token_channels
        self.tokens = nn.Embedding(config.vertices, c)
        self.attention = PatchAttention(c, config.attention_heads, config.patch, config.legacy)
        self.head: BodyHead | MixNet
        if config.body_head == "mixnet":
            self.head = MixNet(
                3 + c,
                CHANNELS,
                config.merge,
                legacy=config.legacy,
                checkpointing=config.checkpointing,
            )
        else:
            self.head = BodyHead(3 + c, config.body_hidden)

    def forward(
        self, maps: Tensor, cameras: Cameras, vertices: Tensor, nets: torch.autocast, start: Tensor
    ) -> tuple[Gaussians, Tensor]:
        """maps [B, V, C, h, w] float32, cameras [B, V], vertices [B, P, 3] NU -> Gaussians [B, P],
        features [B, P, C].

        `nets` is the autocast region of the head. `start`, [B, P, 3] or a zero, is added to the raw
        colors.

        Position = clamp(vertex + clamp(offset, -1, 1)). The features come from a second attention,
        at the moved positions.
        """
        features = self.attention(self.tokens.weight, vertices, maps, cameras)
        with nets:
            raw = self.head(torch.cat([vertices, features], -1).mT)
        raw = raw.mT.float()
        g = activate(torch.cat([raw[..., :11], raw[..., 11:] + start], -1))
        means = (vertices + g.means).clamp(-1, 1)
        body = Gaussians(means, g.opacities, g.scales, g.quats, g.colors)
        return body, self.attention(self.tokens.weight, means, maps, cameras)
