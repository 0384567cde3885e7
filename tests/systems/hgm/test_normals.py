"""The normal net: frames, training, what a mesh is to show."""

import numpy as np
import pytest
import torch
import trimesh

from hgm.cameras import orbit
from hgm.images.views import save_cameras, save_view
from hgm.splat.normal_maps import body_normals, normal_error, to_camera, to_world
from hgm.systems.hgm.normal_estimators import predict_targets
from hgm.systems.hgm.normals import BodyViews, load_normals, train_normals
from hgm.systems.hgm.sections.normals import Normals
from hgm.train.scan_store import ScanStore

SIZE = 32


@pytest.fixture(scope="module")
def ball() -> trimesh.Trimesh:
    return trimesh.creation.icosphere(subdivisions=4, radius=0.5)


@pytest.fixture(scope="module")
def folders(tmp_path_factory, ball):
    """Balls whose true normals are bumpier than the "body" beside them, and whose colors tell the
    bumps."""
    found = []
    rig = orbit(size=SIZE)
    for seed in range(3):
        folder = tmp_path_factory.mktemp("views") / f"{seed:04d}"
        save_cameras(folder, rig)
        origin, direction = rig.rays()
        b = (origin * direction).sum(1)
        root = b.square() - origin.square().sum(1) + 0.25
        t = -b - root.clamp(min=0).sqrt()
        point = origin + t[:, None] * direction
        inside = root > 0
        bump = 0.6 * torch.sin(12 * point[:, 1:2] + seed)
        normal = torch.nn.functional.normalize(
            point + torch.cat([bump * 0, bump, bump * 0], 1), dim=1
        )
        rgb = torch.where(
            inside[:, None], (0.5 + 0.5 * bump / 0.6).expand(-1, 3, -1, -1), torch.ones(())
        )
        for i in range(12):
            save_view(
                folder,
                i,
                rgb=(rgb[i].movedim(0, -1) * 255).round().byte().numpy(),
                mask=inside[i].byte().numpy() * 255,
                depth=(t[i] * inside[i]).numpy(),
                normal=(normal[i] * inside[i]).movedim(0, -1).numpy(),
            )
        np.savez(folder / "smplx.npz", vertices=np.asarray(ball.vertices, np.float32))
        found.append(folder)
    return found


def test_camera_axes_and_back():
    rig = orbit(size=8)
    n = torch.nn.functional.normalize(
        torch.randn(12, 3, 8, 8, generator=torch.Generator().manual_seed(0)), dim=1
    )
    assert torch.allclose(to_world(to_camera(n, rig), rig), n, atol=1e-6)
    facing = torch.nn.functional.normalize(rig.centers, dim=-1)[..., None, None].expand(12, 3, 8, 8)
    assert torch.allclose(to_camera(facing, rig)[:, 2], torch.full((12, 8, 8), -1.0), atol=1e-5)


def test_normals_of_a_ball(ball):
    rig = orbit(size=64)[[0, 5]]
    found = to_world(
        body_normals(torch.from_numpy(ball.vertices).float(), torch.from_numpy(ball.faces), rig),
        rig,
    )
    middle = torch.nn.functional.normalize(found[:, :, 30:34, 30:34].mean((2, 3)), dim=1)
    assert ((middle * torch.nn.functional.normalize(rig.centers, dim=-1)).sum(-1) > 0.99).all()
    assert (found[:, :, 2, 2] == 0).all()


def test_bodies_are_drawn_one_by_one_and_few_are_kept(folders, ball):
    store = ScanStore(folders)
    faces = torch.from_numpy(ball.faces)
    whole = [body_normals(store.body(s), faces, store.cameras(s)) for s in range(3)]
    bodies = BodyViews(store, faces, limit=4 * whole[0][0].nbytes)
    for _ in range(2):  # the second time most have left
        for scan in range(3):
            for i in range(12):
                assert torch.equal(bodies.view(scan, i), whole[scan][i])
                assert bodies.held <= bodies.limit
    assert bodies.view(2, 11) is bodies.view(2, 11)


def test_the_net_learns_what_the_body_does_not_show(folders, ball, tmp_path):
    faces = torch.from_numpy(ball.faces)
    history = train_normals(
        folders,
        faces,
        Normals(channels=[8, 16], steps=120, batch=4, lr=5e-3),
        tmp_path / "out",
        tmp_path / "state",
        seed=0,
    )
    last = [sum(r[k] for r in history[-20:]) / 20 for k in ("loss", "body_alone")]
    assert last[0] < 0.6 * last[1]
    net = load_normals(tmp_path / "out")
    again = train_normals(
        folders,
        faces,
        Normals(channels=[8, 16], steps=1, batch=4, lr=1e-12),
        tmp_path / "again",
        tmp_path / "other",
        seed=1,
        init=tmp_path / "out/weights.safetensors",
    )
    assert again[0]["loss"] < 0.6 * again[0]["body_alone"]  # starts from what was learned
    pictures = torch.rand(2, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(1))
    targets = predict_targets(
        net, pictures, torch.from_numpy(ball.vertices).float(), faces, orbit(size=SIZE)[[0, 6]]
    )
    lengths = targets.normals.norm(dim=1)
    assert (
        torch.allclose(lengths[:, 16, 16], torch.ones(2), atol=1e-4)
        and (lengths[:, 0, 0] == 0).all()
    )


def test_the_error_counts_known_pixels_only():
    target = torch.zeros(1, 3, 2, 2)
    target[0, 2, 0, 0] = 1
    prediction = torch.zeros(1, 3, 2, 2)
    prediction[0, 0, 0, 0] = 1
    assert normal_error(prediction, target) == 2.0
