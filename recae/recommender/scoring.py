"""Scores a block at a time: memory is bounded by the block, not by users x items."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from recae._types import Csr, FloatArray, IntArray, Mask, Scores
from recae.errors import DivergenceError
from recae.ranking import top_n
from recae.ratings.csr import take_rows
from recae.schemas import is_finite

BLOCK_BYTES = 64 * 2**20  # of float32 numbers at a time
DEVICE_BYTES = 512 * 2**20  # the same of lists on a GPU, which waits for the next block's Python
DEVICE_SHARE = 16  # of what is free there, a block is such a part at most: scores and what is derived from them


def rows_in_block(width: int) -> int:
    """How many rows of `width` numbers fit into `BLOCK_BYTES`, at least 1."""
    return max(1, BLOCK_BYTES // (4 * max(1, width)))


def blocks(n_rows: int, width: int) -> Iterator[slice]:
    """Slices of `n_rows` rows of `width` numbers; each slice fits into `BLOCK_BYTES`."""
    size = rows_in_block(width)
    return (slice(start, min(n_rows, start + size)) for start in range(0, n_rows, size))


def scores_at(user_index: IntArray, item_index: IntArray, n_items: int, score: Callable[[IntArray], Scores]) -> Scores:
    """Scores of pairs, (n,), from `score`: distinct users (m,) to scores of all items (m, n_items), block by block."""
    out = np.empty(len(user_index), np.float32)
    distinct, where = np.unique(user_index, return_inverse=True)
    order = np.argsort(where, kind="stable")
    for block in blocks(len(distinct), n_items):
        part = order[slice(*np.searchsorted(where[order], [block.start, block.stop]))]
        out[part] = score(distinct[block])[where[part] - block.start, item_index[part]]
    return finite(out)


def finite(scores: Scores) -> Scores:
    """`scores`, if all of them are finite.

    Raises:
        DivergenceError: they are not, which is so where learned arrays or ratings are as large as float32 can hold.
    """
    if not is_finite(scores):
        raise DivergenceError(
            "the model's scores are not finite",
            remedy="fit it again with a smaller learning rate or more regularisation, on ratings of moderate size",
        )
    return scores


def products_at(weight: FloatArray, bias: FloatArray, codes: FloatArray, row: IntArray, column: IntArray) -> Scores:
    """weight[row] · codes[column] + bias[row] of pairs, (n,), block by block.

    Args:
        weight, bias: (n_rows, k) and (n_rows,).
        codes: (n_columns, k).
        row, column: indices of pairs, (n,) each.
    """
    out = np.empty(len(row), np.float32)
    for block in blocks(len(row), codes.shape[1]):
        r = row[block]
        out[block] = np.einsum("zk,zk->z", weight[r], codes[column[block]]) + bias[r]
    return out


def with_prior(scores: Any, prior: FloatArray | None) -> Any:
    """`scores` (n, n_items) with `prior`, (n_items,), added to each row; of a tensor, on its device."""
    if prior is None or isinstance(scores, np.ndarray):
        return scores if prior is None else scores + prior
    return scores + as_on(scores, prior)


def replaced(scores: Any, rows: IntArray, items: IntArray, found: FloatArray) -> Any:
    """A copy of scores (n, n_items), array or tensor, with `found` at these rows and items, of the shape of both."""
    grid: Any = np.ix_(rows, items)
    if isinstance(scores, np.ndarray):
        scores = np.array(scores, np.float32)
        scores[grid] = found
        return scores
    import torch

    scores = scores.clone()
    scores[tuple(torch.from_numpy(index).to(scores.device) for index in grid)] = torch.from_numpy(found).to(scores)
    return scores


def as_on(tensor: Any, values: FloatArray) -> Any:
    """An array as a tensor of the type and on the device of another one."""
    import torch

    return torch.as_tensor(values, dtype=tensor.dtype, device=tensor.device)


def popular_where(empty: Mask, scores: Any, counts: IntArray) -> Any:
    """`scores` (n, n_items), where they order nothing replaced by the items' numbers of ratings `counts`, (n_items,).

    That is in the rows `empty`, (n,), and in rows of one score for all items. Of scores in a tensor, on its device.
    """
    if not isinstance(scores, np.ndarray):
        import torch

        low, high = scores.aminmax(dim=1)  # NaN in a row with NaN
        equal = low == high  # on its device, and nothing waits for what it finds
        without = torch.as_tensor(empty, device=scores.device)
        popular = torch.tensor(counts, dtype=scores.dtype, device=scores.device)
        return scores.where(~(equal | without)[:, None], popular)
    level = np.flatnonzero(scores[:, 0] == scores[:, -1])  # rows that may be of one score
    level = level[(scores[level] == scores[level, :1]).all(axis=1)]
    if len(level) == 0 and not empty.any():
        return scores
    replaced = np.array(scores, np.float32)  # a copy: what a model gives may be its own array
    replaced[empty] = replaced[level] = counts
    return replaced


def top_n_for_users(
    score: Callable[[IntArray], Any], users: IntArray, seen: Csr | None, n: int, allowed: Mask
) -> tuple[IntArray, Scores]:
    """The n best allowed items of each user and their scores, (n_users, n) each; see `recae.ranking.top_n`.

    Args:
        score: users to scores of all items, (n_users, n_items), an array or a tensor.
        users: as `score` takes them.
        seen: rows of all users, whose items are left out; None to leave out nothing.
        allowed: which items may be listed, (n_items,).
    """
    index, scores = _empty_lists(len(users), n)
    start, size = 0, rows_in_block(len(allowed))
    while start < len(users):
        block = slice(start, start + size)
        own = score(users[block])  # on a GPU, whose work goes on while the rows are gathered
        rows = None if seen is None else take_rows(seen, users[block])
        index[block], scores[block] = top_allowed(own, rows, n, allowed)
        start, size = start + size, max(size, _rows_on_device(own)) if start == 0 else size
    return index, scores


def _rows_on_device(scores: Any) -> int:
    """How many rows like these fit into a block on the GPU that they are on; 0 where they are on none."""
    if isinstance(scores, np.ndarray) or scores.device.type != "cuda":
        return 0
    import torch

    free, _ = torch.cuda.mem_get_info(scores.device)
    return int(min(DEVICE_BYTES, free // DEVICE_SHARE) // (4 * max(1, scores.shape[1])))


def top_allowed(scores: Any, seen: Csr | None, n: int, allowed: Mask | None) -> tuple[IntArray, Scores]:
    """The n best of the items `allowed`, (n_items,) or None for all, that are not stored in `seen`.

    See `recae.ranking.top_n`. Of scores in a tensor on a GPU, there.
    """
    if not isinstance(scores, np.ndarray) and scores.device.type == "cpu":
        scores = scores.numpy()
    if not isinstance(scores, np.ndarray):
        from recae.recommender.tensor_top_n import tensor_top_n  # PyTorch, which NumPy's scores need none of

        everything = np.ones(scores.shape[1], bool) if allowed is None else allowed
        index, listed = tensor_top_n(scores, seen, n, everything)
        finite(listed[index >= 0])  # what is not a number comes first
        return index, listed
    finite(scores)
    if allowed is not None and not allowed.all():
        scores = np.where(allowed, scores, np.float32(-np.inf))
    return top_n(scores, n, seen)


def most_similar(vectors: Any, transpose: Any, item_index: IntArray, n: int) -> tuple[IntArray, Scores]:
    """The n items of the largest dot product with each one, itself left out: index and score, (len(item_index), n).

    `vectors` (n_items, d), dense or sparse, have length 1 where the product is to be the cosine. Of sparse ones the
    transpose is CSR, too: a product then takes only the rows of it that the item has.
    """
    index, found = _empty_lists(len(item_index), n)
    for block in blocks(len(item_index), vectors.shape[0]):
        scores = vectors[item_index[block]] @ transpose
        scores = np.asarray(scores.todense() if hasattr(scores, "todense") else scores, dtype=np.float32)
        finite(scores)[np.arange(len(scores)), item_index[block]] = -np.inf
        index[block], found[block] = top_n(scores, n)
    return index, found


def _empty_lists(n_lists: int, n: int) -> tuple[IntArray, Scores]:
    """Lists (n_lists, n) without entries: index -1, score -inf."""
    return np.full((n_lists, n), -1, np.int64), np.full((n_lists, n), -np.inf, np.float32)
