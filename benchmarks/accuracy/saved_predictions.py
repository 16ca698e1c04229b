"""Predictions of the accuracy tables' runs, saved in `build/predictions` (not in git).

A blend with given weights is a weighted sum of its members' predictions. Where those of all members are saved, made
with the same settings, no member is fitted again. `tests/test_leagues.py` compares the sum with the fitted blend.
"""

from __future__ import annotations

import json
from typing import Any

import numpy as np

from benchmarks.common.paths import BUILD

FOLDER = BUILD / "predictions"


def settings_key(row: dict[str, Any]) -> str:
    """The settings that a run's predictions follow from, besides the seed."""
    return json.dumps([row.get(key) for key in ("model", "params", "settings", "protocol")], sort_keys=True)


def save_predictions(name: str, row: dict[str, Any], model: Any, test: Any, run: dict[str, Any]) -> None:
    """Write a run's predictions: not clipped, and nan for pairs that the baseline predicts, as a blend adds them."""
    train = model.ratings_
    users, items, _ = test.pairs()
    warm = (train.counts("user")[users] > 0) & (train.counts("item")[items] > 0)
    raw = np.full(len(users), np.nan, np.float32)
    raw[warm] = model._pairs(users[warm], items[warm])
    FOLDER.mkdir(parents=True, exist_ok=True)
    about = json.dumps({"row": settings_key(row), **run})
    np.savez(FOLDER / f"{name}.npz", raw=raw, predicted=model.predict_pairs(users, items), about=np.array(about))


def load_predictions(name: str, row: dict[str, Any]) -> dict[str, Any] | None:
    """What `save_predictions` wrote for this row; None where there is nothing, or other settings made it."""
    file = FOLDER / f"{name}.npz"
    if not file.exists():
        return None
    with np.load(file) as found:
        about: dict[str, Any] = json.loads(str(found["about"]))
        if about["row"] != settings_key(row):
            return None
        return {**about, "raw": found["raw"], "predicted": found["predicted"]}


def blend_figures(members: list[dict[str, Any]], weights: Any, train: Any, test: Any) -> dict[str, Any]:
    """Figures of `Blend(weights=...)` from saved predictions; time is the members' sum, memory their largest."""
    from recae.metrics import mae, rmse

    _, _, ratings = test.pairs()
    weights = np.asarray(weights, np.float64)
    level = (1 - weights.sum()) * train.user_rows.data.mean(dtype=np.float64)
    total = level + sum(weight * member["raw"].astype(np.float64) for weight, member in zip(weights, members))
    cold = np.isnan(total)
    predicted = np.where(cold, members[0]["predicted"], np.clip(total, *train.scale))
    return {
        "rmse": rmse(ratings, predicted), "mae": mae(ratings, predicted),
        "seconds": sum(member["seconds"] for member in members),
        "peak_mb": max(member["peak_mb"] for member in members), "from_kept_predictions": True,
    }  # fmt: skip
