"""Small scans for tests, in THuman2.0's layout: the stand-in body itself or any mesh, textured with coloured cells; and
view folders without a renderer."""

import pickle
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from hgm.body import BodyModel, BodyParameters, canonical
from hgm.cameras import Cameras
from hgm.scans import ScanFiles
from hgm.scans.given import PlacedBody, normals_of
from hgm.scans.silhouettes import spread_points
from hgm.standin import core
from hgm.views import save_cameras, save_view


def write_male_model(folder: Path) -> Path:
    """The male stand-in model as the only file of a models folder."""
    (folder / "smplx").mkdir(parents=True)
    np.savez(folder / "smplx" / "SMPLX_MALE.npz", **core.model("male"))
    return folder


def write_obj(
    folder: Path, name: str, vertices: np.ndarray, faces: np.ndarray, uvs: np.ndarray, texture: Image.Image
) -> Path:
    """An OBJ with one vt for each vertex, its MTL and its texture (JPEG, or PNG where every byte has to stay)."""
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
    """count x count cells of one colour each, `size` texels wide."""
    colours = np.random.default_rng(seed).integers(0, 256, (count, count, 3), np.uint8)
    image = Image.fromarray(colours.repeat(size, 0).repeat(size, 1))
    image.format = "PNG" if lossless else None
    return image


def person(seed: int) -> BodyParameters:
    """A standing person with lowered arms, a little different for each seed, turned by any angle."""
    generator = torch.Generator().manual_seed(seed)
    noise = BodyParameters.zeros().map(lambda x: 0.1 * torch.randn(x.shape, generator=generator))
    body = noise.body_pose.reshape(21, 3).clone()
    body[15, 2] -= 1.1
    body[16, 2] += 1.1
    yaw = 6 * float(torch.rand((), generator=generator))
    return noise.replace(body_pose=body.reshape(-1), global_orient=torch.tensor([0.05, yaw - 3, 0.02]))


def write_person(root: Path, name: str, model: BodyModel, *, seed: int) -> ScanFiles:
    """The body of `person(seed)` as a scan with its exact fit, placed and scaled as released scans are."""
    params = person(seed)
    rng = np.random.default_rng(seed)
    scale, translation = rng.uniform(0.4, 0.6), rng.uniform(-0.2, 0.2, 3)
    with torch.no_grad():
        vertices = model(params).vertices.double().numpy() * scale + translation
    low, high = vertices.min(0), vertices.max(0)
    uvs = ((vertices - low) / (high - low))[:, :2]
    obj = write_obj(root / "THuman2.0_Release" / name, name, vertices, model.faces.numpy(), uvs, cells(seed))
    fit = root / "THuman2.0_Smpl_X_Paras" / name / "smplx_param.pkl"
    fit.parent.mkdir(parents=True)
    arrays = {key: value[None] for key, value in params.arrays().items()}
    fit.write_bytes(pickle.dumps({**arrays, "scale": np.float64(scale), "translation": translation}))
    return ScanFiles(name, obj, fit)


def write_view_folder(folder: Path, model: BodyModel, cameras: Cameras, *, seed: int) -> Path:
    """The body of `person(seed)` as seen by cameras [V] (a point for each pixel, coloured by place) as a view folder."""
    params = person(seed).replace(global_orient=torch.zeros(3))
    with torch.no_grad():
        body = canonical(model, params)
    points = spread_points(body.vertices.double().numpy(), model.faces.numpy(), 400_000)
    pixels, depths = cameras.to(torch.float64).project(torch.from_numpy(points).expand(len(cameras), -1, 3))
    colours = ((points - points.min(0)) / np.ptp(points, axis=0) * 255).astype(np.uint8)
    shape = (cameras.height, cameras.width)
    for i in range(len(cameras)):
        column, row = pixels[i].floor().long().clamp(0, cameras.width - 1).numpy().T
        order = np.argsort(-depths[i].numpy(), kind="stable")  # the nearest point of a pixel is written last
        rgb, mask, depth = np.full((*shape, 3), 255, np.uint8), np.zeros(shape, np.uint8), np.zeros(shape)
        rgb[row[order], column[order]] = colours[order]
        depth[row[order], column[order]] = depths[i].numpy()[order]
        mask[row, column] = 255
        normal = normals_of(depth, cameras[i])
        save_view(folder, i, rgb=rgb, mask=mask, depth=depth, normal=normal)
    save_cameras(folder, cameras)
    PlacedBody(params, body).save(folder / "smplx.npz")
    return folder
