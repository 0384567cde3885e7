"""The list of assets agrees with the configuration, the rules, the preset and the guide made from
it."""

import re
from pathlib import Path

import pytest
from checkouts import ROOT

from hgm.body.estimators.programs import PROGRAMS
from hgm.errors import InputError
from hgm.systems import SYSTEMS, part
from hgm.workflow.configuration import load, parse
from hgm.workflow.doctor import guide
from hgm.workflow.doctor.checks import CHECKS
from hgm.workflow.doctor.entries import Asset, load_assets

# sections of files: what in a rule says that it reads them
READ_BY = {
    "scans": "plan.sources|chunk_sources|part_sources|run_sources",
    "pairs": "sighting",
    "capture": "capture_of|film_capture",
    "video": "head_files|_clips|test_clip",
    "weights": r'config\["weights"\]',
}
DEFAULTS = [parse({"system": system}) for system in SYSTEMS]


def rules_with_section(section: str) -> set[str]:
    """Rules whose parameters hold a section of the configuration, or which read its files."""
    found = set()
    for path in (ROOT / "rules").glob("*.smk"):
        for name, body in re.findall(
            r"^rule (\w+):\n(.*?)(?=^rule |\Z)", path.read_text(), re.M | re.S
        ):
            settings = re.search(r"settings\((.*?)\)", body, re.S)
            named = re.findall(r'"(\w+)"', settings[1]) if settings else []
            if section in named or re.search(READ_BY.get(section, "^$"), body):
                found.add(name)
    return found


def test_every_key_is_one_of_the_configuration(listed):
    for asset in listed.values():
        for key in ([asset.key] if asset.key else []) + [key for way in asset.when for key in way]:
            section, name = key.split(".")
            assert any(hasattr(getattr(one, section, None), name) for one in DEFAULTS), key


def test_every_check_is_one_that_there_is(listed):
    known = dict(CHECKS)
    for system in SYSTEMS:
        known |= part(system, "doctor").CHECKS
    assert {asset.check for asset in listed.values()} - {None} == set(known)


def test_the_named_rules_get_the_section_of_the_key(listed):
    for asset in listed.values():
        if asset.key:
            assert set(asset.rules) <= rules_with_section(asset.key.split(".")[0]), asset.name
            assert asset.rules
    found = rules_with_section("weights")
    assert set(listed["vgg16"].rules) == found
    # an avatar's loss has the trunk alone
    assert set(listed["lpips_heads"].rules) == found - {"head_avatar"}


def test_every_path_of_the_configuration_is_an_asset(listed):
    """A `str | None` of the configuration is a path that a user brings; each has a row."""
    paths = {
        f"{name}.{key}"
        for default in DEFAULTS
        for name, field in type(default).model_fields.items()
        if hasattr(field.annotation, "model_fields")
        for key, inner in field.annotation.model_fields.items()
        if inner.annotation == str | None
    }
    assert paths == {asset.key for asset in listed.values() if asset.key}


def test_names_are_unique_and_large_free_files_have_a_hash(listed):
    assert len(listed) == len(load_assets())
    for asset in listed.values():
        for file in asset.files:
            assert file.sha256 is not None or file.path.endswith((".json", ".txt")), file.path
            assert not Path(file.path).is_absolute() and ".." not in Path(file.path).parts
            short = re.search(r"-([0-9a-f]{8})\.pth$", file.path)
            assert short is None or file.sha256.startswith(short[1]), file.path


def test_only_what_is_behind_no_gate_is_free(listed):
    free = {asset.name for asset in listed.values() if asset.free}
    assert free == {
        "stable_diffusion",
        "controlnet_tile",
        "vgg16",
        "lpips_heads",
        "inception",
        "lgm",
    }


def test_downloads_land_where_the_preset_looks(listed):
    preset = load(ROOT / guide.PRESET)
    for asset in listed.values():
        if asset.free and asset.needed(preset):
            assert asset.path(preset) == str(asset.place(Path("assets")))


def needs(**sections) -> set[str]:
    return {asset.name for asset in load_assets() if asset.needed(parse(sections))}


def test_what_a_configuration_needs(listed):
    assert needs() == set()
    assert {asset.name for asset in listed.values() if asset.needed(load(ROOT / guide.PRESET))} == {
        "scans",
        "fits",
        "body_model",
        "stable_diffusion",
        "controlnet_tile",
        "vgg16",
        "lpips_heads",
        "inception",
        "pixie",
    }
    assert needs(scans={"models": "m"}) == {"body_model"}
    assert needs(scans={"source": "humman"}) >= {"humman_training", "smpl"} and needs(
        scans={"test_source": "humman"}
    ) >= {"humman"}
    assert needs(estimate={"source": "fits"}) == {"estimates"} and needs(
        estimate={"source": "pixie"}
    ) == {"pixie"}
    assert (
        needs(estimate={"source": "pymafx"})
        == needs(evaluate={"variants": ["full", "pymafx_front_only"]})
        == {"pymafx"}
    )
    assert needs(weights={"vgg16": "v"}) == {"lpips_heads"}  # one without the other is of no use


def test_checkouts_hold_what_the_programs_need(listed):
    for name, program in PROGRAMS.items():
        assert tuple(listed[name].layout) == program.needs and listed[name].title == program.title


def test_the_guide_is_up_to_date():
    assert (ROOT / "docs/data.md").read_text() == guide.to_markdown(), (
        "run `hgm doctor --markdown > docs/data.md`"
    )


def test_the_guide_names_every_asset_key_and_hash(listed):
    text = guide.to_markdown()
    for asset in listed.values():
        assert f"| `{asset.name}` | {asset.title} |" in text
        for file in asset.files:
            assert file.sha256 is None or file.sha256 in text


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("- name: [", "not a readable list"),
        ("name: x", "expected a list of assets, got dict"),
        ("- 3", "asset 0: "),
        ("- {name: x, title: X}", r"asset x: use: Field required"),
        (
            "- {name: x, title: X, use: u, url: null, get: g, gate: null, license: l, when: "
            "[{run: given}]}",
            "asset x: .*a key and a check",
        ),
        (
            "- {name: x, title: X, use: u, url: null, get: g, gate: null, license: l, files: "
            "[{path: f, sha256: 12ab}]}",
            r"files\.0\.sha256",
        ),
    ],
)
def test_a_broken_list_is_one_line(tmp_path, text, words):
    (tmp_path / "assets.yaml").write_text(text)
    with pytest.raises(InputError, match=words) as caught:
        load_assets(tmp_path / "assets.yaml")
    assert "\n" not in str(caught.value) and str(caught.value).startswith(
        str(tmp_path / "assets.yaml")
    )


def test_bytes_that_are_no_text_are_one_line(tmp_path):
    (tmp_path / "assets.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match="not a readable list"):
        load_assets(tmp_path / "assets.yaml")


def test_sizes_are_those_of_the_files():
    row = {
        "name": "x",
        "title": "X",
        "use": "u",
        "url": None,
        "get": "g",
        "gate": None,
        "license": "l",
        "source": "http://x",
    }
    known = Asset.model_validate(
        {**row, "files": [{"path": "a", "bytes": 1_500_000}, {"path": "b", "bytes": 500_000}]}
    )
    unknown = Asset.model_validate(
        {**row, "files": [{"path": "a", "bytes": 1_500_000}, {"path": "b"}]}
    )
    assert (guide.size(known), guide.size(unknown)) == ("2.00 MB", "not published")
