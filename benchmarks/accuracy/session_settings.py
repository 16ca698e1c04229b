"""Settings of session models, chosen on the validation part."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import Any

from benchmarks.common.record import read

# V-SKNN's candidates; the best NDCG@20 of at most 2,000 validation events is taken.
GRID = {"length": (5, 20, 100), "decay": (0.8, 0.95, 1.0), "idf": (0.0, 1.0), "k": (100, 300)}
# Of recurrent models, over the defaults; each is stopped by validation, and the best figure there is taken.
RECURRENT: tuple[dict[str, Any], ...] = ({}, {"hidden": 128}, {"dropout": 0.4})


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


def best_recurrent(data: str) -> dict[str, Any]:
    """The settings that `choose` found best on this data; nothing, which is the defaults, where it was not run."""
    log = read(f"sessions-choose-{data}", {"log": []})["log"]
    return dict(max(log, key=lambda one: one["validation_ndcg@20"])["settings"]) if log else {}


def choose_recurrent(split: Any) -> Iterator[dict[str, Any]]:
    """What each candidate reaches on the validation part, of the model without a hierarchy."""
    import recae

    for candidate in RECURRENT:
        model: Any = recae.make_model("session-rnn", hierarchy="none", patience=3, **candidate)
        model.fit(split.train, split.validation, progress=False)
        yield {
            "settings": candidate, "validation_ndcg@20": 1 - model.history_.best, "epochs": model.history_.best_epoch,
            "seconds_an_epoch": model.history_.seconds / len(model.history_.records),
        }  # fmt: skip
