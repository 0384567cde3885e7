"""Small scans and views for tests, in the layouts of the data sets: the stand-in body or any mesh,
textured with colored cells. Views are drawn without a renderer."""

import json
import pickle
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from scipy.spatial.transform import Rotation

from hgm.body.canonical import canonical
from hgm.body.files import PlacedBody
from hgm.body.fits import Fit
from hgm.body.model import BodyModel
from hgm.body.parameters import BodyParameters
from hgm.cameras import Cameras, look_at
from hgm.geometry.rotations import rotation_matrix
from hgm.geometry.sampling import spread_points
from hgm.images.views import save_cameras, save_view
from hgm.render.given import normals_of
from hgm.scans.canonical import CanonicalScan
from hgm.scans.obj import ObjMesh
from hgm.scans.thuman import ScanFiles
from hgm.standin.body import core


def write_male_model(folder: Path) -> Path:
    """A models folder with only the male stand-in model."""
    (folder / "smplx").mkdir(parents=True)
    np.savez(folder / "smplx" / "SMPLX_MALE.npz", **core.model("male"))
    return folder


def write_obj(
    folder: Path,
    name: str,
    vertices: np.ndarray,
    faces: np.ndarray,
    uvs: np.ndarray,
    texture: Image.Image,
) -> Path:
    """An OBJ with one vt for each vertex, its MTL and its texture (JPEG, or PNG where every byte
    must be kept)."""
    folder.mkdir(parents=True, exist_ok=True)
    image = "material0.png" if texture.format == "PNG" else "material0.jpeg"
    texture.save(folder / image, quality=92)
    (folder / "material0.mtl").write_text(f"newmtl material0\nKd 1 1 1\nmap_Kd {image}\n")
    lines = ["mtllib material0.mtl", "usemtl material0"]
    lines += [f"v {x:.8f} {y:.8f} {z:.8f}" for x, y, z in vertices]
    lines += [f"vt {u:.8f} {v:.8f}" for u, v in uvs]
    lines += ["f " + " ".join(f"{i}/{i}" for i in face) for face in np.asarray(faces) + 1]
    path = folder / f"{name}.obj"
    path.write_text("\n".join(lines) + "\n")
    return path


def cells(seed: int, count: int = 16, size: int = 16, lossless: bool = False) -> Image.Image:
    """An image of count x count cells, `size` texels wide, each of one color."""
    colors = np.random.default_rng(seed).integers(0, 256, (count, count, 3), np.uint8)
    image = Image.fromarray(colors.repeat(size, 0).repeat(size, 1))
    image.format = "PNG" if lossless else None
    return image


def person(seed: int) -> BodyParameters:
    """A standing person with lowered arms; shape, pose and orientation depend on the seed."""
    generator = torch.Generator().manual_seed(seed)
    noise = BodyParameters.zeros().map(lambda x: 0.1 * torch.randn(x.shape, generator=generator))
    body = noise.body_pose.reshape(21, 3).clone()
    body[15, 2] -= 1.1
    body[16, 2] += 1.1
    yaw = 6 * float(torch.rand((), generator=generator))
    return noise.replace(
        body_pose=body.reshape(-1), global_orient=torch.tensor([0.05, yaw - 3, 0.02])
    )


def write_person(root: Path, name: str, model: BodyModel, *, seed: int) -> ScanFiles:
    """The body of `person(seed)` as a scan with its exact fit, positioned and scaled as in the
    released scans."""
    params = person(seed)
    rng = np.random.default_rng(seed)
    scale = rng.uniform(0.4, 0.6)
    translation = rng.uniform(-0.2, 0.2, 3)
    with torch.no_grad():
        vertices = model(params).vertices.double().numpy() * scale + translation
    low = vertices.min(0)
    high = vertices.max(0)
    uvs = ((vertices - low) / (high - low))[:, :2]
    obj = write_obj(
        root / "THuman2.0_Release" / name, name, vertices, model.faces.numpy(), uvs, cells(seed)
    )
    fit = root / "THuman2.0_Smpl_X_Paras" / name / "smplx_param.pkl"
    fit.parent.mkdir(parents=True)
    arrays = {key: value[None] for key, value in params.arrays().items()}
    fit.write_bytes(
        pickle.dumps({**arrays, "scale": np.float64(scale), "translation": translation})
    )
    return ScanFiles(name, obj, fit)


