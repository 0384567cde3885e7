"""Configurations: what is generated from the settings, what a configuration stands on, and what is
said of a wrong one."""

import json
import re
import subprocess
import sys

import pytest
import yaml
from checkouts import ROOT

from hgm import cli, systems
from hgm.cli import main
from hgm.core.manifests import write_json
from hgm.core.settings import Section
from hgm.errors import InputError
from hgm.systems import DEFAULT, SYSTEMS
from hgm.systems.hgm import settings as config
from hgm.systems.hgm.sections.evaluate import VariantName
from hgm.workflow import config_text, configuration
from hgm.workflow.finished import finished_config

# presets that go on top of another one and keep its run
ON_TOP = ("customhumans", "humman", "pymafx")
PAPER = {"system": "hgm"}  # stands on the paper's values


@pytest.mark.parametrize("system", SYSTEMS)
def test_generated_files_are_up_to_date(system):
    file = configuration.demo_file(system)
    demo = configuration.read(file)
    text = file.read_text()
    assert text == config_text.to_yaml(system, demo), "run `make config`"
    page = (ROOT / f"docs/config/{system}.md").read_text()
    assert page == config_text.to_markdown(system, demo), "run `make config`"
    schema = json.loads((ROOT / f"config/schema/{system}.json").read_text())
    assert schema == config_text.to_schema(system), "run `make config`"


def test_the_demo_says_what_differs_and_nothing_else():
    demo = configuration.read(ROOT / "config.yaml")
    paper = configuration.resolve(PAPER)
    for name, section in demo.items():
        for key, value in section.items():
            assert paper[name][key] != value, f"{name}.{key}"
    assert configuration.resolve({}) == configuration.resolve({**PAPER, **demo_on_paper(demo)})


def demo_on_paper(demo):
    paper = configuration.resolve(PAPER)
    return {name: {**paper[name], **section} for name, section in demo.items()}


def test_the_text_of_a_demo_keeps_its_values_and_says_the_papers():
    values = {
        "refine": {"side": 2.5, "iterations": 45, "cell": 0.02},
        "seed": 3,
        "coarse": {"steps": 37500},
        "scans": {"train": "0000-0003"},
    }
    text = config_text.to_yaml("hgm", values)
    assert yaml.safe_load(text) == {  # in the settings' order, without what equals its default
        "seed": 3,
        "scans": {"train": "0000-0003"},
        "refine": {"cell": 0.02, "side": 2.5},
    }
    assert "  side: 2.5  # weight of the 11 other silhouettes (paper: 1.0)\n" in text
    assert "(not published); default: 0.006\n" in text
    assert list(yaml.safe_load(text)) == ["seed", "scans", "refine"]
    assert config_text.to_yaml("hgm", yaml.safe_load(text)) == text
    for wrong, name in (({"refin": {}}, "refin"), ({"refine": {"sid": 1}}, r"refine\.sid")):
        with pytest.raises(InputError, match=f"^{name}: unknown key in the demo of hgm"):
            config_text.to_yaml("hgm", wrong)


def test_a_default_that_is_the_papers_is_marked_not_repeated():
    """A value typed into a description would be wrong once the default changes."""
    typed = []
    for name, field in config.Config.model_fields.items():
        inner = type(field.default).model_fields if isinstance(field.default, Section) else {}
        for key, one in {name: field, **inner}.items():
            if any(
                f"({who}: {digit}" in one.description
                for who in ("paper", "release")
                for digit in "0123456789"
            ):
                typed.append(key)
    assert typed == []


@pytest.mark.parametrize("path", sorted((ROOT / "config/hgm").glob("*.yaml")), ids=lambda p: p.name)
def test_presets_are_valid(path):
    if path.stem in ON_TOP:
        assert "run" not in configuration.read(path) and configuration.load(path)
    else:
        assert configuration.load(path).run == path.stem


@pytest.mark.parametrize("path", sorted((ROOT / "config/hgm").glob("*.yaml")), ids=lambda p: p.name)
def test_presets_undo_nothing(path):
    """Each key of a preset differs from what the preset stands on."""
    data = configuration.read(path)
    if path.stem in ON_TOP:
        below = configuration.load(ROOT / "config/hgm/thuman2.yaml").model_dump(mode="json")
    else:
        below = configuration.resolve(PAPER if "system" in data else {})
    same = [
        f"{name}.{key}"
        for name, section in data.items()
        if isinstance(section, dict)
        for key, value in section.items()
        if below[name][key] == value and value is not None
    ]
    assert same == []


def test_a_configuration_that_names_its_system_stands_on_the_papers_values(tmp_path, monkeypatch):
    assert configuration.parse({}).rendering.size == 128
    assert configuration.parse(PAPER).rendering.size == 512
    assert configuration.parse({"rendering": {"samples": 2}}).rendering.size == 128
    monkeypatch.chdir(tmp_path)
    (tmp_path / "paper.yaml").write_text("system: hgm\n")
    (tmp_path / "more.yaml").write_text("rendering: {samples: 2}\n")
    both = configuration.read_files([tmp_path / "paper.yaml", tmp_path / "more.yaml"])
    assert (both.rendering.size, both.rendering.samples) == (512, 2)
    # of the working folder: on top of the demo, beneath the files
    (tmp_path / "config.yaml").write_text("rendering: {samples: 3}\nseed: 5\n")
    mine = configuration.read_files([tmp_path / "more.yaml"])
    assert (mine.rendering.size, mine.rendering.samples, mine.seed) == (128, 2, 5)
    assert configuration.read_files([tmp_path / "paper.yaml"]).seed == 10


