"""Small captures for tests, written in the files of each data set by other means than the program's
own: three cameras around the origin, a rectangle as person."""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image
from scipy.spatial.transform import Rotation

WIDTH, HEIGHT, FRAMES = 24, 32, 4
LAYOUTS = ("avatarrex", "thuman4", "actorshq")
NAMES = {
    "avatarrex": ("22010708", "22010710", "22139907"),
    "thuman4": ("cam00", "cam01", "cam02"),
    "actorshq": ("Cam001", "Cam002", "Cam127"),
}


def camera_numbers(i: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """K [3, 3], R [3, 3] and T [3] of camera i, which looks at the origin from 3 m away."""
    K = np.array([[30.0 + i, 0, 11.5], [0, 31.0, 16.25], [0, 0, 1]])
    turn = Rotation.from_euler("y", 120 * i + 10, degrees=True).as_matrix()
    R = np.diag([1.0, -1.0, -1.0]) @ turn
    return K, R, np.array([0.05 * i, -0.1, 3.0])


def picture_paths(root: Path, layout: str, camera: str, frame: int) -> tuple[Path, Path]:
    return {
        "avatarrex": (
            root / camera / f"{frame:08d}.jpg",
            root / camera / "mask" / "pha" / f"{frame:08d}.jpg",
        ),
        "thuman4": (
            root / "images" / camera / f"{frame:08d}.jpg",
            root / "masks" / camera / f"{frame:08d}.jpg",
        ),
        "actorshq": (
            root / "4x" / "rgbs" / camera / f"{camera}_rgb{frame:06d}.jpg",
            root / "4x" / "masks" / camera / f"{camera}_mask{frame:06d}.png",
        ),
    }[layout]


def write_pictures(
    root: Path, layout: str, camera: str, frame: int, image: np.ndarray, mask: np.ndarray
) -> None:
    for path, array in zip(picture_paths(root, layout, camera, frame), (image, mask), strict=True):
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(array).save(path, quality=95)


def write_calibration(root: Path, layout: str, size: tuple[int, int] = (WIDTH, HEIGHT)) -> None:
    cameras = {name: camera_numbers(i) for i, name in enumerate(NAMES[layout])}
    if layout != "actorshq":
        name = "calibration_full.json" if layout == "avatarrex" else "calibration.json"
        data = {
            name: {
                "K": K.ravel().tolist(),
                "R": R.ravel().tolist(),
                "T": T.tolist(),
                "imgSize": list(size),
                "distCoeff": [0.0] * 5,
            }
            for name, (K, R, T) in cameras.items()
        }
        (root / name).write_text(json.dumps(data))
        return
    lines = ["name,w,h,rx,ry,rz,tx,ty,tz,fx,fy,px,py"]
    w, h = size
    for name, (K, R, T) in cameras.items():
        vector, center = Rotation.from_matrix(R.T).as_rotvec(), -R.T @ T
        row = [w, h, *vector, *center, K[0, 0] / w, K[1, 1] / h, K[0, 2] / w, K[1, 2] / h]
        lines.append(",".join([name, *map(repr, map(float, row))]))
    (root / "4x" / "calibration.csv").write_text("\n".join(lines) + "\n")


def parameters(frames: int = FRAMES, seed: int = 0) -> dict[str, np.ndarray]:
    """Arrays of a smpl_params.npz, as the data sets have them."""
    rng = np.random.default_rng(seed)
    widths = {
        "global_orient": 3,
        "transl": 3,
        "body_pose": 63,
        "jaw_pose": 3,
        "expression": 10,
        "left_hand_pose": 45,
        "right_hand_pose": 45,
    }
    arrays = {name: rng.normal(0, 0.2, (frames, width)) for name, width in widths.items()}
    return {"betas": rng.normal(size=(1, 10)), **arrays}


def write_capture(
    root: Path, layout: str = "avatarrex", *, frames: Sequence[int] = range(FRAMES)
) -> dict[str, np.ndarray]:
    """A whole capture; the picture of frame f by camera i is (200, 40 + 20 f, 10 + 30 i) all over,
    and the mask a rectangle. Returns the parameters."""
    root.mkdir(parents=True, exist_ok=True)
    (root / "4x").mkdir(exist_ok=True)
    write_calibration(root, layout)
    arrays = parameters(max(frames) + 1)
    np.savez(root / "smpl_params.npz", **arrays)
    mask = np.zeros((HEIGHT, WIDTH), np.uint8)
    mask[8:24, 8:16] = 255
    for i, camera in enumerate(NAMES[layout]):
        for frame in frames:
            color = np.array([200, 40 + 20 * frame, 10 + 30 * i], np.uint8)
            image = np.broadcast_to(color, (HEIGHT, WIDTH, 3)).copy()
            write_pictures(root, layout, camera, frame, image, mask)
    return arrays
