"""What models that train in epochs share: what a checkpoint belongs to, and what rankers are stopped by."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

import numpy as np

from recae import metrics
from recae.assembly import Csr
from recae.models.blocks import Scores, blocks
from recae.models.params import Parameters
from recae.ranking import top_n
from recae.ratings import RatingMatrix

LIST = 100  # items of the lists that validation looks at


def tag_of(model: Parameters, ratings: RatingMatrix, validation: RatingMatrix | None) -> dict[str, str]:
    """What a checkpoint belongs to: these hyper-parameters and these ratings, to learn from and to stop by."""
    params = {name: repr(value) for name, value in model.get_params().items() if name != "device"}
    return {**params, "ratings": _digest(ratings), "validation": "none" if validation is None else _digest(validation)}


def _digest(ratings: RatingMatrix) -> str:
    digest = hashlib.sha256()
    for array in (ratings.user_rows.indptr, ratings.user_rows.indices, ratings.user_rows.data):
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()[:16]


def ranking_error(
    score: Callable[[Csr], Scores], ratings: RatingMatrix, validation: RatingMatrix
) -> Callable[[Any], float]:
    """A validation figure for `Trainer.fit`: 1 - NDCG@100 of the held-out items of users, whose rows are known.

    Args:
        score: rows (n, n_items) to scores (n, n_items), by the model as it is when it is called.
        ratings: what the model learns from, which is not ranked.
        validation: held-out ratings of the same users and items.
    """
    users = np.flatnonzero(validation.counts("user"))

    def validate(_: Any) -> float:
        total = 0.0
        for block in blocks(len(users), ratings.n_items):
            rows = ratings.user_rows[users[block]]
            ranked, _scores = top_n(score(rows), LIST, rows)
            total += float(metrics.ndcg(metrics.find_hits(ranked, validation.user_rows[users[block]]), LIST).sum())
        return 1 - total / max(1, len(users))

    return validate
