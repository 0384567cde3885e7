"""PIXIE and PyMAF-X as jobs: stand-ins of the programs write the true fits, and everything goes
wrong that can."""

import importlib
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from estimator_checkouts import calls, change, write_checkout
from hostile_names import NAME

from hgm.body.estimators.programs import PROGRAMS, Installed, picture_name
from hgm.body.estimators.running import run_program
from hgm.body.files import load_body
from hgm.core.isolation import isolated
from hgm.core.job import Job
from hgm.core.manifests import read_json, write_json
from hgm.errors import InputError, Interrupted
from hgm.images.photos.sources import find_photos
from hgm.systems.hgm.bodies import joint_errors
from hgm.systems.hgm.estimators import estimate_photos, people_folder, run_job

SUBJECTS = ("0505", "0506", "0507")


@pytest.fixture
def views(rendered, tmp_path) -> Path:
    """The manifest of a chunk of three people, the third a copy of the first, in a folder of a
    hostile name."""
    folder = tmp_path / NAME / "views/test000"
    for name, source in zip(SUBJECTS, (rendered[0], rendered[1], rendered[0]), strict=True):
        shutil.copytree(source, folder / name)
    write_json(folder / "manifest.json", {"members": dict.fromkeys(SUBJECTS, "key")})
    return folder / "manifest.json"


def job(
    views: Path, checkout: Path, name: str, *, photos: tuple[Path, ...] = (), minutes: float = 5.0
) -> Job:
    results = views.parents[2]
    section = {
        "source": name,
        name: str(checkout),
        f"{name}_python": ".venv/bin/python",
        "minutes": minutes,
    }
    log = results / f"logs/{name}.log"
    log.parent.mkdir(exist_ok=True)
    people = "photos" if photos else "test000"
    program = [str(checkout / file) for file in PROGRAMS[name].needs]
    return Job(
        f"estimate_{name}",
        {
            "program": program,
            "views": [] if photos else str(views),
            "photos": [str(p) for p in photos],
        },
        {"manifest": str(results / f"bodies/{name}/{people}.json")},
        {"device": "cpu", "estimate": section, "code": "c"},
        log=str(log),
    )


def run(views: Path, checkout: Path, name: str, **more) -> dict[str, dict[str, str]]:
    """The job as its script does it; returns the manifest."""
    asked = job(views, checkout, name, **more)
    write_json(asked.path("manifest"), run_job(asked, name).manifest(asked.rule))
    return read_json(asked.path("manifest"))


def estimated(views: Path, name: str) -> dict[str, dict[str, str]]:
    """The manifest of the rule `estimate` after it, and its bodies in bodies/estimated."""
    results = views.parents[2]
    out = results / "bodies/estimated/test000.json"
    scans = {"models": str(results / "models"), "gender": "male", "source": "thuman2"}
    section = {"source": name, "folder": None, "mpjpe_mm": 80.0}
    importlib.import_module("scripts.hgm.estimate").main(
        Job(
            "estimate",
            {
                "views": str(views),
                "models": [],
                "bodies": str(results / f"bodies/{name}/test000.json"),
            },
            {"manifest": str(out)},
            {"seed": 1, "estimate": section, "source": name, "scans": scans, "code": "c"},
            log=str(results / "logs/estimate.log"),
        )
    )
    return read_json(out)


@pytest.fixture
def models(views) -> None:
    from synthetic_scans import write_male_model

    write_male_model(views.parents[2] / "models")


@pytest.mark.parametrize(("name", "title"), [("pixie", "PIXIE"), ("pymafx", "PyMAF-X")])
def test_the_bodies_that_a_program_sees_are_those_that_the_refinement_starts_from(
    views, models, tmp_path, name, title, monkeypatch
):
    for variable, value in isolated().items():  # as in a job
        monkeypatch.setenv(variable, value)
    checkout = write_checkout(tmp_path / "checkout", name, views.parents[1])
    assert set(run(views, checkout, name)["members"]) == set(SUBJECTS) and calls(checkout) == list(
        SUBJECTS
    )
    assert "told []" in Path(str(job(views, checkout, name).log)).read_text()
    assert set(estimated(views, name)["members"]) == set(SUBJECTS)
    for subject in SUBJECTS:
        body = load_body(views.parents[2] / "bodies/estimated" / subject / "smplx.npz")
        truth = load_body(views.parent / subject / "smplx.npz")
        assert str(body["source"]) == f"given: {title}"
        # the weak perspective changes nothing at the pelvis
        assert joint_errors(body, truth)["mpjpe_mm"] < 0.5
    run(views, checkout, name)
    assert calls(checkout) == []  # all is done
    (checkout / PROGRAMS[name].needs[-1]).write_bytes(b"PK other weights")
    run(views, checkout, name)
    assert calls(checkout) == list(SUBJECTS)


