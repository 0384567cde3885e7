"""The frame of a scan, and fits that do not belong to it."""

import dataclasses
import math
from collections.abc import Callable

import numpy as np
import pytest
import torch

from hgm.body import BodyModel
from hgm.body.fits import ThumanFit, load_thuman_fit
from hgm.errors import ScanError
from hgm.scans import ScanFiles, load_obj
from hgm.scans.canonical import scan_to_nu
from hgm.scans.check import check_fit, surface_points


def test_scan_lands_on_the_canonical_body(scan: ScanFiles, male: BodyModel) -> None:
    """The scan is the fitted body itself, so its vertices must become those of the canonical body."""
    placed = scan_to_nu(load_thuman_fit(scan.fit), male)
    vertices = placed.apply(load_obj(scan.obj).vertices)
    np.testing.assert_allclose(vertices, placed.body.vertices.numpy(), atol=2e-6)
    assert 1.2 < np.ptp(vertices[:, 1]) < 1.4  # a standing person
    toes, heel = placed.body.joints[[10, 11], 2].mean(), placed.body.joints[[7, 8], 2].mean()
    assert toes > heel  # the feet point to +z
    A = placed.transform[:3, :3]
    factor = np.cbrt(np.linalg.det(A))
    np.testing.assert_allclose(A @ A.T, factor**2 * np.eye(3), atol=1e-9)
    assert factor == pytest.approx(float(placed.body.nu_per_metre) / load_thuman_fit(scan.fit).scale)


def turned(fit: ThumanFit) -> ThumanFit:
    axis = fit.params.global_orient + torch.tensor([0.0, math.pi / 2, 0.0])
    return dataclasses.replace(fit, params=fit.params.replace(global_orient=axis))


def moved(fit: ThumanFit) -> ThumanFit:
    return dataclasses.replace(fit, translation=fit.translation + torch.tensor([0.3, 0, 0]) * fit.scale)


def arms_out(fit: ThumanFit) -> ThumanFit:
    return dataclasses.replace(fit, params=fit.params.replace(body_pose=torch.zeros(63)))


@pytest.mark.parametrize(("change", "words"), [
    (lambda fit: dataclasses.replace(fit, scale=fit.scale * 0.8), "times as tall"),
    (lambda fit: dataclasses.replace(fit, scale=fit.scale * 1.25), "times as tall"),
    (moved, "away from the scan"), (turned, "away from the scan"), (arms_out, "away from the scan"),
], ids=["small", "large", "moved", "turned", "another pose"])
def test_wrong_fits_are_refused(
    scan: ScanFiles, male: BodyModel, change: Callable[[ThumanFit], ThumanFit], words: str
) -> None:
    fit, mesh = load_thuman_fit(scan.fit), load_obj(scan.obj)
    quality = check_fit(mesh, scan_to_nu(fit, male), scan.fit)
    assert quality.median < 0.01 and quality.height_ratio == pytest.approx(1, abs=1e-3)
    with pytest.raises(ScanError, match=rf"smplx_param\.pkl: [^\n]*{words}[^\n]*$"):
        check_fit(mesh, scan_to_nu(change(fit), male), scan.fit)


def test_imperfect_fits_pass(scan: ScanFiles, male: BodyModel) -> None:
    """Joints off by 3 degrees, another shape and 2 cm: as far from the truth as good fits of clothed people are."""
    fit = load_thuman_fit(scan.fit)
    generator = torch.Generator().manual_seed(0)
    params = fit.params.replace(body_pose=fit.params.body_pose + 0.05 * torch.randn(63, generator=generator),
                                betas=fit.params.betas + 0.3 * torch.randn(10, generator=generator))
    other = ThumanFit(params, fit.scale, fit.translation + 0.02 * fit.scale)
    quality = check_fit(load_obj(scan.obj), scan_to_nu(other, male), scan.fit)
    assert quality.median > 0.005


def test_surface_points_are_spread_by_area(scan: ScanFiles) -> None:
    mesh = load_obj(scan.obj)
    points = surface_points(mesh, 20_000)
    corners = mesh.vertices[mesh.faces]
    areas = np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1) / 2
    centroid = (areas[:, None] * corners.mean(1)).sum(0) / areas.sum()
    np.testing.assert_allclose(points.mean(0), centroid, atol=2e-3)
    np.testing.assert_array_equal(points, surface_points(mesh, 20_000))
