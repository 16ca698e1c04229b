"""Frames in, frames out: what `Recommender` does with raw ids."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from recae._types import IdArray
from recae.errors import DataError, ParameterError
from recae.ranking import top_n
from recae.ratings import RatingMatrix
from recae.ratings.any_frame import as_pandas
from recae.ratings.csr import make_csr
from recae.ratings.ids import as_id_array, plain

__all__ = [
    "allowed_items",
    "as_id_array",
    "check_choice",
    "check_n",
    "new_users",
    "normalised",
    "popular",
    "ranked_frame",
    "require",
    "with_titles",
]


def check_choice(name: str, value: Any, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise ParameterError(name=name, value=value, expected=choices)


def check_n(n: int, n_items: int) -> None:
    """A list's length must be at least 1 and at most the catalogue's."""
    if isinstance(n, bool) or not isinstance(n, int | np.integer) or not 1 <= n <= n_items:
        raise ParameterError(name="n", value=n, expected=f"a number from 1 to {n_items}, the items of the catalogue")


def require(frame: pd.DataFrame, columns: tuple[str, ...], name: str) -> None:
    missing = [c for c in columns if c not in frame.columns]
    if missing:
        raise DataError(f"{name} needs columns {', '.join(columns)}; it has {', '.join(map(str, frame.columns))}")


def new_users(new_ratings: pd.DataFrame | RatingMatrix, known: RatingMatrix, *, needs_rating: bool) -> RatingMatrix:
    """Ratings of unseen users in the model's item vocabulary; items it does not know are left out, with a warning.

    Without a column `rating` every row counts 1, which `needs_rating` forbids: on a scale it would be a bad one.
    """
    if isinstance(new_ratings, RatingMatrix):
        new = new_ratings
    else:
        new_ratings = as_pandas(new_ratings)
        require(new_ratings, ("user", "item", "rating")[: 3 if needs_rating else 2], "new_ratings")
        rating = "rating" if "rating" in new_ratings.columns else None
        scale = None if rating is None else known.scale
        new = RatingMatrix.from_frame(new_ratings, rating=rating, scale=scale, name="new users")
    column = known.item_index(new.item_ids, missing="-1")
    if (column < 0).any():
        unknown = plain(new.item_ids[column < 0][0])
        warnings.warn(
            f"{(column < 0).sum()} of {len(column)} items are unknown to the model and left out, such as {unknown!r}",
            stacklevel=3,
        )
    users, items, ratings = new.pairs()
    keep = column[items] >= 0
    order = np.lexsort((column[items[keep]], users[keep]))
    indptr = np.concatenate([[0], np.cumsum(np.bincount(users[keep], minlength=new.n_users), dtype=np.int64)])
    rows = make_csr(ratings[keep][order], column[items[keep]][order], indptr, (new.n_users, known.n_items))
    return RatingMatrix(rows, new.user_ids, known.item_ids, known.scale, name=new.name)


def allowed_items(ratings: RatingMatrix, candidates: Iterable[Any] | None, exclude: Iterable[Any] | None) -> Any:
    """Which items may be listed, bool (n_items,)."""
    allowed = np.full(ratings.n_items, candidates is None)
    if candidates is not None:
        allowed[ratings.item_index(candidates)] = True
    if exclude is not None:
        allowed[ratings.item_index(exclude)] = False
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
        from sklearn.preprocessing import normalize

        return normalize(vectors)
    length = np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors / np.where(length > 0, length, 1)


def ranked_frame(
    ids: IdArray, index: npt.NDArray[Any], score: npt.NDArray[Any], ratings: RatingMatrix,
    *, of: str = "user", found: str = "item",
) -> pd.DataFrame:  # fmt: skip
    """Lists (n_lists, n) as a frame, one row an entry; empty entries (-1) are left out."""
    row, rank = np.nonzero(index >= 0)
    items = ratings.item_ids[index[row, rank]]
    frame = pd.DataFrame({of: ids[row], found: items, "score": score[row, rank], "rank": rank + 1})
    return with_titles(frame, items, ratings)


def with_titles(frame: pd.DataFrame, items: IdArray, ratings: RatingMatrix) -> pd.DataFrame:
    """`frame`, whose rows are about the raw ids `items`, with a column title where the item table has one."""
    table = ratings.item_table
    if table is not None and "title" in table.columns:
        frame["title"] = table["title"].reindex(items).to_numpy()
    return frame
