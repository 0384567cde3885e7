"""Self-attention over the pixels of all input views, or over the Gaussians of a sequence."""

from __future__ import annotations

import math

import torch.nn.functional as F
from torch import Tensor, nn

SKIP_SCALE = math.sqrt(0.5)  # keeps the variance of a sum of two branches


class SelfAttention(nn.Module):
    """Multi-head attention of tokens [B, L, C]; projection in without, out with bias."""

    def __init__(self, channels: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(channels, 3 * channels, bias=False)
        self.proj = nn.Linear(channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        # each [B, heads, L, C/heads]
        q, k, v = self.qkv(x).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        return self.proj(F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(-2))


class ViewAttention(nn.Module):
    """Residual attention over the positions of all views together: x [B*V, C, *positions] -> the
    same shape.

    The layer is equivariant to permutations of the positions (GroupNorm's statistics do not see an
    order). With `legacy` the channels-first buffer is read as tokens without a transpose, as the
    released 1-D layer
    does: a token is then a run of positions of a few channels.
    """

    def __init__(self, channels: int, heads: int, groups: int, legacy: bool = False) -> None:
        super().__init__()
        self.legacy = legacy
        self.norm = nn.GroupNorm(groups, channels, eps=1e-5)
        self.attn = SelfAttention(channels, heads)

    def forward(self, x: Tensor, views: int = 1) -> Tensor:
        channels = x.shape[1]
        positions = x.shape[2:]
        y = self.norm(x).flatten(2).unflatten(0, (-1, views))  # [B, V, C, L]
        if self.legacy:
            y = self.attn(y.reshape(len(y), -1, channels)).reshape(x.shape)
        else:
            y = self.attn(y.transpose(2, 3).flatten(1, 2))  # [B, V*L, C]
            y = y.unflatten(1, (views, -1)).transpose(2, 3).reshape(-1, channels, *positions)
        return (x + y) * SKIP_SCALE