def write_view_folder(folder: Path, model: BodyModel, cameras: Cameras, *, seed: int) -> Path:
    """The body of `person(seed)` seen by cameras [V], as a view folder: its points, colored by
    their position, each drawn to one pixel."""
    params = person(seed).replace(global_orient=torch.zeros(3))
    with torch.no_grad():
        body = canonical(model, params)
    points = spread_points(body.vertices.double().numpy(), model.faces.numpy(), 400_000)
    pixels, depths = cameras.to(torch.float64).project(
        torch.from_numpy(points).expand(len(cameras), -1, 3)
    )
    colors = ((points - points.min(0)) / np.ptp(points, axis=0) * 255).astype(np.uint8)
    shape = (cameras.height, cameras.width)
    for i in range(len(cameras)):
        column, row = pixels[i].floor().long().clamp(0, cameras.width - 1).numpy().T
        # the nearest point of a pixel is written last
        order = np.argsort(-depths[i].numpy(), kind="stable")
        rgb = np.full((*shape, 3), 255, np.uint8)
        mask = np.zeros(shape, np.uint8)
        depth = np.zeros(shape)
        rgb[row[order], column[order]] = colors[order]
        depth[row[order], column[order]] = depths[i].numpy()[order]
        mask[row, column] = 255
        normal = normals_of(depth, cameras[i])
        save_view(folder, i, rgb=rgb, mask=mask, depth=depth, normal=normal)
    save_cameras(folder, cameras)
    PlacedBody(params, body).save(folder / "smplx.npz")
    return folder


def write_custom_humans(
    root: Path, name: str, scan: CanonicalScan, mesh: ObjMesh, fit: Fit, texture: Image.Image
) -> None:
    """A scan in the layout of CustomHumans: in meters of the person, facing +z, pelvis at the
    origin, with a PNG texture and a JSON fit."""
    folder = root / "mesh" / f"{name}_subject"
    fits = root / "smplx" / f"{name}_subject"
    folder.mkdir(parents=True)
    fits.mkdir(parents=True)
    texture.save(folder / "mesh-f00101.png")
    (folder / "mesh-f00101.mtl").write_text("newmtl material_0\nmap_Kd mesh-f00101.png\n")
    vertices = scan.apply(mesh.vertices) / float(scan.body.nu_per_metre)
    lines = ["mtllib mesh-f00101.mtl", "usemtl material_0"]
    lines += [f"v {x:.8f} {y:.8f} {z:.8f}" for x, y, z in vertices] + [
        f"vt {u:.6f} {v:.6f}" for u, v in mesh.uvs
    ]
    corners = np.stack([mesh.faces, mesh.uv_faces], -1) + 1
    lines += ["f " + " ".join(f"{a}/{b}" for a, b in face) for face in corners]
    (folder / "mesh-f00101.obj").write_text("\n".join(lines) + "\n")
    arrays = {
        key: value.tolist()
        for key, value in fit.params.replace(global_orient=torch.zeros(3)).arrays().items()
    }
    (fits / "mesh-f00101.json").write_text(json.dumps({**arrays, "transl": [0.0, 0.0, 0.0]}))
    (fits / "mesh-f00101_smpl.obj").write_text("v 0 0 0\n")


