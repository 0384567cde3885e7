"""What the rules of avatars are told: files, parts, names, sizes; and what is refused."""

import json

import pytest
from checkouts import ROOT

from hgm.errors import InputError
from hgm.systems.animatable.plan import Plan, motion_of
from hgm.systems.animatable.splits import SPLITS
from hgm.workflow import configuration

STANDIN = {"system": "animatable"}


def own(folder, **capture):
    """A configuration of a user's capture."""
    section = {"root": str(folder), "models": str(folder / "models"), "train": "0-3", "test": "4-5"}
    return {"system": "animatable", "capture": {**section, **capture}}


@pytest.fixture
def capture(tmp_path):
    """The files of a user's capture, empty but for the names of its cameras."""
    (tmp_path / "calibration_full.json").write_text(json.dumps({"a": 0, "b": 0, "c": 0}))
    (tmp_path / "smpl_params.npz").touch()
    (tmp_path / "a").mkdir()
    (tmp_path / "a/00000000.jpg").touch()
    return tmp_path


def test_a_stand_in_s_capture_is_made_in_parts():
    plan = Plan({**STANDIN, "standin": {"train_frames": 60, "test_frames": 16}})
    assert plan.parts == ["rig", "train000", "train001", "test000"]
    assert plan.part_frames("rig") == []
    assert plan.part_frames("train001") == list(range(30, 60))
    assert plan.part_frames("test000") == list(range(60, 76))
    every = [f for part in Plan(STANDIN).parts for f in Plan(STANDIN).part_frames(part)]
    assert every == list(range(2500))
    assert plan.capture_files() == [] and plan.pictures() is None
    assert plan.body_files() == ["<results>/standin/models.json"]
    assert plan.people("capture", {"part": "test000"})[0] == "60"


def test_trainings_know_nothing_of_what_is_measured():
    one = Plan({**STANDIN, "standin": {"test_frames": 16}})
    other = Plan({**STANDIN, "standin": {"test_frames": 30}})
    assert one.capture_of("train") == other.capture_of("train")
    assert one.capture_of("test") != other.capture_of("test")
    assert "<results>/capture/test000.json" not in one.capture_parts("train")
    assert set(one.capture_parts("test")) > set(one.capture_parts("train"))
    assert one.film_kind("test") == "test" and one.film_kind("walk") == "train"


def test_frames_and_cameras_of_a_stand_in_are_those_that_it_is_made_with():
    plan = Plan({**STANDIN, "standin": {"cameras": 3, "held_out": 1, "train_frames": 6}})
    assert plan.capture["train"] == "0-5" and plan.capture["held_out"] == ["cam02"]
    assert plan.cameras == ["cam00", "cam01", "cam03"]
    assert plan.splits == list(SPLITS)
    assert plan.views("novel_view") == 1 and plan.views("novel_pose") == 50 * 3


def test_a_user_s_capture_has_its_own_files_and_a_stamp_of_its_pictures(capture):
    plan = Plan(own(capture))
    assert plan.parts and plan.capture_parts("train") == []
    names = ["calibration_full.json", "smpl_params.npz"]
    assert plan.capture_files() == [str(capture / name) for name in names]
    (capture / "missing_img_files.txt").touch()
    assert len(Plan(own(capture)).capture_files()) == 3
    assert plan.body_files() == [str(capture / "models/smplx/SMPLX_NEUTRAL.npz")]
    before = plan.pictures()
    (capture / "a/00000001.jpg").touch()
    assert plan.pictures() != before
    assert plan.cameras == ["a", "b", "c"] and plan.splits == ["novel_pose"]
    apart = Plan(own(capture, held_out=["b"]))
    assert apart.cameras == ["a", "c"] and apart.splits == list(SPLITS)


def test_a_process_that_only_plans_asks_for_no_files_of_a_user(capture, monkeypatch):
    monkeypatch.setenv("HGM_ONLY_ASKED", "1")
    plan = Plan(own(capture))
    assert plan.capture_files() == [] == plan.body_files() and plan.pictures() is None


