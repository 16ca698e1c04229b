"""Frames in, frames out: what `Recommender` does with raw ids."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from recae._types import IdArray, IntArray, Scores
from recae.errors import DataError, DataWarning, ParameterError
from recae.ranking import top_n
from recae.ratings import RatingMatrix
from recae.ratings.any_frame import as_pandas
from recae.ratings.column_checks import merged_number, refuse_bad_values
from recae.ratings.csr import make_csr
from recae.ratings.ids import as_id_array, plain
from recae.ratings.merging import merging_of
from recae.ratings.repeated_rows import kept_repeats
from recae.ratings.titles import titles_in

__all__ = [
    "allowed_items",
    "as_id_array",
    "check_choice",
    "checked_n",
    "find",
    "find_pairs",
    "new_users",
    "normalised",
    "popular",
    "ranked_frame",
    "require",
    "with_titles",
    "without_unknown",
]


def check_choice(name: str, value: Any, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise ParameterError(name=name, value=value, expected=choices)


def checked_n(n: int, n_items: int) -> int:
    """A list's length, which must be at least 1; of a smaller catalogue, lists have all its items."""
    if isinstance(n, bool) or not isinstance(n, int | np.integer) or n < 1:
        raise ParameterError(name="n", value=n, expected="a number of items, 1 or more")
    return min(int(n), n_items)


def find(ratings: RatingMatrix, kind: Literal["user", "item"], ids: Any, unknown: str, left: str) -> IntArray:
    """Index of each raw id, (n,); -1 for an unknown one, unless `unknown` is "error".

    Args:
        left: what becomes of unknown ids, for the `DataWarning` where `unknown` is "warn".

    Raises:
        UnknownIdError: an id is unknown, and `unknown` is "error".
    """
    look_up = ratings.user_index if kind == "user" else ratings.item_index
    wanted = as_id_array(ids)
    index = look_up(wanted, missing="error" if unknown == "error" else "-1")
    if unknown == "warn" and (index < 0).any():
        warnings.warn(
            f"{(index < 0).sum():,} of {len(index):,} {kind}s are unknown to the model, such as "
            f"{plain(wanted[index < 0][0])!r}: {left}", DataWarning, stacklevel=4,
        )  # fmt: skip
    return index


def find_pairs(ratings: RatingMatrix, users: Any, items: Any, unknown: str) -> tuple[IntArray, IntArray]:
    """User and item index of pairs, (n,) each; one id on either side stands for all.

    Raises:
        ParameterError: there are not equally many users and items.
        UnknownIdError: an id is unknown, and `unknown` is "error".
    """
    left = "their predictions are NaN"
    found = find(ratings, "user", users, unknown, left), find(ratings, "item", items, unknown, left)
    sizes = len(found[0]), len(found[1])
    if sizes[0] != sizes[1] and 1 not in sizes:
        raise ParameterError(f"{sizes[0]} users and {sizes[1]} items: pairs need equally many, or one")
    user_index, item_index = np.broadcast_arrays(*found)
    return user_index, item_index


def without_unknown(predicted: Scores, user_index: IntArray, item_index: IntArray, unknown: str) -> Scores:
    """Predictions of pairs, NaN where an id is unknown (-1), unless the baseline was asked for."""
    if unknown != "baseline":
        predicted[(user_index < 0) | (item_index < 0)] = np.nan
    return predicted


def require(frame: pd.DataFrame, columns: tuple[str, ...], name: str, remedy: str = "rename its columns") -> None:
    missing = [c for c in columns if c not in frame.columns]
    if missing:
        raise DataError(
            f"{name} needs columns {', '.join(columns)}; it has {', '.join(map(str, frame.columns))}", remedy=remedy
        )


def new_users(new_ratings: pd.DataFrame | RatingMatrix, model: Any, *, unknown: str = "warn") -> RatingMatrix:
    """Ratings of unseen users in the item vocabulary of a fitted `model`; items it does not know are left out.

    That is said by a `DataWarning`, unless `unknown` is "ignore".
    Without a column `rating` every row counts 1, except for what predicts ratings: on a scale it would be a bad one.
    Rows of one pair are merged as the training ratings were, by a column `timestamp` where there is one; the times
    themselves are kept for a model that reads dates.

    Raises:
        DataError: a column is missing, or a rating is outside the model's scale.
    """
    known: RatingMatrix = model.ratings_
    if isinstance(new_ratings, RatingMatrix):
        new = new_ratings
        if model.predicts_ratings or new.scale != (1.0, 1.0):  # that of rows without a rating, which count 1
            _refuse_off_scale(new, known.scale)
    else:
        new_ratings = as_pandas(new_ratings)
        columns = ("user", "item", "rating")[: 3 if model.predicts_ratings else 2]
        require(
            new_ratings, columns, "new_ratings", "rename its columns, or pass recae.load(frame, like=model.ratings_)"
        )
        new = _read(new_ratings, known)
        new = new if model.reads_dates else new.with_rows(new.user_rows)
    quiet = "ignore" if unknown == "ignore" else "warn"
    column = find(known, "item", new.item_ids, quiet, "ratings of these are left out")
    users, items, ratings = new.pairs()
    keep = column[items] >= 0
    order = np.flatnonzero(keep)[np.lexsort((column[items[keep]], users[keep]))]
    indptr = np.concatenate([[0], np.cumsum(np.bincount(users[keep], minlength=new.n_users), dtype=np.int64)])
    rows = make_csr(ratings[order], column[items[order]], indptr, (new.n_users, known.n_items))
    stamps = None if new.timestamps is None else new.timestamps[order]
    repeats = kept_repeats(new.repeats, order, new.n_ratings)
    return RatingMatrix(
        rows, new.user_ids, known.item_ids, known.scale, stamps, user_table=new.user_table, name=new.name,
        repeats=repeats,
    )  # fmt: skip


