"""Coarse and fusion training at the smallest size: what is written, where it starts, what it
learns."""

import csv
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import torch

from hgm.core.manifests import read_json
from hgm.errors import InputError
from hgm.images.views import save_image
from hgm.nets.weights import read_tensors, save_tensors
from hgm.splat import backend_for
from hgm.systems.hgm.data import batch_of, scan_order
from hgm.systems.hgm.networks.config import HGMConfig
from hgm.systems.hgm.networks.hgm import HGM
from hgm.systems.hgm.sections.training import Coarse, Fusion, Loss, Network
from hgm.systems.hgm.setup import network, training
from hgm.systems.hgm.training import EARLY, Training, augment_back, load_hgm, train_hgm
from hgm.train import pictures
from hgm.train.loop import RECORD
from hgm.train.scan_store import ScanStore
from hgm.workflow.configuration import resolve


def small(rendered, stage="coarse", **changes) -> Training:
    values = {
        "steps": 12,
        "lr": 1e-3,
        "accumulate": 1,
        "supervised": 2,
        "validate_every": 6,
        **({"early": 0.5} if stage == "coarse" else {}),
        **changes,
    }
    return Training(
        Coarse(**values) if stage == "coarse" else Fusion(**values),
        rendered,
        rendered[:1],
        size=64,
        network=Network(precision="fp32"),
        loss=Loss(),
    )


def curve(folder, column) -> list[float]:
    """A column of a training's history; steps without a value are 0."""
    with (folder / "history.tsv").open() as file:
        return [float(row[column] or 0) for row in csv.DictReader(file, delimiter="\t")]


def test_coarse_training_writes_its_products_and_learns(rendered, tmp_path):
    train_hgm(HGMConfig.tiny(), small(rendered), tmp_path / "coarse", tmp_path / "state")
    for name in (
        "weights.safetensors",
        "model.json",
        "history.tsv",
        EARLY,
        "validation/step_000006.png",
    ):
        assert (tmp_path / "coarse" / name).stat().st_size > 0
    assert read_json(tmp_path / "coarse" / RECORD) == {
        "backends": {"sparse": ["torch"], "splat": [backend_for("auto", "cpu")]}
    }
    early, final = (row for row in curve(tmp_path / "coarse", "validation_psnr") if row)
    assert final > early
    final, early = (
        load_hgm(tmp_path / "coarse", weights=w) for w in ("weights.safetensors", EARLY)
    )
    assert any(
        not torch.equal(a, b) for a, b in zip(final.parameters(), early.parameters(), strict=True)
    )
    assert not any(p.requires_grad for p in final.parameters()) and not final.training


def test_fusion_starts_from_the_coarse_weights(rendered, tmp_path):
    train_hgm(
        HGMConfig.tiny(),
        small(rendered, steps=2),
        tmp_path / "coarse",
        tmp_path / "a",
    )
    frozen = small(
        rendered,
        "fusion",
        steps=1,
        lr=1e-12,
        weight_decay=0.0,
    )
    train_hgm(
        HGMConfig.tiny(views=2),
        frozen,
        tmp_path / "fusion",
        tmp_path / "b",
        init=tmp_path / "coarse/weights.safetensors",
    )
    before, after = (
        read_tensors(tmp_path / d / "weights.safetensors") for d in ("coarse", "fusion")
    )
    learned = [k for k in before if "running" not in k and "num_batches" not in k]
    # the detail head says one surface of each view, not two
    assert all(torch.allclose(before[k][: len(after[k])], after[k], atol=1e-6) for k in learned)


def test_two_processes_train_as_one_with_the_same_global_batch(rendered, tmp_path):
    """Losses, gradients and running statistics of one step: later ones hold what Adam makes of a
    rounded gradient near zero, a step of full length one way or the other. What processes sum is
    tested in float64 in tests/train/test_distributed.py."""
    states = []
    for gpus in (1, 2):
        made = small(
            rendered,
            steps=1,
            accumulate=2,
            gpus=gpus,
        )
        train_hgm(HGMConfig.tiny(), made, tmp_path / str(gpus), tmp_path / f"state{gpus}")
        states.append(torch.load(tmp_path / f"state{gpus}" / "state.pt", weights_only=True))
    (one,), (two,) = (state["history"] for state in states)
    assert two == pytest.approx(one, rel=1e-4)
    one, two = (
        torch.cat([s["exp_avg"].flatten() for s in state["optimizer"]["state"].values()])
        for state in states
    )
    # Adam's mean after its first step is a tenth of the gradient
    assert (one - two).norm() < 1e-4 * one.norm()
    one, two = ({k: v for k, v in state["module"].items() if "running" in k} for state in states)
    assert one and all(torch.allclose(two[k], v, rtol=1e-4, atol=1e-5) for k, v in one.items())


@dataclass(frozen=True)
class Decoding:
    """In the place of a perceptual loss, which each process makes before it reads a picture: what
    it decodes from then on is noted in a file."""

    file: Path

    def __call__(self, device: str) -> None:
        load = pictures.load_picture

        def noted(folder, kind, index, height, width):
            with self.file.open("a") as file:
                file.write(f"{folder.name} {kind} {index}\n")
            return load(folder, kind, index, height, width)

        pictures.load_picture = noted


