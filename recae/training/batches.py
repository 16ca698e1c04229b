"""What a trainer is fed: examples by number, a batch at a time. The order is the trainer's business."""

from __future__ import annotations

import dataclasses
import functools
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any, ClassVar, NamedTuple, Protocol

import torch
from torch import Tensor

from recae.errors import DataError, ParameterError
from recae.jit import run_serially
from recae.sparse import SparseRows

AHEAD = 2  # batches that wait to be trained on
BLOCK_BYTES = 1 << 20  # of columns and values that are read in one go
CPU = torch.device("cpu")
WINDOW = 256  # blocks whose rows are shuffled together


class Batch(NamedTuple):
    """Rows to be read and what should come out: both (batch, n), dense or sparse; often the same."""

    input: Any
    target: Any


class Batches(Protocol):
    """Examples 0 ... n_examples - 1, of which `take` makes a batch."""

    n_examples: int
    batch_size: int

    def take(self, index: Tensor) -> Batch:
        """The batch of the examples `index`, int64 (m,), on the training device."""
        ...

    def to(self, device: torch.device) -> Batches:
        """The same batches on `device`."""
        ...


class RowBatches:
    """Batches of rows, dense (n_rows, n) or sparse, each its own target unless `target` is given.

    Args:
        rows: the input.
        target: what should come out, row by row; by default the input itself.
        batch_size: rows a step; 0 for all of them at once (full batch).
        streamed: the rows are on disk, memory-mapped: they are read in blocks (`block_order`), and a batch is taken
            while the step before it is worked on. Sparse rows without a target of their own, on the CPU; elsewhere
            they have been copied to a device, and it changes nothing.
    """

    def __init__(
        self, rows: Tensor | SparseRows, target: Tensor | SparseRows | None = None, *, batch_size: int,
        streamed: bool = False,
    ) -> None:  # fmt: skip
        if len(rows) == 0:
            raise DataError("there are no rows to train on")
        if target is not None and len(target) != len(rows):
            raise DataError(f"{len(rows)} rows, but {len(target)} targets; one each is needed")
        if batch_size < 0:
            raise ParameterError(f"batch_size={batch_size}: rows a step, or 0 for all at once")
        self.rows, self.target = rows, target
        self.n_examples = len(rows)
        self.batch_size = batch_size or self.n_examples
        self.streamed = streamed and isinstance(rows, SparseRows) and target is None and rows.device.type == "cpu"

    def order(self) -> Tensor:
        """Examples in the random order of an epoch, int64 (n_examples,), drawn from PyTorch's generator."""
        if not self.streamed:
            return torch.randperm(self.n_examples)
        assert isinstance(self.rows, SparseRows)
        return block_order(self.n_examples, rows_a_block(self.n_examples, self.rows.nnz), WINDOW)

    def take(self, index: Tensor) -> Batch:
        if len(index) == self.n_examples:  # a full batch needs no order
            return Batch(self.rows, self.rows if self.target is None else self.target)
        rows = self.rows[index]
        return Batch(rows, rows if self.target is None else self.target[index])

    def to(self, device: torch.device) -> RowBatches | MadeBatches:
        """The same batches on `device`; of rows that it has no room for, each batch goes there by itself."""
        here = all(tensor.device.type == "cpu" for tensor in tensors_of(self._rows()))
        fits = not here or has_room(size_of(self._rows()), device)
        return self._all_at_once(device) if fits else self._one_by_one(device)

    def _rows(self) -> tuple[Any, ...]:
        """All that is on the device when the rows are."""
        return (self.rows,) if self.target is None else (self.rows, self.target)

    def _all_at_once(self, device: torch.device) -> RowBatches:
        target = None if self.target is None else self.target.to(device)
        return RowBatches(self.rows.to(device), target, batch_size=self.batch_size, streamed=self.streamed)

    def _one_by_one(self, device: torch.device) -> MadeBatches:
        def make(index: Tensor, device: torch.device) -> Batch:
            return copy_async(self.take(index), device)  # type: ignore[no-any-return]

        rows, block = self.rows, self.n_examples
        if self.streamed and isinstance(rows, SparseRows):
            block = rows_a_block(len(rows), rows.nnz)
        return MadeBatches(self.n_examples, make, self.batch_size, block, device)


@dataclass
class MadeBatches:
    """Batches that are made when they are asked for, of rows elsewhere than on the device: none of them is kept.

    Attributes:
        n_examples: rows.
        make: index, int64 (m,), and the training device to a batch. It is called on another thread, ahead of time,
            and draws no random numbers.
        batch_size: rows a step.
        block: rows that lie together on the disk (`rows_a_block`).
        device: the training device.
    """

    n_examples: int
    make: Callable[[Tensor, torch.device], Batch]
    batch_size: int
    block: int
    device: torch.device = CPU
    streamed: ClassVar[bool] = True

    def order(self) -> Tensor:
        """Examples in the random order of an epoch, int64 (n_examples,)."""
        return block_order(self.n_examples, self.block, WINDOW)

    def take(self, index: Tensor) -> Batch:
        return self.make(index, self.device)

    def to(self, device: torch.device) -> MadeBatches:
        return replace(self, device=device)


