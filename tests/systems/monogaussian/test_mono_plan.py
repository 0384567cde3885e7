"""What the rules of head avatars are told: files, names, sizes; and what is refused."""

import json

import pytest
from checkouts import ROOT

from hgm.errors import InputError
from hgm.systems.monogaussian.plan import Plan
from hgm.workflow import configuration

STANDIN = {"system": "monogaussian"}


def own(folder, **video):
    """A configuration of a user's video."""
    section = {
        "root": str(folder),
        "subject": "me",
        "train": ["talk"],
        "test": "other",
        "models": str(folder / "FLAME2020"),
        **video,
    }
    return {"system": "monogaussian", "video": section}


@pytest.fixture
def video(tmp_path):
    """The files of a user's video, empty but for the lists of frames."""
    for clip, frames in (("talk", 3), ("other", 2)):
        folder = tmp_path / "me/me" / clip
        for kind in ("image", "mask"):
            (folder / kind).mkdir(parents=True)
            for k in range(frames):
                (folder / kind / f"{k + 1}.png").touch()
        (folder / "flame_params.json").write_text(json.dumps({"frames": [{}] * frames}))
    return tmp_path


def test_a_stand_in_brings_no_files_and_its_frames_are_counted():
    plan = Plan(STANDIN)
    path = "<results>/video/subject1/subject1/train/flame_params.json"
    assert plan.standin and plan.clip_files("train") == [path]
    assert plan.made_clip.format(clip="train") == path
    assert plan.head_files() == ["<results>/standin/models/FLAME2020/generic_model.pkl"]
    assert plan.training_frames == 3000 and plan.frames("test") == 750
    assert list(plan.people("head_video", {"clip": "test"}))[-1] == "750"
    assert plan.driver_files("sweep") == [] and plan.driver_files("test") == plan.clip_files("test")


def test_the_test_clip_of_a_stand_in_is_exact():
    plan = Plan({**STANDIN, "standin": {"pose_noise": 3.0, "expression_noise": 0.1}})
    train, test = plan.staging("train"), plan.staging("test")
    assert (train["pose_noise"], test["pose_noise"]) == (3.0, 0.0)
    assert (train["expression_noise"], test["expression_noise"]) == (0.1, 0.0)
    assert (train["held_out_every"], test["held_out_every"]) == (0, 8)


def test_all_files_of_a_users_video_are_inputs(video):
    plan = Plan(own(video))
    assert len(plan.clip_files("talk")) == 7 and plan.training_frames == 3
    assert plan.head_files() == [str(video / "FLAME2020/generic_model.pkl")]
    file = str(video / "head.npz")
    assert Plan(own(video, models=file)).head_files() == [file]


def test_pictures_of_other_cameras_are_inputs_too(video):
    folder = video / "me/me/other"
    (folder / "held_out/left").mkdir(parents=True)
    for name in ("held_out.json", "held_out/left/1.png"):
        (folder / name).touch()
    found = Plan(own(video)).clip_files("other")
    assert len(found) == 7 and str(folder / "held_out/left/1.png") in found


def test_jobs_depend_on_the_settings_that_they_use():
    plan = Plan(STANDIN)
    assert plan.measuring("frozen") == {}
    assert plan.measuring("imavatar") == {"refine_steps": 20, "refine_lr": 5e-4}
    assert plan.filming("orbit") == {"frames": 90, "size": 512, "fps": 30}
    assert plan.filming("test") == {"size": 512, "fps": 30}


def test_a_file_of_another_clip_drives_by_the_name_of_its_folder(video):
    path = str(video / "me/me/other/flame_params.json")
    plan = Plan({**STANDIN, "animate": {"files": [path]}})
    assert plan.drivers == ["sweep", "orbit", "other"] and plan.driver_files("other") == [path]


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (
            {"video": {"test": "train"}},
            r"^video\.test: the clip train is in video\.train too; what is measured must",
        ),
        ({"video": {"train": ["a", "a"]}}, r"^video\.train: a clip is named twice"),
        ({"video": {"root": "data"}}, r"^video\.models: a real video needs FLAME 2020"),
        ({"video": {"root": "d{x}", "models": "m"}}, r"^video\.root: d\{x\}: holds '\{'"),
        ({"animate": {"drivers": ["orbit", "orbit"]}}, "^animate: two drivers are called orbit"),
        (
            {"avatar": {"bands": [{"start": 0.5, "points": 9, "radius": 1.0}]}},
            r"^avatar\.bands: expected rising starts, the first of them 0",
        ),
        (
            {"avatar": {"geometry_width": 32}},
            r"^avatar\.geometry_width: 32 channels leave none beside the 39",
        ),
    ],
)
def test_contradictions_are_refused_in_one_line(data, told):
    with pytest.raises(InputError, match=told) as error:
        Plan({**STANDIN, **data})
    assert "\n" not in str(error.value)


def test_requests_follow_the_sizes():
    small = Plan({**STANDIN, "device": "cpu"})
    bands = [{"start": 0.0, "points": 400, "radius": 0.1}]
    tiny = Plan({**STANDIN, "device": "cpu", "avatar": {"bands": bands}})
    assert tiny.memory("head_avatar") < small.memory("head_avatar")
    assert small.gpus("head_avatar") == 0 and Plan(STANDIN).gpus("head_avatar") == 1


PRESETS = ROOT / "config/monogaussian"


@pytest.mark.parametrize("name", ["demo", "tiny", "paper", "noise"])
def test_presets_are_valid_and_undo_nothing(name):
    paths = [PRESETS / f"{base}.yaml" for base in (["demo"] if name == "noise" else []) + [name]]
    assert configuration.read_files(paths).system == "monogaussian"
    below = configuration.read_files(paths[:-1]) if paths[:-1] else configuration.parse(STANDIN)
    stood_on = below.model_dump(mode="json")
    for section, values in configuration.read(paths[-1]).items():
        for key, value in values.items() if isinstance(values, dict) else ():
            assert stood_on[section][key] != value, f"{section}.{key}"


def test_every_preset_is_tested():
    assert {path.stem for path in PRESETS.glob("*.yaml")} == {"demo", "tiny", "paper", "noise"}
