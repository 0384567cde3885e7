"""How gsplat's kernels are built and found again, with a made-up gsplat in place of the
compilers."""

import importlib
import importlib.util
import os
import subprocess
import sys
from collections.abc import Iterator
from importlib.machinery import ExtensionFileLoader
from pathlib import Path

import pytest
import torch

from hgm.core.locks import hold, release
from hgm.errors import InputError
from hgm.splat import gsplat_kernels

CARD = (9, 0)
BACKEND = """
import os, time
_C = None
with open(os.environ["RECORD"], "a") as record:
    begun = os.environ["TORCH_CUDA_ARCH_LIST"], os.environ["TORCH_EXTENSIONS_DIR"]
    record.write("begin {} {}\\n".format(*begun))
    record.flush()
    exec(os.environ.get("BUILD", ""))
    record.write("end\\n")
"""
WORKS = """
folder = os.path.join(os.environ["TORCH_EXTENSIONS_DIR"], "gsplat_cuda")
os.makedirs(folder)
with open(os.path.join(folder, "gsplat_cuda.so"), "w") as file:
    file.write("first half,")
    file.flush()
    time.sleep(1)
    file.write(" second half")
_C = True
"""
BUILT = """
import sys
from hgm.splat import gsplat_kernels
if sys.argv[1] == "no locks":
    def hold(path):
        raise OSError(38, "no locks here")
    gsplat_kernels.hold = hold
print(gsplat_kernels.built((9, 0)).read_text())
"""


