"""FLAME's model against a skinning of its own in numpy and finite differences; its file as it is
handed out, and files that are not it."""

import os
import pickle
import sys
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from scipy.sparse import csc_matrix, csr_matrix

from hgm.body.flame import FACES, PARENTS, VERTICES, HeadArrays, HeadModel, read_head
from hgm.core.pickles import load_pickle
from hgm.errors import InputError


@pytest.fixture(scope="module")
def data() -> dict[str, np.ndarray]:
    """The arrays of a file: random numbers in which no two columns do the same, few bytes each."""
    rng = np.random.default_rng(5)
    shares = rng.integers(0, 5, (VERTICES, 4))
    return {
        "v_template": rng.normal(0, 0.1, (VERTICES, 3)).astype(np.float32),
        "f": rng.integers(0, VERTICES, (FACES, 3), np.uint32),
        "shapedirs": rng.normal(0, 0.004, (VERTICES, 3, 400)).astype(np.float16),
        "posedirs": rng.normal(0, 0.01, (VERTICES, 3, 36)).astype(np.float32),
        "J_regressor": np.where(rng.random((5, VERTICES)) < 0.01, 0.02, 0),
        "weights": np.concatenate([16 - shares.sum(1, keepdims=True), shares], 1) / 16,
        "kintree_table": np.array([[2**32 - 1, 0, 1, 1, 1], range(5)], np.uint32),
    }


@pytest.fixture(scope="module")
def arrays(data: dict[str, np.ndarray]) -> HeadArrays:
    return HeadArrays.of_file(data)


def turned(vector: np.ndarray) -> np.ndarray:
    """A rotation matrix [3, 3] by the exponential's series."""
    x, y, z = vector
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    term = matrix = np.eye(3)
    for k in range(1, 30):
        term = term @ cross / k
        matrix = matrix + term
    return matrix


def skinned(
    data: dict[str, np.ndarray], shape: np.ndarray, expression: np.ndarray, pose: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Vertices and joints of one head, from the file's arrays, joint by joint."""
    directions = data["shapedirs"].astype(np.float64)
    rest = data["v_template"] + directions[:, :, : len(shape)] @ shape
    rest = rest + directions[:, :, 300 : 300 + len(expression)] @ expression
    joints = data["J_regressor"] @ rest
    rotations = [turned(vector) for vector in pose.reshape(5, 3)]
    rest = rest + data["posedirs"] @ np.concatenate(
        [(r - np.eye(3)).ravel() for r in rotations[1:]]
    )
    worlds: list[np.ndarray] = []
    for joint, parent in enumerate(PARENTS):
        local = np.eye(4)
        local[:3, :3] = rotations[joint]
        local[:3, 3] = joints[joint] - (joints[parent] if parent >= 0 else 0)
        worlds.append(worlds[parent] @ local if parent >= 0 else local)
    vertices = np.zeros_like(rest)
    for joint, world in enumerate(worlds):
        moved = (rest - joints[joint]) @ world[:3, :3].T + world[:3, 3]
        vertices += data["weights"][:, joint, None] * moved
    return vertices, np.stack([world[:3, 3] for world in worlds])


def test_the_model_is_the_equations(data: dict[str, np.ndarray], arrays: HeadArrays) -> None:
    rng = np.random.default_rng(1)
    shape, expression, pose = (rng.normal(0, s, (3, n)) for s, n in ((1, 40), (1, 25), (0.5, 15)))
    pose[0] = 0
    expected = [skinned(data, *one) for one in zip(shape, expression, pose, strict=True)]
    for dtype, near in ((torch.float32, 1e-5), (torch.float64, 1e-9)):
        model = HeadModel.of(arrays, dtype)
        head = model(*(torch.tensor(x, dtype=dtype) for x in (shape, expression, pose)))
        assert head.vertices.dtype == dtype
        for i, (vertices, joints) in enumerate(expected):
            np.testing.assert_allclose(head.vertices[i], vertices, rtol=0, atol=near)
            np.testing.assert_allclose(head.joints[i], joints, rtol=0, atol=near)
        assert head.transforms.shape == (3, 5, 4, 4) and head.pose_feature.shape == (3, 36)
        assert not head.pose_feature[0].any()
        # without a batch, and with two dimensions of it
        one = model(*(torch.tensor(x[1], dtype=dtype) for x in (shape, expression, pose)))
        torch.testing.assert_close(one.vertices, head.vertices[1])
        two = model(*(torch.tensor(x[:, None], dtype=dtype) for x in (shape, expression, pose)))
        torch.testing.assert_close(two.vertices[:, 0], head.vertices)


def test_gradients_are_those_of_finite_differences(arrays: HeadArrays) -> None:
    model = HeadModel.of(arrays, torch.float64)
    generator = torch.Generator().manual_seed(2)

    def drawn(*shape: int) -> torch.Tensor:
        return torch.randn(shape, generator=generator, dtype=torch.float64)

    mix = drawn(4, VERTICES, 3) / 50
    rest = torch.zeros(15, dtype=torch.float64)
    for pose in (0.4 * drawn(15), rest):
        inputs = [x.requires_grad_() for x in (drawn(3), drawn(2), pose.clone())]

        def measured(*parameters: torch.Tensor) -> torch.Tensor:
            head = model(*parameters)
            return torch.cat([(mix * head.vertices).sum((-1, -2)), head.joints.flatten()])

        # at rest the step is into the series of sine and cosine, whose rounding is larger
        assert torch.autograd.gradcheck(measured, inputs, eps=1e-5, atol=1e-5)


def test_too_many_coefficients(arrays: HeadArrays) -> None:
    model = HeadModel.of(arrays)
    with pytest.raises(ValueError, match="101 coefficients, the head model has 100"):
        model(torch.zeros(300), torch.zeros(101), torch.zeros(15))


class Ch:
    """chumpy's array as far as a pickle shows it."""

    def __init__(self, x: np.ndarray) -> None:
        self.x = x
        self._dirty_vars: set[str] = set()
        self._itr = None


@pytest.fixture
def chumpy(monkeypatch: pytest.MonkeyPatch) -> Iterator[types.ModuleType]:
    """A module `chumpy.ch` while a pickle is written."""
    package, module = types.ModuleType("chumpy"), types.ModuleType("chumpy.ch")
    Ch.__module__ = "chumpy.ch"
    module.Ch = Ch  # type: ignore[attr-defined]
    package.ch = module  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "chumpy", package)
    monkeypatch.setitem(sys.modules, "chumpy.ch", module)
    yield module
    Ch.__module__ = __name__


