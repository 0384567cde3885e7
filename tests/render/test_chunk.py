"""Chunks of scans in worker processes: the same bytes whatever happens, and a broken scan costs
itself only."""

import errno
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from synthetic_scans import write_person

import hgm.render.pool
from hgm.body.canonical import canonical
from hgm.body.model import BodyModel
from hgm.body.parameters import BodyParameters
from hgm.cameras import orbit
from hgm.core.items import Outcome
from hgm.errors import InputError, Interrupted
from hgm.images.views import load_views
from hgm.render.chunk import render_chunk
from hgm.render.member import MemberRendering, member_key, over_white
from hgm.scans.thuman import ScanFiles, locate, scan_names

SIZE = 48
VIEWS = 4


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory, models: Path) -> Path:
    folder = tmp_path_factory.mktemp("scans")
    male = BodyModel.load(models)
    for seed in range(3):
        write_person(folder, f"{seed:04d}", male, seed=seed)
    return folder


def scans(root: Path) -> list[ScanFiles]:
    return [locate(root, name) for name in scan_names(root)]


def render(root: Path, out: Path, models: Path, **options: object) -> Outcome:
    settings = {key: options.pop(key) for key in ("gender", "device") if key in options}
    return render_chunk(
        scans(root),
        out,
        MemberRendering(size=SIZE, views=VIEWS, samples=4, **settings),  # type: ignore
        models=models,
        **options,  # type: ignore
    )


def contents(out: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(out)): path.read_bytes()
        for path in sorted(out.rglob("*"))
        if path.is_file()
    }


