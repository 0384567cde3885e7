"""The tiny preset, whole: every rule, kills in the middle, a folder of a hostile name, and a second
run that does nothing."""

import json
import os
import platform
import re
import shutil
import signal
import time
from pathlib import Path

import pytest
import torch
import yaml
from cluster import missing, wait_until
from cluster_runs import ON_CLUSTER, ClusterRun
from hostile_names import FOLDER, NAME, PWNED
from workspace import HGM, MARKED, ROOT, TINY, OfItsOwn, Workspace

from hgm.cli import main
from hgm.export.result import find_result
from hgm.export.viewer.scene import load_scene
from hgm.systems.hgm.plan import Plan
from hgm.systems.hgm.requests import ON_DEVICE
from hgm.workflow.configuration import load
from hgm.workflow.jobs import planned_jobs
from hgm.workflow.status import describe, plan_of

LEARNING = ("coarse", "fusion", "base", "controlnet", "normals")
# the variant whose run is killed
ONE = ("--config", "evaluate={variants: [full]}")
VARIANTS = ("full", "no_body", "no_refine", "one_view", "no_diffusion")


@pytest.fixture(scope="module")
def finished(calm, tmp_path_factory) -> Workspace:
    """An undisturbed run of this file's own."""
    return calm.copied_to(tmp_path_factory.mktemp("calm") / "work")


@pytest.fixture(scope="module")
def alone(finished, tmp_path_factory) -> Workspace:
    """What an undisturbed run of one variant has."""
    space = finished.copied_to(tmp_path_factory.mktemp("alone") / "work")
    space.run(*TINY, *ONE, imports=HGM)
    for path in [*space.results.rglob("*no_body*")]:
        shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
    return space


@pytest.fixture(scope="module")
def killed(request, tmp_path_factory) -> Workspace:
    """A run that was killed three times and then finished, on SLURM where there is one, in a folder
    whose name is a trap for shells and patterns."""
    folder = tmp_path_factory.mktemp("killed") / FOLDER
    wanted = (*TINY, *ONE)
    if missing():
        space = OfItsOwn(folder)
    else:
        # without what SLURM refuses
        folder = folder.with_name(FOLDER.replace("%", "").replace("\\", ""))
        space = ClusterRun(request.getfixturevalue("cluster"), folder)
        wanted = (*ON_CLUSTER, *ONE)
    kill_when(space, wanted, "views/train000/0*", 0.5)  # render: one scan done, the others not
    kill_when(space, wanted, "state/coarse/*", 0.2)  # coarse: in its first steps
    kill_when(space, wanted, "state/controlnet/*", 0.2)
    space.run(*wanted)
    assert not isinstance(space, ClusterRun) or len(space.submitted()) > 21
    return Workspace(folder)


def test_every_named_file_is_there(calm, tmp_path):
    """Of a run of every variant of the ablation, gone on with from one of two."""
    space = calm.copied_to(tmp_path / "work")
    variants = f"evaluate={{variants: [{', '.join(VARIANTS)}]}}"
    space.run(*TINY, "--config", variants, imports=HGM)
    results = space.results
    for name in (
        "run.json",
        "scans.tsv",
        "rejected.tsv",
        "coarse/weights.safetensors",
        "coarse/early.safetensors",
        "fusion/history.tsv",
        "controlnet/config.json",
        "base/model_index.json",
        "report/index.html",
    ):
        assert (results / name).stat().st_size > 0, name
    for variant in VARIANTS:
        for name in (
            "smplx.npz",
            "coarse.ply",
            "back.png",
            "gaussians.ply",
            "turntable.mp4",
            "mesh.glb",
            "metrics.json",
        ):
            assert (results / f"subjects/{variant}/0505" / name).stat().st_size > 0, (variant, name)
    for table in ("nvs", "geometry", "ablation", "smplx", "backview", "paper_vs_ours"):
        assert (results / f"tables/{table}.csv").read_text().count("\n") > 1, table


def test_the_status_of_a_finished_run_knows_each_of_its_jobs(finished):
    results = finished.folder / "results/tiny"
    plan = plan_of(results)
    assert describe(plan, results, []).endswith("Finished.\n")
    for job in planned_jobs(plan):
        for name in (
            *job.outputs,
            f"logs/{job.name}.log",
            f"logs/{job.name}.job.json",
            f"benchmarks/{job.name}.jsonl",
        ):
            assert (results / name).is_file(), name
    states = {
        path.relative_to(results / "state").as_posix() for path in (results / "state").glob("*")
    }
    trained = {job.name for job in planned_jobs(plan) if job.rule in LEARNING}
    assert states == trained


def test_a_run_on_stand_ins_says_so(finished):
    results = finished.folder / "results/tiny"
    assert (results / "standin/STANDIN").exists()
    assert "stand-in" in (results / "report/index.html").read_text().lower()
    assert '"standin": true' in (results / "subjects/full/0505/metrics.json").read_text()
    assert "other data set" in (results / "tables/paper_vs_ours.csv").read_text()


