"""What an avatar is trained by: compared where a mask is sure, cropped as asked, and in numbers
that numpy gives too."""

import numpy as np
import pytest
import torch
from scipy.ndimage import grey_dilation, grey_erosion
from small_avatar import training

from hgm.metrics.images import ssim_map
from hgm.systems.animatable.losses import Crop, Target, offset_loss, picture_loss, psnr_in_box
from hgm.systems.animatable.samples import drawn

GRAY = torch.tensor([0.2, 0.5, 0.8])


def disc(height: int = 40, width: int = 30) -> tuple[torch.Tensor, torch.Tensor]:
    """A random picture and the soft mask of a disc at the left."""
    generator = torch.Generator().manual_seed(0)
    rgb = torch.randint(256, (3, height, width), generator=generator, dtype=torch.uint8)
    y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    away = ((y - 18.0) ** 2 + (x - 9.0) ** 2).sqrt()
    return rgb, (255 * (9.5 - away).clamp(0, 1)).round().to(torch.uint8)[None]


@pytest.mark.parametrize("ring", [1, 3, 5])
def test_pixels_are_compared_where_the_mask_is_sure(ring):
    rgb, alpha = disc()
    target = Target.of(rgb, alpha, GRAY, ring)
    mask = alpha[0].numpy()
    person = (mask > 127).astype(float)
    edge = grey_dilation(person, (ring, ring)) > grey_erosion(person, (ring, ring))
    unsure = edge | ((mask > 5) & (mask < 250))
    np.testing.assert_array_equal(target.unsure[0].numpy(), unsure)
    seen = np.where((person > 0) & ~unsure, rgb.numpy() / 255, GRAY.numpy()[:, None, None])
    np.testing.assert_allclose(target.picture.numpy(), seen, atol=1e-6)
    assert unsure.any() and (person.astype(bool) & ~unsure).any()
    # what is rendered there gets neither an error nor a gradient
    picture = torch.rand(3, 40, 30, requires_grad=True)
    shown = target.comparable(picture)
    assert torch.equal(shown[:, unsure], target.picture[:, unsure])
    (shown - target.picture).abs().sum().backward()
    assert torch.equal(picture.grad[0] != 0, ~target.unsure[0])


def test_the_whole_person_is_in_the_crop_until_it_is_drawn():
    _, alpha = disc()
    person = alpha > 127
    whole = Crop.of(person, 8, None)
    # the disc of radius 9 with a margin of a twentieth, to the left of the picture
    assert whole == Crop(8, -1, 21)
    generator = torch.Generator().manual_seed(0)
    drawn_ones = {Crop.of(person, 8, generator) for _ in range(400)}
    places = [(crop.top - 8, crop.left + 1) for crop in drawn_ones]
    assert {crop.side for crop in drawn_ones} == {8}
    assert np.min(places) == 0 and np.max(places) == 13 and len(places) > 100
    assert Crop.of(person, 21, generator) == whole == Crop.of(person, 500, generator)


def test_a_crop_is_cut_out_and_filled_up():
    picture = torch.rand(3, 40, 30)
    inside = Crop(5, 7, 11).cut(picture, GRAY, 11)
    torch.testing.assert_close(inside, picture[:, 5:16, 7:18])
    beyond = Crop(35, -2, 11).cut(picture, GRAY, 11)
    torch.testing.assert_close(beyond[:, :5, 2:], picture[:, 35:, :9])
    torch.testing.assert_close(beyond[:, 5:], GRAY[:, None, None].expand(3, 6, 11))
    torch.testing.assert_close(beyond[:, :, :2], GRAY[:, None, None].expand(3, 11, 2))
    # halved, a flat half stays flat
    picture[:, :, :15] = 0.25
    small = Crop(0, 0, 28).cut(picture, GRAY, 14)
    assert small.shape == (3, 14, 14)
    torch.testing.assert_close(small[:, :, :6], torch.full((3, 14, 6), 0.25))


def test_the_loss_is_its_sum():
    rgb, alpha = disc()
    target = Target.of(rgb, alpha, GRAY, 1)
    crop = Crop.of(target.person, 21, None)
    picture, coverage = torch.rand(3, 40, 30), torch.rand(1, 40, 30)
    shown = torch.where(target.unsure, GRAY[:, None, None], picture)
    l1 = float(np.abs(shown.numpy() - target.picture.numpy()).mean())
    parts = [x[:, 8:29, :20] for x in (shown, target.picture)]
    parts = [torch.cat([GRAY[:, None, None].expand(3, 21, 1), x], 2)[None] for x in parts]
    similarity = float(ssim_map(*parts).mean())
    sure = ~target.unsure.numpy()
    mask = (np.abs(coverage.numpy() - target.person.numpy()) * sure).mean()
    settings = training(l1=2.0, lpips=0.3, mask=0.7, patch=21)
    total, logged = picture_loss(picture, coverage, target, crop, settings, None)
    assert set(logged) == {"l1", "ssim", "mask"}
    assert float(logged["ssim"]) == pytest.approx(1 - similarity, abs=1e-5)
    expected = 2 * l1 + 0.3 * (1 - similarity) + 0.7 * mask
    assert float(total) == pytest.approx(expected, rel=1e-5)

    def distance(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        return (a - b).square().mean((1, 2, 3))

    settings = training(l1=0.0, lpips=0.3, patch=21)
    total, logged = picture_loss(picture, coverage, target, crop, settings, distance)
    squares = float((parts[0] - parts[1]).square().mean())
    assert set(logged) == {"l1", "lpips"} and float(total) == pytest.approx(0.3 * squares, rel=1e-5)
    # nothing else is looked at where only the absolute error counts
    total, logged = picture_loss(picture, coverage, target, crop, training(lpips=0.0), None)
    assert set(logged) == {"l1"} and float(total) == pytest.approx(l1, rel=1e-5)


def test_offsets_are_lengths_in_meters():
    assert float(offset_loss(torch.tensor([[[3.0, 0, 4.0], [0, 0, 0]]]))) == 2.5
    still = torch.zeros(1, 5, 3, requires_grad=True)
    offset_loss(still).backward()
    assert not still.grad.any()


def test_the_box_is_the_persons():
    rgb, alpha = disc()
    target = Target.of(rgb, alpha, GRAY, 1)
    picture = target.picture.clone()
    picture[:, :, 25:] += 0.5  # outside of the box
    assert psnr_in_box(picture, target) == 100
    picture = (target.picture + 0.1).clamp(0, 1)
    box = [x[:, 8:29, :20] for x in (target.comparable(picture), target.picture)]
    expected = -10 * np.log10(float((box[0] - box[1]).square().mean()))
    assert psnr_in_box(picture, target) == pytest.approx(expected, abs=1e-3)


def test_all_shots_take_their_turns():
    turns = [[drawn(5, "avatar", 7 * turn + i, 7) for i in range(7)] for turn in range(3)]
    assert all(sorted(turn) == list(range(7)) for turn in turns)
    assert turns[0] != turns[1]
    assert [drawn(5, "avatar", i, 7) for i in range(7)] == turns[0]
    assert [drawn(6, "avatar", i, 7) for i in range(7)] != turns[0]