def smpl_arrays(model: BodyModel) -> dict[str, np.ndarray]:
    """The arrays of an SMPL file with the joints of the stand-in: its first 6890 vertices, and a
    regressor that gives the joints of the template and of the first ten shape components
    exactly."""
    count = 6890
    template = model.v_template[:count].double().numpy()
    shapes = model.shape_basis[:10].reshape(10, -1, 3)[:, :count].double().numpy()
    basis = torch.cat([torch.zeros(1, 10), torch.eye(10)])
    joints = model.shaped(basis)[1][:, :24].double().numpy()  # [11, 24, 3]
    values = np.concatenate([joints[:1], joints[1:] - joints[:1]])
    points = np.concatenate([template[None], shapes])  # [11, 6890, 3]
    regressor = values.transpose(1, 0, 2).reshape(24, -1) @ np.linalg.pinv(
        points.transpose(1, 0, 2).reshape(count, -1)
    )
    return {
        "v_template": template,
        "shapedirs": shapes.transpose(1, 2, 0),
        "J_regressor": regressor,
    }


def write_humman(
    root: Path, name: str, model: BodyModel, *, seed: int, size: tuple[int, int] = (320, 180)
) -> np.ndarray:
    """The first frame of a HuMMan sequence: the body of `person(seed)` among ten cameras, gray on
    green. Returns its vertices [10475, 3] in the world frame, which is that of camera 0."""
    width, height = size
    folder = root / name
    params = person(seed).replace(
        left_hand_pose=torch.zeros(12),
        right_hand_pose=torch.zeros(12),
        expression=torch.zeros(10),
        jaw_pose=torch.zeros(3),
        leye_pose=torch.zeros(3),
        reye_pose=torch.zeros(3),
    )
    ring = look_at(
        torch.tensor(
            [[3.2 * np.sin(a), 0.4, 3.2 * np.cos(a)] for a in np.arange(10) * 2 * np.pi / 10]
        ),
        torch.zeros(3),
    )
    ring = ring.double()
    first = torch.linalg.inv(ring[0])
    poses = (ring @ first).numpy()  # world: the frame of camera 0
    # position and orientation of the person
    upright = ring[0, :3, :3].numpy()
    pelvis = ring[0, :3, 3].numpy()
    R = upright @ rotation_matrix(params.global_orient.double().numpy())
    with torch.no_grad():
        posed = model(params.replace(global_orient=torch.zeros(3)))
        rest = model.shaped(params.betas)[1][0].double().numpy()
    vertices = (posed.vertices.double().numpy() - posed.joints[0].double().numpy()) @ R.T + pelvis
    K = np.array([[1.2 * height, 0, width / 2], [0, 1.2 * height, height / 2], [0, 0, 1]])
    points = spread_points(vertices, model.faces.numpy(), 300_000)
    cameras = {}
    for i, pose in enumerate(poses):
        cameras[f"kinect_color_{i:03d}"] = {
            "K": K.tolist(),
            "R": pose[:3, :3].tolist(),
            "T": pose[:3, 3].tolist(),
        }
        pixels, _ = Cameras(torch.from_numpy(K), torch.from_numpy(pose), width, height).project(
            torch.from_numpy(points)
        )
        column, row = pixels.floor().long().numpy().T
        mask = np.zeros((height, width), np.uint8)
        mask[row, column] = 255
        rgb = np.where(mask[..., None] > 0, np.uint8(90), np.array([0, 200, 0], np.uint8))
        for kind, image in (("kinect_color", rgb), ("kinect_mask", mask)):
            path = folder / kind / f"kinect_{i:03d}" / "000000.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(image).save(path)
    (folder / "cameras.json").write_text(json.dumps(cameras))
    (folder / "smpl_params").mkdir()
    pose = np.concatenate([params.body_pose.numpy(), np.zeros(6, np.float32)])
    np.savez(
        folder / "smpl_params" / "000000.npz",
        betas=params.betas.numpy(),
        body_pose=pose,
        transl=pelvis - rest,
        global_orient=Rotation.from_matrix(R).as_rotvec(),
    )
    return vertices
