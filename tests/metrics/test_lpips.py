"""LPIPS with random weights against a computation by hand, through files with the published
names."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import save_file

from hgm.errors import InputError
from hgm.metrics.lpips import LPIPS, PerceptualLoss, load_lpips

# index of each convolution in torchvision's vgg16().features, with its channels; "M" = max pool
LAYOUT = [
    (0, 3, 64),
    (2, 64, 64),
    "M",
    (5, 64, 128),
    (7, 128, 128),
    "M",
    (10, 128, 256),
    (12, 256, 256),
    (14, 256, 256),
    "M",
    (17, 256, 512),
    (19, 512, 512),
    (21, 512, 512),
    "M",
    (24, 512, 512),
    (26, 512, 512),
    (28, 512, 512),
]


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("weights")
    g = torch.Generator().manual_seed(1)
    vgg = {"classifier.0.weight": torch.zeros(2, 2)}
    for layer in LAYOUT:
        if layer != "M":
            i, a, b = layer
            vgg[f"features.{i}.weight"] = (
                torch.randn(b, a, 3, 3, generator=g) * (2 / (9 * a)) ** 0.5
            )
            vgg[f"features.{i}.bias"] = torch.randn(b, generator=g) * 0.1
    widths = (64, 128, 256, 512, 512)
    heads = {
        f"lin{i}.model.1.weight": torch.rand(1, c, 1, 1, generator=g) for i, c in enumerate(widths)
    }
    torch.save(vgg, folder / "vgg16.pth")
    save_file(heads, folder / "heads.safetensors")
    return folder / "vgg16.pth", folder / "heads.safetensors"


def by_hand(files: tuple[Path, Path], images: list[torch.Tensor]) -> float:
    """One pair of images, already in the range that is fed, [3, H, W]."""
    vgg = torch.load(files[0], weights_only=True)
    from safetensors.torch import load_file

    heads = load_file(files[1])
    maps: list[list[np.ndarray]] = []
    for image in images:
        x = (
            (image - torch.tensor([-0.030, -0.088, -0.188])[:, None, None])
            / torch.tensor([0.458, 0.448, 0.450])[:, None, None]
        )[None]
        found = []
        for layer in [*LAYOUT, "M"]:
            if layer == "M":
                found.append(x[0].double().numpy())
                x = F.max_pool2d(x, 2)
            else:
                x = F.conv2d(
                    x,
                    vgg[f"features.{layer[0]}.weight"],
                    vgg[f"features.{layer[0]}.bias"],
                    padding=1,
                ).relu()
        maps.append(found)
    total = 0.0
    for i, (a, b) in enumerate(zip(*maps, strict=True)):
        a, b = (m / np.linalg.norm(m, axis=0) for m in (a, b))
        total += float(
            (((a - b) ** 2) * heads[f"lin{i}.model.1.weight"][0].double().numpy()).sum(0).mean()
        )
    return total


def test_both_conventions_agree_with_the_sum_by_hand(files: tuple[Path, Path]) -> None:
    lpips = load_lpips(*files)
    assert lpips is not None
    g = torch.Generator().manual_seed(2)
    p = torch.rand(2, 3, 32, 32, generator=g)
    t = torch.rand(2, 3, 32, 32, generator=g)
    standard = lpips(p, t)
    released = lpips(p, t, signed=False)
    for i in range(2):
        assert standard[i].item() == pytest.approx(
            by_hand(files, [p[i] * 2 - 1, t[i] * 2 - 1]), rel=1e-4
        )
        assert released[i].item() == pytest.approx(by_hand(files, [p[i], t[i]]), rel=1e-4)
    assert lpips(t, t).abs().max() == 0


def test_as_a_loss_it_reuses_target_features_and_has_finite_gradients(
    files: tuple[Path, Path],
) -> None:
    lpips = load_lpips(*files, resize=32)
    assert lpips is not None and not any(p.requires_grad for p in lpips.parameters())
    g = torch.Generator().manual_seed(3)
    p = torch.rand(1, 3, 64, 64, generator=g)
    t = torch.rand(1, 3, 64, 64, generator=g)
    wanted = lpips.features(t)
    p.requires_grad_()
    value = lpips(p, wanted)
    assert torch.equal(value, lpips(p, t))
    assert value.item() == pytest.approx(
        lpips(F.avg_pool2d(p, 2), F.avg_pool2d(t, 2)).item(), rel=1e-5
    )
    value.sum().backward()
    assert p.grad is not None and torch.isfinite(p.grad).all()


def test_gradient_against_finite_differences(files: tuple[Path, Path]) -> None:
    """In float64: in float32 the difference of two losses is rounded to a few digits."""
    lpips = load_lpips(*files, resize=32)
    assert lpips is not None
    lpips.double()
    g = torch.Generator().manual_seed(3)
    p, t, direction = (torch.rand(1, 3, 64, 64, generator=g, dtype=torch.float64) for _ in range(3))
    direction -= direction.mean()
    direction /= direction.norm()
    p.requires_grad_()
    wanted = lpips.features(t)
    lpips(p, wanted).sum().backward()
    assert p.grad is not None
    step = 1e-5
    with torch.no_grad():
        slope = (
            lpips(p + step * direction, wanted) - lpips(p - step * direction, wanted)
        ).item() / (2 * step)
    assert abs(slope) > 1e-6
    assert (p.grad * direction).sum().item() == pytest.approx(slope, rel=1e-3)


def test_the_loss_runs_the_trunk_once_for_one_target(files: tuple[Path, Path]) -> None:
    lpips = load_lpips(*files)
    assert lpips is not None
    seen: list[int] = []
    lpips.trunk.register_forward_hook(lambda *_: seen.append(1))
    loss = PerceptualLoss(lpips)
    g = torch.Generator().manual_seed(4)
    p = torch.rand(1, 2, 3, 32, 32, generator=g)
    t = torch.rand(1, 2, 3, 32, 32, generator=g)
    first = loss(p.flatten(0, 1), t.flatten(0, 1))
    again = loss(p.flatten(0, 1), t.flatten(0, 1))
    assert len(seen) == 3 and first == again == lpips(p[0], t[0]).mean()
    t += 0.1  # the same memory, other content
    assert loss(p[0], t[0]) == lpips(p[0], t[0]).mean()
    p.requires_grad_()
    loss(p[0], t[0]).backward()
    assert p.grad is not None and p.grad.abs().sum() > 0


def test_the_loss_keeps_no_features_for_the_backward_pass_and_has_the_same_gradients(
    files: tuple[Path, Path],
) -> None:
    """Three sets of renders against one set of targets, as in HGM's loss."""
    lpips = load_lpips(*files, resize=32)
    assert lpips is not None
    g = torch.Generator().manual_seed(5)
    target = torch.rand(2, 3, 48, 48, generator=g)
    start = torch.rand(3, 2, 3, 48, 48, generator=g)
    loss = PerceptualLoss(lpips)

    def kept(
        measure: Callable[[torch.Tensor], torch.Tensor],
    ) -> tuple[int, torch.Tensor, torch.Tensor]:
        """Bytes saved for the backward pass besides weights and what is there anyway; the value;
        the gradient."""
        renders = start.clone().requires_grad_()
        fixed = {
            x.untyped_storage().data_ptr()
            for x in (renders, target, *lpips.parameters(), *lpips.buffers(), *loss._features)
        }
        storages: dict[int, torch.UntypedStorage] = {}

        def pack(x: torch.Tensor) -> torch.Tensor:
            storages[x.untyped_storage().data_ptr()] = x.untyped_storage()
            return x

        with torch.autograd.graph.saved_tensors_hooks(pack, lambda x: x):
            value = measure(renders)
        value.backward()
        assert renders.grad is not None
        return (
            sum(s.nbytes() for key, s in storages.items() if key not in fixed),
            value.detach(),
            renders.grad,
        )

    loss(start[0], target)  # keeps the target's features
    bare, value, gradient = kept(
        lambda renders: sum(
            (lpips(r, lpips.features(target)).mean() for r in renders), torch.zeros(())
        )
    )
    again, same, equal = kept(
        lambda renders: sum((loss(r, target) for r in renders), torch.zeros(()))
    )
    assert torch.equal(value, same) and torch.equal(gradient, equal)
    assert bare > 5_000_000 and again < 0.01 * bare


