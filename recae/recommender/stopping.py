"""What models that train in epochs share: what a checkpoint belongs to, and what rankers are stopped by."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

import numpy as np

from recae import metrics
from recae._types import Scores
from recae.distributed.ranks import current
from recae.errors import DataError
from recae.ranking import top_n
from recae.ratings import RatingMatrix
from recae.recommender.blocks import blocks
from recae.recommender.params import Parameters

LIST = 100  # items of the lists that validation looks at


def tag_of(
    model: Parameters, ratings: RatingMatrix, validation: RatingMatrix | None, shown: RatingMatrix | None = None
) -> dict[str, str]:
    """What a checkpoint belongs to: these hyper-parameters and these ratings, to learn from and to stop by.

    `shown` is what hidden validation users show, where there are any.
    """
    params = {name: repr(value) for name, value in model.get_params().items() if name != "device"}
    held_out = [_digest(part) for part in (validation, shown) if part is not None]
    return {**params, "ratings": _digest(ratings), "validation": " ".join(held_out) or "none"}


def check_validation(
    ratings: RatingMatrix, validation: RatingMatrix | None, shown: RatingMatrix | None, meets_hidden: bool
) -> None:
    """A validation part belongs to the ratings: the same users and items, or hidden users who show something.

    Raises:
        DataError: it does not, or the model cannot meet hidden users (`meets_hidden`).
    """
    if shown is None:
        if validation is not None and validation.shape != ratings.shape:
            raise DataError(
                f"validation has {validation.shape[0]} users and {validation.shape[1]} items, training "
                f"{ratings.shape[0]} and {ratings.shape[1]}: take both from one recae.split of ratings (not of users), "
                "or recae.splitting.take_validation(train, 0.1); of hidden users, give validation_input= too"
            )
        return
    if not meets_hidden:
        raise DataError(
            "this model stops by ratings of users it learns from, not of hidden ones (validation_input): "
            "take them from recae.splitting.take_validation(train, 0.1)"
        )
    if validation is None or validation.shape != shown.shape or shown.n_items != ratings.n_items:
        wanted = None if validation is None else validation.shape
        raise DataError(
            f"validation_input has the shape {shown.shape}, validation {wanted}, and training has {ratings.n_items} "
            "items: give validation and validation_input of one recae.split(..., 'held-out-users')"
        )


def _digest(ratings: RatingMatrix) -> str:
    digest = hashlib.sha256()
    for array in (ratings.user_rows.indptr, ratings.user_rows.indices, ratings.user_rows.data):
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()[:16]


def ranking_error(
    score: Callable[..., Scores], ratings: RatingMatrix, validation: RatingMatrix, *, with_users: bool = False
) -> Callable[[Any], float]:
    """A validation figure for `Trainer.fit`: 1 - NDCG@100 of the held-out items of users, whose rows are known.

    Of several processes that fit together, each ranks for its share of the users; all get the figure of all.

    Args:
        score: rows (n, n_items) to scores (n, n_items), by the model as it is when it is called.
        ratings: what users are known by, which is not ranked: what is learnt from, or what hidden users show.
        validation: held-out ratings of the same users and items.
        with_users: `score` is given the users' indices as well, for models that tell their users apart.
    """
    ranks, held_out = current(), np.flatnonzero(validation.counts("user"))
    users = ranks.share(held_out)

    def validate(_: Any) -> float:
        total = 0.0
        for block in blocks(len(users), ratings.n_items):
            rows = ratings.user_rows[users[block]]
            ranked, _scores = top_n(score(rows, users[block]) if with_users else score(rows), LIST, rows)
            total += float(metrics.ndcg(metrics.find_hits(ranked, validation.user_rows[users[block]]), LIST).sum())
        return 1 - ranks.total(total)[0] / max(1, len(held_out))

    return validate
