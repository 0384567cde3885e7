"""The avatar: attributes by their equations, a motion that is the skinning's, and files that give
it back."""

import dataclasses
import json

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation
from small_avatar import CENTER, bent, design, egg, ring
from torch.autograd import gradcheck

from hgm.body.kinematics import blended, skin
from hgm.errors import InputError
from hgm.gaussians import quaternions, rotation_matrices
from hgm.systems.animatable.avatar import (
    Attributes,
    Avatar,
    AvatarDesign,
    followed_by,
    start_scales,
)
from hgm.systems.animatable.pose_map import position_map
from hgm.systems.animatable.settings import Network
from hgm.systems.animatable.sizes import Sizes

ANGLES = torch.tensor([0.3, 1.1])
TURNS = torch.tensor([0.4, 2.5])


def avatar_of(variant: str = "full", seed: int = 0, **changes: object) -> Avatar:
    """An avatar whose numbers are those of none that begins."""
    torch.manual_seed(seed)
    avatar = Avatar(design(variant, **changes), egg())
    with torch.no_grad():
        for p in avatar.parameters():
            p.add_(0.1 * torch.randn_like(p))
    return avatar


@pytest.fixture(scope="module")
def full() -> Avatar:
    return avatar_of()


def centers(count: int = 2) -> torch.Tensor:
    return torch.stack([camera.centers for camera in ring(count).values()])


def call(avatar: Avatar, angles=ANGLES, turns=TURNS, **more):
    frames = bent(angles, turns)
    maps = position_map(avatar.canonical, frames.poses)
    with torch.no_grad():
        return avatar(maps, frames.transforms, centers(len(angles)), **more)


def test_scales_begin_as_the_distance_to_three_neighbors():
    places = egg(24).positions
    apart = np.linalg.norm(places[:, None].numpy() - places[None].numpy(), axis=-1)
    nearest = np.sort(apart, 1)[:, 1:4]
    expected = np.sqrt((nearest**2).mean(1))
    np.testing.assert_allclose(start_scales(places).numpy(), expected, rtol=1e-5)


