"""878 damaged files through every reader: a right result or one InputError line, soon, and nothing
left behind."""

import io
import json
import pickle
import random
import resource
import signal
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mutations
import numpy as np
import pytest
import torch
import yaml
from PIL import Image
from scipy.sparse import csc_matrix
from synthetic_scans import cells, write_obj

from hgm.body.files import PlacedBody, load_body
from hgm.body.fits import load_fit
from hgm.body.flame import SHAPE_OF, HeadModel, read_head
from hgm.body.model import BodyModel
from hgm.body.motion import cycle, read_motion, write_motion
from hgm.body.parameters import BodyParameters
from hgm.cameras import orbit
from hgm.core.job import load_job
from hgm.core.manifests import read_json
from hgm.errors import InputError
from hgm.images.views import load_image, load_views, save_cameras, save_view
from hgm.nets.checkpoints import read_checkpoint
from hgm.nets.weights import read_tensors, save_tensors
from hgm.scans import catalogue
from hgm.scans.obj import load_obj
from hgm.scans.preflight import preflight
from hgm.scans.thuman import ScanFiles
from hgm.standin.body import core
from hgm.systems.animatable.canonical import ARRAYS as MAP_ARRAYS
from hgm.systems.animatable.canonical import CanonicalMaps
from hgm.systems.animatable.captures.actorshq import read_table_cameras
from hgm.systems.animatable.captures.calibration import read_json_cameras, write_json_cameras
from hgm.systems.animatable.captures.viewpoint import Viewpoint
from hgm.systems.animatable.frame_transforms import FrameTransforms
from hgm.systems.hgm import settings
from hgm.systems.hgm.networks.config import HGMConfig
from hgm.systems.hgm.networks.files import load_model, save_model
from hgm.systems.hgm.networks.hgm import HGM
from hgm.systems.monogaussian.clip import ARRAYS as CLIP_ARRAYS
from hgm.systems.monogaussian.clip import Clip
from hgm.systems.monogaussian.clip_file import read_clip, write_clip
from hgm.systems.monogaussian.held_out import HeldOut, read_held_out, write_held_out
from hgm.systems.monogaussian.truth import read_truth
from hgm.workflow import configuration

SECONDS = 5  # for one file
MEMORY = 6 << 30  # bytes of address space beyond what is in use
Mutate = Callable[[bytes, random.Random], bytes]


@dataclass(frozen=True)
class Reader:
    """One kind of file: a folder with a sound one, the file to damage, how, how often, and how the
    result is judged."""

    furnish: Callable[[Path], None]
    file: str
    mutate: Mutate
    count: int
    read: Callable[[Path], None]  # reads the folder; AssertionError when the result cannot be right


def finite(*arrays: Any) -> None:
    for array in arrays:
        values = np.asarray(array, np.float64)
        assert np.isfinite(values).all(), "numbers that are not finite"


def furnish_scan(folder: Path) -> None:
    """A tetrahedron beside a picture."""
    vertices = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]], float)
    faces = np.array([[0, 2, 1], [0, 1, 3], [0, 3, 2], [1, 2, 3]])
    write_obj(folder, "0001", vertices, faces, vertices[:, :2], cells(1))


def read_scan(folder: Path) -> None:
    mesh = load_obj(folder / "0001.obj")
    finite(mesh.vertices, mesh.uvs)
    assert mesh.vertices.shape[1:] == (3,) and mesh.faces.shape == mesh.uv_faces.shape
    assert (
        mesh.faces.min() >= 0
        and mesh.faces.max() < len(mesh.vertices)
        and mesh.uv_faces.max() < len(mesh.uvs)
    )
    checked = preflight(ScanFiles("0001", folder / "0001.obj", folder / "fit.pkl"))
    assert checked.texture.is_file() and checked.material.is_file()


