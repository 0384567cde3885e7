"""Files of joblib are read as joblib reads them, and nothing that they name is run."""

import io
from pathlib import Path

import joblib
import numpy as np
import pytest
import torch

from hgm.core import joblib_pickles
from hgm.core.joblib_pickles import load_joblib
from hgm.errors import InputError


def test_arrays_and_tensors(tmp_path: Path) -> None:
    x = np.arange(24, dtype=np.float32).reshape(2, 3, 4)
    data = {
        "c": x,
        "f": np.asfortranarray(x),
        "empty": np.zeros((0, 3)),
        "scalar": np.float64(2.5),
        "names": ["a", "b"],
        "list": [x[0], {"tensor": torch.from_numpy(x)[:, 1:, ::2], "one": torch.tensor(3)}],
    }
    joblib.dump(data, tmp_path / "x.pkl")
    found = load_joblib(tmp_path / "x.pkl")
    assert (
        found["names"] == ["a", "b"] and found["scalar"] == 2.5 and found["empty"].shape == (0, 3)
    )
    for ours, theirs in (
        (found["c"], x),
        (found["f"], x),
        (found["list"][0], x[0]),
        (found["list"][1]["tensor"], x[:, 1:, ::2]),
    ):
        assert np.array_equal(ours, theirs) and ours.dtype == np.float32
    assert found["list"][1]["one"] == 3


def test_a_storage_that_was_saved_on_a_gpu() -> None:
    file = io.BytesIO()
    torch.save(torch.arange(5.0).storage(), file, _use_new_zipfile_serialization=False)
    on_gpu = (
        file.getvalue()
        .replace(b"ctorch\nFloatStorage", b"ctorch.cuda\nFloatStorage")
        .replace(b"X\x03\x00\x00\x00cpu", b"X\x06\x00\x00\x00cuda:0")
    )
    assert b"cuda:0" in on_gpu and b"torch.cuda" in on_gpu
    assert np.array_equal(joblib_pickles._storage(on_gpu), np.arange(5.0))


class Hostile:
    def __reduce__(self) -> tuple:
        return (Path.touch, (Path("ran"),))


def test_nothing_is_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for data in (Hostile(), [np.array([Hostile()], object)]):
        joblib.dump(data, tmp_path / "x.pkl")
        with pytest.raises(InputError, match=r"x\.pkl: this pickle is refused"):
            load_joblib(tmp_path / "x.pkl")
    assert not (tmp_path / "ran").exists()


def test_cut_and_compressed_files(tmp_path: Path) -> None:
    joblib.dump(np.zeros(1000), tmp_path / "x.pkl")
    (tmp_path / "x.pkl").write_bytes((tmp_path / "x.pkl").read_bytes()[:-100])
    with pytest.raises(InputError, match="not a readable pickle"):
        load_joblib(tmp_path / "x.pkl")
    joblib.dump(np.zeros(1000), tmp_path / "x.pkl", compress=3)
    with pytest.raises(InputError, match=r"not a readable pickle|refused"):
        load_joblib(tmp_path / "x.pkl")
