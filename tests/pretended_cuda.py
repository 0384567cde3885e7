"""A pretended CUDA device on a machine without one: tensors report cuda:0, the CPU computes, and
what CUDA refuses is refused.

Refused are operands on two devices, a numpy view of a CUDA tensor, random numbers from a CPU
generator, and more memory than the device has (or than `torch.cuda.set_per_process_memory_fraction`
leaves). A test with it shows that code puts everything it needs on the device. It shows nothing
about kernels, streams, asynchronous errors or the numbers of a real device, and torch.compile does
not run on it.

It needs no compiler and no CUDA build of torch: a tensor is a wrapper around a CPU tensor
(`__torch_dispatch__`). Python sees it on cuda:0. torch's C++ sees it on xla:0, since for a device
of type cuda it would look for guards, hooks and streams that only a CUDA build has. A build without
XLA has no guard for that device either; it gets the guard of the meta device.
"""

from __future__ import annotations

import contextlib
import ctypes
import sys
import time
import weakref
from collections import Counter
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest import mock

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode, _disable_current_modes
from torch.utils._pytree import tree_map

NAME = "pretended CUDA device"
MEMORY = 4 * 2**30  # bytes
# the device for Python, for C++, and of the numbers
CUDA = torch.device("cuda", 0)
PLACE = torch.device("xla", 0)
CPU = torch.device("cpu")
AUTOCAST = torch._C.DispatchKeySet(torch._C.DispatchKey.AutocastCUDA)
META = torch._C.DispatchKeySet(torch._C.DispatchKey.Meta)
# packages that have kernels of their own
KERNELS = ("gsplat", "diff_gaussian_rasterization", "spconv")
KINDS = {"xla": 9, "meta": 14}  # c10/core/DeviceType.h
aten = torch.ops.aten
INDEXED = {
    aten.index.Tensor,
    aten.index_put.default,
    aten.index_put_.default,
    aten._index_put_impl_.default,
}
COPIES = {aten._to_copy.default, aten.copy_.default}  # between devices
# operations that accept a CPU scalar, besides all pointwise ones
SCALARS = {
    aten.fill_.Tensor,
    aten.masked_fill.Tensor,
    aten.masked_fill_.Tensor,
    aten.full_like.default,
}


class Memory:
    """The memory of the live tensors of the device; tensors that share a storage count once."""

    def __init__(self, total: int) -> None:
        self.total = total
        self.limit = total
        self.used = 0
        self.peak = 0
        self.owners: Counter[int] = Counter()  # storages by address

    def take(self, owner: OnCuda) -> None:
        storage = owner.held.untyped_storage()
        address = storage.data_ptr()
        size = storage.nbytes()
        if not self.owners[address] and self.used + size > self.limit:
            raise torch.OutOfMemoryError(
                f"CUDA out of memory. Tried to allocate {size} bytes on the {NAME}, "
                f"{self.limit - self.used} are free."
            )
        self.used += 0 if self.owners[address] else size
        self.owners[address] += 1
        self.peak = max(self.peak, self.used)
        weakref.finalize(owner, self.give, address, size)

    def give(self, address: int, size: int) -> None:
        self.owners[address] -= 1
        self.used -= 0 if self.owners[address] else size


memory = Memory(MEMORY)


