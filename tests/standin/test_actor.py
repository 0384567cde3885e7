"""A stand-in that moves: make_scan is one pose of it, its skin is SMPL-X's, its pieces stay what
they are."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import trimesh
from standin_probes import Probes, texels_at

from hgm.body.motion.cycles import cycle
from hgm.errors import InputError, ScanError
from hgm.geometry.rays import RayMesh
from hgm.standin import make_scan
from hgm.standin.actor import Actor, Label
from hgm.standin.assets import FILE_GENDER, load_assets
from hgm.standin.body import core
from hgm.standin.scan import Scan

RECORDED = Path(__file__).parent / "make_scan.json"
SEEDS = (7, 8, 9, 11, 18, 19, 21, 22)  # skirts, a dress, a jacket, all kinds of hair, both genders
TEXTURE = 256
RAYS = 160


def record(scan: Scan) -> dict[str, object]:
    """What rays see of a scan: distances in units of 1e-5, and colors."""
    distance, uvs, face = Probes.of(scan, RAYS).at(
        scan.vertices, scan.faces, scan.uvs[scan.uv_faces]
    )
    return {
        "triangles": len(scan.faces),
        "scale": round(float(scan.fit["scale"][0]), 6),
        "distances": np.round(np.where(face < 0, 0, distance) * 1e5).astype(int).tolist(),
        "colors": texels_at(scan.texture, uvs).astype(np.uint8).tobytes().hex(),
    }


@pytest.mark.parametrize("seed", SEEDS)
def test_scans_are_those_of_the_first_version(seed: int) -> None:
    """By rays, since the last bits of positions differ between kinds of CPU; recorded by the
    `record` of this file before scans were made from actors. A ray that grazes an edge may differ.
    """
    expected = json.loads(RECORDED.read_text())[str(seed)]
    got = record(make_scan(seed, TEXTURE))
    assert got["triangles"] == pytest.approx(expected["triangles"], rel=1e-3)
    assert got["scale"] == pytest.approx(expected["scale"], abs=2e-6)
    apart = np.abs(np.subtract(got["distances"], expected["distances"]))
    assert (apart <= 2).mean() > 0.98
    colors = [
        np.frombuffer(bytes.fromhex(one["colors"]), np.uint8).reshape(-1, 3).astype(int)
        for one in (got, expected)
    ]
    assert (np.abs(colors[0] - colors[1]).max(1) <= 2).mean() > 0.98


@pytest.fixture(scope="module", params=[8, 13])
def pair(request: pytest.FixtureRequest) -> tuple[Actor, Scan]:
    return Actor.of(request.param, TEXTURE), make_scan(request.param, TEXTURE)


@pytest.fixture(scope="module")
def actor(pair: tuple[Actor, Scan]) -> Actor:
    return pair[0]


def bend(joint: str, angle: float, axis: int = 1) -> dict[str, np.ndarray]:
    pose = np.zeros((21, 3))
    pose[core.JOINTS.index(joint) - 1, axis] = angle
    return {"body_pose": pose.ravel()}


def test_an_actor_in_the_pose_of_its_scan_lies_on_it(pair: tuple[Actor, Scan]) -> None:
    actor, scan = pair
    vertices = actor.posed(scan.fit) * scan.fit["scale"] + scan.fit["translation"]
    millimeter = float(scan.fit["scale"][0]) / 1000
    nearest = RayMesh(vertices, actor.faces).nearest(scan.vertices)[0]
    apart = np.linalg.norm(nearest - scan.vertices, axis=1)
    assert np.median(apart) < 0.01 * millimeter and apart.max() < 0.5 * millimeter


def test_the_outermost_piece_is_what_the_scan_shows(pair: tuple[Actor, Scan]) -> None:
    actor, scan = pair
    vertices = actor.posed(scan.fit) * scan.fit["scale"] + scan.fit["translation"]
    probes = Probes.of(scan, 2000)
    distance, uvs, face = probes.at(vertices, actor.faces, actor.uvs)
    wanted, wanted_uvs, wanted_face = probes.at(scan.vertices, scan.faces, scan.uvs[scan.uv_faces])
    hit = (face >= 0) & (wanted_face >= 0)
    assert hit.mean() > 0.98
    assert (np.abs(distance[hit] - wanted[hit]) < 1e-5).mean() > 0.995
    assert (np.abs(uvs - wanted_uvs)[hit].max(1) < 1e-4).mean() > 0.99


def test_bare_skin_is_where_the_smplx_package_puts_it(actor: Actor, tmp_path: Path) -> None:
    smplx = pytest.importorskip("smplx")
    path = tmp_path / f"SMPLX_{FILE_GENDER.upper()}.npz"
    np.savez(path, **core.model(FILE_GENDER))
    body = smplx.SMPLX(str(path), gender=FILE_GENDER, ext="npz", use_pca=False, flat_hand_mean=True)
    rng = np.random.default_rng(5)
    frame = {
        "global_orient": rng.normal(0, 1, 3),
        "body_pose": rng.normal(0, 0.3, 63),
        "left_hand_pose": rng.normal(0, 0.3, 45),
        "right_hand_pose": rng.normal(0, 0.3, 45),
        "jaw_pose": np.array([0.2, 0, 0]),
        "expression": rng.normal(0, 1, 10),
        "transl": np.array([0.4, -1.2, 3.0]),
    }
    tensors = {
        key: torch.as_tensor(value[None], dtype=torch.float32) for key, value in frame.items()
    }
    with torch.no_grad():
        expected = (
            body(betas=torch.as_tensor(actor.body.fit["betas"]), **tensors).vertices[0].numpy()
        )
    hands = np.flatnonzero(load_assets().skeleton.weights.argmax(1) >= 25)
    # the vertices of the skin come first and in the order of the body's
    np.testing.assert_allclose(actor.posed(frame)[hands], expected[hands], atol=2e-5)


def test_faces_uvs_and_labels_fit_any_pose_and_pieces_are_watertight(actor: Actor) -> None:
    count = len(actor.rest)
    assert actor.posed(bend("left_knee", 1.2, 0)).shape == (count, 3)
    assert actor.uvs.shape == (len(actor.faces), 3, 2) and actor.labels.shape == (len(actor.faces),)
    assert actor.uvs.min() >= 0 and actor.uvs.max() <= 1
    assert np.array_equal(np.unique(actor.faces), np.arange(count))
    mesh = trimesh.Trimesh(actor.rest, actor.faces, process=False)
    assert mesh.is_watertight and mesh.is_winding_consistent
    for part in mesh.split(only_watertight=False):
        assert part.is_watertight and part.volume > 0


def test_no_pose_is_the_rest_pose_and_moving_moves_everything(actor: Actor) -> None:
    np.testing.assert_array_equal(actor.posed({"body_pose": np.zeros((1, 63))}), actor.rest)
    np.testing.assert_allclose(
        actor.posed({"transl": np.array([1.0, -2.0, 0.5])}) - actor.rest,
        np.broadcast_to([1.0, -2.0, 0.5], actor.rest.shape),
        atol=1e-12,
    )
    assert np.ptp(actor.rest, axis=0).argmax() in (0, 1) and np.ptp(actor.rest[:, 0]) > 1.2


def test_clothes_and_hair_follow_the_joint_they_hang_on(actor: Actor) -> None:
    moved = np.linalg.norm(actor.posed(bend("left_elbow", -1.2)) - actor.rest, axis=1)
    elbow = actor.joints[core.JOINTS.index("left_elbow")]
    beyond = actor.rest[:, 0] > elbow[0] + 0.08
    assert moved[beyond].min() > 0.05
    assert moved[actor.rest[:, 0] < elbow[0] - 0.25].max() < 0.002
    turned = actor.posed(bend("head", 0.5))
    hair = np.unique(actor.faces[actor.labels == Label.HAIR])
    head = hair[actor.rest[hair, 1] > actor.joints[15, 1] + 0.05]
    # rigid: distances among the hair on the head stay
    picked = head[:: len(head) // 40]
    before, after = (
        np.linalg.norm(v[picked][:, None] - v[picked][None], axis=2) for v in (actor.rest, turned)
    )
    np.testing.assert_allclose(after, before, atol=2e-3)


def test_labels_say_what_a_face_shows(actor: Actor) -> None:
    middle = actor.rest[actor.faces].mean(1)
    assert actor.labels[middle[:, 1].argmin()] == Label.CLOTH  # the soles
    assert actor.labels[middle[:, 1].argmax()] == Label.HAIR
    assert (actor.labels[np.abs(middle[:, 0]) > np.abs(middle[:, 0]).max() - 0.1] == 0).all()
    # each closed piece is one thing
    for piece in trimesh.graph.connected_components(
        trimesh.graph.face_adjacency(actor.faces), nodes=np.arange(len(actor.faces))
    ):
        assert len(np.unique(actor.labels[piece])) == 1


def test_a_beanie_is_cloth() -> None:
    capped = Actor.of(11, 128)
    assert capped.outfit.hair == "beanie" and Label.HAIR not in capped.labels


def test_the_texture_is_shaded_and_the_same_every_time() -> None:
    actor = Actor.of(2, 128)
    assert actor.texture.shape == (128, 128, 3) and actor.texture.dtype == np.uint8
    light = actor.texture.mean() / (255 * actor.colors.mean())
    assert 0.6 < light < 0.98
    np.testing.assert_array_equal(Actor.of(2, 128).texture, actor.texture)


def test_an_actor_may_do_without_a_skirt() -> None:
    assert Actor.of(8, 128).outfit.bottom == "skirt"
    assert Actor.of(8, 128, skirts=False).outfit.bottom != "skirt"


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"bodypose": np.zeros(63)}, "'bodypose' is not one of global_orient, body_pose"),
        ({"body_pose": np.zeros((2, 63))}, r"body_pose has the shape \[2, 63\], expected \[63\]"),
        ({"left_hand_pose": np.zeros(6)}, r"expected \[12\] or \[45\]"),
        ({"transl": np.float64(1)}, r"transl has the shape \[\]"),
        ({"jaw_pose": np.array([0, np.nan, 0])}, "jaw_pose holds numbers that are not finite"),
        ({"jaw_pose": ["a", "b", "c"]}, "parameters: jaw_pose does not hold numbers"),
        ({"jaw_pose": ["0", "0", "1"]}, "parameters: jaw_pose does not hold numbers"),
        ({"jaw_pose": [[0.0], [0.0, 1.0]]}, "parameters: jaw_pose does not hold numbers"),
        ({"jaw_pose": np.full(3, 1j)}, "parameters: jaw_pose does not hold numbers"),
        ({1: np.zeros(3), "jaw": np.zeros(3)}, "parameters: 1 is not one of global_orient"),
    ],
)
def test_what_is_no_frame_is_refused(
    actor: Actor, parameters: dict[str, Any], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        actor.posed(parameters)


def test_too_small_a_texture_for_an_actor_is_refused() -> None:
    with pytest.raises(ScanError, match="128 or more"):
        Actor.of(0, 64)


def test_an_actor_walks():
    """On the spot: the lowest point stays near the ground, and nothing stands still."""
    actor = Actor.of(8, texture=128, skirts=False)
    walk = cycle("walk", 8, fps=8)
    vertices = np.stack([actor.posed(walk.frame(i)) for i in range(len(walk))])
    lowest = vertices[..., 1].min(1)
    assert np.ptp(lowest) < 0.04 and np.ptp(vertices, 0).max(1).min() > 1e-3
