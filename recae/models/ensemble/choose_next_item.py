"""Which model of the next item for which ratings: the last sessions of users decide."""

from __future__ import annotations

import numpy as np

from recae._types import DoubleArray, IntArray
from recae.errors import DataError
from recae.events.cutting import sessions
from recae.events.next_ranks import rank_figures, ranked_events
from recae.events.session_splits import TEST, SessionSplit, split_sessions
from recae.models.baselines import Popularity
from recae.models.ensemble.choose_ranker import MOST_ITEMS, Choice
from recae.models.linear.closed_form import EASE
from recae.models.sessions.markov import Markov
from recae.models.sessions.next_scores import next_scores
from recae.models.sessions.vsknn import VSKNN
from recae.ratings import RatingMatrix
from recae.recommender.base import Recommender

MOST_EVENTS = 2000  # that are asked for
LENGTHS = (5, 20, 100)  # events of a user that V-SKNN looks at


def choose_next_item(ratings: RatingMatrix, rng: int = 0) -> Choice:
    """The model that ranks the events of users' last sessions best, from all that they did before each.

    V-SKNN with several lengths of memory, item to item counts, EASE (of at most 15,000 items) and popularity are
    fitted on what is before the last session of each user who has two. The best NDCG@20 is taken. Recurrent networks
    are not looked at: they take minutes, and these seconds (docs/sessions.md).

    Args:
        ratings: to choose for.
        rng: seed of which events are asked for, where there are more than 2,000.

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
    candidates = _candidates(ratings)
    figures = {name: float(_ndcg(model, split, asked).mean()) for name, model in candidates.items()}
    best = max(figures, key=figures.__getitem__)
    chosen = candidates[best]
    name, params = ("v-sknn", {"length": chosen.length}) if isinstance(chosen, VSKNN) else (best, {})
    others = ", ".join(f"{name} {figure:.3f}" for name, figure in figures.items() if name != best)
    reason = f"{best}: NDCG@20 {figures[best]:.3f} of {len(asked):,} events of last sessions ({others})"
    return Choice(name, params, reason, figures)


def _candidates(ratings: RatingMatrix) -> dict[str, Recommender]:
    """What is compared, by name, the simplest first: of equal ones it is taken."""
    found: dict[str, Recommender] = {"popularity": Popularity(), "markov": Markov()}
    if ratings.n_items <= MOST_ITEMS:
        found["ease"] = EASE()
    return {**found, **{f"v-sknn of {length}": VSKNN(length=length) for length in LENGTHS}}


def _ndcg(model: Recommender, split: SessionSplit, asked: IntArray) -> DoubleArray:
    """NDCG@20 of each event asked for whose item is new to the user, where pairs do not repeat."""
    model.fit(split.train, progress=False)
    events = split.sessions
    score = next_scores(model, events, asked)
    ranks = ranked_events(events, asked, score, leave_out_seen=events.ratings.repeats is None)
    return rank_figures(ranks)["ndcg@20"]
