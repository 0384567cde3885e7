"""The stand-in's capture: exact parameters, every frame done once, creases that show, and files
that the reader of AvatarReX takes for its own."""

import dataclasses
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from hgm.body.model import BodyModel
from hgm.body.motion import Motion
from hgm.geometry.rays import RayMesh
from hgm.standin.actor import Actor
from hgm.standin.assets import FILE_GENDER, load_assets
from hgm.standin.mesh.pieces import Piece
from hgm.systems.animatable.captures import open_capture
from hgm.systems.animatable.captures.capture import Capture
from hgm.systems.animatable.captures.footage import Footage
from hgm.systems.animatable.check import compared, silhouette
from hgm.systems.animatable.filming import FilmingTask, rig
from hgm.systems.animatable.layout import standin_cameras
from hgm.systems.animatable.settings import Standin
from hgm.systems.animatable.sources import STANDIN_GENDER
from hgm.systems.animatable.standin_capture import make_frames, motion_of, scene_of, write_rig

STANDIN = Standin(
    person=87,
    texture=128,
    train_frames=20,
    test_frames=4,
    cameras=2,
    held_out=1,
    width=48,
    height=64,
    samples=4,
)
NUMBERS = (0, 9, 21)
SEED = 0


class Killed(BaseException):
    """What ends the making of a capture in the middle."""


def make(root: Path, **changes: object) -> None:
    standin = STANDIN.model_copy(update=changes)
    write_rig(root, standin, SEED)
    make_frames(root, standin, NUMBERS, seed=SEED, scratch=root / ".frames")


def files(root: Path) -> dict[str, bytes]:
    return {
        path.relative_to(root).as_posix(): path.read_bytes()
        for path in sorted(root.rglob("*"))
        if path.is_file()
    }


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A capture whose making ended after its first frame, and was then taken up again."""
    folder = tmp_path_factory.mktemp("killed")

    def end(done: int, name: str) -> None:
        raise Killed

    write_rig(folder, STANDIN, SEED)
    place = {"seed": SEED, "scratch": folder / ".frames"}
    with pytest.raises(Killed):
        make_frames(folder, STANDIN, NUMBERS, **place, progress=end)
    first = folder / ".frames" / "00000000" / "cam00.jpg"
    written = first.stat().st_mtime_ns
    make_frames(folder, STANDIN, NUMBERS, **place)
    assert (folder / "cam00/00000000.jpg").stat().st_mtime_ns == written  # not done again
    return folder


@pytest.fixture(scope="module")
def capture(root: Path) -> Capture:
    return open_capture(root, "avatarrex")


def test_a_killed_capture_is_finished_to_the_same_bytes(root: Path, tmp_path: Path) -> None:
    make(tmp_path)
    found = files(tmp_path)
    assert found == files(root)
    names = {
        f"cam0{i}/{folder}{number:08d}.jpg"
        for i in range(3)
        for folder in ("", "mask/pha/")
        for number in NUMBERS
    }
    shared = ("calibration_full.json", "smpl_params.npz", "missing_img_files.txt", "STANDIN")
    assert set(found) == names | set(shared)


def test_the_reader_finds_the_numbers_that_it_was_made_with(capture: Capture) -> None:
    scene = scene_of(STANDIN)
    for name, camera in rig(scene).items():
        read = capture.cameras[name]
        torch.testing.assert_close(read.K, camera.K.float(), atol=1e-4, rtol=0)
        torch.testing.assert_close(
            read.world_to_camera, camera.world_to_camera.float(), atol=1e-6, rtol=0
        )
    motion = motion_of(scene, SEED)
    assert len(capture.motion) == 24
    for name in ("body_pose", "transl", "left_hand_pose", "betas"):
        assert np.array_equal(getattr(capture.motion, name), getattr(motion, name))
    assert STANDIN_GENDER == FILE_GENDER


def test_cameras_stand_on_a_ring_and_see_the_whole_person(capture: Capture) -> None:
    many = STANDIN.model_copy(update={"cameras": 7, "held_out": 2, "width": 1500, "height": 2048})
    scene = scene_of(many)
    trained, apart = standin_cameras(7, 2)
    cameras = rig(scene)
    assert list(cameras) == sorted([*trained, *apart])

    def turn(name: str) -> float:
        x, _, z = cameras[name].centers.tolist()
        assert np.hypot(x, z) == pytest.approx(2.75)
        return float(np.degrees(np.arctan2(x, z)) % 360)

    angles = [turn(name) for name in trained]
    np.testing.assert_allclose(np.diff(angles), 360 / 7, atol=1e-6)
    for name in apart:
        off = (np.array(angles) - turn(name) + 180) % 360 - 180
        nearest = np.sort(np.abs(off))[:2]
        np.testing.assert_allclose(nearest, 180 / 7, atol=1e-6)
    heights = {round(float(cameras[name].centers[1]), 6) for name in trained}
    assert len(heights) == 2
    ends = torch.tensor([[0.0, 0.0, 0.0], [0.0, scene.height, 0.0]], dtype=torch.float64)
    for camera in cameras.values():
        pixels, _ = camera.project(ends)
        assert 0.8 < float(pixels[0, 1] - pixels[1, 1]) / 2048 < 0.95
        assert (pixels > 0).all() and (pixels[:, 1] < 2048).all()


def test_the_body_lies_on_the_pictures(capture: Capture, model: BodyModel) -> None:
    found, _ = compared(capture, model, Footage(NUMBERS, tuple(capture.cameras)))
    assert found["fits"], found["fault"]
    assert max(camera["outside"] for camera in found["cameras"].values()) < 0.03


def test_soles_are_on_the_ground_and_the_motion_on_the_spot() -> None:
    long = STANDIN.model_copy(update={"train_frames": 300, "test_frames": 300})
    scene = scene_of(long)
    motion = motion_of(scene, SEED)
    assert np.abs(motion.transl[:, [0, 2]]).max() < 0.15
    bends = np.linalg.norm(motion.body_pose[:300].reshape(300, 21, 3), axis=2)
    for joint in (17, 18, 3, 4):  # elbows and knees
        assert bends[:, joint].max() > 1.0 and bends[:, joint].min() < 0.4
    # a longer training motion begins as a shorter one
    short = motion_of(scene_of(STANDIN), SEED)
    assert np.array_equal(short.body_pose[:20], motion.body_pose[:20])


def test_another_rig_leaves_nothing_of_the_old_one(root: Path, tmp_path: Path) -> None:
    for name, data in files(root).items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(data)
    smaller = STANDIN.model_copy(update={"cameras": 1, "held_out": 1, "test_frames": 1})
    write_rig(tmp_path, smaller, SEED)
    left = {path for path in files(tmp_path) if "/" in path}
    assert {path.split("/")[0] for path in left} == {"cam00", "cam01"}
    assert not any("00000021" in path for path in left)
    assert len(open_capture(tmp_path, "avatarrex").motion) == 21


LARGE = STANDIN.model_copy(update={"width": 256, "height": 256})


@pytest.fixture(scope="module")
def filming(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FilmingTask]:
    task = FilmingTask(scene_of(LARGE).model_dump(), tmp_path_factory.mktemp("scratch"))
    yield task
    task.close()


def filmed(task: FilmingTask, motion: Motion, folder: Path) -> dict[str, np.ndarray]:
    """Pictures and masks of a motion's first frame."""
    frame = {k: v.tolist() for k, v in motion.frame(0).items() if k != "betas"}
    folder.mkdir()
    task.do({"name": "0", "parameters": frame}, folder)
    return {path.stem: np.asarray(Image.open(path)) for path in folder.glob("*.jpg")}


