"""Bodies from landmarks: the chain beside the body model, derivatives beside differences, and known
bodies found again."""

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from hgm.body.estimates.landmarks import Landmarks, fit_landmarks, problem, seen
from hgm.body.estimates.landmarks.chain import Chain
from hgm.body.estimates.landmarks.problem import COUNT, Problem, State
from hgm.body.landmarks import PLACES, BodyLandmarks
from hgm.body.model import BodyModel

NAMES = (*PLACES, *(name.replace("left", "right") for name in PLACES if name != "nose"))
K = np.array([[400.0, 0, 256], [0, 400.0, 256], [0, 0, 1]])
WIDTH, DISTANCE = 512, 1.5


def body(model: BodyModel, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Rotation vectors [22, 3] within the limits, and betas."""
    rng = np.random.default_rng(seed)
    vectors = np.zeros((22, 3))
    vectors[0] = rng.normal(0, 0.15, 3)
    for i, (low, high) in enumerate(problem._limits(name) for name in problem.BODY_NAMES):
        vectors[i + 1] = low + (high - low) * rng.uniform(0.3, 0.7, 3)
    return vectors, rng.normal(0, 0.7, 10)


def view(model: BodyModel, vectors: np.ndarray, betas: np.ndarray) -> tuple[Landmarks, np.ndarray]:
    """What a perfect estimator, which leans as MediaPipe does, sees; and the joints [22, 3]."""
    zeros = model.zeros()
    params = zeros.replace(
        global_orient=torch.from_numpy(vectors[0]).float(),
        body_pose=torch.from_numpy(vectors[1:].reshape(-1)).float(),
        betas=torch.from_numpy(betas).float(),
    )
    with torch.no_grad():
        posed = model(params)
        rest = model.shaped(params.betas)[1]
        points = BodyLandmarks.of(model, NAMES).posed(rest, posed.transforms)
    pelvis = posed.joints[0].double().numpy()
    points = points.double().numpy() - pelvis
    height = float(np.ptp(model.shaped(params.betas)[0][:, 1].numpy()))
    depth = DISTANCE / 1.35 * height
    x, y, z = points.T
    pixels = np.stack([256 + 400 * x / (depth - z), 256 - 400 * y / (depth - z)], 1)
    hips = points[[NAMES.index("left_hip"), NAMES.index("right_hip")]].mean(0)
    meters = (points - hips) * [1, -1, -1] @ seen._upright()
    landmarks = Landmarks(NAMES, pixels, meters, np.ones(len(NAMES)))
    return landmarks, posed.joints[:22].double().numpy() - pelvis


def test_landmarks_of_a_chain_are_those_of_the_body_model(male):
    vectors, betas = body(male, 0)
    landmarks, _ = view(male, vectors, betas)
    placed = Chain(male, NAMES).place(Rotation.from_rotvec(vectors).as_matrix(), betas)
    hips = placed.points[[NAMES.index("left_hip"), NAMES.index("right_hip")]].mean(0)
    expected = landmarks.readings()[0].meters * [1, -1, -1]
    assert np.abs(placed.points - hips - expected).max() < 2e-4


def test_every_derivative_is_a_difference(male):
    vectors, betas = body(male, 1)
    vectors[5, 0] = 2.2  # a knee beyond its limit, and feet, whose limits allow no turn
    vectors[10:12] += 0.1
    landmarks, _ = view(male, *body(male, 2))
    made = Problem(landmarks.readings()[0], male, K, width=WIDTH, distance=DISTANCE)
    state = State(
        Rotation.from_rotvec(vectors).as_matrix(), betas, np.array([0.1, -0.05, -2.0]), 0.07
    )
    _, rows, placed = made.residuals(state)
    parents = made.chain.parents
    size = 1e-6
    for column in range(COUNT):
        step = np.zeros(COUNT)
        step[column] = size
        up, down = (
            made.residuals(state.moved(sign * step, placed.world, parents))[0] for sign in (1, -1)
        )
        difference = (up - down) / (2 * size)
        assert np.abs(rows[:, column] - difference).max() < 1e-4 * max(
            1, np.abs(difference).max()
        ), column


@pytest.mark.parametrize("seed", range(3))
def test_a_known_body_is_found(male, seed):
    """From perfect landmarks, up to what the priors keep and no landmark tells."""
    landmarks, joints = view(male, *body(male, seed))
    found = fit_landmarks(landmarks, male, K, width=WIDTH, distance=DISTANCE)
    assert len(found) == 4 and found[0].loss == min(fit.loss for fit in found)
    with torch.no_grad():
        posed = male(found[0].params).joints[:22].double().numpy()
    error = np.linalg.norm(posed - posed[0] - joints, axis=1)
    assert error.mean() < 0.02 and error.max() < 0.06
    # whether the size of the body or its distance is off, its picture is the same
    assert abs(found[0].place[2] / (-DISTANCE / 1.35 * 1.8) - 1) < 0.15


def test_exchanged_landmarks_are_read_right_by_another_reading(male):
    """Where the estimator takes the left for the right, the exchanged reading fits best."""
    landmarks, joints = view(male, *body(male, 4))
    order = [NAMES.index(seen.other_side(name)) for name in NAMES]
    wrong = Landmarks(
        NAMES, landmarks.pixels[order], landmarks.meters[order], landmarks.visibility[order]
    )
    found = fit_landmarks(wrong, male, K, width=WIDTH, distance=DISTANCE)
    best = min(found, key=lambda fit: fit.loss)
    assert best is found[3]
    with torch.no_grad():
        posed = male(best.params).joints[:22].double().numpy()
    assert np.linalg.norm(posed - posed[0] - joints, axis=1).mean() < 0.04


def test_what_is_out_of_sight_hardly_counts(male):
    vectors, betas = body(male, 5)
    landmarks, joints = view(male, vectors, betas)
    hidden = np.array(["ankle" in n or "heel" in n or "foot" in n for n in NAMES])
    pixels = landmarks.pixels + 100 * hidden[:, None]
    faint = Landmarks(NAMES, pixels, landmarks.meters, np.where(hidden, 0.0, 1.0))
    found = fit_landmarks(faint, male, K, width=WIDTH, distance=DISTANCE)[0]
    with torch.no_grad():
        posed = male(found.params).joints[:22].double().numpy()
    error = np.linalg.norm(posed - posed[0] - joints, axis=1)
    assert error[[i for i in range(22) if i not in (4, 5, 7, 8, 10, 11)]].mean() < 0.03
