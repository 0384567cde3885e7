"""The training of an avatar: it grows and survives a kill, its parts learn what they should, and
the faults of the release come back where they are asked for."""

from pathlib import Path

import numpy as np
import pytest
import torch
from small_head import SIZE, footage, subject, tiny

from hgm.core.processes import Deadline
from hgm.errors import InputError, SliceEnded
from hgm.systems.monogaussian.avatar import HeadAvatar
from hgm.systems.monogaussian.course import Course
from hgm.systems.monogaussian.deformer import Deformer
from hgm.systems.monogaussian.footage import rendered
from hgm.systems.monogaussian.points import refilled, sphere, survivors
from hgm.systems.monogaussian.settings import Avatar
from hgm.systems.monogaussian.tracking import world_shift
from hgm.systems.monogaussian.training import frame_order, train_avatar
from hgm.systems.monogaussian.variants import RELEASED, VARIANTS, variant_of
from hgm.systems.monogaussian.warm_start import warm_start
from hgm.train.growth import NEW


@pytest.fixture(scope="module")
def film():
    return footage()


def train(film, out: Path, variant: str = "full", settings: Avatar | None = None, **more):
    head = subject(film.expression)
    settings = settings or tiny()
    return train_avatar(film, head, settings, VARIANTS[variant], out, out / "state", **more)


def saved(out: Path) -> dict:
    return torch.load(out / "state/state.pt", weights_only=True)


class Stop(Deadline):
    """Passed after so many steps."""

    def __init__(self, steps: int) -> None:
        super().__init__(None)
        self.left = steps

    def passed(self, reserve: float = 0.0) -> bool:
        self.left -= 1
        return self.left <= 0


@pytest.fixture(scope="module")
def trained(film, tmp_path_factory):
    out = tmp_path_factory.mktemp("avatar")
    train(film, out)
    return out


def test_an_avatar_learns_its_pictures_and_grows(film, trained):
    history = (trained / "history.tsv").read_text().splitlines()
    columns = history[0].split("\t")
    rows = [dict(zip(columns, map(float, row.split("\t")), strict=True)) for row in history[1:]]
    assert [row["points"] for row in rows] == [60.0] * 6 + [90.0] * 6
    assert rows[-1]["loss"] < 0.8 * rows[0]["loss"]
    avatar = HeadAvatar.load(trained)
    assert len(avatar.points) == 90 and float(avatar.radius) == pytest.approx(0.06)
    assert {p.name for p in trained.iterdir()} == {
        "history.tsv", "model.json", "points.npz", "state", "tracking.npz", "training.json",
        "weights.safetensors",
    }  # fmt: skip


@pytest.mark.parametrize("stop", [1, 5, 6, 7, 11])
def test_stopped_at_any_step_it_ends_with_the_same_bytes(film, trained, tmp_path, stop):
    with pytest.raises(SliceEnded):
        train(film, tmp_path, deadline=Stop(stop))
    train(film, tmp_path)
    for name in ("weights.safetensors", "points.npz", "tracking.npz", "history.tsv"):
        assert (tmp_path / name).read_bytes() == (trained / name).read_bytes(), name


def test_every_variant_trains(film, tmp_path):
    for name in VARIANTS:
        avatar = train(film, tmp_path / name, name, tiny(epochs=2, warm_steps=2))
        with torch.no_grad():
            assert bool(avatar(film.expression, film.pose).packed().isfinite().all())


def test_under_compat_all_variants_have_the_releases_faults():
    assert all(variant_of(name, "released").released == RELEASED for name in VARIANTS)
    assert variant_of("bound", "released").bound
    assert all(variant_of(name, "repaired") is VARIANTS[name] for name in VARIANTS)


def test_a_warm_deformer_moves_as_the_nearest_vertices_do(film, tmp_path):
    head = subject(film.expression)
    places = head.vertices[::50]
    wanted = head.directions.at(head.nearest(places))
    errors = []
    for steps in (1, 150):
        torch.manual_seed(0)
        deformer = Deformer(32)
        warm_start(deformer, head, tiny(warm_steps=steps), tmp_path / str(steps), seed=0)
        with torch.no_grad():
            _, learned = deformer(places)
        errors.append([
            float((getattr(learned, name) - getattr(wanted, name)).abs().mean())
            for name in ("weights", "expressions")
        ])  # fmt: skip
    assert errors[1][0] < 0.5 * errors[0][0] and errors[1][1] < 0.9 * errors[0][1]


