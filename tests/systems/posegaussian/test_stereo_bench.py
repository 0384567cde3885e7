"""What `hgm bench --system posegaussian` times: every stage runs, both correlations are one, and
the wall that is matched has the flow that it says."""

import pytest
import torch

from hgm.errors import InputError
from hgm.systems.posegaussian.batches import StereoBatch
from hgm.systems.posegaussian.bench.scene import DISTANCE, Scene
from hgm.systems.posegaussian.bench.settings import Settings
from hgm.systems.posegaussian.bench.stages import STAGES
from hgm.systems.posegaussian.surface import Surface


@pytest.fixture(scope="module")
def scene():
    return Scene.of(Settings("tiny"))


@pytest.mark.parametrize("stage", ["depth", "maps", "disparity", "gaussians", "view"])
def test_a_stage_runs(scene, stage):
    [way] = STAGES[stage](scene.settings, scene)
    result = way.make().run()
    if stage in ("depth", "maps", "view"):
        assert result.isfinite().all() and result.any()
    if stage == "gaussians":
        assert len(result[0]) == (scene.pair.masks > 127).sum()


def test_both_correlations_have_the_same_gradient(scene):
    gathered, sampled = (way.make().run() for way in STAGES["correlation"](scene.settings, scene))
    assert float(gathered.abs().max()) > 0
    torch.testing.assert_close(
        gathered, sampled, rtol=1e-4, atol=1e-4 * float(gathered.abs().max())
    )


def test_both_views_see_the_same_wall(scene):
    batch = StereoBatch.of([scene.pair])
    inverse_depth = batch.inverse_depth(batch.flow)
    left, right = (Surface.of(batch, inverse_depth, view) for view in (0, 1))
    torch.testing.assert_close(left.points, right.points)
    torch.testing.assert_close(left.depths, torch.full_like(left.depths, DISTANCE))
    pixels, _ = scene.between.project(left.points)
    assert abs(float(pixels[0].mean()) - scene.pair.size) < 1  # in the middle


def test_an_option_that_pairs_do_not_have_is_refused():
    for options in ({"preset": "large"}, {"precision": "fp16"}, {"compile": True}, {"samples": 0}):
        with pytest.raises(InputError, match=r"^--[a-z]+"):
            Settings(**{"preset": "tiny", **options})
