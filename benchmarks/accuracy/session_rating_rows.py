"""Ratings after a moment: a model's errors by event, and the interval of its RMSE less another's."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.common.paths import BUILD
from benchmarks.common.record import commit
from benchmarks.common.timing import timed

BESIDE = ("running bias", "i-autorec", "wide-deep", "session-rnn-ratings, none")  # rows that intervals are against
DRAWS = 2000  # of users, for an interval
Squares = dict[tuple[str, int], Any]  # squared errors by event, of a row and a seed


def part_masks(split: Any) -> dict[str, Any]:
    """Test events whose item has a training rating: of users known before the cut, of new ones, and all.

    A part without an event is left out.
    """
    events, test = split.sessions, split.part == 2
    warm = split.train.counts("item")[events.items] > 0
    known = split.train.counts("user")[events.users] > 0
    masks = {"known": test & warm & known, "new": test & warm & ~known, "all": test & warm}
    return {part: mask for part, mask in masks.items() if mask.any()}


def rating_row(
    split: Any, masks: dict[str, Any], row: str, model_name: str, settings: dict[str, Any], seed: int, file: Path
) -> dict[str, Any]:
    """Fit a model and measure it; its squared errors are written to `file`."""
    import recae

    model: Any = recae.make_model(model_name, **settings)
    stops = split.validation if model.iterative and settings.get("epochs") != 0 else None
    seconds, _ = timed(lambda: model.fit(split.train, stops, progress=False))
    events = split.sessions
    if hasattr(model, "predict_events"):
        predicted = model.predict_events(events)
    else:
        dates = [events.times] if model.reads_dates else []
        predicted = model.predict_pairs(events.users, events.items.astype(np.int64), *dates)
    square = np.square(predicted - events.values, dtype=np.float64)
    file.parent.mkdir(parents=True, exist_ok=True)
    np.save(file, square)
    history = getattr(model, "history_", None)
    return {
        "row": row, "model": model_name, "settings": settings, "seed": seed, "commit": commit(), "seconds": seconds,
        "epochs": None if stops is None or history is None else history.best_epoch,
        "rmse": {part: float(np.sqrt(square[mask].mean())) for part, mask in masks.items()},
    }  # fmt: skip


def add_intervals(rows: list[dict[str, Any]], squares: Squares, users: Any, masks: dict[str, Any]) -> None:
    """Give each row whose errors are there the intervals of its RMSE less those of `BESIDE`; others keep theirs."""
    first = min(seed for _, seed in squares)
    for found in rows:
        own = squares.get((found["row"], found["seed"]))
        if own is None:
            continue
        found["less"] = {
            other: {part: interval(own, squares.get((other, found["seed"]), squares[other, first]), users, mask)
                    for part, mask in masks.items()}
            for other in BESIDE if other != found["row"] and (other, first) in squares
        }  # fmt: skip


def squares_file(data: str, row: dict[str, Any]) -> Path:
    """Squared errors of a row, by event, which intervals are made of."""
    return BUILD / "sessions" / f"{data}-{row['row']}-{row['seed']}.npy"


def interval(own: Any, other: Any, users: Any, mask: Any) -> list[float]:
    """The 95 % interval of RMSE less another's on the same events, users being drawn with replacement."""
    _, user = np.unique(users[mask], return_inverse=True)
    n = int(user.max()) + 1
    sums = np.stack([np.bincount(user, weights, n) for weights in (own[mask], other[mask], np.ones(len(user)))])
    weights = np.random.default_rng(0).multinomial(n, np.full(n, 1 / n), DRAWS)
    one, two, count = (weights @ each for each in sums)
    low, high = np.percentile(np.sqrt(one / count) - np.sqrt(two / count), [2.5, 97.5])
    return [float(low), float(high)]
