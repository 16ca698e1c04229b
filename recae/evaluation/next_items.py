"""What comes next, step by step through the sessions of a part: any model's lists against what happened."""

from __future__ import annotations

from typing import Any

import numpy as np

from recae._types import IntArray
from recae.events.next_ranks import rank_figures, ranked_events
from recae.events.session_events import Sessions
from recae.events.session_splits import TEST, SessionSplit
from recae.models.sessions.next_scores import NextScores, next_scores
from recae.recommender.base import Recommender


def evaluate_next_items(
    model: Recommender, split: SessionSplit, part: int = TEST, *, most: int | None = None
) -> dict[str, Any]:
    """Recall@5, Recall@20, MRR@20 and NDCG@20 of the events of a part, each asked before it happens.

    All items are ranked. The first event of a session is not asked: nothing of the session is known then. What a model
    is given grows event by event: those that read order get the user's events so far, others a row of them with its
    times. Lists are those of `recommend_new`. Items that the user had before are left out of them where no pair of user
    and item occurs twice in the whole data.

    Args:
        model: fitted on `split.train`.
        part: 2 for the test, 1 for validation; a user's events of earlier parts, and of this one, are known.
        most: events that are asked, at most, drawn by a fixed seed; None for all.

    Returns:
        The figures (means over events), `n_events`, and `n_users`.
    """
    events, chosen = asked_events(split, part, most=most)
    once = split.sessions.ratings.repeats is None
    return next_item_figures(events, chosen, next_scores(model, events, chosen), leave_out_seen=once)


def asked_events(split: SessionSplit, part: int = TEST, *, most: int | None = None) -> tuple[Sessions, IntArray]:
    """What is known and asked: the events up to a part, and positions of those of the part that open no session."""
    events, part_of = split.up_to(part), split.part[split.part <= part]
    opens = np.zeros(events.n_events, bool)
    opens[events.session_starts[:-1]] = True
    chosen = np.flatnonzero((part_of == part) & ~opens)
    if most is not None and len(chosen) > most:
        chosen = np.sort(np.random.default_rng(0).permutation(chosen)[:most])
    return events, chosen


def next_item_figures(events: Sessions, chosen: IntArray, score: NextScores, *, leave_out_seen: bool) -> dict[str, Any]:
    """The figures of `evaluate_next_items` of the events `chosen`, as `asked_events` gives them.

    Args:
        score: users and stops, (n,) each, as `SessionModel.scores_before` has them, to scores, (n, n_items).
        leave_out_seen: items that the user had before are left out of lists.
    """
    ranks = ranked_events(events, chosen, score, leave_out_seen=leave_out_seen)
    figures = rank_figures(ranks)
    found = {name: float(values.mean()) if len(values) else float("nan") for name, values in figures.items()}
    return {**found, "n_events": int((ranks > 0).sum()), "n_users": len(np.unique(events.users[chosen]))}
