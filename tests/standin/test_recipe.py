"""The parts of the recipe that need no MakeHuman: packing, decimation, rigging, component spaces,
landmarks."""

import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from hgm.body.model import BodyModel
from hgm.errors import MissingDependency
from hgm.standin.body import core, hands, skeleton
from hgm.standin.body.packing import from_grid, pack, to_grid, unpack
from tools.standin_recipe import __main__ as command
from tools.standin_recipe import eyes, features, landmarks, rig, sample, spaces, topology
from tools.standin_recipe.compact import compact
from tools.standin_recipe.decimation import Decimator


@pytest.fixture(scope="module")
def mirror() -> np.ndarray:
    with np.load(core.RESOURCES / "core.npz") as data:
        return data["mirror"].astype(int)


@pytest.fixture(scope="module")
def neutral() -> dict[str, np.ndarray]:
    return core.model("neutral")


def test_packing_loses_nothing() -> None:
    rng = np.random.default_rng(0)
    for values in (
        rng.integers(-70000, 70000, (3, 50)),
        np.array([5]),
        np.zeros((2, 0), int),
        np.arange(1000) * 40,
    ):
        planes = pack(values)
        assert planes.dtype == np.uint8
        np.testing.assert_array_equal(unpack(planes), values)
    assert len(pack(np.arange(1000) * 40)) == 1  # smooth numbers need one byte
    meters = np.array([0.123456, -1.7, 2e-6], np.float32)
    np.testing.assert_array_equal(from_grid(to_grid(meters)), meters)


def test_shipped_core_is_what_compact_makes(mirror: np.ndarray) -> None:
    packed = compact({gender: core.model(gender) for gender in core.GENDERS}, mirror)
    with np.load(core.RESOURCES / "core.npz") as shipped:
        assert set(packed) == set(shipped.files)
        for key in shipped.files:
            assert packed[key].dtype == shipped[key].dtype
            assert np.array_equal(packed[key], shipped[key]), key
    expanded = core.expand(packed)
    for gender in core.GENDERS:
        for key, value in core.model(gender).items():
            assert np.array_equal(expanded[gender][key], value), key


def test_compact_refuses_what_it_would_lose(
    mirror: np.ndarray, neutral: dict[str, np.ndarray]
) -> None:
    models = {gender: core.model(gender) for gender in core.GENDERS}
    bent = neutral["v_template"].copy()
    bent[6, 1] += 0.001
    with pytest.raises(ValueError, match="not mirror-symmetric"):
        compact({**models, "neutral": {**neutral, "v_template": bent}}, mirror)
    fine = neutral["v_template"] + 3e-7
    with pytest.raises(ValueError, match="not rounded"):
        compact({**models, "neutral": {**neutral, "v_template": fine}}, mirror)