def written(path: Path, data: dict[str, Any]) -> Path:
    path.write_bytes(pickle.dumps(data, protocol=2))
    return path


def equal(read: HeadArrays, arrays: HeadArrays) -> None:
    for name, array in vars(arrays).items():
        np.testing.assert_array_equal(getattr(read, name), array, err_msg=name)


@pytest.mark.parametrize("sparse", [csc_matrix, csr_matrix])
def test_a_pickle_as_it_is_handed_out(
    tmp_path: Path,
    data: dict[str, np.ndarray],
    arrays: HeadArrays,
    chumpy: types.ModuleType,
    monkeypatch: pytest.MonkeyPatch,
    sparse: Any,
) -> None:
    """With chumpy's arrays, a sparse regressor and more keys; without chumpy when it is read."""
    chumped = {key: Ch(data[key]) for key in ("v_template", "shapedirs", "posedirs", "weights")}
    extra = {"bs_style": "lbs", "J": np.zeros((5, 3))}
    content = {**data, **chumped, "J_regressor": sparse(data["J_regressor"]), **extra}
    path = written(tmp_path / "generic_model.pkl", content)
    assert b"chumpy.ch" in path.read_bytes()
    for name in ("chumpy", "chumpy.ch"):
        monkeypatch.setitem(sys.modules, name, None)  # importing it fails
    equal(read_head(path), arrays)
    equal(read_head(tmp_path), arrays)


def test_an_npz_of_the_same_keys(
    tmp_path: Path, data: dict[str, np.ndarray], arrays: HeadArrays
) -> None:
    np.savez(tmp_path / "generic_model.npz", **data)
    (tmp_path / "generic_model.pkl").write_bytes(b"not read")
    equal(read_head(tmp_path), arrays)
    equal(read_head(tmp_path / "generic_model.npz"), arrays)


