"""Sparse convolution against dense convolution, spconv and finite differences; voxels and trilinear
samples."""

import os

import pytest
import torch
import torch.nn.functional as F
from net_samples import body_points
from torch import Tensor

from hgm.errors import InputError
from hgm.nets import spconv_backend
from hgm.nets.sparse import SIDE, SparseConv, VoxelSet, key_of, sparse_conv3d
from hgm.nets.sparse_volume import LAST_CELL, Grid, SparsePyramid, SparseVolume, sample, voxelize

SHAPE = (15, 13, 17)  # odd, so that a dense stride-2 convolution reaches as far as the sparse one


def random_voxels(count: int = 300, batch: int = 2, seed: int = 0) -> VoxelSet:
    generator = torch.Generator().manual_seed(seed)
    columns = [torch.randint(n, (count,), generator=generator) for n in (batch, *SHAPE)]
    return VoxelSet.of(torch.stack(columns, 1))[0]


def dense(features: Tensor, voxels: VoxelSet, shape: tuple[int, ...], batch: int = 2) -> Tensor:
    """[n, C] -> [batch, C, D, H, W]."""
    grid = features.new_zeros(batch, *shape, features.shape[1])
    return grid.index_put(tuple(voxels.coords.T), features).movedim(-1, 1)


@pytest.mark.parametrize("stride", [1, 2])
def test_sparse_convolution_equals_dense_convolution(stride: int) -> None:
    torch.manual_seed(0)
    voxels = random_voxels()
    x = torch.randn(len(voxels), 5, dtype=torch.float64, requires_grad=True)
    weight = torch.randn(27, 5, 4, dtype=torch.float64, requires_grad=True)
    pairs = voxels.same if stride == 1 else voxels.halved
    out = sparse_conv3d(x, weight, pairs)
    kernel = weight.view(3, 3, 3, 5, 4).permute(4, 3, 0, 1, 2)
    reference = F.conv3d(dense(x, voxels, SHAPE), kernel, stride=stride, padding=1)
    b, *cell = pairs.out.coords.T
    torch.testing.assert_close(out, reference[b, :, cell[0], cell[1], cell[2]])
    if stride == 2:  # and the sparse output leaves nothing out
        occupied = F.max_pool3d(dense(x.detach() * 0 + 1, voxels, SHAPE)[:, :1], 3, 2, 1)
        assert len(pairs.out) == int(occupied.sum())
    upstream = torch.randn_like(out)
    gradients = torch.autograd.grad(out, (x, weight), upstream)
    masked = torch.zeros_like(reference)
    masked[b, :, cell[0], cell[1], cell[2]] = upstream
    for ours, theirs in zip(
        gradients, torch.autograd.grad(reference, (x, weight), masked), strict=True
    ):
        torch.testing.assert_close(ours, theirs)


@pytest.mark.parametrize("stride", [1, 2])
def test_sparse_convolution_gradients_against_finite_differences(stride: int) -> None:
    torch.manual_seed(0)
    voxels = random_voxels(20)
    pairs = voxels.same if stride == 1 else voxels.halved
    x = torch.randn(len(voxels), 2, dtype=torch.float64, requires_grad=True)
    weight = torch.randn(27, 2, 3, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda a, b: sparse_conv3d(a, b, pairs), (x, weight))


def test_voxel_set_finds_every_voxel_and_no_other() -> None:
    coords = torch.tensor(
        [
            [0, 5, 0, 7],
            [1, 5, 0, 7],
            [0, 0, 0, 0],
            [0, 5, 0, 7],
            [1, LAST_CELL, LAST_CELL, LAST_CELL],
        ]
    )
    voxels, row = VoxelSet.of(coords)
    assert len(voxels) == 4
    torch.testing.assert_close(voxels.coords[row], coords)
    torch.testing.assert_close(voxels.find(key_of(coords)), row)
    beside = coords + torch.tensor([0, 0, 0, -1])
    assert (voxels.find(key_of(beside)) == len(voxels)).all()
    with pytest.raises(ValueError, match="must lie in"):
        VoxelSet.of(torch.tensor([[0, 0, 0, SIDE]]))


def test_voxelize_takes_the_mean_of_points_in_a_voxel() -> None:
    points = torch.tensor([[[0.0, 0, 0], [0.001, 0, 0], [0.1, 0.2, 0.3]]])
    features = torch.tensor([[[1.0, 2], [3, 6], [5, 5]]])
    grid = Grid.around(points, 0.01)
    mean, voxels = voxelize(features, points, grid)
    # batch, z, y, x; 0.05 of margin
    assert voxels.coords.tolist() == [[0, 5, 5, 5], [0, 35, 25, 15]]
    torch.testing.assert_close(mean, torch.tensor([[2.0, 4], [5, 5]]))


