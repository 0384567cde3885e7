"""The pretended CUDA refuses what CUDA refuses, takes what it takes, and leaves torch as it was."""

import copy
import gc
import io

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from pretended_cuda import NAME, memory, pretended_cuda
from safetensors.torch import load, save
from torch import nn

TWO = "Expected all tensors to be on the same device"


@pytest.fixture
def cuda():
    with pretended_cuda():
        yield torch.device("cuda", 0)


@pytest.fixture
def x(cuda):
    return torch.arange(6.0, device="cuda").reshape(2, 3)


@pytest.mark.parametrize(
    "wrong",
    [
        lambda x, y: x + y,
        lambda x, y: y + x,
        lambda x, y: x @ y.mT,
        lambda x, y: torch.cat([x, y]),
        lambda x, y: F.linear(x, y),
        lambda x, y: torch.where(x > 0, x, y),
        lambda x, y: x.add_(y),
        lambda x, y: y.add_(x),
        lambda x, y: F.conv2d(x[None, None], y[None, None]),
        lambda x, y: x.index_add(0, torch.tensor([0, 1]), x),
        lambda x, y: x.gather(0, torch.zeros(1, 3, dtype=torch.long)),
        lambda x, y: x.masked_fill(y > 0, 1.0),
        lambda x, y: F.embedding(torch.tensor([0]), x),
        lambda x, y: torch.lerp(x, y, 0.5),
        lambda x, y: F.grid_sample(x[None, None], torch.zeros(1, 1, 1, 2), align_corners=False),
        lambda x, y: torch.einsum("ij,ij->i", x, y),
        lambda x, y: nn.Linear(3, 2)(x),
        lambda x, y: nn.Linear(3, 2).cuda()(y),
        lambda x, y: nn.BatchNorm1d(3)(x),
        lambda x, y: torch.stack([x.sum(), y.sum()]),
        lambda x, y: y.sum().add_(x.sum()),
        lambda x, y: torch.equal(x, y),
        lambda x, y: x.index_put((torch.tensor([0]),), y[:1]),
    ],
    ids=range(23),
)
def test_operands_on_two_devices_are_refused(x, wrong):
    with pytest.raises(RuntimeError, match=TWO):
        wrong(x, torch.ones(2, 3))


def test_an_index_on_the_device_into_a_tensor_of_the_cpu_is_refused(x):
    with pytest.raises(RuntimeError, match="indices should be either on cpu or on the same device"):
        torch.ones(3)[x[0].long()]


@pytest.mark.parametrize(
    "wrong", [lambda x: x.numpy(), np.asarray, lambda x: np.stack([x, x]), lambda x: np.sin(x)]
)
def test_numpy_cannot_look_at_the_device(x, wrong):
    with pytest.raises(TypeError, match=r"can't convert cuda:0 device type tensor to numpy"):
        wrong(x)
    assert np.array_equal(x.cpu().numpy(), np.arange(6.0).reshape(2, 3))


def test_random_numbers_of_another_generator_are_refused(cuda):
    for wrong in (
        lambda: torch.rand(3, device="cuda", generator=torch.Generator()),
        lambda: torch.empty(3, device="cuda").normal_(generator=torch.Generator()),
    ):
        with pytest.raises(
            RuntimeError, match="Expected a 'cuda' device type for generator but found 'cpu'"
        ):
            wrong()


def test_a_device_that_is_not_there_is_refused(cuda):
    with pytest.raises(RuntimeError, match="invalid device ordinal"):
        torch.zeros(1, device="cuda:1")


def test_only_tensors_of_the_cpu_are_pinned(x):
    assert torch.ones(2).pin_memory().device.type == "cpu"
    with pytest.raises(RuntimeError, match="cannot pin"):
        x.pin_memory()


def test_more_memory_than_there_is_is_refused_and_freed_memory_is_not_counted(cuda):
    gc.collect()
    before = memory.used
    big = torch.zeros(2**20, device="cuda")
    assert torch.cuda.memory_allocated() == before + 2**22
    part = big[5:].view(-1)  # the same memory
    assert torch.cuda.memory_allocated() == before + 2**22
    torch.cuda.set_per_process_memory_fraction((memory.used + 2**21) / memory.total)
    with pytest.raises(torch.OutOfMemoryError, match="CUDA out of memory"):
        torch.zeros(2**20, device="cuda")
    del big, part
    torch.zeros(2**20, device="cuda")
    torch.cuda.set_per_process_memory_fraction(1.0)


