"""The training of an avatar: it begins as the maps say, learns its pictures and no others, and
survives a kill."""

from pathlib import Path

import pytest
import torch
from small_avatar import design, egg, footage, pretraining, read, training

from hgm.core.processes import Deadline
from hgm.errors import InputError, SliceEnded
from hgm.nets.weights import read_tensors
from hgm.systems.animatable.avatar import Avatar
from hgm.systems.animatable.pose_map import position_map
from hgm.systems.animatable.pose_space import PoseSpace
from hgm.systems.animatable.samples import TrainingSet
from hgm.systems.animatable.training import Learning, first_avatar, pretrain, start_loss, train

FILES = ("weights.safetensors", "model.json", "canonical.npz", "history.tsv")


class Stop(Deadline):
    """Passed after so many steps."""

    def __init__(self, steps: int) -> None:
        super().__init__(None)
        self.left = steps

    def passed(self, reserve: float = 0.0) -> bool:
        self.left -= 1
        return self.left <= 0


@pytest.fixture(scope="module")
def film() -> TrainingSet:
    return footage()


def begin(film: TrainingSet, out: Path, variant: str = "full", settings=None, **more) -> Avatar:
    avatar = first_avatar(design(variant), egg(), 0)
    pretrain(avatar, film.frames, settings or pretraining(), out, out / "state", **more)
    return avatar


def learn(film: TrainingSet, start: Path, out: Path, settings=None, **more) -> None:
    avatar = Avatar.load(start).requires_grad_(True)
    train(avatar, film, settings or training(), out, out / "state", backend="torch", **more)


