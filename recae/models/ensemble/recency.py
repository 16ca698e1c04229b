"""Recency: a ranker that reads a user's latest items with more weight."""

from __future__ import annotations

import logging
from collections.abc import Callable
from copy import copy
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
from scipy import sparse

from recae._types import Csr, FloatArray, IntArray, Scores
from recae.errors import ParameterError
from recae.models.ensemble.members import fit_member, plain_params, ranker_of, with_choices
from recae.ratings import RatingMatrix
from recae.ratings.known_times import ordered_times
from recae.recommender.base import Recommender
from recae.recommender.fitting import FitOptions
from recae.recommender.held_out_lists import clearly_better, list_values, users_to_compare
from recae.recommender.learned import LearnedArrays
from recae.recommender.own_part import FEWEST, HIDDEN, SOLVED_ITEMS, densest
from recae.recommender.params import as_input, declared, hyperparameters, learned, param, seed
from recae.recommender.registry import register
from recae.schemas import require
from recae.splitting.masks import per_user_part

log = logging.getLogger("recae")
POWERS = (0.0, 0.2, 0.4, 0.7, 1.0, 1.5)


@register("recency", "a ranker that reads a user's latest items with more weight; reads dates")
@hyperparameters
class Recency(Recommender):
    """What a ranker says of a row in which older entries count less.

    The base learns from rows as they are. To score a user, entry j counts (1 + n_j)^-p, n_j being how many entries of
    the user are newer; weights of a row are then scaled to the mean 1. Entries of one moment count the same. p = 0 is
    the base itself. What somebody takes next is often near what was taken last.

    Unseen users are read in the same way by `recommend_new` of a frame with a column `timestamp`; rows without times,
    as `score` takes them, have no order, and are read as they are. Figures belong to a league of their own, "order":
    other models do not know which entries are the last.
    """

    reads_dates: ClassVar[bool] = True
    has_members: ClassVar[bool] = True
    league: ClassVar[str] = "order"

    base: Any = param("ease", 'the ranker that reads the rows: a name; in Python also a model, or {"model": name, ...}')
    power: float | None = param(
        None, "how fast older entries lose weight; none to choose it on the last entries of users", low=0
    )
    rng: int = seed("seed of the users that the choice looks at, and of a base that says none")

    base_: Recommender = learned()
    power_: float = learned()

    # ---------------------------------------------------------------- fitting

    def _fit(self, ratings: RatingMatrix, validation: RatingMatrix | None, options: FitOptions) -> None:
        ordered_times(ratings, "and recency reads which entries are the latest")
        self.power_ = self._chosen_power(ratings) if self.power is None else self.power
        self._record_open(power=self.power_)
        self.base_ = fit_member(self._new_base(), ratings, validation, options)
        if self.base_.chosen_:
            self._record(base=with_choices(self.base_, self.rng))

    def _new_base(self) -> Recommender:
        model = ranker_of(self.base, self.rng)
        if "values" not in {one.name for one in declared(type(model))}:
            raise ParameterError(
                f"{type(model).__name__} reads which items are in a row, not how much each counts",
                name="base",
                expected="a ranker with the setting `values`, such as ease, spectral, als or mult-vae",
            )
        return model

    def _chosen_power(self, ratings: RatingMatrix) -> float:
        """The power whose lists hold most of users' last fifths; 0 unless another is better by two standard errors."""
        part = densest(ratings, SOLVED_ITEMS)  # among more items the choice is as good: docs/which_model.md
        hidden = per_user_part(part, HIDDEN, np.random.default_rng(self.rng), last=True)
        if np.count_nonzero(hidden) < FEWEST:
            return 0.0
        known, held_out = part.select(~hidden), part.select(hidden)
        trial = Recency(base=self.base, power=0.0, rng=self.rng).fit(known, progress=False)
        users = users_to_compare(known, held_out)
        figures = []
        for power in POWERS:
            trial.power_ = power
            figures.append(list_values(trial.ranking_scores(users), known, held_out, users))
        best = int(np.argmax([values.mean() for values in figures]))
        power = POWERS[best] if clearly_better(figures[best], figures[0]) else 0.0
        log.info("recency takes power %g: lists of the last entries of %s users decide", power, f"{len(users):,}")
        return power

    # ---------------------------------------------------------------- scoring

    def score(self, user_rows: Csr) -> Scores:
        return self.base_.ranking_scores_new(user_rows)

    def score_users(self, user_index: IntArray) -> Scores:
        ratings = self.ratings_
        return self._read(ratings.user_rows[user_index], stamps_of(ratings, user_index))

    def _scores_of_new(self, new: RatingMatrix) -> Callable[[IntArray], Scores]:
        if new.timestamps is None:
            return super()._scores_of_new(new)
        return lambda rows: self._read(new.user_rows[rows], stamps_of(new, rows))

    def _read(self, user_rows: Csr, stamps: IntArray) -> Scores:
        """What the base lists by of rows (n, n_items) whose entries have these times, (user_rows.nnz,)."""
        reader, weighted = self._weighted(user_rows, stamps)
        return reader.ranking_scores_new(weighted)

    def _weighted(self, user_rows: Csr, stamps: IntArray) -> tuple[Recommender, Csr]:
        """The base as it reads weights, and the rows with what each entry counts."""
        read = as_input(user_rows, self.base_.get_params()["values"])
        weight = recency_weights(user_rows.indptr, stamps, self.power_)
        weighted = sparse.csr_array((read.data * weight, user_rows.indices, user_rows.indptr), shape=user_rows.shape)
        reader: Any = copy(self.base_)  # of the weights, which are values; what was learnt is shared
        reader.values = "ratings"
        return reader, weighted

    def as_read(self, ratings: RatingMatrix, user: int) -> tuple[Recommender, Csr]:
        """The base, and the row (1, n_items) of a user of `ratings` as the base reads it; `explain` takes them."""
        index = np.array([user])
        if ratings.timestamps is None:
            return self.base_, ratings.user_rows[index]
        return self._weighted(ratings.user_rows[index], stamps_of(ratings, index))

    def item_vectors(self) -> Any:
        return self.base_.item_vectors()

    # ---------------------------------------------------------------- files

    def _saved_params(self) -> dict[str, Any]:
        return plain_params(self)

    def _arrays(self) -> dict[str, npt.NDArray[Any]]:
        inside = {f"base/{name}": array for name, array in self.base_._saved_arrays().items()}
        return {"power": np.array(self.power_, np.float64), **inside}

    def _restore(self, arrays: LearnedArrays) -> None:
        require(self.ratings_.timestamps is not None, "the timestamps are missing")
        self.power_ = arrays.number("power")
        require(self.power_ >= 0, "the power is below 0")
        self.base_ = self._new_base()
        self.base_._set_ratings(self.ratings_)
        self.base_._restore_saved(arrays.under("base/"))


