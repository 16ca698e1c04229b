"""Sums of gradients over processes: dense ones in one buffer; of those with few rows, only these rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from recae.distributed.ranks import Ranks
from recae.jit import jit_kernel, prange

WIDE = 2**18  # entries from which on a gradient is checked for rows of zeros
CHECK_EVERY = 32  # steps between checks of one that had few rows of zeros
_INTEGERS = {torch.float32: torch.int32, torch.float64: torch.int64}  # of the same width


@jit_kernel(parallel=True)
def _mark_nonzero(grad: Any, out: Any) -> None:
    for row in prange(len(grad)):
        nonzero = False
        for column in range(grad.shape[1]):
            nonzero |= grad[row, column] != 0
        out[row] = nonzero


def nonzero_rows(grad: Tensor) -> Tensor:
    """The rows of a matrix that are not all zero, int64 (m,)."""
    if grad.device.type != "cpu":
        return torch.nonzero(grad.abs().sum(1)).squeeze(1)
    marks = torch.empty(len(grad), dtype=torch.bool)  # on a CPU, |grad| would allocate and clear as much memory again
    _mark_nonzero(grad.contiguous().numpy(), marks.numpy())
    return torch.nonzero(marks).squeeze(1)


class GradientSum:
    """Sums gradients over processes, so that each process takes the same step.

    Some gradients have few rows that are not zero, such as the weights of a first layer, whose other columns the batch
    does not have. Processes send only these rows with their indices, if all of them together send fewer rows than the
    gradient has.

    Args:
        ranks: the processes; all of them call this together.
        model: its parameters; the same ones have gradients in all processes.
        wide: entries of a matrix from which on it is checked for rows of zeros.

    Attributes:
        sent: entries that this process has sent so far, dense and in rows.
    """

    def __init__(self, ranks: Ranks, model: nn.Module, wide: int = WIDE) -> None:
        self.ranks, self.wide = ranks, wide
        self.parameters = list(model.parameters())
        self.buffer = torch.empty(0)
        self.dense_steps: dict[nn.Parameter, int] = {}
        self.sent = {"dense": 0, "rows": 0}

    @torch.no_grad()
    def __call__(self, weight: float, numbers: Sequence[Tensor | float]) -> Tensor:
        """Gradients become their sums over the processes, each times its process's `weight`.

        Returns:
            the sums of `numbers` over the processes (not weighted), on the device of the parameters.
        """
        grads = {p: p.grad for p in self.parameters if p.grad is not None}
        in_rows = self._sum_rows(weight, grads)
        dense = [p for p in grads if p not in in_rows]
        sizes = [p.numel() for p in dense]
        flat = self._buffer_of(sum(sizes) + len(numbers))
        *views, last = torch.split(flat, [*sizes, len(numbers)])
        for parameter, view in zip(dense, views):
            torch.mul(grads[parameter].reshape(-1), weight, out=view)
        for entry, number in zip(last, numbers):  # one by one, which does not wait for a GPU
            entry.copy_(number) if isinstance(number, Tensor) else entry.fill_(number)
        self.ranks.all_sum_(flat)
        self.sent["dense"] += len(flat)
        for parameter, view in zip(dense, views):  # a view, not a copy: the buffer is written again only after the step
            parameter.grad = view.view_as(parameter)
        out: Tensor = last
        return out

    def _buffer_of(self, n: int) -> Tensor:
        """The first `n` entries of the buffer, which grows if it is shorter."""
        if len(self.buffer) < n:
            first = self.parameters[0]
            self.buffer = torch.empty(n, dtype=first.dtype, device=first.device)
        return self.buffer[:n]

    def _sum_rows(self, weight: float, grads: dict[nn.Parameter, Tensor]) -> set[nn.Parameter]:
        """Sum the gradients that have few rows, in place; returns their parameters."""
        wide = [p for p in grads if p.dim() == 2 and p.numel() >= self.wide and p.dtype in _INTEGERS]
        checked = [p for p in wide if self._check_is_due(p)]
        if not checked:
            return set()
        indices = [nonzero_rows(grads[p]) for p in checked]
        counts = self.ranks.gather(torch.tensor([len(rows) for rows in indices])).tolist()
        few: list[_Rows] = []
        for i, (parameter, rows) in enumerate(zip(checked, indices)):
            of_each = [count[i] for count in counts]
            if sum(of_each) < len(parameter):
                few.append(_Rows(parameter, grads[parameter], rows, of_each))
            else:
                self.dense_steps[parameter] = CHECK_EVERY
        self._exchange(few, weight)
        return {gradient.parameter for gradient in few}

    def _check_is_due(self, parameter: nn.Parameter) -> bool:
        """Whether to check it now: a check is a pass over memory, and of no use where rows of zeros are few."""
        left = self.dense_steps.get(parameter, 0)
        self.dense_steps[parameter] = max(0, left - 1)
        return left == 0

    def _exchange(self, few: list[_Rows], weight: float) -> None:
        """Send all rows at once, and add up those of each process in the order of ranks: all get the same bits."""
        sizes = [gradient.size() for gradient in few]
        if sum(sizes) == 0:
            return
        own = few[0].grad.new_zeros(sum(sizes))
        for gradient, part in zip(few, torch.split(own, sizes)):
            gradient.write(part, weight)
        gathered = self.ranks.gather(own)
        for gradient, parts in zip(few, torch.split(gathered, sizes, dim=1)):
            gradient.add_up(parts)
        self.sent["rows"] += sum(sizes)


class _Rows(NamedTuple):
    """A gradient (n, k), its own rows that are not zero, and how many such rows each process has.

    Each process sends (most, k + 1): in a line the row's index, as the bits of a float, and the row.
    """

    parameter: nn.Parameter
    grad: Tensor
    rows: Tensor
    counts: list[int]

    def size(self) -> int:
        return max(self.counts) * (self.grad.shape[1] + 1)

    def write(self, part: Tensor, weight: float) -> None:
        """Fill `part`, (size,), with this process's rows, times `weight`."""
        table = part.view(-1, self.grad.shape[1] + 1)[: len(self.rows)]
        table[:, 0] = self.rows.to(_INTEGERS[part.dtype]).view(part.dtype)
        torch.mul(self.grad[self.rows], weight, out=table[:, 1:])

    def add_up(self, parts: Tensor) -> None:
        """The gradient becomes the sum of the rows of all processes, `parts` (processes, size)."""
        self.grad.index_fill_(0, self.rows, 0.0)
        for part, count in zip(parts, self.counts):
            table = part.view(-1, self.grad.shape[1] + 1)[:count]
            indices = table[:, 0].contiguous().view(_INTEGERS[part.dtype]).long()
            self.grad.index_add_(0, indices, table[:, 1:])
