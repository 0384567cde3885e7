"""ICON's normal net: what the module of its authors gives with the same weights, and how its
checkpoint is read.

The numbers below were printed by YuliangXiu/ICON at cf46a6b (`NormalNet` and `define_G`, imported
outside this repository with Lightning's base class replaced by torch's, in evaluation mode on a CPU
with torch 2.13). Count and names are those of the published width of 64; outputs are of a width of
8, weights and inputs filled as `release_samples` does. Ours compute in float64: what is left is the
rounding of ICON's own run, the same on every processor.
"""

import hashlib
from pathlib import Path

import pytest
import torch
from release_samples import filled, noise
from torch import Tensor

from hgm.errors import InputError
from hgm.nets.icon import Generator, IconNormalNet, load_icon
from hgm.nets.lightning import read_lightning

PARAMETERS = 182_452_675  # of one of the two generators
# SHA-256 of lines "name shape"
NAMES = "a871bba333687a5ab6ef768786cd36cc5dff3ea42f34cabdfa228c38b733f807"
FRONT = (
    0.047549,
    0.497080,
    0.272115,
    (0.882098, 0.730388, 0.338353, 0.0, 0.67633, -0.609571, 0.0, -0.488062),
)
BACK = (
    0.095396,
    0.490152,
    0.093379,
    (0.545478, 0.674978, -0.305524, 0.0, 0.464088, 0.819032, 0.0, 0.083353),
)


def tensors() -> dict[str, Tensor]:
    """The state dict of a checkpoint of width 8."""
    with torch.device("meta"):
        outline = IconNormalNet(8)
    return {
        f"netG.{key}": filled(f"netG.{key}", *value.shape)
        for key, value in outline.state_dict().items()
    }


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    torch.save({"state_dict": tensors(), "epoch": 3}, tmp_path / "normal.ckpt")
    return tmp_path / "normal.ckpt"


def test_the_published_width_has_the_published_names_and_count() -> None:
    with torch.device("meta"):
        net = Generator()
    shapes = {key: list(value.shape) for key, value in net.state_dict().items()}
    assert sum(p.numel() for p in net.parameters()) == PARAMETERS
    assert (
        hashlib.sha256(
            "\n".join(f"{key} {shapes[key]}" for key in sorted(shapes)).encode()
        ).hexdigest()
        == NAMES
    )


def test_outputs_are_those_of_icon(checkpoint: Path) -> None:
    net = load_icon(checkpoint).double()
    image, inside, front, back = (
        noise(key, 2, 3, 64, 64).double() for key in ("image", "inside", "front", "back")
    )
    image *= inside[:, :1] > -0.5
    found = net(image, front, back)
    for side, (mean, std, projection, values) in zip(found, (FRONT, BACK), strict=True):
        flat = side.double().flatten()
        probe = float(flat @ noise("probe", len(flat)).double() / len(flat) ** 0.5)
        picked = flat[[i * (len(flat) - 1) // 7 for i in range(8)]].tolist()
        assert [float(flat.mean()), float(flat.std(correction=0)), probe, *picked] == pytest.approx(
            [mean, std, projection, *values], rel=0, abs=1e-5
        )
        lengths = side.norm(dim=1)
        assert torch.allclose(lengths, (image != 0).any(1).double(), atol=1e-5)


def test_the_wrong_file_is_one_line(checkpoint: Path) -> None:
    state = tensors()
    torch.save(
        {"state_dict": {k: v for k, v in state.items() if k != "netG.netB.model.38.bias"}},
        checkpoint,
    )
    with pytest.raises(
        InputError, match=r"normal\.ckpt: key netB\.model\.38\.bias of shape \[3\] is missing"
    ):
        load_icon(checkpoint)
    torch.save({"state_dict": {**state, "netG.netF.model.38.scale": torch.zeros(1)}}, checkpoint)
    with pytest.raises(InputError, match=r"netF\.model\.38\.scale .* has no place"):
        load_icon(checkpoint)
    torch.save({"state_dict": {"unet.weight": torch.zeros(1)}}, checkpoint)
    with pytest.raises(
        InputError, match=r"has no keys that begin with netG\.netF\. or netG\.netB\."
    ):
        load_icon(checkpoint)
    checkpoint.write_bytes(checkpoint.read_bytes()[:200])
    with pytest.raises(InputError, match="not a whole torch checkpoint"):
        load_icon(checkpoint)
    with pytest.raises(InputError, match="no such file"):
        load_icon(checkpoint.with_name("other.ckpt"))


class Settings(dict):
    """As a library's configuration class, which this program does not have."""

    def __init__(self, **values: int) -> None:
        super().__init__(values)
        self.frozen = True


class Hostile:
    def __reduce__(self) -> tuple:
        return (Path.touch, (Path("ran"),))


def test_what_lightning_keeps_beside_the_tensors_is_never_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    content = {
        "state_dict": {"w": torch.arange(3.0)},
        "callbacks": {Settings: {"best": torch.tensor(1.0)}},
        "hyper_parameters": Settings(a=1),
        "optimizer_states": [{"state": {0: {"step": 4}}}],
        "trap": [Hostile(), Path("x")],
    }
    torch.save(content, tmp_path / "x.ckpt")
    found = read_lightning(tmp_path / "x.ckpt")
    assert list(found) == ["w"] and torch.equal(found["w"], torch.arange(3.0))
    assert not (tmp_path / "ran").exists()