def stamps_of(ratings: RatingMatrix, user_index: IntArray) -> IntArray:
    """When the entries of some users' rows were made, in the order of `ratings.user_rows[user_index]`."""
    assert ratings.timestamps is not None
    starts, stops = ratings.user_rows.indptr[:-1][user_index], ratings.user_rows.indptr[1:][user_index]
    lengths = stops - starts
    begins = np.cumsum(lengths) - lengths
    found: IntArray = ratings.timestamps[np.arange(lengths.sum()) + np.repeat(starts - begins, lengths)]
    return found


def recency_weights(indptr: npt.NDArray[Any], stamps: IntArray, power: float) -> FloatArray:
    """(1 + newer entries of the row)^-power, scaled to the mean 1 of each row, (n_entries,)."""
    lengths = np.diff(indptr)
    row = np.repeat(np.arange(len(lengths)), lengths)
    order = np.lexsort((-stamps, row))
    in_order = stamps[order]
    place = np.arange(len(stamps)) - np.repeat(indptr[:-1], lengths)
    first = (place == 0) | np.concatenate([[True], np.diff(in_order) != 0])[: len(stamps)]  # of entries of one moment
    newer = np.empty(len(stamps), np.int64)
    newer[order] = place[np.maximum.accumulate(np.where(first, np.arange(len(stamps)), 0))] if len(stamps) else place
    weight = (1.0 + newer) ** -power
    total = np.bincount(row, weight, len(lengths))
    return (weight * (lengths / np.maximum(total, 1e-300))[row]).astype(np.float32)