@pytest.mark.parametrize("name", ["pixie", "pymafx"])
def test_whoever_a_program_finds_nobody_for_is_set_aside_with_the_reason(
    views, models, tmp_path, name
):
    checkout = write_checkout(tmp_path / "checkout", name, views.parents[1], nobody=["0506"])
    found = run(views, checkout, name)
    assert set(found["members"]) == {"0505", "0507"} and set(found["failed"]) == {"0506"}
    reason = found["failed"]["0506"]
    assert (
        "wrote no 0506/0506_param.pkl" if name == "pixie" else "nobody of photo 0506"
    ) in reason and "hgm-estimator-" not in reason
    after = estimated(views, name)
    assert set(after["members"]) == {"0505", "0507"} and after["failed"] == {"0506": reason}
    change(checkout, nobody=[])
    assert set(run(views, checkout, name)["members"]) == set(SUBJECTS) and set(
        estimated(views, name)["members"]
    ) == set(SUBJECTS)


@pytest.fixture(scope="module")
def ready(rendered, tmp_path_factory) -> str:
    """PIXIE's results for all of them, to be copied."""
    folder = tmp_path_factory.mktemp("ready")
    for name in SUBJECTS:
        (folder / "pictures").mkdir(exist_ok=True)
        shutil.copyfile(rendered[0] / "rgb_00.png", folder / f"pictures/{name}.png")
    checkout = write_checkout(folder / "checkout", "pixie", folder)
    command = PROGRAMS["pixie"].command(checkout / ".venv/bin/python", folder, "cpu")
    ended = run_program(command, cwd=checkout, log=folder / "log", seconds=600)
    assert ended.code == 0, ended.last
    return str(folder / "results")


@pytest.mark.parametrize("at", SUBJECTS)
def test_a_picture_that_a_program_dies_of_is_set_aside_and_the_others_go_on(
    views, ready, tmp_path, at
):
    checkout = write_checkout(
        tmp_path / "checkout", "pixie", views.parents[1], ready=ready, crash=[at]
    )
    found = run(views, checkout, "pixie")
    assert set(found["members"]) == set(SUBJECTS) - {at}
    assert (
        f"ended with status 1 (RuntimeError: no crop can be made of it) at the picture of {at}"
        in found["failed"][at]
    )


def test_a_picture_that_takes_too_long_is_set_aside(views, ready, tmp_path):
    checkout = write_checkout(
        tmp_path / "checkout", "pixie", views.parents[1], ready=ready, hang=["0507"]
    )
    found = run(views, checkout, "pixie", minutes=0.1)
    assert (
        set(found["members"]) == {"0505", "0506"}
        and "was still not done when its time was up" in found["failed"]["0507"]
    )


def test_a_cut_file_is_not_taken(views, ready, tmp_path):
    cut = shutil.copytree(ready, tmp_path / "cut")
    file = cut / "0507/0507_prediction.pkl"
    file.write_bytes(file.read_bytes()[:1000])
    checkout = write_checkout(tmp_path / "checkout", "pixie", views.parents[1], ready=str(cut))
    assert (
        "left nothing of use: 0507/0507_prediction.pkl: not a readable pickle"
        in run(views, checkout, "pixie")["failed"]["0507"]
    )


def test_a_killed_program_fails_the_job_and_the_next_attempt_makes_up(views, ready, tmp_path):
    checkout = write_checkout(
        tmp_path / "checkout", "pixie", views.parents[1], ready=ready, kill=["0506"]
    )
    with pytest.raises(Interrupted, match="PIXIE was ended by SIGKILL"):
        run(views, checkout, "pixie")
    assert (
        calls(checkout) == ["0505", "0506"]
        and not job(views, checkout, "pixie").path("manifest").exists()
    )
    assert set(run(views, checkout, "pixie")["members"]) == set(SUBJECTS)
    assert calls(checkout) == ["0506", "0507"]


def test_a_program_that_does_not_work_is_one_line(views, tmp_path):
    checkout = write_checkout(
        tmp_path / "checkout", "pixie", views.parents[1], ready="nowhere", broken=True
    )
    with pytest.raises(
        InputError,
        match=r"PIXIE ended with status 1 \(ModuleNotFoundError: .* 'kornia'\); "
        r"all that it said is in",
    ):
        run(views, checkout, "pixie")


