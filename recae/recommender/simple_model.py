"""A line where a fitted model does worse on its validation part than what takes no learning."""

from __future__ import annotations

import logging
from typing import Any

import numpy as np

from recae.distributed.ranks import current
from recae.ratings import RatingMatrix
from recae.recommender.list_error import ranking_error
from recae.training.reporting import is_trial

log = logging.getLogger("recae")


def say_if_worse(model: Any, validation: RatingMatrix, shown: RatingMatrix | None) -> None:
    """Log a warning if the biases (popularity, for a model that ranks) do better on the validation part.

    Rating models are compared by RMSE, others by NDCG@100. Nothing is said of models that are such a baseline
    themselves, of trials of a search, and of fits by several processes.

    Args:
        model: a fitted `Recommender`.
        validation: held-out ratings of training users, or of hidden ones.
        shown: what hidden users show; None where they are training users.
    """
    if not model.personal or is_trial() or current().size > 1 or validation.n_ratings == 0:
        return
    if model.predicts_ratings and shown is None:
        own, simple, what = _rmse(model, validation)
        worse, baseline = own > simple, "mu + b_u + b_i"
    elif not model.predicts_ratings:
        own, simple, what = _ndcg(model, validation, shown)
        worse, baseline = own < simple, "popularity"
    else:
        return
    if worse:
        log.warning(
            "On the validation part %s does better than %s: %s %.4f against %.4f. Try other settings or another model.",
            baseline, type(model).__name__, what, simple, own,
        )  # fmt: skip


def _rmse(model: Any, validation: RatingMatrix) -> tuple[float, float, str]:
    users, items, truth = validation.pairs()
    dates: dict[str, Any] = {}
    if model.reads_dates and validation.timestamps is not None:
        dates = {"timestamps": validation.timestamps}
    own = model.predict_pairs(users, items, **dates)
    simple = np.clip(model._simple_pairs(users, items), *model.ratings_.scale)
    error, simple_error = (float(np.sqrt(np.square(truth - one, dtype=np.float64).mean())) for one in (own, simple))
    return error, simple_error, "rmse"


def _ndcg(model: Any, validation: RatingMatrix, shown: RatingMatrix | None) -> tuple[float, float, str]:
    known = model.ratings_ if shown is None else shown
    counts = model.ratings_.counts("item").astype(np.float32)

    score = model.ranking_scores if shown is None else model._scores_of_new(shown)

    def own(_rows: Any, users: Any) -> Any:
        return score(users)

    def popular(_rows: Any, users: Any) -> Any:
        return np.broadcast_to(counts, (len(users), len(counts)))

    own_error, simple_error = (ranking_error(s, known, validation, with_users=True)(None) for s in (own, popular))
    return 1 - own_error, 1 - simple_error, "ndcg@100"