class OnCuda(Tensor):
    """A tensor of the device; `held` is the CPU tensor with its numbers."""

    held: Tensor
    device = CUDA
    is_cuda = True
    is_cpu = False
    is_meta = False
    __torch_function__ = torch._C._disabled_torch_function_impl

    @staticmethod
    def __new__(cls, held: Tensor) -> OnCuda:
        made = Tensor._make_wrapper_subclass(
            cls,
            held.size(),
            strides=held.stride(),
            storage_offset=held.storage_offset(),
            dtype=held.dtype,
            layout=held.layout,
            device=PLACE,
            _extra_dispatch_keys=AUTOCAST,
        )
        made.held = held
        memory.take(made)
        return made

    def __init__(self, held: Tensor) -> None:
        pass

    def get_device(self) -> int:
        return 0

    def new_tensor(
        self, data: Any, *, dtype: Any = None, device: Any = None, requires_grad: bool = False
    ) -> Tensor:
        made = torch.tensor(data, dtype=dtype or self.dtype, device=device or CUDA)
        return made.requires_grad_(requires_grad)

    def numpy(self, **_: Any) -> Any:
        raise TypeError(
            "can't convert cuda:0 device type tensor to numpy. Use Tensor.cpu() to copy the "
            "tensor to host memory first."
        )

    def __array__(self, *_: Any) -> Any:
        return self.numpy()

    def tolist(self) -> Any:
        return self.held.tolist()

    def data_ptr(self) -> int:
        return self.held.data_ptr()

    def __deepcopy__(self, memo: dict[int, Any]) -> Tensor:
        made = self.detach().clone()
        memo[id(self)] = made = (
            nn.Parameter(made, self.requires_grad)
            if isinstance(self, nn.Parameter)
            else made.requires_grad_(self.requires_grad)
        )
        return made

    def __repr__(self, **_: Any) -> str:
        return f"OnCuda({tuple(self.shape)}, {self.dtype})"

    # torch.save; files are read with map_location="cpu"
    def __reduce_ex__(self, protocol: Any) -> Any:
        return self.held.detach().__reduce_ex__(protocol)

    def untyped_storage(self) -> Any:  # safetensors looks for tensors that share one
        return self.held.untyped_storage()

    @classmethod
    def __torch_dispatch__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return _run(func, args, kwargs or {})


class _Mode(TorchDispatchMode):
    """Handles operations that make tensors on the device and have no argument on it."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if _on_cuda(kwargs.get("device")) or any(
            isinstance(x, OnCuda) for x in _tensors([*args, *kwargs.values()])
        ):
            return _run(func, args, kwargs)
        return func(*args, **kwargs)


class _Names(TorchFunctionMode):
    """Replaces cuda by the device that C++ knows."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if func is Tensor.cuda:
            return args[0].to(PLACE)
        args = [
            _place(x)
            if isinstance(x, torch.device) or (isinstance(x, str) and func is Tensor.to)
            else x
            for x in args
        ]
        return func(
            *args, **{name: _place(x) if name == "device" else x for name, x in kwargs.items()}
        )


def _place(device: Any) -> Any:
    named = torch.device(device) if isinstance(device, str) else device
    if not isinstance(named, torch.device) or named.type != "cuda":
        return device
    if named.index:
        raise RuntimeError(f"CUDA error: invalid device ordinal ({device}, there is one {NAME})")
    return PLACE


def _on_cuda(device: Any) -> bool:
    return isinstance(device, torch.device) and device.type in ("cuda", PLACE.type)


def _run(func: Any, args: Any, kwargs: dict[str, Any]) -> Any:
    """One operation: checks the devices of its operands, computes on the CPU, and puts the result
    where CUDA would."""
    tensors = list(_tensors([*args, *kwargs.values()]))
    here = [x for x in tensors if isinstance(x, OnCuda)]
    others = [x for x in tensors if not isinstance(x, OnCuda)]
    device = kwargs.get("device")
    if device is not None:
        out = _on_cuda(device)
    else:
        out = isinstance(args[0], OnCuda) if func is aten.copy_.default else bool(here)
    if here and others and func not in COPIES:
        _refuse_mixed(func, args, others)
    generator = kwargs.get("generator")
    if out and generator is not None and generator.device.type != "cuda":
        raise RuntimeError("Expected a 'cuda' device type for generator but found 'cpu'")
    plain_args = [_held(x) for x in args]
    plain = {name: _held(x) for name, x in kwargs.items()}
    if _on_cuda(plain.get("device")):
        plain["device"] = CPU
    if plain.get("pin_memory"):
        plain["pin_memory"] = False
    with _disable_current_modes():
        result = func(*plain_args, **plain)
    # the wrapper's own shape follows, by the kernel that changes nothing else
    if torch.Tag.inplace_view in func.tags:
        held = args[0].held
        aten.as_strided_.default.redispatch(
            META, args[0], held.size(), held.stride(), held.storage_offset()
        )
    known = {id(x.held): x for x in here}  # an operation in place returns its operand

    def wrapped(x: Any) -> Any:
        if not isinstance(x, Tensor) or isinstance(x, OnCuda):
            return x
        if id(x) in known:
            return known[id(x)]
        return OnCuda(x) if out else x

    return wrapped(result) if isinstance(result, Tensor) else tree_map(wrapped, result)


