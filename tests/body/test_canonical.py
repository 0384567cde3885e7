"""The canonical frame: pelvis, heading, units."""

import math

import torch

from hgm.body.canonical import canonical, stature
from hgm.body.model import BodyModel
from hgm.body.parameters import BodyParameters


def test_pelvis_and_heading(male: BodyModel, people: BodyParameters) -> None:
    with torch.no_grad():
        body = canonical(male, people)
        turned = canonical(male, people.replace(global_orient=torch.tensor([0.3, 2.0, -0.4])))
        plain = male(people.replace(global_orient=torch.zeros(3)))
    assert body.joints[:, 0].abs().max() == 0
    assert torch.equal(body.vertices, turned.vertices) and torch.equal(body.joints, turned.joints)
    expected = (plain.vertices - plain.joints[:, :1]) * body.nu_per_metre[:, None, None]
    assert torch.allclose(body.vertices, expected)
    assert body.vertices.abs().max() < 1


def test_everybody_has_one_stature(male: BodyModel) -> None:
    betas = torch.zeros(3, 10)
    betas[:, 0] = torch.tensor([-2.0, 0.0, 2.0])
    rest = BodyParameters.zeros(3).replace(betas=betas)
    meters = stature(male, betas)
    assert meters[0] < meters[1] < meters[2]
    body = canonical(male, rest.replace(jaw_pose=torch.tensor([0.3, 0.0, 0.0])))
    height = body.vertices[..., 1].amax(-1) - body.vertices[..., 1].amin(-1)
    assert torch.allclose(height, torch.full((3,), 1.35), atol=2e-3)
    assert torch.allclose(body.nu_per_metre * meters, torch.full((3,), 0.75 * 1.8))


def test_faces_forward_and_left_is_x(male: BodyModel) -> None:
    joints = canonical(male, male.zeros()).joints
    names = male.joint_names
    assert joints[names.index("left_eye_smplhf"), 2] > joints[names.index("head"), 2]
    assert joints[names.index("left_wrist"), 0] > 0.3
    assert joints[names.index("head"), 1] > 0.3 > joints[names.index("left_ankle"), 1]


def test_stature_ignores_pose_and_expression(male: BodyModel, people: BodyParameters) -> None:
    with torch.no_grad():
        body = canonical(male, people)
        other = canonical(
            male,
            people.replace(body_pose=torch.full((63,), math.pi / 8), expression=torch.zeros(10)),
        )
    assert torch.equal(body.nu_per_metre, other.nu_per_metre)
