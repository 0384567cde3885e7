"""The two metric definitions: which views, which ranges, what is None."""

import pytest
import torch

from hgm.images.viewpoints import of_the_rig
from hgm.metrics.definitions import back_errors, view_errors
from hgm.metrics.images import ms_ssim, psnr, ssim
from hgm.metrics.lpips import LPIPS

RIG = of_the_rig(64)


def views() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    g = torch.Generator().manual_seed(0)
    target = torch.ones(12, 3, 64, 64)
    target[:, :, 16:48, 16:48] = torch.rand(12, 3, 32, 32, generator=g)
    mask = torch.zeros(12, 1, 64, 64)
    mask[:, :, 16:48, 16:48] = 1
    return (target + 0.1 * mask * torch.randn(target.shape, generator=g)).clamp(0, 1), target, mask


def test_only_the_four_test_views_count() -> None:
    p, t, mask = views()
    before = view_errors(p, t, RIG, None, mask=mask)
    p[[1, 2, 4, 5, 7, 8, 10, 11]] = 0
    assert view_errors(p, t, RIG, None, mask=mask) == before
    four = [0, 3, 6, 9]
    assert before["standard"]["psnr"] == pytest.approx(psnr(p[four], t[four]).item())
    assert before["standard"]["ssim"] == pytest.approx(ssim(p[four], t[four]).mean().item())
    assert before["released_code"]["ssim"] == pytest.approx(
        ms_ssim(p[four], t[four], 2.0).mean().item()
    )
    assert before["released_code"]["psnr"] == before["standard"]["psnr"]
    assert before["standard"]["lpips"] is None and before["released_code"]["lpips"] is None
    assert before["ms_ssim_scales"] == 3


def test_background_flatters_and_the_person_box_does_not() -> None:
    p, t, mask = views()
    found = view_errors(p, t, RIG, None, mask=mask)
    box = found["person_box"]
    assert box is not None and box["psnr"] is not None and found["standard"]["psnr"] is not None
    assert box["psnr"] < found["standard"]["psnr"]
    assert view_errors(p, t, RIG, None)["person_box"] is None


def test_back_view_and_perfect_images() -> None:
    p, t, _ = views()
    p[6] = t[6]
    found = back_errors(p, t, RIG, None)["standard"]
    # an infinite PSNR is not a number to average
    assert found["psnr"] is None and found["ssim"] == pytest.approx(1)
    with pytest.raises(ValueError, match="12"):
        back_errors(p[:4], t[:4], RIG, None)


def test_lpips_is_fed_both_ranges() -> None:
    p, t, _ = views()
    lpips = LPIPS()
    torch.manual_seed(0)
    for parameter in lpips.trunk.parameters():
        if parameter.ndim == 4:
            torch.nn.init.kaiming_normal_(parameter)
        else:
            parameter.zero_()
    for head in lpips.heads:
        head.data.fill_(0.1)
    found = view_errors(p, t, RIG, lpips)
    four = [0, 3, 6, 9]
    assert found["standard"]["lpips"] == pytest.approx(
        lpips(p[four], t[four]).mean().item(), rel=1e-5
    )
    released = found["released_code"]["lpips"]
    assert released == pytest.approx(lpips(p[four], t[four], signed=False).mean().item(), rel=1e-5)
    assert found["standard"]["lpips"] != pytest.approx(released, rel=1e-3)
