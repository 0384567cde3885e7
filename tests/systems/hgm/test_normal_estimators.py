"""Estimators of normals: the axes and pictures that ICON's net sees, what comes back, and the
refinement of a body by it."""

import numpy as np
import pytest
import torch
import trimesh

from hgm.body.files import load_body
from hgm.cameras import Cameras, orbit
from hgm.gaussians import Gaussians
from hgm.images.views import load_views, save_cameras, save_image
from hgm.mesh.normals import cast, shown_normals
from hgm.mesh.settings import Mesh
from hgm.nets.icon import IconNormalNet
from hgm.nets.lightning import read_lightning
from hgm.nets.normal_net import NormalNet
from hgm.splat.normal_maps import NormalMaps
from hgm.splat.surfels import Surfels, pixel_size
from hgm.systems.hgm.bodies import estimate_subject, load_estimate, refine_subject
from hgm.systems.hgm.meshing import mesh_subject
from hgm.systems.hgm.normal_estimators import (
    IconNormals,
    OwnNormals,
    estimator_digest,
    load_estimator,
)
from hgm.systems.hgm.reconstruction import Reconstructor
from hgm.systems.hgm.sections.bodies import Refine

SIZE = 96


class Echo(IconNormalNet):
    """Gives back the body's normals and keeps what it saw."""

    def __init__(self) -> None:
        super().__init__(1)

    def forward(self, image, front, back):
        self.seen = image[0], front[0], back[0]
        return front, back


@pytest.fixture(scope="module")
def ball():
    mesh = trimesh.creation.icosphere(subdivisions=4, radius=0.5)
    return torch.from_numpy(mesh.vertices).float(), torch.from_numpy(mesh.faces)


def true_maps(vertices: torch.Tensor, faces: torch.Tensor, camera: Cameras) -> NormalMaps:
    """By ray casting: the first and the last surface."""
    cameras = Cameras(camera.K[None], camera.world_to_camera[None], camera.width, camera.height)[
        [0, 0]
    ]
    hits = cast(vertices, faces, cameras, torch.tensor([False, True]))
    maps = torch.zeros(2 * camera.width * camera.height, 3)
    maps[hits.pixels] = shown_normals(vertices, faces, hits)
    return NormalMaps(*maps.unflatten(0, (2, camera.height, camera.width)).movedim(-1, 1))


@pytest.mark.parametrize("view", [0, 4])
def test_icon_sees_its_own_axes_and_answers_in_the_world(ball, view):
    vertices, faces = ball
    camera = orbit(size=SIZE)[view]
    net = Echo()
    mask = torch.zeros(1, SIZE, SIZE)
    mask[:, 30:60, 20:70] = 1
    maps = IconNormals(net, size=SIZE).of_body(
        torch.ones(3, SIZE, SIZE), mask, vertices, faces, camera
    )
    image, front, back = net.seen
    # white is 1 inside the person and 0 around it
    assert torch.equal(image, mask.expand(3, -1, -1))
    middle = SIZE // 2
    # z to the camera, on both sides
    assert front[2, middle, middle] > 0.98 and back[2, middle, middle] < -0.98
    for side in (front, back):
        # x right, y up
        assert side[0, middle, middle + 20] > 0.3 and side[1, middle - 20, middle] > 0.3
    truth = true_maps(vertices, faces, camera)
    for ours, theirs in ((maps.front, truth.front), (maps.back, truth.back)):
        both = (ours.norm(dim=0) > 0.5) & (theirs.norm(dim=0) > 0.5)
        assert both.sum() > 0.9 * (theirs.norm(dim=0) > 0.5).sum()
        assert (ours * theirs).sum(0)[both].mean() > 0.94


