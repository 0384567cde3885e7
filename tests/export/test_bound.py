"""Gaussians that move with a body: what is on the surface follows it exactly, what hangs between
two limbs does not tear."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
import torch

from hgm.body.canonical import canonical
from hgm.body.files import PlacedBody
from hgm.body.kinematics import unskin
from hgm.body.model import BodyModel
from hgm.body.motion import CYCLES, cycle, write_motion
from hgm.cli import main
from hgm.core.manifests import write_json
from hgm.errors import InputError
from hgm.export.animation import GROUNDED, Stage
from hgm.export.bound import BoundGaussians, nearest_rotations
from hgm.gaussians import Gaussians, quaternions, rotation_matrices
from hgm.images.video import read_video
from hgm.standin.body.core import write_models

HEAD = 15  # joint


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Path:
    """A run's folder with a body model, in it a person of Gaussians on some of the vertices."""
    folder = tmp_path_factory.mktemp("bound") / "results/mine"
    write_models(folder / "standin/models")
    write_json(folder / "run.json", {"config": {"scans": {"models": None, "gender": "male"}}})
    model = BodyModel.load(folder / "standin/models", "male")
    pose = 0.15 * torch.randn(63, generator=torch.Generator().manual_seed(3))
    params = model.zeros().replace(body_pose=pose, betas=torch.linspace(-1, 1, 10))
    placed = PlacedBody(params, canonical(model, params))
    subject = folder / "subjects/full/0505"
    subject.mkdir(parents=True)
    placed.save(subject / "smplx.npz")
    on(placed.body.vertices[::4]).save_ply(subject / "gaussians.ply")
    return folder


@pytest.fixture(scope="module")
def model(run: Path) -> BodyModel:
    return BodyModel.load(run / "standin/models", "male")


@pytest.fixture(scope="module")
def placed(run: Path) -> PlacedBody:
    return PlacedBody.load(run / "subjects/full/0505/smplx.npz")


def on(points: torch.Tensor) -> Gaussians:
    """Gaussians at points [N, 3], each of another size, turn and color."""
    count = len(points)
    draw = torch.Generator().manual_seed(5)
    return Gaussians(
        points,
        torch.full((count,), 0.9),
        0.004 + 0.004 * torch.rand(count, 3, generator=draw),
        torch.nn.functional.normalize(torch.randn(count, 4, generator=draw), dim=-1),
        torch.rand(count, 3, generator=draw),
    )


def bound_to(model: BodyModel, placed: PlacedBody, points: torch.Tensor) -> BoundGaussians:
    return BoundGaussians.of(on(points), model, placed.params, placed.body.vertices)


def test_a_gaussian_on_a_vertex_follows_it_exactly(model, placed):
    bound = bound_to(model, placed, placed.body.vertices[::7])
    turns = torch.randn(66, generator=torch.Generator().manual_seed(1)) * 0.3
    posed = bound.posed(turns[:63], turns[63:])
    body = model(placed.params.replace(body_pose=turns[:63], global_orient=turns[63:]))
    assert (posed.means - body.vertices[::7]).norm(dim=-1).max() < 1e-4  # meters
    back = bound.posed(placed.params.body_pose, placed.params.global_orient)
    meter = placed.body.nu_per_metre
    assert (back.means - bound.gaussians.means).abs().max() < 1e-5
    same = (rotation_matrices(back.quats) - rotation_matrices(bound.gaussians.quats)).abs()
    assert same.max() < 1e-4
    assert torch.equal(posed.colors, bound.gaussians.colors)
    assert torch.allclose(posed.scales, on(placed.body.vertices[::7]).scales / meter)


def test_gaussians_of_one_bone_turn_as_it_does(model, placed):
    rigid = model.skinning_weights[:, HEAD] > 0.9999
    bound = bound_to(model, placed, placed.body.vertices[rigid])
    turns = torch.randn(66, generator=torch.Generator().manual_seed(2)) * 0.3
    posed = bound.posed(turns[:63], turns[63:])
    before, after = (
        model(p).transforms[HEAD, :3, :3]
        for p in (placed.params, bound.turned(turns[:63], turns[63:]))
    )
    wanted = after @ before.T @ rotation_matrices(bound.gaussians.quats)
    assert rigid.sum() > 50
    assert (rotation_matrices(posed.quats) - wanted).abs().max() < 2e-3


def test_what_hangs_between_the_legs_does_not_tear(model, placed):
    """A row of Gaussians across, like the hem of a coat, in front of both knees."""
    meter = float(placed.body.nu_per_metre)
    left, right = placed.body.joints[4], placed.body.joints[5]
    steps = torch.linspace(0, 1, 60)[:, None]
    hem = left + (right - left) * steps
    hem = torch.cat([hem + torch.tensor([0.0, y, 0.16 * meter]) for y in (0.0, 0.01)])
    stride = torch.zeros(63)
    stride[0], stride[3] = -0.6, 0.5  # the left hip forward, the right one backward
    bound = bound_to(model, placed, hem)

    def widest(weights: torch.Tensor) -> float:
        """The largest gap between neighbors, against the mean one."""
        body = model(placed.params)
        rest = unskin(bound.gaussians.means, weights, body.transforms)
        other = dataclasses.replace(bound, weights=weights, rest=rest)
        row = other.posed(stride, torch.zeros(3)).means[:60]
        gaps = (row[1:] - row[:-1]).norm(dim=-1)
        return float(gaps.max() / gaps.mean())

    nearest = (model.skinning_weights[bound.corners] * bound.shares[..., None]).sum(1)
    assert widest(nearest) > 8 and widest(bound.weights) < 4