def test_trilinear_samples_are_exact_on_a_linear_field_and_zero_far_away() -> None:
    cells = torch.cartesian_prod(*[torch.arange(6)] * 3)
    coords = torch.cat(
        [torch.repeat_interleave(torch.arange(2), 216)[:, None], cells.repeat(2, 1)], 1
    )
    voxels, row = VoxelSet.of(coords)
    slope = torch.tensor([[0.3, -1.0, 2.0]], dtype=torch.float64)
    values = (cells.double() @ slope.T).repeat(2, 1)
    values[216:] += 10  # the second sample is another field
    features = torch.empty_like(values)
    features[row] = values
    query = 5 * torch.rand(
        2, 50, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0)
    )
    expected = query @ slope.T + torch.tensor([0.0, 10])[:, None, None]
    torch.testing.assert_close(sample(features, voxels, query), expected)
    outside = torch.tensor([-2.5, 1e7, 2000.0]).double()[:, None].expand(3, 3)[None].repeat(2, 1, 1)
    assert (sample(features, voxels, outside) == 0).all()
    # half way into the empty border
    half = torch.tensor([[[-0.5, 0, 1]]], dtype=torch.float64).repeat(2, 1, 1)
    torch.testing.assert_close(
        sample(features, voxels, half)[0, 0, 0], torch.tensor(0.5 * 2.0, dtype=torch.float64)
    )


def test_sampling_gradients_against_finite_differences() -> None:
    torch.manual_seed(0)
    voxels = random_voxels(40, batch=1)
    features = torch.randn(len(voxels), 2, dtype=torch.float64, requires_grad=True)
    query = (torch.rand(1, 6, 3, dtype=torch.float64) * 9 + 0.013).requires_grad_()
    assert torch.autograd.gradcheck(lambda f, q: sample(f, voxels, q), (features, query))


def test_a_batch_gives_what_its_samples_give_alone() -> None:
    torch.manual_seed(0)
    volume = SparseVolume(8, 3, 0.04, 0.1).eval()
    points = body_points(3, 200)
    queries = body_points(3, 90, seed=5)
    features = torch.randn(3, 200, 8)
    points[1] += torch.tensor([0.3, -0.2, 0.1])  # each sample has bounds of its own
    together = volume(features, points, queries)
    assert together.shape == (3, 90, 24)
    for i in range(3):
        alone = volume(features[i : i + 1], points[i : i + 1], queries[i : i + 1])
        torch.testing.assert_close(together[i : i + 1], alone, rtol=1e-4, atol=1e-5)


def test_volume_moves_with_the_body() -> None:
    torch.manual_seed(0)
    volume = SparseVolume(8, 2, 0.04, 0.1).eval()
    points = body_points(1, 200).double()
    queries = body_points(1, 90, seed=5).double()
    features = torch.randn(1, 200, 8).double()
    shift = torch.tensor([0.1137, -0.2, 0.05], dtype=torch.float64)
    volume.double()
    torch.testing.assert_close(
        volume(features, points, queries), volume(features, points + shift, queries + shift)
    )


@pytest.mark.skipif(
    os.environ["OMP_NUM_THREADS"] != "1",
    reason="spconv's build for CPUs has a data race between threads",
)
@torch.no_grad()
def test_pyramid_equals_spconv() -> None:
    pytest.importorskip("spconv")
    torch.manual_seed(0)
    pyramid = SparsePyramid(8, 3, 0.1, backend="torch").eval()
    for layer in pyramid.layers:
        layer.norm.running_mean.normal_(std=0.2)
        layer.norm.running_var.uniform_(0.5, 2)
    voxels = random_voxels(600)
    features = torch.randn(len(voxels), 8)
    ours = pyramid(features, voxels)
    pyramid.backend = "spconv"
    theirs = pyramid(features, voxels)
    for (a, voxels_a), (b, voxels_b) in zip(ours, theirs, strict=True):
        torch.testing.assert_close(voxels_a.coords, voxels_b.coords)
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-5)


def test_spconv_refuses_gradients_on_a_cpu() -> None:
    pytest.importorskip("spconv")
    voxels = random_voxels(10)
    with pytest.raises(InputError, match="no backward pass on a CPU"):
        SparsePyramid(8, 1, 0.1, backend="spconv")(torch.randn(len(voxels), 8), voxels)


def test_spconv_weight_layout_round_trip() -> None:
    weight = SparseConv(8, 1, 0.1).weight.detach()
    there = spconv_backend.to_spconv(weight)
    assert there.shape == (8, 3, 3, 3, 8)
    torch.testing.assert_close(there[3, 0, 1, 2, 5], weight[5, 5, 3])  # tap 0*9 + 1*3 + 2
    assert torch.equal(spconv_backend.from_spconv(there), weight)


def test_backend_names() -> None:
    assert spconv_backend.resolve_backend("auto", "cpu") == "torch"
    assert spconv_backend.resolve_backend("torch", "cuda") == "torch"
    with pytest.raises(InputError, match="expected auto, torch or spconv"):
        spconv_backend.resolve_backend("minkowski", "cpu")