def _tensors(values: Any) -> Iterator[Tensor]:
    """The tensors among an operation's arguments, which are tensors or lists of them. Finds the
    same as torch's own tree walk in a tenth of the time."""
    for x in values:
        if isinstance(x, Tensor):
            yield x
        elif isinstance(x, list | tuple):
            yield from _tensors(x)


def _held(x: Any) -> Any:
    if isinstance(x, list | tuple):
        return [_held(item) for item in x]
    return x.held if isinstance(x, OnCuda) else x


def _refuse_mixed(func: Any, args: Any, others: list[Tensor]) -> None:
    """Raises RuntimeError for CPU tensors among the operands, which CUDA accepts only as an index
    or, without dimensions, in place of a number."""
    if func in INDEXED:
        if not isinstance(args[0], OnCuda):
            raise RuntimeError(
                "indices should be either on cpu or on the same device as the indexed tensor (cpu)"
            )
        values = args[2:3] if func is not aten.index.Tensor else ()
        others = [x for x in values if isinstance(x, Tensor) and not isinstance(x, OnCuda)]
    number = func in SCALARS or torch.Tag.pointwise in func.tags
    written = [
        a
        for a, s in zip(args, func._schema.arguments, strict=False)
        if s.alias_info is not None and s.alias_info.is_write
    ]
    for x in others:
        if x.ndim or not (number or func in INDEXED) or any(x is w for w in written):
            raise RuntimeError(
                "Expected all tensors to be on the same device, but found at least two devices, "
                f"cuda:0 and cpu! ({func}, the cpu's is {tuple(x.shape)})"
            )


class _Event:
    def __init__(self, **_: Any) -> None:
        self.at = 0.0

    def record(self, *_: Any) -> None:
        self.at = time.perf_counter()

    def elapsed_time(self, other: _Event) -> float:
        return (other.at - self.at) * 1e3

    def synchronize(self) -> None:
        pass


def _fraction(share: float, device: Any = None) -> None:
    memory.limit = int(share * memory.total)


def _reset_peak(device: Any = None) -> None:
    memory.peak = memory.used


def _pinned(tensor: Tensor, *_: Any) -> Tensor:
    if isinstance(tensor, OnCuda):
        raise RuntimeError(
            "cannot pin 'torch.cuda.FloatTensor' only dense CPU tensors can be pinned"
        )
    return tensor


def _nothing(*_: Any, **__: Any) -> None:
    pass


def _gives(value: Any) -> Callable[..., Any]:
    return lambda *_, **__: value


FUNCTIONS: dict[str, Callable[..., Any]] = {  # replacements in torch.cuda
    "is_available": _gives(True),
    "is_initialized": _gives(True),
    "device_count": _gives(1),
    "current_device": _gives(0),
    "is_bf16_supported": _gives(True),
    "get_device_name": _gives(NAME),
    "get_device_capability": _gives((9, 0)),
    "get_device_properties": lambda *_: SimpleNamespace(
        name=NAME, total_memory=memory.total, major=9, minor=0
    ),
    "get_rng_state": lambda *_: torch.zeros(16, dtype=torch.uint8),
    "set_rng_state": _nothing,
    "manual_seed": _nothing,
    "manual_seed_all": _nothing,
    "set_device": _nothing,
    "synchronize": _nothing,
    "empty_cache": _nothing,
    "_lazy_init": _nothing,
    "device": lambda *_: contextlib.nullcontext(),
    "Event": _Event,
    "max_memory_allocated": lambda *_: memory.peak,
    "max_memory_reserved": lambda *_: memory.peak,
    "memory_allocated": lambda *_: memory.used,
    "mem_get_info": lambda *_: (memory.limit - memory.used, memory.total),
    "reset_peak_memory_stats": _reset_peak,
    "set_per_process_memory_fraction": _fraction,
}


