import json

import pytest
import yaml
from checkouts import ROOT

from hgm.errors import InputError
from hgm.systems.hgm import settings as config
from hgm.workflow import config_text, configuration

# presets that go on top of another one and keep its run
ON_TOP = ("customhumans", "humman", "pymafx")


def test_generated_files_are_up_to_date():
    assert (ROOT / "config.yaml").read_text() == config_text.to_yaml("hgm"), "run `make config`"
    assert (ROOT / "docs/config/hgm.md").read_text() == config_text.to_markdown("hgm"), (
        "run `make config`"
    )
    assert json.loads((ROOT / "config/schema/hgm.json").read_text()) == config_text.to_schema(
        "hgm"
    ), "run `make config`"


def test_the_default_file_says_the_defaults():
    assert configuration.resolve(
        yaml.safe_load(config_text.to_yaml("hgm"))
    ) == configuration.resolve({})


@pytest.mark.parametrize("path", sorted((ROOT / "config/hgm").glob("*.yaml")), ids=lambda p: p.name)
def test_presets_are_valid(path):
    if path.stem in ON_TOP:
        assert "run" not in configuration.read(path) and configuration.load(path)
    else:
        assert configuration.load(path).run == path.stem


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ({"coarse": {"step": 1}}, r"coarse\.step: unknown key.*steps"),
        ({"sacns": {}}, r"sacns: unknown key.*scans"),
        ({"coarse": {"steps": "many"}}, r"coarse\.steps: .*integer.*'many'"),
        ({"coarse": {"steps": "700"}}, r"coarse\.steps: .*integer"),
        ({"coarse": {"lr": -1.0}}, r"coarse\.lr: .*greater than 0"),
        ({"scans": {"source": "web"}}, r"scans\.source: .*'standin'"),
        ({"run": "../x"}, "run: .*pattern"),
        ({"evaluate": {"variants": ["half"]}}, r"evaluate\.variants\.0: .*'full'"),
        ({"refine": {"sizes": []}}, r"refine\.sizes: .*at least 1 item"),
        (
            {"refine": {"sizes": [128, 8]}},
            r"refine\.sizes\.1: .*greater than or equal to 16, got 8",
        ),
        ({"refine": {"sizes": [128, 5120]}}, r"refine\.sizes\.1: .*less than or equal to 4096"),
        ({"pairs": {"factors": []}}, r"pairs\.factors: .*at least 1 item"),
        ({"pairs": {"factors": [2, 0]}}, r"pairs\.factors\.1: .*greater than or equal to 1"),
        ({"normals": {"channels": []}}, r"normals\.channels: .*at least 1 item"),
        (
            {"evaluate": {"variants": ["full", "no_body", "full"]}},
            r"evaluate\.variants: .*full stands there twice",
        ),
        ({"estimate": {"pixie": ""}}, r"estimate\.pixie: .*is empty; null stands for none"),
        ({"scans": {"root": ""}}, r"scans\.root: .*is empty"),
        ({"scans": {"models": " "}}, r"scans\.models: .*is empty"),
        ({"images": [""]}, r"images\.0: "),
        ({"estimate": {"pixie_python": ""}}, r"estimate\.pixie_python: "),
        ({"evaluate": {"baselines": {"x": ""}}}, r"evaluate\.baselines\.x: "),
        ({"coarse": {"gpus": 2}}, r"coarse\.gpus: 2 processes cannot share 1 micro-batches"),
        (
            {"device": "cuda:1", "fusion": {"gpus": 2, "accumulate": 2}},
            "device: cuda:1 names one GPU and 2 are asked for",
        ),
        (
            {"coarse": {"lgm": "lgm.safetensors"}},
            r"coarse\.lgm: .*network\.preset: paper, not small",
        ),
        ({"fusion": {"turn": True}}, r"fusion\.turn: .*back_share: 0"),
        ({"refine": {"cell": 1.0}}, r"refine\.cell: .*less than or equal to 0\.1"),
        ({"refine": {"lr_pose": 0.0}}, r"refine\.lr_pose: .*greater than 0"),
    ],
)
def test_a_wrong_value_is_one_line_that_names_the_key(data, words):
    with pytest.raises(InputError, match=words) as caught:
        configuration.parse(data)
    assert "\n" not in str(caught.value)


def test_a_broken_file_is_named(tmp_path):
    (tmp_path / "x.yaml").write_text("a: [")
    with pytest.raises(InputError, match=r"x\.yaml"):
        configuration.load(tmp_path / "x.yaml")
    (tmp_path / "y.yaml").write_text("- 1")
    with pytest.raises(InputError, match="mapping"):
        configuration.load(tmp_path / "y.yaml")


def test_the_variants_are_those_of_the_stages():
    from typing import get_args

    from hgm.systems.hgm.variants import VARIANTS

    assert set(get_args(config.VariantName)) == set(VARIANTS)


def test_the_splatting_backends_are_those_that_exist():
    from typing import get_args

    from hgm.splat import BACKENDS

    assert set(get_args(config.Config.model_fields["splat"].annotation)) == {"auto", *BACKENDS}


def fields(section: type) -> set[str]:
    return set(section.model_fields)


def test_sections_fit_the_settings_of_their_stages():
    """Scripts build a stage's settings from its section, field by field."""
    from dataclasses import fields as of

    from hgm.mesh.extraction import MeshSettings
    from hgm.systems.hgm.back_view.settings import (
        BackViewSettings,
        BaseSettings,
        ControlNetSettings,
    )
    from hgm.systems.hgm.losses import LossWeights
    from hgm.systems.hgm.reconstruction import Output
    from hgm.systems.hgm.refinement import RefineSettings

    def names(settings: type) -> set[str]:
        return {f.name for f in of(settings)}

    assert fields(config.Base) == names(BaseSettings) - {"size"} | {"folder"}
    assert fields(config.ControlNet) == names(ControlNetSettings) | {"tile"}
    assert fields(config.BackView) == names(BackViewSettings)
    assert fields(config.Mesh) == names(MeshSettings) - {"refinement"} | {"refine_steps"}
    assert fields(config.Reconstruct) == names(Output)
    assert fields(config.Refine) == names(RefineSettings)
    assert fields(config.Loss) == names(LossWeights)
