"""`Split`, and how a `RatingMatrix` is cut into parts."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from scipy import sparse

from recae._types import IntArray, Mask
from recae.errors import DataError, ParameterError
from recae.notebook import html_table
from recae.ratings import RatingMatrix
from recae.ratings.csr import make_csr
from recae.ratings.repeated_rows import kept_repeats
from recae.ratings.seeds import Rng
from recae.splitting.split_files import read_split, write_split


@dataclass(frozen=True, eq=False, repr=False)
class Split:
    """The parts of one set of ratings.

    Attributes:
        train: what a model may learn from.
        test: what it is measured on, once.
        validation: what its settings are chosen on; None where no part was asked for.
        test_input: for held-out users, the ratings of theirs that the model is shown; rows as in `test`.
            None where the users of `test` are users of `train`.
        validation_input: the same for the validation users.
        how: the name of the split ("random", ...).
        settings: what it was made with (shares, seed, options); plain values, for reports.
    """

    train: RatingMatrix
    test: RatingMatrix
    validation: RatingMatrix | None = None
    test_input: RatingMatrix | None = None
    validation_input: RatingMatrix | None = None
    how: str = ""
    settings: dict[str, Any] = field(default_factory=dict)

    def parts(self) -> dict[str, RatingMatrix]:
        """The parts that there are, by name."""
        names = ("train", "validation", "test", "validation_input", "test_input")
        return {name: part for name in names if (part := getattr(self, name)) is not None}

    def save(self, path: str | Path) -> Path:
        """Write all parts to one file (NumPy's npz, no pickle), all or nothing; `Split.load` reads it.

        Raises:
            DataError: ids or entries of a table are neither numbers nor texts, or the file cannot be written.
        """
        return write_split(self, Path(path))

    @classmethod
    def load(cls, path: str | Path) -> Split:
        """The split that `save` wrote: the same parts, ids, tables and settings.

        Raises:
            DataError: there is no such file, or it is no split.
        """
        return cls(**read_split(Path(path)))

    def _repr_html_(self) -> str:
        rows = [(name, *part.shape, part.n_ratings) for name, part in self.parts().items()]
        return html_table(f"{self.train.name}, {self.how}", rows, ("part", "users", "items", "ratings"))

    def __repr__(self) -> str:
        sizes = ", ".join(f"{name} {part.n_ratings:,}" for name, part in self.parts().items())
        users = f"; {self.train.n_users:,} train users, {self.test.n_users:,} test users" if self.test_input else ""
        return f"Split({self.train.name!r}, {self.how}: {sizes} ratings{users})"


def divide(ratings: RatingMatrix, chosen: Mask, name: str, made_by: str) -> tuple[RatingMatrix, RatingMatrix]:
    """(the rest, the chosen ratings); a `DataError` when one of the two would be empty."""
    n_chosen = int(chosen.sum())
    if n_chosen in (0, len(chosen)):
        empty = name if n_chosen == 0 else "train"
        raise DataError(
            f"{made_by} leaves the {empty} part empty: {ratings.name!r} has {ratings.n_ratings:,} ratings of "
            f"{int((ratings.counts('user') > 0).sum()):,} users",
            remedy=("choose another share", "another way to split", "use more ratings"),
        )
    return ratings.select(~chosen), ratings.select(chosen)


def take(ratings: RatingMatrix, users: IntArray, items: IntArray) -> RatingMatrix:
    """The ratings of some users for some items (indices), with the vocabularies cut to these, in this order."""
    rows = ratings.user_rows
    position = sparse.csr_array((np.arange(rows.nnz), rows.indices, rows.indptr), shape=rows.shape)
    position = position[users][:, items].tocsr()
    position.sort_indices()
    kept = position.data
    cut = make_csr(rows.data[kept], position.indices, position.indptr, (len(users), len(items)))
    stamps = None if ratings.timestamps is None else ratings.timestamps[kept]
    repeats = kept_repeats(ratings.repeats, kept, ratings.n_ratings)
    ids = {"user_ids": ratings.user_ids[users], "item_ids": ratings.item_ids[items]}
    return ratings.with_rows(cut, stamps, repeats=repeats, **ids)


def check_fraction(name: str, value: Any) -> None:
    if not isinstance(value, float | int | np.number) or not 0 < value < 1:
        raise ParameterError(name=name, value=value, expected="a share above 0 and below 1, such as 0.1")


def seed_of(rng: Rng) -> int | None:
    """The seed, where a plain number was given: what a report can name."""
    return int(rng) if isinstance(rng, int | np.integer) else None
