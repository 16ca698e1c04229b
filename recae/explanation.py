"""Why an item is recommended: what each past rating adds to its score."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from scipy import sparse

from recae._types import Csr, FloatArray, IntArray
from recae.errors import DataError, ParameterError
from recae.models import Recommender
from recae.models.ensemble.auto import answering
from recae.models.ensemble.ranking_blend import RankingBlend
from recae.models.ensemble.recency import Recency
from recae.models.sessions.event_contributions import event_contributions
from recae.models.sessions.session_model import SessionModel, sessions_of_new
from recae.ratings import RatingMatrix
from recae.ratings.csr import make_csr
from recae.recommender import frames
from recae.recommender.contract import fitted_ratings

AT_ONCE = 1 << 20  # ratings of the copies of a row that are in memory together


def explain(model: Recommender, user: Any, item: Any, *, n: int | None = None) -> pd.DataFrame:
    """What each of a user's ratings adds to the score of `item`, the largest contribution first.

    Linear models (`Recommender.linear`: EASE and its relatives, PCA, linear autoencoders, ItemKNN, SLIM) score a row
    by base + Σ x_i B_ij, where base is the score of an empty row (0 but for centred models): the contribution of
    rating i is x_i B_ij, and all of them and the base sum to the score, up to float32. Of other models it is what the
    score loses when the rating is left out (and nothing else is changed); these need not sum to anything. Models of
    sessions, and blends of them, are explained by events in the order of time, rows that repeat a pair each by itself;
    of n events, more than 4,096, by the latest 2^24 / n. The score of a rating model is what `predict_new` answers,
    unclipped: drawn towards the biases, where the fit has drawn it.

    Args:
        model: fitted.
        user: raw id of a known user; or what an unseen user rated, as a frame with item, rating (where the model
            reads ratings) and perhaps user, or as a `RatingMatrix` of one user. A known user is explained as an
            unseen one with the same ratings; models with parameters for each known user score these a little otherwise.
        item: raw id of the item whose score is explained; the user may have rated it.
        n: contributions that are given, at most; None for all.

    Returns:
        A frame with item, rating, contribution (in units of the score, unclipped), and title where titles are known;
        of equal contributions the item earlier in the catalogue comes first. `attrs` has score, base and exact (bool);
        and popularity, where a ranker's lists add it (`DrawnToPopularity`): that part of base, and so of the score.
        Models of sessions add session (from 1), timestamp (where it is known) and, with attention, event_attention
        (of the last session's events, which sum to 1) and session_attention (of the sessions before it, each once).

    Raises:
        NotFittedError: the model has learnt nothing yet.
        ParameterError: n is below 1.
        UnknownIdError: the user or the item was not in training.
        DataError: the user has no ratings of items that the model knows, or several users are given.
    """
    ratings, model = fitted_ratings(model), answering(model)
    if n is not None and n < 1:
        raise ParameterError(name="n", value=n, expected="at least 1 contribution")
    by_events = _reader_of_events(model)
    if by_events is not None:
        return _by_events(model, by_events, user, item, n)
    rated = _ratings_of(model, ratings, user)
    row = rated.source.user_rows[[rated.user]]
    reader, read = model.as_read(*rated) if isinstance(model, Recency) else (model, row)
    score, base, found = contributions(reader, read, ratings.item_index([item]))
    order = np.argsort(-found[0], kind="stable")[:n]
    frame = _frame(ratings, row.indices[order], row.data[order], found[0][order])
    frame.attrs.update(score=float(score[0]), base=float(base[0]), exact=explains_exactly(reader))
    if reader.prior_ is not None:
        frame.attrs["popularity"] = float(_popularity(reader, ratings.item_index([item]))[0])
    return frame


def explains_exactly(model: Recommender) -> bool:
    """Whether contributions and the base sum to the score: of a linear model whose answers are its own."""
    return model.linear and not model._is_drawn()


def contributions(model: Recommender, row: Csr, item_index: IntArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """What each rating of a row adds to the scores of some items; see `explain`.

    Args:
        model: fitted.
        row: one user's ratings, (1, n_items).
        item_index: columns of the items whose scores are explained, (m,).

    Returns:
        Scores (m,), those of an empty row (m,), and contributions (m, nnz), in the order of the row's ratings. A
        ranker's scores are those of lists: what these add for popularity is in both of the first.
    """
    listed = _popularity(model, item_index)
    score, base = _scores(model, sparse.csr_array(sparse.vstack([row, _nothing(row)])), item_index)
    if explains_exactly(model):
        return score + listed, base + listed, (_scores(model, _singles(row), item_index) - base).T
    size = max(1, AT_ONCE // row.nnz) if row.nnz else 1
    parts = [_scores(model, _without(row, k, min(k + size, row.nnz)), item_index) for k in range(0, row.nnz, size)]
    without = np.concatenate([np.empty((0, len(item_index)), np.float32), *parts])
    return score + listed, base + listed, (score - without).T


def _reader_of_events(model: Recommender) -> SessionModel | None:
    """What cuts events into sessions: the model itself, or the first member of a blend of nothing but such models."""
    members = model.models_ if isinstance(model, RankingBlend) else [model]
    readers = [member for member in members if isinstance(member, SessionModel)]
    return readers[0] if len(readers) == len(members) else None


def _by_events(model: Any, reader: SessionModel, user: Any, item: Any, n: int | None) -> pd.DataFrame:
    """`explain` of a model that reads the order of events, which `reader` cuts into sessions."""
    ratings = model.ratings_
    new = _new_user(model, user)
    if new is None:
        events = reader.sessions_.of_users(ratings.user_index([user]))
    else:
        events = sessions_of_new(new, 60 * reader.gap)
    if events.n_events == 0:
        raise _nothing_to_explain_by(user, new)
    score, base, found = event_contributions(model, events, 0, ratings.item_index([item]))
    order = np.argsort(-found[0], kind="stable")[:n]
    chosen = events.n_events - found.shape[1] + order
    frame = _frame(ratings, events.items[chosen], events.values[chosen], found[0][order])
    columns = {"session": events.session_of[chosen] + 1}
    if new is None or new.timestamps is not None:
        columns["timestamp"] = events.times[chosen]
    attention = reader.attention_of(events, 0) if reader is model else {}
    columns.update({name: values[chosen] for name, values in attention.items()})
    for place, (name, values) in enumerate(columns.items(), 3):  # before the titles
        frame.insert(place, name, values)
    frame.attrs.update(score=float(score[0]), base=float(base[0]), exact=False)
    return frame


def _new_user(model: Recommender, user: Any) -> RatingMatrix | None:
    """The ratings of an unseen user in the model's item columns; None for an id."""
    if not isinstance(user, pd.DataFrame | RatingMatrix):
        return None
    named = user.assign(user="new user") if isinstance(user, pd.DataFrame) and "user" not in user else user
    new = frames.new_users(named, model)
    if new.n_users != 1:
        raise DataError(f"ratings of {new.n_users} users are given, and one user's score is explained at a time")
    return new


def _nothing_to_explain_by(user: Any, new: RatingMatrix | None) -> DataError:
    name = f"user {user!r}" if new is None else "the new user"
    return DataError(f"{name} has no rating of an item that the model knows: there is nothing to explain by")


class _Rated(NamedTuple):
    """One user of some ratings whose columns are the model's: `user` is the index."""

    source: RatingMatrix
    user: int


def _ratings_of(model: Recommender, ratings: RatingMatrix, user: Any) -> _Rated:
    """The user, who has a rating of an item that the model knows."""
    new = _new_user(model, user)
    found = _Rated(ratings, int(ratings.user_index([user])[0])) if new is None else _Rated(new, 0)
    if found.source.counts("user")[found.user] == 0:
        raise _nothing_to_explain_by(user, new)
    return found


def _nothing(row: Csr) -> Csr:
    return make_csr(row.data[:0], row.indices[:0], np.zeros(2, np.int64), (1, row.shape[1]))


def _singles(row: Csr) -> Csr:
    """One row a rating, holding only it, (nnz, n_items)."""
    return sparse.csr_array((row.data, row.indices, np.arange(row.nnz + 1)), shape=(row.nnz, row.shape[1]))


def _without(row: Csr, first: int, stop: int) -> Csr:
    """One row for each of the ratings `first` to `stop`, holding all the others, (stop - first, n_items)."""
    n, m = row.nnz, stop - first
    others = np.arange(n) != np.arange(first, stop)[:, None]
    data, indices = (np.broadcast_to(array, (m, n))[others] for array in (row.data, row.indices))
    rows: Csr = sparse.csr_array((data, indices, np.arange(m + 1) * (n - 1)), shape=(m, row.shape[1]))
    return rows


def _scores(model: Recommender, rows: Csr, item_index: IntArray) -> FloatArray:
    """The scores of some items in each row, (n_rows, m); of a rating model what it answers, drawn to the biases."""
    n, m = rows.shape[0], len(item_index)
    return model._answers_new(rows, np.repeat(np.arange(n), m), np.tile(item_index, n)).reshape(n, m)


def _popularity(model: Recommender, item_index: IntArray) -> FloatArray:
    """What lists add to the scores of some items, whatever a row holds, (m,)."""
    prior = model.prior_
    return np.zeros(len(item_index), np.float32) if prior is None or not model.personal else prior[item_index]


def _frame(ratings: RatingMatrix, index: Any, given: FloatArray, contributions: FloatArray) -> pd.DataFrame:
    items = ratings.item_ids[index]
    frame = pd.DataFrame({"item": items, "rating": given, "contribution": contributions})
    return frames.with_titles(frame, items, ratings)
