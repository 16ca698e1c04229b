"""Several processes that fit one model, and how they communicate, on torch.distributed.

torchrun starts them (`recae.distributed.launch`). They use gloo for tensors on CPUs and NCCL for those on GPUs. Every
process runs the same program on the same data, and computes with its part of the rows. The first process (rank 0) draws
the random order for all, and writes files.
"""

from __future__ import annotations

import atexit
import functools
import json
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeVar

import numpy as np
import torch
import torch.distributed as dist
from torch import Tensor

from recae.distributed.launch import Launch, launch, threads_each
from recae.errors import ParameterError, ProcessLostError, RecaeError, Remedy, class_of
from recae.storage import pack, unpack

T = TypeVar("T")
TIMEOUT = timedelta(minutes=30)  # for the slowest: the others wait while the first process writes files
_single: ContextVar[bool] = ContextVar("recae.distributed.single", default=False)


@dataclass(frozen=True)
class Ranks(Launch):
    """The processes that fit a model together, as seen by one of them.

    All of them must call the methods that communicate, in the same order. With one process these do nothing.

    Raises:
        ProcessLostError: (from all methods that communicate) another process is gone.
    """

    def share(self, index: Any) -> Any:
        """This process's part of `index`, a sequence that all processes have: every `size`-th entry from `rank` on."""
        if self.size == 1:
            return index
        own = index[self.rank :: self.size]
        return own.contiguous() if isinstance(own, Tensor) else own

    def all_sum_(self, tensor: Tensor) -> Tensor:
        """`tensor` becomes the sum over all processes, with the same bits in each."""
        if self.size > 1:
            with _connected():
                dist.all_reduce(tensor)
        return tensor

    def total(self, *numbers: float) -> list[float]:
        """Each number summed over all processes, in double precision."""
        return [float(n) for n in self.all_sum_(torch.tensor(numbers, dtype=torch.float64))]

    def sum_to_first_(self, tensor: Tensor) -> Tensor:
        """`tensor` becomes the sum in the first process, and anything in the others."""
        if self.size > 1:
            with _connected():
                dist.reduce(tensor, dst=0)
        return tensor

    def gather(self, tensor: Tensor) -> Tensor:
        """Tensors of one shape, one of each process, stacked: (size, *shape)."""
        if self.size == 1:
            return tensor[None]
        out = tensor.new_empty((self.size, *tensor.shape))
        with _connected():
            dist.all_gather(list(out.unbind()), tensor.contiguous())
        return out

    def broadcast_(self, tensor: Tensor) -> Tensor:
        """`tensor`, of one shape and type everywhere, becomes the first process's."""
        if self.size > 1 and tensor.numel():
            flat = tensor.detach().contiguous().view(-1).view(torch.uint8)  # gloo does not know every type
            with _connected():
                dist.broadcast(flat, src=0)
            if not tensor.is_contiguous():
                with torch.no_grad():
                    tensor.copy_(flat.view(tensor.dtype).view(tensor.shape))
        return tensor

    def from_first(self, function: Callable[[], T]) -> T:
        """Call `function` in the first process, and give its result to all: a nest of tensors and plain values.

        A `RecaeError` that it raises is raised in all processes.
        """
        if self.size == 1:
            return function()
        result: Any = None
        failure: RecaeError | None = None
        if self.is_first:
            try:
                result = function()
            except RecaeError as error:
                failure = error
        sent = self._broadcast_nest({"result": result, "error": failure and [type(failure).__name__, str(failure)]})
        if failure is not None:
            raise failure
        if sent["error"]:
            raise class_of(sent["error"][0])(sent["error"][1])
        return result if self.is_first else sent["result"]  # type: ignore[no-any-return]

    def same(self, text: str) -> bool:
        """Whether `text` is the same in all processes."""
        return self.total(float(text != self.from_first(lambda: text)))[0] == 0

    def barrier(self) -> None:
        """Wait for all processes."""
        self.total(0.0)

    @contextmanager
    def one_ahead(self) -> Iterator[None]:
        """Within, the first process of each machine goes before its others, which find what it has downloaded."""
        if self.local_rank:
            self.barrier()
        try:
            yield
        finally:
            if not self.local_rank:
                self.barrier()

    def _broadcast_nest(self, tree: Any) -> Any:
        """The first process's nest of tensors and plain values: a JSON header, then the arrays; no pickle."""
        arrays, twin = pack(tree) if self.is_first else ({}, None)
        shapes = [[name, array.dtype.str, list(array.shape)] for name, array in arrays.items()]
        header = json.dumps([shapes, twin]).encode()
        length = self.broadcast_(torch.tensor([len(header)]))
        text = np.frombuffer(header.ljust(int(length)), np.uint8)[: int(length)].copy()
        self.broadcast_(torch.from_numpy(text))
        shapes, twin = json.loads(text.tobytes())
        for name, kind, shape in shapes:
            array = np.ascontiguousarray(arrays[name]) if self.is_first else np.empty(shape, kind)
            self.broadcast_(torch.from_numpy(array.reshape(-1).view(np.uint8)))
            arrays[name] = array
        return tree if self.is_first else unpack(arrays, twin)