def test_an_epochs_order_has_all_frames_and_no_two_are_alike():
    epochs = Course(tiny(), 50).epochs
    orders = [frame_order(3, epoch, 50) for epoch in epochs]
    assert all(torch.equal(order.sort()[0], torch.arange(50)) for order in orders)
    assert not torch.equal(orders[0], orders[1])
    assert torch.equal(orders[1], frame_order(3, epochs[1], 50))
    assert not torch.equal(orders[1], frame_order(4, epochs[1], 50))


def moments(out: Path, shape: tuple[int, int]) -> dict[str, torch.Tensor]:
    [found] = [s for s in saved(out)["optimizer"]["state"].values() if s["exp_avg"].shape == shape]
    return found


def test_moments_of_points_are_carried_over_an_epochs_end(film, tmp_path):
    """The state after the last step of an epoch is saved when points have been pruned and
    refilled."""
    one = tiny(epochs=3, bands=[
        {"start": 0.0, "points": 60, "radius": 0.08}, {"start": 0.34, "points": 75, "radius": 0.08},
    ], lr=1e-9, least_opacity=0.0)  # fmt: skip
    for name, stop in (("before", 2), ("after", 3)):
        with pytest.raises(SliceEnded):
            train(film, tmp_path / name, settings=one, deadline=Stop(stop))
    before = moments(tmp_path / "before", (60, 3))
    after = moments(tmp_path / "after", (75, 3))
    # one step of Adam lies between; its decay bounds what is left of what was
    assert float(after["step"]) == 3 and float(before["step"]) == 2
    assert bool((after["exp_avg_sq"][:60] >= 0.99 * before["exp_avg_sq"]).all())
    assert after["exp_avg_sq"][:60].any() and not after["exp_avg_sq"][60:].any()


def test_released_begins_adam_anew_every_epoch(film, tmp_path):
    for name, counts in (("full", {7.0}), ("released", {1.0})):
        with pytest.raises(SliceEnded):
            train(film, tmp_path / name, name, deadline=Stop(7))
        state = saved(tmp_path / name)
        index = [
            i for i, key in enumerate(named(tmp_path / name, name)) if key.startswith("avatar.")
        ]
        found = {float(state["optimizer"]["state"][i]["step"]) for i in index
                 if i in state["optimizer"]["state"]}  # fmt: skip
        assert found == counts


def named(out: Path, variant: str) -> list[str]:
    """Names of parameters in the order of the optimizer: networks, then tracking."""
    keys = [k for k in saved(out)["module"] if k not in ("best", "avatar.nearest", "avatar.radius")]
    return sorted(keys, key=lambda k: k.startswith("tracking."))


def test_the_rate_falls_unless_released(film, tmp_path):
    settings = tiny(lr_milestones=[0.5, 0.75])
    for name, last in (("full", 0.25e-3), ("released", 1e-3)):
        train(film, tmp_path / name, name, settings)
        rows = (tmp_path / name / "history.tsv").read_text().splitlines()
        column = rows[0].split("\t").index("lr")
        rates = [float(row.split("\t")[column]) for row in rows[1:]]
        assert rates[0] == 1e-3 and rates[-1] == pytest.approx(last)


def test_cameras_learn_unless_released(film, tmp_path):
    for name, learned in (("full", True), ("released", False)):
        train(film, tmp_path / name, name)
        with np.load(tmp_path / name / "tracking.npz") as tracking:
            assert tracking["shift"].any() == learned
            assert (tracking["expression"] != film.expression.numpy()).any()
            assert (tracking["pose"] != film.pose.numpy()).any()


