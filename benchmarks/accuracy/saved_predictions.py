"""Predictions of the accuracy tables' runs, kept in `build/predictions` (not in git).

A blend with given weights is a weighted sum of them: where all of its members' runs are there, made with the same
settings, it needs no member fitted again. `tests/test_leagues.py` holds the sum to the model.
"""

from __future__ import annotations

import json
from typing import Any

import numpy as np

from benchmarks.common.paths import BUILD

FOLDER = BUILD / "predictions"


def key_of(row: dict[str, Any]) -> str:
    """What a run's predictions follow from, besides the seed."""
    return json.dumps([row.get(key) for key in ("model", "params", "settings", "protocol")], sort_keys=True)


def keep(path: str, row: dict[str, Any], model: Any, test: Any, run: dict[str, Any]) -> None:
    """Write what a run predicts: unclipped, and nan for pairs that the baseline predicts, as a blend takes them."""
    train = model.ratings_
    users, items, _ = test.pairs()
    warm = (train.counts("user")[users] > 0) & (train.counts("item")[items] > 0)
    raw = np.full(len(users), np.nan, np.float32)
    raw[warm] = model._pairs(users[warm], items[warm])
    FOLDER.mkdir(parents=True, exist_ok=True)
    about = json.dumps({"row": key_of(row), **run})
    np.savez(FOLDER / f"{path}.npz", raw=raw, predicted=model.predict_pairs(users, items), about=np.array(about))


def kept(path: str, row: dict[str, Any]) -> dict[str, Any] | None:
    """What `keep` wrote for this row; None where there is nothing, or it was made with other settings."""
    file = FOLDER / f"{path}.npz"
    if not file.exists():
        return None
    with np.load(file) as found:
        about = json.loads(str(found["about"]))
        return {**about, "raw": found["raw"], "predicted": found["predicted"]} if about["row"] == key_of(row) else None


def blended(members: list[dict[str, Any]], weights: Any, train: Any, test: Any) -> dict[str, Any]:
    """Figures of `Blend(weights=...)` over kept runs; time is their sum, memory the largest."""
    _, _, ratings = test.pairs()
    weights = np.asarray(weights, np.float64)
    level = (1 - weights.sum()) * train.user_rows.data.mean(dtype=np.float64)
    total = level + sum(weight * member["raw"].astype(np.float64) for weight, member in zip(weights, members))
    cold = np.isnan(total)
    predicted = np.where(cold, members[0]["predicted"], np.clip(total, *train.scale))
    error = predicted - ratings
    return {
        "rmse": float(np.sqrt(np.mean(error**2))), "mae": float(np.abs(error).mean()),
        "seconds": sum(member["seconds"] for member in members),
        "peak_mb": max(member["peak_mb"] for member in members), "from_kept_predictions": True,
    }  # fmt: skip
