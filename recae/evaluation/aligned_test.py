"""A test part, its users and items matched with those of the model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from scipy import sparse

from recae._types import Csr, IdArray, IntArray, Mask
from recae.errors import DataError, ParameterError, Remedy
from recae.ratings import RatingMatrix
from recae.ratings.csr import make_csr
from recae.ratings.matching import match
from recae.splitting import Split


@dataclass(frozen=True, eq=False)
class AlignedTest:
    """n users to test; the columns of their rows are the model's items.

    Attributes:
        trained_on: what the model was fitted on, shape (n_users, n_items).
        ratings: the test ratings as given.
        user_ids: raw ids, shape (n,).
        user_index: the model's index of each user, -1 where it does not know them, shape (n,).
        shown: what hidden users show, with its times, shape (n, n_items); None where users are known to the model.
        target: test ratings of items that the model knows, shape (n, n_items).
        seen: what is not to be ranked (all ones), shape (n, n_items).
        item_index: the model's index of each item of `ratings`, -1 where it does not know it.
        name: what it is called in reports.
    """

    trained_on: RatingMatrix
    ratings: RatingMatrix
    user_ids: IdArray
    user_index: IntArray
    shown: RatingMatrix | None
    target: Csr
    seen: Csr
    item_index: IntArray
    name: str

    @property
    def inputs(self) -> Csr | None:
        """The rows of `shown`, (n, n_items)."""
        return None if self.shown is None else self.shown.user_rows

    def scorable(self) -> Any:
        """Users that the model can rank for: known, or met with what is shown of them; bool (n,)."""
        return np.ones(len(self.user_ids), dtype=bool) if self.shown is not None else self.user_index >= 0

    def new_users(self) -> Mask:
        """Users that the model has no rating of: unknown, with an empty training row, or shown with nothing; (n,)."""
        if self.inputs is not None:
            return np.asarray(np.diff(self.inputs.indptr) == 0)
        rated = np.append(np.diff(self.trained_on.user_rows.indptr), 0)  # -1, for an unknown user, reads the 0
        return np.asarray(rated[self.user_index] == 0)

    def history(self, users: IntArray) -> Csr:
        """What `users` (rows of the test) were learnt from or show, (len(users), n_items); empty for unknown ones."""
        if self.inputs is not None:
            return self.inputs[users]
        return align(self.trained_on, self.user_ids[users], self.trained_on)

    def groups(self, users: IntArray) -> dict[str, Mask]:
        """Which of `users` (rows of the test) are "known" and which "new", (len(users),); empty where all are alike."""
        new = self.new_users()[users]
        return {"known": ~new, "new": new} if new.any() and not new.all() else {}

    def counts(self) -> dict[str, int]:
        """What the figures rest on, for the report.

        `cold_*`: test users, items and ratings (of such a user or item) without any training rating;
        `unknown_users`, `unknown_items`, `unknown_ratings`: those of them that the model does not know at all (ratings
        of such a user or item), which ranking skips; `seen_ratings`: test ratings of a pair that the model was shown.
        """
        users, items, _ = self.ratings.pairs()
        cold_user = self.new_users()
        cold_item = (self.item_index < 0) | (self.trained_on.counts("item")[self.item_index] == 0)
        unknown_user, unknown_item = ~self.scorable(), self.item_index < 0
        unknown = unknown_user[users] | unknown_item[items]
        return {
            "n_ratings": self.ratings.n_ratings,
            "cold_users": int((cold_user & (self.ratings.counts("user") > 0)).sum()),
            "cold_items": int((cold_item & (self.ratings.counts("item") > 0)).sum()),
            "cold_ratings": int((cold_user[users] | cold_item[items]).sum()),
            "unknown_users": int((unknown_user & (self.ratings.counts("user") > 0)).sum()),
            "unknown_items": int((unknown_item & (self.ratings.counts("item") > 0)).sum()),
            "unknown_ratings": int(unknown.sum()),
            "seen_ratings": int(overlap(self.target, self.seen).nnz),
        }


def align_test(
    trained_on: RatingMatrix,
    given: Split | RatingMatrix,
    part: Literal["test", "validation"],
    exclude: Sequence[RatingMatrix],
    *,
    filter_seen: bool = True,
) -> AlignedTest:
    """The test part of a split, or ratings of known users, matched with the model's ids.

    With `filter_seen`, what the model was fitted on and the split shows is not ranked; `exclude` in no case.
    """
    if part not in ("test", "validation"):
        raise ParameterError(name="part", value=part, expected=("test", "validation"))
    test, inputs, shown = _parts(given, part)
    if test.n_ratings == 0:
        raise DataError(f"the {part} part of {test.name!r} holds no rating: there is nothing to measure")
    user_ids = test.user_ids
    known = [trained_on, *(other for other in shown if other is not trained_on)] if inputs is None else []
    hidden = [align(other, user_ids, trained_on) for other in (*(known if filter_seen else ()), *exclude)]
    met = None if inputs is None else _met(inputs, user_ids, trained_on)
    if met is not None and filter_seen:
        hidden = [met.user_rows, *hidden]
    target = align(test, user_ids, trained_on)
    return AlignedTest(
        trained_on, test, user_ids, trained_on.user_index(user_ids, missing="-1"),
        met, target, _union(hidden, target.shape),
        trained_on.item_index(test.item_ids, missing="-1"), _name(given, test),
    )  # fmt: skip


def _parts(
    given: Split | RatingMatrix, part: Literal["test", "validation"]
) -> tuple[RatingMatrix, RatingMatrix | None, list[RatingMatrix]]:
    """(test ratings, what is shown of hidden users, what else is not to be ranked)."""
    if isinstance(given, RatingMatrix):
        if part != "test":
            raise ParameterError(
                "it is for a Split, and these are ratings", name="part", value=part, remedy="pass that part itself"
            )
        return given, None, []
    if not isinstance(given, Split):
        raise DataError(f"evaluate takes a Split or a RatingMatrix, not {type(given).__name__}; recae.split makes one")
    if part == "test":
        shown = [given.train] if given.validation is None else [given.train, given.validation]
        return given.test, given.test_input, shown
    if given.validation is None:
        raise DataError("this split has no validation part", remedy=Remedy("make it with {validation}", validation=0.1))
    return given.validation, given.validation_input, [given.train]


def _name(given: Split | RatingMatrix, test: RatingMatrix) -> str:
    return f"{test.name}, {given.how} split" if isinstance(given, Split) and given.how else test.name


def align(matrix: RatingMatrix, user_ids: IdArray, like: RatingMatrix) -> Csr:
    """Rows of `user_ids` (empty for users that `matrix` lacks), columns of `like` (other items are dropped)."""
    rows = matrix.user_rows
    if matrix.user_ids is not user_ids:
        index = matrix.user_index(user_ids, missing="-1")
        picked = rows[index[index >= 0]]
        counts = np.zeros(len(user_ids), dtype=np.int64)
        counts[index >= 0] = np.diff(picked.indptr)
        rows = make_csr(picked.data, picked.indices, _indptr(counts), (len(user_ids), matrix.n_items))
    if matrix.item_ids is like.item_ids:
        return rows
    columns = like.item_index(matrix.item_ids, missing="-1")[rows.indices]
    known = columns >= 0
    indptr = _indptr(known)[rows.indptr]
    moved = sparse.csr_array((rows.data[known], columns[known], indptr), shape=(len(user_ids), like.n_items))
    moved.sort_indices()
    return moved


def _met(inputs: RatingMatrix, user_ids: IdArray, like: RatingMatrix) -> RatingMatrix:
    """What hidden users show, (len(user_ids), like.n_items): ratings of items that `like` lacks are dropped."""
    empty = make_csr(np.zeros(0, np.float32), np.zeros(0, np.int32), np.zeros(len(user_ids) + 1, np.int64),
                     (len(user_ids), like.n_items))  # fmt: skip
    place = replace(inputs, user_rows=empty, user_ids=user_ids, item_ids=like.item_ids, item_table=like.item_table,
                    timestamps=None, repeats=None, _cache={})  # fmt: skip
    return match(inputs, place).ratings


def overlap(one: Csr, other: Csr) -> Csr:
    """The pairs that both store, as ones (stored zeros count: they are ratings)."""
    both: Csr = _ones(one).multiply(_ones(other)).tocsr()
    return both


def _union(matrices: Sequence[Csr], shape: tuple[int, int]) -> Csr:
    """The pairs that any of them stores, as ones."""
    empty = make_csr(np.zeros(0, np.float32), np.zeros(0, np.int32), np.zeros(shape[0] + 1, np.int64), shape)
    total = _ones(matrices[0]) if matrices else empty
    for matrix in matrices[1:]:
        total = (total + _ones(matrix)).tocsr()
    total.sort_indices()
    return total


def _ones(matrix: Csr) -> Csr:
    return make_csr(np.ones(matrix.nnz, np.float32), matrix.indices, matrix.indptr, matrix.shape)


def _indptr(counts: Any) -> IntArray:
    return np.concatenate([[0], np.cumsum(counts, dtype=np.int64)])
