"""The loss over several sets of Gaussians is the sum over each set alone."""

import torch

from hgm.cameras import orbit
from hgm.gaussians import Gaussians, activate
from hgm.systems.hgm.losses import hgm_loss, structural
from hgm.systems.hgm.sections.training import Loss


def random_set(count: int, seed: int) -> Gaussians:
    raw = torch.randn(1, count, 14, generator=torch.Generator().manual_seed(seed))
    raw[..., :3] *= 0.2
    return activate(raw)


def test_sets_of_any_length_are_rendered_together_as_if_alone():
    cameras = orbit(size=32)[[0, 3]][None]
    g = torch.Generator().manual_seed(1)
    target = torch.rand(1, 2, 3, 32, 32, generator=g)
    mask = torch.rand(1, 2, 1, 32, 32, generator=g)
    sets = {"merged": random_set(40, 1), "unet": random_set(40, 2), "body": random_set(7, 3)}
    for gaussians in sets.values():
        gaussians.means.requires_grad_()
    weights = Loss(rgb=2.0, mask=3.0, structure=0.5)
    total, numbers = hgm_loss(sets, target, mask, cameras, weights, perceptual=None)
    total.backward()
    together = {name: x.means.grad.clone() for name, x in sets.items()}
    parts = torch.zeros(())
    for name, gaussians in sets.items():
        gaussians.means.grad = None
        alone, own = hgm_loss({name: gaussians}, target, mask, cameras, weights, perceptual=None)
        alone.backward()
        assert torch.allclose(gaussians.means.grad, together[name], atol=1e-7)
        assert all(torch.allclose(own[key], numbers[key]) for key in own)
        expected = (
            2.0 * own[f"{name}_rgb"] + 3.0 * own[f"{name}_mask"] + 0.5 * own[f"{name}_perceptual"]
        )
        assert torch.allclose(alone, expected)
        parts = parts + alone.detach()
    assert torch.allclose(total.detach(), parts)


def test_structural_loss_vanishes_for_equal_images_only():
    image = torch.rand(2, 3, 24, 24, generator=torch.Generator().manual_seed(2))
    assert abs(structural(image, image).item()) < 1e-6
    assert structural(image, image.flip(-1)).item() > 0.5
