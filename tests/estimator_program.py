"""Takes the place of PIXIE's `demos/demo_fit_body.py` and of PyMAF-X's `apps/demo_smplx.py` in the
tests: it has their command lines and writes their files, from the true fits with noise. A checkout
(tests/estimator_checkouts.py) holds it under both names.

`data/standin.json` of the checkout holds the folder of rendered views with true fits, the size of
the noise, what goes wrong at which picture, and a folder of results made before, which saves the
time to make them. `data/calls.txt` gets a line for each picture.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import sys
import time
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[1]
GROUPS = {
    "body_pose": slice(1, 22),
    "jaw_pose": slice(22, 23),
    "leye_pose": slice(23, 24),
    "reye_pose": slice(24, 25),
    "left_hand_pose": slice(25, 40),
    "right_hand_pose": slice(40, 55),
}
PLAN = json.loads((CHECKOUT / "data/standin.json").read_text())
if not PLAN["ready"]:
    import pickle
    import zlib

    import joblib
    import numpy as np
    import torch
    from PIL import Image
    from scipy.spatial.transform import Rotation

    from hgm.body.estimates.pixie import crop
    from hgm.body.model import BodyModel
    from hgm.body.parameters import BodyParameters
    from hgm.rig import FOCAL, RADIUS
    from hgm.standin.body import core

    FLIP = np.diag([1.0, -1.0, -1.0])  # y up to y down


def body(
    name: str, size: int, model: BodyModel
) -> tuple[dict[str, np.ndarray], np.ndarray, np.ndarray, float]:
    """Matrices by group, vertices in meters with y down, the pelvis in pixels, and pixels per
    meter: of the true fit where the picture has the name of a scan, else of a body at rest."""
    fit = next(iter(sorted(Path(PLAN["views"]).glob(f"*/{name}/smplx.npz"))), None)
    params = model.zeros()
    per_meter = 0.75
    if fit is not None:
        params = BodyParameters.from_npz(fit)
        per_meter = float(np.load(fit)["nu_per_metre"])
        params = params.map(lambda x: x.reshape(-1)).replace(global_orient=torch.zeros(3))
    noise = np.random.default_rng(zlib.crc32(name.encode())).normal(0, PLAN["noise"], (21, 3))
    pose = Rotation.from_rotvec(noise) * Rotation.from_rotvec(
        params.body_pose.double().numpy().reshape(-1, 3)
    )
    params = params.replace(body_pose=torch.from_numpy(pose.as_rotvec().reshape(-1)).float())
    with torch.no_grad():
        found = model(params)
        angles = model.rotations(params).double().numpy()
    matrices = Rotation.from_rotvec(angles).as_matrix()
    groups = {
        "global_orient": FLIP @ matrices[:1],
        **{key: matrices[part] for key, part in GROUPS.items()},
    }
    vertices = (found.vertices - found.joints[:1]).double().numpy() @ FLIP
    return groups, vertices, np.full(2, size / 2), FOCAL * size / RADIUS * per_meter


def told(name: str) -> None:
    """Record the picture, and do what is to go wrong at it. A picture at which the process kills
    itself works the next time."""
    with open(CHECKOUT / "data/calls.txt", "a") as file:
        file.write(f"{name}\n")
    once = CHECKOUT / f"data/killed_{name}"
    if name in PLAN["kill"] and not once.exists():
        once.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    if name in PLAN["hang"]:
        time.sleep(600)
    if name in PLAN["crash"]:
        raise RuntimeError("no crop can be made of it")


def pixie(args: argparse.Namespace) -> None:
    model = None if PLAN["ready"] else BodyModel(core.model("male"))
    for picture in sorted(Path(args.inputpath).glob("*.png")):
        name = picture.stem
        told(name)
        if name in PLAN["nobody"]:
            continue
        if PLAN["ready"]:
            shutil.copytree(Path(PLAN["ready"]) / name, Path(args.savefolder) / name)
            continue
        size = Image.open(picture).width
        groups, vertices, pelvis, scale = body(name, size, model)
        box = np.array([0.2, 0.05, 0.8, 0.95], np.float32) * size
        center, half = crop(box)
        camera = np.array([scale / half, *((pelvis - center) / scale)])
        param = {
            "body_cam": camera,
            "global_pose": groups["global_orient"],
            "partbody_pose": groups["body_pose"][:17],
            "body_pose": groups["body_pose"],
            "bbox": box,
            **{key: groups[key] for key in ("jaw_pose", "left_hand_pose", "right_hand_pose")},
        }
        folder = Path(args.savefolder) / name
        folder.mkdir(parents=True, exist_ok=True)
        for kind, data in (("param", param), ("prediction", {"vertices": vertices})):
            data = {key: np.asarray(value, np.float32) for key, value in data.items()}
            (folder / f"{name}_{kind}.pkl").write_bytes(pickle.dumps(data, protocol=2))


def pymafx(args: argparse.Namespace) -> None:
    model = BodyModel(core.model("male"))
    people = []
    rows = {"pred_cam": [], "bboxes": [], "smplx_verts": []}
    poses = []
    for frame, picture in enumerate(sorted(Path(args.image_folder).iterdir())):
        told(picture.stem)
        if picture.stem in PLAN["nobody"]:
            continue
        size = Image.open(picture).width
        groups, vertices, pelvis, scale = body(picture.stem, size, model)
        people.append(f"{picture.stem}_f{frame}_p0")
        rows["pred_cam"].append([scale / (size / 2), *((pelvis - size / 2) / scale)])
        rows["bboxes"].append([size / 2, size / 2, size, size])
        rows["smplx_verts"].append(vertices)
        whole = np.concatenate(
            [groups.pop("global_orient"), groups["body_pose"], np.tile(np.eye(3), (2, 1, 1))]
        )
        poses.append(
            {
                key: torch.from_numpy(value[None]).float()
                for key, value in {**groups, "body_pose": whole}.items()
            }
        )
    folder = Path(args.output_folder) / Path(args.image_folder).name
    folder.mkdir(parents=True, exist_ok=True)
    joblib.dump(
        {
            "person_ids": people,
            "smplx_params": poses,
            **{key: np.array(value) for key, value in rows.items()},
        },
        folder / "output.pkl",
    )


if __name__ == "__main__":
    print("a stand-in of an estimator")
    print("told", [name for name in os.environ if name.startswith("PYTHON")])
    parser = argparse.ArgumentParser()
    if PLAN["broken"]:
        sys.exit("ModuleNotFoundError: No module named 'kornia'")
    if Path(__file__).name == "demo_fit_body.py":
        parser.add_argument("-i", "--inputpath")
        parser.add_argument("-s", "--savefolder")
        parser.add_argument("--device", default="cuda:0")
        for name in ("saveParam", "savePred", "saveVis", "useTex", "lightTex"):
            parser.add_argument(f"--{name}", type=lambda x: x.lower() in ["true", "1"])
        given = parser.parse_args()
        assert given.saveParam and given.savePred and not given.saveVis and not given.useTex
        pixie(given)
    else:
        parser.add_argument("--image_folder")
        parser.add_argument("--output_folder")
        parser.add_argument("--pretrained_model", type=argparse.FileType("rb"))
        parser.add_argument("--detection_threshold", type=float)
        parser.add_argument("--no_render", action="store_true")
        parser.add_argument("--misc", nargs="*")
        given = parser.parse_args()
        assert given.no_render and given.misc
        pymafx(given)
