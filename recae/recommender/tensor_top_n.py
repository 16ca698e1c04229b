"""The n best items of rows of scores in a tensor, on its device, in the order of `recae.ranking`."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

from recae._types import Csr, IntArray, Mask, Scores

_LOW = 0xFFFFFFFF
_AT_ONCE = 2**24  # scores that are made integers at once, of 8 bytes each


def tensor_top_n(scores: Tensor, seen: Csr | None, n: int, allowed: Mask) -> tuple[IntArray, Scores]:
    """As `recae.ranking.top_n`: higher scores first, and of equal ones the lower item.

    `torch.topk` breaks ties as it pleases. So it is asked for one item more: where that one's score is below the
    others', they are the n best whatever it did, and are few enough to be ordered by integers that hold score and
    item. The rows that are left, of equal scores at the list's end or with NaN, are selected by such integers.

    Args:
        scores: (n_rows, n_items); they are not written to.
        seen: rows of the same shape; items stored in it are not returned to their row. None for none.
        n: items a row.
        allowed: which items may be returned, (n_items,).

    Returns:
        Items int64 and scores float32, both (n_rows, n), on the CPU; -1 and -inf where a row has fewer.
    """
    usable = _usable(scores, seen, allowed)
    n_items = scores.shape[1]
    length = min(n, n_items)
    values, items = usable.topk(min(length + 1, n_items), sorted=False)
    unclear = values.isnan().any(1)
    items, values = _in_order(values, items)
    if length < n_items:
        last = values[:, length - 1]
        unclear |= (last == values[:, length]) & (last > -torch.inf)
        items, values = items[:, :length], values[:, :length]
    left = unclear.cpu().nonzero()[:, 0]
    for some in torch.split(left, max(1, _AT_ONCE // n_items)) if len(left) else ():
        rows = some.to(scores.device)
        items[rows], values[rows] = _by_integers(usable[rows], length)
    items = items.masked_fill(values == -torch.inf, -1)
    missing = (0, n - length)
    index = functional.pad(items.int(), missing, value=-1).cpu().numpy().astype(np.int64)
    return index, functional.pad(values, missing, value=-torch.inf).cpu().numpy()


def _usable(scores: Tensor, seen: Csr | None, allowed: Mask) -> Tensor:
    """A copy with no -0, and -inf where an item is not to be returned."""
    usable = scores.float() + 0.0
    if not allowed.all():
        usable.masked_fill_(torch.from_numpy(~allowed).to(usable.device), -torch.inf)
    if seen is not None:
        lengths, column = (_sent(array, usable) for array in (np.diff(seen.indptr), seen.indices))
        row_start = torch.arange(0, usable.numel(), usable.shape[1], device=usable.device)
        position = torch.repeat_interleave(row_start, lengths, output_size=seen.nnz) + column
        usable.view(-1).index_fill_(0, position, -torch.inf)
    return usable


def _sent(array: npt.NDArray[Any], like: Tensor) -> Tensor:
    own = array if array.flags.writeable else array.copy()  # PyTorch warns of memory that is not to be written to
    return torch.from_numpy(own).to(like.device)


def _in_order(values: Tensor, items: Tensor) -> tuple[Tensor, Tensor]:
    """Items and their scores, (n_rows, n), best first."""
    order = _keys(values, items).argsort(dim=1, descending=True)
    return items.gather(1, order), values.gather(1, order)


def _by_integers(scores: Tensor, n: int) -> tuple[Tensor, Tensor]:
    """The n best items and their scores, in order, of rows with any scores: no two of the integers are equal."""
    scores = scores.nan_to_num(nan=-torch.inf, posinf=torch.inf, neginf=-torch.inf)
    items = _LOW - (_keys(scores, torch.arange(scores.shape[1], device=scores.device)).topk(n).values & _LOW)
    return items, scores.gather(1, items)


def _keys(scores: Tensor, items: Tensor) -> Tensor:
    """Integers whose order is that of lists, int64: a score's bits, as an integer of its order, and then the item."""
    bits = scores.contiguous().view(torch.int32)
    rank = torch.where(bits < 0, bits ^ 0x7FFFFFFF, bits).long()
    return (rank << 32) | (_LOW - items)