def _read(frame: pd.DataFrame, known: RatingMatrix) -> RatingMatrix:
    """The rows of new users, those of one pair merged as the ratings `known` were."""
    rating, timestamp = (name if name in frame.columns else None for name in ("rating", "timestamp"))
    how = merging_of(known.read_as)
    scale = None if rating is None or how == "sum" else known.scale  # a sum is on the scale, what is added up is not
    new = RatingMatrix.from_frame(
        frame, rating=rating, timestamp=timestamp, scale=scale, duplicates=how, name="new users"
    )
    if rating is not None and how == "sum":
        refuse_bad_values(new.user_rows.data, known.scale, merged_number)
    return new


def _refuse_off_scale(new: RatingMatrix, scale: tuple[float, float]) -> None:
    """Refuse ratings outside `scale`, also those of rows that were merged: what reads events reads these."""

    def where(place: int) -> str:
        user = np.searchsorted(new.user_rows.indptr, place, side="right") - 1
        return f"user {plain(new.user_ids[user])!r}, item {plain(new.item_ids[new.user_rows.indices[place]])!r}"

    refuse_bad_values(new.user_rows.data, scale, where)
    if new.repeats is not None and new.repeats.how not in ("sum", "count"):  # whose scale is not that of single rows
        position = new.repeats.position
        refuse_bad_values(new.repeats.ratings, scale, lambda row: where(int(position[row])))


def allowed_items(
    ratings: RatingMatrix, candidates: Iterable[Any] | None, exclude: Iterable[Any] | None, unknown: str
) -> Any:
    """Which items may be listed, bool (n_items,); unknown ones among the given are passed over, or refused."""
    unknown = "warn" if unknown == "popular" else unknown
    allowed = np.full(ratings.n_items, candidates is None)
    if candidates is not None:
        index = find(ratings, "item", candidates, unknown, "they cannot be listed")
        allowed[index[index >= 0]] = True
    if exclude is not None:
        index = find(ratings, "item", exclude, unknown, "they would not be listed in any case")
        allowed[index[index >= 0]] = False
    return allowed


def popular(ratings: RatingMatrix, n: int, allowed: npt.NDArray[np.bool_]) -> tuple[Any, Any]:
    """The n most rated items among those allowed, and how many ratings they have."""
    counts = ratings.counts("item").astype(np.float32)
    counts[~allowed] = -np.inf
    index, score = top_n(counts[None, :], n)
    return index[0], score[0]


def normalised(vectors: Any) -> Any:
    """Rows divided by their length, dense or sparse; rows of zeros stay."""
    if hasattr(vectors, "tocsr"):
        unit = vectors.tocsr(copy=True)
        length = np.sqrt(unit.power(2) @ np.ones(unit.shape[1]))
        unit.data /= np.repeat(np.where(length > 0, length, 1).astype(unit.dtype), np.diff(unit.indptr))
        return unit
    length = np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors / np.where(length > 0, length, 1)


def ranked_frame(
    ids: IdArray, index: npt.NDArray[Any], score: npt.NDArray[Any], ratings: RatingMatrix,
    *, of: str = "user", found: str = "item",
) -> pd.DataFrame:  # fmt: skip
    """Lists (n_lists, n) as a frame, one row an entry; empty entries (-1) are left out."""
    there = index >= 0
    items = ratings.item_ids[index[there]]
    rank = np.broadcast_to(np.arange(1, index.shape[1] + 1), index.shape)[there]
    columns = {of: np.repeat(ids, there.sum(1)), found: items, "score": score[there], "rank": rank}
    frame = pd.DataFrame(columns, copy=False)  # else pandas copies them into one block a type
    return with_titles(frame, items, ratings)


def with_titles(frame: pd.DataFrame, items: IdArray, ratings: RatingMatrix) -> pd.DataFrame:
    """`frame`, whose rows are about the raw ids `items`, with a column title where the item table has titles."""
    titles = titles_in(ratings.item_table)
    if titles is not None:
        frame["title"] = titles.reindex(items).to_numpy()
    return frame
