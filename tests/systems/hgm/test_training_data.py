"""Samples, the turn of the rig and the augmentations."""

import numpy as np
import pytest
import torch

from hgm.cameras import orbit
from hgm.errors import InputError
from hgm.gaussians import activate
from hgm.images.views import load_views, resize, save_cameras, save_view
from hgm.splat import render
from hgm.systems.hgm.augmentation import camera_jitter, grid_distortion, moved_body
from hgm.systems.hgm.data import batch_of, draw, scan_order, turn_about_y
from hgm.systems.hgm.sections.training import Coarse
from hgm.train.scan_store import ScanStore


def cloud(seed: int):
    raw = torch.randn(300, 14, generator=torch.Generator().manual_seed(seed))
    raw[:, :3] *= 0.25
    raw[:, 3] = 3
    raw[:, 4:7] = -1
    return activate(raw)


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Two scans that are colored clouds, their "body" the centers of the Gaussians."""
    found = []
    for seed in range(2):
        folder = tmp_path_factory.mktemp("views") / f"{seed:04d}"
        rig = orbit(size=32)
        out = render(cloud(seed), rig)
        save_cameras(folder, rig)
        for i in range(12):
            rgb = out.rgb[i].detach().clamp(0, 1)
            alpha = out.alpha[i, 0].detach()
            save_view(
                folder,
                i,
                rgb=(rgb.movedim(0, -1) * 255).round().byte().numpy(),
                mask=(alpha * 255).round().byte().numpy(),
                depth=out.depth[i, 0].detach().numpy(),
                normal=np.zeros((32, 32, 3)),
            )
        np.savez(folder / "smplx.npz", vertices=cloud(seed).means.numpy())
        found.append(folder)
    return found


def test_view_folders_round_trip(folders):
    views = load_views(folders[0], geometry=True)
    out = render(cloud(0), orbit(size=32))
    assert (views.rgb - out.rgb.clamp(0, 1)).abs().max() <= 0.5 / 255 + 1e-6
    assert (views.depth - out.depth).abs().max() <= 4 / 65536
    assert torch.allclose(views.cameras.world_to_camera, orbit(size=32).world_to_camera)


def test_every_scan_is_seen_once_an_epoch():
    assert sorted(scan_order(7, seed=1, epoch=0)) == list(range(7))
    assert scan_order(7, 1, 0) == scan_order(7, 1, 0) != scan_order(7, 1, 1)


def test_a_step_depends_on_its_number_and_seed_only(folders):
    store = ScanStore(folders)
    section = Coarse(batch=2, supervised=3)
    given = {"inputs": ("front",), "size": 16}
    a, scans = draw(store, section, 5, 9, torch.Generator().manual_seed(4), **given)
    b, again = draw(ScanStore(folders), section, 5, 9, torch.Generator().manual_seed(4), **given)
    assert (
        scans == again
        and torch.equal(a.images, b.images)
        and torch.equal(a.target_rgb, b.target_rgb)
    )
    assert a.images.shape == (2, 1, 3, 16, 16) and a.target_rgb.shape == (2, 3, 3, 16, 16)


def test_a_turned_sample_is_the_same_person_from_another_side(folders):
    """Whatever azimuth is drawn as front, the turned cloud renders to the targets that come with
    it."""
    store = ScanStore(folders)
    section = Coarse(supervised=4, turn=True)
    shifts = set()
    for seed in range(6):
        generator = torch.Generator().manual_seed(seed)
        batch, scans = draw(store, section, 0, 0, generator, inputs=("front",), size=32)
        g = cloud(scans[0])
        round_scales = g.scales.mean(-1, keepdim=True).expand(-1, 3).contiguous()
        moved = type(g)(batch.vertices[0], g.opacities, round_scales, g.quats, g.colors)
        # round splats do not show their own turn
        plain = type(g)(g.means, g.opacities, moved.scales, g.quats, g.colors)
        shift = (
            round(
                float(
                    torch.rad2deg(
                        torch.atan2(moved.means[0, 0], moved.means[0, 2])
                        - torch.atan2(g.means[0, 0], g.means[0, 2])
                    )
                )
            )
            % 360
        )
        shifts.add(shift)
        front = render(moved, orbit(size=32)[[0]]).alpha
        there = render(plain, orbit(size=32)[[(-shift // 30) % 12]]).alpha
        assert (front - there).abs().max() < 1e-3
        assert (
            batch.images[0, 0] - store.view(scans[0], (-shift // 30) % 12)[0].float() / 255
        ).abs().max() < 1e-6
    assert len(shifts) > 1


def test_turning_goes_from_z_to_x():
    assert torch.allclose(
        turn_about_y(torch.tensor([0.0, 0, 1]), 90), torch.tensor([1.0, 0, 0]), atol=1e-6
    )


def test_no_scan_is_a_clear_error():
    with pytest.raises(InputError, match=r"rejected\.tsv"):
        ScanStore([])


def test_without_generator_the_views_are_spread_evenly(folders):
    batch = batch_of(ScanStore(folders), [1], inputs=("front",), supervised=4, size=32)
    assert torch.allclose(batch.target_cameras.centers[0], orbit(4, size=32).centers, atol=1e-5)


def test_area_resizing_keeps_the_mean():
    image = torch.rand(3, 32, 32, generator=torch.Generator().manual_seed(0))
    assert torch.allclose(resize(image, 8).mean(), image.mean(), atol=1e-6)


def test_grid_distortion_moves_pixels_a_little_and_keeps_the_border():
    x = torch.linspace(0, 1, 64).expand(1, 64, 64)
    warped = grid_distortion(x, torch.Generator().manual_seed(3))
    assert (warped - x).abs().max() > 0.005
    assert (warped.diff(dim=-1) >= -1e-6).all()  # the order of pixels is kept
    assert (warped - x).abs().max() < 0.5 / 8
    flat = torch.full((3, 64, 64), 0.3)
    assert torch.allclose(grid_distortion(flat, torch.Generator().manual_seed(1)), flat)


def test_camera_jitter_goes_around_the_pelvis_within_its_bounds():
    camera = orbit(size=512)[6]
    angles = []
    for seed in range(50):
        moved = camera_jitter(camera, torch.Generator().manual_seed(seed))
        pixel, depth = moved.project(torch.zeros(1, 3))
        # of 512 pixels
        assert (pixel - 256).abs().max() < 1 and depth.item() == pytest.approx(1.5, abs=1e-5)
        ways = [torch.nn.functional.normalize(c.centers, dim=0) for c in (moved, camera)]
        R = moved.world_to_camera[:3, :3] @ camera.world_to_camera[:3, :3].T
        angles.append(float(torch.rad2deg(torch.acos(((R.trace() - 1) / 2).clamp(-1, 1)))))
        apart = float(torch.rad2deg(torch.acos((ways[0] @ ways[1]).clamp(-1, 1))))
        assert apart == pytest.approx(angles[-1], abs=0.1)  # the eye goes as far as the axes turn
    assert max(angles) < (18**2 + 9**2) ** 0.5 + 0.1 and max(angles) > 9


def test_a_moved_body_is_off_smoothly_and_on_average_by_what_was_asked_for():
    points = torch.randn(400, 3, generator=torch.Generator().manual_seed(0)) * 0.3
    close = points + torch.tensor([0.001, 0.0, 0.0])
    sizes = []
    for seed in range(200):
        both = moved_body(
            torch.cat([points, close]), torch.Generator().manual_seed(seed), error=0.03
        )
        field = both - torch.cat([points, close])
        sizes.append(field.square().sum(-1).mean().sqrt().item())
        # neighbors a millimeter apart stay so
        assert (field[:400] - field[400:]).norm(dim=-1).max() < 0.0015
    assert max(sizes) < 0.0601 and np.mean(sizes) == pytest.approx(0.03, rel=0.1)


def test_bodies_of_a_training_are_off_where_the_settings_say_so(folders):
    def bodies(error: float) -> torch.Tensor:
        section = Coarse(batch=2, supervised=2, body_error=error)
        generator = torch.Generator().manual_seed(5)
        store = ScanStore(folders)
        batch, _ = draw(store, section, 0, 1, generator, inputs=("front",), size=32)
        return batch.vertices

    true = bodies(0.0)
    assert torch.equal(bodies(40.0), bodies(40.0))
    off = (bodies(40.0) - true).square().sum(-1).mean(1).sqrt()
    assert off.min() > 0 and off.max() <= 2 * 0.04 * 0.75 + 1e-5  # NU
