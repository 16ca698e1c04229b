"""A live user's events, with or without times, and answers that need the times."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from recae._types import Csr, IntArray, Scores
from recae.errors import DataError
from recae.explanation import explain
from recae.ratings import RatingMatrix
from recae.ratings.times import seconds
from recae.recommender.base import Recommender
from recae.recommender.row import dated_row, row_of
from recae.serving.bodies import Event
from recae.serving.limits import Limits
from recae.serving.served_model import ServedModel


class LiveEvents(NamedTuple):
    """What a live user rated.

    Attributes:
        items: columns, (k,).
        ratings: (k,); None where none is given.
        times: seconds since 1970, (k,); None where none is given.
        left_out: ids of items that the model does not know.
    """

    items: IntArray
    ratings: Any
    times: IntArray | None
    left_out: list[Any]


def read_events(served: ServedModel, events: Sequence[Event], limits: Limits) -> LiveEvents:
    """Columns, ratings and times of a live user's events.

    Raises:
        DataError: some events have a rating or a time, and others have none; a rating is needed; or a time is none.
    """
    limits.check("events", len(events), limits.events)
    columns = np.array([served.columns.get(event.item, -1) for event in events], np.int64)
    bare = _without(events, "rating", needed=served.model.predicts_ratings)
    if bare is not None:
        raise DataError(f"item {bare!r} has no rating: all events need one, or (of models that rank) none has one")
    bare = _without(events, "timestamp")
    if bare is not None:
        raise DataError(f"item {bare!r} has no timestamp: all events have one, or none has")
    known = columns >= 0
    left_out = [event.item for event, is_known in zip(events, known) if not is_known]
    ratings = times = None
    if events and events[0].rating is not None:
        ratings = np.array([event.rating for event in events], np.float64)[known]
    if events and events[0].timestamp is not None:
        column = pd.Series([event.timestamp for event in events])
        times = seconds(column, "timestamp", lambda row: f"item {events[row].item!r}")[known]
    return LiveEvents(columns[known], ratings, times, left_out)


def _without(events: Sequence[Event], name: str, *, needed: bool = False) -> Any:
    """The item of the first event without it, where it is needed or another event has it; else None."""
    given = [getattr(event, name) is not None for event in events]
    return None if all(given) or not (needed or any(given)) else events[given.index(False)].item


def live_row(model: Recommender, live: LiveEvents) -> Csr:
    """Events as the row (1, n_items) of a user, for a model or an answer that needs no times."""
    needs_rating = model.predicts_ratings
    return row_of(live.items, live.ratings, model.ratings_, needs_rating=needs_rating, timestamps=live.times)


def live_ratings(model: Recommender, live: LiveEvents) -> RatingMatrix:
    """Events that have times, as ratings of one user."""
    needs_rating = model.predicts_ratings
    return dated_row(live.items, live.ratings, live.times, model.ratings_, needs_rating=needs_rating)


def predict_live(model: Recommender, live: LiveEvents, items: IntArray, moment: float | None) -> Scores:
    """Ratings of the columns `items` by a live user, (n,), at a moment where the model reads dates.

    Raises:
        DataError: a moment is asked at, and the events have no times.
    """
    if live.times is None or not model.reads_dates:
        if moment is not None:
            raise DataError("a timestamp to predict at needs events that have timestamps")
        row = live_row(model, live)
        return model.predict_pairs_new(row, np.zeros_like(items), items)
    pairs = pd.DataFrame({"user": 0, "item": model.ratings_.item_ids[items]})
    if moment is not None:
        pairs["timestamp"] = moment
    return model.predict_new(live_ratings(model, live), pairs)


def explain_dated(served: ServedModel, user: Any, item: Any, n: int) -> dict[str, Any]:
    """What each event of a user adds to the score of an item, for a model that reads when events were.

    Args:
        user: the id of a known user, or ratings of a live one.
    """
    ratings = served.model.ratings_
    frame = explain(served.model, user, item, n=n)
    more = [name for name in ("session", "timestamp") if name in frame.columns]
    columns = ratings.item_index(frame["item"]).tolist()
    values = zip(columns, short(frame["rating"].to_numpy()), short(frame["contribution"].to_numpy()))
    told = frame[more].to_dict("records") if more else [{}] * len(frame)
    listed = [
        {**named(served, column), "rating": rating, "contribution": part, **about}
        for (column, rating, part), about in zip(values, told)
    ]
    score, base = short(np.array([frame.attrs["score"], frame.attrs["base"]]))
    whose = named(served, int(ratings.item_index([item])[0]))
    return {**whose, "score": score, "base": base, "contributions": listed}


def named(served: ServedModel, index: int) -> dict[str, Any]:
    """An item's id and title."""
    return {"item": served.item_ids[index], "title": served.titles[index]}


def short(values: Scores) -> list[float]:
    """float32 in the seven digits that it has: as a double it would be written with seventeen."""
    return [float(f"{value:.7g}") for value in values.tolist()]
