"""The network on a pretended CUDA device: trained twice, loaded, and its Gaussians shown, with all
that it needs on the device."""

import pytest
from pretended_cuda import pretended_cuda, quick_splatting
from stereo_scenes import Slopes, slope

from hgm.systems.posegaussian.batches import StereoBatch
from hgm.systems.posegaussian.network import Design, PoseGaussian
from hgm.systems.posegaussian.pictures import pictures_of
from hgm.systems.posegaussian.settings import Depth, Maps
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