def test_only_networks_are_trained(full):
    names = {name.split(".")[0] for name, _ in full.named_parameters()}
    assert names == {"networks"} == {name.split(".")[0] for name in full.state_dict()}
    counted = sum(p.numel() for p in full.parameters())
    assert counted == Sizes(full.design.size // 2, 4, 8, 8).parameters()
    skinned = avatar_of("skinned")
    assert {name: p.shape for name, p in skinned.named_parameters()} == {
        "colors": (len(skinned.canonical), 3)
    }


def test_attributes_are_their_equations(full):
    frames = bent(ANGLES)
    maps = position_map(full.canonical, frames.poses)
    cosines = torch.zeros(2, 2, 16, 16)
    with torch.no_grad():
        found = full.attributes(maps, cosines)
        raw = [
            net.numpy()
            for net in (
                full.networks.positions(maps),
                full.networks.others(maps),
                full.networks.colors(maps, cosines),
            )
        ]
    places = np.argwhere(full.canonical.mask.numpy())  # side, row, column of each Gaussian
    assert len(places) == len(full.canonical)
    s0 = start_scales(full.canonical.positions).numpy()
    for point in (0, len(places) // 2 - 1, len(places) // 2, len(places) - 1):
        side, row, column = places[point]
        position, other, color = (x[1, side, :, row, column] for x in raw)
        got = Attributes(*(x[1, point].numpy() for x in found))
        np.testing.assert_allclose(got.offsets, 0.05 * position, rtol=1e-5)
        logit = other[0] + np.log(0.1 / 0.9)
        np.testing.assert_allclose(got.opacities, 1 / (1 + np.exp(-logit)), rtol=1e-5)
        np.testing.assert_allclose(got.scales, s0[point] * np.exp(other[1:4]), rtol=1e-5)
        turn = other[4:] + np.array([1, 0, 0, 0])
        np.testing.assert_allclose(got.rotations, turn / np.linalg.norm(turn), atol=1e-6)
        np.testing.assert_allclose(got.colors, color, rtol=1e-6)


def test_gaussians_of_the_start_are_those_of_the_maps_skinned():
    avatar = avatar_of("skinned")
    output = call(avatar)
    maps, frames = avatar.canonical, bent(ANGLES, TURNS)
    gaussians = output.gaussians
    expected = skin(maps.positions, maps.weights, frames.transforms)
    torch.testing.assert_close(gaussians.means, expected, atol=1e-6, rtol=0)
    assert not output.offsets.any()
    assert torch.allclose(gaussians.opacities, torch.tensor(0.1))
    torch.testing.assert_close(gaussians.scales[1, :, 2], start_scales(maps.positions))
    torch.testing.assert_close(gaussians.colors[1], avatar.colors.detach())
    # where one joint alone moves a point, it turns as the joint does
    lower = int(maps.weights[:, 0].argmax())
    expected = Rotation.from_rotvec([0, float(TURNS[1]), 0]).as_matrix()
    found = rotation_matrices(gaussians.quats[1, lower])
    np.testing.assert_allclose(found.numpy(), expected, atol=2e-3)


def test_quaternions_follow_each_other_as_their_rotations():
    first, second = (Rotation.random(50, random_state=seed) for seed in (0, 1))
    a, b = (
        torch.from_numpy(r.as_quat()[:, [3, 0, 1, 2]]) for r in (first, second)
    )  # scipy has w last
    found = rotation_matrices(followed_by(a, b))
    np.testing.assert_allclose(found.numpy(), (second * first).as_matrix(), atol=1e-12)
    # half turns, where a quaternion has no w
    halves = torch.from_numpy(Rotation.from_rotvec(np.pi * np.eye(3)).as_matrix())
    np.testing.assert_allclose(rotation_matrices(quaternions(halves)), halves, atol=1e-12)


def test_motion_has_the_gradients_of_finite_differences():
    avatar = avatar_of("skinned").double()
    maps = avatar.canonical
    some = slice(0, len(maps), 40)
    start = Attributes(*(x[:, some] for x in avatar.start()))
    canonical = dataclasses.replace(
        maps, positions=maps.positions[some], weights=maps.weights[some]
    )
    avatar.canonical = canonical

    def gaussians(angle, turn, offsets, rotations):
        frames = bent(angle, turn)
        moved = blended(canonical.weights, frames.transforms)
        found = avatar.posed(start._replace(offsets=offsets, rotations=rotations), moved)
        return found.means, found.quats

    inputs = [
        torch.tensor([0.7], dtype=torch.float64),
        torch.tensor([2.0], dtype=torch.float64),
        0.01 * torch.randn(1, len(canonical), 3, dtype=torch.float64),
        torch.nn.functional.normalize(torch.randn(1, len(canonical), 4).double(), dim=-1),
    ]
    assert gradcheck(gaussians, [x.requires_grad_() for x in inputs])


def test_cosines_are_those_between_normals_and_the_direction_to_the_camera(full):
    frames = bent(ANGLES, TURNS)
    maps = full.canonical
    found = full.cosines(blended(maps.weights, frames.transforms), centers())
    transforms = np.einsum("nj,bjkl->bnkl", maps.weights, frames.transforms)
    rows = np.argwhere(maps.mask.numpy())
    expected = np.zeros((2, 2, 16, 16))
    for frame in range(2):
        for point, (side, row, column) in enumerate(rows):
            if row % 2 or column % 2:
                continue
            moved = transforms[frame, point]
            normal = moved[:3, :3] @ maps.normals[point].numpy()
            place = moved[:3, :3] @ maps.positions[point].numpy() + moved[:3, 3]
            way = centers()[frame].numpy() - place
            cosine = normal @ way / np.linalg.norm(normal) / np.linalg.norm(way)
            expected[frame, side, row // 2, column // 2] = cosine
    np.testing.assert_allclose(found.numpy(), expected, atol=1e-5)
    # seen from the front, the front's normals look at the camera and the back's away
    assert found[0, 0].sum() > 10 > -10 > found[0, 1].sum()


def test_gaussians_move_with_the_world(full):
    """Another world, its cameras with it, changes nothing but where the Gaussians are in it."""
    frames = bent(ANGLES, TURNS)
    maps = position_map(full.canonical, frames.poses)
    shift = torch.eye(4)
    turn = Rotation.from_rotvec([0.3, -1.2, 0.5])
    shift[:3, :3] = torch.from_numpy(turn.as_matrix())
    shift[:3, 3] = torch.tensor([1.0, -2.0, 0.5])
    with torch.no_grad():
        here = full(maps, frames.transforms, centers()).gaussians
        moved = centers() @ shift[:3, :3].T + shift[:3, 3]
        there = full(maps, shift @ frames.transforms, moved).gaussians
    expected = here.means @ shift[:3, :3].T + shift[:3, 3]
    torch.testing.assert_close(there.means, expected, atol=1e-5, rtol=0)
    torch.testing.assert_close(there.colors, here.colors, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(there.scales, here.scales)
    # a blend of rotations is none, and its quaternion not quite that of a rotated one
    rigid = full.canonical.weights.amax(1) > 0.99
    assert int(rigid.sum()) > 20
    turned = shift[:3, :3] @ rotation_matrices(here.quats[:, rigid])
    found = rotation_matrices(there.quats[:, rigid])
    torch.testing.assert_close(found, turned, atol=0.05, rtol=0)


def test_the_pose_decides_unless_the_avatar_is_static(full):
    static = avatar_of("static")
    for avatar, changes in ((full, True), (static, False)):
        one, two = (call(avatar, angles=torch.tensor([a, a])).offsets for a in (0.0, 1.2))
        assert torch.equal(one, two) != changes
    # it always sees what the full one would see of the star pose
    still = position_map(static.canonical, torch.eye(4).expand(1, 55, 4, 4))
    with torch.no_grad():
        torch.testing.assert_close(static.shapes(still), full.shapes(still))


def test_noise_of_the_view_changes_colors_alone(full):
    plain = call(full).gaussians
    noisy = call(full, view_noise=0.1 * torch.randn(2, 2, 16, 16)).gaussians
    assert not torch.allclose(plain.colors, noisy.colors)
    for name in ("means", "scales", "quats", "opacities"):
        assert torch.equal(getattr(plain, name), getattr(noisy, name))


def test_a_folded_avatar_gives_the_same():
    avatar = avatar_of()
    before = call(avatar).gaussians.packed()
    torch.testing.assert_close(call(avatar.fold()).gaussians.packed(), before, atol=1e-4, rtol=1e-4)
    assert {name.split(".")[1] for name, _ in avatar.named_parameters()} == {"view"}


def test_reduced_precision_is_inside_the_networks_alone(full):
    reduced = avatar_of(precision="bf16")
    one, two = (call(avatar).gaussians.packed() for avatar in (full, reduced))
    assert two.dtype == torch.float32
    error = float((one - two).abs().mean() / one.abs().mean())
    assert 0 < error < 0.05


def test_an_avatar_comes_back_from_its_folder_alone(tmp_path):
    for variant in ("full", "static", "skinned"):
        avatar = avatar_of(variant)
        avatar.save(tmp_path / variant / "one")
        avatar.save(tmp_path / variant / "two")
        names = ("weights.safetensors", "model.json", "canonical.npz")
        for name in names:
            files = [tmp_path / variant / x / name for x in ("one", "two")]
            assert files[0].read_bytes() == files[1].read_bytes()
        assert {p.name for p in (tmp_path / variant / "one").iterdir()} == set(names)
        loaded = Avatar.load(tmp_path / variant / "one")
        assert loaded.design == avatar.design and not loaded.training
        assert torch.equal(call(loaded).gaussians.packed(), call(avatar).gaussians.packed())
        assert not any(p.requires_grad for p in loaded.parameters())


def test_files_that_do_not_belong_together_are_refused(tmp_path, full):
    full.save(tmp_path)
    text = (tmp_path / "model.json").read_text()
    for changes, words in (
        ({"top": 8}, r"weights\.safetensors: key networks"),
        ({"variant": "skinned"}, r"weights\.safetensors: key colors"),
        ({"variant": "best"}, r"model\.json: not the design .*variant 'best'"),
        ({"depth": 3}, r"model\.json: not the design"),
        ({"size": 64}, r"canonical\.npz: maps of 32 pixels, model\.json says 64"),
    ):
        (tmp_path / "model.json").write_text(json.dumps({**json.loads(text), **changes}))
        with pytest.raises(InputError, match=words):
            Avatar.load(tmp_path)
    (tmp_path / "model.json").write_text(text)
    (tmp_path / "canonical.npz").unlink()
    with pytest.raises(InputError, match=r"canonical\.npz"):
        Avatar.load(tmp_path)
    with pytest.raises(InputError, match="expected a folder of a trained avatar"):
        Avatar.load(tmp_path / "none")


def test_a_design_follows_its_settings():
    network = Network(top=32, cap=64, style=48, precision="bf16")
    assert AvatarDesign.of(network, 128, 0.2, "static") == AvatarDesign(
        128, 32, 64, 48, 0.2, "static", "bf16"
    )
    paper = AvatarDesign.of(Network(), 1024, 0.1, "full")
    assert paper == AvatarDesign()
    with pytest.raises(ValueError, match="maps of 32 pixels for a design of 64"):
        Avatar(design(size=64), egg())


def test_maps_go_where_the_avatar_goes():
    avatar = avatar_of("skinned").double()
    assert avatar.canonical.positions.dtype == torch.float64
    assert avatar.canonical.mask.dtype == torch.bool
    torch.testing.assert_close(avatar.canonical.center, CENTER.double())
