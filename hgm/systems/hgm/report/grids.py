"""The run's CSV tables as rows and cells of the report."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from hgm.metrics.images import SCALE_WEIGHTS
from hgm.report.grids import Column, Grid, grid
from hgm.report.paper import MEAN
from hgm.systems.hgm.report.methods import measured_views
from hgm.systems.hgm.report.names import COLUMNS, row_name
from hgm.systems.hgm.report.run import Run


def images(
    metrics: Sequence[str] = ("psnr", "ssim", "ms_ssim", "lpips"), *, mean: bool = True
) -> list[Column]:
    """Columns of the image metrics in their three definitions."""
    subject = {"subject": MEAN} if mean else {}
    found: list[Column] = [("standard", m, {**subject, "definition": "standard"}) for m in metrics]
    found += [
        ("released code", m, {**subject, "definition": "released_code"})
        for m in metrics
        if m in ("ssim", "lpips")
    ]
    return found + [
        ("person box", m, {**subject, "definition": "person_box"})
        for m in metrics
        if m != "ms_ssim"
    ]


table = partial(grid, labels=COLUMNS, row_name=row_name)


def scales_remark(run: Run) -> str:
    """A remark where images were too small for the five scales of MS-SSIM, else an empty text."""
    counts = {
        int(n) for s in run.subjects if (n := s.number("views", "ms_ssim_scales")) is not None
    }
    if not counts or min(counts) >= len(SCALE_WEIGHTS):
        return ""
    return (
        f" The images are too small for all five scales of MS-SSIM: the first {min(counts)} were "
        "used, so MS-SSIM (and SSIM as the released code computes it) compares within this run "
        "only."
    )


def lacking_remark(run: Run) -> str:
    """A remark that names the subjects that results of other methods lack, else an empty text."""
    parts = [f"{name} lacks {', '.join(sorted(failed))}" for name, failed in run.lacking.items()]
    return f" {'; '.join(parts)}: its means are over the others." if parts else ""


def grids(run: Run) -> list[Grid]:
    """Every table of the report except the comparison with the paper."""
    nvs, geometry, smplx, back = (run.table(n) for n in ("nvs", "geometry", "smplx", "backview"))
    subjects = list(
        dict.fromkeys(r["subject"] for r in nvs if r.get("subject") and r["subject"] != MEAN)
    )
    main = run.variants[0] if run.variants else ""
    bodies = [r for r in smplx if r.get("subject") == MEAN]
    aligned = [{**r, "row": r.get("variant", "")} for r in geometry if r.get("subject") == MEAN]
    surfaces: list[Column] = [
        (group, m, {"alignment": a})
        for group, a in (("as placed (cm)", "none"), ("after rigid ICP (cm)", "icp"))
        for m in ("chamfer_cm", "p2s_cm", "s2p_cm", "normal_consistency")
    ]
    joints: list[Column] = [
        ("MPJPE (mm)", "initial_mpjpe_mm", {}),
        ("MPJPE (mm)", "mpjpe_mm", {}),
        ("PA-MPJPE (mm)", "initial_pa_mpjpe_mm", {}),
        ("PA-MPJPE (mm)", "pa_mpjpe_mm", {}),
    ]
    ablation: list[Column] = [*images(("psnr", "ssim", "lpips"), mean=False)]
    ablation += [
        ("surface (cm)", m, {"definition": "standard"})
        for m in ("chamfer_cm", "p2s_cm", "normal_consistency")
    ]
    ablation += [("", "subjects", {"definition": "standard"})]
    found = [
        table(
            "Novel views",
            f"Mean over the test subjects, {measured_views(run)}. The rows below the first are "
            "baselines that any reconstruction should beat"
            + (", then other methods' results." if run.rivals else ".")
            + lacking_remark(run)
            + scales_remark(run),
            nvs,
            "method",
            images(),
        ),
        table(
            "Ablation",
            "The same subjects and metrics with one part of the method left out at a time.",
            run.table("ablation"),
            "variant",
            ablation,
        ),
        table(
            "Novel views, each subject",
            "The main variant.",
            [r for r in nvs if r.get("method") == main],
            "subject",
            images(mean=False),
            names=[*subjects, MEAN],
            ranked=False,
        ),
        table(
            "Surface",
            "Distances between the mesh and the scan, 100,000 points a side unless the "
            "configuration says otherwise; P2S: the mesh to the scan, S2P: the scan to the mesh."
            + lacking_remark(run),
            aligned,
            "row",
            surfaces,
        ),
        table(
            "Body",
            "Joint errors of the first estimate and of the refined one; PA: after a Procrustes "
            "alignment.",
            [r for r in smplx if r.get("variant") == main],
            "subject",
            joints,
            ranked=False,
        ),
        table(
            "Body, by estimator and refinement",
            "The same, means over the test subjects.",
            bodies,
            "variant",
            joints,
        )
        if len(bodies) > 1
        else None,
        table(
            "Back view",
            "The side that the photo does not show: the picture of it that each variant makes, "
            "which the fusion sees, and the render of the Gaussians.",
            back,
            "method",
            [*images(), ("set", "kid_e3", {"subject": MEAN, "definition": "standard"})],
        ),
    ]
    return [g for g in found if g is not None]
