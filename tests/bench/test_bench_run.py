"""The whole benchmark at its smallest: every stage, the ways of a stage do the same, the files and
refusals."""

import dataclasses
import json

import pytest
import torch
from checkouts import ROOT

from hgm.bench import clock, measure, run
from hgm.bench.flops import count_flops
from hgm.bench.rates import Rates
from hgm.bench.run import rows_of
from hgm.cli import main
from hgm.mesh.settings import Mesh
from hgm.systems.hgm.bench.scene import Scene
from hgm.systems.hgm.bench.settings import Settings
from hgm.systems.hgm.bench.sizes import PRESETS
from hgm.systems.hgm.bench.stages import STAGES, bench
from hgm.systems.hgm.networks.config import HGMConfig
from hgm.workflow import configuration


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """No warm-up, no collection of garbage, smaller pictures: these tests are about what comes out,
    not how fast."""
    monkeypatch.setattr(measure.gc, "collect", lambda: 0)
    monkeypatch.setitem(clock.WARM_UP, "cpu", 0)
    monkeypatch.setitem(
        PRESETS,
        "tiny",
        dataclasses.replace(
            PRESETS["tiny"],
            refine=16,
            mesh=Mesh(
                cameras=6,
                size=48,
                voxel=0.03,
                truncation=0.06,
                refine_steps=2,
            ),
        ),
    )
    monkeypatch.setattr(run, "best_rates", lambda settings: Rates(1e11, 1e10))


@pytest.fixture
def scene():
    return Scene(HGMConfig.tiny(1), "cpu")


def test_every_stage_is_in_the_table_and_in_the_file(tmp_path, capsys):
    out = tmp_path / "bench.json"
    assert (
        main(["bench", "--preset", "tiny", "--device", "cpu", "--repeats", "1", "--out", str(out)])
        == 0
    )
    text = capsys.readouterr().out
    data = json.loads(out.read_text())
    assert max(map(len, text.splitlines())) <= 120
    assert {"device", "torch", "threads", "rates", "preset", "precision", "rows"} <= set(data)
    assert data["threads"] == torch.get_num_threads() and data["torch"] == torch.__version__
    assert list(dict.fromkeys(row["stage"] for row in data["rows"])) == list(STAGES)
    first = {row["stage"]: row for row in reversed(data["rows"])}
    for stage, row in first.items():
        assert row["seconds"] > 0 and row["floor"] > 0 and row["flops"] + row["bytes"] > 0, stage
        assert any(line.startswith(f"{stage} ") for line in text.splitlines())
    networks = [first[name]["flops"] for name in ("coarse", "fusion")]
    # backward is twice forward
    assert first["coarse-backward"]["flops"] == pytest.approx(3 * networks[0], rel=0.1)
    # and the structural loss convolves
    assert first["training"]["flops"] > first["coarse-backward"]["flops"]
    assert first["photo"]["flops"] > sum(networks)
    reasons = [row["note"] for row in data["rows"] if row["seconds"] is None]
    assert all(reasons) and "the same as the row above; ask for bf16 or compile" in reasons


@pytest.mark.parametrize(
    "stage", ["splatting", "splatting-backward", "volume", "refinement", "training"]
)
def test_the_ways_of_a_stage_do_the_same(scene, stage):
    scene.rig = scene.rig[:3]
    results = []
    for way in STAGES[stage](Settings("tiny"), scene):
        try:
            out = way.make().run()
        except ValueError as error:
            assert "not installed" in str(error)
            continue
        parts = out if isinstance(out, tuple) else (out,)
        results.append([torch.as_tensor(x) for x in parts])
    assert len(results) >= (1 if stage == "volume" else 2)
    for other in results[1:]:
        for a, b in zip(results[0], other, strict=True):
            assert torch.isfinite(a).all()
            assert (a - b).norm() <= 1e-3 * a.norm()


def test_an_unknown_stage_is_refused_in_one_line(capsys):
    assert main(["bench", "--preset", "tiny", "--device", "cpu", "--only", "coarse", "walk"]) == 1
    shown = capsys.readouterr()
    assert shown.out == "" and shown.err.count("\n") == 1
    assert shown.err.startswith(
        "error: --only: 'walk' is unknown; expected some of coarse, fusion, coarse-backward"
    )


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--preset", "huge"], "--preset: 'huge' is unknown; expected one of tiny, small, paper"),
        (["--precision", "fp8"], "--precision: 'fp8' is unknown; expected one of fp32, bf16"),
        (["--device", "tpu"], "device: 'tpu' is unknown; expected auto, cpu, cuda"),
        (["--batch", "0"], "--batch: 0; expected 1 or more"),
        (["--repeats", "0"], "--repeats: 0; expected 1 or more"),
    ],
)
def test_wrong_arguments_are_refused_in_one_line(words, message, capsys):
    assert main(["bench", "--device", "cpu", *words]) == 1
    error = capsys.readouterr().err
    assert error.startswith(f"error: {message}") and error.count("\n") == 1


def test_a_stage_that_fails_has_a_row_and_the_others_go_on(monkeypatch):
    def broken(settings, scene):
        raise OSError("resources/standin/core.npz is missing")

    monkeypatch.setitem(STAGES, "coarse", broken)
    rows = list(rows_of(bench(Settings("tiny", repeats=1)), ["coarse", "volume"], Rates(1.0, 1.0)))
    assert rows[0].note == "resources/standin/core.npz is missing" and rows[0].seconds is None
    assert rows[1].stage == "volume" and rows[1].seconds > 0


def test_bf16_is_timed_beside_eager_float32():
    rows = list(
        rows_of(bench(Settings("tiny", precision="bf16", repeats=1)), ["coarse"], Rates(1e11, 1e10))
    )
    assert [row.way for row in rows] == ["bf16", "eager fp32"] and all(row.seconds for row in rows)
    assert rows[0].floor == rows[1].floor


def test_a_larger_batch_is_more_work(scene):
    one, two = (STAGES["training"](Settings("tiny", samples=n), scene)[0].make() for n in (1, 2))
    assert count_flops(two.counted) == pytest.approx(2 * count_flops(one.counted), rel=0.1)
    assert one.bytes < two.bytes < 2 * one.bytes  # the weights are moved once
    assert (one.samples, two.samples) == (1, 2)


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("tiny", "config/hgm/tiny.yaml"),
        ("small", "config.yaml"),
        ("paper", "config/hgm/thuman2.yaml"),
    ],
)
def test_sizes_are_those_of_the_configurations(monkeypatch, name, file):
    monkeypatch.undo()
    sizes = PRESETS[name]
    given = configuration.load(ROOT / file)
    samples = given.coarse.batch * given.coarse.accumulate  # of a step; GPUs share them
    assert (given.network.preset, samples, given.coarse.supervised) == (
        name,
        sizes.batch,
        sizes.supervised,
    )
    assert given.rendering.size == sizes.network().input_size
    for key in ("steps", "strength", "guidance", "control_scale", "prompt", "negative_prompt"):
        assert getattr(given.back_view, key) == getattr(sizes.back_view, key)
    assert list(sizes.normals) == given.normals.channels
    assert sizes.mesh == given.mesh
    assert (given.base.folder is not None) == (sizes.base is None)
    if sizes.base is not None:
        for key in (
            "vae_channels",
            "vae_layers",
            "latent_channels",
            "unet_channels",
            "unet_layers",
            "heads",
            "text_width",
        ):
            assert getattr(sizes.base, key) == getattr(given.base, key), key
