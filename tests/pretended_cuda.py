"""A pretended CUDA device on a machine without one: CPU numbers under a GPU's rules, and a count of what waits for it.

A tensor "on cuda" wraps a CPU tensor that holds its numbers, and says that it is on cuda:0. An operation on tensors of
both devices raises, as it would on a GPU; so does asking one for a NumPy array. What makes the host wait for the device
is counted with the line of recae that asked for it, and so are the bytes that go over.

`install` changes PyTorch for good: for a process of its own.
"""

from __future__ import annotations

import contextlib
import traceback
from collections import Counter
from types import SimpleNamespace
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_flatten, tree_map

CUDA = torch.device("cuda", 0)
waits: Counter[str] = Counter()  # by what and where
sent: Counter[str] = Counter()  # bytes to the device, by where
fetched: Counter[str] = Counter()  # bytes from it
free = [70 * 2**30]  # bytes of the device, as `mem_get_info` tells

# Operations whose result's size or value the host needs, so that it waits.
WAITING = {"_local_scalar_dense", "nonzero", "masked_select", "_unique2", "unique_consecutive", "unique_dim", "equal"}
INDEXING = {"index", "index_put", "index_put_", "_index_put_impl_"}


def forget() -> None:
    """Start counting anew."""
    for counter in (waits, sent, fetched):
        counter.clear()


def _where() -> str:
    for frame in reversed(traceback.extract_stack()):
        if "/recae/" in frame.filename and not frame.filename.startswith(__file__):
            return f"{frame.filename.split('/recae/')[-1]}:{frame.lineno}"
    return "elsewhere"


