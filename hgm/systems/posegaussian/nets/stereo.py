"""Stereo matching: flow along the rows, refined step by step (RAFT-Stereo, Lipson et al. 2021, with
one recurrent level, as GPS-Gaussian uses it)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hgm.systems.posegaussian.nets.blocks import Pointwise, Residual
from hgm.systems.posegaussian.nets.correlation import RowCorrelation
from hgm.systems.posegaussian.widths import Widths

NEIGHBORS = 9  # coarse pixels of which each fine one is a mean
DAMPING = 0.25  # of the weights of that mean, before the softmax


class MotionEncoder(nn.Module):
    """What correlation [B, 36, h, w] and flow [B, 2, h, w] say of the motion: [B, 2 width, h, w],
    the flow in its last channels."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.correlation = nn.Sequential(
            Pointwise(RowCorrelation.SAMPLES, width),
            nn.ReLU(),
            nn.Conv2d(width, width, 3, 1, 1),
            nn.ReLU(),
        )
        self.flow = nn.Sequential(
            nn.Conv2d(2, width, 7, 1, 3), nn.ReLU(), nn.Conv2d(width, width, 3, 1, 1), nn.ReLU()
        )
        self.joined = nn.Conv2d(2 * width, 2 * width - 2, 3, 1, 1)

    def forward(self, correlation: Tensor, flow: Tensor) -> Tensor:
        both = torch.cat([self.correlation(correlation), self.flow(flow)], 1)
        return torch.cat([F.relu(self.joined(both)), flow.to(both.dtype)], 1)


class ConvGRU(nn.Module):
    """A gated recurrent unit over maps; its gates are biased by what the view itself shows."""

    def __init__(self, hidden: int, inputs: int) -> None:
        super().__init__()
        self.gates = nn.Conv2d(hidden + inputs, 2 * hidden, 3, 1, 1)
        self.candidate = nn.Conv2d(hidden + inputs, hidden, 3, 1, 1)

    def forward(self, state: Tensor, x: Tensor, bias: Tensor) -> Tensor:
        """state [B, H, h, w], x [B, I, h, w], bias [B, 3 H, h, w] of update, reset, candidate."""
        width = state.shape[1]
        gates = self.gates(torch.cat([state, x], 1)) + bias[:, : 2 * width]
        update, reset = torch.sigmoid(gates).chunk(2, 1)
        candidate = self.candidate(torch.cat([reset * state, x], 1)) + bias[:, 2 * width :]
        return torch.lerp(state, torch.tanh(candidate), update)


def upsampled(flow: Tensor, weights: Tensor, factor: int) -> Tensor:
    """Flow [B, 1, h, w] in coarse pixels -> [B, 1, factor h, factor w] in fine ones: each is a mean
    of the nine coarse ones around it, weighted by the softmax of weights [B, 9 factor^2, h, w]
    (RAFT, Teed and Deng 2020, section 3.3)."""
    share = weights.float().unflatten(1, (NEIGHBORS, factor**2)).softmax(1)
    around = F.unfold(factor * flow, 3, padding=1).unflatten(-1, flow.shape[-2:])  # [B, 9, h, w]
    return F.pixel_shuffle((share * around[:, :, None]).sum(1), factor)


class Stereo(nn.Module):
    """Features [2B, C, h, w], lefts first -> flows [2B, 1, S, S] in pixels, one a refinement; in
    evaluation mode the last one alone."""

    def __init__(self, widths: Widths) -> None:
        super().__init__()
        width = widths.image[-1]
        self.factor = widths.factor
        self.compared = _head(width, widths.correlation)
        self.state = _head(width, width)
        self.context = _head(width, width)
        self.bias = nn.Conv2d(width, 3 * width, 3, 1, 1)
        self.motion = MotionEncoder(widths.motion)
        self.gru = ConvGRU(width, 2 * widths.motion)
        # of the second channel, the flow across the rows, nothing is used (release)
        self.change = _reading(width, widths.hidden, nn.Conv2d(widths.hidden, 2, 3, 1, 1))
        shares = NEIGHBORS * self.factor**2
        self.shares = _reading(width, widths.hidden, Pointwise(widths.hidden, shares))

    def forward(self, features: Tensor, iterations: int) -> list[Tensor]:
        correlation = RowCorrelation(self.compared(features))
        state = torch.tanh(self.state(features))
        bias = self.bias(F.relu(self.context(features)))
        height, width = features.shape[-2:]
        columns = torch.arange(width, dtype=torch.float32, device=features.device)
        flow = columns.new_zeros(len(features), 1, height, width)
        flows = []
        for i in range(iterations):
            flow = flow.detach()
            both = torch.cat([flow, torch.zeros_like(flow)], 1)
            state = self.gru(state, self.motion(correlation(columns + flow), both), bias)
            flow = flow + self.change(state)[:, :1].float()
            if self.training or i == iterations - 1:
                flows.append(upsampled(flow, DAMPING * self.shares(state), self.factor))
        return flows


def _head(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(Residual(inputs, inputs), nn.Conv2d(inputs, outputs, 3, 1, 1))


def _reading(inputs: int, hidden: int, last: nn.Conv2d) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(inputs, hidden, 3, 1, 1), nn.ReLU(), last)
