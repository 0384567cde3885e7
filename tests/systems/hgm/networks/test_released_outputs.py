"""Our networks give what the released modules give with the same weights.

The numbers below were printed by the modules of the HGM release (jinnan-chen/HGM at e8233ee:
`UNet_feats` and `MixNet` of core/unet.py, `ResUNet` of networks/UNet.py, `SparseConvNet` over
spconv 2.3.8, `MultiHeadAttention`) and of LGM (3DTopia/LGM at fe8d12c: `UNet` of core/unet.py, four
views), imported one by one outside this repository, without xformers, in evaluation mode on a CPU
with torch 2.13. The U-Nets had the widths of `release_samples.SMALL`, the others the published
ones. Each tensor of their state dicts, and each input, was filled by `release_samples.filled` and
`noise`, so the same weights can be made here and take the way of a user's file: checkpoint, import,
model folder.
"""

from pathlib import Path
from typing import NamedTuple

import pytest
import torch
from release_samples import SMALL, checkpoint, lgm_keys, noise, release_keys, shapes
from torch import Tensor

from hgm.cameras import Cameras, orbit
from hgm.nets.sparse import VoxelSet
from hgm.nets.weights import save_tensors
from hgm.rig import FOCAL, RADIUS
from hgm.systems.hgm.networks.files import load_model
from hgm.systems.hgm.networks.hgm import HGM
from hgm.systems.hgm.networks.imports import import_weights
from hgm.systems.hgm.networks.mix import MixNet

TOLERANCE = 1e-5


class Output(NamedTuple):
    """Fingerprint of a module's output: `projection` is its product with noise, over the root of
    the number of elements."""

    shape: tuple[int, ...]
    mean: float
    std: float
    projection: float  # sees each element at its place
    values: tuple[float, ...]  # eight, evenly spaced from the first to the last


RELEASED = {
    "unet, 1 view, map": Output(
        (1, 14, 16, 16),
        0.068710,
        0.704601,
        -0.353299,
        (-0.386117, -1.156553, -0.170609, -0.008712, 0.623756, 0.452309, 0.304149, 0.737218),
    ),
    "unet, 1 view, features": Output(
        (1, 64, 16, 16),
        -0.009375,
        0.674828,
        0.749562,
        (0.083512, 0.91612, 0.303349, -0.015113, -0.46098, -0.350634, -0.08123, 0.05658),
    ),
    "unet, 2 view, map": Output(
        (2, 14, 16, 16),
        0.067363,
        0.707912,
        -0.400184,
        (-0.391206, -0.183657, 0.618688, 0.32118, -0.592319, -0.351008, -0.06308, 1.176557),
    ),
    "unet, 2 view, features": Output(
        (2, 64, 16, 16),
        -0.009693,
        0.671577,
        0.390932,
        (0.093624, -0.557971, 1.186069, -0.933294, -1.072609, 0.236743, 0.015466, 0.531883),
    ),
    "LGM, 4 views, map": Output(
        (4, 14, 16, 16),
        0.067495,
        0.700447,
        -0.010005,
        (-0.397453, 0.624691, -0.588323, -0.065498, -0.301123, 0.605469, -0.310298, 0.610328),
    ),
    "image encoder": Output(
        (2, 32, 16, 16),
        0.023849,
        0.818887,
        0.784490,
        (1.441556, 0.902404, -0.23714, 0.367983, 1.216424, -0.43637, -0.013774, -0.074119),
    ),
    "merge": Output(
        (2, 14, 64),
        -0.047363,
        0.678317,
        0.028433,
        (-0.342417, -0.493818, -0.409219, -0.538673, -0.356719, -0.379777, -0.101725, -0.229564),
    ),
    "attention": Output(
        (6890, 32),
        -0.005836,
        0.424568,
        -0.368454,
        (0.769894, -0.662098, -0.01223, 0.695782, 0.473692, -0.067456, -0.033926, 1.054764),
    ),
    "sparse, stride 2": Output(
        (748, 32),
        0.139298,
        0.172217,
        0.137635,
        (0.242488, 0.028208, 0.05283, 0.217314, 0.345882, 0.089227, 0.0, 0.034662),
    ),
    "sparse, stride 4": Output(
        (224, 32), 0.095456, 0.121076, 0.044199, (0.171305, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0)
    ),
    "sparse, stride 8": Output(
        (77, 32),
        0.125943,
        0.168636,
        -0.085997,
        (0.0, 0.013422, 0.032756, 0.0, 0.003436, 0.010819, 0.0, 0.02866),
    ),
    "sparse, stride 16": Output(
        (27, 32),
        0.114844,
        0.164576,
        0.178820,
        (0.267161, 0.0, 0.099095, 0.0, 0.0, 0.194112, 0.0, 0.642051),
    ),
}


