"""From a request's body to its answer, given one model: functions of both, which know nothing of HTTP."""

from __future__ import annotations

from typing import Any

import numpy as np

from recae._types import Csr, IntArray, Mask, Scores
from recae.errors import DataError, ParameterError
from recae.explanation import contributions, explains_exactly
from recae.ratings.ids import plain
from recae.recommender import frames
from recae.recommender.scoring import most_similar
from recae.serving.bodies import ExplainBody, OneUser, PredictBody, RecommendBody, SimilarBody
from recae.serving.limits import Limits
from recae.serving.live_events import explain_dated, live_ratings, live_row, named, predict_live, read_events, short
from recae.serving.served_model import ServedModel

FOUND = 100  # items or users that a search gives, at most


def recommend(served: ServedModel, body: RecommendBody, limits: Limits) -> dict[str, Any]:
    """Lists of one user, of several, or of a live one."""
    model, ratings = served.model, served.model.ratings_
    limits.check("items a list", body.n, limits.n)
    n = frames.checked_n(body.n, ratings.n_items)
    allowed = _allowed(served, body, limits)
    if body.events is not None:
        live = read_events(served, body.events, limits)
        found = model.recommend_row(
            live.items, live.ratings, n, filter_seen=body.filter_seen, allowed=allowed, timestamps=live.times
        )
        return {"items": _listed(served, *found), **_said(live.left_out)}
    wanted = [body.user] if body.users is None else body.users
    limits.check("users", len(wanted), limits.users)
    known = ratings.user_index(wanted, missing="error" if body.unknown == "error" else "-1")
    lists = _of_known(served, known, body, allowed)
    if body.users is None:
        return {"items": lists[0]}
    return {"lists": [{"user": user, "items": items} for user, items in zip(wanted, lists)]}


def predict(served: ServedModel, body: PredictBody, limits: Limits) -> dict[str, Any]:
    """Ratings of items by one user."""
    model, ratings = served.model, served.model.ratings_
    limits.check("items", len(body.items), limits.items)
    items = ratings.item_index(body.items)
    moment: dict[str, Any] = {} if body.timestamp is None else {"timestamps": body.timestamp}
    if moment and not (model.reads_dates and model.predicts_ratings):
        raise ParameterError(f"{type(model).__name__} reads no dates", name="timestamp", value=body.timestamp)
    left_out = list[Any]()
    if body.events is None:
        user = ratings.user_index([body.user])
        found = model.predict_pairs(np.broadcast_to(user, items.shape), items, **moment)
    else:
        live = read_events(served, body.events, limits)
        left_out = live.left_out
        found = predict_live(model, live, items, body.timestamp)
    return {
        "predictions": [{**named(served, i), "rating": rating} for i, rating in zip(items.tolist(), short(found))],
        **_said(left_out),
    }


def similar(served: ServedModel, body: SimilarBody, limits: Limits) -> dict[str, Any]:
    """The items nearest to one."""
    ratings = served.model.ratings_
    limits.check("items a list", body.n, limits.n)
    n = frames.checked_n(body.n, ratings.n_items)
    index, scores = most_similar(*served.unit_vectors, ratings.item_index([body.item]), n)
    return {"item": body.item, "items": _listed(served, index[0], scores[0])}


def explain(served: ServedModel, body: ExplainBody, limits: Limits) -> dict[str, Any]:
    """What each rating of a user adds to the scores of items, the largest first."""
    model, ratings = served.model, served.model.ratings_
    if body.n < 1:
        raise ParameterError(name="n", value=body.n, expected="at least 1 contribution")
    limits.check("items to explain", len(body.items), limits.users)
    row, dated, left_out = _row(served, body, limits)
    if row.nnz == 0:
        raise DataError("the user has no rating of an item that the model knows: there is nothing to explain by")
    if not explains_exactly(model) and row.nnz > limits.explained:
        raise ParameterError(
            f"the user has {row.nnz:,} ratings; a model that is not linear is explained by leaving out each of them, "
            f"and one request may have {limits.explained}"
        )
    if dated is not None:
        listed = [explain_dated(served, dated, item, body.n) for item in body.items]
        return {"exact": explains_exactly(model), "explanations": listed, **_said(left_out)}
    targets = ratings.item_index(body.items)
    explained = zip(targets.tolist(), *contributions(model, row, targets))
    return {
        "exact": explains_exactly(model),
        "explanations": [_explanation(served, row, *one, n=body.n) for one in explained],
        **_said(left_out),
    }


