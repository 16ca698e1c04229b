"""Vectors of items that are near where the items stand near each other in sessions."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import sparse

from recae._types import Csr, FloatArray
from recae.events.session_events import Sessions

WINDOW = 20  # events of a session that count as near, at most
PAIRS = 1 << 23  # that are counted, about: of more than 400,000 events the window is shorter
SMOOTHING = 0.75  # power of the items' counts, as in word2vec: rare ones are not near everything


def near_items(events: Sessions, k: int, seed: int) -> FloatArray:
    """Vectors (n_items, k) of mean squared length 1, whose products follow how much more often items meet than chance.

    The first singular vectors, times the roots of their values, of the positive pointwise mutual information of items
    that stand within `WINDOW` events of one session (Levy and Goldberg, NeurIPS 2014). Items that meet no other have
    zeros, and so have columns that the matrix has no further singular vectors for.
    """
    from sklearn.utils.extmath import randomized_svd

    information: Any = mutual_information(meetings(events))
    vectors = np.zeros((events.ratings.n_items, k), np.float32)
    rank = min(k, *information.shape)
    if information.nnz == 0:
        return vectors
    left, values, _ = randomized_svd(sparse.csr_matrix(information), rank, random_state=seed % 2**32)
    vectors[:, :rank] = left * np.sqrt(values)
    met = np.diff(information.indptr) > 0
    vectors[~met] = 0
    vectors /= np.sqrt(np.square(vectors[met]).sum() / met.sum())
    return vectors


def meetings(events: Sessions) -> Csr:
    """How often two items stand within `WINDOW` events of one session, symmetric, float32 (n_items, n_items)."""
    n, shape = events.n_events, (events.ratings.n_items,) * 2
    follows = sparse.csr_array(shape, dtype=np.float32)
    begins, same = np.zeros(n, bool), np.ones(n, bool)
    begins[events.session_starts[:-1]] = True
    for distance in range(1, min(WINDOW, max(1, PAIRS // max(1, n)), n - 1) + 1):
        same = same[:-1] & ~begins[distance:]  # of each event, whether its session goes on so far
        pairs = events.items[:-distance][same], events.items[distance:][same]
        follows = follows + sparse.csr_array((np.ones(len(pairs[0]), np.float32), pairs), shape=shape)
    return sparse.csr_array(follows + follows.T)


def mutual_information(counts: Csr) -> Csr:
    """log(P(j | i) / P(j)) where it is above 0, of items i and j that differ; P(j) goes by counts to the power .75."""
    entries = counts.tocoo()
    differ = entries.row != entries.col
    row, column, count = entries.row[differ], entries.col[differ], entries.data[differ].astype(np.float64)
    total = np.asarray(np.bincount(row, count, counts.shape[0]), np.float64)
    chance = total**SMOOTHING
    chance /= max(chance.sum(), 1e-300)
    value = np.log(count / (total[row] * chance[column]))
    above = value > 0
    return sparse.csr_array((value[above].astype(np.float32), (row[above], column[above])), shape=counts.shape)
