"""Any model asked for the next item, event by event."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from recae._types import IntArray, Scores
from recae.events.next_ranks import dated_history
from recae.events.session_events import Sessions

NextScores = Callable[[IntArray, IntArray], Scores]  # users and stops, (n,) each, to scores of all items, (n, n_items)


def next_scores(model: Any, events: Sessions, chosen: IntArray | None = None) -> NextScores:
    """What a fitted model scores the next item by, from all that a user did before.

    Models that read the order of events get these; others a row of the user's latest ratings so far, with its times.
    The scores are those that the model makes its lists of.

    Args:
        events: of any users, in the item columns that the model was fitted on.
        chosen: positions of the events that will be asked for, before they happen, in rising order; None if not known.
    """
    model = getattr(model, "model_", model)  # what `auto` took
    if chosen is not None and hasattr(model, "scores_at"):  # states are made once, in one pass over each user
        scores: NextScores = model.scores_at(events, events.users[chosen], chosen)
        return scores
    if hasattr(model, "scores_before"):
        return lambda users, stops: model.scores_before(events, users, stops)

    def of_rows(users: IntArray, stops: IntArray) -> Scores:
        return np.asarray(model._scores_of_new(dated_history(events, users, stops))(np.arange(len(users))))

    return of_rows