def parameters(hands: int = 12) -> dict[str, Any]:
    rng = np.random.default_rng(1)
    widths = {
        "betas": 10,
        "global_orient": 3,
        "body_pose": 63,
        "left_hand_pose": hands,
        "right_hand_pose": hands,
        "jaw_pose": 3,
        "leye_pose": 3,
        "reye_pose": 3,
        "expression": 10,
    }
    return {k: rng.normal(0, 0.3, (1, n)).astype(np.float32) for k, n in widths.items()}


def furnish_fit(folder: Path) -> None:
    data = {**parameters(), "scale": np.array([0.416]), "translation": np.array([0.1, 0.2, -0.3])}
    (folder / "fit.pkl").write_bytes(pickle.dumps(data))
    (folder / "fit2.pkl").write_bytes(pickle.dumps(data, protocol=2))
    flat = {key: value[0].tolist() for key, value in parameters().items()}
    (folder / "fit.json").write_text(json.dumps(flat))


ARRAYS = (
    *mutations.WRONG,
    np.zeros((1, 11)),
    np.zeros((0,)),
    np.array(["a"]),
    np.full((1, 10), np.nan),
    np.zeros(3, complex),
    np.array([(1, 2.0)], "i4,f8"),
    np.zeros((1, 63), ">f2"),
    b"bytes",
    {1, 2},
    np.array([0.0, 0.0, 1e300]),
)


def pickled(data: bytes, rng: random.Random) -> bytes:
    return pickle.dumps(
        mutations.structure(pickle.loads(data), rng, ARRAYS), protocol=rng.choice((2, 4, 5))
    )


def jsoned(data: bytes, rng: random.Random) -> bytes:
    return json.dumps(mutations.structure(json.loads(data), rng)).encode()


def yamled(data: bytes, rng: random.Random) -> bytes:
    return yaml.safe_dump(mutations.structure(yaml.safe_load(data), rng)).encode()


def nested(data: bytes, rng: random.Random) -> bytes:
    """A number inside more brackets than any parser goes into."""
    head = data[: rng.randrange(len(data))]
    tail = rng.choice((b"]", b"}", b""))
    return rng.choice((b"", head)) + rng.choice((b"[", b'{"a":')) * 20_000 + tail * 20_000


def read_fit(name: str) -> Callable[[Path], None]:
    def read(folder: Path) -> None:
        fit = load_fit(folder / name, MODELS[0])
        finite(fit.translation, fit.scale, *fit.params.arrays().values())
        assert fit.scale > 0 and fit.translation.shape == (3,) and fit.params.shape == ()
        with torch.no_grad():
            assert MODELS[0](fit.params).vertices.shape == (10475, 3)

    return read


def furnish_body(folder: Path) -> None:
    arrays = {
        **{k: v[0] for k, v in parameters().items()},
        "vertices": np.zeros((10475, 3), np.float32),
        "nu_per_metre": np.float64(0.7),
        "joints": np.zeros((55, 3), np.float32),
    }
    np.savez(folder / "smplx.npz", **arrays)
    np.savez_compressed(folder / "packed.npz", **arrays)


def zipped(data: bytes, rng: random.Random) -> bytes:
    """Sound archives of wrong arrays."""
    with np.load(io.BytesIO(data)) as file:
        arrays = mutations.structure({k: file[k] for k in file.files}, rng, ARRAYS)
    buffer = io.BytesIO()
    try:
        np.savez(
            buffer, **(arrays if isinstance(arrays, dict) else {"array": np.asarray(str(arrays))})
        )
    except ValueError:  # rows of different lengths are no array
        return mutations.cut(data, rng)
    return buffer.getvalue()


def furnish_head(folder: Path) -> None:
    """A head model of small numbers, all of its vertices in one place."""
    data: dict[str, Any] = {key: np.zeros(shape, np.int8) for key, shape in SHAPE_OF.items()}
    data["weights"][:, 0] = 1
    data["kintree_table"][0] = -1, 0, 1, 1, 1
    np.savez_compressed(folder / "generic_model.npz", **data)
    data["J_regressor"] = csc_matrix(np.eye(*SHAPE_OF["J_regressor"]))
    (folder / "generic_model.pkl").write_bytes(pickle.dumps(data, protocol=2))


