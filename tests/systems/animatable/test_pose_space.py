"""The space of training poses: the principal components of their maps, and poses that are kept in
it."""

import dataclasses

import numpy as np
import pytest
import torch
from small_avatar import CHEST, bent, design, egg, pretraining

from hgm.errors import InputError
from hgm.systems.animatable.pose_map import position_map
from hgm.systems.animatable.pose_space import PoseSpace
from hgm.systems.animatable.training import first_avatar, pretrain


def poses(count: int = 9) -> torch.Tensor:
    """Of a chest that bends, rises and comes forward."""
    generator = torch.Generator().manual_seed(1)
    found = bent(torch.linspace(-0.4, 0.9, count)).poses
    found[:, CHEST, 1:3, 3] += 0.05 * torch.randn(count, 2, generator=generator)
    return found


@pytest.fixture(scope="module")
def space() -> PoseSpace:
    return PoseSpace.fit(egg(), poses())


def maps_of(transforms: torch.Tensor) -> torch.Tensor:
    return position_map(egg(), transforms)


def test_components_are_the_singular_vectors(space):
    rows = maps_of(poses()).flatten(1).double().numpy()
    centered = rows - rows.mean(0)
    _, values, vectors = np.linalg.svd(centered, full_matrices=False)
    assert 3 <= len(space) <= 8
    expected = values[: len(space)] / np.sqrt(8)
    np.testing.assert_allclose(space.deviations.numpy(), expected, rtol=1e-3, atol=1e-5)
    pixels = maps_of(poses())[0].ne(0).any(0).flatten()
    assert set(pixels.nonzero()[:, 0].tolist()) <= set(space.pixels.tolist())
    for i in range(3):
        picture = np.zeros((3, 256))
        picture[:, space.pixels.numpy()] = space.components[i].reshape(3, -1).numpy()
        assert abs(picture.ravel() @ vectors[i]) == pytest.approx(1, abs=1e-3)


def test_training_poses_stay_as_they_are(space):
    maps = maps_of(poses())
    torch.testing.assert_close(space.project(maps, 100.0), maps, atol=1e-4, rtol=0)


def test_no_pose_departs_by_more_than_two_deviations(space):
    wild = poses(2)
    wild[:, CHEST, :3, 3] += torch.tensor([[0, -5.0, 0], [0, 0, 8.0]])
    maps = maps_of(wild)
    before = (space.coefficients(maps) / space.deviations).abs()
    assert bool((before.amax(1) > 100).all())
    kept = space.project(maps, 2.0)
    after = (space.coefficients(kept) / space.deviations).abs()
    assert float(after.max()) < 2.001
    inside = before < 1.9
    torch.testing.assert_close(after[inside], before[inside], atol=2e-3, rtol=0)
    # what is inside is not moved again, and nobody appears where nobody was
    torch.testing.assert_close(space.project(kept, 2.0), kept, atol=1e-4, rtol=0)
    assert not kept.flatten(2)[:, :, ~torch.isin(torch.arange(256), space.pixels)].any()


def test_what_no_training_pose_does_is_taken_away(space):
    """A chest to the side, where it never was."""
    aside = poses()
    aside[:, CHEST, 0, 3] += 3.0
    kept = space.project(maps_of(aside), 100.0)
    torch.testing.assert_close(kept, maps_of(poses()), atol=0.02, rtol=0)


def test_fewer_components_give_a_coarser_pose(space):
    maps = maps_of(poses())
    errors = [float((space.project(maps, 100.0, k) - maps).square().mean()) for k in (1, 2, 3)]
    assert errors[0] > errors[1] > errors[2] > 0
    torch.testing.assert_close(
        space.project(maps[:1], 100.0, 0).flatten(2)[0, :, space.pixels],
        space.mean.reshape(3, -1),
    )
    assert len(PoseSpace.fit(egg(), poses(), components=2)) == 2
    # one pose alone spans nothing
    alone = PoseSpace.fit(egg(), poses()[:1])
    assert len(alone) == 0
    torch.testing.assert_close(alone.project(maps[3:4], 2.0), maps[:1], atol=1e-5, rtol=0)


def test_it_comes_back_from_its_file(space, tmp_path):
    for name in ("one", "two"):
        space.save(tmp_path / f"{name}.npz")
    assert (tmp_path / "one.npz").read_bytes() == (tmp_path / "two.npz").read_bytes()
    loaded = PoseSpace.load(tmp_path / "one.npz")
    for field in dataclasses.fields(space):
        a, b = getattr(space, field.name), getattr(loaded, field.name)
        assert a == b if isinstance(a, int) else torch.equal(a, b)
    with np.load(tmp_path / "one.npz") as data:
        arrays = dict(data)
    for name, value, words in (
        ("mean", None, "the key mean is missing"),
        ("mean", arrays["mean"][:-1], "mean is not"),
        ("pixels", arrays["pixels"] + 256, "pixels are not"),
        ("deviations", arrays["deviations"] * np.nan, "deviations is not"),
    ):
        changed = {key: array for key, array in arrays.items() if key != name}
        np.savez(tmp_path / "two.npz", **changed, **({} if value is None else {name: value}))
        with pytest.raises(InputError, match=rf"two\.npz: {words}.*train the avatar again"):
            PoseSpace.load(tmp_path / "two.npz")


def test_a_lost_pose_throws_gaussians_unless_it_is_kept_inside(tmp_path):
    """A chest ten meters away, as from a failed fit: the networks have never seen such a map."""
    frames = bent(torch.linspace(-0.4, 0.9, 9))
    frames = dataclasses.replace(frames, poses=poses())
    avatar = first_avatar(design(), egg(), 0)
    pretrain(avatar, frames, pretraining(steps=120), tmp_path, tmp_path / "state")
    space = PoseSpace.fit(avatar.canonical, frames.poses)
    lost = frames.poses[:1].clone()
    lost[:, CHEST, 0, 3] += 10.0
    maps = maps_of(lost)
    with torch.no_grad():
        away = [float(avatar.shapes(m).offsets.norm(dim=-1).max())
                for m in (maps, space.project(maps, 2.0))]  # fmt: skip
    assert away[0] > 0.05 and away[1] < 0.02