def half_ball(
    rows: int = 28, columns: int = 28
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """The half x >= 0 of a bumpy ball with a hole in it, as a grid: points, faces, UV corners, side
    (1 left, 0 middle)."""
    # the two poles lie on the midline too; a grid from one pole to the other, half way around
    t, p = np.meshgrid(
        np.linspace(0, np.pi, rows + 1)[1:-1], np.linspace(0, np.pi, columns + 1), indexing="ij"
    )
    points = np.stack([np.sin(t) * np.sin(p), np.cos(t), np.sin(t) * np.cos(p)], -1).reshape(-1, 3)
    points = np.concatenate([points, [[0, 1, 0], [0, -1, 0]]])
    at = np.arange((rows - 1) * (columns + 1)).reshape(rows - 1, columns + 1)
    north = len(points) - 2
    south = len(points) - 1
    quads = np.stack([at[:-1, :-1], at[1:, :-1], at[1:, 1:], at[:-1, 1:]], -1)
    keep = np.ones(quads.shape[:2], bool)
    keep[8:14, 10:16] = False  # the hole
    quads = quads[keep]
    caps = [[north, a, b] for a, b in zip(at[0, :-1], at[0, 1:], strict=True)]
    caps += [[south, b, a] for a, b in zip(at[-1, :-1], at[-1, 1:], strict=True)]
    faces = np.concatenate([quads[:, [0, 1, 2]], quads[:, [0, 2, 3]], caps])
    corners = faces.copy()
    seam = points[faces].mean(1)[:, 1] < -0.3  # below, every vertex has another UV
    corners[seam] += len(points)
    side = np.where(np.abs(points[:, 0]) < 1e-9, 0, 1)
    return points * [0.8, 1.0, 0.9], faces, corners, side


def test_decimation_reaches_the_counts_and_keeps_the_shape() -> None:
    points, faces, corners, side = half_ball()
    mesh = Decimator(points, faces, corners, np.ones(len(points)))
    before = {
        (v, t)
        for face, corner in zip(faces, corners, strict=True)
        for v, t in zip(face, corner, strict=True)
    }
    topology.decimate(mesh, side, total=701, hole=9)
    left = [v for v in mesh.alive if side[v] > 0]
    middle = [v for v in mesh.alive if side[v] == 0]
    assert 2 * len(left) + len(middle) == 701
    half = np.array(list(mesh.faces.values()))
    other = np.arange(len(points)) + len(points)
    other[side == 0] = np.flatnonzero(side == 0)
    whole = np.concatenate([half, other[half][:, ::-1]])
    directed = np.concatenate([whole[:, [0, 1]], whole[:, [1, 2]], whole[:, [2, 0]]])
    assert len(np.unique(directed, axis=0)) == len(directed)
    _, counts = np.unique(np.sort(directed, 1), axis=0, return_counts=True)
    assert (counts == 1).sum() == 2 * 9  # the mirrored halves close up but for the two holes
    assert len(np.unique(whole)) == 701
    assert len(whole) == 2 * 701 - 2 * 0 - 18  # a sphere with two holes: F = 2 V - 2 chi - B
    assert 701 - len(counts) + len(whole) == 0
    after = {
        (v, t) for i, face in mesh.faces.items() for v, t in zip(face, mesh.corners[i], strict=True)
    }
    assert after <= before  # vertices and UVs are old ones
    corner = points[half]
    normal = np.cross(corner[:, 1] - corner[:, 0], corner[:, 2] - corner[:, 0])
    assert ((normal * corner.mean(1)).sum(1) > 0).all()  # nothing turned over
    assert np.linalg.norm(corner.mean(1) / [0.8, 1.0, 0.9], axis=1).min() > 0.93


def test_decimation_spares_what_matters_and_says_when_it_cannot() -> None:
    points, faces, corners, side = half_ball(14, 14)
    importance = np.ones(len(points))
    spared = np.unique(faces)[::9]
    importance[spared] = 1e6
    mesh = Decimator(points, faces, corners, importance)
    mesh.collapse(60, lambda v: side[v] > 0)
    assert set(spared.tolist()) <= mesh.alive
    with pytest.raises(RuntimeError, match="cannot be removed"):
        mesh.collapse(len(mesh.alive), lambda v: side[v] > 0)


def test_a_rim_that_is_fixed_stays() -> None:
    points, faces, corners, side = half_ball()
    mesh = Decimator(points, faces, corners, np.ones(len(points)))
    rim = {v for v in mesh.boundary if side[v] > 0}
    topology.decimate(mesh, side, total=701, hole=0, midline_share=0.1, fixed=rim)
    assert rim <= mesh.alive
    middle = sum(side[v] == 0 for v in mesh.alive)
    assert 2 * len(mesh.alive) - middle == 701
    assert middle == pytest.approx(0.9 * (side == 0).sum(), abs=2)


def test_eyeball_is_a_closed_sphere_of_the_right_size() -> None:
    vertices, faces = eyes.eyeball()
    assert vertices.shape == (skeleton.EYE_VERTICES, 3) and faces.shape == (skeleton.EYE_FACES, 3)
    directed = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])
    assert len(np.unique(directed, axis=0)) == len(directed)
    assert {tuple(edge) for edge in directed} == {tuple(edge[::-1]) for edge in directed}
    np.testing.assert_allclose(np.linalg.norm(vertices, axis=1), 1)
    assert np.linalg.det(vertices[faces]).sum() / 6 == pytest.approx(4 / 3 * np.pi, rel=0.02)
    assert vertices[0].tolist() == [0, 0, 1]


