"""`RatingMatrix`: who rated what, and how. The one data type that everything else is given.

Torch-free. Missing means *not stored*, never zero: a stored 0 (or a negative rating, as in Jester)
is a rating like any other.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, Literal, cast

import numpy as np
import numpy.typing as npt
import pandas as pd

from recae._types import Csr, IdArray, IntArray
from recae.errors import DataError, ParameterError
from recae.ratings.any_frame import as_pandas
from recae.ratings.column_checks import (
    finite_ratings,
    indexed,
    refuse_bad_values,
    refuse_missing_ids,
    refuse_one_name_twice,
    require_columns,
    row_number,
)
from recae.ratings.csr import k_core, make_csr, to_csr
from recae.ratings.description import described
from recae.ratings.ids import factorise_both, look_up, plain, say_alike
from recae.ratings.merging import Duplicates, say_merged, scale_after
from recae.ratings.repeated_rows import Repeats, as_ones, kept_repeats
from recae.ratings.shown_ratings import ShownRatings
from recae.ratings.times import Where, seconds

By = Literal["user", "item"]


@dataclass(frozen=True, eq=False, repr=False)
class RatingMatrix(ShownRatings):
    """Ratings of `n_users` users for `n_items` items, frozen.

    Attributes:
        user_rows: CSR float32, shape (n_users, n_items), columns sorted, no duplicates.
        user_ids: raw user ids, shape (n_users,); row u of `user_rows` belongs to `user_ids[u]`.
        item_ids: raw item ids, shape (n_items,).
        scale: lowest and highest rating that can be given.
        timestamps: seconds since 1970, int64, aligned with `user_rows.data`; None where unknown.
        item_table: what is known of items (title, genres, ...), indexed by raw item id.
        user_table: what is known of users, indexed by raw user id.
        name: what `repr` and reports call it.
        read_as: what was stated of the file that it is from (columns, encoding, ...), by the names of `recae.load`.
        repeats: rows of pairs that were merged, where times are known: a split by time cuts these.
    """

    user_rows: Csr
    user_ids: IdArray
    item_ids: IdArray
    scale: tuple[float, float]
    timestamps: IntArray | None = None
    item_table: pd.DataFrame | None = None
    user_table: pd.DataFrame | None = None
    name: str = "ratings"
    read_as: dict[str, Any] = field(default_factory=dict)
    repeats: Repeats | None = None
    _cache: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.user_rows.shape != self.shape:
            raise DataError(
                f"user_rows has shape {self.user_rows.shape}, but there are {self.n_users} user ids "
                f"and {self.n_items} item ids"
            )
        if self.timestamps is not None and len(self.timestamps) != self.user_rows.nnz:
            raise DataError(f"{len(self.timestamps)} timestamps for {self.user_rows.nnz} ratings; one each is needed")
        refuse_one_name_twice(user=self.user_table, item=self.item_table)

    # ---------------------------------------------------------------- making one

    @classmethod
    def from_frame(
        cls,
        frame: Any,
        *,
        user: str = "user",
        item: str = "item",
        rating: str | None = "rating",
        timestamp: str | None = None,
        scale: tuple[float, float] | None = None,
        duplicates: Duplicates = "last",
        item_table: pd.DataFrame | None = None,
        user_table: pd.DataFrame | None = None,
        name: str = "ratings",
    ) -> RatingMatrix:
        """Ratings from a table with one row a rating.

        Args:
            frame: of pandas, polars or Arrow, or a dict of columns; at least the columns named by `user` and `item`,
                with ids of any hashable type.
            user, item, rating, timestamp: names of the columns. `rating=None` for implicit data
                (every row counts 1). Timestamps are seconds since 1970, or datetimes.
            scale: lowest and highest possible rating; by default those that occur.
            duplicates: what to do when a pair occurs more than once: keep the `last` or the `first` row (by timestamp
                where there is one, else by order), the `mean`, the `sum` or the `max` of the ratings, `count` the
                rows, or raise an `error`. What was merged is said by a `DataWarning`.

        Raises:
            DataError: a column is missing, the table is empty, an id is missing, or a rating is not a
                finite number inside the scale. The message names the row (counted from 1).
        """
        frame = as_pandas(frame)
        columns = {"user": user, "item": item, "rating": rating, "timestamp": timestamp}
        require_columns(frame, [c for c in columns.values() if c is not None])
        if frame.empty:
            raise DataError("the table has no rows; at least one rating is needed")
        for column in (user, item):
            refuse_missing_ids(frame[column], column)
        ratings = np.ones(len(frame), np.float32) if rating is None else finite_ratings(frame[rating], rating)
        stamps = None if timestamp is None else seconds(frame[timestamp], timestamp, row_number)
        return cls.from_columns(
            frame[user], frame[item], ratings, stamps, scale=scale, duplicates=duplicates,
            item_table=item_table, user_table=user_table, name=name,
        )  # fmt: skip

    @classmethod
    def from_columns(
        cls,
        users: Any,
        items: Any,
        ratings: npt.NDArray[np.floating[Any]],
        timestamps: IntArray | None = None,
        *,
        scale: tuple[float, float] | None = None,
        duplicates: Duplicates = "last",
        item_table: pd.DataFrame | None = None,
        user_table: pd.DataFrame | None = None,
        name: str = "ratings",
        where: Where = row_number,
    ) -> RatingMatrix:
        """Ratings from aligned columns (arrays or series of one length); the fast way in.

        `where` says how messages call the rating at a position (a loader: by the line of its file).

        Raises:
            DataError: a rating is not finite or outside `scale` (the message names the row).
        """
        values = np.ascontiguousarray(ratings, dtype=np.float32)
        if len(values) == 0:
            raise DataError("there are no ratings; at least one is needed")
        refuse_bad_values(values, scale, where)
        user_codes, user_ids, item_codes, item_ids = factorise_both(users, items)
        rows, stamps, runs = to_csr(
            user_codes, item_codes, values, timestamps, (len(user_ids), len(item_ids)), duplicates,
            lambda row: f"user {plain(user_ids[user_codes[row]])!r}, item {plain(item_ids[item_codes[row]])!r}",
            where,
        )  # fmt: skip
        say_merged(name, len(values), rows.nnz, duplicates)
        say_alike(user_ids, "user")
        say_alike(item_ids, "item")
        low, high = scale or scale_after(duplicates, rows.data, float(values.min()), float(values.max()))
        if scale is not None and duplicates in ("sum", "count"):
            refuse_bad_values(rows.data, scale, lambda row: f"merged rating {row + 1}")
        return cls(
            rows, user_ids, item_ids, (float(low), float(high)), stamps,
            indexed(item_table, "item", item_ids), indexed(user_table, "user", user_ids), name,
            repeats=None if runs is None else Repeats(*runs, duplicates),
        )  # fmt: skip

    def with_rows(self, user_rows: Csr, timestamps: IntArray | None = None, **changes: Any) -> RatingMatrix:
        """The same users, items and tables with other ratings, shape (n_users, n_items)."""
        return replace(self, user_rows=user_rows, timestamps=timestamps, _cache={}, **{"repeats": None, **changes})

    def select(self, keep: npt.NDArray[np.bool_]) -> RatingMatrix:
        """The ratings where `keep` (shape (n_ratings,), in the order of `user_rows.data`) is true.

        Users and items stay what they are, so that parts of one matrix share their indices.
        """
        if keep.dtype != np.bool_ or keep.shape != (self.n_ratings,):
            raise ParameterError(f"keep is {keep.dtype} {keep.shape}: one bool for each rating, ({self.n_ratings},)")
        indptr = np.concatenate([[0], np.cumsum(keep, dtype=np.int64)])[self.user_rows.indptr]
        rows = make_csr(self.user_rows.data[keep], self.user_rows.indices[keep], indptr, self.shape)
        stamps = None if self.timestamps is None else self.timestamps[keep]
        return self.with_rows(rows, stamps, repeats=kept_repeats(self.repeats, np.flatnonzero(keep), len(keep)))

    # ---------------------------------------------------------------- what it is

    @property
    def shape(self) -> tuple[int, int]:
        return (len(self.user_ids), len(self.item_ids))

    @property
    def n_users(self) -> int:
        return len(self.user_ids)

    @property
    def n_items(self) -> int:
        return len(self.item_ids)

    @property
    def n_ratings(self) -> int:
        return int(self.user_rows.nnz)

    def __len__(self) -> int:
        return self.n_ratings

    @property
    def density(self) -> float:
        return self.n_ratings / max(1, self.n_users * self.n_items)

    @property
    def mean(self) -> float:
        """Mean rating; NaN where there is none."""
        if "mean" not in self._cache:
            self._cache["mean"] = float(self.user_rows.data.mean(dtype=np.float64)) if self.n_ratings else float("nan")
        return float(self._cache["mean"])

    @property
    def is_mapped(self) -> bool:
        """Whether the ratings are arrays of files (a store), mapped into memory."""
        array: Any = self.user_rows.data
        while array is not None and not isinstance(array, np.memmap):
            array = getattr(array, "base", None)
        return array is not None

    def __repr__(self) -> str:
        return described(self)

    def rows(self, by: By) -> Csr:
        """CSR by users, shape (n_users, n_items), or by items, shape (n_items, n_users)."""
        if by == "user":
            return self.user_rows
        if by == "item":
            if self.n_users == 0:
                raise DataError("there are no ratings: the model was saved without them, and serves new users only")
            if "item_rows" not in self._cache:
                item_rows = self.user_rows.T.tocsr()
                item_rows.sort_indices()
                self._cache["item_rows"] = item_rows
            return cast(Csr, self._cache["item_rows"])
        raise ParameterError(name="by", value=by, expected=("user", "item"))

    def counts(self, by: By) -> IntArray:
        """Ratings of each user, shape (n_users,), or of each item, shape (n_items,); kept, and not to be written to."""
        if by not in ("user", "item"):
            raise ParameterError(name="by", value=by, expected=("user", "item"))
        key = f"{by}_counts"
        if key not in self._cache:
            if by == "user" or "item_rows" in self._cache:
                counts = np.diff(self.rows(by).indptr).astype(np.int64)
            else:
                counts = np.bincount(self.user_rows.indices, minlength=self.n_items).astype(np.int64)
            counts.flags.writeable = False
            self._cache[key] = counts
        return cast(IntArray, self._cache[key])

    def pairs(self) -> tuple[IntArray, IntArray, npt.NDArray[np.float32]]:
        """User index, item index and rating of every rating, each of shape (n_ratings,)."""
        users = np.repeat(np.arange(self.n_users, dtype=np.int64), np.diff(self.user_rows.indptr))
        return users, self.user_rows.indices.astype(np.int64), self.user_rows.data

    def to_frame(self) -> pd.DataFrame:
        """Columns `user, item, rating` (and `timestamp` where known) with raw ids, by user then item."""
        users, items, ratings = self.pairs()
        frame = pd.DataFrame({"user": self.user_ids[users], "item": self.item_ids[items], "rating": ratings})
        if self.timestamps is not None:
            frame["timestamp"] = self.timestamps
        return frame

    # ---------------------------------------------------------------- ids

    def user_index(self, ids: Any, *, missing: Literal["error", "-1"] = "error") -> IntArray:
        """Row of each raw user id; unknown ids raise `UnknownIdError`, or give -1 on request."""
        return self._index("user", self.user_ids, ids, missing)

    def item_index(self, ids: Any, *, missing: Literal["error", "-1"] = "error") -> IntArray:
        """Column of each raw item id; unknown ids raise `UnknownIdError`, or give -1 on request."""
        return self._index("item", self.item_ids, ids, missing)

    def _index(self, kind: By, vocabulary: IdArray, ids: Any, missing: str) -> IntArray:
        if (key := f"{kind}_index") not in self._cache:
            self._cache[key] = pd.Index(vocabulary)
        return look_up(self._cache[key], ids, kind, missing=missing)

    # ---------------------------------------------------------------- changing it

    def filter(self, *, min_user: int = 0, min_item: int = 0, until_stable: bool = True) -> RatingMatrix:
        """Drop users with fewer than `min_user` ratings and items with fewer than `min_item`.

        With `until_stable` (the k-core) it is repeated until both hold at once; without, users and
        items are counted once, on the ratings as given. Dropped users and items leave the vocabularies.

        Raises:
            DataError: nothing would be left.
        """
        users, items, positions = k_core(self.user_rows, min_user, min_item, until_stable)
        if positions.nnz == 0:
            raise DataError(
                f"no rating is left with min_user={min_user} and min_item={min_item}: "
                f"users have at most {self.counts('user').max(initial=0)} ratings, "
                f"items at most {self.counts('item').max(initial=0)}"
            )
        rows = make_csr(self.user_rows.data[positions.data], positions.indices, positions.indptr, positions.shape)
        stamps = None if self.timestamps is None else self.timestamps[positions.data]
        ids = {"user_ids": self.user_ids[users], "item_ids": self.item_ids[items]}
        return self.with_rows(rows, stamps, repeats=kept_repeats(self.repeats, positions.data, len(self)), **ids)

    def binarize(self, threshold: float) -> RatingMatrix:
        """Keep the ratings of at least `threshold`, each as 1; users and items stay.

        Raises:
            DataError: no rating reaches the threshold.
        """
        keep = self.user_rows.data >= threshold
        if not keep.any():
            raise DataError(f"no rating is >= {threshold:g}: the scale is {self.scale[0]:g} to {self.scale[1]:g}")
        chosen = self.select(keep)
        rows = chosen.user_rows
        ones = make_csr(np.ones(rows.nnz, np.float32), rows.indices, rows.indptr, self.shape)
        repeats, stamps = as_ones(chosen.repeats, chosen.timestamps, threshold)
        return chosen.with_rows(ones, stamps, scale=(0.0, 1.0), repeats=repeats)
