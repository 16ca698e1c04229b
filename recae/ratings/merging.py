"""Rows of one pair of user and item become one rating: the ways, and what is said about them."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

import numpy as np

from recae._types import FloatArray, IntArray, Mask
from recae.errors import DataWarning, ParameterError

Duplicates = Literal["last", "first", "mean", "sum", "max", "count", "error"]
DUPLICATES: tuple[Duplicates, ...] = ("last", "first", "mean", "sum", "max", "count", "error")

WHAT_BECAME = {
    "last": "the last of each was kept", "first": "the first of each was kept", "mean": "their mean was taken",
    "sum": "they were added up", "max": "the highest was kept", "count": "rows were counted",
}  # fmt: skip


class Runs(NamedTuple):
    """Rows of pairs that occur more than once: position of the pair among the merged ratings, rating, time; (n,)."""

    position: IntArray
    ratings: FloatArray
    timestamps: IntArray


def check_duplicates(duplicates: str) -> None:
    """Refuse a way to merge rows that there is not."""
    if duplicates not in DUPLICATES:
        raise ParameterError(name="duplicates", value=duplicates, expected=tuple(DUPLICATES))


def merging_of(read_as: Mapping[str, Any]) -> Duplicates:
    """How rows of new users are merged, after how the training ratings were read (`RatingMatrix.read_as`).

    Where rows were counted, ratings are added up: a row without a rating counts 1, and one with a rating is a count.
    """
    stated = read_as.get("duplicates")
    how: Duplicates = next((way for way in DUPLICATES if way == stated), "last")
    return "sum" if how == "count" else how


def merge_runs(
    values: FloatArray, stamps: IntArray | None, repeated: Mask, how: Duplicates
) -> tuple[FloatArray, IntArray | None]:
    """One rating and timestamp for each run of a pair (`repeated`: the same pair as the one before).

    Only runs of several rows are looked at; the others are copied, or count 1. The timestamp is the latest of the run;
    of "first" the earliest.
    """
    followed = np.append(repeated[1:], False)
    first, last = np.flatnonzero(~repeated & followed), np.flatnonzero(repeated & ~followed)
    lengths = last - first + 1
    run = np.repeat(np.arange(len(first)), lengths)
    begins = np.cumsum(lengths) - lengths
    index = np.arange(len(run)) + np.repeat(first - begins, lengths)
    earliest, latest = first, last
    if stamps is not None:
        by_time = index[np.lexsort((index, stamps[index], run))]
        earliest, latest = by_time[begins], by_time[begins + lengths - 1]
    merged = np.ones_like(values) if how == "count" else values.copy()
    if how in ("last", "first"):
        merged[first] = values[latest if how == "last" else earliest]
    elif how == "max":
        merged[first] = np.maximum.reduceat(values[index], begins)
    else:
        total = np.bincount(run, weights=values[index])
        merged[first] = {"sum": total, "mean": total / lengths, "count": lengths}[how]
    if stamps is not None:
        stamps = stamps.copy()
        stamps[first] = stamps[earliest if how == "first" else latest]
        stamps = stamps[~repeated]
    return merged[~repeated], stamps


def say_merged(name: str, n_rows: int, n_ratings: int, how: Duplicates) -> None:
    """A `DataWarning` where rows of one pair became one rating: how many, and by which rule."""
    if n_rows > n_ratings:
        warnings.warn(
            f"{name}: {n_rows - n_ratings:,} of {n_rows:,} rows repeat a pair of user and item; {WHAT_BECAME[how]} "
            f"(duplicates={how!r}), which leaves {n_ratings:,} ratings", DataWarning, stacklevel=3,
        )  # fmt: skip


def scale_after(how: Duplicates, merged: FloatArray, low: float, high: float) -> tuple[float, float]:
    """Lowest and highest rating where none were stated: `low` and `high` of the rows, or what rows were merged to."""
    if how in ("sum", "count") and len(merged):
        return float(merged.min()), float(merged.max())
    return low, high
