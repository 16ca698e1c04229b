"""What a user does with ratings and with models, and what is wrong with what comes out."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

import recae


def toy_ratings(seed: int = 0, n: int = 300) -> recae.RatingMatrix:
    """300 ratings of 20 users and 30 items, with times and titles."""
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame({
        "user": rng.integers(0, 20, n), "item": [f"i{k}" for k in rng.integers(0, 30, n)],
        "rating": rng.integers(1, 6, n).astype(float), "timestamp": rng.integers(0, 10**6, n),
    })  # fmt: skip
    table = pd.DataFrame(
        {"item": [f"i{k}" for k in range(30)], "title": [f"T{k}" for k in range(30)], "genres": ["A|B", "A"] * 15}
    )
    return recae.RatingMatrix.from_frame(frame, timestamp="timestamp", item_table=table)


def of_model(model: Any) -> Iterator[str]:
    """What is wrong with what a user gets from a model."""
    ratings = model.ratings_
    n, known = min(5, ratings.n_items), set(ratings.item_ids.tolist())
    new = pd.DataFrame({"user": "new", "item": ratings.item_ids[:3], "rating": ratings.scale[1]})
    lists = {"recommend": model.recommend(ratings.user_ids[:3], n), "recommend_new": model.recommend_new(new, n)}
    lists["similar_items"] = model.similar_items(ratings.item_ids[:2], min(3, ratings.n_items))
    for name, frame in lists.items():
        listed = "similar" if name == "similar_items" else "item"
        if not np.isfinite(frame["score"]).all() or not set(frame[listed]) <= known:
            yield f"{name}: not finite, or of unknown items"
        if frame.duplicated(["item" if name == "similar_items" else "user", listed]).any():
            yield f"{name}: an item twice"
    if model.predicts_ratings:
        dates = {"timestamps": np.full(ratings.n_items, 5)} if model.reads_dates else {}
        known_users = model.predict(ratings.user_ids[0], ratings.item_ids, **dates)
        new_users = model.predict_new(new, pd.DataFrame({"user": "new", "item": ratings.item_ids[:2]}))
        for values in (known_users, np.asarray(new_users)):
            low, high = ratings.scale
            if not (np.isfinite(values).all() and (values >= low - 1e-4).all() and (values <= high + 1e-4).all()):
                yield "predictions: not finite, or outside the scale"


def of_ratings(ratings: recae.RatingMatrix) -> Iterator[str]:
    """What is wrong with ratings: they are canonical CSR, finite and within the scale, of distinct ids."""
    rows, (low, high) = ratings.user_rows, ratings.scale
    if not (np.isfinite(rows.data).all() and low <= high and (rows.data >= low).all() and (rows.data <= high).all()):
        yield "ratings are not finite, or outside the scale"
    if rows.nnz == 0 or rows.indices.min() < 0 or rows.indices.max() >= ratings.n_items:
        yield "there are no ratings, or some are of no item"
    if any((np.diff(rows.indices[a:b]) <= 0).any() for a, b in zip(rows.indptr, rows.indptr[1:])):
        yield "the items of a row do not rise"
    for ids in (ratings.user_ids, ratings.item_ids):
        if len({(type(one).__name__, str(one)) for one in ids.tolist()}) != len(
            ids
        ):  # 1 and "1" are two, and it is said
            yield "ids are not distinct"
    if ratings.timestamps is not None and len(ratings.timestamps) != rows.nnz:
        yield "not one time a rating"


def table_of(ratings: recae.RatingMatrix) -> dict[tuple[str, str], tuple[float, int | None]]:
    """Pair of ids to rating and time."""
    frame = ratings.to_frame()
    times = frame["timestamp"].tolist() if "timestamp" in frame else [None] * len(frame)
    return {
        (str(user), str(item)): (float(rating), time)
        for user, item, rating, time in zip(frame["user"], frame["item"], frame["rating"], times)
    }
