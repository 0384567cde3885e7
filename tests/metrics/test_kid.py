"""KID against loops over single kernels; the Inception network's shapes, names and resize."""

from pathlib import Path

import numpy as np
import pytest
import torch

from hgm.errors import InputError
from hgm.metrics.inception import Inception, load_inception, resize_tensorflow
from hgm.metrics.kid import kid, kid_of_images, mmd


def loops(x: np.ndarray, y: np.ndarray) -> float:
    m = len(x)
    n = len(y)
    k = lambda a, b: (float(np.dot(a, b)) / len(a) + 1) ** 3  # noqa: E731
    xx = sum(k(x[i], x[j]) for i in range(m) for j in range(m) if i != j) / (m * (m - 1))
    yy = sum(k(y[i], y[j]) for i in range(n) for j in range(n) if i != j) / (n * (n - 1))
    xy = sum(k(a, b) for a in x for b in y) / (m * n)
    return xx + yy - 2 * xy


def test_mmd_agrees_with_loops() -> None:
    random = np.random.default_rng(0)
    x = random.normal(size=(7, 5))
    y = random.normal(0.5, 1, size=(9, 5))
    assert mmd(torch.tensor(x), torch.tensor(y)).item() == pytest.approx(loops(x, y), rel=1e-10)


def test_mmd_is_unbiased_on_equal_distributions() -> None:
    g = torch.Generator().manual_seed(0)
    values = [
        mmd(torch.randn(20, 8, generator=g), torch.randn(20, 8, generator=g)).item()
        for _ in range(300)
    ]
    assert abs(np.mean(values)) < 3 * np.std(values) / 300**0.5
    assert min(values) < 0 < max(values)


def test_subsets_are_seeded_and_bounded_by_the_set() -> None:
    g = torch.Generator().manual_seed(0)
    x = torch.randn(30, 16, generator=g)
    y = torch.randn(30, 16, generator=g) + 0.5
    a = kid(x, y, subsets=20, subset_size=10, seed=1)
    b = kid(x, y, subsets=20, subset_size=10, seed=1)
    assert a == b and a is not None and a.subset_size == 10 and a.std > 0 and a.images == 30
    whole = kid(x, y, subset_size=1000)
    assert whole is not None and (whole.subset_size, whole.subsets, whole.std) == (30, 1, 0.0)
    assert whole.mean == pytest.approx(mmd(x, y).item())
    assert a.mean == pytest.approx(whole.mean, abs=3 * a.std)
    assert kid(x[:1], y) is None


def test_resize_samples_the_old_tensorflow_grid() -> None:
    image = torch.arange(8.0).view(1, 1, 1, 8).expand(1, 1, 8, 8)
    out = resize_tensorflow(image, 4)
    assert torch.equal(out[0, 0, 0], torch.tensor([0.0, 2.0, 4.0, 6.0]))  # no half-pixel shift
    up = resize_tensorflow(image, 16)
    assert torch.equal(up[0, 0, 0, :4], torch.tensor([0.0, 0.5, 1.0, 1.5])) and up[0, 0, 0, -1] == 7


@pytest.fixture(scope="module")
def weight_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("inception") / "weights.pth"
    g = torch.Generator().manual_seed(0)
    state = {}
    for name, value in Inception().state_dict().items():
        if name.endswith("conv.weight"):
            state[name] = torch.randn(value.shape, generator=g) * (2 / value[0].numel()) ** 0.5
        elif not name.endswith("num_batches_tracked"):
            state[name] = value
    state["fc.weight"] = torch.zeros(1008, 2048)
    state["fc.bias"] = torch.zeros(1008)
    torch.save(state, path)
    return path


def test_inception_has_the_published_names_and_shapes(weight_file: Path) -> None:
    network = load_inception(weight_file)
    assert network is not None
    names = dict(network.state_dict())
    assert names["Conv2d_1a_3x3.conv.weight"].shape == (32, 3, 3, 3)
    assert names["Mixed_5b.branch5x5_2.conv.weight"].shape == (64, 48, 5, 5)
    assert names["Mixed_6e.branch7x7dbl_5.bn.running_var"].shape == (192,)
    assert names["Mixed_7c.branch3x3dbl_3b.conv.weight"].shape == (384, 384, 3, 1)
    # torchvision states 23,834,568 for the same trunk with a classifier of 1000 classes
    assert sum(p.numel() for p in network.parameters()) == 23_834_568 - (2048 * 1000 + 1000)
    images = torch.rand(3, 3, 64, 48, generator=torch.Generator().manual_seed(1))
    features = network(images)
    assert features.shape == (3, 2048) and torch.isfinite(features).all() and features.std() > 0
    assert not torch.allclose(features[0], features[1])
    found = kid_of_images(images, images.flip(0), network)
    # the same three images on both sides: cross terms hold the diagonal that the unbiased estimate
    # leaves out
    assert found is not None and found.mean < 0


def test_without_weights_there_is_no_number(weight_file: Path, tmp_path: Path) -> None:
    images = torch.rand(2, 3, 16, 16)
    assert load_inception(None) is None and kid_of_images(images, images, None) is None
    torch.save({"Conv2d_1a_3x3.conv.weight": torch.zeros(1)}, tmp_path / "bad.pth")
    with pytest.raises(InputError, match=r"weights\.inception"):
        load_inception(tmp_path / "bad.pth")