def test_cavities_are_hidden() -> None:
    vertices, faces = eyes.eyeball()
    lifted = np.concatenate([0.1 * vertices, 0.05 * vertices]) + np.array([0, 1.5, 0])
    both = np.concatenate([faces, faces + len(vertices)])
    hidden = features.hidden_vertices(lifted, both, np.arange(len(lifted)))
    assert not hidden[: len(vertices)].any() and hidden[len(vertices) :].all()


def test_bones_become_joints() -> None:
    bones = [
        "root",
        "pelvis.L",
        "spine05",
        "spine01",
        "clavicle.L",
        "shoulder01.R",
        "upperarm02.R",
        "wrist.R",
        "metacarpal2.R",
        "finger5-3.R",
        "foot.L",
        "toe2-1.L",
        "lowerleg02.L",
        "neck02",
        "head",
        "jaw",
        "tongue00",
        "levator02.L",
        "eye.R",
        "orbicularis03.R",
        "breast.L",
    ]
    parents = np.array([-1, 0, 0, 2, 3, 3, 5, 6, 7, 8, 1, 10, 1, 3, 13, 14, 15, 16, 14, 14, 3])
    assert rig.joint_of_bones(bones, parents) == [
        "pelvis",
        "pelvis",
        "pelvis",
        "spine3",
        "left_collar",
        "right_collar",
        "right_shoulder",
        "right_wrist",
        "right_wrist",
        "right_pinky3",
        "left_ankle",
        "left_foot",
        "left_knee",
        "neck",
        "head",
        "jaw",
        "jaw",
        "jaw",
        "right_eye_smplhf",
        "head",
        "spine3",
    ]


def test_t_pose(neutral: dict[str, np.ndarray]) -> None:
    vertices = neutral["v_template"]
    weights = neutral["weights"]
    joints = neutral["J_regressor"] @ vertices
    world = np.tile(np.eye(3), (55, 1, 1))
    # lower and twist the arms, curl the fingers
    for side, sign in (("left", 1.0), ("right", -1.0)):
        arm = rig.axis_rotation(np.array([0.0, 0.0, 1.0]), -0.7 * sign) @ rig.axis_rotation(
            np.array([1.0, 0, 0]), -0.8
        )
        for joint in skeleton.descendants(skeleton.INDEX[f"{side}_shoulder"]):
            world[joint] = arm
        for finger in ("index", "middle", "ring", "pinky"):
            for k in (2, 3):
                world[skeleton.INDEX[f"{side}_{finger}{k}"]] = arm @ rig.axis_rotation(
                    np.array([0, 0, 1.0]), -0.5 * sign
                )
    relaxed = rig.skin(vertices, joints, weights, world)
    assert (
        relaxed[1][skeleton.INDEX["left_wrist"], 1] < joints[skeleton.INDEX["left_wrist"], 1] - 0.2
    )
    posed, straight = rig.t_pose(*relaxed, weights)
    for side, sign in (("left", 1.0), ("right", -1.0)):
        elbow, wrist, index, pinky = (
            straight[skeleton.INDEX[f"{side}_{name}"]]
            for name in ("elbow", "wrist", "index1", "pinky1")
        )
        forearm = (wrist - elbow) / np.linalg.norm(wrist - elbow)
        np.testing.assert_allclose(forearm, [sign, 0, 0], atol=1e-6)
        # palms down, thumbs in front
        assert abs((pinky - index)[1]) < 1e-3 and (pinky - index)[2] < -0.02
        for finger in ("index", "middle", "ring", "pinky"):
            tip = (
                straight[skeleton.INDEX[f"{side}_{finger}3"]]
                - straight[skeleton.INDEX[f"{side}_{finger}2"]]
            )
            assert abs(tip[1]) < 1e-6
    lengths = np.linalg.norm(np.diff(straight[[16, 18, 20]], axis=0), axis=1)
    np.testing.assert_allclose(
        lengths, np.linalg.norm(np.diff(joints[[16, 18, 20]], axis=0), axis=1)
    )
    assert np.ptp(posed[:, 0]) > 1.5


