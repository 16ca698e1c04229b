"""The validation figure of models that rank: how far lists are from holding what was put aside."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from recae import metrics
from recae._types import Scores
from recae.ratings import RatingMatrix
from recae.recommender.fitting import processes
from recae.recommender.scoring import blocks, top_allowed

if TYPE_CHECKING:
    from torch import Tensor

LIST = 100  # length of the lists that validation ranks


def ranking_error(
    score: Callable[..., Scores | Tensor], ratings: RatingMatrix, validation: RatingMatrix, *, with_users: bool = False
) -> Callable[[Any], float]:
    """A validation figure for `Trainer.fit`: 1 - NDCG@100 of the held-out items of users whose rows are known.

    Of several processes that fit together, each ranks for its share of the users; all get the figure of all.

    Args:
        score: rows (n, n_items) to scores (n, n_items), by the model as it is when it is called; an array or a tensor.
        ratings: the rows that users are scored from, whose items are not ranked.
        validation: held-out ratings of the same users and items.
        with_users: `score` is given the users' indices as well, for models that tell their users apart.
    """
    ranks, held_out = processes(), np.flatnonzero(validation.counts("user"))
    users, every_item = ranks.share(held_out), np.ones(ratings.n_items, bool)

    def validate(_: Any) -> float:
        total = 0.0
        for block in blocks(len(users), ratings.n_items):
            rows = ratings.user_rows[users[block]]
            scores = score(rows, users[block]) if with_users else score(rows)
            ranked, _ = top_allowed(scores, rows, LIST, every_item)
            total += float(metrics.ndcg(metrics.find_hits(ranked, validation.user_rows[users[block]]), LIST).sum())
        return 1 - float(ranks.total(total)[0]) / max(1, len(held_out))

    return validate
