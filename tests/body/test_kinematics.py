"""Kinematics against smplx, an independent numpy chain and finite differences; skinning and its
inverse are each other's."""

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from hgm.body.kinematics import pose_joints, rotation_matrices, skin, unskin
from hgm.body.model import BodyModel
from hgm.standin.body import core

PARENTS = (-1, 0, 1, 1, 0)  # of FLAME's kind: root, neck, jaw and eyes, and one more


def chain(seed: int = 0, dtype: torch.dtype = torch.float64, *lead: int):
    generator = torch.Generator().manual_seed(seed)

    def draw(*shape: int) -> torch.Tensor:
        return torch.randn(*lead, *shape, generator=generator, dtype=torch.float64).to(dtype)

    weights = torch.rand(7, len(PARENTS), generator=generator, dtype=torch.float64).to(dtype)
    return draw(5, 3), draw(5, 3), draw(7, 3), weights / weights.sum(-1, keepdim=True)


@pytest.mark.parametrize("length", [0.0, 1e-7, 1e-5, 9.9e-5, 1.1e-4, 0.3, 3.0, 7.0])
def test_rotations_are_scipys(length):
    vectors = np.random.default_rng(0).normal(size=(20, 3))
    vectors *= length / np.linalg.norm(vectors, axis=1, keepdims=True)
    expected = Rotation.from_rotvec(vectors).as_matrix()
    for dtype, atol in ((torch.float64, 1e-12), (torch.float32, 2e-6)):
        found = rotation_matrices(torch.from_numpy(vectors).to(dtype))
        assert found.dtype == dtype
        np.testing.assert_allclose(found.double().numpy(), expected, atol=atol, rtol=0)


@pytest.mark.parametrize("scale", [0.0, 1e-6, 1.0])
def test_gradients_are_finite_differences(scale):
    vectors, joints, points, weights = chain()
    vectors = (scale * vectors).requires_grad_()

    def moved(vectors, joints, points, weights):
        placed, transforms = pose_joints(rotation_matrices(vectors), joints, PARENTS)
        return placed, skin(points, weights, transforms)

    inputs = (vectors, *(x.requires_grad_() for x in (joints, points, weights)))
    assert torch.autograd.gradcheck(moved, inputs, eps=1e-6, atol=1e-6)


def test_a_chain_is_that_of_matrices_one_after_the_other():
    vectors, joints, points, weights = chain(3)
    placed, transforms = pose_joints(rotation_matrices(vectors), joints, PARENTS)
    world: list[np.ndarray] = []
    for i, parent in enumerate(PARENTS):
        local = np.eye(4)
        local[:3, :3] = Rotation.from_rotvec(vectors[i].numpy()).as_matrix()
        local[:3, 3] = joints[i] - (joints[parent] if parent >= 0 else 0)
        world.append(local if parent < 0 else world[parent] @ local)
    np.testing.assert_allclose(placed, [w[:3, 3] for w in world], atol=1e-12)
    rest = np.eye(4)
    moved = np.zeros((7, 3))
    for i, w in enumerate(world):
        rest[:3, 3] = -joints[i]
        whole = (w @ rest) @ np.c_[points, np.ones(7)].T
        moved += weights[:, i : i + 1].numpy() * whole[:3].T
    np.testing.assert_allclose(skin(points, weights, transforms), moved, atol=1e-12)


@pytest.mark.parametrize(("dtype", "atol"), [(torch.float64, 1e-10), (torch.float32, 1e-5)])
def test_forward_then_inverse_is_the_identity(dtype, atol):
    vectors, joints, points, weights = chain(1, dtype, 4)
    _, transforms = pose_joints(rotation_matrices(0.5 * vectors), joints, PARENTS)
    moved = skin(points, weights, transforms)
    assert (moved - points).abs().max() > 0.1
    torch.testing.assert_close(unskin(moved, weights, transforms), points, atol=atol, rtol=0)


def test_on_a_whole_body_it_is_smplx():
    model = BodyModel(core.model("female"))
    generator = torch.Generator().manual_seed(5)
    params = model.zeros(3).replace(
        body_pose=0.4 * torch.randn(3, 63, generator=generator),
        global_orient=torch.randn(3, 3, generator=generator),
        betas=torch.randn(3, 10, generator=generator),
    )
    posed = model(params)
    _, joints = model.shaped(params.betas, params.expression)
    turns = rotation_matrices(model.rotations(params))
    placed, transforms = pose_joints(turns, joints, model.parents)
    torch.testing.assert_close(placed, posed.joints, atol=1e-6, rtol=0)
    torch.testing.assert_close(transforms, posed.transforms, atol=1e-6, rtol=0)
    exact = pose_joints(
        rotation_matrices(model.rotations(params).double()), joints.double(), model.parents
    )
    torch.testing.assert_close(exact[0].float(), placed, atol=1e-6, rtol=0)


@pytest.mark.parametrize("parents", [(-1, 2, 0), (-1, 1, 0), (-2, 0, 0)])
def test_parents_stand_before_their_children(parents):
    with pytest.raises(ValueError, match="parents"):
        pose_joints(torch.eye(3).expand(3, 3, 3), torch.zeros(3, 3), parents)
