"""What torch.compile needs is asked for before anything is compiled."""

import os
import sysconfig
from pathlib import Path

import pytest

from hgm.core.compiling import missing_tools, prepare_compiling
from hgm.errors import InputError
from hgm.systems.hgm.networks.config import HGMConfig
from hgm.systems.hgm.networks.hgm import HGM
from hgm.systems.hgm.sections.training import Coarse, Loss, Network
from hgm.systems.hgm.training import Training, train_hgm


@pytest.fixture
def tools(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine with nothing but what the test puts into this folder; Python's headers are
    there."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    for name in ("CC", "CXX", "TORCHINDUCTOR_CACHE_DIR"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "Python.h").write_text("")
    monkeypatch.setattr(sysconfig, "get_paths", lambda: {"include": str(tmp_path)})
    return folder


def program(path: Path) -> None:
    path.write_text("#!/bin/sh\n")
    path.chmod(0o755)


def test_a_run_without_a_compiler_ends_at_once_in_one_line(tools: Path, tmp_path: Path) -> None:
    with pytest.raises(
        InputError,
        match=r"^network\.compile: torch\.compile needs a C compiler \(gcc or clang, or CC\) and",
    ) as caught:
        HGM(HGMConfig.tiny()).compile_networks()
    assert "\n" not in str(caught.value) and "network.compile: false" in str(caught.value)
    training = Training(Coarse(), [], [], size=64, network=Network(compile=True), loss=Loss())
    with pytest.raises(InputError, match=r"^network\.compile: "):
        train_hgm(HGMConfig.tiny(), training, tmp_path / "out", tmp_path / "state")


def test_compilers_by_any_name(tools: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program(tools / "clang")
    assert [word.split(" (")[0] for word in missing_tools()] == ["a C++ compiler"]
    program(tools / "x86_64-conda-linux-gnu-c++")
    monkeypatch.setenv("CXX", "x86_64-conda-linux-gnu-c++ -O2")
    assert missing_tools() == []
    monkeypatch.setenv("CC", "/not/there")
    assert [word.split(" (")[0] for word in missing_tools()] == ["a C compiler"]


def test_the_headers_of_python_belong_to_it(tools: Path, tmp_path: Path) -> None:
    program(tools / "gcc")
    program(tools / "g++")
    (tmp_path / "Python.h").unlink()
    assert missing_tools() == [f"Python's headers ({tmp_path / 'Python.h'})"]


@pytest.mark.parametrize(
    ("environment", "place"),
    [
        ({"XDG_CACHE_HOME": "/scratch/cache"}, "/scratch/cache/hgm/inductor"),
        ({}, "HOME/.cache/hgm/inductor"),
        ({"XDG_CACHE_HOME": "relative"}, "HOME/.cache/hgm/inductor"),  # as its specification says
        (
            {"XDG_CACHE_HOME": "/scratch/cache", "TORCHINDUCTOR_CACHE_DIR": "/elsewhere"},
            "/elsewhere",
        ),
    ],
)
def test_where_compiled_networks_are_kept(
    environment: dict[str, str],
    place: str,
    tools: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    program(tools / "gcc")
    program(tools / "g++")
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", "")
    monkeypatch.delenv("TORCHINDUCTOR_CACHE_DIR")
    monkeypatch.setenv("HOME", str(tmp_path))
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    prepare_compiling()
    assert os.environ["TORCHINDUCTOR_CACHE_DIR"] == place.replace("HOME", str(tmp_path))