def test_skin_equals_the_body_model(tmp_path: Path, neutral: dict[str, np.ndarray]) -> None:
    model = BodyModel(neutral)
    params = model.zeros()
    params = params.replace(body_pose=torch.linspace(-0.4, 0.4, 63))
    with torch.no_grad():
        body = model(params)
        model.pose_basis.zero_()
        plain = model(params)
    world = body.transforms[:, :3, :3].double().numpy()
    joints = neutral["J_regressor"] @ neutral["v_template"]
    vertices, posed = rig.skin(neutral["v_template"], joints, neutral["weights"], world)
    np.testing.assert_allclose(posed, plain.joints.numpy(), atol=1e-5)
    np.testing.assert_allclose(vertices, plain.vertices.numpy(), atol=1e-5)


def test_principal_components() -> None:
    rng = np.random.default_rng(0)
    offsets = (
        rng.normal(size=(40, 5)) * [5, 3, 2, 1, 0.5] @ np.linalg.qr(rng.normal(size=(30, 5)))[0].T
    )
    offsets = (offsets - offsets.mean(0)).reshape(40, 10, 3)
    components, coefficients = spaces.principal(offsets, 5)
    assert components.shape == (10, 3, 5)
    np.testing.assert_allclose(
        np.einsum("vdk,nk->nvd", components, coefficients), offsets, atol=1e-9
    )
    np.testing.assert_allclose(coefficients.T @ coefficients / 40, np.eye(5), atol=1e-9)
    norms = np.linalg.norm(components.reshape(30, 5), axis=0)
    np.testing.assert_allclose(norms, np.linalg.svd(offsets.reshape(40, 30))[1][:5] / np.sqrt(40))


def test_expression_components_are_the_principal_ones() -> None:
    """They are at right angles, the largest first, and do not depend on how many are asked for."""
    rng = np.random.default_rng(6)
    names = ["blinkLeft", "blinkRight", "smile", "frown", "pucker", "jawOpen"]
    actions = rng.normal(size=(6, 50, 3)) * np.array([5, 5, 3, 2, 1, 9])[:, None, None]
    mixtures = spaces.expression_mixtures(actions, names, 3)
    assert mixtures.shape == (6, 3) and not mixtures[5].any()  # a joint opens the jaw
    components = np.tensordot(mixtures, actions, (0, 0)).reshape(3, -1)
    angles = components @ components.T
    np.testing.assert_allclose(angles, np.diag(np.diag(angles)), atol=1e-6 * angles.max())
    assert (np.diff(np.diag(angles)) < 0).all()
    # the first is a blink of both eyes
    np.testing.assert_allclose(mixtures[0, 0], mixtures[1, 0], rtol=0.2)
    more = spaces.expression_mixtures(actions, names, 5)
    np.testing.assert_allclose(more[:, :3], mixtures, atol=1e-12)


def test_shape_space_of_known_people(mirror: np.ndarray, neutral: dict[str, np.ndarray]) -> None:
    rng = np.random.default_rng(1)
    coefficients = rng.normal(size=(30, 4))
    people = neutral["v_template"] + np.einsum(
        "vdk,nk->nvd", neutral["shapedirs"][..., :4], coefficients
    )
    waist = float((neutral["J_regressor"] @ neutral["v_template"])[6, 1])
    space = spaces.shape_space(people, mirror, waist)
    assert space.components.shape == (10475, 3, 20)
    rebuilt = np.stack([space.body(c) for c in space.coefficients])
    np.testing.assert_allclose(rebuilt, people, atol=1e-6)
    taller = np.zeros(20)
    taller[0] = 1
    assert np.ptp(space.body(taller)[:, 1]) > np.ptp(space.mean[:, 1])