def current() -> Ranks:
    """The processes that this one fits models with, by its environment; the first call joins them."""
    return Ranks() if _single.get() or launch().size == 1 else _join()


@contextmanager
def single_process() -> Iterator[None]:
    """Within (this thread), this process fits models by itself, also under torchrun."""
    token = _single.set(True)
    try:
        yield
    finally:
        _single.reset(token)


@functools.cache
def _join() -> Ranks:
    here = launch()
    _set_threads(threads_each(here.local_size))
    on_gpus = torch.cuda.is_available()
    if on_gpus and here.local_rank < torch.cuda.device_count():
        torch.cuda.set_device(here.local_rank)
    if not dist.is_initialized():
        with _connected():
            _rendezvous(here, "cpu:gloo,cuda:nccl" if on_gpus else "gloo")
        atexit.register(_leave)
    return Ranks(here.rank, here.size, here.local_rank, here.local_size, here.restarts)


def _rendezvous(here: Launch, backend: str) -> None:
    """Join the other processes of this start.

    torchrun keeps one store for all of its starts. The prefix hides what the processes of an earlier start have written
    there, such as their addresses.
    """
    from torch.distributed.distributed_c10d import PrefixStore
    from torch.distributed.rendezvous import rendezvous

    store, rank, size = next(rendezvous("env://", timeout=TIMEOUT))
    store = PrefixStore(f"start {here.restarts} of {size}", store)
    dist.init_process_group(backend, store=store, rank=rank, world_size=size, timeout=TIMEOUT)


def _set_threads(n: int) -> None:
    """Give PyTorch and numba `n` threads each; without it every process would take all cores."""
    torch.set_num_threads(n)
    if "numba" in sys.modules:
        numba = sys.modules["numba"]
        numba.set_num_threads(min(n, numba.config.NUMBA_NUM_THREADS))
    else:  # read when it is imported
        os.environ["NUMBA_NUM_THREADS"] = str(n)


def _leave() -> None:
    if dist.is_initialized():
        dist.destroy_process_group()


@contextmanager
def _connected() -> Iterator[None]:
    """Within, a broken connection raises `ProcessLostError`: another process is gone."""
    try:
        yield
    except RuntimeError as error:
        raise ProcessLostError(
            f"process {launch().rank} of {launch().size} has lost touch with the others, one of which failed or was "
            f"killed ({str(error).splitlines()[0] if str(error) else type(error).__name__})",
            remedy=(
                "look for the first error above",
                "start them with torchrun --max-restarts=3, which resumes from the checkpoint",
            ),
        ) from error


def own_device(device: torch.device) -> torch.device:
    """The device of this process: each process of a machine has its own GPU. It does not communicate.

    Raises:
        ParameterError: there are more processes than GPUs, one GPU is named for all processes, or gradients on that
            device cannot be summed over processes.
    """
    here = launch()
    if here.size == 1 or _single.get() or device.type == "cpu":
        return device
    if device.type != "cuda":
        raise ParameterError(
            f"{here.size} processes cannot share it", name="device", value=str(device), expected=("cpu", "cuda")
        )
    if device.index not in (None, here.local_rank):
        raise ParameterError(
            f"{here.size} processes need a device each", name="device", value=str(device),
            remedy=Remedy("{device} gives each of them its own", device="cuda"),
        )  # fmt: skip
    n_gpus = torch.cuda.device_count()
    if here.local_rank >= n_gpus:
        raise ParameterError(
            f"{here.local_size} processes on a machine with {n_gpus} GPUs",
            remedy=(
                f"start {n_gpus} with torchrun --nproc-per-node={n_gpus}",
                Remedy("train with {device}", device="cpu"),
            ),
        )
    return torch.device("cuda", here.local_rank)


def choose_device(device: str | torch.device = "auto") -> torch.device:
    """The device called `device`; "auto" is cuda where there is one, else mps, else cpu.

    Under torchrun each process of a machine has a GPU of its own, and none has mps.

    Raises:
        ParameterError: that device is not on this machine, or not for that many processes.
    """
    if str(device) == "auto":
        if torch.cuda.is_available():
            return own_device(torch.device("cuda"))
        return torch.device("mps" if torch.backends.mps.is_available() and launch().size == 1 else "cpu")
    try:
        chosen = torch.device(device)
    except RuntimeError:
        raise ParameterError(name="device", value=device, expected=("auto", "cpu", "cuda", "cuda:0", "mps")) from None
    available = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if not available.get(chosen.type, False):
        raise ParameterError(
            "this machine does not have it", name="device", value=str(device),
            remedy=Remedy("{device} takes what there is", device="auto"),
        )  # fmt: skip
    return own_device(chosen)