def read_head_file(name: str) -> Callable[[Path], None]:
    def read(folder: Path) -> None:
        arrays = read_head(folder / name)
        finite(*vars(arrays).values())
        head = HeadModel.of(arrays)(torch.ones(4), torch.ones(4), torch.ones(15))
        assert head.vertices.shape == (5023, 3)

    return read


def furnish_clip(folder: Path) -> None:
    """Two frames of a head without pictures, with two other cameras and true parameters."""
    rng = np.random.default_rng(3)
    matrices = np.tile(np.diag([1.0, -1, -1, 1]), (2, 1, 1)).astype(np.float32)
    focal, center = (np.full((2, 2), x, np.float32) for x in (1.5, 0.5))
    clip = Clip(
        folder.name,
        rng.normal(size=100).astype(np.float32),
        ("1", "2"),
        (folder,) * 2,
        focal,
        center,
        rng.normal(size=(2, 50)).astype(np.float32),
        rng.normal(size=(2, 15)).astype(np.float32),
        matrices,
        rng.uniform(-1, 1, (2, 70, 2)).astype(np.float32),
    )
    write_clip(clip, folder)
    write_held_out(HeldOut(folder, ("1",), ("left", "right"), focal, center, matrices))
    truth = {"expression": clip.expression.tolist(), "pose": clip.pose.tolist()}
    (folder / "truth.json").write_text(json.dumps(truth))


def read_whole_clip(folder: Path) -> None:
    clip = read_clip(folder, pictures=False)
    finite(clip.shape, *(getattr(clip, name) for name in CLIP_ARRAYS))
    assert len(clip) >= 1 and clip.keypoints.shape == (len(clip), 70, 2)
    assert all(int(name) >= 1 for name in clip.names)
    held_out = read_held_out(folder)
    assert held_out is not None and held_out.cameras
    finite(held_out.focal, held_out.center, held_out.world_to_camera)
    truth = read_truth(clip)
    assert truth is not None and truth[1].shape == (len(clip), 15)
    finite(*truth)


def furnish_capture(folder: Path) -> None:
    """Cameras of both kinds of calibration, a canonical map and a frame."""
    view = Viewpoint(np.array([[30.0, 0, 12], [0, 31, 16], [0, 0, 1]]), np.eye(4), 24, 32)
    write_json_cameras(folder / "calibration.json", {"a": view, "b": view})
    (folder / "calibration.csv").write_text(
        "name,w,h,rx,ry,rz,tx,ty,tz,fx,fy,px,py\n"
        "Cam001,24,32,0.1,0.2,0.3,0.5,-1,2,1.25,0.96,0.5,0.5\n"
    )
    mask = torch.zeros(2, 4, 4, dtype=torch.bool)
    mask[:, 1:3, 2] = True
    transforms = torch.eye(4).expand(1, 55, 4, 4)
    CanonicalMaps(
        mask,
        torch.rand(4, 3),
        torch.rand(4, 3),
        torch.full((4, 55), 1 / 55),
        transforms[0],
        torch.rand(55, 3),
        torch.zeros(3),
    ).save(folder / "canonical.npz")
    FrameTransforms((3,), transforms, transforms).save(folder / "frames.npz")


def read_whole_capture(folder: Path) -> None:
    cameras = read_json_cameras(folder / "calibration.json")
    cameras |= read_table_cameras(folder / "calibration.csv")
    for camera in cameras.values():
        finite(camera.K, camera.world_to_camera)
        assert min(camera.width, camera.height) >= 1
    maps = CanonicalMaps.load(folder / "canonical.npz")
    finite(*(getattr(maps, name) for name in MAP_ARRAYS))
    assert maps.grid(maps.positions).shape == (2, 3, maps.size, maps.size)
    frames = FrameTransforms.load(folder / "frames.npz")
    finite(frames.transforms, frames.poses)
    assert len(frames.transforms) == len(frames.poses) == len(frames)