def test_films_depend_on_the_settings_that_they_use(tmp_path):
    plan = Plan({**STANDIN, "animate": {"motions": ["test", "walk"], "files": ["a/run.npz"]}})
    assert plan.motions == ["test", "walk", "run"]
    assert plan.filming("walk")["seconds"] == 7.2
    assert "seconds" not in plan.filming("test") and "seconds" not in plan.filming("run")
    assert not {"motions", "files"} & set(plan.filming("walk"))
    assert plan.motion_files("run") == ["a/run.npz"] and plan.motion_files("walk") == []
    assert plan.film_frames("walk") == 216 and plan.film_frames("test") == 500
    assert motion_of(str(tmp_path / "zzr/smpl_params.npz")) == "zzr"


def test_a_template_is_made_of_a_file_only():
    assert Plan(STANDIN).template_files() == [] == Plan(STANDIN).mesh_files()
    plan = Plan({**STANDIN, "template": {"source": "file", "file": "coat.ply"}})
    assert plan.mesh_files() == ["coat.ply"] and len(plan.template_files()) == 2


@pytest.mark.parametrize(
    ("data", "told"),
    [
        ({"capture": {"root": "d"}}, r"^capture\.models: a real capture needs SMPL-X"),
        ({"capture": {"models": "m"}}, r"^capture\.models: a stand-in's capture has"),
        (
            {"capture": {"root": "d", "models": "m", "cameras": ["a"], "held_out": ["a"]}},
            r"^capture\.held_out: camera a is in capture\.cameras too",
        ),
        (
            {"capture": {"root": "d", "models": "m", "train": "0-9", "test": "9-12"}},
            r"^capture\.test: frame 9 is in capture\.train too; what is measured must not",
        ),
        ({"capture": {"held_out": ["a"]}}, r"^capture\.cameras, capture\.held_out: a stand-in's"),
        ({"capture": {"root": "d{x}", "models": "m"}}, r"^capture\.root: d\{x\}: holds '\{'"),
        ({"capture": {"train": "5"}}, r"^capture\.train: "),
        ({"template": {"source": "file"}}, r"^template\.file: expected with template\.source"),
        ({"network": {"top": 64, "cap": 32}}, r"^network\.cap: 32 channels at most are fewer"),
        ({"animate": {"motions": ["jump"]}}, r"^animate\.motions: jump is none of walk, "),
        ({"animate": {"files": ["walk.npz"]}}, r"^animate\.files: walk\.npz: its motion is called"),
        ({"animate": {"files": ["a/x.npz", "b/x.npz"]}}, "^animate: two motions are called x"),
        ({"animate": {"view": "above"}}, r"^animate\.view: .*'camera'"),
    ],
)
def test_contradictions_are_refused_in_one_line(data, told):
    with pytest.raises(InputError, match=told) as error:
        Plan({**STANDIN, **data})
    assert "\n" not in str(error.value)


def test_requests_follow_the_sizes():
    small = Plan({**STANDIN, "device": "cpu", "maps": {"size": 128}, "network": {"top": 32}})
    large = Plan({**STANDIN, "device": "cpu"})
    for rule in ("pretrain", "avatar", "animate", "avatar_evaluate"):
        assert small.memory(rule) < large.memory(rule), rule
    assert large.memory("avatar") < 24_000
    assert small.gpus("avatar") == 0 and Plan(STANDIN).gpus("avatar") == 1
    assert Plan(STANDIN).gpus("capture") == 0


PRESETS = ROOT / "config/animatable"
NAMES = ["demo", "tiny", "avatarrex", "thuman4", "actorshq"]


@pytest.mark.parametrize("name", NAMES)
def test_presets_are_valid_and_undo_nothing(name):
    path = PRESETS / f"{name}.yaml"
    assert configuration.read_files([path]).system == "animatable"
    stood_on = configuration.parse(STANDIN).model_dump(mode="json")
    for section, values in configuration.read(path).items():
        for key, value in values.items() if isinstance(values, dict) else ():
            stated = section == "capture" and key in ("train", "test")  # of this data set
            assert stated or stood_on[section][key] != value, f"{section}.{key}"


def test_every_preset_is_tested():
    assert {path.stem for path in PRESETS.glob("*.yaml")} == set(NAMES)