def find_items(served: ServedModel, query: str, n: int) -> dict[str, Any]:
    """Items whose titles (or ids) hold the words of a query."""
    return {"items": [named(served, i) for i in served.items.find(query, min(n, FOUND))]}


def find_users(served: ServedModel, query: str, n: int) -> dict[str, Any]:
    """Known users whose ids hold a text."""
    ids = served.model.ratings_.user_ids
    return {"users": [plain(ids[i]) for i in served.users.find(query, min(n, FOUND))]}


# ---------------------------------------------------------------- parts of requests


def _row(served: ServedModel, body: OneUser, limits: Limits) -> tuple[Csr, Any, list[Any]]:
    """The user's ratings, (1, n_items); their times; and items of events that the model does not know.

    Times are what `recae.explain` is told: an id, or a live user's ratings. None where the model reads no dates, or a
    live user gives none.
    """
    model, ratings = served.model, served.model.ratings_
    if body.events is None:
        row = ratings.user_rows[ratings.user_index([body.user])]
        return row, body.user if model.reads_dates and ratings.timestamps is not None else None, []
    live = read_events(served, body.events, limits)
    if live.times is not None and model.reads_dates:
        new = live_ratings(model, live)
        return new.user_rows, new, live.left_out
    return live_row(model, live), None, live.left_out


def _allowed(served: ServedModel, body: RecommendBody, limits: Limits) -> Mask | None:
    """Which items may be listed, bool (n_items,); None for all."""
    if body.candidates is None and body.exclude is None and body.where is None:
        return None
    limits.check("candidates", len(body.candidates or ()), limits.items)
    limits.check("items to exclude", len(body.exclude or ()), limits.items)
    allowed: Mask = frames.allowed_items(
        served.model.ratings_, body.candidates, body.exclude, "error" if body.unknown == "error" else "ignore"
    )
    return allowed if body.where is None else allowed & served.where(body.where)


def _of_known(
    served: ServedModel, user_index: IntArray, body: RecommendBody, allowed: Mask | None
) -> list[list[dict[str, Any]]]:
    """A list for each user; the most popular items for -1."""
    model, known = served.model, user_index >= 0
    n = frames.checked_n(body.n, model.ratings_.n_items)
    found = model.recommend_users(user_index[known], n, filter_seen=body.filter_seen, allowed=allowed)
    lists = iter([_listed(served, index, scores) for index, scores in zip(*found)])
    if known.all():
        return list(lists)
    everything = np.ones(model.ratings_.n_items, bool) if allowed is None else allowed
    popular = _listed(served, *frames.popular(model.ratings_, n, everything))
    return [next(lists) if is_known else popular for is_known in known]


# ---------------------------------------------------------------- parts of answers


def _listed(served: ServedModel, index: IntArray, scores: Scores) -> list[dict[str, Any]]:
    """A list, as long as there are items (-1 is none)."""
    titles, ids = served.titles, served.item_ids
    return [
        {"item": ids[i], "title": titles[i], "score": score, "rank": rank}
        for rank, (i, score) in enumerate(zip(index.tolist(), short(scores)), 1)
        if i >= 0
    ]


def _explanation(
    served: ServedModel, row: Csr, target: int, score: float, base: float, found: Scores, *, n: int
) -> dict[str, Any]:
    order = np.argsort(-found, kind="stable")[:n]
    score, base = short(np.array([score, base]))
    parts = zip(row.indices[order].tolist(), short(row.data[order]), short(found[order]))
    listed = [{**named(served, item), "rating": rating, "contribution": part} for item, rating, part in parts]
    return {**named(served, target), "score": score, "base": base, "contributions": listed}


def _said(left_out: list[Any]) -> dict[str, Any]:
    return {"left_out": left_out} if left_out else {}
