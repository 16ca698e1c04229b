"""Which ranker for which ratings: a few are fitted on a part of them, and lists of what is hidden decide."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import numpy as np

from recae._types import DoubleArray, IntArray, Scores
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
from recae.recommender.held_out_lists import MeanOverHidings, clearly_better, list_values, users_to_compare
from recae.recommender.own_part import HIDDEN, SMALL_ITEMS, densest, own_part
from recae.training.reporting import progress_bar

MOST_ITEMS = 15_000  # for which an item-item matrix is solved: 2 GB of memory, minutes of time
MOST_SOLVED = 4_000  # items of the part that candidates are compared on, where such matrices are among them
HIDINGS, FEW = 3, 250_000  # hidings, where the part has at most so many entries; of more one tells enough


@dataclass(frozen=True)
class Choice:
    """A ranker for some ratings.

    Attributes:
        name: in `recae.MODELS`.
        params: its hyper-parameters that differ from the defaults, what it chose by itself among them.
        reason: one line on what was measured, with the figures that are of the same hidings.
        figures: Recall@20 + NDCG@20 on what was hidden, by the names of all that were compared.
    """

    name: str
    params: dict[str, Any]
    reason: str
    figures: dict[str, float]


def choose_ranker(ratings: RatingMatrix, rng: int = 0, progress: bool | None = False) -> Choice:
    """The ranker whose lists hold most of what is hidden of a part of `ratings`.

    Candidates choose what they choose by themselves once, as a fit of theirs does, and keep it: `Choice.params` holds
    it, so that it is not chosen again. Then a fifth of each user's entries is hidden, and lists are compared. Means of
    the candidates' scores are candidates, too. Popularity is taken unless another one is better by more than two
    standard errors over the users.

    The part is that of at most 5,000 users and 20,000 items, so that a choice takes a bounded time. What is best among
    the most rated items alone is not best among all, so that they are left out only where there are very many, or
    beyond 4,000 where matrices of items by items are compared. Of at most 250,000 entries a fifth is hidden three
    times, for whatever the first time leaves open: one hiding tells a gain of a few per cent from none, and no less.

    Args:
        ratings: to choose for; those of the part are copied into memory.
        rng: seed of what is hidden.
        progress: show how many fits are done; None for "where stderr is a terminal".
    """
    some = densest(ratings, MOST_SOLVED if ratings.n_items <= MOST_ITEMS else SMALL_ITEMS)
    if own_part(some, HIDDEN, rng + 1) is None:
        return Choice("popularity", {}, "popularity: too few entries to compare anything by", {})
    with closing(progress_bar(0, show=progress, label="comparing rankers")) as bar:
        candidates = _candidates(ratings, rng, bar)
        lists = {name: (name,) for name in candidates} | blends(list(candidates))
        values, left, level = _values(candidates, lists, some, rng + 1, bar)
    figures = {name: float(theirs.mean()) for name, theirs in values.items()}
    best = max(left, key=figures.__getitem__)
    if not clearly_better(values[best], values["popularity"]):
        best = "popularity"
    reason = _reason(best, figures, level, len(values[best]))
    if len(lists[best]) > 1:
        members = tuple({"model": name, **_chosen(candidates[name])} for name in lists[best])
        return Choice("ranking-blend", {"members": members}, reason, figures)
    return Choice(best, _chosen(candidates[best]), reason, figures)


def _reason(best: str, figures: dict[str, float], level: list[str], n_users: int) -> str:
    """What was measured, with the figures that can be held against the best one's: those of the same hidings."""
    others = ", ".join(f"{name} {figures[name]:.3f}" for name in level if name != best)
    early = ", ".join(name for name in figures if name not in level)
    early = f"; left out after fewer hidings: {early}" if early else ""
    return f"{best}: Recall@20 + NDCG@20 {figures[best]:.3f} on hidden entries of {n_users:,} users ({others}{early})"


def blends(names: list[str]) -> dict[str, tuple[str, ...]]:
    """The blends that are compared, of the candidates `names`, by what they are called: members of three families."""
    closed = "dan" if "dan" in names else "sparse-ease"
    chosen = ((closed, "als"), ("als", "spectral"), (closed, "als", "spectral"))
    return {" + ".join(members): members for members in chosen}


def _candidates(ratings: RatingMatrix, rng: int, bar: Any) -> dict[str, Recommender]:
    """What is compared, by name: of many items only what needs no matrix of items by items."""
    closed: dict[str, Recommender] = {"dan": DAN(), "ease": EASE(), "edlae": EDLAE()}
    sparse: dict[str, Recommender] = {"sparse-ease": SparseEASE()}
    own: dict[str, Any] = {"spectral": Spectral(rng=rng), "als": ImplicitALS(rng=rng), "item-knn": ItemKNN()}
    settled = {name: model.settled(ratings) for name, model in _told(bar, own)}
    return {**(closed if ratings.n_items <= MOST_ITEMS else sparse), **settled, "popularity": Popularity()}


def _told(bar: Any, models: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """The models by name, one after another; the bar says which is at work, and how many are done."""
    bar.total += len(models)
    for name, model in models.items():
        bar.set_postfix({"now": name}, refresh=True)
        yield name, model
        bar.update(1)


def _chosen(model: Recommender) -> dict[str, Any]:
    """What a candidate has chosen by itself."""
    defaults = type(model)().get_params()
    return {name: value for name, value in model.get_params().items() if name != "rng" and value != defaults[name]}


def _values(
    candidates: dict[str, Recommender], lists: dict[str, tuple[str, ...]], some: RatingMatrix, seed: int, bar: Any
) -> tuple[dict[str, DoubleArray], list[str], list[str]]:
    """Users' Recall@20 + NDCG@20 under each of `lists`; the names of those that are left; of those in all hidings.

    Args:
        candidates: not fitted, by name.
        lists: by name, the candidates whose mean each is.
        some: the ratings that a fifth is hidden of.
        seed: of the first hiding.
        bar: is told of each fit.
    """
    means = {name: MeanOverHidings(1, some.n_users) for name in lists}
    left = level = list(lists)
    for hiding in range(seed, seed + (HIDINGS if some.n_ratings <= FEW else 1)):
        if (parts := own_part(some, HIDDEN, hiding)) is None:
            break
        users = users_to_compare(*parts, seed=hiding)
        needed = {member for name in left for member in lists[name]}
        asked = {name: model for name, model in candidates.items() if name in needed}
        scores = {name: _scores(model, parts[0], users) for name, model in _told(bar, asked)}
        values = {}
        for name in left:
            theirs = scores[name] if name in scores else _mean(scores, lists[name], parts[0], users)
            values[name] = list_values(theirs, *parts, users)
            means[name].add(users, values[name][None])
        level = left
        best = max(values, key=lambda name: float(values[name].mean()))
        left = [name for name in left if name == "popularity" or not clearly_better(values[best], values[name])]
    return {name: mean.values()[0] for name, mean in means.items()}, left, level


def _scores(candidate: Recommender, known: RatingMatrix, users: IntArray) -> Scores:
    """What lists of users are ranked by, once a copy of `candidate` has learnt from `known`."""
    return np.asarray(candidate.clone().fit(known, progress=False).ranking_scores(users), np.float32)


def _mean(scores: dict[str, Scores], members: tuple[str, ...], known: RatingMatrix, users: IntArray) -> Scores:
    """Scores as a blend of `members` has them."""
    rows = known.user_rows[users]
    return weighted_sum([(1 / len(members), standardised(scores[name], rows)) for name in members])
