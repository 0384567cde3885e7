"""Configuration: the published sizes to the parameter, presets, JSON and one-line errors."""

import json

import pytest
import torch

from hgm.errors import InputError
from hgm.nets.widths import UNetWidths
from hgm.systems.hgm.networks.config import HGMConfig
from hgm.systems.hgm.networks.hgm import HGM


@pytest.mark.parametrize("views", [1, 2])
def test_paper_preset_has_the_published_parameter_counts(views: int) -> None:
    with torch.device("meta"):
        model = HGM(HGMConfig.paper(views=views))
    assert model.parameter_table() == {
        "unet": 415_053_916,
        "unet_output": 210,
        "merge": 108_453_134,
        "image_encoder": 8_895_872,
        "tokens": 335_200,
        "attention": 4_160,
        "body_head": 108_410_126,
        "sparse": 387_968,
    }
    assert (
        sum(p.numel() for p in model.parameters())
        == sum(model.parameter_table().values())
        == 641_540_586
    )
    assert model.config.merge_channels == 259
    assert model.config.gaussians == views * 65_536


def test_spare_layers_are_the_only_difference_to_the_network_that_runs() -> None:
    with torch.device("meta"):
        lean = HGM(HGMConfig.paper(spare_layers=False)).parameter_table()["unet"]
    # spec: two output layers that are declared and never called
    assert 415_053_916 - lean == 11_278


def test_merge_network_without_body_takes_128_channels_less() -> None:
    with torch.device("meta"):
        model = HGM(HGMConfig.paper(use_body=False))
    assert model.merge.conv_in.weight.shape[1] == 259 - 128
    assert set(model.parameter_table()) == {"unet", "unet_output", "merge"}


@pytest.mark.parametrize("preset", [HGMConfig.paper, HGMConfig.small, HGMConfig.tiny])
def test_json_round_trip(preset) -> None:
    config = preset(2, legacy=True)
    assert HGMConfig.from_json(json.loads(json.dumps(config.to_json()))) == config


def test_foreign_json_is_refused_in_one_line() -> None:
    data = HGMConfig.tiny().to_json()
    with pytest.raises(InputError, match=r"'color' is unknown"):
        HGMConfig.from_json({**data, "color": 1})
    data.pop("unet")
    with pytest.raises(InputError, match="unet"):
        HGMConfig.from_json(data)


def test_unusable_widths_are_refused() -> None:
    with pytest.raises(InputError, match="input_size: 100 is not a multiple of 16"):
        HGMConfig.small(input_size=100)
    with pytest.raises(InputError, match="20 channels"):
        UNetWidths(
            down=(20, 32),
            down_attention=(False, False),
            up=(32,),
            up_attention=(False,),
            groups=8,
            heads=4,
        )
    with pytest.raises(InputError, match="body_head"):
        HGMConfig.tiny(body_head="resnet")


def test_small_preset_has_two_surfaces_of_one_view_or_one_of_two() -> None:
    for views in (1, 2):
        config = HGMConfig.small(views)
        assert (config.input_size, config.surfaces) == (128, 3 - views)
        assert config.gaussians == 4096  # two for each eighth pixel, which people cover
        assert HGMConfig.small(views, surfaces=0).gaussians == views * 4096
    assert HGMConfig.paper().surfaces == 0
    with pytest.raises(InputError, match="surfaces: expected 0, 1 or 2, got 3"):
        HGMConfig.tiny(surfaces=3)


def test_the_networks_are_the_face_of_the_system():
    from hgm.systems import hgm

    assert hgm.HGMConfig is HGMConfig and hgm.HGM.__module__ == "hgm.systems.hgm.networks.hgm"
    with pytest.raises(AttributeError, match="nothing"):
        hgm.nothing  # noqa: B018
