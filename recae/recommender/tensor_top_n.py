"""The n best items of rows of scores in a tensor, on its device, in the order of `recae.ranking`."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from recae._types import Csr, IntArray, Mask, Scores
from recae.sparse import SparseRows

_LOW = 0xFFFFFFFF


def tensor_top_n(scores: Tensor, seen: Csr | None, n: int, allowed: Mask) -> tuple[IntArray, Scores]:
    """As `recae.ranking.top_n`: higher scores first, and of equal ones the lower item.

    A score and its item are one integer, whose order is both, so that `torch.topk`, which breaks ties as it pleases,
    has none to break.

    Args:
        scores: (n_rows, n_items).
        seen: rows of the same shape; items stored in it are not returned to their row. None for none.
        n: items a row.
        allowed: which items may be returned, (n_items,).

    Returns:
        Items int64 and scores float32, both (n_rows, n), on the CPU; -1 and -inf where a row has fewer.
    """
    usable = torch.nan_to_num(scores.float(), nan=-torch.inf, posinf=torch.inf, neginf=-torch.inf) + 0.0  # no -0
    if not allowed.all():
        usable = usable.masked_fill(torch.from_numpy(~allowed).to(scores.device), -torch.inf)
    if seen is not None:
        rows = SparseRows.from_scipy(seen, device=scores.device)
        usable[rows.row_of(), rows.indices.long()] = -torch.inf
    bits = usable.view(torch.int32)
    rank = torch.where(bits < 0, bits ^ 0x7FFFFFFF, bits).long()  # a float's bits, as an integer of the same order
    n_items = scores.shape[1]
    keys = (rank << 32) | (_LOW - torch.arange(n_items, device=scores.device))
    index = _LOW - (keys.topk(min(n, n_items)).values & _LOW)
    best = usable.gather(1, index)
    index = index.masked_fill(best == -torch.inf, -1)
    missing = (0, max(0, n - n_items))
    index, best = functional.pad(index, missing, value=-1), functional.pad(best, missing, value=-torch.inf)
    return index.cpu().numpy(), best.cpu().numpy()