def fingerprint(x: Tensor) -> Output:
    flat = x.detach().double().flatten()
    projection = flat @ noise("probe", len(flat)).double() / len(flat) ** 0.5
    picked = flat[[i * (len(flat) - 1) // 7 for i in range(8)]]
    return Output(
        tuple(x.shape),
        float(flat.mean()),
        float(flat.std(correction=0)),
        float(projection),
        tuple(picked.tolist()),
    )


def assert_released(x: Tensor, name: str) -> None:
    ours = fingerprint(x)
    theirs = RELEASED[name]
    assert ours.shape == theirs.shape
    assert [*ours[1:4], *ours.values] == pytest.approx(
        [*theirs[1:4], *theirs.values], rel=0, abs=TOLERANCE
    )


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> HGM:
    """The released HGM's weights by the recipe, imported from a file and loaded from the folder."""
    folder = tmp_path_factory.mktemp("release")
    with torch.device("meta"):
        outline = HGM(SMALL)
    save_tensors(checkpoint(shapes(outline, release_keys(outline))), folder / "hgm.safetensors")
    import_weights(folder / "hgm.safetensors", folder / "model", SMALL)
    return load_model(folder / "model", sparse_backend="torch").requires_grad_(False).double()


def inputs(key: str, *shape: int) -> Tensor:
    return noise(key, *shape).double()


@pytest.mark.parametrize("views", [1, 2])
def test_unet(model: HGM, views: int) -> None:
    raw, features = model.unet(inputs("images", views, 9, 32, 32), views)
    assert_released(model.conv(raw), f"unet, {views} view, map")
    assert_released(features, f"unet, {views} view, features")


def test_unet_of_lgm(tmp_path: Path) -> None:
    with torch.device("meta"):
        outline = HGM(SMALL)
    save_tensors(checkpoint(shapes(outline, lgm_keys(outline))), tmp_path / "lgm.safetensors")
    model, _ = import_weights(tmp_path / "lgm.safetensors", tmp_path / "model", SMALL)
    with torch.no_grad():
        model.double()
        raw, _ = model.unet(inputs("images", 4, 9, 32, 32), 4)
        assert_released(model.conv(raw), "LGM, 4 views, map")


def test_image_encoder(model: HGM) -> None:
    assert_released(model.encoder(inputs("images", 2, 9, 64, 64)), "image encoder")


def test_merge_network(model: HGM) -> None:
    x = inputs("gaussians", 2, SMALL.merge_channels, 64)
    assert_released(model.merge(x), "merge")
    corrected = MixNet(SMALL.merge_channels, 14, SMALL.merge).double().eval().requires_grad_(False)
    corrected.load_state_dict(model.merge.state_dict())
    assert (corrected(x) - model.merge(x)).abs().mean() > 0.02  # the release's reshape does matter


def test_sparse_network(model: HGM) -> None:
    z, y, x = torch.meshgrid(*[torch.arange(32)] * 3, indexing="ij")
    radius2 = (z - 15) ** 2 + (y - 16) ** 2 + (x - 14) ** 2
    shell = torch.nonzero((radius2 >= 90) & (radius2 <= 121))  # [2000, 3]
    voxels, _ = VoxelSet.of(torch.nn.functional.pad(shell, (1, 0)))
    levels = model.volume.pyramid(inputs("voxels", len(shell), 32), voxels)
    assert len(levels) == 4
    for level, (features, _) in enumerate(levels, 1):
        assert_released(features, f"sparse, stride {2**level}")


def test_attention_of_vertex_tokens(model: HGM) -> None:
    """Vertices in the plane of the pelvis whose projections, front and back, are centers of map
    pixels."""
    vertex = torch.arange(SMALL.vertices)
    row = vertex // 16 % 16
    column = vertex % 16
    pixels = (torch.stack([column, row], -1) + 0.5) * 4
    plane = (pixels - 32) * RADIUS / (FOCAL * 64)  # NU, y down
    points = torch.stack([plane[:, 0], -plane[:, 1], torch.zeros(SMALL.vertices)], -1).double()
    rig = orbit(size=64, dtype=torch.float64)[[0, 6]]
    cameras = Cameras(rig.K[None], rig.world_to_camera[None], 64, 64)
    out = model.body.attention(
        model.body.tokens.weight, points[None], inputs("maps", 2, 32, 16, 16)[None], cameras
    )
    assert_released(out[0], "attention")