def bare_actor(actor: Actor) -> Actor:
    """The actor without clothes, whose skin is nowhere thinned."""
    assets = load_assets()
    skin = Piece(
        "skin",
        lambda rest: assets.skin.matrix @ rest[: assets.skin.matrix.shape[1]],
        assets.skin.weights,
        assets.skin.faces,
        assets.skin.uvs,
    )
    return dataclasses.replace(actor, pieces=(skin,), faces=skin.faces, uvs=skin.uvs)


def test_creases_darken_bent_limbs_so_that_it_shows(filming: FilmingTask, tmp_path: Path) -> None:
    motion = motion_of(scene_of(LARGE), SEED)[[21]]  # of the dance, arms bent
    dark = filmed(filming, motion, tmp_path / "dark")
    filming.creases = 0.0
    plain = filmed(filming, motion, tmp_path / "plain")
    assert np.array_equal(plain["cam00_mask"], dark["cam00_mask"])
    change = plain["cam00"].astype(int) - dark["cam00"].astype(int)
    changed = change.max(-1) > 40
    share = changed.sum() / (plain["cam00_mask"] > 128).sum()
    assert 0.01 < share < 0.3
    assert (change < -20).mean() < 1e-3  # nothing is lighter, but for what a JPEG does at edges


def test_a_bare_actor_covers_exactly_its_body(
    model: BodyModel, filming: FilmingTask, tmp_path: Path
) -> None:
    scene = scene_of(LARGE)
    motion = motion_of(scene, SEED)[[9]]
    filming.actor = bare_actor(filming.actor)
    white = np.full((8, 8, 3), 255, np.uint8)
    filming.renderer.load_surface(filming.actor.faces, filming.actor.uvs, white)
    pictures = filmed(filming, motion, tmp_path / "bare")
    with torch.no_grad():
        vertices = model(motion.parameters(model)).vertices[0].numpy() + motion.transl
    mesh = RayMesh(vertices, model.faces.numpy())
    for name, camera in rig(scene).items():
        body = silhouette(mesh, camera.to(torch.float32))
        mask = pictures[f"{name}_mask"] >= 128
        assert (body & mask).sum() / (body | mask).sum() > 0.98
