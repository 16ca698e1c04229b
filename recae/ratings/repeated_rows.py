"""Rows of pairs that occur more than once, as they were before they were merged: a cut by time needs each of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from recae._types import FloatArray, IntArray, Mask
from recae.ratings.merging import Duplicates, merge_runs


@dataclass(frozen=True, eq=False)
class Repeats:
    """Events of the pairs that have several, by pair, and in their order within each.

    Attributes:
        position: where the pair's rating stands among the merged ratings (`user_rows.data`), ascending, int64 (n,).
        ratings: float32 (n,).
        timestamps: int64 (n,).
        how: how they were merged.
    """

    position: IntArray
    ratings: FloatArray
    timestamps: IntArray
    how: Duplicates

    def __len__(self) -> int:
        return len(self.position)

    def moved(self, to: IntArray) -> Repeats | None:
        """The events where positions become `to[position]`, of pairs that stay (those of -1 do not), in new order."""
        position = to[self.position]
        order = np.argsort(position, kind="stable")
        return self._of(position, order[position[order] >= 0])

    def within(self, chosen: Mask) -> Repeats | None:
        """Some of the events, (n,); those of pairs of which one is left are single."""
        return self._of(self.position, np.flatnonzero(chosen))

    def _of(self, position: IntArray, chosen: IntArray) -> Repeats | None:
        at = position[chosen]
        follows = np.zeros(len(at), dtype=bool)
        follows[1:] = at[1:] == at[:-1]
        several = follows | np.append(follows[1:], False)[: len(at)]
        chosen = chosen[several]
        if len(chosen) == 0:
            return None
        return Repeats(position[chosen], self.ratings[chosen], self.timestamps[chosen], self.how)

    def merged(self, chosen: Mask) -> tuple[IntArray, FloatArray, IntArray]:
        """Position, rating and time of each pair that has one of the events `chosen`, (n,), merged of these."""
        at = self.position[chosen]
        follows = np.zeros(len(at), dtype=bool)
        follows[1:] = at[1:] == at[:-1]
        ratings, stamps = merge_runs(self.ratings[chosen], self.timestamps[chosen], follows, self.how)
        assert stamps is not None
        return at[~follows], ratings, stamps


def as_ones(
    repeats: Repeats | None, stamps: IntArray | None, threshold: float
) -> tuple[Repeats | None, IntArray | None]:
    """The events, each rated 1, so that their merged rating is 1, too; and the times of the merged ratings.

    Of amounts that are added up to `threshold`, above 0, what was brought back is no event: it is nothing taken.
    """
    if repeats is None:
        return None, stamps
    ones = Repeats(repeats.position, np.ones_like(repeats.ratings), repeats.timestamps, "max")
    taken = repeats.ratings > 0
    if repeats.how != "sum" or threshold <= 0 or taken.all():
        return ones, stamps
    at, _, latest = ones.merged(taken)
    assert stamps is not None
    stamps = stamps.copy()
    stamps[at] = latest
    return ones.within(taken), stamps


def kept_repeats(repeats: Repeats | None, kept: IntArray, n_ratings: int) -> Repeats | None:
    """The repeats of `n_ratings` ratings of which those at the positions `kept` are left, in this order."""
    if repeats is None:
        return None
    to = np.full(n_ratings, -1, np.int64)
    to[kept] = np.arange(len(kept))
    return repeats.moved(to)