def test_only_frames_that_were_seen_change(film, tmp_path):
    """Tracking begins with the third epoch, which is stopped after its first step."""
    course = Course(tiny(), len(film))
    with pytest.raises(SliceEnded):
        train(film, tmp_path, deadline=Stop(7))
    seen = frame_order(0, course.epochs[2], len(film))[:2]
    unseen = [i for i in range(len(film)) if i not in seen.tolist()]
    module = saved(tmp_path)["module"]
    for name, start in (
        ("expression", film.expression),
        ("pose", film.pose),
        ("shift", torch.zeros(len(film), 3)),
    ):
        moved = (module[f"tracking.{name}"] != start).any(1)
        assert moved[seen].all() and not moved[unseen].any()


def test_frames_keep_their_numbers_where_nothing_learns_them(film, tmp_path):
    exact = {"tracking_lr": 0.0, "epochs": 2, "tracking_start": 0.0}
    for name, settings, variant in (
        ("still", tiny(**exact, shift_lr=0.0), "full"),
        ("shifted", tiny(**exact), "full"),
        ("given", tiny(**exact | {"tracking_lr": 5e-4}), "given_tracking"),
    ):
        train(film, tmp_path / name, variant, settings)
        with np.load(tmp_path / name / "tracking.npz") as tracking:
            assert (tracking["pose"] == film.pose.numpy()).all()
            assert (tracking["expression"] == film.expression.numpy()).all()
            assert tracking["shift"].any() == (name == "shifted")


def test_a_shift_of_the_camera_is_one_of_its_translation(film, trained):
    avatar = HeadAvatar.load(trained)
    gaussians = avatar(film.expression, film.pose)
    shift = 0.1 * torch.randn(len(film), 3, generator=torch.Generator().manual_seed(0))
    angle = torch.tensor(0.4)
    turn = torch.eye(4)
    turn[0, 0] = turn[2, 2] = angle.cos()
    turn[0, 2], turn[2, 0] = angle.sin(), -angle.sin()
    turned = film.cameras.world_to_camera @ turn
    moved = turned.clone()
    moved[:, :3, 3] += shift
    K = film.cameras.K
    cameras = [type(film.cameras)(K, w, SIZE, SIZE) for w in (turned, moved)]
    torch.testing.assert_close(
        rendered(gaussians, cameras[0], shift, "torch"),
        rendered(gaussians, cameras[1], None, "torch"),
        atol=1e-4,
        rtol=0,
    )
    assert world_shift(shift, turned).shape == (len(film), 1, 3)


def test_all_points_transparent_is_one_clear_error(film, tmp_path):
    with pytest.raises(InputError, match=r"after epoch 1 .*all 60 points.*avatar\.least_opacity"):
        train(film, tmp_path, settings=tiny(least_opacity=0.99))


def test_more_points_than_asked_for_stay(film, tmp_path):
    bands = [
        {"start": 0.0, "points": 60, "radius": 0.08},
        {"start": 0.5, "points": 30, "radius": 0.06},
    ]
    for name in ("full", "released"):
        assert len(train(film, tmp_path / name, name, tiny(bands=bands)).points) == 60


def test_points_go_on_or_are_copied():
    points = torch.arange(30.0).reshape(10, 3)
    best = torch.tensor([0.0, 0.2] * 5)
    kept = survivors(best, 0.1, 3)
    assert kept.tolist() == [1, 3, 5, 7, 9]
    grown, rows = refilled(points, kept, 25, 0.5, torch.Generator().manual_seed(0))
    assert rows[:5].equal(kept) and bool((rows[5:] == NEW).all()) and len(rows) == 25
    assert grown[:5].equal(points[kept])
    moves = grown[5:, None] - points[kept]
    distance = moves.abs().amax(-1).amin(1)
    assert bool((distance <= 0.25).all()) and float(distance.max()) > 0.125


def test_first_points_are_a_cube_brought_to_a_sphere():
    center = torch.tensor([0.1, -0.2, 0.3])
    points = sphere(4000, center, torch.Generator().manual_seed(0)) - center
    torch.testing.assert_close(points.norm(dim=1), torch.full((4000,), 0.5))
    along = points.abs() / 0.5
    corner = (along.mean(1) > 0.56).float().mean()  # within a cone around the eight corners
    side = (along.amax(1) > 0.955).float().mean()  # … around the six axes, of about its area
    assert corner > 1.1 * side