def _set_guard() -> None:
    """Give XLA the guard of the meta device, which does nothing
    (c10/core/impl/DeviceGuardImplInterface.h)."""
    c10 = ctypes.CDLL(str(Path(torch.__file__).parent / "lib/libc10.so"))
    guards = (ctypes.c_void_p * (max(KINDS.values()) + 1)).in_dll(
        c10, "_ZN3c104impl26device_guard_impl_registryE"
    )
    if guards[KINDS["xla"]] is None:
        register = c10[
            "_ZN3c104impl19registerDeviceGuardENS_10DeviceTypeEPKNS0_24DeviceGuardImplInterfaceE"
        ]
        register(ctypes.c_int8(KINDS["xla"]), ctypes.c_void_p(guards[KINDS["meta"]]))


def _put_back(name: str, module: Any) -> None:
    """Restore a module that was hidden; `_put_back` itself as value means that there was none."""
    if module is _put_back:
        del sys.modules[name]
    else:
        sys.modules[name] = module


@contextlib.contextmanager
def pretended_cuda() -> Iterator[None]:
    """Inside the block, torch has one CUDA device, in this thread."""
    # before torch is patched: the mode needs it, and on import it lists functions of torch
    import_module("torch._dynamo")
    _set_guard()
    lifts = torch._C._only_lift_cpu_tensors()
    with contextlib.ExitStack() as stack:
        for name, function in FUNCTIONS.items():
            stack.enter_context(mock.patch.object(torch.cuda, name, function))
        stack.enter_context(mock.patch.object(torch.Tensor, "pin_memory", _pinned))
        stack.enter_context(mock.patch.object(torch.version, "cuda", "0.0 (pretended)"))
        # torch.tensor(..., device="cuda") is a copy of the CPU's tensor, which the mode then sees
        torch._C._set_only_lift_cpu_tensors(True)
        stack.callback(torch._C._set_only_lift_cpu_tensors, lifts)
        # backward passes stay on this thread: autograd has made no thread for the device
        stack.enter_context(torch.autograd.set_multithreading_enabled(False))
        names = _Names()
        run_backward = torch.autograd._engine_run_backward

        def run(*args: Any, **kwargs: Any) -> Any:
            # torch takes it away around a call of its own, and what is checkpointed runs again in
            # there
            with names:
                return run_backward(*args, **kwargs)

        stack.enter_context(mock.patch.object(torch.autograd, "_engine_run_backward", run))
        for name in KERNELS:
            stack.callback(_put_back, name, sys.modules.get(name, _put_back))
            sys.modules[name] = None  # type: ignore[assignment]
        stack.enter_context(_Mode())
        stack.enter_context(names)
        stack.callback(_fraction, 1.0)
        yield


@contextlib.contextmanager
def quick_splatting() -> Iterator[None]:
    """On the pretended device, the compiled CPU renderer replaces the one in plain torch, whose
    many operations take a hundred times as long there. Pictures and gradients agree up to rounding
    and stay on the device."""
    import numba  # noqa: F401  # a machine without it keeps the other

    from hgm.cameras import Cameras
    from hgm.gaussians import Gaussians
    from hgm.splat import compiled, reference

    slow = reference.rasterize

    def rasterize(
        gaussians: Gaussians,
        cameras: Cameras,
        background: Tensor,
        near: float,
        antialiased: bool = False,
    ) -> tuple[Tensor, ...]:
        device = gaussians.means.device
        if device.type != "cuda":
            return slow(gaussians, cameras, background, near, antialiased)
        return tuple(
            x.to(device)
            for x in compiled.rasterize(
                gaussians.to("cpu"), cameras.to("cpu"), background.cpu(), near, antialiased
            )
        )

    with mock.patch.object(reference, "rasterize", rasterize):
        yield
