"""Gradients of several processes made one: dense ones in a single buffer, those with few rows as these rows alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from recae.distributed.ranks import Ranks
from recae.jit import jit_kernel, prange

WIDE = 2**18  # entries from which on a gradient is looked at for rows of zeros
LOOK_EVERY = 32  # steps between looks at one that had none
_INTEGERS = {torch.float32: torch.int32, torch.float64: torch.int64}  # of the same width


@jit_kernel(parallel=True)
def _mark_busy(grad: Any, out: Any) -> None:
    for row in prange(len(grad)):
        busy = False
        for column in range(grad.shape[1]):
            busy |= grad[row, column] != 0
        out[row] = busy


def busy_rows(grad: Tensor) -> Tensor:
    """The rows of a matrix that are not all zero, int64 (m,)."""
    if grad.device.type != "cpu":
        return torch.nonzero(grad.abs().sum(1)).squeeze(1)
    marks = torch.empty(len(grad), dtype=torch.bool)  # on a CPU, |grad| would be mapped and cleared anew each time
    _mark_busy(grad.contiguous().numpy(), marks.numpy())
    return torch.nonzero(marks).squeeze(1)


class GradientSum:
    """Sums gradients over processes, so that the same step is taken in each.

    A gradient with few rows that are not zero (the weights of a first layer, of columns that a batch does not have)
    travels as these rows and their numbers, where all processes together have fewer of them than it has rows.

    Args:
        ranks: the processes; all of them call this alike.
        model: whose gradients; in all processes the same ones are there.
        wide: entries of a matrix from which on it is looked at for rows of zeros.

    Attributes:
        sent: entries that this process has handed over so far, dense and in rows.
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
        flat = self._room(sum(sizes) + len(numbers))
        *views, last = torch.split(flat, [*sizes, len(numbers)])
        for parameter, view in zip(dense, views):
            torch.mul(grads[parameter].reshape(-1), weight, out=view)
        for place, number in zip(last, numbers):  # one by one: a GPU is not waited for
            place.copy_(number) if isinstance(number, Tensor) else place.fill_(number)
        self.ranks.all_sum_(flat)
        self.sent["dense"] += len(flat)
        for parameter, view in zip(dense, views):  # a view, not a copy: the buffer is next written after the step
            parameter.grad = view.view_as(parameter)
        out: Tensor = last
        return out

    def _room(self, n: int) -> Tensor:
        """The first `n` places of the buffer, which grows where it has to."""
        if len(self.buffer) < n:
            first = self.parameters[0]
            self.buffer = torch.empty(n, dtype=first.dtype, device=first.device)
        return self.buffer[:n]

    def _sum_rows(self, weight: float, grads: dict[nn.Parameter, Tensor]) -> set[nn.Parameter]:
        """Sum those gradients that have few rows, in place; which they were."""
        wide = [p for p in grads if p.dim() == 2 and p.numel() >= self.wide and p.dtype in _INTEGERS]
        looked_at = [p for p in wide if self._is_due(p)]
        if not looked_at:
            return set()
        busy = [busy_rows(grads[p]) for p in looked_at]
        counts = self.ranks.gather(torch.tensor([len(rows) for rows in busy])).tolist()
        few: list[_Rows] = []
        for place, (parameter, rows) in enumerate(zip(looked_at, busy)):
            theirs = [count[place] for count in counts]
            if sum(theirs) < len(parameter):
                few.append(_Rows(parameter, grads[parameter], rows, theirs))
            else:
                self.dense_steps[parameter] = LOOK_EVERY
        self._exchange(few, weight)
        return {one.parameter for one in few}

    def _is_due(self, parameter: nn.Parameter) -> bool:
        """Whether to look at it: finding rows of zeros is a pass over memory, in vain where there were none."""
        left = self.dense_steps.get(parameter, 0)
        self.dense_steps[parameter] = max(0, left - 1)
        return left == 0

    def _exchange(self, few: list[_Rows], weight: float) -> None:
        """Add up everybody's rows, in the order of the processes: the same bits in each. They travel together."""
        sizes = [one.size() for one in few]
        if sum(sizes) == 0:
            return
        own = few[0].grad.new_zeros(sum(sizes))
        for one, part in zip(few, torch.split(own, sizes)):
            one.write(part, weight)
        everyone = self.ranks.gather(own)
        for one, parts in zip(few, torch.split(everyone, sizes, dim=1)):
            one.take(parts)
        self.sent["rows"] += sum(sizes)


class _Rows(NamedTuple):
    """A gradient (n, k), its own rows that are not zero, and how many such rows each process has.

    It travels as (most, k + 1) for each process: a row's number, as the bits of a float, and the row.
    """

    parameter: nn.Parameter
    grad: Tensor
    rows: Tensor
    counts: list[int]

    def size(self) -> int:
        return max(self.counts) * (self.grad.shape[1] + 1)

    def write(self, part: Tensor, weight: float) -> None:
        """Fill `part`, (size,), with the own rows, times `weight`."""
        table = part.view(-1, self.grad.shape[1] + 1)[: len(self.rows)]
        table[:, 0] = self.rows.to(_INTEGERS[part.dtype]).view(part.dtype)
        torch.mul(self.grad[self.rows], weight, out=table[:, 1:])

    def take(self, parts: Tensor) -> None:
        """The gradient becomes the sum of everybody's rows, (processes, size)."""
        self.grad.index_fill_(0, self.rows, 0.0)
        for part, count in zip(parts, self.counts):
            table = part.view(-1, self.grad.shape[1] + 1)[:count]
            numbers = table[:, 0].contiguous().view(_INTEGERS[part.dtype]).long()
            self.grad.index_add_(0, numbers, table[:, 1:])
