"""Settings of session models, chosen on the validation part."""

from __future__ import annotations

from itertools import product
from typing import Any

from benchmarks.accuracy.padded_sessions import processor_seconds
from benchmarks.common.record import commit

# V-SKNN's candidates; the best NDCG@20 of at most 2,000 validation events is taken.
GRID = {"length": (5, 20, 100), "decay": (0.8, 0.95, 1.0), "idf": (0.0, 1.0), "k": (100, 300)}


def chosen_neighbours(split: Any) -> dict[str, Any]:
    """The settings of V-SKNN that rank the validation part best."""
    import recae

    best: tuple[float, dict[str, Any]] = (-1.0, {})
    for values in product(*GRID.values()):
        settings = dict(zip(GRID, values))
        model = recae.make_model("v-sknn", **settings).fit(split.train)
        found = recae.evaluate_next_items(model, split, 1, most=2000)
        best = max(best, (found["ndcg@20"], settings), key=lambda one: one[0])
    return best[1]


def model_of(settings: dict[str, Any]) -> Any:
    """A new recurrent model of the next item with these settings beside the defaults, or a blend of `members`."""
    import recae

    if "members" in settings:
        return recae.make_model("ranking-blend", **settings)
    return recae.make_model("session-rnn", **{"patience": 3, **settings})


def on_validation(split: Any, settings: dict[str, Any]) -> dict[str, Any]:
    """What `model_of` these settings reaches on the validation part, by which what learns in epochs stops.

    `validation_ndcg@20` is measured as the test is, of events that open no session; the figure that training was
    stopped by is of a drawn part of all held-out events.
    """
    import recae

    model = model_of(settings)
    seconds = processor_seconds(lambda: model.fit(split.train, split.validation, progress=False))
    found = recae.evaluate_next_items(model, split, 1)
    reached = {"settings": settings, "validation_ndcg@20": found["ndcg@20"], "validation_recall@20": found["recall@20"]}
    if "members" in settings:
        return {**reached, "processor_seconds": seconds, "commit": commit()}
    return {
        **reached, "stopped_by": 1 - model.history_.best, "epochs": model.history_.best_epoch,
        "processor_seconds_an_epoch": seconds / len(model.history_.records), "commit": commit(),
    }  # fmt: skip