class Pretended(torch.Tensor):
    """A tensor said to be on cuda:0; `numbers` is the CPU tensor behind it."""

    numbers: torch.Tensor
    __torch_function__ = torch._C._disabled_torch_function_impl

    @staticmethod
    def __new__(cls, numbers: torch.Tensor) -> Any:
        wrapper: Any = torch.Tensor._make_wrapper_subclass(
            cls, numbers.size(), strides=numbers.stride(), storage_offset=numbers.storage_offset(),
            dtype=numbers.dtype, layout=numbers.layout, device="cpu",
        )  # fmt: skip
        wrapper.numbers = numbers
        return wrapper

    def __init__(self, numbers: torch.Tensor) -> None: ...

    def __repr__(self, **_: Any) -> str:
        return f"Pretended({self.numbers!r})"

    @classmethod
    def __torch_dispatch__(cls, operator: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return _run(operator, args, kwargs or {})

    device = property(lambda self: CUDA)
    is_cuda = property(lambda self: True)
    is_cpu = property(lambda self: False)

    def cpu(self, **_: Any) -> torch.Tensor:
        return _fetch(self)

    def cuda(self, *_: Any, **__: Any) -> Any:
        return self

    def new(self, *size: int) -> Any:
        return Pretended(torch.empty(*size, dtype=self.dtype))

    def numpy(self, **_: Any) -> Any:
        raise TypeError("can't convert cuda:0 device type tensor to numpy. Use Tensor.cpu() to copy it first")

    def __array__(self, *_: Any, **__: Any) -> Any:
        return self.numpy()

    def __deepcopy__(self, memo: Any) -> Any:
        copy: Any = Pretended(self.numbers.detach().clone())
        if isinstance(self, torch.nn.Parameter):
            copy = torch.nn.Parameter(copy, requires_grad=self.requires_grad)
        copy.__dict__.update({name: value for name, value in self.__dict__.items() if name != "numbers"})
        memo[id(self)] = copy
        return copy


def _fetch(tensor: Pretended) -> torch.Tensor:
    waits[f"fetched {_where()}"] += 1
    fetched[_where()] += tensor.numbers.nbytes
    return tensor.numbers.detach().clone()


def _send(tensor: torch.Tensor, *, waiting: bool) -> Pretended:
    """A copy on the device; not an operation, as other threads know of no `Everywhere`."""
    if waiting:
        waits[f"sent {_where()}"] += 1
    sent[_where()] += tensor.nbytes
    return Pretended(tensor.detach().clone())


def _run(operator: Any, args: Any, kwargs: Any) -> Any:
    """One operation of PyTorch."""
    name = operator._schema.name.split("::")[-1]
    if operator is torch.ops.prim.device.default:
        return CUDA
    flat = tree_flatten((args, kwargs))[0]
    pretended = [x for x in flat if isinstance(x, Pretended)]
    wanted = None if kwargs.get("device") is None else torch.device(kwargs["device"])
    to_cuda = wanted is not None and wanted.type == "cuda"
    if name == "_to_copy":
        return _copied(operator, args[0], kwargs, wanted)
    if name == "copy_" and isinstance(args[0], Pretended) != isinstance(args[1], Pretended):
        if args[1].dim() or isinstance(args[1], Pretended):
            waits[f"copied {_where()}"] += 1
        operator(*tree_map(_numbers, args))
        return args[0]
    if not pretended and not to_cuda:
        return operator(*args, **kwargs)
    if pretended:
        _refuse_both_devices(operator, name, args, flat)
    _note_waits(name, args, kwargs)
    if operator._schema.name == "recae::transpose":
        return _transpose(*args)
    settings = dict(kwargs)
    if wanted is not None:
        settings["device"] = "cpu"
    if isinstance(settings.get("generator"), torch.Generator) and settings["generator"].device.type == "cuda":
        del settings["generator"]
    result = operator(*tree_map(_numbers, args), **tree_map(_numbers, settings))
    changed = {id(_numbers(x)): x for x in flat if isinstance(x, torch.Tensor)} if operator._schema.is_mutable else {}
    return tree_map(lambda x: changed.get(id(x), _pretend(x)) if isinstance(x, torch.Tensor) else x, result)


def _numbers(x: Any) -> Any:
    return x.numbers if isinstance(x, Pretended) else x


def _pretend(x: Any) -> Any:
    return Pretended(x) if type(x) is torch.Tensor else x


def _copied(operator: Any, tensor: Any, kwargs: Any, wanted: torch.device | None) -> Any:
    """`tensor.to(...)`. What leaves the device does so in `to_tensor`: for autograd, in C++, wrappers are the CPU's."""
    settings = {**kwargs, **({} if wanted is None else {"device": "cpu"})}
    waiting = not settings.pop("non_blocking", False)
    copy = operator(_numbers(tensor), **settings)
    if isinstance(tensor, Pretended):
        return Pretended(copy)
    return _send(copy, waiting=waiting) if wanted is not None and wanted.type == "cuda" else copy


def _refuse_both_devices(operator: Any, name: str, args: Any, flat: list[Any]) -> None:
    """A GPU takes numbers and, where it is indexed, indices from the CPU; nothing else."""
    here = [x for x in flat if isinstance(x, torch.Tensor) and not isinstance(x, Pretended) and x.dim() > 0]
    if name in INDEXING and isinstance(args[0], Pretended):
        indices = [x for x in args[1] if isinstance(x, torch.Tensor) and not isinstance(x, Pretended)]
        if indices:
            waits[f"indexed from the CPU {_where()}"] += len(indices)
        here = [x for x in here if not any(x is index for index in indices)]
    if here:
        raise RuntimeError(f"Expected all tensors to be on the same device, but found cuda:0 and cpu in {operator}")


def _note_waits(name: str, args: Any, kwargs: Any) -> None:
    masks = name in INDEXING and any(isinstance(x, Pretended) and x.dtype is torch.bool for x in args[1])
    sizes = name == "repeat_interleave" and kwargs.get("output_size") is None
    if name in WAITING or masks or sizes:
        waits[f"{name} {_where()}"] += 1


def _transpose(indptr: Any, indices: Any, n_cols: int) -> Any:
    """The operator has a way for the CPU and one for GPUs, which is the one to be tested."""
    from recae.sparse import reference

    with Everywhere():
        return reference.transpose(indptr, indices, n_cols)


class Everywhere(TorchDispatchMode):
    """Operations that make a tensor "on cuda" out of none."""

    def __torch_dispatch__(self, operator: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return _run(operator, args, kwargs or {})


# ---------------------------------------------------------------- what PyTorch is changed in


def _moved(module: torch.nn.Module, change: Any) -> torch.nn.Module:
    """`module` with every parameter and buffer changed, those that are shared once."""
    done: dict[int, Any] = {}
    for part in module.modules():
        for name, parameter in part._parameters.items():
            if parameter is None:
                continue
            if id(parameter) not in done:
                value = change(parameter.data if isinstance(parameter, Pretended) else parameter.detach())
                new = torch.nn.Parameter(value, requires_grad=parameter.requires_grad)
                new.__dict__.update({n: v for n, v in parameter.__dict__.items() if n != "numbers"})
                done[id(parameter)] = parameter if value is parameter else new
            part._parameters[name] = done[id(parameter)]
        for name, buffer in part._buffers.items():
            if buffer is not None:
                part._buffers[name] = change(buffer)
    return module


def _module_to_cuda(module: torch.nn.Module) -> torch.nn.Module:
    if all(isinstance(x, Pretended) for x in [*module.parameters(), *module.buffers()]):
        return module
    return _moved(module, lambda x: x if isinstance(x, Pretended) else Pretended(x.clone()))


def _module_to_cpu(module: torch.nn.Module) -> torch.nn.Module:
    if not any(isinstance(x, Pretended) for x in [*module.parameters(), *module.buffers()]):
        return module
    return _moved(module, lambda x: x.numbers.detach().clone() if isinstance(x, Pretended) else x)


def install() -> Everywhere:
    """From now on there is a CUDA device in this process."""
    torch.cuda.is_available = lambda: True
    torch.version.cuda = None  # there are no kernels for it: steps that are nothing else are not taken
    torch.cuda.device_count = lambda: 1
    torch.cuda.current_device = lambda: 0
    torch.cuda._lazy_init = lambda: None
    torch.cuda.is_initialized = lambda: True
    torch.cuda.mem_get_info = lambda device=None: (free[0], 80 * 2**30)
    torch.cuda.synchronize = lambda device=None: None
    torch.cuda.is_bf16_supported = lambda *_, **__: True
    torch.cuda.get_rng_state = lambda device="cuda": torch.get_rng_state()
    torch.cuda.set_rng_state = lambda state, device="cuda": None
    torch.cuda.is_current_stream_capturing = lambda: False
    torch.cuda.manual_seed_all = lambda seed: None
    stream = SimpleNamespace(synchronize=lambda: None, record_event=lambda event=None: None)
    torch.cuda.Stream = lambda *_, **__: stream
    torch.cuda.default_stream = torch.cuda.current_stream = lambda device=None: stream
    torch.cuda.stream = lambda stream: contextlib.nullcontext()
    torch.Tensor.record_stream = lambda self, stream: None
    torch.Tensor.pin_memory = lambda self, *_: self
    _replace_to()
    mode = Everywhere()
    mode.__enter__()
    return mode


def _replace_to() -> None:
    module_to, tensor_to, as_tensor = torch.nn.Module.to, torch.Tensor.to, torch.as_tensor

    def to_module(self: Any, *args: Any, **kwargs: Any) -> Any:
        device = torch._C._nn._parse_to(*args, **kwargs)[0]
        if device is None:
            return module_to(self, *args, **kwargs)
        return _module_to_cuda(self) if device.type == "cuda" else _module_to_cpu(self)

    def to_tensor(self: Any, *args: Any, **kwargs: Any) -> Any:
        device, dtype = kwargs.get("device"), kwargs.get("dtype")
        for x in args:
            if isinstance(x, torch.Tensor):
                device, dtype = x.device, x.dtype
            elif isinstance(x, torch.dtype):
                dtype = x
            elif isinstance(x, (str, torch.device)):
                device = x
        kind = None if device is None else torch.device(device).type
        if isinstance(self, Pretended):
            if kind == "cpu":
                fetched = self.cpu()
                return fetched if dtype is None else tensor_to(fetched, dtype)
            return self if dtype in (None, self.dtype) else tensor_to(self, dtype)
        if kind != "cuda":
            return tensor_to(self, *args, **kwargs)
        waiting = not kwargs.get("non_blocking", False)
        return _send(self if dtype is None else tensor_to(self, dtype), waiting=waiting)

    def to_new_tensor(data: Any, dtype: Any = None, device: Any = None) -> Any:
        if device is None or torch.device(device).type != "cuda":
            return as_tensor(data, dtype=dtype, device=device)
        if isinstance(data, Pretended):
            return data if dtype in (None, data.dtype) else data.to(dtype)
        return _send(as_tensor(data, dtype=dtype), waiting=True)

    torch.nn.Module.to = to_module
    torch.nn.Module.cpu = _module_to_cpu
    torch.Tensor.to = Pretended.to = to_tensor
    torch.as_tensor = to_new_tensor