@pytest.fixture
def two_systems(monkeypatch, tmp_path):
    """HGM and a second system, whose only section is `avatar`, and no other."""
    (tmp_path / "more/systems/other").mkdir(parents=True)
    code = (
        "from hgm.core.settings import Section, described\n"
        "from hgm.workflow.configuration import RunConfig\n"
        "class Avatar(Section):\n"
        "    steps: int = described(7, 'steps (paper)')\n"
        "class Config(RunConfig):\n"
        "    avatar: Avatar = described(Avatar(), 'the avatar')\n"
    )
    (tmp_path / "more/systems/other/__init__.py").write_text("")
    (tmp_path / "more/systems/other/settings.py").write_text(code)
    monkeypatch.setattr(systems, "__path__", [*systems.__path__, str(tmp_path / "more/systems")])
    for module in (systems, configuration, cli):
        monkeypatch.setattr(module, "SYSTEMS", ("hgm", "other"))
    yield
    for name in [name for name in sys.modules if name.startswith("hgm.systems.other")]:
        del sys.modules[name]


def test_a_system_that_is_not_there_is_one_line_with_those_that_are():
    with pytest.raises(
        InputError,
        match=r"^system: 'posegausian' is not known; .* animatable, monogaussian, posegaussian$",
    ):
        configuration.parse({"system": "posegausian"})


def test_a_section_of_another_system_is_named_as_such(two_systems):
    assert configuration.parse({"system": "other", "avatar": {"steps": 3}}).avatar.steps == 3
    with pytest.raises(InputError, match=r"^avatar: a section of other, and .* of system hgm; set"):
        configuration.parse({"system": "hgm", "avatar": {"steps": 3}})
    with pytest.raises(InputError, match=r"^coarse: a section of hgm, and .* of system other; set"):
        configuration.parse({"system": "other", "coarse": {"steps": 3}})


def test_files_of_two_systems_are_refused(two_systems, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.yaml").write_text("system: hgm\n")
    (tmp_path / "b.yaml").write_text("system: other\n")
    assert main(["config", "--check", "a.yaml", "b.yaml"]) == 1
    said = capsys.readouterr().err
    assert said == "error: system: a.yaml is of hgm, b.yaml is of other; one run is of one system\n"


def test_snakemake_refuses_files_of_two_systems_in_one_line(tmp_path):
    for name in ("hgm", "other"):
        (tmp_path / f"{name}.yaml").write_text(f"system: {name}\n")
    done = subprocess.run(
        [
            *(sys.executable, "-m", "snakemake", "--snakefile", ROOT / "Snakefile", "--dry-run"),
            *("--configfile", "hgm.yaml", "other.yaml"),
        ],
        cwd=tmp_path,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    assert done.returncode == 1 and "Traceback" not in done.stdout
    (said,) = [line for line in done.stdout.splitlines() if "one run is of one system" in line]
    assert re.search(
        r"configuration: system: \S*hgm\.yaml is of hgm, \S*other\.yaml is of other;", said
    )


def test_make_says_in_one_line_that_a_system_has_no_demo():
    done = subprocess.run(
        ["make", "--silent", "demo-nobody"], cwd=ROOT, text=True, capture_output=True
    )
    assert done.returncode != 0
    systems = "animatable hgm monogaussian posegaussian"
    assert done.stdout == f"There is no config/nobody/demo.yaml; the systems are: {systems}\n"


def test_the_check_says_the_system(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(ROOT)
    files = ["config/hgm/tiny.yaml"]
    assert main(["config", "--check", *files]) == 0
    assert capsys.readouterr().out == f"{files[0]}: fine, a configuration of system hgm\n"
    assert main(["config"]) == 0
    assert capsys.readouterr().out == (ROOT / "config.yaml").read_text()


def test_a_record_without_a_system_is_of_hgm(tmp_path):
    """What is newer than the record is as in the demo, which such a run stood on."""
    old = configuration.resolve({"run": "old"})
    del old["system"], old["refine"]["lr_last"], old["network"]["precision"]
    write_json(tmp_path / "run.json", {"config": old})
    found = finished_config(tmp_path)
    assert found["system"] == DEFAULT and found["run"] == "old"
    assert found["network"]["precision"] == "fp32"
    write_json(tmp_path / "run.json", {"config": {**old, "system": "gone"}})
    with pytest.raises(InputError, match=r"run\.json: .*system: 'gone' is not known"):
        finished_config(tmp_path)


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

    assert set(get_args(VariantName)) == set(VARIANTS)


def test_the_splatting_backends_are_those_that_exist():
    from typing import get_args

    from hgm.splat import BACKENDS

    assert set(get_args(config.Config.model_fields["splat"].annotation)) == {"auto", *BACKENDS}