def test_gradient_is_finite_where_all_features_are_zero() -> None:
    lpips = LPIPS()  # weights of the heads are zero, biases can be anything: make the trunk dead
    for parameter in lpips.trunk.parameters():
        parameter.zero_()
    for head in lpips.heads:
        head.data.fill_(1)
    p = torch.rand(1, 3, 32, 32, requires_grad=True)
    lpips(p, torch.rand(1, 3, 32, 32)).sum().backward()
    assert p.grad is not None and torch.isfinite(p.grad).all()


def test_absent_weights_give_none_and_bad_files_one_line(
    files: tuple[Path, Path], tmp_path: Path
) -> None:
    vgg, heads = files
    assert load_lpips(None, heads) is None and load_lpips(vgg, None) is None
    torch.save({"features.0.weight": torch.zeros(1)}, tmp_path / "other.pth")
    (tmp_path / "text.pth").write_text("hello")
    (tmp_path / "text.safetensors").write_text("hello")
    torch.save({"model": {"a": torch.zeros(1)}}, tmp_path / "nested.pth")
    for bad, match in [
        (tmp_path / "none.pth", "does not exist"),
        (tmp_path / "other.pth", "expected"),
        (tmp_path / "text.pth", "not a readable weight file"),
        (tmp_path / "nested.pth", "dictionary"),
        (tmp_path / "text.safetensors", "not a readable weight file"),
    ]:
        with pytest.raises(InputError, match=match) as error:
            load_lpips(bad, heads)
        assert "\n" not in str(error.value) and "weights.vgg16" in str(error.value)
    with pytest.raises(InputError, match="SHA-256"):
        load_lpips(vgg, heads, vgg_sha256="00")
