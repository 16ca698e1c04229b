"""Which model of the next item for which ratings: the last sessions of users decide."""

from __future__ import annotations

from typing import Any

import numpy as np

from recae._types import IntArray
from recae.errors import DataError
from recae.events.cutting import sessions
from recae.events.next_ranks import rank_figures, ranked_events
from recae.events.session_events import Sessions
from recae.events.session_splits import TEST, split_sessions
from recae.models.baselines import Popularity
from recae.models.ensemble.choose_ranker import MOST_ITEMS, Choice
from recae.models.ensemble.ranking_blend import RankingBlend
from recae.models.ensemble.recency import Recency
from recae.models.linear.closed_form import EASE
from recae.models.sessions.markov import Markov
from recae.models.sessions.next_scores import NextScores, next_scores
from recae.models.sessions.session_rnn import SessionRNN
from recae.models.sessions.vsknn import VSKNN
from recae.ratings import RatingMatrix
from recae.recommender.base import Recommender

MOST_EVENTS = 2000  # that are asked for
LENGTHS = (5, 20, 100)  # events of a user that V-SKNN looks at
MOST_LEARNT = 200_000  # events up to which a network is a candidate: a minute or two of training
NETWORK: dict[str, Any] = {"hierarchy": "none"}


def choose_next_item(ratings: RatingMatrix, rng: int = 0, progress: bool | None = False) -> Choice:
    """The model that ranks the events of users' last sessions best, from all that they did before each.

    V-SKNN with several lengths of memory, item to item counts, popularity, of at most 15,000 items EASE and `recency`
    over `spectral`, and of at most 200,000 events a recurrent network are fitted on what is before the last session of
    each user who has two. Means of the best V-SKNN with `recency`, with the network, and with both are candidates, too.
    The best NDCG@20 is taken.

    Args:
        ratings: to choose for.
        rng: seed of which events are asked for, where there are more than 2,000, and of the network.
        progress: show how far the network's training is; None for "where stderr is a terminal".

    Raises:
        DataError: there are no timestamps, or all are equal.
    """
    events = sessions(ratings)
    try:
        split = split_sessions(events, validation=False)
    except DataError:
        return Choice("v-sknn", {}, "v-sknn: no user has two sessions, so there is nothing to compare by", {})
    opens = np.zeros(events.n_events, bool)
    opens[events.session_starts[:-1]] = True
    asked = np.flatnonzero((split.part == TEST) & ~opens)
    asked = np.sort(np.random.default_rng(rng).permutation(asked)[:MOST_EVENTS])
    if len(asked) == 0:
        return Choice("v-sknn", {}, "v-sknn: last sessions have one event each, so there is nothing to compare by", {})
    candidates = _candidates(ratings, events.n_events, rng)
    for model in candidates.values():
        model.fit(split.train, progress=progress if isinstance(model, SessionRNN) else False)
    figures = {name: _ndcg(next_scores(model, events, asked), events, asked) for name, model in candidates.items()}
    nearest = max((name for name in figures if name.startswith("v-sknn")), key=figures.__getitem__)
    for others in (("recency",), ("session-rnn",), ("session-rnn", "recency")):
        if candidates.keys() >= set(others):
            name = " + ".join((*others, nearest))
            candidates[name] = _blend([candidates[one] for one in (*others, nearest)])
            figures[name] = _ndcg(next_scores(candidates[name], events, asked), events, asked)
    best = max(figures, key=figures.__getitem__)
    rest = ", ".join(f"{name} {figure:.3f}" for name, figure in figures.items() if name != best)
    reason = f"{best}: NDCG@20 {figures[best]:.3f} of {len(asked):,} events of last sessions ({rest})"
    return Choice(*_settings(candidates[best], best), reason, figures)


def _candidates(ratings: RatingMatrix, n_events: int, rng: int) -> dict[str, Recommender]:
    """What is compared, by name, the simplest first: of equal ones it is taken."""
    found: dict[str, Recommender] = {"popularity": Popularity(), "markov": Markov()}
    if ratings.n_items <= MOST_ITEMS:
        found |= {"ease": EASE(), "recency": Recency(base="spectral", rng=rng)}
    found |= {f"v-sknn of {length}": VSKNN(length=length) for length in LENGTHS}
    if n_events <= MOST_LEARNT:
        found["session-rnn"] = SessionRNN(**NETWORK, rng=rng)
    return found


def _blend(models: list[Recommender]) -> RankingBlend:
    """The mean of fitted models."""
    members = tuple({"model": name, **settings} for name, settings in map(_settings, models))
    return RankingBlend(members=members).take_fitted(models)


def _settings(model: Recommender, name: str = "") -> tuple[str, dict[str, Any]]:
    """The model's name in `recae.MODELS`, and its settings that are not the defaults.

    A network learns from everything for as many epochs as were best, and what `recency` and its base chose is kept:
    they need not be found again.
    """
    if isinstance(model, VSKNN):
        return "v-sknn", {"length": model.length}
    if isinstance(model, Recency):
        return "recency", {"base": model.base, **model.chosen_}
    if isinstance(model, SessionRNN):
        return "session-rnn", {**NETWORK, "epochs": len(model.history_), "own_part": False}
    if isinstance(model, RankingBlend):
        return "ranking-blend", {"members": model.members}
    return name, {}


def _ndcg(score: NextScores, events: Sessions, asked: IntArray) -> float:
    """NDCG@20, the mean over the events asked for whose item is new to the user, where pairs do not repeat."""
    ranks = ranked_events(events, asked, score, leave_out_seen=events.ratings.repeats is None)
    return float(rank_figures(ranks)["ndcg@20"].mean())
