"""When ratings were given, where that is needed: refused with a remedy where nothing says it."""

from __future__ import annotations

from recae._types import IntArray
from recae.errors import DataError, Remedy
from recae.ratings.matrix import RatingMatrix


def timestamps_of(ratings: RatingMatrix, need: str, *instead: str) -> IntArray:
    """When each rating was given, (n_ratings,), in seconds.

    Args:
        ratings: that need to have it.
        need: what needs it, after a comma: "which a split by time needs".
        instead: other remedies than to name the column.

    Raises:
        DataError: it is not known.
    """
    if ratings.timestamps is None:
        named = Remedy("name the column of dates with {timestamp} when the ratings are loaded", timestamp=...)
        raise DataError(f"{ratings.name!r} has no timestamps, {need}", remedy=(named, *instead))
    return ratings.timestamps


def ordered_times(ratings: RatingMatrix, need: str) -> IntArray:
    """`timestamps_of`, which tell an order.

    Raises:
        DataError: they are not known, or no moment differs from another one.
    """
    times = timestamps_of(ratings, need)
    refuse_one_moment(times, ratings.name)
    return times


def refuse_one_moment(times: IntArray, name: str) -> None:
    """Raise `DataError` where all times are equal."""
    if len(times) > 1 and int(times.min()) == int(times.max()):
        raise DataError(
            f"all {len(times):,} timestamps of {name!r} are {int(times[0])}: they say nothing of the order of events",
            remedy="look whether the column of dates is the right one",
        )
