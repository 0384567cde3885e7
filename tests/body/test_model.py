"""The body model against the `smplx` package, against its own definition and against finite
differences."""

from pathlib import Path

import numpy as np
import pytest
import smplx
import torch

from hgm.body.model import BodyModel
from hgm.body.parameters import BodyParameters
from hgm.errors import InputError
from hgm.standin.body import core


@pytest.mark.parametrize(
    ("gender", "hands", "betas", "expression"),
    [("male", 12, 10, 10), ("female", 45, 16, 20), ("neutral", 6, 3, 1)],
)
def test_equals_the_package(
    models: Path, gender: str, hands: int, betas: int, expression: int
) -> None:
    model = BodyModel.load(models, gender, hand_components=hands)
    reference = smplx.create(
        models,
        model_type="smplx",
        gender=gender,
        ext="npz",
        num_pca_comps=hands,
        num_betas=betas,
        num_expression_coeffs=expression,
    )
    generator = torch.Generator().manual_seed(hands)
    params = BodyParameters.zeros(4, betas=betas, expression=expression, hand_components=hands)
    params = params.map(lambda x: 0.5 * torch.randn(x.shape, generator=generator))
    with torch.no_grad():
        ours = model(params)
        theirs = reference(**dict(params.items()))
    assert (ours.vertices - theirs.vertices).abs().max() < 1e-5
    assert (ours.joints - theirs.joints[:, :55]).abs().max() < 1e-5
    assert np.array_equal(model.faces.numpy(), reference.faces.astype(np.int64))
    assert model.faces.dtype == torch.int64


def test_batch_shapes(male: BodyModel, people: BodyParameters) -> None:
    with torch.no_grad():
        batch = male(people)
        one = male(people[1])
        grid = male(people.map(lambda x: x[:, None]).replace(jaw_pose=torch.zeros(2, 3)))
    assert (
        one.vertices.shape == (10475, 3)
        and one.joints.shape == (55, 3)
        and one.transforms.shape == (55, 4, 4)
    )
    assert torch.allclose(batch.vertices[1], one.vertices, atol=1e-6)
    assert grid.vertices.shape == (3, 2, 10475, 3) and grid.transforms.shape == (3, 2, 55, 4, 4)
    assert torch.equal(grid.vertices[:, 0], grid.vertices[:, 1])


def test_transforms_map_rest_to_pose(male: BodyModel, people: BodyParameters) -> None:
    with torch.no_grad():
        body = male(people)
        rest, joints = male.shaped(people.betas, people.expression)
    moved = (
        torch.einsum("bjxy,bjy->bjx", body.transforms[..., :3, :3], joints)
        + body.transforms[..., :3, 3]
    )
    assert (moved - body.joints).abs().max() < 1e-5
    rotation = body.transforms[..., :3, :3]
    assert (rotation @ rotation.mT - torch.eye(3)).abs().max() < 1e-5
    # eyeballs are rigid: one transform moves them, no corrective does
    eye = male.joint_names.index("left_eye_smplhf")
    ball = male.skinning_weights[:, eye] == 1
    assert ball.sum() > 500
    expected = rest[:, ball] @ rotation[:, eye].mT + body.transforms[:, eye, None, :3, 3]
    assert (expected - body.vertices[:, ball]).abs().max() < 1e-5


def test_names_and_weights(male: BodyModel) -> None:
    assert len(male.joint_names) == 55
    assert male.joint_names[0] == "pelvis" and male.joint_names[20:22] == (
        "left_wrist",
        "right_wrist",
    )
    assert torch.allclose(male.skinning_weights.sum(1), torch.ones(10475), atol=1e-5)
    assert male.parents[0] == -1 and not list(male.state_dict())


def test_gradients(models: Path) -> None:
    model = BodyModel.load(models, "female").double()
    generator = torch.Generator().manual_seed(0)
    params = BodyParameters.zeros(2, dtype=torch.float64).map(
        lambda x: 0.3 * torch.randn(x.shape, generator=generator, dtype=torch.float64)
    )
    weights = torch.randn(10475, 3, generator=generator, dtype=torch.float64) / 100

    def score(p: BodyParameters) -> torch.Tensor:
        body = model(p)
        return (
            (body.vertices * weights).sum()
            + body.joints.square().sum()
            + body.transforms[..., :3, 3].sum()
        )

    leaves = params.map(lambda x: x.clone().requires_grad_())
    score(leaves).backward()
    for name, leaf in leaves.items():
        assert leaf.grad is not None
        direction = torch.randn(leaf.shape, generator=generator, dtype=torch.float64)
        with torch.no_grad():
            up = score(params.replace(**{name: leaf + 1e-5 * direction}))
            down = score(params.replace(**{name: leaf - 1e-5 * direction}))
        slope = float(up - down) / 2e-5
        assert float((leaf.grad * direction).sum()) == pytest.approx(slope, rel=1e-5, abs=1e-7), (
            name
        )


def test_gradient_is_finite_at_rest(male: BodyModel) -> None:
    leaves = male.zeros(1).map(lambda x: x.requires_grad_())
    male(leaves).vertices.square().sum().backward()
    for name, leaf in leaves.items():
        assert leaf.grad is not None and leaf.grad.isfinite().all(), name


def test_hand_coefficients_invert_the_components(models: Path, people: BodyParameters) -> None:
    model = BodyModel.load(models, "male")
    rotations = model.rotations(people).flatten(-2)
    left, right = model.hand_coefficients(rotations[..., 75:120], rotations[..., 120:165])
    assert torch.allclose(left, people.left_hand_pose, atol=1e-5)
    assert torch.allclose(right, people.right_hand_pose, atol=1e-5)


def test_file_with_twenty_columns(tmp_path: Path, male: BodyModel, people: BodyParameters) -> None:
    arrays = core.model("male")
    directions = arrays["shapedirs"]
    (tmp_path / "smplx").mkdir()
    np.savez(
        tmp_path / "smplx" / "SMPLX_MALE.npz",
        **{
            **arrays,
            "shapedirs": np.concatenate([directions[..., :10], directions[..., 300:310]], -1),
        },
    )
    reduced = BodyModel.load(tmp_path, "male")
    with torch.no_grad():
        assert torch.equal(reduced(people).vertices, male(people).vertices)
    with pytest.raises(ValueError, match="11 coefficients"):
        reduced(BodyParameters.zeros(betas=11))


def test_bad_files(tmp_path: Path) -> None:
    path = tmp_path / "smplx" / "SMPLX_MALE.npz"
    with pytest.raises(InputError, match=r"SMPLX_MALE.npz: .*smpl-x\.is\.tue\.mpg\.de"):
        BodyModel.load(tmp_path)
    with pytest.raises(InputError, match="gender: 'child'"):
        BodyModel.load(tmp_path, "child")
    path.parent.mkdir()
    path.write_bytes(b"not a zip")
    with pytest.raises(InputError, match="not a readable npz"):
        BodyModel.load(tmp_path)
    np.savez(path, v_template=np.zeros((6890, 3)))
    with pytest.raises(InputError, match=r"v_template is \(6890, 3\), expected \(10475, 3\)"):
        BodyModel.load(tmp_path)
    np.savez(path, v_template=np.zeros((10475, 3)))
    with pytest.raises(InputError, match="the key f is missing"):
        BodyModel.load(tmp_path)