def renamed_crc(data: bytes, rng: random.Random) -> bytes:
    """A flipped bit in the head of one member, its check sum made right again, so that the fault
    reaches the parser."""
    with np.load(io.BytesIO(data)) as file:
        members = {k: file[k] for k in file.files}
    name = rng.choice(sorted(members))
    buffer = io.BytesIO()
    np.save(buffer, members[name])
    old = buffer.getvalue()
    new = mutations.flipped(old[:128], rng) + old[128:]
    if rng.random() < 0.3:
        new = new.replace(b"(10475, 3)", b"(%d, 3)" % rng.choice((10**15, 10**9, -1)))[: len(old)]
    check = [zlib.crc32(x).to_bytes(4, "little") for x in (old, new)]
    return data.replace(old, new).replace(*check)


def read_body(name: str) -> Callable[[Path], None]:
    def read(folder: Path) -> None:
        params = BodyParameters.from_npz(folder / name)
        finite(*params.arrays().values())
        load_body(folder / name)
        placed = PlacedBody.load(folder / name)
        finite(placed.body.vertices, placed.body.nu_per_metre)
        assert placed.body.vertices.shape == (10475, 3)

    return read


def furnish_motion(folder: Path) -> None:
    write_motion(folder / "smpl_params.npz", cycle("random", 4))
    poses = np.random.default_rng(2).normal(0, 0.3, (4, 156))
    np.savez(
        folder / "poses.npz",
        poses=poses,
        trans=poses[:, :3],
        betas=poses[0, :16],
        mocap_framerate=120.0,
    )


def read_moving(name: str) -> Callable[[Path], None]:
    def read(folder: Path) -> None:
        motion = read_motion(folder / name)
        finite(*(value for value in vars(motion).values()))
        assert len(motion) >= 1 and motion.fps > 0
        assert motion.body_pose.shape == (len(motion), 63)

    return read


def furnish_views(folder: Path) -> None:
    cameras = orbit(2, size=24)
    save_cameras(folder, cameras)
    for i in range(2):
        image = np.random.default_rng(i).integers(0, 256, (24, 24, 3), np.uint8)
        save_view(
            folder,
            i,
            rgb=image,
            mask=image[..., 0],
            depth=image[..., 0] / 100,
            normal=image / 127.5 - 1,
        )
    Image.fromarray(image).save(folder / "photo.jpg")


def read_views(folder: Path) -> None:
    views = load_views(folder, geometry=True)
    finite(
        views.rgb,
        views.mask,
        views.depth,
        views.normal,
        views.cameras.K,
        views.cameras.world_to_camera,
    )
    assert views.rgb.shape == (len(views), 3, views.cameras.height, views.cameras.width)
    assert views.mask.shape[1] == 1 and views.rgb.min() >= 0 and views.rgb.max() <= 1


def png_chunks(data: bytes, rng: random.Random) -> bytes:
    """A PNG with one header byte changed and its check sum made right again."""
    head = bytearray(data[12:29])  # IHDR and its 13 bytes
    head[4 + rng.randrange(13)] = rng.choice((0, 1, 2, 3, 4, 6, 8, 16, 255))
    return data[:12] + bytes(head) + zlib.crc32(bytes(head)).to_bytes(4, "big") + data[33:]


def other_mode(data: bytes, rng: random.Random) -> bytes:
    """A sound PNG of another kind or size."""
    image = Image.open(io.BytesIO(data)).convert(
        rng.choice(("1", "L", "LA", "P", "RGBA", "I;16" if rng.random() < 0.2 else "L"))
    )
    buffer = io.BytesIO()
    (image.resize((7, 5)) if rng.random() < 0.3 else image).save(buffer, "PNG")
    return buffer.getvalue()


