"""The frame of a scan, and fits that do not belong to it."""

import dataclasses
import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from hgm.body.fits import Fit, load_fit
from hgm.body.model import BodyModel
from hgm.errors import ScanError
from hgm.geometry.rotations import rotation_matrix
from hgm.scans.canonical import scan_to_nu
from hgm.scans.check import check_fit
from hgm.scans.obj import load_obj
from hgm.scans.thuman import ScanFiles


def test_scan_lands_on_the_canonical_body(scan: ScanFiles, male: BodyModel) -> None:
    """The scan is the fitted body itself, so its vertices must become those of the canonical
    body."""
    placed = scan_to_nu(load_fit(scan.fit, male), male)
    vertices = placed.apply(load_obj(scan.obj).vertices)
    np.testing.assert_allclose(vertices, placed.body.vertices.numpy(), atol=2e-6)
    assert 1.2 < np.ptp(vertices[:, 1]) < 1.4  # a standing person
    toes = placed.body.joints[[10, 11], 2].mean()
    heel = placed.body.joints[[7, 8], 2].mean()
    assert toes > heel  # the feet point to +z
    A = placed.transform[:3, :3]
    factor = np.cbrt(np.linalg.det(A))
    np.testing.assert_allclose(A @ A.T, factor**2 * np.eye(3), atol=1e-9)
    assert factor == pytest.approx(float(placed.body.nu_per_metre) / load_fit(scan.fit, male).scale)


def turned(fit: Fit) -> Fit:
    axis = fit.params.global_orient + torch.tensor([0.0, math.pi / 2, 0.0])
    return dataclasses.replace(fit, params=fit.params.replace(global_orient=axis))


def moved(fit: Fit) -> Fit:
    return dataclasses.replace(
        fit, translation=fit.translation + torch.tensor([0.3, 0, 0]) * fit.scale
    )


def arms_out(fit: Fit) -> Fit:
    return dataclasses.replace(fit, params=fit.params.replace(body_pose=torch.zeros(63)))


def raised(fit: Fit) -> Fit:
    """Distances do not show it: most of an upright body slides along itself."""
    return dataclasses.replace(
        fit, translation=fit.translation + torch.tensor([0, 0.14, 0]) * fit.scale
    )


def back_to_front(fit: Fit) -> Fit:
    """Turned by 180 degrees about the body's own upright axis."""
    R = rotation_matrix(fit.params.global_orient.double().numpy()) @ np.diag([-1.0, 1.0, -1.0])
    axis = torch.from_numpy(Rotation.from_matrix(R).as_rotvec()).float()
    return dataclasses.replace(fit, params=fit.params.replace(global_orient=axis))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda fit: dataclasses.replace(fit, scale=fit.scale * 0.8), "times as tall"),
        (lambda fit: dataclasses.replace(fit, scale=fit.scale * 1.25), "times as tall"),
        (moved, "away from the scan"),
        (turned, "turned by"),
        (arms_out, "away from the scan"),
        (raised, "silhouettes of the body and of the scan"),
        (back_to_front, "turned by 180 degrees"),
    ],
    ids=["small", "large", "moved", "turned", "another pose", "14 cm higher", "back to front"],
)
def test_wrong_fits_are_refused(
    scan: ScanFiles, male: BodyModel, change: Callable[[Fit], Fit], words: str
) -> None:
    fit = load_fit(scan.fit, male)
    mesh = load_obj(scan.obj)
    quality = check_fit(mesh, scan_to_nu(fit, male), scan.fit)
    assert quality.median < 0.01 and quality.height_ratio == pytest.approx(1, abs=1e-3)
    assert quality.shared > 0.97 and quality.outside < 0.02 and quality.turned == 0
    with pytest.raises(ScanError, match=rf"smplx_param\.pkl: [^\n]*{words}[^\n]*$"):
        check_fit(mesh, scan_to_nu(change(fit), male), scan.fit)


def test_imperfect_fits_pass(scan: ScanFiles, male: BodyModel) -> None:
    """Joints off by 3 degrees, another shape and 2 cm: as far from the truth as good fits of
    clothed people are."""
    fit = load_fit(scan.fit, male)
    generator = torch.Generator().manual_seed(0)
    params = fit.params.replace(
        body_pose=fit.params.body_pose + 0.05 * torch.randn(63, generator=generator),
        betas=fit.params.betas + 0.3 * torch.randn(10, generator=generator),
    )
    other = Fit(params, fit.scale, fit.translation + 0.02 * fit.scale)
    quality = check_fit(load_obj(scan.obj), scan_to_nu(other, male), scan.fit)
    assert quality.median > 0.005