def test_a_photo_is_reconstructed_with_the_networks_of_a_finished_run(finished, tmp_path):
    subject = finished.folder / "results/tiny/subjects/full/0505"
    words = ("--run", "results/tiny", "--out", tmp_path / "mine")
    body = ("--body", subject / "smplx.npz")
    done = finished.hgm("reconstruct", subject / "input.png", *body, *words)
    assert done.returncode == 0 and "1 reconstructed, 0 failed" in done.stdout, done.stderr
    made = tmp_path / "mine/input"
    files = ("gaussians.ply", "back.png", "novel_11.png", "turntable.mp4", "smplx.npz", "mesh.glb")
    for name in files:
        assert (made / name).stat().st_size > 0, name
    assert (tmp_path / "mine/index.html").stat().st_size > 0
    seconds = json.loads((made / "metrics.json").read_text())["seconds"]
    assert (
        set(seconds) == {"read", "refine", "coarse", "back_view", "fusion", "write", "mesh"}
        and seconds["fusion"] > 0
    )


def test_packed_views_are_taken_for_its_own_by_another_machine(finished, tmp_path):
    there = Workspace(tmp_path / "there")
    packed = str(tmp_path / "views.zip")
    for space, command in ((finished, ("pack", "--out", packed)), (there, ("unpack", packed))):
        done = space.hgm(*command, "--configfile", "config/hgm/tiny.yaml")
        assert done.returncode == 0, done.stderr
    planned = set(re.findall(r"^(\w+) +\d+$", there.plan(*TINY), re.MULTILINE))
    assert {"coarse", "evaluate", "report"} <= planned and not {
        "standin",
        "catalogue",
        "render",
    } & planned


def test_a_second_run_does_nothing(finished):
    assert "Nothing to be done" in finished.run(*TINY)


def kill_when(space: Workspace, wanted: tuple[str, ...], sign: str, delay: float) -> None:
    """Start a run, wait for a sign of life of a stage, a pattern of its files, then kill all of it
    without warning."""
    process = space.start(*wanted)
    wait_until(
        lambda: any(space.results.glob(sign)) or process.poll() is not None, sign, pause=0.05
    )
    assert process.poll() is None
    time.sleep(delay)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    if isinstance(space, ClusterRun):
        space.cluster.kill_jobs()


def test_killed_runs_in_a_hostile_folder_end_with_the_bytes_of_an_undisturbed_one(alone, killed):
    """Each job of one is a process of its own, those of the other are forks."""
    assert killed.products() == alone.products()
    assert (
        not any(path.name == PWNED for path in killed.folder.parent.rglob("*"))
        and not Path(PWNED).exists()
    )


def test_a_run_leaves_no_secret(calm):
    """Neither environment nor user, host and home folder; logs may name the machine."""
    results = calm.results
    host = platform.node()
    marks = [*MARKED.values(), str(calm.folder.parent), f"{Path.home()}/"]
    pattern = re.compile("|".join(map(re.escape, marks)).encode())
    files = [path for path in results.rglob("*") if path.is_file()]
    found = {
        path.relative_to(results).as_posix() for path in files if pattern.search(path.read_bytes())
    }
    assert found == set()
    for path in (
        results / "run.json",
        results / "report/index.html",
        *results.rglob("manifest.json"),
    ):
        words = re.findall(r"[\w.-]+", re.sub(r"base64,[\w+/=]+", "", path.read_text()))
        assert host not in words, path


def test_the_command_takes_hostile_paths(killed, monkeypatch, capsys):
    """The first is a process of its own, as all of them are to a user."""
    folder = killed.folder / NAME
    run = "results/tiny"
    folder.mkdir()
    subject = killed.folder / run / "subjects/full/0505"
    shutil.copy(subject / "input.png", folder / f"{NAME}.png")
    shutil.copy(subject / "smplx.npz", folder / f"{NAME}.npz")
    changes = folder / f"{NAME}.yaml"
    changes.write_text("{}")
    out = folder / f"-o {NAME}"
    done = OfItsOwn(killed.folder).hgm("reconstruct", folder, "--run", run, "--out", out)
    assert done.returncode == 0 and "1 reconstructed, 0 failed" in done.stdout, done.stderr
    monkeypatch.chdir(killed.folder)

    def said(*words: str | Path) -> str:
        """What a command says that is done well."""
        assert main([*map(str, words)]) == 0, capsys.readouterr().err
        return capsys.readouterr().out

    small = ("--size", "32", "--frames", "2")
    for suffix in (".ply", ".spz", ".glb", ".png", ".gif", ".mp4"):
        result = subject if suffix == ".glb" else out / NAME
        said("export", result, "--out", folder / f"{NAME}{suffix}", *small)
        assert (folder / f"{NAME}{suffix}").stat().st_size > 0
    assert len(load_scene(find_result(out / NAME)).gaussians) > 0
    said("export-views", "results/tiny/views/test000/0505", "--out", folder / "views")
    configuration = ("--configfile", "config/hgm/tiny.yaml", changes)
    said("pack", *configuration, "--out", folder / f"{NAME}.zip")
    monkeypatch.chdir(Workspace(folder / "there").folder)
    said("unpack", folder / f"{NAME}.zip", *configuration)
    monkeypatch.chdir(killed.folder)
    assert "Finished." in said("status", "--run", killed.folder / run)
    assert "MiB" in said("prune", "--run", killed.folder / run, "--dry-run")
    said("replay", killed.folder / run / "logs/record.job.json")
    assert not any(path.name == PWNED for path in killed.folder.parent.rglob("*"))