def read_photo(folder: Path) -> None:
    image = load_image(folder / "photo.jpg")
    finite(image)
    assert image.ndim == 3 and image.shape[0] in (1, 3, 4)


def furnish_config(folder: Path) -> None:
    (folder / "config.yaml").write_text(yaml.safe_dump(configuration.resolve({})))
    (folder / "ids.txt").write_text("\n".join(f"{i:04d}" for i in range(40)))
    (folder / "scans.tsv").write_text(
        "scan\tsplit\tchunk\n" + "".join(f"{i:04d}\ttrain\ttrain000\n" for i in range(9))
    )


def read_config(folder: Path) -> None:
    found = configuration.resolve(configuration.read(folder / "config.yaml"))
    assert set(found) == set(settings.Config.model_fields)
    json.dumps(found, allow_nan=False)
    catalogue.configured_entries(found["scans"])


def read_ids(folder: Path) -> None:
    assert all(
        isinstance(i, str) and len(i) >= 4 for i in catalogue.parse_ids(str(folder / "ids.txt"))
    )
    catalogue.parse_ids((folder / "ids.txt").read_text("utf-8", "replace").replace("\n", ","))


def read_entries(folder: Path) -> None:
    for entry in catalogue.read_entries(folder / "scans.tsv"):
        assert all(isinstance(x, str) and x for x in (entry.scan, entry.split, entry.chunk))


def furnish_job(folder: Path) -> None:
    record = {
        "rule": "coarse",
        "input": {"scans": "a.tsv", "many": ["a", "b"]},
        "output": {"weights": "w"},
        "params": {"seed": 1},
        "wildcards": {"chunk": "train000"},
        "threads": 2,
        "runtime": 60.0,
        "log": "l.log",
    }
    (folder / "render.job.json").write_text(json.dumps(record, indent=1))


def read_job(folder: Path) -> None:
    path = folder / "render.job.json"
    read_json(path)
    job = load_job(path)
    assert isinstance(job.rule, str) and isinstance(job.threads, int) and job.threads >= 1
    for name in job.input:
        job.paths(name)
    assert job.seconds() is None or job.seconds() > 0
    assert all(isinstance(x, str) for x in job.wildcards.values())


def furnish_model(folder: Path) -> None:
    torch.manual_seed(1)
    save_model(HGM(HGMConfig.tiny()), folder)


def read_model(folder: Path) -> None:
    model = load_model(folder)
    assert isinstance(model.config.input_size, int) and isinstance(model.config.use_body, bool)


def furnish_tensors(folder: Path) -> None:
    tensors = {f"layer.{i}.weight": torch.arange(6.0).reshape(2, 3) for i in range(4)}
    save_tensors(tensors, folder / "weights.safetensors")
    torch.save({"state_dict": tensors}, folder / "weights.pth")
    torch.save(tensors, folder / "old.pth", _use_new_zipfile_serialization=False)


def read_tensor_file(name: str) -> Callable[[Path], None]:
    def read(folder: Path) -> None:
        tensors = read_checkpoint(folder / name)
        assert tensors and all(
            isinstance(t, torch.Tensor) and isinstance(k, str) for k, t in tensors.items()
        )
        if name.endswith(".safetensors"):
            read_tensors(folder / name)

    return read


