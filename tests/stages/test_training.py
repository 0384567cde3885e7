"""Coarse and fusion training at the smallest size: what is written, where it starts, what it learns."""

import pytest
import torch

from hgm.nets import HGM, HGMConfig
from hgm.nets.weights import read_tensors, save_tensors
from hgm.stages.setup import network, training
from hgm.stages.training import EARLY, BackViews, Training, augment_back, load_hgm, train_hgm
from hgm.train.data import Sampling, ScanStore, batch_of
from hgm.train.loop import Optimisation
from hgm.views import save_image


def small(rendered, stage="coarse", **changes) -> Training:
    inputs = (0,) if stage == "coarse" else (0, 6)
    values = {"stage": stage, "scans": rendered, "validation": rendered[:1], "optimisation": Optimisation(steps=12, lr=1e-3),
              "sampling": Sampling(size=64, render_size=64, supervised=2, inputs=inputs), "validate_every": 6, "early": 0.5}
    return Training(**{**values, **changes})


def test_coarse_training_writes_its_products_and_learns(rendered, tmp_path):
    history = train_hgm(HGMConfig.tiny(), small(rendered), tmp_path / "coarse", tmp_path / "state")
    for name in ("weights.safetensors", "model.json", "history.tsv", EARLY, "validation/step_000006.png"):
        assert (tmp_path / "coarse" / name).stat().st_size > 0
    assert history[-1]["validation_psnr"] > history[5]["validation_psnr"]
    final, early = (load_hgm(tmp_path / "coarse", weights=w) for w in ("weights.safetensors", EARLY))
    assert any(not torch.equal(a, b) for a, b in zip(final.parameters(), early.parameters(), strict=True))
    assert not any(p.requires_grad for p in final.parameters()) and not final.training


def test_fusion_starts_from_the_coarse_weights(rendered, tmp_path):
    train_hgm(HGMConfig.tiny(), small(rendered, optimisation=Optimisation(steps=2, lr=1e-3)), tmp_path / "coarse", tmp_path / "a")
    frozen = small(rendered, "fusion", optimisation=Optimisation(steps=1, lr=1e-12, weight_decay=0.0), early=0.0, validate_every=0)
    train_hgm(HGMConfig.tiny(views=2), frozen, tmp_path / "fusion", tmp_path / "b", init=tmp_path / "coarse/weights.safetensors")
    before, after = (read_tensors(tmp_path / d / "weights.safetensors") for d in ("coarse", "fusion"))
    learned = [k for k in before if "running" not in k and "num_batches" not in k]
    assert all(torch.allclose(before[k], after[k], atol=1e-6) for k in learned)


@pytest.mark.parametrize("body", [True, False])
def test_coarse_training_starts_from_lgm(rendered, tmp_path, body):
    config = HGMConfig.tiny(use_body=body)
    lgm = {k: torch.rand_like(v) for k, v in HGM(config).state_dict().items() if k.startswith(("unet.", "conv."))}
    save_tensors({**lgm, "lpips_loss.x": torch.zeros(1)}, tmp_path / "lgm.safetensors")
    frozen = small(rendered, optimisation=Optimisation(steps=1, lr=1e-12, weight_decay=0.0), early=0.0, validate_every=0)
    train_hgm(config, frozen, tmp_path / "coarse", tmp_path / "state", lgm=tmp_path / "lgm.safetensors")
    trained = read_tensors(tmp_path / "coarse/weights.safetensors")
    assert all(torch.allclose(trained[k], tensor, atol=1e-6) for k, tensor in lgm.items())


def test_the_back_view_is_replaced_and_disturbed_and_nothing_else(rendered, tmp_path):
    store = ScanStore(rendered)
    batch = batch_of(store, [0, 1], Sampling(size=64, render_size=64, inputs=(0, 6), supervised=2), None)
    grey = torch.full((3, 64, 64), 0.4)
    for folder in rendered:
        save_image(tmp_path / folder.name / "condition.png", grey)
    given = augment_back(batch, rendered, BackViews(tmp_path, 1.0, 0.0, 0.0), torch.Generator().manual_seed(0))
    assert torch.allclose(given.images[:, 1], grey.expand(2, 3, 64, 64), atol=1 / 255)
    assert torch.equal(given.images[:, 0], batch.images[:, 0])
    assert torch.equal(given.cameras.world_to_camera, batch.cameras.world_to_camera)
    moved = augment_back(batch, rendered, BackViews(None, 0.0, 1.0, 1.0), torch.Generator().manual_seed(0))
    assert not torch.equal(moved.images[:, 1], batch.images[:, 1]) and torch.equal(moved.images[:, 0], batch.images[:, 0])
    assert not torch.equal(moved.cameras.world_to_camera[:, 1], batch.cameras.world_to_camera[:, 1])
    assert torch.equal(moved.cameras.world_to_camera[:, 0], batch.cameras.world_to_camera[:, 0])


def test_settings_come_from_the_configuration():
    from hgm.config import resolve

    config = resolve({"coarse": {"steps": 7, "lr": 0.01}, "network": {"preset": "tiny", "overrides": {"voxel": 0.05}}})
    made = training(config, "coarse", [], [], device="cpu")
    assert made.optimisation.steps == 7 and made.optimisation.lr == 0.01 and made.sampling.inputs == (0,)
    nets = network(config["network"], 64, views=2, body=False)
    assert nets.voxel == 0.05 and nets.views == 2 and not nets.use_body
