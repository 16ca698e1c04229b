"""Which rating model for which ratings: a few are fitted on a part of them, and ratings hidden from them decide."""

from __future__ import annotations

from typing import Any

import numpy as np

from recae._types import DoubleArray
from recae.models.autorec.feature_tables import encode_table
from recae.models.baselines import Bias
from recae.models.classic.biased_mf import BiasedMF
from recae.models.ensemble.choose_ranker import Choice
from recae.models.ensemble.hybrid import Hybrid
from recae.models.ensemble.members import member_of
from recae.models.ensemble.some_users import some_users
from recae.ratings import RatingMatrix
from recae.recommender.base import Recommender
from recae.recommender.biases import PRIOR
from recae.recommender.fitting import FitOptions
from recae.recommender.weighing import ASIDE
from recae.splitting import take_validation

ALONE: dict[str, Any] = {"compare": False}  # DualAutoRec alone is a candidate, too


def choose_rating_model(ratings: RatingMatrix, rng: int = 0, progress: bool | None = False) -> Choice:
    """The rating model, with its defaults, whose predictions of hidden ratings are best.

    DualAutoRec, matrix factorisation and, where there are features of items or users, Hybrid, which is DualAutoRec
    beside them, are compared, each drawn towards the biases as far as helps it. The weights come from the same hidden
    ratings, so the figures are for choosing, and a little too good as estimates. A tenth of the ratings is hidden. Of
    many ratings, all those of some users are looked at. The biases are taken where no model improves on them by more
    than a standard error.

    Args:
        ratings: to choose for.
        rng: seed of what is hidden, and of the models.
        progress: show how far trainings are; None for "where stderr is a terminal".
    """
    some = some_users(ratings, rng)
    if ASIDE * some.n_ratings < PRIOR:
        return Choice("bias", {}, f"bias: {ratings.n_ratings:,} ratings are too few to compare models on", {})
    rest, aside = take_validation(some, ASIDE, rng)
    dual = {"model": "dual-autorec", "shrink": "never", "rng": rng}  # how far it is drawn to the biases `aside` says
    candidates: dict[str, Recommender] = {"dual-autorec": member_of(dual), "biased-mf": BiasedMF(rng=rng)}
    if has_features(ratings):
        candidates["hybrid"] = Hybrid(base=dual, rng=rng, **ALONE)
    users, items, truth = aside.pairs()
    errors: dict[str, DoubleArray] = {}
    for name, model in {"bias": Bias(), **candidates}.items():
        model._fit_alone(rest, None, FitOptions(progress=progress, label=f"trying {name}"))
        model._draw_by(aside)
        errors[name] = np.square(truth - model.predict_pairs(users, items), dtype=np.float64)
    figures = {name: float(np.sqrt(squares.mean())) for name, squares in errors.items()}
    best = min(candidates, key=figures.__getitem__)
    gain = errors["bias"] - errors[best]
    if gain.mean() <= gain.std() / np.sqrt(len(gain)):
        best = "bias"
    others = ", ".join(f"{name} {figure:.4g}" for name, figure in figures.items() if name != best)
    params = ALONE if best == "hybrid" else {}
    return Choice(
        best, params, f"{best}: RMSE {figures[best]:.4g} of {len(truth):,} hidden ratings ({others})", figures
    )


def has_features(ratings: RatingMatrix) -> bool:
    """Whether the tables of items or users tell something that a model can read."""
    tables = ((ratings.item_table, ratings.item_ids), (ratings.user_table, ratings.user_ids))
    return any(encode_table(table, ids).matrix.any() for table, ids in tables)
