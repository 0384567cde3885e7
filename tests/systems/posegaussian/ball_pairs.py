"""Stereo pairs of a ball with stripes of smooth color, of which every camera's picture, coverage
and depth are known by a formula."""

import dataclasses
from types import SimpleNamespace

import cv2
import numpy as np
import torch
from torch import Tensor, nn

from hgm.cameras import Cameras, look_at
from hgm.systems.posegaussian.batches import StereoBatch
from hgm.systems.posegaussian.pair import RectifiedPair
from hgm.systems.posegaussian.points import points_of

SIZE = 64
DEGREES = 22.5
RATIOS = {2: 0.2, 3: 0.5, 4: 0.9}  # of the views between the cameras

CENTER = np.array([0.25, 0.95, 0.35])  # meters; not where the cameras look, so it moves for them
RADIUS = 0.4
SAMPLES = 3  # rays on each side of a pixel, for its coverage


def rig(degrees: float = DEGREES, size: int = SIZE) -> Cameras:
    """The two cameras [2] of a pair, float64."""
    return standing([-degrees / 2, degrees / 2], size)


def standing(azimuths, size: int) -> Cameras:
    """Cameras [n] 2 m from the point that they look at, 8 degrees above the horizon, at azimuths in
    degrees, float64."""
    a, e = np.radians(azimuths), np.radians(8)
    target = torch.tensor([0, 0.85, 0], dtype=torch.float64)
    ways = np.stack([np.sin(a) * np.cos(e), np.full_like(a, np.sin(e)), np.cos(a) * np.cos(e)], -1)
    f, c = 0.8 * size, size / 2
    K = torch.tensor([[f, 0, c], [0, f, c + 25 / 1024 * size], [0, 0, 1]], dtype=torch.float64)
    eyes = target + 2 * torch.from_numpy(ways)
    return Cameras(K.expand(len(a), 3, 3).clone(), look_at(eyes, target), size, size)


def seen(K: np.ndarray, w2c: np.ndarray, size: int):
    """Color [S, S, 3] over black and coverage [S, S], both 0-1, and planar depth [S, S] at the
    pixel's center, 0 beside the ball."""
    sub = (np.arange(SAMPLES * size) + 0.5) / SAMPLES
    color, hit, _ = _traced(K, w2c, *np.meshgrid(sub, sub))

    def mean(values):
        return values.reshape(size, SAMPLES, size, SAMPLES, -1).mean((1, 3))

    center = np.arange(size) + 0.5
    _, _, z = _traced(K, w2c, *np.meshgrid(center, center))
    return mean(color), mean(hit)[..., 0], z


def _traced(K, w2c, x, y):
    rays = np.stack([(x - K[0, 2]) / K[0, 0], (y - K[1, 2]) / K[1, 1], np.ones_like(x)], -1)
    c = w2c[:3, :3] @ CENTER + w2c[:3, 3]
    a, b, d = (rays * rays).sum(-1), rays @ c, c @ c - RADIUS**2
    root = b * b - a * d
    z = np.where(root > 0, (b - np.sqrt(np.maximum(root, 0))) / a, 0)
    points = (rays * z[..., None] - w2c[:3, 3]) @ w2c[:3, :3]
    color = 0.5 + 0.4 * np.sin(12 * points + [0, 1, 2])
    return color * (z > 0)[..., None], (z > 0).astype(float), z


def ball_pair(degrees: float = DEGREES, size: int = SIZE) -> RectifiedPair:
    """The pair, as the rectified cameras would have photographed it."""
    cameras = rig(degrees, size)
    K, w2c = cameras.K.numpy(), cameras.world_to_camera.numpy()
    relative = w2c[1] @ np.linalg.inv(w2c[0])
    R0, R1, P0, P1, *_ = cv2.stereoRectify(
        K[0], None, K[1], None, (size, size), relative[:3, :3], relative[:3, 3], flags=0
    )
    turned = np.tile(np.eye(4), (2, 1, 1))
    turned[:, :3] = np.stack([R0 @ w2c[0, :3], R1 @ w2c[1, :3]])
    new_K = np.stack([P0[:, :3], P1[:, :3]])
    colors, masks, _ = zip(
        *(seen(k, e, size) for k, e in zip(new_K, turned, strict=True)), strict=True
    )
    pair = RectifiedPair(
        images=np.rint(255 * np.stack(colors)).astype(np.uint8),
        masks=np.rint(255 * np.stack(masks)).astype(np.uint8),
        K=new_K,
        world_to_camera=turned,
        source_K=K,
        source_world_to_camera=w2c,
        shift=float(P1[0, 3]),
    )
    return known_flow(pair)


def known_flow(pair: RectifiedPair) -> RectifiedPair:
    """A pair of the ball with its true flow."""
    z = np.stack(
        [seen(k, e, pair.size)[2] for k, e in zip(pair.K, pair.world_to_camera, strict=True)]
    )
    offset = pair.K[1, 0, 2] - pair.K[0, 0, 2]
    q = np.divide(1, z, out=np.zeros_like(z), where=z > 0)
    flow = np.stack([offset + pair.shift * q[0], -offset - pair.shift * q[1]]) * (z > 0)
    valid = (z > 0) & (pair.masks == 255)
    return dataclasses.replace(pair, flow=flow.astype(np.float16), valid=valid)


def view_between(ratio: float) -> tuple[Tensor, Tensor, Cameras]:
    """Picture [3, 2S, 2S] over black, coverage [1, 2S, 2S] and camera [1] of a view between."""
    camera = standing([DEGREES * (ratio - 0.5)], SIZE).resized(2 * SIZE)
    color, mask, _ = seen(camera.K[0].numpy(), camera.world_to_camera[0].numpy(), 2 * SIZE)
    picture = torch.from_numpy(color).movedim(-1, 0).float()
    return picture, torch.from_numpy(mask)[None].float(), camera.to(torch.float32)


class Knowing(nn.Module):
    """A network that finds the true flow, moved by some pixels; its Gaussians are round points."""

    def __init__(self, pair: RectifiedPair, off: float = 0.0) -> None:
        super().__init__()
        batch = StereoBatch.of([pair])
        nobody = batch.offsets[:, None, None, None]  # infinitely far
        self.flow = nn.Parameter(torch.where(batch.flow != 0, batch.flow + off, nobody))

    def forward(self, batch):
        return SimpleNamespace(flows=[self.flow])

    def maps(self, batch, matching):
        return SimpleNamespace(inverse_depth=batch.inverse_depth(matching.flows[-1]))

    def gaussians(self, batch, maps):
        return points_of(batch, maps.inverse_depth)
