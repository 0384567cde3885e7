"""SMPL-X refinement: 45 steps that fit an estimated body to silhouettes, most of them renders of
Gaussians of the frozen coarse HGM.

Paper section 3.4: loss = 10 front + 1 side + 0.5 normal over 12 views. The front target is the mask
of the input; the side targets are the coverage (alpha) of HGM's Gaussians. The first round takes
the Gaussians of the image branch alone, since a badly aligned body spoils the merged ones; every 15
steps HGM runs again with the current body. Optimizer, learning rates and priors are not published;
those of `Refine` are ours. The paper also mentions 2-D keypoints once (section 3.3.2), without
detector or weight: where the first estimate comes with landmarks, the body's keep to them.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor

from hgm.body.canonical import STATURE, UNITS_PER_METER, stature
from hgm.body.landmarks import BodyLandmarks
from hgm.body.model import BodyModel, PosedBody
from hgm.body.parameters import BodyParameters
from hgm.cameras import Cameras
from hgm.errors import InputError
from hgm.gaussians import Gaussians
from hgm.images.photos.pose.published import NAMES
from hgm.splat import render
from hgm.splat.normal_maps import NormalMaps, normal_loss, render_normals
from hgm.splat.silhouettes import mask_box, resized_mask, silhouettes, soft_iou
from hgm.splat.surfels import Surfels
from hgm.systems.hgm.estimate import BodyEstimate, place
from hgm.systems.hgm.sections.bodies import Refine

# widths of the picture by which a landmark may be off before its pull no longer grows
NEAR = 0.01
GaussiansFrom = Callable[[Tensor | None], Gaussians]


@dataclass(frozen=True)
class Refined:
    """The refined body, unbatched. Vertices and joints are in the form that HGM takes as input."""

    params: BodyParameters
    scale: float  # NU per meter
    translation: Tensor  # [3], the pelvis joint in NU
    vertices: Tensor  # [10475, 3] NU
    joints: Tensor  # [55, 3] NU
    history: list[dict[str, float]] = field(default_factory=list)  # one row for each step


def refine_body(
    initial: BodyEstimate,
    model: BodyModel,
    *,
    input_mask: Tensor,
    cameras: Cameras,
    gaussians_from: GaussiansFrom,
    normals_from: Callable[[Tensor], NormalMaps] | None = None,
    settings: Refine,
    backend: str = "auto",
    progress: Callable[[int, Tensor, Tensor], None] | None = None,
) -> Refined:
    """Fit `initial` to silhouettes.

    input_mask [1, H, W]: coverage of the input photo. cameras [V]: those of the silhouettes; view 0
    is the input camera.

    `gaussians_from(None)` returns the Gaussians [N] of HGM's image branch, `gaussians_from(vertices
    [10475, 3] NU)` those merged with this body. It is called once in each round, without gradients.
    `normals_from(vertices)` returns the target normals for view 0, of any size; it is called in
    every step (paper section 3.4) unless the weight of normals is zero. `progress(step, vertices,
    joints)` is called with the body of every step, for logs of an error that only the caller can
    compute.

    All of it runs on the model's device; estimate, mask and cameras are moved there, and the
    functions have to return tensors on it. Raises InputError for an empty mask.
    """
    if not bool((input_mask > 0.5).any()):
        raise InputError(
            "input mask: no pixel belongs to the person; give a photo with its background removed"
        )
    device = model.device
    initial = initial.to(device)
    input_mask = input_mask.to(device)
    cameras = cameras.to(device)
    if initial.scale is None or initial.translation is None:
        scale, where = place_in_mask(initial.params, model, input_mask, cameras[0])
    else:
        scale = initial.scale
        where = initial.translation
    start = initial.params.detach()
    free = {
        name: getattr(start, name).clone().requires_grad_()
        for name in ("global_orient", "body_pose", "betas")
    }
    grow = torch.zeros((), device=device, requires_grad=True)
    shift = where.detach().clone().requires_grad_()
    optimizer = torch.optim.Adam(
        [
            {"params": [grow, shift], "lr": settings.lr_place},
            {"params": [free["global_orient"]], "lr": settings.lr_orient},
            {"params": [free["betas"]], "lr": settings.lr_betas},
            {"params": [free["body_pose"]], "lr": settings.lr_pose},
        ]
    )
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: _cosine(step / settings.iterations, settings.lr_last)
    )

    marks = BodyLandmarks.of(model, NAMES)

    def posed() -> tuple[Tensor, Tensor, PosedBody]:
        body = model(start.replace(**free))
        return *place(body, scale * grow.exp(), shift), body

    with torch.no_grad():
        unposed = model.shaped(start.betas)[0] * scale
    surfels = Surfels.of(unposed, model.faces, cell=settings.cell)
    history: list[dict[str, float]] = []
    for step in range(settings.iterations):
        vertices, joints, body = posed()
        if step % settings.every == 0:
            turn = step // settings.every
            view = _at(cameras, settings.sizes[min(turn, len(settings.sizes) - 1)])
            targets = _targets(
                gaussians_from,
                vertices.detach() if turn and settings.with_body else None,
                input_mask,
                view,
                backend,
            )
        if progress is not None:
            progress(step, vertices.detach(), joints.detach())
        miss = 1 - soft_iou(silhouettes(vertices, surfels, view, backend=backend), targets)
        terms = {"front": settings.front * miss[0], "side": settings.side * miss[1:].mean()}
        if normals_from is not None and settings.normal > 0:
            with torch.no_grad():
                normals = normals_from(vertices.detach())
            narrow = _at(cameras[0], normals.front.shape[-1])
            terms["normal"] = settings.normal * normal_loss(
                render_normals(vertices, surfels, narrow, backend=backend), normals
            )
        if initial.keypoints is not None and settings.keypoints > 0:
            rest = model.shaped(free["betas"])[1]
            points = marks.posed(rest, body.transforms) - body.joints[:1]
            seen = cameras[0].project(points * scale * grow.exp() + shift)[0] / cameras.width
            terms["keypoints"] = settings.keypoints * _off(seen, initial.keypoints[marks.chosen])
        terms["prior"] = (
            settings.pose_prior * (free["body_pose"] - start.body_pose).square().sum()
            + settings.betas_prior * free["betas"].square().sum()
            + settings.scale_prior * grow.square()
        )
        loss = torch.stack(list(terms.values())).sum()
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        schedule.step()
        history.append(
            {
                "step": step,
                "loss": loss.item(),
                **{name: term.item() for name, term in terms.items()},
            }
        )
    with torch.no_grad():
        vertices, joints, _ = posed()
    if progress is not None:
        progress(settings.iterations, vertices, joints)
    params = start.replace(**{name: value.detach() for name, value in free.items()})
    return Refined(params, scale * math.exp(grow.item()), shift.detach(), vertices, joints, history)


def _off(pixels: Tensor, keypoints: Tensor) -> Tensor:
    """How far landmarks [L, 2] are from where they were seen, keypoints [L, 3] with visibility:
    mean of Huber's loss in units of NEAR, by visibility."""
    distance = (pixels - keypoints[:, :2]).square().sum(-1).clamp(min=1e-12).sqrt() / NEAR
    loss = torch.where(distance < 1, distance.square() / 2, distance - 0.5)
    return (keypoints[:, 2] * loss).sum() / keypoints[:, 2].sum().clamp(min=1e-6)


def place_in_mask(
    params: BodyParameters, model: BodyModel, mask: Tensor, camera: Cameras
) -> tuple[float, Tensor]:
    """Scale (NU per meter) and position of the pelvis [3] NU of a body, from the mask [1, H, W] of
    an unbatched camera. Computed on the model's device.

    The height of the projected body is that of the mask, the center of its bounding box is that of
    the mask's box, and the depth of the pelvis is that of the world's origin. The paper does not
    say how a body is placed; this is ours.
    """
    params = params.to(model.device)
    mask = mask.to(model.device)
    camera = camera.to(model.device)
    camera = _at(camera, mask.shape[-1])
    low, high = mask_box(mask)
    with torch.no_grad():
        body = model(params)
        scale = UNITS_PER_METER * STATURE / float(stature(model, params.betas))
        position = body.joints.new_zeros(3)
        turn = camera.world_to_camera[:3, :3]
        depth = camera.world_to_camera[2, 3]
        # in perspective the box depends on scale and position; converges in a few rounds
        for _ in range(8):
            pixels = camera.project(place(body, scale, position)[0])[0]
            scale *= float((high - low)[1] / (pixels.amax(0) - pixels.amin(0))[1])
            pixels = camera.project(place(body, scale, position)[0])[0]
            offset = ((low + high) - (pixels.amin(0) + pixels.amax(0))) / 2 * depth / camera.K[0, 0]
            position = position + turn.mT @ torch.cat([offset, offset.new_zeros(1)])
    return scale, position


def _targets(
    gaussians_from: GaussiansFrom,
    vertices: Tensor | None,
    input_mask: Tensor,
    cameras: Cameras,
    backend: str,
) -> Tensor:
    """Target coverages [V, 1, H, W]: the input's mask for view 0, HGM's for the others."""
    with torch.no_grad():
        alpha = render(gaussians_from(vertices), cameras, backend=backend).alpha
    mask = resized_mask(input_mask, cameras.width, cameras.height)
    return torch.cat([mask[None].to(alpha), alpha[1:]])


def _at(cameras: Cameras, width: int) -> Cameras:
    return cameras.resized(width, round(width * cameras.height / cameras.width))


def _cosine(t: float, last: float) -> float:
    return last + (1 - last) * 0.5 * (1 + math.cos(math.pi * t))
