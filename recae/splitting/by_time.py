"""Parts by time: rows are cut where they were made, and only then are those of one pair merged."""

from __future__ import annotations

import warnings
from typing import NamedTuple

import numpy as np

from recae._types import IntArray, Mask
from recae.errors import DataError, DataWarning, Remedy
from recae.ratings import RatingMatrix
from recae.ratings.csr import make_csr
from recae.ratings.known_times import timestamps_of
from recae.splitting.cuts import Cut, as_date, first_moment, is_cut
from recae.splitting.masks import BY_TIME, RANDOM
from recae.splitting.parts import check_fraction


class LeftOut(NamedTuple):
    """Pairs that a later part is without: those that occur before it, and those of which nothing is taken in it."""

    again: int
    returned: int


class Cutting(NamedTuple):
    """Ratings before a moment and from it on; `left_out`: how many pairs the later part is without."""

    before: RatingMatrix
    after: RatingMatrix
    left_out: LeftOut


def cut_by_time(ratings: RatingMatrix, cut: float | Cut, part: str, *, again: bool = False) -> Cutting:
    """The latest ratings, and those before them.

    Args:
        ratings: with timestamps.
        cut: a share of the rows (those of one moment are never parted), a date, or a span before the last row.
        part: what messages call the later part.
        again: whether pairs that the earlier part has, too, stay in the later one.

    Raises:
        ParameterError: a share is not between 0 and 1.
        DataError: there are no timestamps, or a part would be empty.
    """
    if not is_cut(cut):
        check_fraction(part, cut)
    _say_merged(ratings)
    times = event_times(ratings)
    first = _first_after(ratings, times, cut) if is_cut(cut) else _first_of_share(ratings, times, cut)  # type: ignore[arg-type]
    before = between(ratings, None, first)
    after, left_out = later_part(ratings, before, between(ratings, first, None), again=again)
    if after.n_ratings == 0:
        raise DataError(
            f"a cut by time at {cut!r} leaves the {part} part empty: {_in_words(left_out)}",
            remedy=Remedy("say {again} to test these", again=True) if left_out.again else (),
        )
    return Cutting(before, after, left_out)


def later_part(
    ratings: RatingMatrix, before: RatingMatrix, after: RatingMatrix, *, again: bool
) -> tuple[RatingMatrix, LeftOut]:
    """The part `after` of `ratings` as it is tested, and how many pairs it is without.

    Of amounts that are added up, a pair that comes to 0 or less was brought back, which is nothing that a list should
    have named.
    """
    n_pairs = after.n_ratings
    if _adds_up(ratings) and (after.user_rows.data <= 0).any():
        after = after.select(after.user_rows.data > 0)
    n_returned, n_again = n_pairs - after.n_ratings, 0
    if ratings.repeats is not None and not again:
        after, n_again = without_pairs_of(after, before)
    return after, LeftOut(n_again, n_returned)


def _adds_up(ratings: RatingMatrix) -> bool:
    """Whether rows of one pair were added up, so that values are amounts."""
    how = None if ratings.repeats is None else ratings.repeats.how
    return "sum" in (ratings.read_as.get("duplicates"), how)


def event_times(ratings: RatingMatrix) -> IntArray:
    """Times of all rows, those of pairs that were merged each by itself."""
    stamps, repeats = timestamps_of(ratings, BY_TIME, RANDOM), ratings.repeats
    if repeats is None:
        return stamps
    return np.concatenate([np.delete(stamps, repeats.position), repeats.timestamps])


def between(ratings: RatingMatrix, first: int | None, before: int | None) -> RatingMatrix:
    """Rows from the moment `first` to before the moment `before`; those of one pair are merged as they were."""

    def inside(stamps: IntArray) -> Mask:
        chosen = np.ones(len(stamps), dtype=bool) if first is None else stamps >= first
        return chosen if before is None else chosen & (stamps < before)

    stamps, repeats = timestamps_of(ratings, BY_TIME, RANDOM), ratings.repeats
    keep = inside(stamps)
    if repeats is None:
        return ratings.select(keep)
    events = inside(repeats.timestamps)
    rows, stamps, at = ratings.user_rows, stamps.copy(), repeats.merged(events)
    data = rows.data.copy()
    keep[repeats.position] = False
    keep[at[0]], data[at[0]], stamps[at[0]] = True, at[1], at[2]
    whole = make_csr(data, rows.indices, rows.indptr, ratings.shape)
    return ratings.with_rows(whole, stamps, repeats=repeats.within(events)).select(keep)


def without_pairs_of(ratings: RatingMatrix, others: RatingMatrix) -> tuple[RatingMatrix, int]:
    """Ratings of pairs that `others`, of the same users and items, lack; and how many others there were."""
    keys = [users * ratings.n_items + items for users, items, _ in (ratings.pairs(), others.pairs())]
    new = ~np.isin(keys[0], keys[1], assume_unique=True)
    n_left_out = int(len(new) - new.sum())
    return (ratings.select(new), n_left_out) if n_left_out else (ratings, 0)


def say_left_out(left_out: LeftOut, part: str, name: str) -> None:
    """A `DataWarning` where pairs were left out of a part because they occur before it, or were brought back."""
    if left_out.again:
        warnings.warn(
            f"{name}: {left_out.again:,} pairs of user and item of the {part} part occur before it, too, and are left "
            "out of it; the setting `again` tests them", DataWarning, stacklevel=3,
        )  # fmt: skip
    if left_out.returned:
        warnings.warn(
            f"{name}: {left_out.returned:,} pairs of user and item of the {part} part add up to 0 or less in it: they "
            "were brought back, which is nothing taken, and are left out of it", DataWarning, stacklevel=3,
        )  # fmt: skip


def _in_words(left_out: LeftOut) -> str:
    """Why a part has no pairs."""
    again = f"all {left_out.again:,} pairs of user and item after it occur before it, too"
    returned = f"{left_out.returned:,} pairs of user and item after it add up to 0 or less, as they were brought back"
    return " and ".join([again] * (left_out.again > 0) + [returned] * (left_out.returned > 0))


def _say_merged(ratings: RatingMatrix) -> None:
    """A `DataWarning`, once, where a store has merged rows before they can be cut."""
    n_merged = ratings._cache.pop("n_merged", 0)
    if n_merged:
        warnings.warn(
            f"{ratings.name}: {n_merged:,} rows that repeat a pair of user and item were merged as the store was made, "
            "and each pair is on one side of the cut: to cut rows first, split the table itself", DataWarning,
            stacklevel=4,
        )  # fmt: skip


def _first_after(ratings: RatingMatrix, times: IntArray, cut: Cut) -> int:
    first = first_moment(cut, int(times.max(initial=0)))
    late = times >= first
    if late.all() or not late.any():
        raise DataError(
            f"a cut by time at {cut!r} leaves the {'train' if late.any() else 'test'} part empty: the ratings of "
            f"{ratings.name!r} are of {as_date(times.min())} to {as_date(times.max())}"
        )
    return first


def _first_of_share(ratings: RatingMatrix, times: IntArray, fraction: float) -> int:
    """At least this share: rows of one moment are never parted."""
    size = max(1, int(float(fraction) * len(times) + 0.5))
    first = int(np.partition(times, len(times) - size)[len(times) - size])
    if (times >= first).all():
        raise DataError(
            f"a share of {fraction} by time leaves the train part empty: {(times == first).sum():,} of the "
            f"{len(times):,} ratings of {ratings.name!r} have one and the same time, {first}",
            remedy="choose a random split",
        )
    return first