def test_a_body_of_another_model_is_refused(run, placed):
    other = BodyModel.load(run / "standin/models", "female")
    with pytest.raises(InputError, match=r"the body's vertices are \d+\.\d cm from those"):
        BoundGaussians.of(on(placed.body.vertices[:9]), other, placed.params, placed.body.vertices)


def test_nearest_rotations_are_those_of_the_singular_values():
    draw = torch.Generator().manual_seed(0)
    matrices = torch.eye(3) + 0.2 * torch.randn(50, 3, 3, generator=draw)
    matrices = matrices[torch.linalg.det(matrices) > 0.2].double()
    u, _, v = torch.linalg.svd(matrices)
    assert (nearest_rotations(matrices) - u @ v).abs().max() < 1e-3


def test_the_feet_stay_on_the_ground_of_any_legs(model, placed):
    bound = bound_to(model, placed, placed.body.vertices[:9])
    assert set(GROUNDED) == set(CYCLES) - {"random"}
    motion = cycle("squat", 12, 6)
    stage = Stage.of(bound, motion, grounded=True)
    for i in range(len(motion)):
        turns = [torch.from_numpy(x[i]) for x in (motion.body_pose, motion.global_orient)]
        lowest = model(bound.turned(*turns)).vertices.numpy().min(0)[1] + stage.shifts[i, 1]
        assert abs(lowest - stage.ground) < 1e-4
    assert np.ptp(stage.course.places[:, 1]) > 0.15  # and the pelvis goes down


def test_a_person_is_filmed_by_name_and_by_file(run, tmp_path, capsys):
    subject = run / "subjects/full/0505"
    write_motion(tmp_path / "mine.npz", cycle("wave", 3, 10))
    for motion, view, frames in (("walk", "moving", 4), (str(tmp_path / "mine.npz"), "back", 3)):
        out = tmp_path / view
        words = ["animate", subject, "--motion", motion, "--out", out, "--view", view]
        words += ["--size", 64, "--frames", 4, "--device", "cpu"]
        assert main([*map(str, words)]) == 0
        assert "skinned, not a learned avatar" in capsys.readouterr().out
        pictures = list(read_video(out / "rgb.mp4"))
        assert len(pictures) == frames and pictures[0].shape == (64, 64, 3)
        covered = (pictures[0] < 200).any(-1)
        assert 0.05 < covered.mean() < 0.5 and not covered[0].any()
        said = json.loads((out / "film.json").read_text())
        assert said["frames"] == frames and said["how"].startswith("skinned")
        first = Gaussians.load_ply(out / "gaussians_0000.ply")
        assert len(first) > 2000  # upright, the pelvis at the origin, in normalized units
        low, high = first.means.aminmax(dim=0)
        assert low[1] < -0.6 and high[1] > 0.5 and (low[::2] > -0.6).all()


def test_what_cannot_be_filmed_is_one_line(run, tmp_path, capsys):
    subject = run / "subjects/full/0505"
    alone = tmp_path / "alone"
    alone.mkdir()
    for name in ("gaussians.ply", "smplx.npz"):
        (alone / name).write_bytes((subject / name).read_bytes())
    whole = ("--motion", "walk", "--out", tmp_path / "x")
    for words, told in (
        ((subject, "--motion", "jump", "--out", tmp_path / "x"), "jump is none of walk, wave"),
        ((subject, *whole, "--view", "above"), "--view: above is none of free, front"),
        ((subject, *whole, "--variant", "full"), "--variant: belongs to an avatar"),
        ((subject, *whole, "--frames", 0), "--frames: 0; expected 1 or more"),
        ((alone, *whole), "lies in no run"),
        ((alone, *whole, "--run", tmp_path), "is not the folder of a run"),
        (whole, "give a RESULT to move"),
        ((subject / "gaussians.ply", *whole), "has no smplx.npz"),
    ):
        assert main(["animate", *map(str, words)]) == 1
        said = capsys.readouterr().err
        assert told in said and said.count("\n") == 1, said
    assert main(["animate", *map(str, (alone, *whole, "--run", run, "--frames", 1))]) == 0
    assert (tmp_path / "x/rgb.mp4").is_file()


def test_quaternions_turn_back_into_their_matrices_at_every_angle():
    draw = torch.Generator().manual_seed(0)
    quats = torch.randn(200, 4, generator=draw, dtype=torch.float64)
    quats[:4] = torch.eye(4, dtype=torch.float64) + 1e-9  # half turns, and none
    quats = torch.nn.functional.normalize(quats, dim=-1)
    found = quaternions(rotation_matrices(quats))
    assert ((found * quats).sum(-1).abs() - 1).abs().max() < 1e-12
    vectors = torch.randn(6, 4, generator=draw, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda q: quaternions(rotation_matrices(q)), vectors)


def test_gaussians_are_turned_scaled_and_shifted_as_their_pictures_would_be():
    draw = torch.Generator().manual_seed(7)
    one = on(torch.randn(20, 3, generator=draw).double().float())
    turn = rotation_matrices(torch.randn(4, generator=draw))
    shift = torch.tensor([0.1, -0.2, 0.3])
    moved = one.transformed(turn, scale=2.0, shift=shift)

    def covariances(g: Gaussians) -> torch.Tensor:
        axes = rotation_matrices(g.quats) * g.scales[..., None, :]
        return axes @ axes.mT

    assert torch.allclose(moved.means, 2 * one.means @ turn.T + shift, atol=1e-5)
    assert torch.allclose(covariances(moved), 4 * turn @ covariances(one) @ turn.T, atol=1e-7)