@pytest.fixture(scope="module")
def undisturbed(root: Path, models: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("undisturbed")
    seen: list[tuple[int, str]] = []
    result = render(root, out, models, progress=lambda count, name: seen.append((count, name)))
    assert list(result.members) == ["0000", "0001", "0002"] and result.failed == {}
    assert seen == [(1, "0000"), (2, "0001"), (3, "0002")]
    return out


def test_a_view_folder(undisturbed: Path, models: Path) -> None:
    assert sorted(path.name for path in undisturbed.iterdir()) == ["0000", "0001", "0002"]
    views = load_views(undisturbed / "0001", geometry=True)
    assert views.depth is not None and views.normal is not None
    expected = orbit(VIEWS, size=SIZE)
    assert torch.equal(views.cameras.K, expected.K)
    assert torch.equal(views.cameras.world_to_camera, expected.world_to_camera)
    assert (views.rgb.movedim(1, -1)[views.mask[:, 0] == 0] == 1).all()

    with np.load(undisturbed / "0001" / "smplx.npz") as data:
        vertices = data["vertices"]
        joints = data["joints"]
        nu_per_metre = float(data["nu_per_metre"])
        assert (
            vertices.dtype == joints.dtype == np.float32
            and data["nu_per_metre"].dtype == np.float64
        )
    body = canonical(
        BodyModel.load(models), BodyParameters.from_npz(undisturbed / "0001" / "smplx.npz")
    )
    np.testing.assert_allclose(body.vertices.numpy(), vertices, atol=1e-6)
    assert joints.shape == (55, 3) and np.abs(joints[0]).max() < 1e-6
    assert nu_per_metre == pytest.approx(float(body.nu_per_metre))

    # The scan is the body: its vertices project into the mask, and lie on or behind the surface
    # seen there.
    pixels, depth = expected.project(torch.from_numpy(vertices).expand(VIEWS, -1, 3))
    pool = torch.nn.functional.max_pool2d  # a vertex at an edge may count for the pixel beside it
    mask = pool(views.mask, 3, 1, 1)
    nearest = -pool(-views.depth.where(views.depth > 0, torch.tensor(9.0)), 3, 1, 1)
    for i in range(VIEWS):
        x, y = pixels[i].long().unbind(-1)
        assert (mask[i, 0, y, x] > 0).float().mean() > 0.999
        assert (depth[i] > nearest[i, 0, y, x] - 0.02).float().mean() > 0.99
        assert ((depth[i] - views.depth[i, 0, y, x]).abs() < 0.02).float().mean() > 0.2


def test_mixing_over_white() -> None:
    rgba = np.array([[[10, 20, 30, 255], [10, 20, 30, 0], [10, 20, 30, 127]]], np.uint8)
    alpha = 127 / 255
    mixed = [round(c * alpha + 255 * (1 - alpha)) for c in (10, 20, 30)]
    np.testing.assert_array_equal(over_white(rgba), [[[10, 20, 30], [255, 255, 255], mixed]])


def test_finished_members_are_left_alone(
    undisturbed: Path, root: Path, models: Path, tmp_path: Path
) -> None:
    """Nothing is started when all keys are the same; a scan whose texture changes is rendered
    again, alone."""
    before = {path: path.stat().st_mtime_ns for path in undisturbed.rglob("*")}
    started: list[object] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(hgm.render.pool.subprocess, "Popen", started.append)
        result = render(root, undisturbed, models)
    assert not started and len(result.members) == 3
    assert before == {path: path.stat().st_mtime_ns for path in undisturbed.rglob("*")}

    texture = root / "THuman2.0_Release" / "0001" / "material0.jpeg"
    original = texture.read_bytes()
    seen: list[str] = []
    try:
        texture.write_bytes((root / "THuman2.0_Release" / "0002" / "material0.jpeg").read_bytes())
        reference = contents(undisturbed)
        for path in reference:
            (tmp_path / path).parent.mkdir(exist_ok=True)
            (tmp_path / path).write_bytes(reference[path])
        changed = render(root, tmp_path, models, progress=lambda count, name: seen.append(name))
    finally:
        texture.write_bytes(original)
    assert seen == ["0001"]
    assert {name for name in result.members if result.members[name] != changed.members[name]} == {
        "0001"
    }
    differing = {path for path, data in contents(tmp_path).items() if data != reference[path]}
    assert differing == {"0001/.render.json", *(f"0001/rgb_{i:02d}.png" for i in range(VIEWS))}


@pytest.mark.parametrize(
    "change",
    [
        {"size": 64},
        {"views": 6},
        {"samples": 8},
        {"gender": "female"},
        {"device": "auto"},
        {"common": "code"},
    ],
)
def test_whatever_decides_the_views_is_in_the_key(root: Path, change: dict[str, object]) -> None:
    scan = scans(root)[0]
    common = change.get("common", "")
    settings = {"size": SIZE, **{key: value for key, value in change.items() if key != "common"}}
    key = member_key(scan, MemberRendering(size=SIZE))
    assert key == member_key(scan, MemberRendering(size=SIZE))
    assert key != member_key(scan, MemberRendering(**settings), common)  # type: ignore


def render_with_a_signal(sign: signal.Signals, root: Path, out: Path, models: Path) -> Outcome:
    """The worker gets a signal at the second scan; the third is for a new one."""
    processes: list[subprocess.Popen[str]] = []

    class Recorded(subprocess.Popen):  # type: ignore
        def __init__(self, *args: object, **options: object) -> None:
            super().__init__(*args, **options)  # type: ignore
            processes.append(self)

    def send_once(count: int, name: str) -> None:
        if count == 1:  # the next scan has been given to the worker by now
            processes[0].send_signal(sign)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(hgm.render.pool.subprocess, "Popen", Recorded)
        try:
            return render(root, out, models, progress=send_once)
        finally:
            assert len(processes) == 2


def test_a_crash_costs_one_scan(
    undisturbed: Path, root: Path, models: Path, tmp_path: Path
) -> None:
    result = render_with_a_signal(signal.SIGSEGV, root, tmp_path, models)
    assert list(result.members) == ["0000", "0002"] and list(result.failed) == ["0001"]
    assert "0001.obj: " in result.failed["0001"] and "SIGSEGV" in result.failed["0001"]
    reference = contents(undisturbed)
    assert contents(tmp_path) == {
        path: data for path, data in reference.items() if not path.startswith("0001")
    }


def test_a_killed_worker_costs_no_scan(
    undisturbed: Path, root: Path, models: Path, tmp_path: Path
) -> None:
    """As by the kernel when memory has run out: the job fails after the other scans, and the next
    one makes up for it."""
    with pytest.raises(
        Interrupted,
        match=r"0001\.obj: the process that worked on it was stopped \(SIGKILL\); run again",
    ):
        render_with_a_signal(signal.SIGKILL, root, tmp_path, models)
    assert {path.name for path in tmp_path.iterdir() if path.name[0] != "."} == {"0000", "0002"}
    assert render(root, tmp_path, models).failed == {}
    assert contents(tmp_path) == contents(undisturbed)


def test_a_full_disk_costs_no_scan(root: Path, models: Path, tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(disk)],
        capture_output=True,
        text=True,
    )
    if done.returncode:
        pytest.skip(f"mounting a file system needs root: {done.stderr.strip()}")
    try:
        with pytest.raises(OSError, match="No space left") as caught:
            render(root, disk / "views", models)
        assert caught.value.errno == errno.ENOSPC and str(disk / "views") in caught.value.filename
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def test_killed_in_the_middle_and_run_again(
    undisturbed: Path, root: Path, models: Path, tmp_path: Path
) -> None:
    """kill -9 leaves finished scans and a half one; the next run, with two workers, ends with the
    same bytes."""
    code = (
        "import sys; from pathlib import Path; from hgm.render.chunk import render_chunk; "
        "from hgm.render.member import MemberRendering; "
        "from hgm.scans.thuman import locate, scan_names; root, out, models = map(Path, "
        "sys.argv[1:]); render_chunk([locate(root, n) for n in scan_names(root)], out, "
        f"MemberRendering(size={SIZE}, views={VIEWS}, samples=4), models=models)"
    )
    parent = subprocess.Popen([sys.executable, "-c", code, str(root), str(tmp_path), str(models)])
    deadline = time.monotonic() + 300
    while (
        not (tmp_path / "0000").exists() and parent.poll() is None and time.monotonic() < deadline
    ):
        time.sleep(0.01)
    processes = [int(name) for name in os.listdir("/proc") if name.isdigit()]
    workers = [pid for pid in processes if status(pid).get("PPid") == str(parent.pid)]
    assert len(workers) == 1 and running(workers[0])
    parent.kill()
    assert parent.wait() == -signal.SIGKILL
    while any(map(running, workers)) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not any(map(running, workers))  # nobody goes on writing
    (tmp_path / ".0001.killed.part").mkdir()
    assert (tmp_path / "0000").exists() and not (tmp_path / "0002").exists()
    assert render(root, tmp_path, models, workers=2).failed == {}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["0000", "0001", "0002"]
    assert contents(tmp_path) == contents(undisturbed)