def test_files_that_are_not_flame_2020(tmp_path: Path, data: dict[str, np.ndarray]) -> None:
    path = tmp_path / "generic_model.npz"
    nan = data["posedirs"].copy()
    nan[7, 1, 3] = np.nan
    for change, words in (
        ({"weights": None}, "the key weights is missing; expected FLAME 2020's generic_model.pkl"),
        (
            {"v_template": data["v_template"][:4000]},
            r"v_template is \(4000, 3\), expected \(5023, 3\); expected FLAME 2020's "
            r"generic_model\.pkl .* parameters of other versions do not carry over",
        ),
        ({"shapedirs": data["shapedirs"][:, :, :150]}, r"shapedirs is \(5023, 3, 150\), expected"),
        ({"posedirs": nan}, "posedirs holds numbers that are not finite"),
        ({"f": np.array(["a"])}, "f does not hold numbers"),
        ({"f": data["f"] + 1000}, "f has corners that are no vertices, expected 0 to 5022"),
        ({"weights": data["weights"] * 2}, "weights has rows that are not shares of 1"),
        (
            {"kintree_table": np.array([[-1, 0, 0, 1, 1], range(5)])},
            r"kintree_table has the parents \[-1, 0, 0, 1, 1\], expected \[-1, 0, 1, 1, 1\]",
        ),
    ):
        changed = {k: v for k, v in {**data, **change}.items() if v is not None}
        np.savez(path, **changed)
        with pytest.raises(InputError, match=rf"generic_model\.npz: {words}") as caught:
            read_head(tmp_path)
        assert "\n" not in str(caught.value)
    other = written(tmp_path / "flame2023.pkl", data)
    with pytest.raises(InputError, match=r"flame2023\.pkl: this is FLAME 2023 by its name; exp"):
        read_head(other)
    with pytest.raises(InputError, match=r"nothing/generic_model\.pkl|nothing: no such head model"):
        read_head(tmp_path / "nothing")


class Call:
    """Pickles as a call of a function."""

    def __init__(self, function: Any, *arguments: Any) -> None:
        self.reduced = function, arguments

    def __reduce__(self) -> Any:
        return self.reduced


def test_hostile_pickles(tmp_path: Path, data: dict[str, np.ndarray]) -> None:
    path = tmp_path / "generic_model.pkl"
    trace = tmp_path / "trace"
    written(path, {**data, "f": Call(os.system, f"touch {trace}")})
    with pytest.raises(InputError, match=r"it asks for (posix|nt)\.system, which is not allowed"):
        read_head(path)
    assert not trace.exists()
    # another class of chumpy, which would compute
    path.write_bytes(b"\x80\x02cchumpy.ch\nMatVecMult\n)\x81.")
    with pytest.raises(InputError, match=r"asks for chumpy\.ch\.MatVecMult, which is not allowed"):
        read_head(path)
    path.write_bytes(b"\x80\x02]q\x00.")
    with pytest.raises(InputError, match="holds a list; expected FLAME 2020"):
        read_head(path)
    # attributes set on a stand-in's class, which later readings would meet
    for name in (b"chumpy.ch\nCh", b"scipy.sparse.csc\ncsc_matrix"):
        path.write_bytes(b"\x80\x02c" + name + b"\nN}X\x05\x00\x00\x00stateK\x01s\x86b.")
        with pytest.raises(InputError, match="not a readable pickle"):
            read_head(path)
        path.write_bytes(b"\x80\x02c" + name + b"\n}X\x05\x00\x00\x00stateK\x01sb.")
        with pytest.raises(InputError, match="not a readable pickle"):
            read_head(path)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"_shape": (10**9, 10**9)}, r"is \(1000000000, 1000000000\), expected \(5, 5023\)"),
        ({"indices": np.full(VERTICES, 5)}, "does not fit together"),
        ({"indices": np.full(VERTICES, -1)}, "does not fit together"),
        ({"indptr": np.zeros(7, int)}, "does not fit together"),
        ({"indptr": np.r_[5:0:-1, np.full(VERTICES - 4, VERTICES)]}, "does not fit together"),
        ({"data": np.array(["x"] * VERTICES)}, "."),
        ({"data": None}, "."),
    ],
)
def test_sparse_matrices_that_are_none(
    tmp_path: Path, data: dict[str, np.ndarray], change: dict[str, Any], words: str
) -> None:
    """What scipy would take the file's word for, and write where it has no memory."""
    ones = np.ones(VERTICES), np.zeros(VERTICES, int), np.arange(VERTICES + 1)
    matrix = csc_matrix(ones, shape=(5, VERTICES))
    vars(matrix).update(change)
    path = written(tmp_path / "generic_model.pkl", {**data, "J_regressor": matrix})
    with pytest.raises(InputError, match=f"J_regressor .*{words}") as caught:
        read_head(path)
    assert "\n" not in str(caught.value)


def test_other_readers_know_no_chumpy(tmp_path: Path, chumpy: types.ModuleType) -> None:
    path = written(tmp_path / "fit.pkl", {"betas": Ch(np.zeros(10))})
    with pytest.raises(InputError, match=r"chumpy\.ch\.Ch, which is not allowed"):
        load_pickle(path)