@pytest.fixture
def record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The file in which the made-up gsplat notes its builds."""
    site = tmp_path / "site"
    for name, text in {
        "gsplat/__init__.py": "",
        "gsplat/cuda/__init__.py": "",
        "gsplat/cuda/_backend.py": BACKEND,
        "gsplat-1.5.3.dist-info/METADATA": "Metadata-Version: 2.1\nName: gsplat\nVersion: 1.5.3\n",
    }.items():
        (site / name).parent.mkdir(parents=True, exist_ok=True)
        (site / name).write_text(text)
    monkeypatch.syspath_prepend(str(site))
    monkeypatch.setenv(
        "PYTHONPATH", os.pathsep.join([str(site), str(Path(__file__).resolve().parents[2])])
    )
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("TORCH_EXTENSIONS_DIR", raising=False)
    monkeypatch.setenv("RECORD", str(tmp_path / "record"))
    yield tmp_path / "record"
    for name in [n for n in sys.modules if n.split(".")[0] == "gsplat"]:
        del sys.modules[name]


def lines(record: Path) -> list[str]:
    return [line.split()[0] for line in record.read_text().splitlines()] if record.exists() else []


def test_a_build_is_for_the_card_at_hand_and_is_kept(
    record: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BUILD", WORKS)
    library = gsplat_kernels.built(CARD)
    assert (
        library.parent == record.parent / "cache/hgm/kernels"
        and library.read_text() == "first half, second half"
    )
    assert f"gsplat-1.5.3-sm90-torch{torch.__version__}-" in library.name
    word, architecture, folder = record.read_text().splitlines()[0].split()
    assert (word, architecture) == ("begin", "9.0") and Path(folder).parent == library.parent
    assert gsplat_kernels.built(CARD) == library and lines(record) == ["begin", "end"]
    assert gsplat_kernels.built((8, 0)) != library and lines(record) == ["begin", "end"] * 2
    assert not list(library.parent.glob(".*"))  # the folders of the builds are gone


@pytest.mark.parametrize(("locks", "builds"), [("locks", 1), ("no locks", 2)])
def test_processes_that_come_together_build_once_and_never_disturb_each_other(
    locks: str,
    builds: int,
    record: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("BUILD", WORKS)
    processes = [
        subprocess.Popen([sys.executable, "-c", BUILT, locks], stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    assert [p.communicate(timeout=300)[0] for p in processes] == ["first half, second half\n"] * 2
    assert [p.returncode for p in processes] == [0, 0]
    begun = lines(record).count("begin")
    # without locks the second may still have come too late to build
    assert begun == 1 if builds == 1 else begun in (1, 2)


def test_one_who_waits_says_so(
    record: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    library = gsplat_kernels.library_of(CARD)
    library.parent.mkdir(parents=True)
    asked: list[Path] = []

    def taken_twice(path: Path) -> bool:
        asked.append(path)
        return len(asked) > 2 and hold(path)

    monkeypatch.setattr(gsplat_kernels, "hold", taken_twice)
    monkeypatch.setattr(gsplat_kernels, "PAUSE", 0.01)
    monkeypatch.setenv("BUILD", WORKS)
    gsplat_kernels.built(CARD)
    assert (
        len(asked) == 3
        and caplog.text.count("another process builds gsplat's kernels; waiting") == 1
    )
    assert hold(asked[0])  # given back after the build
    release(asked[0])


FAILS = "print('gsplat: No CUDA toolkit found. gsplat will be disabled.')"


def test_a_failed_build_is_tried_again_only_with_other_compilers(
    record: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BUILD", FAILS)
    for _ in range(3):
        with pytest.raises(
            InputError, match="could not be built: gsplat: No CUDA toolkit found"
        ) as caught:
            gsplat_kernels.built(CARD)
    assert lines(record) == ["begin", "end"] and "hgm doctor tries again" in str(caught.value)
    monkeypatch.setenv("CUDA_HOME", "/elsewhere")
    with pytest.raises(InputError, match="No CUDA toolkit"):
        gsplat_kernels.built(CARD)
    assert lines(record).count("begin") == 2
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: CARD)
    gsplat_kernels.forget_failure(torch.device("cuda", 0))
    monkeypatch.setenv("BUILD", WORKS)
    assert gsplat_kernels.built(CARD).is_file() and not list(
        gsplat_kernels.kernel_folder().glob("*failed*")
    )


def test_a_build_that_was_stopped_is_not_held_against_the_compilers(
    record: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BUILD", "os.kill(os.getpid(), 9)")
    with pytest.raises(InputError, match="could not be built"):
        gsplat_kernels.built(CARD)
    monkeypatch.setenv("BUILD", WORKS)
    assert gsplat_kernels.built(CARD).is_file()


def test_the_line_that_tells_most(tmp_path: Path) -> None:
    output = tmp_path / "log"
    for text, line in {
        "[1/9] c++ -c x\n"
        "In file a.h:\n"
        "x.cu:3:10: fatal error: cusparse.h: No such file\n"
        "ninja: build stopped\n": "x.cu:3:10: fatal error: cusparse.h: No such file",
        "one\n two \n\n": "two",
        "": "it said nothing",
    }.items():
        output.write_text(text)
        assert gsplat_kernels._telling(output) == line


def test_a_cache_that_cannot_be_written_is_one_line(
    record: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("TORCH_EXTENSIONS_DIR", str(tmp_path / "file"))
    with pytest.raises(
        InputError, match=r"cannot be kept: .*file.*; set TORCH_EXTENSIONS_DIR to a folder of yours"
    ):
        gsplat_kernels.built(CARD)


def test_the_compilers_of_a_conda_environment_come_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "prefix", str(tmp_path))
    monkeypatch.setenv("CUDA_HOME", "/opt/other")
    monkeypatch.delenv("CUDA_INC_PATH", raising=False)
    monkeypatch.delenv("MAX_JOBS", raising=False)
    plain = gsplat_kernels.surroundings("8.0", tmp_path)
    assert plain["CUDA_HOME"] == "/opt/other" and "CUDA_INC_PATH" not in plain
    assert 1 <= int(plain["MAX_JOBS"]) <= len(os.sched_getaffinity(0))
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/nvcc").write_text("")
    (tmp_path / "targets/x86_64-linux/include").mkdir(parents=True)
    found = gsplat_kernels.surroundings("8.0", tmp_path)
    assert found["CUDA_HOME"] == str(tmp_path) and found["PATH"].startswith(f"{tmp_path}/bin:")
    assert found["CUDA_INC_PATH"] == f"{tmp_path}/targets/x86_64-linux/include"
    assert found["LIBRARY_PATH"].startswith(f"{tmp_path}/targets/x86_64-linux/lib")


def test_torch_still_reads_the_variable_for_headers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from torch.utils import cpp_extension

    monkeypatch.setattr(cpp_extension, "CUDA_HOME", str(tmp_path))
    monkeypatch.setenv("CUDA_INC_PATH", "/with/headers")
    assert "/with/headers" in cpp_extension.include_paths("cuda")


def test_built_kernels_are_what_gsplat_imports(
    record: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Any extension module of Python stands for the kernels."""
    specs = (
        importlib.util.find_spec(name)
        for name in ("_queue", "_bisect", "_heapq", "_struct", "_json")
    )
    spec = next(
        (s for s in specs if s is not None and isinstance(s.loader, ExtensionFileLoader)), None
    )
    if spec is None or spec.origin is None:
        pytest.skip("this Python has no extension modules of its own")
    asked = []
    monkeypatch.setattr(gsplat_kernels, "MODULE", spec.name)
    monkeypatch.setattr(
        gsplat_kernels,
        "built",
        lambda capability: asked.append(capability) or Path(spec.origin or ""),
    )
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: CARD)
    assert gsplat_kernels.make_ready(torch.device("cuda", 0)) == spec.origin
    from gsplat import csrc  # type: ignore[import-not-found]

    assert csrc.__name__ == spec.name
    assert gsplat_kernels.make_ready(torch.device("cuda", 0)) == spec.origin and asked == [CARD]


def test_kernels_of_a_wheel_that_do_not_load_are_not_built_behind_our_back(record: Path) -> None:
    csrc = record.parent / "site/gsplat/csrc.py"
    csrc.write_text("raise ImportError('undefined symbol: of another torch')")
    with pytest.raises(ImportError, match="undefined symbol"):
        gsplat_kernels.make_ready(torch.device("cuda", 0))
    csrc.write_text("")
    importlib.invalidate_caches()
    assert gsplat_kernels.make_ready(torch.device("cuda", 0)) == "its wheel" and lines(record) == []