def test_photos_and_other_methods_of_hostile_names_go_through_the_workflow(killed):
    photos = killed.folder.parent / NAME
    theirs = killed.folder.parent / f"-{NAME}"
    (theirs / "0505").mkdir(parents=True)
    photos.mkdir()
    results = killed.folder / "results/tiny"
    subject = results / "subjects/full/0505"
    shutil.copy(subject / "input.png", photos / f"{NAME}.png")
    shutil.copy(subject / "smplx.npz", photos / f"{NAME}.npz")
    for i in range(12):
        shutil.copy(subject / f"novel_{i:02d}.png", theirs / "0505")
    changes = killed.folder.parent / f"{NAME}.yaml"
    changes.write_text(
        yaml.safe_dump(
            {
                "images": [str(photos)],
                "evaluate": {"variants": ["full"], "baselines": {"sith": str(theirs)}},
            },
            allow_unicode=True,
        )
    )
    killed.run("--configfile", "config/hgm/tiny.yaml", str(changes), "--cores", "2", imports=HGM)
    assert (results / "photos" / NAME / "gaussians.ply").stat().st_size > 0
    assert json.loads((results / "baselines/sith/test000.json").read_text())["failed"] == {}
    assert not any(path.name == PWNED for path in killed.folder.parent.rglob("*"))


def test_a_broken_scan_is_set_aside_and_the_rest_goes_on(finished, tmp_path):
    """The stand-ins of the finished run, one of them without its texture, as a user's own data in a
    folder of a hostile name."""
    space = Workspace(tmp_path / "work")
    own = tmp_path / FOLDER
    shutil.copytree(finished.folder / "results/tiny/standin", own)
    (own / "THuman2.0_Release/0001/material0.jpeg").unlink()
    changes = tmp_path / "own.yaml"
    changes.write_text(
        yaml.safe_dump(
            {"scans": {"source": "thuman2", "root": str(own), "models": str(own / "models")}}
        )
    )
    space.run(
        "--configfile",
        "config/hgm/tiny.yaml",
        str(changes),
        "--cores",
        "2",
        "--until",
        "render",
        imports=HGM,
    )
    results = space.folder / "results/tiny"
    rejected = (results / "rejected.tsv").read_text().splitlines()
    assert (
        len(rejected) == 2 and rejected[1].startswith("0001\t") and "material0.jpeg" in rejected[1]
    )
    assert (results / "views/train000/0000/rgb_11.png").exists() and not (
        results / "views/train000/0001"
    ).exists()


def test_what_reruns_when_something_changes(finished):
    """Numbers of a stage rerun it and what follows; an unrelated number or a touched file reruns
    nothing above it."""

    def planned(changes: str) -> set[str]:
        (finished.folder / "changes.yaml").write_text(changes)
        output = finished.plan(
            "--configfile",
            "config/hgm/tiny.yaml",
            str(finished.folder / "changes.yaml"),
            "--cores",
            "2",
        )
        return {
            line.split()[0]
            for line in output.split("Job stats:")[-1].splitlines()
            if len(line.split()) == 2
        }

    mesh = planned("mesh: {cameras: 9}")
    assert {"mesh", "evaluate", "report"} <= mesh
    assert not {"coarse", "pairs", "fusion", "controlnet", "refine", "base", "render"} & mesh
    fusion = planned("fusion: {steps: 7}")
    assert {"fusion", "reconstruct"} <= fusion and not {
        "coarse",
        "render",
        "base",
        "pairs",
    } & fusion
    os.utime(finished.folder / "results/tiny/views/train000/manifest.json")
    assert "Nothing to be done" in finished.plan(*TINY)


def test_no_job_used_more_memory_than_it_asks_for(killed):
    """As far as Snakemake saw it: it looks now and then, and may miss the peak of a short job."""
    device = "cuda" if torch.cuda.is_available() else "cpu"
    data = load(ROOT / "config/hgm/tiny.yaml").model_dump(mode="json")
    data["evaluate"]["variants"] = ["full"]
    plan = Plan({**data, "device": device})
    folder = killed.results / "benchmarks"
    most: dict[str, float] = {}
    for job in planned_jobs(plan):
        rows = (folder / f"{job.name}.jsonl").read_text().splitlines()
        # MiB; none of a job of a second
        used = [json.loads(row)["max_rss"] * 1.048576 for row in rows if json.loads(row)["max_rss"]]
        most[job.rule] = max([*used, most.get(job.rule, 0.0)])
    asking = set(ON_DEVICE) & set(most)
    assert {"coarse", "fusion", "controlnet", "refine"} <= asking and most["coarse"] > 100
    for rule in asking:
        assert most[rule] <= plan.memory(rule), (rule, most[rule])