def status(pid: int) -> dict[str, str]:
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return {}
    return {key: value.strip() for key, _, value in (line.partition(":") for line in lines)}


def running(pid: int) -> bool:
    return status(pid).get("State", "Z")[0] not in "ZX"


def test_unusable_scans_are_rejected_with_their_reason(
    root: Path, models: Path, tmp_path: Path
) -> None:
    good, cut, lost = scans(root)
    broken = tmp_path / "scans" / "0001"
    broken.mkdir(parents=True)
    for path in cut.obj.parent.iterdir():
        data = path.read_bytes()
        (broken / path.name).write_bytes(data[: len(data) // 2] if path.suffix == ".jpeg" else data)
    out = tmp_path / "out"
    (out / "0001").mkdir(parents=True)  # an older folder of it must not be taken for its views
    unread = ScanFiles("0002", lost.obj, tmp_path / "none.pkl")
    members = [good, ScanFiles("0001", broken / "0001.obj", cut.fit), unread]
    result = render_chunk(
        members, out, MemberRendering(size=SIZE, views=1, samples=1), models=models
    )
    assert list(result.members) == ["0000"] and list(result.failed) == ["0001", "0002"]
    assert result.failed["0001"].startswith(f"{broken / 'material0.jpeg'}: ")
    assert result.failed["0002"].startswith(f"{tmp_path / 'none.pkl'}: ")
    assert [path.name for path in out.iterdir()] == ["0000"]


def test_without_a_body_model_nothing_is_tried(root: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"SMPLX_MALE\.npz: "):
        render(root, tmp_path / "out", tmp_path)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_what_the_workers_lack_is_said(root: Path, models: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="gpu was asked for"):
        render(root, tmp_path, models, device="gpu")