@pytest.mark.parametrize(
    "right",
    [
        lambda x: x + torch.tensor(2.0),
        lambda x: x * 2,
        lambda x: x[torch.tensor([0, 1])],
        lambda x: x[[0, 1], :2],
        lambda x: x[x > 1],
        lambda x: x.masked_fill(x > 0, torch.tensor(1.0)),
        lambda x: torch.tensor([1.0, 2.0], device="cuda"),
        lambda x: x.new_tensor([1.0]),
        lambda x: x.new_tensor(np.ones(2)),
        lambda x: torch.as_tensor(np.ones(2), device="cuda"),
        lambda x: torch.eye(3, device=x.device),
        lambda x: torch.ones(3).cuda(),
        lambda x: torch.ones(3).to(x),
        lambda x: torch.ones(2, 3).to("cuda:0", torch.float64),
        lambda x: torch.linalg.svd(x)[1],
        lambda x: torch.unique(x, return_inverse=True)[1],
        lambda x: x.nonzero(),
        lambda x: F.scaled_dot_product_attention(x[None], x[None], x[None]),
        lambda x: x.expand(4, 2, 3).movedim(0, 1).flatten(1),
        lambda x: torch.clamp(x, max=torch.tensor(1.0)),
        lambda x: nn.Conv2d(1, 2, 1).to("cuda")(x[None, None]),
        lambda x: F.interpolate(x[None, None], 8, mode="bilinear"),
        lambda x: torch.ones(2, 3, device="cuda").copy_(torch.zeros(2, 3)),
    ],
    ids=range(23),
)
def test_what_cuda_takes_is_taken_and_stays_there(x, right):
    made = right(x)
    assert (
        made.device == torch.device("cuda", 0) and made.is_cuda and made.cpu().device.type == "cpu"
    )


def test_numbers_leave_the_device(x):
    assert (
        x.sum().item() == 15
        and float(x[1, 2]) == 5
        and bool((x >= 0).all())
        and x.tolist() == [[0, 1, 2], [3, 4, 5]]
    )
    x[0, 0] = 7.0
    x[1] = torch.tensor(2.0)
    x[:, 1] = torch.tensor([8.0, 9.0], device="cuda")
    assert x.tolist() == [[7, 8, 2], [2, 9, 2]]


def test_real_meta_tensors_stay_what_they_are(cuda):
    with torch.device("meta"):
        net = nn.Linear(2, 3)
    assert net.weight.is_meta
    net.load_state_dict({"weight": torch.ones(3, 2), "bias": torch.zeros(3)}, assign=True)
    assert net.to("cuda")(torch.ones(1, 2, device="cuda")).tolist() == [[2, 2, 2]]


def test_a_training_gives_the_numbers_of_the_cpu_and_goes_on_from_a_file():
    def train(device: str, steps: int, file: io.BytesIO | None = None):
        torch.manual_seed(0)
        net = nn.Sequential(
            nn.Conv2d(3, 4, 3, bias=False),
            nn.BatchNorm2d(4),
            nn.SiLU(),
            nn.Flatten(),
            nn.Linear(144, 2),
        ).to(device)
        optimizer = torch.optim.AdamW(net.parameters(), lr=0.01, fused=True)
        if file is not None:
            file.seek(0)
            saved = torch.load(file, map_location="cpu", weights_only=True)
            net.load_state_dict(saved["net"])
            optimizer.load_state_dict(saved["optimizer"])
        for step in range(steps):
            torch.manual_seed(step)
            net(torch.randn(2, 3, 8, 8).to(device)).square().mean().backward()
            nn.utils.clip_grad_norm_(net.parameters(), 1.0)
            optimizer.step()
            optimizer.zero_grad()
        out = io.BytesIO()
        torch.save({"net": net.state_dict(), "optimizer": optimizer.state_dict()}, out)
        return net, out

    here, kept = train("cpu", 2)
    with pretended_cuda():
        there, file = train("cuda", 2)
        assert {p.device.type for p in there.parameters()} == {"cuda"} and all(
            isinstance(p, nn.Parameter) for p in there.parameters()
        )
        assert {b.device.type for b in copy.deepcopy(there).buffers()} == {"cuda"}
        read = load(save(there.state_dict()))
        on = train("cuda", 1, file)[0].state_dict()
    for name, value in train("cpu", 1, kept)[0].state_dict().items():
        assert torch.allclose(on[name].held, value, atol=1e-4), name
    for name, value in here.state_dict().items():
        assert read[name].device.type == "cpu" and torch.allclose(read[name], value, atol=1e-4), (
            name
        )


def test_autocast_is_that_of_cuda(x):
    weight = torch.ones(4, 3, device="cuda", requires_grad=True)
    with torch.autocast("cuda", torch.bfloat16):
        out = F.linear(x, weight)
        assert out.dtype == torch.bfloat16 and F.softmax(out, -1).dtype == torch.float32
        assert F.linear(x.cpu(), weight.cpu()).dtype == torch.float32
    out.float().sum().backward()
    assert weight.grad.dtype == torch.float32 and weight.grad.is_cuda


def test_afterwards_torch_sees_no_device():
    before = torch.cuda.is_available()
    with pretended_cuda():
        assert (
            torch.cuda.is_available()
            and torch.cuda.device_count() == 1
            and torch.cuda.get_device_name() == NAME
        )
    assert torch.cuda.is_available() == before
    if not before:
        with pytest.raises((RuntimeError, AssertionError)):
            torch.zeros(1, device="cuda")