def test_a_mesh_gets_both_sides_from_the_front(ball):
    vertices, faces = ball
    rig = orbit(size=32)[[0, 6]]
    targets = IconNormals(Echo(), size=SIZE).of_mesh(
        torch.ones(2, 3, 32, 32), torch.ones(1, 32, 32), vertices, faces, rig
    )
    assert targets.normals.shape == (2, 3, SIZE, SIZE) and targets.farthest.tolist() == [
        False,
        True,
    ]
    assert (
        torch.equal(targets.cameras.world_to_camera, rig[[0, 0]].world_to_camera)
        and targets.cameras.width == SIZE
    )
    middle = targets.normals[:, 2, SIZE // 2, SIZE // 2]
    assert middle[0] > 0.98 and middle[1] < -0.98


def test_a_mesh_is_refined_by_icon(ball, tmp_path):
    """The whole stage on a ball of splats: an estimator that knows the ball brings the normals of
    both sides nearer to its own."""
    vertices, faces = ball
    for name in ("input", "back"):
        save_image(tmp_path / f"{name}.png", torch.ones(3, 48, 48))
    save_cameras(tmp_path, orbit(size=48))
    discs = Surfels.of(vertices, faces).gaussians(vertices, pixel_size(orbit(size=64)))
    camera = orbit(size=SIZE)[0]
    truth = true_maps(vertices, faces, camera)

    def errors(steps: int) -> list[float]:
        settings = Mesh(
            cameras=32,
            size=128,
            voxel=0.03,
            truncation=0.06,
            min_triangles=300,
            smoothing=2,
            refine_steps=steps,
        )
        mesh_subject(discs, vertices, faces, IconNormals(Echo(), size=SIZE), tmp_path, settings)
        mesh = trimesh.load(tmp_path / "mesh.glb", force="mesh")
        found = true_maps(
            torch.from_numpy(mesh.vertices).float(), torch.from_numpy(mesh.faces), camera
        )
        pairs = ((found.front, truth.front), (found.back, truth.back))
        known = [(a.norm(dim=0) > 0.5) & (b.norm(dim=0) > 0.5) for a, b in pairs]
        return [
            float((a - b).norm(dim=0)[inside].mean())
            for (a, b), inside in zip(pairs, known, strict=True)
        ]

    before = errors(0)
    after = errors(30)
    assert after[0] < 0.8 * before[0] and after[1] < 0.8 * before[1], (before, after)


def test_the_own_net_tells_the_front_only(ball):
    vertices, faces = ball
    torch.manual_seed(0)
    maps = OwnNormals(NormalNet((8, 16)).eval().requires_grad_(False)).of_body(
        torch.rand(3, 32, 32), torch.ones(1, 32, 32), vertices, faces, orbit(size=32)[0]
    )
    assert (maps.back == 0).all() and torch.allclose(
        maps.front[:, 16, 16].norm(), torch.ones(()), atol=1e-4
    )


def test_the_configuration_chooses(tmp_path):
    net = IconNormalNet(8)
    torch.save(
        {"state_dict": {f"netG.{key}": value for key, value in net.state_dict().items()}},
        tmp_path / "normal.ckpt",
    )
    section = {"icon": str(tmp_path / "normal.ckpt")}
    found = load_estimator(section, tmp_path)
    assert isinstance(found, IconNormals)
    kept = read_lightning(tmp_path / "normal.ckpt")["netG.netB.model.38.bias"]
    assert torch.equal(found.net.netB.state_dict()["model.38.bias"], kept)
    digest = estimator_digest(section, tmp_path)
    (tmp_path / "normal.ckpt").write_bytes(b"other")
    assert estimator_digest(section, tmp_path) != digest


def test_normals_turn_a_body_that_silhouettes_leave(rendered, model, tmp_path):
    """With silhouettes that weigh nothing, true normals alone bring the body's own normals nearer
    to them."""
    estimate_subject(rendered[0], model, tmp_path / "first", seed=3, mpjpe_mm=80.0)
    truth = load_views(rendered[0])
    vertices = torch.from_numpy(load_body(rendered[0] / "smplx.npz")["vertices"])
    shown = true_maps(vertices, model.faces, orbit(size=64)[0])
    asked = []

    class Coarse(Reconstructor):
        def __init__(self) -> None:
            self.size = 64
            self.device = "cpu"

        def coarse_gaussians(self, image, mask, vertices, camera):
            point = torch.zeros(1, 3)
            return Gaussians(point, torch.ones(1), point + 0.1, torch.eye(4)[:1], point)

    class Oracle(OwnNormals):
        def __init__(self) -> None: ...

        def of_body(self, photo, mask, vertices, faces, camera):
            asked.append(vertices)
            return shown

    def refined(weight: float, steps: int) -> list[float]:
        settings = Refine(
            iterations=steps,
            every=steps,
            sizes=[64],
            cell=0.012,
            front=0.0,
            side=0.0,
            normal=weight,
        )
        start = load_estimate(tmp_path / "first/smplx.npz")
        refine_subject(
            start,
            truth.rgb[0],
            truth.mask[0],
            orbit(size=64)[0],
            model,
            Coarse(),
            tmp_path,
            settings,
            normals=Oracle(),
        )
        rows = [line.split("\t") for line in (tmp_path / "refinement.tsv").read_text().splitlines()]
        return (
            [float(row[rows[0].index("normal")]) for row in rows[1:]] if "normal" in rows[0] else []
        )

    assert refined(0.0, 1) == [] and asked == []
    course = refined(0.5, 8)
    assert len(asked) == 8 and not asked[0].requires_grad
    assert not np.array_equal(asked[0], asked[-1]) and course[-1] < 0.9 * course[0]