MODELS: list[BodyModel] = []  # the body model of the fits, made once
READERS: dict[str, Reader] = {
    "obj": Reader(furnish_scan, "0001.obj", mutations.text, 60, read_scan),
    "mtl": Reader(furnish_scan, "material0.mtl", mutations.text, 30, read_scan),
    "jpeg": Reader(furnish_scan, "material0.jpeg", mutations.binary, 30, read_scan),
    "fit, bytes": Reader(furnish_fit, "fit.pkl", mutations.binary, 30, read_fit("fit.pkl")),
    "fit, protocol 2": Reader(furnish_fit, "fit2.pkl", mutations.binary, 20, read_fit("fit2.pkl")),
    "fit, values": Reader(furnish_fit, "fit.pkl", pickled, 30, read_fit("fit.pkl")),
    "fit, json": Reader(furnish_fit, "fit.json", mutations.text, 15, read_fit("fit.json")),
    "fit, json values": Reader(furnish_fit, "fit.json", jsoned, 25, read_fit("fit.json")),
    "body, bytes": Reader(furnish_body, "smplx.npz", mutations.binary, 20, read_body("smplx.npz")),
    "body, packed": Reader(
        furnish_body, "packed.npz", mutations.binary, 20, read_body("packed.npz")
    ),
    "body, values": Reader(furnish_body, "smplx.npz", zipped, 20, read_body("smplx.npz")),
    "body, heads": Reader(furnish_body, "smplx.npz", renamed_crc, 15, read_body("smplx.npz")),
    "head, bytes": Reader(
        furnish_head,
        "generic_model.pkl",
        mutations.binary,
        12,
        read_head_file("generic_model.pkl"),
    ),
    "head, values": Reader(
        furnish_head, "generic_model.pkl", pickled, 18, read_head_file("generic_model.pkl")
    ),
    "head, heads": Reader(
        furnish_head, "generic_model.npz", renamed_crc, 10, read_head_file("generic_model.npz")
    ),
    "clip": Reader(furnish_clip, "flame_params.json", mutations.text, 20, read_whole_clip),
    "clip, values": Reader(furnish_clip, "flame_params.json", jsoned, 25, read_whole_clip),
    "cameras of a clip, values": Reader(furnish_clip, "held_out.json", jsoned, 20, read_whole_clip),
    "truth of a clip, values": Reader(furnish_clip, "truth.json", jsoned, 12, read_whole_clip),
    "deep clip": Reader(furnish_clip, "flame_params.json", nested, 3, read_whole_clip),
    "capture": Reader(furnish_capture, "calibration.json", mutations.text, 15, read_whole_capture),
    "capture, values": Reader(furnish_capture, "calibration.json", jsoned, 25, read_whole_capture),
    "table of a capture": Reader(
        furnish_capture, "calibration.csv", mutations.text, 25, read_whole_capture
    ),
    "deep capture": Reader(furnish_capture, "calibration.json", nested, 3, read_whole_capture),
    "maps, values": Reader(furnish_capture, "canonical.npz", zipped, 20, read_whole_capture),
    "frames, heads": Reader(furnish_capture, "frames.npz", renamed_crc, 10, read_whole_capture),
    "motion, bytes": Reader(
        furnish_motion, "smpl_params.npz", mutations.binary, 10, read_moving("smpl_params.npz")
    ),
    "motion, values": Reader(
        furnish_motion, "smpl_params.npz", zipped, 20, read_moving("smpl_params.npz")
    ),
    "motion of AMASS, heads": Reader(
        furnish_motion, "poses.npz", renamed_crc, 10, read_moving("poses.npz")
    ),
    "motion of AMASS, values": Reader(
        furnish_motion, "poses.npz", zipped, 20, read_moving("poses.npz")
    ),
    "cameras": Reader(furnish_views, "cameras.json", mutations.text, 15, read_views),
    "cameras, values": Reader(furnish_views, "cameras.json", jsoned, 25, read_views),
    "views, bytes": Reader(furnish_views, "rgb_01.png", mutations.binary, 10, read_views),
    "views, heads": Reader(furnish_views, "mask_01.png", png_chunks, 10, read_views),
    "views, kinds": Reader(furnish_views, "rgb_01.png", other_mode, 10, read_views),
    "photo": Reader(furnish_views, "photo.jpg", mutations.binary, 10, read_photo),
    "config": Reader(furnish_config, "config.yaml", mutations.text, 25, read_config),
    "config, values": Reader(furnish_config, "config.yaml", yamled, 25, read_config),
    "ids": Reader(furnish_config, "ids.txt", mutations.text, 10, read_ids),
    "table": Reader(furnish_config, "scans.tsv", mutations.text, 10, read_entries),
    "job": Reader(furnish_job, "render.job.json", mutations.text, 10, read_job),
    "job, values": Reader(furnish_job, "render.job.json", jsoned, 20, read_job),
    "network, values": Reader(furnish_model, "model.json", jsoned, 30, read_model),
    "network, weights": Reader(
        furnish_model, "weights.safetensors", mutations.binary, 10, read_model
    ),
    "safetensors": Reader(
        furnish_tensors,
        "weights.safetensors",
        mutations.text,
        20,
        read_tensor_file("weights.safetensors"),
    ),
    "torch": Reader(
        furnish_tensors, "weights.pth", mutations.binary, 15, read_tensor_file("weights.pth")
    ),
    "torch, old": Reader(
        furnish_tensors, "old.pth", mutations.binary, 15, read_tensor_file("old.pth")
    ),
    "deep fit": Reader(furnish_fit, "fit.json", nested, 3, read_fit("fit.json")),
    "deep cameras": Reader(furnish_views, "cameras.json", nested, 3, read_views),
    "deep config": Reader(furnish_config, "config.yaml", nested, 3, read_config),
    "deep job": Reader(furnish_job, "render.job.json", nested, 3, read_job),
    "deep network": Reader(furnish_model, "model.json", nested, 3, read_model),
}


