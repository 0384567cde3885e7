"""What `hgm bench --system animatable` times: every stage runs, and a folded avatar films the
same."""

import pytest
import torch

from hgm.bench.flops import count_flops
from hgm.errors import InputError
from hgm.systems.animatable.bench.settings import Settings
from hgm.systems.animatable.bench.stages import STAGES, Scene
from hgm.systems.animatable.sizes import Sizes


@pytest.fixture(scope="module")
def scene() -> Scene:
    return Scene.of(Settings("tiny"))


@pytest.mark.parametrize("stage", ["pretraining", "training"])
def test_a_step_is_one_of_the_training(scene, stage):
    [way] = STAGES[stage](scene.settings, scene)
    work = way.make()
    losses = [float(work.run()) for _ in range(3)]
    assert losses[-1] != losses[0] and all(loss > 0 for loss in losses)


@pytest.mark.parametrize("stage", ["film", "networks"])
def test_all_ways_do_the_same(scene, stage):
    folded, plain = (way.make().run() for way in STAGES[stage](scene.settings, scene))
    torch.testing.assert_close(folded, plain, atol=1e-3, rtol=1e-3)
    assert float(plain.std()) > 0


def test_what_is_counted_are_the_networks(scene):
    folded, _ = STAGES["networks"](scene.settings, scene)
    products = count_flops(folded.make().run) / 2
    config = scene.settings.config
    counted = Sizes.of(config.model_dump()).macs()
    assert 1 < products / counted < 1.5  # with filters and the view's network


def test_an_option_that_avatars_do_not_have_is_refused():
    for options in ({"preset": "large"}, {"precision": "fp16"}, {"compile": True}, {"samples": 2}):
        with pytest.raises(InputError, match=r"^--[a-z]+"):
            Settings(**{"preset": "tiny", **options})
    assert Settings("tiny", precision="bf16").design.precision == "bf16"