@pytest.fixture(scope="module")
def begun(film: TrainingSet, tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("pretrain")
    begin(film, out, settings=pretraining(steps=170))
    return out


@pytest.fixture(scope="module")
def trained(film: TrainingSet, begun: Path, tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("avatar")
    learn(film, begun, out)
    return out


def test_pretraining_gives_the_gaussians_of_the_start(film, begun):
    avatar = Avatar.load(begun)
    maps = position_map(avatar.canonical, film.frames.poses)
    with torch.no_grad():
        error, parts = start_loss(avatar, maps)
        found = avatar.shapes(maps)
    assert float(error) < 1e-3 < 0.04 < read(begun, "loss")[0]
    expected = {
        "offsets": found.offsets.abs().mean(),
        "opacities": (found.opacities - 0.1).abs().mean(),
        "scales": (found.scales - avatar.log_scales.exp()[:, None]).abs().mean(),
        "rotations": (found.rotations - torch.tensor([1.0, 0, 0, 0])).abs().mean(),
    }
    for name, value in expected.items():
        torch.testing.assert_close(parts[name], value)
    assert float(error) == pytest.approx(sum(map(float, expected.values())), rel=1e-4)
    # colors have nothing to begin with
    first = first_avatar(design(), egg(), 0).state_dict()
    moved = {name.split(".")[1] for name, x in avatar.state_dict().items()
             if not torch.equal(x, first[name])}  # fmt: skip
    assert moved == {"position", "other"}


def test_an_avatar_learns_its_pictures(film, trained, tmp_path, begun):
    learn(film, begun, tmp_path, training(steps=60, validate_every=30))
    l1 = read(tmp_path, "l1")
    assert sum(l1[-8:]) < 0.6 * sum(l1[:8])
    shown = read(tmp_path, "shown_psnr")
    assert len(shown) == 2 and shown[1] > shown[0]
    names = {path.relative_to(trained).as_posix() for path in trained.rglob("*.*")}
    assert names == {
        *FILES, "training.json", "pose_space.npz", "state/state.pt", "state/progress.json",
        *(f"{place}validation/step_00000{i}.png" for place in ("", "state/") for i in (3, 6)),
    }  # fmt: skip
    space = PoseSpace.load(trained / "pose_space.npz")
    canonical = Avatar.load(trained).canonical
    expected = PoseSpace.fit(canonical, film.frames.poses)
    torch.testing.assert_close(space.deviations, expected.deviations)


@pytest.mark.parametrize("stop", [1, 3, 5])
def test_stopped_at_any_step_it_ends_with_the_same_bytes(film, trained, begun, tmp_path, stop):
    with pytest.raises(SliceEnded):
        learn(film, begun, tmp_path, deadline=Stop(stop))
    learn(film, begun, tmp_path)
    pictures = [f"validation/step_00000{i}.png" for i in (3, 6)]
    for name in (*FILES, "pose_space.npz", *pictures):
        assert (tmp_path / name).read_bytes() == (trained / name).read_bytes(), name


def test_a_stopped_pretraining_ends_with_the_same_bytes(film, tmp_path):
    begin(film, tmp_path / "whole")
    with pytest.raises(SliceEnded):
        begin(film, tmp_path / "stopped", deadline=Stop(2))
    begin(film, tmp_path / "stopped")
    for name in FILES:
        assert (tmp_path / "stopped" / name).read_bytes() == (
            tmp_path / "whole" / name
        ).read_bytes(), name


def test_training_begins_with_a_new_optimizer_and_its_rate_falls(film, begun, trained, tmp_path):
    rates = read(trained, "lr")
    assert rates[0] == pytest.approx(2e-3) and rates == sorted(rates, reverse=True)
    assert rates[-1] == pytest.approx(2e-3 * (0.05 + 0.95 * 0.0669873), rel=1e-4)
    learn(film, begun, tmp_path, training(steps=1, lr=1e-12))
    before, after = (read_tensors(folder / FILES[0]) for folder in (begun, tmp_path))
    assert all(torch.allclose(before[name], x, atol=1e-10) for name, x in after.items())
    state = torch.load(tmp_path / "state/state.pt", weights_only=True)["optimizer"]["state"]
    assert {float(moments["step"]) for moments in state.values()} == {1.0}


def test_other_variants_train(film, tmp_path):
    for variant in ("static", "skinned"):
        begin(film, tmp_path / "start", variant)
        learn(film, tmp_path / "start", tmp_path / variant, training(steps=2))
        avatar = Avatar.load(tmp_path / variant)
        assert avatar.design.variant == variant
        assert (tmp_path / variant / "pose_space.npz").stat().st_size > 0
        first = Avatar.load(tmp_path / "start").state_dict()
        changed = [n for n, x in avatar.state_dict().items() if not torch.equal(x, first[n])]
        assert "colors" in changed if variant == "skinned" else len(changed) > 50
    # nothing of it could be trained before its pictures
    assert read(tmp_path / "start", "step") == [0.0]


def test_only_pictures_to_train_on_are_looked_at(begun, tmp_path):
    film = footage()
    film.capture.lacking.add(("cam1", 2))
    some = TrainingSet.of(film.capture, [s for s in film.shots if s[1] < 3], film.frames)
    film.capture.asked.clear()
    learn(some, begun, tmp_path, training(steps=8))
    asked = set(film.capture.asked)
    wanted = {(camera, frame) for camera in ("cam0", "cam1") for frame in range(3)}
    assert asked == wanted - {("cam1", 2)}
    with pytest.raises(InputError, match=r"capture\.train: none of these"):
        TrainingSet.of(film.capture, [("cam1", 2)], film.frames)


def test_the_crop_is_the_whole_person_at_first(film, begun):
    settings = training(steps=8, whole=0.5, patch=16)
    learning = Learning(Avatar.load(begun), settings, "torch", None)
    sample = film.sample(0)

    def ssim(step: int, seed: int) -> float:
        """Under a background that is the same for every crop."""
        torch.manual_seed(0)
        generator = torch.Generator().manual_seed(seed)
        with torch.no_grad():
            _, parts = learning.loss(step, generator, sample)
        return float(parts["ssim"])

    # the background decides it as long as the crop does not
    assert learning.whole == 4
    assert ssim(0, 5) == ssim(3, 5) != ssim(4, 5) == ssim(7, 5)


def test_the_view_is_noisy_in_training_alone(film, begun):
    learning = Learning(Avatar.load(begun), training(), "torch", None)
    sample = film.sample(0)
    with torch.no_grad():
        noisy = [learning.output(sample, noisy=True).gaussians for _ in range(2)]
        plain = [learning.output(sample, noisy=False).gaussians for _ in range(2)]
    assert not torch.equal(noisy[0].colors, noisy[1].colors)
    assert torch.equal(noisy[0].means, noisy[1].means)
    assert torch.equal(plain[0].colors, plain[1].colors)
