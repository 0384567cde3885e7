"""When spconv is taken: the build that is installed, what it computes on the device, and what is
said about it."""

import logging
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from asked_anew import asked_anew
from torch import Tensor

from hgm.core.probes import say_once
from hgm.errors import InputError, MissingDependency
from hgm.nets import spconv_backend
from hgm.nets.sparse import SparseConv, VoxelSet
from hgm.systems.hgm.networks.config import HGMConfig
from hgm.systems.hgm.networks.files import MODEL, save_model
from hgm.systems.hgm.networks.hgm import HGM
from hgm.systems.hgm.sections.training import Coarse
from hgm.systems.hgm.setup import training
from hgm.systems.hgm.training import load_hgm
from hgm.workflow.configuration import resolve

Outputs = list[tuple[Tensor, VoxelSet]]


@pytest.fixture(autouse=True)
def forgotten() -> Iterator[None]:
    """What a process knows of spconv is asked anew in every test."""
    with asked_anew(spconv_backend.hindrance, say_once):
        yield


@pytest.fixture
def full_build(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if the build with CUDA were installed."""
    pytest.importorskip("spconv")
    monkeypatch.setitem(sys.modules, "spconv.cppconstants", SimpleNamespace(CPU_ONLY_BUILD=False))


def through_torch(layers: list[SparseConv], features: Tensor, voxels: VoxelSet) -> Outputs:
    outputs = []
    for layer in layers:
        features, voxels = layer(features, voxels)
        outputs.append((features, voxels))
    return outputs


def test_the_build_for_cpus_is_not_taken_on_a_gpu(caplog: pytest.LogCaptureFixture) -> None:
    """The one in requirements.lock; it can be imported, and fails in the first pass."""
    constants = pytest.importorskip("spconv.cppconstants")
    if not constants.CPU_ONLY_BUILD:
        pytest.skip("a build with CUDA is installed")
    caplog.set_level(logging.INFO)
    assert [spconv_backend.resolve_backend("auto", "cuda") for _ in range(3)] == ["torch"] * 3
    (record,) = caplog.records
    assert (
        "plain torch, since spconv cannot be used: the installed build is for CPUs only"
        in record.message
    )
    assert "pip uninstall --yes spconv cumm" in record.message
    with pytest.raises(
        InputError, match="spconv cannot be used on cuda: the installed build is for CPUs only"
    ) as caught:
        spconv_backend.resolve_backend("spconv", "cuda")
    assert "\n" not in str(caught.value) and str(caught.value).endswith("or use auto")


def test_without_spconv(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    monkeypatch.setattr(spconv_backend, "_installed", lambda: False)
    assert (
        spconv_backend.resolve_backend("auto", "cuda") == "torch"
        and "it is not installed (pip uninstall" in caplog.text
    )
    assert spconv_backend.resolve_backend("auto", "cpu") == "torch"
    for device in ("cpu", "cuda"):
        with pytest.raises(MissingDependency, match="spconv is not installed"):
            spconv_backend.resolve_backend("spconv", device)


def test_what_an_uninstall_leaves_behind_is_not_spconv(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "spconv" / "__pycache__").mkdir(parents=True)
    monkeypatch.setattr(sys, "path", [str(tmp_path)])
    for name in [n for n in sys.modules if n.split(".")[0] == "spconv"]:
        monkeypatch.delitem(sys.modules, name)
    assert not spconv_backend._installed()


def test_a_build_that_works_is_taken_and_tried_once(
    full_build: None,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    tried: list[torch.device] = []
    monkeypatch.setattr(spconv_backend, "_differs", tried.append)
    assert [
        spconv_backend.resolve_backend(name, "cuda:1") for name in ("auto", "spconv", "auto")
    ] == ["spconv"] * 3
    assert tried == [torch.device("cuda:1")] and len(caplog.records) == 1


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        (
            RuntimeError("CUDA error: no kernel image is available\nfor execution"),
            "RuntimeError: CUDA error: no kernel image is available",
        ),
        (
            ImportError("libnvrtc.so.12: cannot open shared object file"),
            "ImportError: libnvrtc.so.12",
        ),
    ],
)
def test_what_it_raises_is_a_reason(
    fault: Exception,
    reason: str,
    full_build: None,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def fail(device: torch.device) -> str:
        raise fault

    caplog.set_level(logging.INFO)
    monkeypatch.setattr(spconv_backend, "_differs", fail)
    assert spconv_backend.resolve_backend("auto", "cuda") == "torch" and reason in caplog.text
    with pytest.raises(InputError, match="cannot be used on cuda"):
        spconv_backend.resolve_backend("spconv", "cuda")


def changed(change: Callable[[Tensor], Tensor]) -> Any:
    return lambda *arguments: [
        (change(features), voxels) for features, voxels in through_torch(*arguments)
    ]


@pytest.mark.parametrize(
    "run",
    [
        changed(lambda x: 1.02 * x),
        changed(lambda x: x.flip(0)),
        changed(lambda x: 2 * x.detach() - x),
        changed(lambda x: x * float("nan")),
        changed(torch.zeros_like),
    ],
    ids=["scaled", "shuffled", "gradients turned round", "not finite", "empty"],
)
def test_the_probe_finds_what_is_wrong(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spconv_backend, "run", run)
    try:
        found = spconv_backend._differs(torch.device("cpu"))
    except RuntimeError as error:  # no gradient at all
        found = str(error)
    assert found


def test_the_probe_lets_what_is_right_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spconv_backend, "run", through_torch)
    before = torch.get_rng_state()
    with torch.no_grad():  # it may be asked for in the first pass of an evaluation
        assert spconv_backend._differs(torch.device("cpu")) is None
    assert torch.equal(torch.get_rng_state(), before)


def test_the_setting_reaches_the_networks_and_leaves_the_weights_alone(tmp_path: Path) -> None:
    for changes, backend in (({"sparse_backend": "torch"}, "torch"), ({}, "auto")):
        params = resolve({"network": changes})
        made = training(Coarse(**params["coarse"]), params, [], [], device="cpu")
        assert made.network.sparse_backend == backend
    for name in ("spconv", "torch"):
        save_model(HGM(HGMConfig.tiny(), sparse_backend=name), tmp_path)
        assert "backend" not in (tmp_path / MODEL).read_text()
        for other in ("auto", "torch", "spconv"):
            assert load_hgm(tmp_path, sparse_backend=other).volume.pyramid.backend == other
    with pytest.raises(InputError, match=r"network\.sparse_backend"):
        resolve({"network": {"sparse_backend": "minkowski"}})
