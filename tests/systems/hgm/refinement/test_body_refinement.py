"""The refinement on silhouettes of a known body."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from hgm.body.canonical import CanonicalBody
from hgm.body.model import BodyModel
from hgm.body.parameters import BodyParameters
from hgm.cameras import orbit
from hgm.errors import InputError
from hgm.gaussians import Gaussians
from hgm.metrics.joints import mpjpe
from hgm.splat.normal_maps import NormalMaps
from hgm.splat.silhouettes import mask_box
from hgm.splat.surfels import Surfels, pixel_size
from hgm.systems.hgm.estimate import disturb, place
from hgm.systems.hgm.refinement import place_in_mask, refine_body
from hgm.systems.hgm.sections.bodies import Refine

Cast = Callable[..., tuple[Tensor, Tensor]]
RIG = orbit(size=96)
SHORT = Refine(iterations=12, every=5, sizes=[40, 56], cell=0.025)


@pytest.fixture(scope="module")
def target(body: CanonicalBody, surfels: Surfels) -> Gaussians:
    """What a perfect HGM would give: the person as Gaussians."""
    return surfels.gaussians(body.vertices, pixel_size(RIG))


def test_the_error_falls(
    model: BodyModel,
    person: BodyParameters,
    body: CanonicalBody,
    caster: Cast,
    target: Gaussians,
) -> None:
    meter = body.nu_per_metre
    errors = []
    bodies = []

    def note(step: int, vertices: Tensor, joints: Tensor) -> None:
        errors.append(float(mpjpe(joints / meter, body.joints / meter)))

    def coarse(vertices: Tensor | None) -> Gaussians:
        bodies.append(vertices)
        return target

    estimate = disturb(person, model, seed=1, mpjpe_mm=75.79)
    refined = refine_body(
        estimate,
        model,
        input_mask=caster(RIG[:1])[0][0],
        cameras=RIG,
        gaussians_from=coarse,
        settings=SHORT,
        progress=note,
    )
    assert len(errors) == SHORT.iterations + 1
    assert errors[0] == pytest.approx(75.79, abs=0.1)
    assert errors[-1] < 0.75 * errors[0], errors
    assert refined.history[-1]["loss"] < 0.8 * refined.history[0]["loss"]

    assert bodies[0] is None and len(bodies) == 3  # steps 0, 5 and 10, the first without a body
    assert bodies[1] is not None and bodies[2] is not None
    assert bodies[1].shape == body.vertices.shape and not bodies[1].requires_grad
    distance = [
        float((x - body.vertices).norm(dim=-1).mean())
        for x in (bodies[1], bodies[2], refined.vertices)
    ]
    assert distance[2] < distance[0]
    assert torch.equal(refined.params.left_hand_pose, person.left_hand_pose)
    again = model(refined.params)
    placed = (again.vertices - again.joints[0]) * refined.scale + refined.translation
    assert torch.allclose(placed, refined.vertices, atol=1e-5)


def test_same_start_same_bytes_and_the_normal_term(
    model: BodyModel,
    person: BodyParameters,
    caster: Cast,
    target: Gaussians,
    one_thread: None,
) -> None:
    settings = Refine(iterations=3, every=15, sizes=[40], cell=0.025)
    mask = caster(RIG[:1])[0][0]
    normals = NormalMaps(caster(RIG[:1])[1][0], caster(RIG[:1], last=True)[1][0])
    runs = [
        refine_body(
            disturb(person, model, seed=2, mpjpe_mm=75.79),
            model,
            input_mask=mask,
            cameras=RIG,
            gaussians_from=lambda _: target,
            normals_from=source,
            settings=settings,
        )
        for source in (None, None, lambda _: normals)
    ]
    assert torch.equal(runs[0].vertices, runs[1].vertices)
    assert not torch.equal(runs[0].vertices, runs[2].vertices)
    assert "normal" in runs[2].history[0] and "normal" not in runs[0].history[0]


def test_scale_and_place_come_from_the_mask(
    model: BodyModel,
    person: BodyParameters,
    body: CanonicalBody,
    caster: Cast,
) -> None:
    mask = caster(orbit(size=256)[:1])[0][0]
    scale, position = place_in_mask(person, model, mask, RIG[0])
    assert scale == pytest.approx(float(body.nu_per_metre), rel=0.01)
    assert position.norm() < 0.01
    shifted = torch.roll(mask, (-10, -20), (1, 2))  # 10 pixels up, 20 to the left
    scale, position = place_in_mask(person, model, shifted, RIG[0])
    assert position[0] < -0.05 and position[1] > 0.03 and position[2].abs() < 1e-5
    pixels = orbit(size=256)[0].project(place(model(person), scale, position)[0])[0]
    low, high = mask_box(shifted)
    assert (pixels.amin(0) - low).abs().max() < 2.5 and (pixels.amax(0) - high).abs().max() < 2.5


def test_an_empty_mask_is_refused(
    model: BodyModel, person: BodyParameters, target: Gaussians
) -> None:
    with pytest.raises(InputError, match="no pixel"):
        refine_body(
            disturb(person, model, seed=0, mpjpe_mm=75.79),
            model,
            input_mask=torch.zeros(1, 96, 96),
            cameras=RIG,
            gaussians_from=lambda _: target,
            settings=SHORT,
        )