def test_processes_that_train_together_decode_a_picture_once(rendered, tmp_path):
    # each process sees both scans
    assert {scan_order(2, 0, epoch)[0] for epoch in range(4)} == {0, 1}
    made = small(
        rendered,
        steps=4,
        accumulate=2,
        gpus=2,
        validate_every=2,
        supervised=12,
    )
    train_hgm(
        HGMConfig.tiny(use_body=False),
        made,
        tmp_path / "out",
        tmp_path / "state",
        perceptual=Decoding(tmp_path / "decoded"),
    )
    expected = [
        f"{folder.name} {kind} {i}"
        for folder in rendered
        for kind in ("rgb", "mask")
        for i in range(12)
    ]
    assert sorted((tmp_path / "decoded").read_text().splitlines()) == sorted(expected)


def test_processes_must_share_the_micro_batches_evenly(rendered, tmp_path):
    with pytest.raises(InputError, match=r"coarse\.gpus: 2 processes cannot share 1"):
        train_hgm(HGMConfig.tiny(), small(rendered, gpus=2), tmp_path / "a", tmp_path / "b")


@pytest.mark.parametrize(("stage", "body"), [("coarse", True), ("coarse", False), ("fusion", True)])
def test_trainings_start_from_lgm(rendered, tmp_path, stage, body):
    # LGM's Gaussians are those of a map
    config = HGMConfig.tiny(use_body=body, views=1 if stage == "coarse" else 2, surfaces=0)
    lgm = {
        k: torch.rand_like(v)
        for k, v in HGM(config).state_dict().items()
        if k.startswith(("unet.", "conv."))
    }
    save_tensors({**lgm, "lpips_loss.x": torch.zeros(1)}, tmp_path / "lgm.safetensors")
    frozen = small(
        rendered,
        stage,
        steps=1,
        lr=1e-12,
        weight_decay=0.0,
        lgm=str(tmp_path / "lgm.safetensors"),
    )
    train_hgm(config, frozen, tmp_path / stage, tmp_path / "state")
    trained = read_tensors(tmp_path / stage / "weights.safetensors")
    assert all(torch.allclose(trained[k], tensor, atol=1e-6) for k, tensor in lgm.items())


def test_the_back_view_is_replaced_and_disturbed_and_nothing_else(rendered, tmp_path):
    store = ScanStore(rendered)
    batch = batch_of(store, [0, 1], inputs=("front", "back"), supervised=2, size=64)
    gray = torch.full((3, 64, 64), 0.4)
    for folder in rendered:
        save_image(tmp_path / folder.name / "condition.png", gray)
        save_image(tmp_path / folder.name / "mask.png", gray[:1] / 2)
    replaced = Fusion(back_share=1.0, distortion=0.0, jitter=0.0)
    given = augment_back(batch, rendered, replaced, tmp_path, torch.Generator().manual_seed(0))
    assert torch.allclose(given.images[:, 1], gray.expand(2, 3, 64, 64), atol=1 / 255)
    assert torch.allclose(given.masks[:, 1], gray[:1] / 2, atol=1 / 255)
    assert torch.equal(given.images[:, 0], batch.images[:, 0])
    assert torch.equal(given.masks[:, 0], batch.masks[:, 0])
    assert torch.equal(given.rays.world_to_camera, batch.cameras.world_to_camera)
    disturbed = Fusion(distortion=1.0, jitter=1.0)
    shape = replace(batch, images=batch.masks.expand(-1, -1, 3, -1, -1))
    moved = augment_back(shape, rendered, disturbed, None, torch.Generator().manual_seed(0))
    # the mask is bent as the picture is
    assert torch.equal(moved.images[:, 1, :1], moved.masks[:, 1])
    moved = augment_back(batch, rendered, disturbed, None, torch.Generator().manual_seed(0))
    assert not torch.equal(moved.images[:, 1], batch.images[:, 1]) and torch.equal(
        moved.images[:, 0], batch.images[:, 0]
    )
    assert not torch.equal(moved.rays.world_to_camera[:, 1], batch.cameras.world_to_camera[:, 1])
    assert torch.equal(moved.rays.world_to_camera[:, 0], batch.cameras.world_to_camera[:, 0])
    # projects the body
    assert torch.equal(moved.cameras.world_to_camera, batch.cameras.world_to_camera)


def test_settings_come_from_the_configuration():
    config = resolve(
        {
            "coarse": {"steps": 7, "lr": 0.01},
            "network": {"preset": "tiny", "overrides": {"voxel": 0.05}},
        }
    )
    made = training(Coarse(**config["coarse"]), config, [], [], device="cpu")
    assert made.section.steps == 7 and made.section.lr == 0.01 and made.inputs == ("front",)
    nets = network(made.network, 64, views=2, body=False)
    assert nets.voxel == 0.05 and nets.views == 2 and not nets.use_body


def test_the_cameras_of_each_scan_are_read_once(rendered, tmp_path, monkeypatch):
    read: Counter[Path] = Counter()
    text = Path.read_text

    def counted(path: Path, *rest, **options) -> str:
        read[path] += path.name == "cameras.json"
        return text(path, *rest, **options)

    monkeypatch.setattr(Path, "read_text", counted)
    apart = replace(small(rendered, steps=2), scans=rendered[1:])
    train_hgm(HGMConfig.tiny(), apart, tmp_path / "out", tmp_path / "state")
    assert +read == Counter(folder / "cameras.json" for folder in rendered)
