"""The restricted unpickler: every way in which numpy writes arrays is read, everything else is
refused by name."""

import collections
import os
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from trimesh.caching import tracked_array

from hgm.core.pickles import load_pickle
from hgm.errors import InputError


class Call:
    """Pickles as a call of a function."""

    def __init__(self, function: Any, *arguments: Any) -> None:
        self.reduced = function, arguments

    def __reduce__(self) -> Any:
        return self.reduced


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_arrays_of_every_protocol(tmp_path: Path, protocol: int) -> None:
    path = tmp_path / "fit.pkl"
    data = collections.OrderedDict(
        betas=np.arange(10, dtype=np.float32)[None],
        fortran=np.asfortranarray(np.arange(6.0).reshape(2, 3)),
        big=np.arange(3, dtype=">f8"),
        scale=np.float64(0.416),
        empty=np.zeros((0, 3)),
        number=3,
        name="0525",
        tracked=tracked_array(np.array([1.0, 2.0, 3.0])),
    )
    path.write_bytes(pickle.dumps(data, protocol))
    back = load_pickle(path)
    assert list(back) == list(data)
    for key in ("betas", "fortran", "big", "scale", "empty", "tracked"):
        assert type(back[key]) is np.ndarray
        np.testing.assert_array_equal(back[key], data[key], strict=key in ("betas", "fortran"))
    assert back["number"] == 3 and back["name"] == "0525"


@pytest.mark.parametrize("module", [b"numpy.core.multiarray", b"numpy._core.multiarray"])
def test_module_names_of_both_numpys(tmp_path: Path, module: bytes) -> None:
    path = tmp_path / "fit.pkl"
    stream = pickle.dumps(np.arange(3.0), 0)
    for name in (b"numpy.core.multiarray", b"numpy._core.multiarray"):
        stream = stream.replace(b"c" + name + b"\n", b"c" + module + b"\n")
    assert module in stream
    path.write_bytes(stream)
    np.testing.assert_array_equal(load_pickle(path), np.arange(3.0))


def test_pickle_of_python_2(tmp_path: Path) -> None:
    # protocol 2 as Python 2 wrote it: the contents of arrays and the names are byte strings (opcode
    # U)
    contents = np.array([1.5, -2.0], "<f4").tobytes()
    array = b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b\x87R"
    dtype = (
        b"cnumpy\ndtype\nU\x02f4K\x00K\x01\x87R"
        b"(K\x03U\x01<NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"
    )
    state = b"(K\x01K\x02\x85" + dtype + b"\x89U" + bytes([len(contents)]) + contents + b"tb"
    stream = b"\x80\x02}U\x05betas" + array + state + b"s."
    path = tmp_path / "fit.pkl"
    path.write_bytes(stream)
    np.testing.assert_array_equal(load_pickle(path)["betas"], np.array([1.5, -2.0], np.float32))


def test_code_is_refused_by_name_and_never_run(tmp_path: Path) -> None:
    path = tmp_path / "fit.pkl"
    trace = tmp_path / "trace"
    for function, arguments, name in (
        (os.system, (f"touch {trace}",), "posix.system"),
        (eval, (f"open({str(trace)!r}, 'w')",), "builtins.eval"),
        (np.load, (str(trace),), "load"),
        (np.memmap, (str(trace), "u1", "w+", 0, (8,)), "memmap"),
    ):
        path.write_bytes(pickle.dumps({"betas": Call(function, *arguments)}))
        with pytest.raises(
            InputError, match=rf"fit.pkl: this pickle is refused: it asks for [\w.]*{name}, which"
        ):
            load_pickle(path)
        assert not trace.exists()


def test_dotted_names_and_codecs_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "fit.pkl"
    path.write_bytes(b"\x80\x04\x8c\x05numpy\x8c\x12ndarray.__reduce__\x93.")
    with pytest.raises(InputError, match=r"numpy.ndarray.__reduce__, which is not allowed"):
        load_pickle(path)
    path.write_bytes(b"c_codecs\nencode\n(Vx\nVzlib\ntR.")
    with pytest.raises(InputError, match="the codec 'zlib'"):
        load_pickle(path)


def test_broken_files(tmp_path: Path) -> None:
    path = tmp_path / "fit.pkl"
    with pytest.raises(InputError, match=r"fit.pkl: cannot be read \(No such file"):
        load_pickle(path)
    whole = pickle.dumps({"betas": np.zeros((1, 10))})
    for stream in (b"", b"hello", whole[:20], whole[:-12], whole.replace(b"f8", b"qq")):
        path.write_bytes(stream)
        with pytest.raises(InputError, match=r"fit\.pkl: ") as caught:
            load_pickle(path)
        assert "\n" not in str(caught.value)