def test_joint_regressor_finds_joints(mirror: np.ndarray, neutral: dict[str, np.ndarray]) -> None:
    rng = np.random.default_rng(2)
    people = neutral["v_template"] + np.einsum(
        "vdk,nk->nvd", neutral["shapedirs"][..., :8], rng.normal(size=(100, 8))
    )
    joints = np.einsum("jv,nvd->njd", neutral["J_regressor"], people)
    found = spaces.joint_regressor(people, joints, neutral["weights"], mirror)
    assert found.min() >= 0 and np.abs(found.sum(1) - 1).max() < 1e-9
    np.testing.assert_array_equal(found[:, mirror][list(skeleton.MIRROR)], found)
    error = np.linalg.norm(np.einsum("jv,nvd->njd", found, people) - joints, axis=2)
    # deep in the body: a ring of skin fixes them least
    spine = [skeleton.INDEX[f"spine{k}"] for k in (1, 2, 3)]
    assert np.delete(error, spine, 1).mean() < 2e-4 and np.delete(error, spine, 1).max() < 5e-3
    assert error.max() < 0.03
    assert (found > 0).sum(1)[:22].max() < 100


def test_hand_components() -> None:
    poses = hands.sample()
    mean, rows = hands.components(poses)
    np.testing.assert_allclose(rows @ rows.T, np.eye(45), atol=1e-9)
    variance = ((poses - mean) @ rows.T).var(0)
    assert (np.diff(variance) <= 1e-12).all() and variance.sum() == pytest.approx(
        poses.var(0).sum()
    )
    np.testing.assert_allclose(
        hands.coefficients(mean, rows) @ rows + mean, poses[:1554], atol=1e-9
    )
    assert (poses.reshape(-1, 15, 3)[:, :12, 2].mean(0) < 0).all()  # fingers flex about -z


def test_named_vertices_are_found_again(neutral: dict[str, np.ndarray]) -> None:
    joints = neutral["J_regressor"] @ neutral["v_template"]
    found = features.named_vertices(
        neutral["v_template"], joints, neutral["weights"], np.arange(skeleton.BODY_VERTICES)
    )
    for name, vertex in found.items():
        distance = np.linalg.norm(
            neutral["v_template"][vertex] - neutral["v_template"][features.NAMED[name]]
        )
        assert distance < 0.008, name
    assert features.opposite("lear") == "rear" and features.opposite("LHeel") == "RHeel"


def test_landmarks_are_found_again(neutral: dict[str, np.ndarray]) -> None:
    vertices = neutral["v_template"]
    faces = neutral["f"].astype(int)
    joints = neutral["J_regressor"] @ vertices
    named = {"nose": features.NAMED["nose"], "lear": features.NAMED["lear"]}

    def points(face: np.ndarray, weights: np.ndarray) -> np.ndarray:
        return (vertices[faces[face]] * weights[..., None]).sum(-2)

    def barycentric(uv: np.ndarray) -> np.ndarray:
        return np.concatenate([1 - uv.sum(-1, keepdims=True), uv], -1)

    face, uv = landmarks.static_landmarks(
        vertices, faces, joints[[23, 24]], vertices[named["nose"]]
    )
    fixed = points(face, barycentric(uv))
    np.testing.assert_allclose(
        fixed, points(neutral["lmk_faces_idx"], neutral["lmk_bary_coords"]), atol=2e-3
    )
    np.testing.assert_allclose(fixed[[0, 19, 28]], fixed[[9, 28, 19]] * [-1, 1, 1], atol=2e-3)
    face, uv = landmarks.contour_landmarks(vertices, faces, neutral["weights"], joints, named)
    outline = points(face, barycentric(uv))
    shipped = points(neutral["dynamic_lmk_faces_idx"], neutral["dynamic_lmk_bary_coords"])
    assert np.median(np.linalg.norm(outline - shipped, axis=-1)) < 2e-3
    # from the right cheek to the left one
    assert outline[0, 0, 0] < -0.04 and outline[0, -1, 0] > 0.04
    assert outline[0, 8, 1] == outline[0, :, 1].min()  # over the chin


def test_needs_anny(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "anny", None)
    monkeypatch.setenv("ANNY_CACHE_DIR", str(tmp_path))
    with pytest.raises(MissingDependency, match="pip install anny"):
        sample.draw(1)
    assert command.main([str(tmp_path)]) == 1
    assert capsys.readouterr().err.count("\n") == 1
