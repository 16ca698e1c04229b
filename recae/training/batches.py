"""Batches that a trainer learns from: any examples by index, in an order that the trainer draws."""

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
from recae.sparse.epoch_order import BYTES_AN_ENTRY, cut

AHEAD = 2  # batches that are made before the step needs them
BLOCK_BYTES = 1 << 20  # of column indices and values that are read at once
CPU = torch.device("cpu")
WINDOW = 256  # blocks whose rows are shuffled together


class Batch(NamedTuple):
    """The input of a step and the target of its output: each (batch, n), dense or sparse; often the same rows."""

    input: Any
    target: Any


class Batches(Protocol):
    """Examples 0 ... n_examples - 1, from which `take` makes batches.

    A class may also have `order()`, the random order of an epoch, int64 (n_examples,), and `streamed`: whether batches
    are made ahead of the step, on another thread.
    """

    n_examples: int
    batch_size: int

    def take(self, index: Tensor) -> Batch:
        """The batch of the examples `index`, int64 (m,), on the training device."""
        ...

    def to(self, device: torch.device) -> Batches:
        """The same batches on `device`."""
        ...


class RowBatches:
    """Batches of rows, dense (n_rows, n) or sparse; the target is the rows themselves unless `target` is given.

    Args:
        rows: the input.
        target: the target of each row; by default the row itself.
        batch_size: rows a step; 0 for all of them at once (full batch).
        streamed: the rows are memory-mapped from disk. They are then read in blocks (`block_order`), and a batch is
            made during the step before it. It has an effect on sparse rows on the CPU that are their own target.

    Raises:
        DataError: there are no rows, or not as many targets.
        ParameterError: `batch_size` is negative.
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
            raise ParameterError(
                name="batch_size", value=batch_size, expected="the rows of a step, or 0 for all rows at once"
            )
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
        """The same batches on `device`; if the rows have no room there, each batch is copied when it is needed."""
        here = all(tensor.device.type == "cpu" for tensor in tensors_of(self._rows()))
        fits = not here or has_room(size_of(self._rows()), device)
        return self._copied(device) if fits else self._copied_batch_by_batch(device)

    def _rows(self) -> tuple[Any, ...]:
        """What goes to the device: the rows, and the target if it is not the rows."""
        return (self.rows,) if self.target is None else (self.rows, self.target)

    def _copied(self, device: torch.device) -> RowBatches:
        rows, target = self.rows.to(device), self.target
        if target is not None:
            shared = shares_pattern(self.rows, target)
            target = rows.with_values(target.values.to(device)) if shared else target.to(device)  # type: ignore[union-attr]
        return RowBatches(rows, target, batch_size=self.batch_size, streamed=self.streamed)

    def _copied_batch_by_batch(self, device: torch.device) -> MadeBatches:
        def make(index: Tensor, device: torch.device) -> Batch:
            return copy_async(self.take(index), device)  # type: ignore[no-any-return]

        rows, block = self.rows, self.n_examples
        if self.streamed and isinstance(rows, SparseRows):
            block = rows_a_block(len(rows), rows.nnz)
        return MadeBatches(self.n_examples, make, self.batch_size, block, device)


@dataclass
class MadeBatches:
    """Batches that a function makes when a step needs them, from rows that are not on the device.

    Attributes:
        n_examples: rows.
        make: index, int64 (m,), and the training device to a batch. It is called ahead of the step, on another thread,
            and draws no random numbers.
        batch_size: rows a step.
        block: neighbouring rows that are read at once (`rows_a_block`).
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
    """The number of rows of mean length that fill `BLOCK_BYTES`, at 8 bytes an entry; at least 1."""
    return max(1, BLOCK_BYTES * n_rows // max(1, 8 * n_entries))


def block_order(n_rows: int, block: int, window: int) -> Tensor:
    """A random order of rows on disk, int64 (n_rows,).

    Blocks of `block` neighbouring rows are put in random order, and the rows of each `window` successive blocks are
    shuffled together. A batch then reads from at most `window` regions of the disk. With no more rows than a window
    holds, this is a plain random order.
    """
    if n_rows <= block * window:
        return torch.randperm(n_rows)
    offsets, parts = torch.arange(block), []
    for blocks in torch.split(torch.randperm(-(-n_rows // block)), window):
        rows = (blocks[:, None] * block + offsets).flatten()
        rows = rows[rows < n_rows]
        parts.append(rows[torch.randperm(len(rows))])
    return torch.cat(parts)


# ------------------------------------------------------------ batches ahead of the step


def random_order(batches: Batches) -> Tensor:
    """The examples in a random order, int64 (n_examples,): by `batches.order()` if there is one."""
    own = getattr(batches, "order", None)
    order: Tensor = torch.randperm(batches.n_examples) if own is None else own()
    return order


def iterate_batches(batches: Batches, parts: Sequence[Tensor]) -> Iterator[Batch]:
    """The batch of each part, in order.

    Batches that are `streamed` are made ahead. That draws no random numbers, so results do not depend on when. Sparse
    rows on a GPU are put in the order of the epoch, and cut.
    """
    if getattr(batches, "streamed", False):
        return _ahead(batches, parts)
    if type(batches) is RowBatches and len(parts) > 1 and _can_be_ordered(batches.rows):
        return _cut(batches.rows, batches.target, parts)
    return map(batches.take, parts)


def shares_pattern(rows: Any, target: Any) -> bool:
    """Whether the target is other values of the rows' entries, as `SparseRows.with_values` makes them."""
    sparse = isinstance(rows, SparseRows) and isinstance(target, SparseRows)
    return sparse and target.indptr is rows.indptr and target.indices is rows.indices


def _can_be_ordered(rows: Tensor | SparseRows) -> bool:
    """Sparse rows on a GPU that has room for them a second time, and for what puts them in order."""
    if not isinstance(rows, SparseRows) or rows.device.type != "cuda":
        return False
    return torch.cuda.mem_get_info(rows.device)[0] > BYTES_AN_ENTRY * rows.nnz


def _cut(rows: Any, target: Any, parts: Sequence[Tensor]) -> Iterator[Batch]:
    if not shares_pattern(rows, target):
        for part, batch in zip(parts, cut(rows, parts)):
            yield Batch(batch, batch if target is None else target[part])
        return
    wanted, start = target.take(torch.cat(list(parts))).values, 0  # other values of the same entries
    for batch in cut(rows, parts):
        yield Batch(batch, batch.with_values(wanted[start : start + batch.nnz]))
        start += batch.nnz


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
    """Whether rows of so many bytes go to `device` for the whole training: half of its free memory is for the rest."""
    if device.type != "cuda":
        return True
    free, _ = torch.cuda.mem_get_info(device)
    return 2 * n_bytes <= free


def size_of(rows: Any) -> int:
    """Bytes of the tensors that `rows` consists of (`tensors_of`)."""
    return sum(tensor.nbytes for tensor in tensors_of(rows))


def tensors_of(rows: Any) -> Iterator[Tensor]:
    """The tensors that `rows` consists of, each once: sparse rows, a tensor, or a tuple or dataclass of these."""
    found: dict[int, Tensor] = {}

    def note(tensor: Tensor) -> Tensor:
        found[id(tensor)] = tensor
        return tensor

    _rebuilt(rows, note, {})
    return iter(found.values())


def copy_async(rows: Any, device: torch.device) -> Any:
    """Copy `rows` (see `tensors_of`) to `device`; the copy is complete when this returns.

    To a GPU it goes through pinned memory, on a stream of its own. Called on another thread than the step's
    (`iterate_batches`), it runs beside the step's kernels.
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
    for tensor in sent:  # its memory is not used again on this stream before the step has ended
        tensor.record_stream(torch.cuda.default_stream(device))
    return there


def _rebuilt(rows: Any, change: Callable[[Tensor], Tensor], done: dict[int, Any]) -> Any:
    """`rows` with `change` applied to each tensor, once also to a tensor that occurs twice."""
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
