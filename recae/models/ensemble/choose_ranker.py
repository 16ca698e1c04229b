"""Which ranker for which ratings: a few are fitted on a part of them, and lists of what is hidden decide."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from recae._types import IntArray, Scores
from recae.models.baselines import Popularity
from recae.models.classic.implicit_mf import ImplicitALS
from recae.models.ensemble.ranking_blend import standardised, weighted_sum
from recae.models.linear.closed_form import EASE
from recae.models.linear.ease_relatives import DAN, EDLAE
from recae.models.linear.neighbours import ItemKNN
from recae.models.linear.sparse_ease import SparseEASE
from recae.models.linear.spectral import Spectral
from recae.ratings import RatingMatrix
from recae.recommender.base import Recommender
from recae.recommender.held_out_lists import clearly_better, list_values, users_to_compare
from recae.recommender.own_part import HIDDEN, densest, own_part

MOST_ITEMS = 15_000  # for which an item-item matrix is solved: 2 GB of memory, minutes of time


@dataclass(frozen=True)
class Choice:
    """A ranker for some ratings.

    Attributes:
        name: in `recae.MODELS`.
        params: its hyper-parameters that differ from the defaults.
        reason: one line on what was measured.
        figures: Recall@20 + NDCG@20 on what was hidden, by the names of all that were compared.
    """

    name: str
    params: dict[str, Any]
    reason: str
    figures: dict[str, float]


def choose_ranker(ratings: RatingMatrix, rng: int = 0) -> Choice:
    """The ranker, with its defaults, whose lists hold most of what is hidden of a part of `ratings`.

    The part is that of at most 5,000 users and the 2,000 most rated items, so that a choice takes a bounded time, less
    than fitting the chosen one where there are many. A fifth of each user's entries is hidden. Means of the candidates'
    scores are candidates, too. Popularity is taken unless another one is better by more than two standard errors over
    the users.

    Args:
        ratings: to choose for; those of the part are copied into memory.
        rng: seed of what is hidden.
    """
    parts = own_part(densest(ratings), HIDDEN, rng)
    if parts is None:
        return Choice("popularity", {}, "popularity: too few entries to compare anything by", {})
    users = users_to_compare(*parts)
    models = {name: model.fit(parts[0], progress=False) for name, model in _candidates(ratings, rng)}
    scores = {name: np.asarray(model.ranking_scores(users), np.float32) for name, model in models.items()}
    values = {name: list_values(theirs, *parts, users) for name, theirs in scores.items()}
    members = blends(list(models))
    values |= {name: list_values(_mean(scores, of, parts[0], users), *parts, users) for name, of in members.items()}
    figures = {name: float(theirs.mean()) for name, theirs in values.items()}
    best = max(figures, key=figures.__getitem__)
    if not clearly_better(values[best], values["popularity"]):
        best = "popularity"
    others = ", ".join(f"{name} {figure:.3f}" for name, figure in figures.items() if name != best)
    reason = f"{best}: Recall@20 + NDCG@20 {figures[best]:.3f} on hidden entries of {len(users):,} users ({others})"
    if best in members:
        return Choice("ranking-blend", {"members": members[best]}, reason, figures)
    return Choice(best, {}, reason, figures)


def blends(names: list[str]) -> dict[str, tuple[str, ...]]:
    """The blends that are compared, of the candidates `names`, by what they are called: members of three families."""
    closed = "dan" if "dan" in names else "sparse-ease"
    chosen = ((closed, "als"), ("als", "spectral"), (closed, "als", "spectral"))
    return {" + ".join(members): members for members in chosen}


def _candidates(ratings: RatingMatrix, rng: int) -> list[tuple[str, Recommender]]:
    """What is compared, by name: of many items only what needs no matrix of items by items."""
    closed: list[tuple[str, Recommender]] = [("dan", DAN()), ("ease", EASE()), ("edlae", EDLAE())]
    sparse: list[tuple[str, Recommender]] = [("sparse-ease", SparseEASE())]
    others = [
        ("spectral", Spectral(rng=rng)),
        ("als", ImplicitALS(rng=rng)),
        ("item-knn", ItemKNN()),
        ("popularity", Popularity()),
    ]
    return [*(closed if ratings.n_items <= MOST_ITEMS else sparse), *others]


def _mean(scores: dict[str, Scores], members: tuple[str, ...], known: RatingMatrix, users: IntArray) -> Scores:
    """Scores as a blend of `members` has them."""
    rows = known.user_rows[users]
    return weighted_sum([(1 / len(members), standardised(scores[name], rows)) for name in members])
