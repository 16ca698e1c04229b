"""Where the next item stands in a list of all items: ranks, and the figures that are made of them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy import sparse

from recae._types import Csr, DoubleArray, IntArray, Scores
from recae.events.session_events import Sessions
from recae.ratings import RatingMatrix
from recae.ratings.csr import make_csr

BLOCK = 256  # events whose scores are made at once
LENGTHS = (5, 20)  # of lists that figures are of


def history(events: Sessions, users: IntArray, stops: IntArray, *, values: bool = False) -> Csr:
    """What each user had before the position `stops`, (n, n_items): ones, or the latest ratings.

    Args:
        events: of any users.
        users, stops: as `SessionModel.scores_before` has them, (n,) each.
        values: the ratings themselves, of a pair that has several events the last one.
    """
    at = _latest(events, users, stops)
    data = events.values[at.data] if values else np.ones(at.nnz, np.float32)
    return sparse.csr_array((data, at.indices, at.indptr), shape=at.shape)


def dated_history(events: Sessions, users: IntArray, stops: IntArray) -> RatingMatrix:
    """`history` as ratings with their times, (n, n_items): each row is a user of its own."""
    at = _latest(events, users, stops)
    rows = make_csr(events.values[at.data], at.indices, at.indptr, at.shape)
    known = events.ratings
    return RatingMatrix(rows, np.arange(len(users)), known.item_ids, known.scale, events.times[at.data], name="so far")


def _latest(events: Sessions, users: IntArray, stops: IntArray) -> Csr:
    """Where the last event of each pair is that a user had before `stops`, (n, n_items), in rising order of items."""
    starts = events.spans(users)[0]
    lengths = stops - starts
    row = np.repeat(np.arange(len(users)), lengths)
    at = np.arange(len(row)) + np.repeat(starts - np.cumsum(lengths) + lengths, lengths)
    key = row * events.ratings.n_items + events.items[at]
    _, last = np.unique(key[::-1], return_index=True)  # the first of the reversed is the last event of a pair
    kept = np.sort(len(key) - 1 - last)
    shape = (len(users), events.ratings.n_items)
    rows = sparse.csr_array((at[kept], (row[kept], events.items[at[kept]])), shape=shape)
    rows.sort_indices()
    return rows


def ranks_of_next(scores: Scores, targets: IntArray, seen: Csr | None) -> IntArray:
    """Rank of each row's target among all items, from 1, (n,); of equal scores the earlier item is first.

    Args:
        scores: (n, n_items).
        targets: item that came next, (n,).
        seen: items that are left out, (n, n_items); a target among them has no rank, which is 0. None: none are.
    """
    scores = np.array(scores, np.float32)
    own = scores[np.arange(len(targets)), targets].copy()
    again = np.zeros(len(targets), bool)
    if seen is not None:
        row = np.repeat(np.arange(len(targets)), np.diff(seen.indptr))
        again[row[seen.indices == targets[row]]] = True
        scores[row, seen.indices] = -np.inf
    ahead = (scores > own[:, None]).sum(axis=1)
    earlier = np.arange(scores.shape[1]) < targets[:, None]
    ranks = 1 + ahead + ((scores == own[:, None]) & earlier).sum(axis=1)
    return np.where(again, 0, ranks)


def ranked_events(
    events: Sessions, chosen: IntArray, score: Callable[[IntArray, IntArray], Scores], *, leave_out_seen: bool
) -> IntArray:
    """Ranks of the items of the events `chosen`, (n,), each asked for before it happens; 0 for none.

    Args:
        score: users and stops (as `history` takes them) to scores of all items.
        leave_out_seen: items that a user had before are not in the list.
    """
    users, out = events.users, np.zeros(len(chosen), np.int64)
    for start in range(0, len(chosen), BLOCK):
        part = chosen[start : start + BLOCK]
        seen = history(events, users[part], part) if leave_out_seen else None
        scores = score(users[part], part)
        out[start : start + BLOCK] = ranks_of_next(scores, events.items[part].astype(np.int64), seen)
    return out


def rank_figures(ranks: IntArray) -> dict[str, DoubleArray]:
    """Recall (whether the next item is in the list), MRR and NDCG of each rank above 0, (n,) each."""
    ranks = ranks[ranks > 0]
    found = {f"recall@{n}": (ranks <= n).astype(np.float64) for n in LENGTHS}
    longest = max(LENGTHS)
    found[f"mrr@{longest}"] = np.where(ranks <= longest, 1 / ranks, 0.0)
    found[f"ndcg@{longest}"] = np.where(ranks <= longest, 1 / np.log2(1 + ranks), 0.0)
    return found
