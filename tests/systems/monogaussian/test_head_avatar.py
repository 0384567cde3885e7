"""The avatar: parameters as published, a motion that is the head model's where it has its
directions, files that give it back."""

import json

import numpy as np
import pytest
import torch
from small_head import SIZE, motion, small_head, subject, tiny

from hgm.body.flame import VERTICES
from hgm.errors import InputError
from hgm.systems.monogaussian.avatar import Design, HeadAvatar
from hgm.systems.monogaussian.deformer import Deformer, anchor, deform, inverses
from hgm.systems.monogaussian.fields import Correction, Geometry, UnusedRenderer, encoded
from hgm.systems.monogaussian.subject import Skeleton
from hgm.systems.monogaussian.variants import VARIANTS


def count(module: torch.nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


def test_parameters_are_those_of_the_release():
    assert count(Deformer(128)) == 101_643
    assert count(Geometry(256, 6)) == 728_509
    assert count(Correction(64)) == 26_123
    assert count(UnusedRenderer(64)) == 4_742
    head = subject(motion(3)[0])
    sizes = {
        name: count(
            HeadAvatar(
                Design(
                    correction=v.correction,
                    bound=v.bound,
                    unused_renderer=v.released.unused_renderer,
                ),
                torch.zeros(10, 3),
                head.skeleton,
                head.directions,
            )
        )
        for name, v in VARIANTS.items()
    }
    full = 101_643 + 728_509 + 26_123 + 30
    assert sizes == {
        "full": full,
        "no_expression": full,
        "no_correction": full - 26_123,
        "bound": 728_509 + 30,
        "given_tracking": full,
        "released": full + 4_742,
    }


def test_positions_are_encoded_by_powers_of_two():
    x = torch.tensor([[0.1, 0.2, 0.3]])
    expected = np.concatenate([[0.1, 0.2, 0.3]] + [
        f(np.array([0.1, 0.2, 0.3]) * 2.0**k) for k in range(2) for f in (np.sin, np.cos)
    ])  # fmt: skip
    np.testing.assert_allclose(encoded(x, 2)[0].numpy(), expected, rtol=1e-6)


def test_the_new_deformer_moves_nothing():
    offset, directions = Deformer(16)(torch.randn(7, 3))
    assert not offset.any() and not directions.pose_shapes.any()
    assert not directions.expressions.any()
    assert torch.allclose(directions.weights, torch.full((7, 6), 1 / 6))


@pytest.fixture(scope="module")
def head():
    return subject(motion(20)[0])


def test_points_with_the_heads_directions_move_as_the_head_does(head):
    expression, pose = motion(4, seed=5)
    anchored = anchor(head.vertices, head.directions, head.skeleton)
    found = deform(anchored, head.skeleton, expression, pose)
    expected = 4 * small_head()(torch.zeros(4, 100), expression, pose).vertices
    torch.testing.assert_close(found, expected, atol=2e-5, rtol=0)


def test_canonical_space_has_the_mean_expression_and_an_open_mouth(head):
    mean = motion(20)[0].mean(0)
    pose = torch.zeros(15)
    pose[6] = 0.4
    expected = 4 * small_head()(torch.zeros(100), mean, pose).vertices
    torch.testing.assert_close(head.vertices, expected, atol=1e-6, rtol=0)
    assert torch.equal(head.nearest(head.vertices), torch.arange(VERTICES))


def test_the_ghost_stays_where_it_is(head):
    expression, pose = motion(3, seed=1)
    directions = head.directions.at(torch.zeros(5, dtype=torch.int64))
    directions.weights[:] = torch.tensor([1.0, 0, 0, 0, 0, 0])
    directions.pose_shapes[:], directions.expressions[:] = 0, 0
    places = torch.randn(5, 3)
    anchored = anchor(places, directions, head.skeleton)
    found = deform(anchored, head.skeleton, expression, pose)
    torch.testing.assert_close(found, places.expand(3, 5, 3))


def test_expression_and_pose_have_true_gradients(head):
    exact = Skeleton(*(x.double() for x in (
        head.skeleton.joints, head.skeleton.joint_shapes, head.skeleton.expression
    )))  # fmt: skip
    index = torch.tensor([0, 100, 2000])
    directions = head.directions.at(index)
    directions = type(directions)(*(x.double() for x in vars(directions).values()))
    places = head.vertices[index].double()

    def moved(expression, pose):
        shown = torch.cat([expression, expression.new_zeros(1, 46)], 1)
        return deform(anchor(places, directions, exact), exact, shown, pose)

    expression, pose = motion(1, seed=2)
    torch.autograd.gradcheck(
        moved, (expression[:, :4].double().requires_grad_(), pose.double().requires_grad_())
    )


def test_inverses_are_those_of_a_solver():
    matrices = torch.eye(3, dtype=torch.float64) + 0.3 * torch.randn(50, 3, 3, dtype=torch.float64)
    torch.testing.assert_close(inverses(matrices), torch.linalg.inv(matrices))


def scattered(deformer: Deformer) -> Deformer:
    """With heads that are not zero."""
    generator = torch.Generator().manual_seed(4)
    for layer in (deformer.shapes, deformer.bones):
        layer.weight.data = 0.1 * torch.randn(layer.weight.shape, generator=generator)
    return deformer


def test_a_plain_call_gives_what_the_jacobians_function_gives(head):
    """The release wraps the deformation into vmap of jacfwd and drops the Jacobian."""
    deformer = scattered(Deformer(16))
    expression, pose = motion(1, seed=3)

    def moved(point):
        offset, directions = deformer(point[None])
        anchored = anchor(point[None] + offset, directions, head.skeleton)
        place = deform(anchored, head.skeleton, expression, pose)[0, 0]
        return place, place

    points = torch.randn(30, 3, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        _, wanted = torch.func.vmap(torch.func.jacfwd(moved, has_aux=True))(points)
        offset, directions = deformer(points)
        anchored = anchor(points + offset, directions, head.skeleton)
        found = deform(anchored, head.skeleton, expression, pose)[0]
    torch.testing.assert_close(found, wanted, atol=1e-6, rtol=1e-6)


def avatar_of(head, variant: str = "full") -> HeadAvatar:
    torch.manual_seed(0)
    design = Design.of(tiny(), VARIANTS[variant], SIZE)
    avatar = HeadAvatar(design, head.vertices[::100].clone(), head.skeleton, head.directions)
    if avatar.deformer is not None:
        scattered(avatar.deformer)
    avatar.find_nearest(head)
    avatar.radius.fill_(0.03)
    return avatar


def test_gaussians_are_activated_as_published(head):
    avatar = avatar_of(head)
    expression, pose = motion(2, seed=3)
    found = avatar(expression, pose)
    assert found.shape == (2, 51)
    largest = 0.025 * 512 / SIZE
    assert bool((found.scales > 0.03).all() and (found.scales < 0.03 + largest).all())
    torch.testing.assert_close(found.quats.norm(dim=-1), torch.ones(2, 51))
    wider = avatar(expression, pose, radius=0.05)
    torch.testing.assert_close(wider.scales - found.scales, torch.full((2, 51, 3), 0.02))
    # the look follows the displacement, which is not led back into the motion
    found.colors.sum().backward()
    assert avatar.correction.trunk[0].bias.grad.any() and avatar.deformer.shapes.weight.grad is None


@pytest.mark.parametrize(("variant", "follows"), [("full", True), ("no_expression", False)])
def test_only_an_avatar_that_is_told_follows_the_expression(head, variant, follows):
    avatar = avatar_of(head, variant)
    expression, pose = motion(2, seed=3)
    still = avatar(head.skeleton.expression.expand(2, 50), pose)
    moved = avatar(expression, pose)
    assert torch.allclose(moved.means, still.means) is not follows


def test_bound_points_keep_their_place_on_the_head(head):
    avatar = avatar_of(head, "bound")
    expression, pose = motion(2, seed=3)
    expected = 4 * small_head()(torch.zeros(2, 100), expression, pose).vertices[:, ::100]
    torch.testing.assert_close(avatar(expression, pose).means, expected, atol=2e-5, rtol=0)


@pytest.mark.parametrize("variant", list(VARIANTS))
def test_files_give_the_avatar_back(tmp_path, head, variant):
    avatar = avatar_of(head, variant)
    expression, pose = motion(2, seed=3)
    avatar.save(tmp_path / "one")
    avatar.save(tmp_path / "two")
    loaded = HeadAvatar.load(tmp_path / "one")
    assert torch.equal(
        loaded(expression, pose).packed(), avatar(expression, pose).detach().packed()
    )
    assert not any(p.requires_grad for p in loaded.parameters())
    for name in ("weights.safetensors", "points.npz", "model.json"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()


def test_files_that_do_not_belong_together_are_refused(tmp_path, head):
    avatar_of(head).save(tmp_path)
    design = json.loads((tmp_path / "model.json").read_text())
    (tmp_path / "model.json").write_text(json.dumps({**design, "deformer_width": 9}))
    with pytest.raises(InputError, match=r"weights\.safetensors: key deformer"):
        HeadAvatar.load(tmp_path)
    (tmp_path / "model.json").write_text('{"depth": 3}')
    with pytest.raises(InputError, match=r"model\.json: not the design"):
        HeadAvatar.load(tmp_path)
    (tmp_path / "model.json").write_text(json.dumps(design))
    (tmp_path / "points.npz").write_bytes(b"")
    with pytest.raises(InputError, match=r"points\.npz"):
        HeadAvatar.load(tmp_path)
    with pytest.raises(InputError, match="expected a folder of a trained avatar"):
        HeadAvatar.load(tmp_path / "none")
