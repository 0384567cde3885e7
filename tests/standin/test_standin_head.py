"""The free head: FLAME 2020's file format, one symmetric surface with three holes, equal bytes, and
one person with the stand-in body; the package smplx is the judge of the file."""

import pickle
import shutil
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest
import torch
from smplx import FLAME

from hgm.body.flame import HeadArrays, HeadModel, read_head
from hgm.errors import InputError
from hgm.geometry.rays import RayMesh
from hgm.standin.actor import Actor
from hgm.standin.assets import load_assets
from hgm.standin.body import core
from hgm.standin.body.skeleton import INDEX, LEFT_EYE
from hgm.standin.body.skinning import pose_body
from hgm.standin.head import (
    HeadFrame,
    head_arrays,
    head_landmarks,
    head_parameters,
    is_standin,
    write_head,
)
from tools.standin_recipe.compact import compact_head
from tools.standin_recipe.head import FreeHead

SKIN = 3931  # the eyeballs follow: left, right
EYE = 546
FORMAT = {  # key: shape, dtype of FLAME 2020's generic_model.pkl, chumpy's arrays as numpy's
    "v_template": ((5023, 3), "f8"),
    "f": ((9976, 3), "u4"),
    "shapedirs": ((5023, 3, 400), "f8"),
    "posedirs": ((5023, 3, 36), "f8"),
    "J_regressor": ((5, 5023), "f8"),
    "weights": ((5023, 5), "f8"),
    "kintree_table": ((2, 5), "u4"),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models") / "FLAME2020"
    write_head(folder)
    return folder


@pytest.fixture(scope="module")
def arrays() -> HeadArrays:
    return head_arrays()


@pytest.fixture(scope="module")
def model(arrays: HeadArrays) -> HeadModel:
    return HeadModel.of(arrays, torch.float64)


def mirror_of(points: np.ndarray) -> np.ndarray:
    """For each point the one that lies across the plane x = 0."""
    order = {tuple(point): i for i, point in enumerate(np.rint(points * 1e6).astype(int).tolist())}
    return np.array([order[-x, y, z] for x, y, z in order])


def test_file_format(folder: Path, arrays: HeadArrays) -> None:
    data = pickle.loads((folder / "generic_model.pkl").read_bytes(), encoding="latin1")
    assert {k: (v.shape, v.dtype) for k, v in data.items()} == {
        key: (shape, np.dtype(dtype)) for key, (shape, dtype) in FORMAT.items()
    }
    assert type(data["J_regressor"]).__name__ == "csc_matrix"
    assert data["kintree_table"].tolist() == [[2**32 - 1, 0, 1, 1, 1], [0, 1, 2, 3, 4]]
    assert (folder / "generic_model.pkl").read_bytes()[:2] == b"\x80\x02"
    read = read_head(folder)
    for name, array in vars(arrays).items():
        np.testing.assert_array_equal(getattr(read, name), array, err_msg=name)


def test_equal_bytes_and_size(folder: Path, tmp_path: Path) -> None:
    written = write_head(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {
        "generic_model.pkl",
        "landmark_embedding.npy",
        "STANDIN",
        "LICENSE",
        "NOTICE",
    }
    for path in written:
        assert path.read_bytes() == (folder / path.name).read_bytes()
    assert (core.RESOURCES / "head.npz").stat().st_size < 600_000


def test_only_stand_ins_are_overwritten(folder: Path, tmp_path: Path) -> None:
    assert is_standin(folder) and not is_standin(tmp_path)
    write_head(folder)
    shutil.copy(folder / "generic_model.pkl", tmp_path)
    with pytest.raises(InputError, match=r"holds a head model that is not a stand-in; choose ano"):
        write_head(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["generic_model.pkl"]


def test_package_runs_it(folder: Path, tmp_path: Path, model: HeadModel) -> None:
    shutil.copy(folder / "generic_model.pkl", tmp_path / "FLAME_NEUTRAL.pkl")
    landmarks = head_landmarks()
    embedding = {
        "lmk_face_idx": landmarks["static_lmk_faces_idx"],
        "lmk_b_coords": landmarks["static_lmk_bary_coords"],
    }
    (tmp_path / "flame_static_embedding.pkl").write_bytes(pickle.dumps(embedding))
    theirs = FLAME(str(tmp_path), num_betas=20, num_expression_coeffs=50, dtype=torch.float64)
    rng = np.random.default_rng(4)
    shape, expression, pose = (
        torch.tensor(rng.normal(0, s, (1, n))) for s, n in ((1, 20), (1, 50), (0.3, 15))
    )
    root, neck, jaw, left, right = pose.split(3, -1)
    with torch.no_grad():
        out = theirs(
            betas=shape,
            expression=expression,
            global_orient=root,
            neck_pose=neck,
            jaw_pose=jaw,
            leye_pose=left,
            reye_pose=right,
        )
    head = model(shape, expression, pose)
    np.testing.assert_allclose(out.vertices, head.vertices, rtol=0, atol=1e-7)
    np.testing.assert_allclose(out.joints[:, :5], head.joints, rtol=0, atol=1e-7)


def test_one_surface_with_three_holes(arrays: HeadArrays) -> None:
    faces = arrays.faces
    skin = faces[(faces < SKIN).all(1)]
    assert len(skin) == 7800 and len(np.unique(skin)) == SKIN
    directed = np.concatenate([skin[:, [0, 1]], skin[:, [1, 2]], skin[:, [2, 0]]])
    assert len(np.unique(directed, axis=0)) == len(directed)
    edges = set(map(tuple, directed.tolist()))
    rim = np.array([edge for edge in edges if edge[::-1] not in edges])
    places = arrays.template[rim].mean(1)
    neck = places[:, 1] < arrays.template[:, 1].min() + 0.15
    left = ~neck & (places[:, 0] > 0)
    assert (neck.sum(), left.sum(), (~neck & ~left).sum()) == (30, 17, 17)
    following = dict(rim.tolist())
    for edge in (rim[neck][0], rim[left][0], rim[~neck & ~left][0]):
        loop = [int(edge[0])]
        while following[loop[-1]] != loop[0]:
            loop.append(following[loop[-1]])
        assert len(loop) in (30, 17)
    for k, joint in enumerate((3, 4)):
        ball = np.arange(SKIN + k * EYE, SKIN + (k + 1) * EYE)
        own = faces[np.isin(faces, ball).any(1)]
        assert len(own) == 1088 and np.isin(own, ball).all()
        assert (arrays.weights[ball, joint] == 1).all()
        # closed, and its faces look outwards
        a, b, c = (arrays.template[own] - arrays.template[ball].mean(0)).swapaxes(0, 1)
        volume = np.einsum("ij,ij->i", a, np.cross(b, c)).sum() / 6
        radius = 0.5 * np.ptp(arrays.template[ball][:, 1])
        assert volume == pytest.approx(4 / 3 * np.pi * radius**3, rel=0.03)


def test_left_and_right_are_mirror_images(arrays: HeadArrays) -> None:
    other = mirror_of(arrays.template)
    assert (other[other] == np.arange(len(other))).all()
    flip = np.array([-1.0, 1, 1])
    np.testing.assert_array_equal(arrays.template[other], arrays.template * flip)
    np.testing.assert_array_equal(arrays.shapes[other], arrays.shapes * flip[:, None])
    np.testing.assert_array_equal(arrays.weights[other], arrays.weights[:, [0, 1, 2, 4, 3]])
    turned = {frozenset(face) for face in other[arrays.faces].tolist()}
    assert turned == {frozenset(face) for face in arrays.faces.tolist()}
    weights = arrays.weights
    assert weights.min() >= 0 and np.abs(weights.sum(1) - 1).max() < 1e-7
    assert arrays.regressor.min() >= 0
    np.testing.assert_allclose(arrays.regressor.sum(1), 1, atol=1e-12)


def test_components(arrays: HeadArrays) -> None:
    """20 shapes and 40 expressions, none a mix of the others; a shape leaves the root in its place,
    an expression the eyeballs."""
    shapes, expressions = arrays.shapes, arrays.expressions
    assert not shapes[..., 20:].any() and not expressions[..., 40:].any()
    for basis, count in ((shapes, 20), (expressions, 40)):
        columns = basis[..., :count].reshape(-1, count)
        columns = columns / np.linalg.norm(columns, axis=0)
        assert np.linalg.cond(columns) < 1000
    moved = arrays.regressor[0] @ shapes.swapaxes(0, 1)
    assert np.abs(moved).max() < 2e-6
    assert not expressions[SKIN:].any()
    largest = np.linalg.norm(expressions, axis=1).max(0)
    assert largest[:6].min() > 0.001  # meters
    # what the head model has correctives for is bent by the neck alone
    assert arrays.pose_shapes[:9].any() and not arrays.pose_shapes[9:].any()


def test_landmarks(folder: Path, arrays: HeadArrays) -> None:
    written = np.load(folder / "landmark_embedding.npy", allow_pickle=True, encoding="latin1")[()]
    for key, value in head_landmarks().items():
        assert type(written[key]) is np.ndarray
        np.testing.assert_array_equal(written[key], value, err_msg=key)
    assert {key: value.shape for key, value in written.items()} == {
        "static_lmk_faces_idx": (51,),
        "static_lmk_bary_coords": (51, 3),
        "dynamic_lmk_faces_idx": (79, 17),
        "dynamic_lmk_bary_coords": (79, 17, 3),
        "full_lmk_faces_idx": (1, 68),
        "full_lmk_bary_coords": (1, 68, 3),
    }
    full = written["full_lmk_faces_idx"][0], written["full_lmk_bary_coords"][0]
    points = (arrays.template[arrays.faces[full[0]]] * full[1][..., None]).sum(1)
    # the body's landmarks are on the same face
    body = core.model("male")
    on_body = body["v_template"][body["f"][body["lmk_faces_idx"]]]
    static = (on_body * body["lmk_bary_coords"][..., None]).sum(1)
    offset = body["v_template"][LEFT_EYE:].mean(0) - arrays.template[SKIN:].mean(0)
    distance = np.linalg.norm(points[17:] + offset - static, axis=1)
    assert np.median(distance) < 2e-3 and distance.max() < 5e-3
    right, left = points[0], points[16]  # the ends of the contour, at the ears
    assert right[0] < -0.05 and left[0] > 0.05
    assert points[8, 1] == points[:, 1].min()  # the chin


def test_the_shipped_head_is_what_compact_makes(arrays: HeadArrays) -> None:
    landmarks = head_landmarks()
    filled = {
        "v_template": arrays.template,
        "f": arrays.faces,
        "shapedirs": arrays.shapes[..., :20],
        "expressions": arrays.expressions[..., :40],
        "J_regressor": arrays.regressor,
        "weights": arrays.weights,
    }
    packed = compact_head(FreeHead({**filled, **landmarks}, mirror_of(arrays.template)))
    shipped = core.resource("head.npz")
    assert set(packed) == set(shipped)
    for key, value in shipped.items():
        assert packed[key].dtype == value.dtype
        np.testing.assert_array_equal(packed[key], value, err_msg=key)


def frames(seed: int) -> Iterable[dict[str, np.ndarray]]:
    """The rest pose, and a frame in which all that a head has moves, and the trunk too."""
    rng = np.random.default_rng(seed)
    yield {}
    pose = np.zeros((21, 3))
    for joint in ("spine1", "spine3", "neck", "head"):
        pose[INDEX[joint] - 1] = rng.normal(0, 0.2, 3)
    yield {
        "global_orient": np.array([0.1, rng.uniform(-3, 3), 0.1]),
        "body_pose": pose.ravel(),
        "jaw_pose": np.array([0.25, 0.03, 0]),
        "leye_pose": rng.normal(0, 0.2, 3),
        "reye_pose": rng.normal(0, 0.2, 3),
        "expression": rng.normal(0, 1, 10),
        "transl": rng.normal(0, 0.5, 3),
    }


def placed(model: HeadModel, frame: HeadFrame) -> np.ndarray:
    """The head's vertices [5023, 3] where the body stands."""
    numbers = (torch.tensor(x) for x in (frame.shape, frame.expression, frame.pose))
    vertices = model(*numbers).vertices.numpy()
    return vertices @ frame.transform[:3, :3].T + frame.transform[:3, 3]


def body_of(actor: Actor, parameters: dict[str, np.ndarray]) -> np.ndarray:
    """The naked body of an actor in a frame [10475, 3], from the skinning that scans are made
    with."""
    fit = {
        "betas": actor.body.fit["betas"],
        **{
            key: np.zeros((1, 3)) for key in ("global_orient", "jaw_pose", "leye_pose", "reye_pose")
        },
        **{key: np.zeros((1, 12)) for key in ("left_hand_pose", "right_hand_pose")},
        "body_pose": np.zeros((1, 63)),
        "expression": np.zeros((1, 10)),
        **{key: value[None] for key, value in parameters.items()},
    }
    skeleton = load_assets().skeleton
    posed = pose_body(skeleton, fit)
    return posed.carry(posed.rest, skeleton.weights) + parameters.get("transl", np.zeros(3))


@pytest.mark.parametrize("seed", [0, 3, 7])
def test_head_and_body_are_one_person(seed: int, arrays: HeadArrays, model: HeadModel) -> None:
    """Above the neck the head lies on the body's surface; where both have a vertex of MakeHuman's
    mesh, which is the case for more than half of them, it is in one place."""
    actor = Actor.of(seed, texture=128)
    above = arrays.weights[:, 0] < 0.01
    for parameters in frames(seed):
        frame = head_parameters(actor, parameters)
        assert frame.shape.shape == (100,) and frame.expression.shape == (50,)
        vertices = placed(model, frame)
        body = body_of(actor, parameters)
        nearest, _ = RayMesh(body, load_assets().faces).nearest(vertices[above])
        distance = np.linalg.norm(vertices[above] - nearest, axis=1)
        assert np.median(distance) < 1e-5
        assert np.quantile(distance, 0.95) < 1e-3 and distance.max() < 0.01
        # the eyeballs vertex by vertex, though in another order
        for k in range(2):
            ours = np.sort(vertices[SKIN + k * EYE :][:EYE] @ [1.0, 7, 3])
            theirs = np.sort(body[LEFT_EYE + k * EYE :][:EYE] @ [1.0, 7, 3])
            np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-4)


def test_parameters_of_a_frame() -> None:
    actor = Actor.of(1, texture=128)
    still = head_parameters(actor, {})
    assert not still.pose.any() and not still.expression.any()
    np.testing.assert_array_equal(still.shape[:10], actor.body.fit["betas"][0])
    assert not still.shape[10:].any()
    np.testing.assert_allclose(still.transform[:3, :3], np.eye(3), atol=1e-12)
    moved = head_parameters(
        actor, {"transl": np.array([1.0, 2, 3]), "jaw_pose": np.array([0.2, 0, 0])}
    )
    np.testing.assert_allclose((moved.transform - still.transform)[:3, 3], [1, 2, 3])
    np.testing.assert_array_equal(moved.pose, np.r_[np.zeros(6), 0.2, np.zeros(8)])
    # neck and head of the body are root and neck of the head model
    pose = np.arange(63) / 1000
    turned = head_parameters(actor, {"body_pose": pose})
    np.testing.assert_array_equal(turned.pose[:6], np.r_[pose[33:36], pose[42:45]])
    with pytest.raises(InputError, match="parameters: 'jaw' is not one of"):
        head_parameters(actor, {"jaw": np.zeros(3)})
