"""The first estimate of a body from one image, as the refinement starts from it, and a substitute
for an estimator: the true fit, disturbed."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from hgm.body.canonical import canonical
from hgm.body.estimates import DetectedBody
from hgm.body.estimates.detected import FLIP
from hgm.body.estimators.labels import DISTURBED
from hgm.body.model import BODY_JOINTS, BodyModel, PosedBody
from hgm.body.parameters import BodyParameters
from hgm.cameras import Cameras
from hgm.core.keys import derived_seed
from hgm.errors import InputError
from hgm.metrics.joints import mpjpe

# Relative size of the noise of `disturb` (one sigma); one common factor scales it to the target
# error. It is equal for all axes, since the structure of PIXIE's error is not published; the
# differences between joints are our guess.
ORIENTATION = 6.0  # degrees about each axis, of the whole body
TORSO = 4.0  # degrees, spine and collars
HEAD = 7.0
LEGS = 10.0  # hips, knees and ankles
ARMS = 13.0  # shoulders, elbows and wrists
BETAS = 0.7
SCALE = 0.02  # relative
TRANSLATION = 0.02  # NU in x and y; twice as much in z
JOINTS = (  # [21], in the order of body_pose
    *(LEGS, LEGS, TORSO),
    *(LEGS, LEGS, TORSO),
    *(LEGS, LEGS, TORSO),
    *(LEGS, LEGS, HEAD),
    *(TORSO, TORSO, HEAD),
    *(ARMS, ARMS, ARMS),
    *(ARMS, ARMS, ARMS),
)


@dataclass(frozen=True)
class BodyEstimate:
    """A body in the frame of the views: a zero `global_orient` faces +z.

    Where `scale` and `translation` are None, the refinement finds them from the mask.
    """

    params: BodyParameters  # unbatched
    source: str  # what made the estimate, for labels
    scale: float | None = None  # NU (normalized units) per meter
    translation: Tensor | None = None  # [3], the pelvis joint in NU
    # [33, 3] where an estimator saw landmarks (hgm.images.photos.pose): x right and y down in
    # widths of the picture, and visibility in [0, 1]
    keypoints: Tensor | None = None

    def to(self, device: torch.device | str) -> BodyEstimate:
        """The same estimate on a device."""
        return dataclasses.replace(
            self,
            params=self.params.to(device),
            translation=None if self.translation is None else self.translation.to(device),
            keypoints=None if self.keypoints is None else self.keypoints.to(device),
        )


def estimate_in_views(seen: DetectedBody, camera: Cameras) -> BodyEstimate:
    """A body that an estimator found in the photo of `camera` (unbatched), as an estimate in the
    frame of the views.

    The estimator's weak-perspective scale is taken to hold at the pelvis, whose depth is that of
    the origin. A body without a camera gets neither scale nor translation. Raises InputError for a
    camera that the origin is not in front of.
    """
    where = camera.world_to_camera[:3, 3]  # of the origin, in the camera's axes
    if where[2] <= 0:
        raise InputError(
            "the input camera looks away from the pelvis; expected the person in front of it"
        )
    params = _from_the_camera(seen.params, camera)
    if seen.pixels_per_meter is None or seen.pelvis is None:
        return BodyEstimate(params, seen.source)
    unit = camera.K[0, 0] / where[2]  # pixels per NU at the origin
    offset = (seen.pelvis.to(camera.K) - camera.K[:2, 2]) / unit - where[:2]
    position = camera.world_to_camera[:3, :3].mT @ torch.cat([offset, offset.new_zeros(1)])
    return BodyEstimate(params, seen.source, seen.pixels_per_meter / float(unit), position)


def _from_the_camera(params: BodyParameters, camera: Cameras) -> BodyParameters:
    """The parameters with `global_orient` changed from the frame of the camera, where zero faces
    the camera, to the frame of the views.

    An estimator works on a crop and takes the crop's center for the optical axis. So its body has
    to be rotated by the angle between the optical axis and the ray to the pelvis.
    """
    from scipy.spatial.transform import Rotation

    w2c = camera.world_to_camera.double().cpu().numpy()
    ray = w2c[:3, 3] / np.linalg.norm(w2c[:3, 3])
    axis = np.cross([0.0, 0.0, 1.0], ray)
    bend = np.arctan2(np.linalg.norm(axis), ray[2])
    # the optical axis onto the ray
    aside = Rotation.from_rotvec(bend * axis / max(np.linalg.norm(axis), 1e-12)).as_matrix()
    turn = w2c[:3, :3].T @ aside @ FLIP
    if np.array_equal(turn, np.eye(3)):  # before the rig's front camera
        return params
    orient = (
        Rotation.from_matrix(turn)
        * Rotation.from_rotvec(params.global_orient.double().cpu().numpy())
    ).as_rotvec()
    return params.replace(global_orient=params.global_orient.new_tensor(orient))


def place(body: PosedBody, scale: Tensor | float, translation: Tensor) -> tuple[Tensor, Tensor]:
    """A body in meters -> vertices [10475, 3] and joints [55, 3] in NU: scaled about the pelvis,
    which moves to `translation`."""
    pelvis = body.joints[..., :1, :]
    return (body.vertices - pelvis) * scale + translation, (
        body.joints - pelvis
    ) * scale + translation


def disturb(
    params: BodyParameters,
    model: BodyModel,
    *,
    seed: int,
    mpjpe_mm: float,
) -> BodyEstimate:
    """The true fit with seeded noise, scaled by bisection until its MPJPE is `mpjpe_mm`: over the
    first 22 joints, with pelvises aligned, in millimeters at the size of the true fit; an error of
    scale counts.

    `params` is unbatched; its global_orient is ignored, as in the canonical frame. The result is on
    the model's device; its `source` says that it replaces an estimator. Hands, face and expression
    stay true, since the refinement does not change them.
    """
    rng = np.random.default_rng(derived_seed("disturb", seed))
    turn = rng.normal(size=3) * ORIENTATION
    spin = rng.normal(size=(21, 3)) * np.array(JOINTS)[:, None]
    beta = rng.normal(size=params.betas.shape[-1]) * BETAS
    grow = rng.normal() * SCALE
    shift = rng.normal(size=3) * TRANSLATION * [1.0, 1.0, 2.0]

    params = (
        params.detach()
        .to(model.device)
        .replace(global_orient=torch.zeros_like(params.global_orient))
    )
    with torch.no_grad():
        truth = canonical(model, params)
        world = model(params).transforms[:BODY_JOINTS, :3, :3].double().cpu().numpy()
        parents = world[model.parents[1:BODY_JOINTS].cpu().numpy()]

        def estimate(factor: float) -> tuple[BodyEstimate, float]:
            wrong = params.replace(
                global_orient=params.global_orient.new_tensor(np.radians(factor * turn)),
                body_pose=_turned(params.body_pose, parents, np.radians(factor * spin)),
                betas=params.betas + params.betas.new_tensor(factor * beta),
            )
            scale = float(truth.nu_per_metre) * (1 + factor * grow)
            translation = params.betas.new_tensor(factor * shift)
            joints = place(model(wrong), scale, translation)[1]
            source = f"{DISTURBED} (MPJPE {mpjpe_mm:g} mm by construction)"
            error = mpjpe(joints / truth.nu_per_metre, truth.joints / truth.nu_per_metre)
            return BodyEstimate(wrong, source, scale, translation), float(error)

        low = 0.0
        high = 4.0
        for _ in range(24):
            factor = (low + high) / 2
            low, high = (factor, high) if estimate(factor)[1] < mpjpe_mm else (low, factor)
        return estimate((low + high) / 2)[0]


def _turned(body_pose: Tensor, parents: np.ndarray, spin: np.ndarray) -> Tensor:
    """Rotate each joint of body_pose [63] by the rotation vectors spin [21, 3], which are in world
    axes; parents [21, 3, 3] are the world rotations of the parent joints before the change."""
    from scipy.spatial.transform import Rotation

    local = np.einsum("jba,jb->ja", parents, spin)  # the same axis in the parent's frame
    old = Rotation.from_rotvec(body_pose.detach().double().cpu().numpy().reshape(-1, 3))
    return body_pose.new_tensor((Rotation.from_rotvec(local) * old).as_rotvec().reshape(-1))