def rows_a_block(n_rows: int, n_entries: int) -> int:
    """How many rows of the mean length make `BLOCK_BYTES`, of 8 bytes an entry."""
    return max(1, BLOCK_BYTES * n_rows // max(1, 8 * n_entries))


def block_order(n_rows: int, block: int, window: int) -> Tensor:
    """A random order of rows that lie on a disk, int64 (n_rows,): blocks of `block` neighbours in random order, and the
    rows of `window` blocks that follow one another in it shuffled together.

    What is read at one time then lies in `window` places, and a batch is of rows from all of these. Where the rows
    are no more than a window holds, it is a plain random order.
    """
    if n_rows <= block * window:
        return torch.randperm(n_rows)
    offsets, parts = torch.arange(block), []
    for blocks in torch.split(torch.randperm(-(-n_rows // block)), window):
        rows = (blocks[:, None] * block + offsets).flatten()
        rows = rows[rows < n_rows]
        parts.append(rows[torch.randperm(len(rows))])
    return torch.cat(parts)


# ------------------------------------------------------------ one after another, ahead of the step


def random_order(batches: Batches) -> Tensor:
    """Examples in a random order, int64 (n_examples,): the batches' own, where they have one."""
    own = getattr(batches, "order", None)
    order: Tensor = torch.randperm(batches.n_examples) if own is None else own()
    return order


def iterate_batches(batches: Batches, parts: Sequence[Tensor]) -> Iterator[Batch]:
    """The batch of each part, one after another.

    Batches that say `streamed` are taken ahead. Taking one draws no random numbers, so it does not matter when.
    """
    if getattr(batches, "streamed", False):
        return _ahead(batches, parts)
    return map(batches.take, parts)


def _ahead(batches: Batches, parts: Sequence[Tensor]) -> Iterator[Batch]:
    on_cpu = getattr(batches, "device", CPU).type == "cpu"  # then the step needs numba's threads
    with ThreadPoolExecutor(1, "recae-prefetch", run_serially if on_cpu else None) as pool:
        waiting: deque[Future[Batch]] = deque()
        for part in parts:
            waiting.append(pool.submit(batches.take, part))
            if len(waiting) > AHEAD:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


# ------------------------------------------------------------ rows that a GPU has no room for


def has_room(n_bytes: int, device: torch.device) -> bool:
    """Whether rows of so many bytes are to live on `device` in training, of whose free memory the rest needs half."""
    if device.type != "cuda":
        return True
    free, _ = torch.cuda.mem_get_info(device)
    return 2 * n_bytes <= free


def size_of(rows: Any) -> int:
    """Bytes of what `tensors_of` finds."""
    return sum(tensor.nbytes for tensor in tensors_of(rows))


def tensors_of(rows: Any) -> Iterator[Tensor]:
    """The tensors that `rows` are made of: sparse rows, a tensor, or a tuple or dataclass of these; each once."""
    found: dict[int, Tensor] = {}

    def note(tensor: Tensor) -> Tensor:
        found[id(tensor)] = tensor
        return tensor

    _rebuilt(rows, note, {})
    return iter(found.values())


def copy_async(rows: Any, device: torch.device) -> Any:
    """`rows` (see `tensors_of`) on `device`, there when this returns.

    To a GPU they go through pinned memory and on a stream of their own, beside the kernels of the step that is being
    worked on, if this is called on another thread than that step's (`iterate_batches`).
    """
    if device.type != "cuda":
        return _rebuilt(rows, lambda tensor: tensor.to(device), {})
    stream, sent = _stream(device), list[Tensor]()

    def send(tensor: Tensor) -> Tensor:
        sent.append(tensor.pin_memory().to(device, non_blocking=True))
        return sent[-1]

    with torch.cuda.stream(stream):
        there = _rebuilt(rows, send, {})
    stream.synchronize()
    for tensor in sent:  # its memory is not given to others on this stream before the step is done with it
        tensor.record_stream(torch.cuda.default_stream(device))
    return there


def _rebuilt(rows: Any, change: Callable[[Tensor], Tensor], done: dict[int, Any]) -> Any:
    """`rows` of changed tensors; what is in it twice is changed once."""
    if id(rows) not in done:
        done[id(rows)] = _rebuilt_once(rows, change, done)
    return done[id(rows)]


def _rebuilt_once(rows: Any, change: Callable[[Tensor], Tensor], done: dict[int, Any]) -> Any:
    if isinstance(rows, Tensor):
        return change(rows)
    if isinstance(rows, SparseRows):
        indptr, indices, values = (change(tensor) for tensor in (rows.indptr, rows.indices, rows.values))
        return SparseRows(indptr, indices, values, rows.n_cols, _host_indptr=rows.indptr)
    if isinstance(rows, tuple):
        parts = [_rebuilt(part, change, done) for part in rows]
        return type(rows)(*parts) if hasattr(rows, "_fields") else tuple(parts)
    names = [field.name for field in dataclasses.fields(rows)]
    return dataclasses.replace(rows, **{name: _rebuilt(getattr(rows, name), change, done) for name in names})


@functools.cache
def _stream(device: torch.device) -> torch.cuda.Stream:
    return torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
