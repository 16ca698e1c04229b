"""`PredictsAtMoments`: models that predict ratings at moments that are asked for."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, ClassVar, get_args

import numpy as np

from recae._types import DoubleArray, IntArray, Scores
from recae.errors import ParameterError
from recae.recommender import frames
from recae.recommender.base import Recommender, UnknownPairs


class PredictsAtMoments(Recommender):
    """Base of models whose `predict` takes `timestamps`; without them they predict as any model. They write `_at`."""

    predicts_ratings: ClassVar[bool] = True
    reads_dates: ClassVar[bool] = True
    league: ClassVar[str] = "dates"

    @abstractmethod
    def _at(self, user_index: IntArray, item_index: IntArray, times: DoubleArray) -> Scores:
        """Ratings of known pairs at moments, (n,), unclipped."""

    def predict(self, users: Any, items: Any, *, unknown: UnknownPairs = "error", timestamps: Any = None) -> Scores:
        """As of any model; `timestamps` are the moments asked at, in seconds since 1970, (n,) or one for all.

        The class says what answers where none are given.

        Raises:
            ParameterError: as `predict_pairs` has it.
            UnknownIdError: an id is unknown, and `unknown` is "error".
        """
        ratings = self._fitted()
        frames.check_choice("unknown", unknown, get_args(UnknownPairs))
        index = frames.find_pairs(ratings, users, items, unknown)
        return frames.without_unknown(self.predict_pairs(*index, timestamps), *index, unknown)

    def predict_pairs(self, user_index: IntArray, item_index: IntArray, timestamps: Any = None) -> Scores:
        """Ratings for pairs of indices, (n,), within the scale; -1 for an unknown one; `timestamps` as in `predict`.

        Raises:
            ParameterError: timestamps are neither one nor as many as pairs, or not finite.
        """
        out = super().predict_pairs(user_index, item_index)
        if timestamps is None:
            return out
        times = moments(timestamps, len(out))
        served = self._serves("user", user_index) & self._serves("item", item_index)
        out[served] = self._at(user_index[served], item_index[served], times[served])
        return np.clip(out, *self.ratings_.scale)


def moments(timestamps: Any, n: int) -> DoubleArray:
    """Moments that are asked at, float64 (n,).

    Raises:
        ParameterError: they are neither one nor as many as pairs, or not finite.
    """
    times = np.asarray(timestamps, np.float64)
    if times.ndim and times.shape != (n,):
        raise ParameterError(f"{times.shape} for {n} pairs", name="timestamps", expected="one each, or one for all")
    if not np.isfinite(times).all():
        raise ParameterError("one is not a finite number", name="timestamps", expected="seconds since 1970")
    return np.broadcast_to(times, (n,))