def test_photos_get_bodies_where_none_lies_beside_them(views, rendered, tmp_path):
    checkout = write_checkout(tmp_path / "checkout", "pixie", views.parents[1], nobody=["bob"])
    folder = tmp_path / "photos"
    folder.mkdir()
    for name in ("ann", "bob", "x.y *"):
        shutil.copyfile(rendered[0] / "rgb_00.png", folder / f"{name}.png")
    shutil.copyfile(rendered[0] / "rgb_00.png", folder / "0505.png")
    shutil.copyfile(rendered[0] / "smplx.npz", folder / "0505.npz")
    (folder / "torn.png").write_bytes(b"no picture")
    found = run(views, checkout, "pixie", photos=tuple(sorted(folder.iterdir())))
    assert set(found["members"]) == {"ann", "x.y *"} and set(found["failed"]) == {"bob", "torn"}
    there = (
        people_folder(job(views, checkout, "pixie", photos=(folder,)).path("manifest")) / "x.y *"
    )
    assert len(list(there.rglob("*_param.pkl"))) == 1 and "0505" not in calls(checkout)

    section = job(views, checkout, "pixie").params["estimate"]
    photos = {
        p.name: p
        for p in estimate_photos(
            find_photos([folder]), "pixie", section, tmp_path / "out", device="cpu"
        )
    }
    assert photos["0505"].body == folder / "0505.npz" and photos["ann"].subject == "ann"
    assert photos["x.y *"].subject == picture_name("x.y *") and photos["x.y *"].body.is_file()
    assert "wrote no" in photos["bob"].lacks and "torn.png" in photos["torn"].lacks
    absent = estimate_photos(
        find_photos([folder]), "pixie", {**section, "pixie": None}, tmp_path / "out", device="cpu"
    )
    assert {p.name for p in absent if "estimate.pixie: null" in p.lacks} == {
        "ann",
        "bob",
        "x.y *",
        "torn",
    }


@pytest.mark.parametrize(
    ("gone", "words"),
    [
        ("", r"estimate\.pixie: null; PIXIE is to estimate"),
        ("data/pixie_model.tar", r"estimate\.pixie: .*pixie_model\.tar does not exist"),
        (".venv/bin/python", r"estimate\.pixie_python: .*bin/python is no program"),
    ],
)
def test_a_checkout_that_is_not_whole_is_one_line(tmp_path, gone, words):
    checkout = write_checkout(tmp_path, "pixie", tmp_path)
    section = {"pixie": str(checkout) if gone else None, "pixie_python": ".venv/bin/python"}
    if gone:
        (checkout / gone).unlink()
    with pytest.raises(InputError, match=words):
        Installed.of("pixie", section)


PARENT = """
import sys
from pathlib import Path
from hgm.body.estimators.running import run_program
run_program([sys.executable, "-c", sys.argv[1]], cwd=Path("."), log=Path("log"), seconds=600)
"""
CHILD = (
    "import os, time; open('pid.part', 'w').write(str(os.getpid())); os.rename('pid.part', "
    "'pid'); time.sleep(600)"
)


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def wait_for(condition) -> bool:
    for _ in range(600):
        if condition():
            return True
        time.sleep(0.1)
    return False


def test_a_program_does_not_outlive_its_job(tmp_path):
    parent = subprocess.Popen([sys.executable, "-c", PARENT, CHILD], cwd=tmp_path)
    assert wait_for((tmp_path / "pid").exists)
    child = int((tmp_path / "pid").read_text())
    assert alive(child)
    os.kill(parent.pid, signal.SIGKILL)
    parent.wait()
    assert wait_for(lambda: not alive(child))


def test_all_that_a_program_started_ends_with_it(tmp_path):
    code = (
        f"import subprocess, sys; subprocess.Popen([sys.executable, '-c', {CHILD!r}]); "
        "print('begun'); time = __import__('time')"
    )
    code += "\nimport os\nwhile not os.path.exists('pid'): time.sleep(0.05)"
    ended = run_program(
        [sys.executable, "-c", code], cwd=tmp_path, log=tmp_path / "log", seconds=60
    )
    assert (ended.code, ended.last, ended.stopped) == (0, "begun", False)
    assert wait_for(lambda: not alive(int((tmp_path / "pid").read_text())))


def test_the_folder_of_the_interpreter_comes_first(tmp_path):
    code = "import os; print(os.environ['PATH'].split(':')[0], os.getcwd())"
    ended = run_program(
        [sys.executable, "-c", code], cwd=tmp_path, log=tmp_path / "log", seconds=60
    )
    assert ended.last == f"{Path(sys.executable).parent} {tmp_path}"


def test_memory_that_ran_out_is_nobodys_fault(tmp_path):
    ended = run_program(
        [sys.executable, "-c", "raise MemoryError"], cwd=tmp_path, log=tmp_path / "log", seconds=60
    )
    assert ended.stopped and ended.code == 1
