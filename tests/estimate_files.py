"""Files in the formats of PIXIE, PyMAF-X and others for one known body, made with the layer of the
smplx package."""

import pickle
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import joblib
import numpy as np
import smplx
import torch
from scipy.spatial.transform import Rotation
from skimage import transform

FLIP = np.diag([1.0, -1.0, -1.0])
BOX = np.array([150.3, 40.7, 330.2, 480.9], np.float32)  # of a detector, in a photo of 512 pixels
COUNTS = {
    "global_orient": 1,
    "body_pose": 21,
    "jaw_pose": 1,
    "leye_pose": 1,
    "reye_pose": 1,
    "left_hand_pose": 15,
    "right_hand_pose": 15,
}


class Known(NamedTuple):
    """A body in an estimator's frame, y down, in meters."""

    matrices: dict[str, np.ndarray]  # [n, 3, 3] by joint group
    betas: np.ndarray  # [10]
    expression: np.ndarray  # [10]
    vertices: np.ndarray  # [10475, 3]
    joints: np.ndarray  # [55, 3]


@cache
def known(models: Path, gender: str = "male", *, eyes: bool = True) -> Known:
    rng = np.random.default_rng(3)
    matrices = {
        key: Rotation.from_rotvec(rng.normal(0, 0.3, (n, 3))).as_matrix()
        for key, n in COUNTS.items()
    }
    matrices["global_orient"] = FLIP @ matrices["global_orient"]
    if not eyes:
        matrices["leye_pose"] = matrices["reye_pose"] = np.eye(3)[None]
    layer = smplx.build_layer(
        models, "smplx", gender=gender, ext="npz", num_betas=10, num_expression_coeffs=10
    )
    betas, expression = rng.normal(0, 0.8, (2, 10))
    with torch.no_grad():
        out = layer(
            betas=torch.tensor(betas[None]).float(),
            expression=torch.tensor(expression[None]).float(),
            **{key: torch.tensor(value[None]).float() for key, value in matrices.items()},
        )
    return Known(matrices, betas, expression, out.vertices[0].numpy(), out.joints[0, :55].numpy())


def write_pixie(folder: Path, name: str, body: Known, camera: np.ndarray, **changes: Any) -> Path:
    """Files as demo_fit_body.py with `--saveParam True --savePred True` writes them: tensors
    without their batch dimension, pickle protocol 2."""

    def f32(x: np.ndarray) -> np.ndarray:
        return np.asarray(x, np.float32)

    m = body.matrices
    param = {
        "body_cam": f32(camera),
        "global_pose": f32(m["global_orient"]),
        "partbody_pose": f32(np.tile(np.eye(3), (17, 1, 1))),
        "neck_pose": f32(m["body_pose"][11:12]),
        "shape": f32(np.full(200, 9.0)),
        "exp": f32(np.full(50, 9.0)),
        "head_pose": f32(m["body_pose"][14:15]),
        "jaw_pose": f32(m["jaw_pose"]),
        "body_pose": f32(m["body_pose"]),
        "left_hand_pose": f32(m["left_hand_pose"]),
        "right_hand_pose": f32(m["right_hand_pose"]),
        "tex": f32(np.zeros(50)),
        "light": f32(np.zeros(27)),
        "bbox": BOX,
        **changes,
    }
    prediction = {
        "vertices": f32(body.vertices),
        "cam": f32(camera),
        "smplx_kpt": f32(np.zeros((145, 2))),
    }
    (folder / name).mkdir(parents=True, exist_ok=True)
    for kind, data in (("param", param), ("prediction", prediction)):
        kept = {key: value for key, value in data.items() if value is not None}
        (folder / name / f"{name}_{kind}.pkl").write_bytes(pickle.dumps(kept, protocol=2))
    return folder / name / f"{name}_param.pkl"


def pixie_pixels(points: np.ndarray, camera: np.ndarray) -> np.ndarray:
    """Points [N, 3] projected to pixels of the photo: the crop of body_datasets.py,
    `batch_orth_proj`, and the inverse of the crop as in `recover_position`."""
    left, top, right, bottom = BOX
    size = int(max(right - left, bottom - top) * 1.1)
    x = right - (right - left) / 2
    y = bottom - (bottom - top) / 2
    source = np.array(
        [[x - size / 2, y - size / 2], [x - size / 2, y + size / 2], [x + size / 2, y - size / 2]]
    )
    target = np.array([[0, 0], [0, 223], [223, 0]])
    cropped = transform.estimate_transform("similarity", source, target)
    normalized = camera[0] * (points[:, :2] + camera[1:])
    return cropped.inverse((normalized * 0.5 + 0.5) * 224)


def write_pymafx(
    path: Path, body: Known, camera: np.ndarray, names: list[str], **changes: Any
) -> Path:
    """`output.pkl` as apps/demo_smplx.py writes it, for several people of whom `body` is the last:
    batches of two, tensors of torch."""
    count = len(names)

    def rows(value: np.ndarray) -> np.ndarray:
        filler = np.zeros((count - 1, *np.shape(value)), np.float32)
        return np.concatenate([filler, np.asarray(value, np.float32)[None]])

    whole = np.concatenate(
        [body.matrices["global_orient"], body.matrices["body_pose"], np.tile(np.eye(3), (2, 1, 1))]
    )
    poses = {
        "shape": rows(body.betas),
        "body_pose": rows(whole),
        "expression": rows(body.expression),
        **{
            key: rows(body.matrices[key])
            for key in COUNTS
            if key not in ("global_orient", "body_pose")
        },
    }
    batches = [
        {key: torch.from_numpy(value[i : i + 2]) for key, value in poses.items()}
        for i in range(0, count, 2)
    ]
    center = (BOX[:2] + BOX[2:]) / 2
    edge = 530.0
    data = {
        "pred_cam": rows(camera),
        "orig_cam": rows(orig_cam(camera, center, edge)),
        "smplx_verts": rows(body.vertices),
        "bboxes": rows(np.array([*center, edge, edge])).astype(np.float64),
        "frame_ids": list(range(count)),
        "person_ids": names,
        "joints2d": [np.zeros((17, 3))] * count,
        "smplx_params": batches,
        **changes,
    }
    joblib.dump({key: value for key, value in data.items() if value is not None}, path)
    return path


def orig_cam(
    camera: np.ndarray, center: np.ndarray, edge: float, photo: float = 512.0
) -> np.ndarray:
    """The camera (sx, sy, tx, ty) of the whole photo, by `convert_crop_cam_to_orig_img`."""
    s = camera[0] * edge / photo
    return np.array([s, s, *((center - photo / 2) / (photo / 2) / s + camera[1:])])


def pymafx_pixels(points: np.ndarray, camera: np.ndarray) -> np.ndarray:
    """Points [N, 3] projected to pixels of the photo, by the camera of the whole photo."""
    whole = orig_cam(camera, (BOX[:2] + BOX[2:]) / 2, 530.0)
    return (whole[:2] * (points[:, :2] + whole[2:]) + 1) / 2 * 512
