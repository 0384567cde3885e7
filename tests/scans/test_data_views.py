"""How many views the people of a data set have, and what a run asks for by it."""

from pathlib import Path
from typing import Any

import pytest

from hgm.cameras import orbit
from hgm.errors import InputError
from hgm.scans.data_views import view_count
from hgm.systems.hgm import requests
from hgm.systems.hgm.plan import Plan
from hgm.systems.hgm.space import disk_bytes
from hgm.systems.hgm.work import work_of
from hgm.workflow.configuration import parse
from hgm.workflow.doctor.environment import views_bytes
from hgm.workflow.jobs import planned_jobs

SEQUENCES = ", ".join(f"p{i:06d}_a000001" for i in range(40))
WITHOUT = {"mesh": {"refine_steps": 0}, "refine": {"normal": 0.0}}


def config(source: str, root: Path | None, **more: Any) -> dict[str, Any]:
    names = (
        {"train": SEQUENCES, "val": "", "test": ""}
        if source == "humman"
        else {"train": "0000-0039", "val": "", "test": ""}
    )
    return {
        "scans": {"source": source, "root": str(root), "models": "models", **names},
        "device": "cpu",
        **WITHOUT,
        **more,
    }


def given(root: Path, *counts: int) -> Path:
    for person, count in enumerate(counts):
        for view in range(count):
            (root / "img" / f"{person:04d}_{view:03d}").mkdir(parents=True)
    return root


def test_as_many_as_the_data_set_has(tmp_path: Path) -> None:
    assert len(orbit()) == view_count({"source": "thuman2", "root": "anywhere"}) == 12
    assert view_count({"source": "humman", "root": None}) == 10
    assert view_count({"source": "views", "root": str(given(tmp_path, 3, 16, 5))}) == 16
    assert (
        view_count({"source": "views", "root": str(tmp_path / "none")})
        == view_count({"source": "views", "root": None})
        == 12
    )


def test_memory_and_disk_follow_the_views(tmp_path: Path) -> None:
    plans = {n: Plan(config("views", given(tmp_path / str(n), n))) for n in (12, 24)} | {
        10: Plan(config("humman", tmp_path))
    }
    disks = {n: disk_bytes(plan).likely for n, plan in plans.items()}
    pixels = 40 * 128**2
    assert disks[24] - disks[12] == pytest.approx(12 * pixels * 0.64) and disks[12] - disks[
        10
    ] == pytest.approx(2 * pixels * 0.64)
    for plan in plans.values():
        sizes = {job.rule: job for job in planned_jobs(plan)}
        assert work_of(sizes["render"], plan).host < 60  # nothing is rendered
    most = {n: views_bytes(parse(plan.config)) for n, plan in plans.items()}
    assert most[24] == 2 * most[12] and 12 * most[10] == 10 * most[12]
    scans = {"train": 5000, "val": 0}
    needed = {n: requests.memory_mb(plan.config, "coarse", scans) for n, plan in plans.items()}
    assert needed[10] < needed[12] < needed[24]


def test_no_more_views_can_be_compared_than_there_are_but_asked_for(tmp_path: Path) -> None:
    """`supervised` has no end: a data set may have more views than the rig."""
    assert parse({"coarse": {"supervised": 60}}).coarse.supervised == 60
    with pytest.raises(InputError, match=r"coarse\.supervised"):
        parse({"coarse": {"supervised": 0}})


@pytest.mark.parametrize(
    "changes", [{"mesh": {"refine_steps": 1}}, {"refine": {"normal": 0.5}}], ids=["mesh", "body"]
)
def test_a_net_of_normals_cannot_learn_from_humman(changes: dict[str, Any], tmp_path: Path) -> None:
    """Said before anything runs, with what helps."""
    with pytest.raises(
        InputError,
        match=r"the views of humman come without normals to train a net on; set normals\.icon",
    ):
        Plan(config("humman", tmp_path, **changes))
    assert not Plan(
        config("humman", tmp_path, normals={"icon": "normal.ckpt"}, **changes)
    ).own_normals


def test_what_needs_no_normals_trains_no_net(tmp_path: Path) -> None:
    for changes, trained in (
        (WITHOUT, False),
        ({"mesh": {"refine_steps": 5}}, True),
        ({"refine": {"normal": 0.5}}, True),
    ):
        plan = Plan({"scans": {"train": "0000"}, "device": "cpu", **WITHOUT, **changes})
        assert (
            plan.own_normals == trained == any(job.rule == "normals" for job in planned_jobs(plan))
        )
        assert plan.meshing_normals == (plan.config["mesh"]["refine_steps"] > 0)