@pytest.fixture(autouse=True, scope="module")
def limits() -> Iterator[None]:
    """A reader that asks for all memory fails instead of ending the machine."""
    MODELS[:] = [BodyModel(core.model("male"))]
    status = Path("/proc/self/statm")  # where there is none, there is no limit either
    if not status.exists():
        yield
        return
    used = int(status.read_text().split()[0]) * resource.getpagesize()
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (used + MEMORY, hard))
    yield
    resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


def ring(*_: object) -> None:
    raise TimeoutError(f"more than {SECONDS} s")


def fault(reader: Reader, folder: Path) -> str | None:
    """What is wrong with how a damaged file is treated."""
    signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, SECONDS)
    try:
        reader.read(folder)
    except InputError as error:
        if len(str(error).splitlines()) != 1 or not str(error).isprintable():
            return f"not one line: {error!r}"
    except BaseException as error:
        return f"{type(error).__name__}: {str(error)[:200]}"
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
    return None


@pytest.mark.parametrize("name", READERS)
def test_a_damaged_file_is_read_rightly_or_refused_in_one_line(name: str, tmp_path: Path) -> None:
    reader = READERS[name]
    reader.furnish(tmp_path)
    sound = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert fault(reader, tmp_path) is None
    reader.read(tmp_path)
    found = {}
    for i in range(reader.count):
        damaged = reader.mutate(sound[reader.file], random.Random(f"{name} {i}"))
        (tmp_path / reader.file).write_bytes(damaged)
        if (why := fault(reader, tmp_path)) is not None:
            found[i] = why
        assert {p.name for p in tmp_path.iterdir()} == set(sound), "a reader left a file behind"
    assert found == {}


def test_there_are_as_many_files_as_said() -> None:
    assert sum(reader.count for reader in READERS.values()) == 878


def test_a_pickle_that_counts_its_objects_wrongly_takes_no_memory_for_them(tmp_path: Path) -> None:
    furnish_fit(tmp_path)
    path = tmp_path / "fit2.pkl"
    sound = path.read_bytes()
    path.write_bytes(
        sound.replace(b"q\x00", b"r\xff\xff\xff\x7f", 1).replace(b"h\x00", b"j\xff\xff\xff\x7f")
    )
    assert path.read_bytes() != sound
    read_fit("fit2.pkl")(tmp_path)


def test_a_long_range_of_ids_is_read_at_once() -> None:
    signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, SECONDS)
    try:
        assert len(catalogue.parse_ids("0-999999")) == 1_000_000
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
