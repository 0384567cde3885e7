"""The network on a pretended CUDA device: trained twice, loaded, and its Gaussians shown, with all
that it needs on the device."""

import dataclasses

import pytest
import torch
from ball_pairs import Knowing, ball_pair, view_between
from pretended_cuda import pretended_cuda, quick_splatting
from stereo_scenes import Slopes, slope

from hgm.metrics.lpips import LPIPS
from hgm.systems.posegaussian.batches import StereoBatch
from hgm.systems.posegaussian.dataset import NovelView
from hgm.systems.posegaussian.evaluation import Protocol, evaluate_pair
from hgm.systems.posegaussian.network import Design, PoseGaussian
from hgm.systems.posegaussian.novel_views import show_pair
from hgm.systems.posegaussian.pictures import pictures_of
from hgm.systems.posegaussian.settings import Between, Depth, Maps
from hgm.systems.posegaussian.training import Training, train_depth, train_maps
from hgm.systems.posegaussian.widths import WIDTHS


@pytest.mark.parametrize("released", [False, True])
def test_both_trainings_and_the_views_between_run_on_cuda(tmp_path, released):
    design = Design(
        WIDTHS["small"], learned=not released, released=released, iterations=1,
        precision="fp32" if released else "bf16", rotate_by_camera=True,
    )  # fmt: skip
    pairs = Slopes(2, size=32)
    heat = pairs.source_heat if released else None
    training = Training(design, pairs, pairs, heat, device="cuda")
    common = {"steps": 1, "horizon": None, "validate_every": 1}
    with pretended_cuda(), quick_splatting():
        train_depth(training, Depth(batch=1, **common), tmp_path / "depth", tmp_path / "one")
        train_maps(
            training, Maps(batch=2, **common), tmp_path / "depth", tmp_path / "maps",
            tmp_path / "two",
        )  # fmt: skip
        network = PoseGaussian.load(tmp_path / "maps", "cuda")
        batch = StereoBatch.of([slope(32)], "cuda")
        found = network(batch)
        assert found.flows[0].device.type == "cuda"
        # an untrained network may see nobody
        maps = network.maps(batch, found._replace(flows=[batch.flow]))
        sets = network.gaussians(batch, maps)
        picture = pictures_of(sets, batch.cameras[:1]).cpu()
    assert picture.isfinite().all() and picture.any()


def test_pictures_are_measured_on_cuda(tmp_path):
    pair = ball_pair()
    picture, mask, camera = view_between(0.5)
    truths = {3: NovelView(picture, camera, mask, 0.5)}
    show_pair(Knowing(pair), pair, {3: camera}, tmp_path, settings=Between(frames=2))
    protocol = Protocol("none", standin=True, simple=True)
    photos = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    wanted = evaluate_pair(tmp_path, pair, photos, truths, protocol)
    lpips = LPIPS()
    with pretended_cuda(), quick_splatting():
        protocol = dataclasses.replace(protocol, device="cuda", lpips=lpips.to("cuda"))
        found = evaluate_pair(tmp_path, pair, photos, truths, protocol)
    for method in ("warped_points", "copy_nearest", "oracle"):
        one, two = (record["baselines"][method]["views"][0]["full"] for record in (found, wanted))
        assert one["psnr"] == pytest.approx(two["psnr"], abs=1e-3)
        assert one["lpips"] is not None
