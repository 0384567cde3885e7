"""Soft silhouettes against ray casting, their gradients against finite differences."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from hgm.body.canonical import CanonicalBody, canonical
from hgm.body.model import BodyModel
from hgm.body.parameters import BodyParameters
from hgm.cameras import orbit
from hgm.splat.silhouettes import mask_box, resized_mask, silhouettes, soft_iou
from hgm.splat.surfels import Surfels

Cast = Callable[..., tuple[Tensor, Tensor]]


@pytest.mark.parametrize("size", [128, 256])
def test_silhouettes_are_those_of_the_mesh(
    body: CanonicalBody, surfels: Surfels, caster: Cast, size: int
) -> None:
    cameras = orbit(size=size)
    truth = caster(cameras)[0]
    ours = silhouettes(body.vertices, surfels, cameras)
    overlap = soft_iou((ours > 0.5).float(), truth)
    assert overlap.mean() > 0.98, overlap
    assert overlap.min() > 0.965, overlap
    assert (ours * truth).sum() > 0.9 * truth.sum()  # opaque inside
    assert ours.max() <= 1 and ours.min() >= 0


def test_no_outline_is_swollen_or_shrunk(
    body: CanonicalBody, surfels: Surfels, caster: Cast
) -> None:
    cameras = orbit(size=128)
    ratio = (silhouettes(body.vertices, surfels, cameras) > 0.5).sum((1, 2, 3)) / caster(cameras)[
        0
    ].sum((1, 2, 3))
    assert (ratio - 1).abs().max() < 0.03, ratio


def test_patches_cover_the_mesh(body: CanonicalBody, model: BodyModel, surfels: Surfels) -> None:
    assert len(surfels) < len(model.faces) / 2
    every = Surfels.of(canonical(model, model.zeros()).vertices, model.faces, cell=0)
    assert len(every) == len(model.faces)
    cameras = orbit(4, size=96)
    fine, coarse = (silhouettes(body.vertices, x, cameras) for x in (every, surfels))
    assert soft_iou((fine > 0.5).float(), (coarse > 0.5).float()).min() > 0.97


@pytest.mark.parametrize("backend", ["numba", "torch"])
def test_gradients_against_finite_differences(
    model: BodyModel,
    person: BodyParameters,
    caster: Cast,
    backend: str,
) -> None:
    # Discs of some pixels, so opaque that the renderer's cut at 1 / 255, which has no gradient,
    # does not matter.
    surfels = Surfels.of(canonical(model, model.zeros()).vertices, model.faces, cell=0.04)
    cameras = orbit(3, size=96, start=20)
    truth = caster(cameras)[0]
    generator = torch.Generator().manual_seed(3)
    turn = torch.nn.functional.normalize(torch.randn(63, generator=generator), dim=0)

    def loss(way: Tensor) -> Tensor:
        moved = canonical(
            model, person.replace(body_pose=person.body_pose + (0.15 + way[0]) * turn)
        ).vertices
        seen = silhouettes(
            moved + torch.stack([way[1] + 0.02, way[2], way[1]]), surfels, cameras, backend=backend
        )
        return 1 - soft_iou(seen, truth).mean()

    way = torch.zeros(3, requires_grad=True)
    loss(way).backward()
    step = 2e-3
    differences = torch.stack(
        [(loss(step * e) - loss(-step * e)).detach() / (2 * step) for e in torch.eye(3)]
    )
    assert way.grad is not None
    assert torch.allclose(
        way.grad, differences, rtol=0.05, atol=0.03 * float(differences.abs().max())
    ), (way.grad, differences)


def test_soft_iou_by_hand() -> None:
    a = torch.zeros(1, 4, 4)
    b = torch.zeros(1, 4, 4)
    a[0, :2] = 1
    b[0, 1:3] = 1  # 8 pixels each, 4 in both, 12 in either
    assert soft_iou(a, b).item() == pytest.approx(4 / 12)
    assert soft_iou(a, a).item() == 1
    assert soft_iou(0.5 * a, a).item() == pytest.approx(4 / 8)
    assert soft_iou(0 * a, 0 * a).item() == 0


def test_masks_keep_their_area_and_box() -> None:
    mask = torch.zeros(1, 64, 64)
    mask[:, 8:40, 20:36] = 1
    small = resized_mask(mask, 16, 16)
    assert small.sum() * 16 == pytest.approx(32 * 16)
    low, high = mask_box(mask)
    assert low.tolist() == [20, 8] and high.tolist() == [36, 40]
    assert resized_mask(mask, 128, 128).shape == (1, 128, 128)
