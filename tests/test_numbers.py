"""Columns of any type become floating-point numbers, and what is too large is refused as what it is."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import recae
from recae.errors import DataError, shown
from recae.ratings.numbers import as_numbers


@pytest.mark.parametrize(
    ("values", "dtype", "expected"),
    [
        ([1, 2], "int64", [1, 2]),
        ([1, None], "Int64", [1, math.nan]),
        (["1.5", "x", None], object, [1.5, math.nan, math.nan]),
        ([1, 10**400, -(10**400), "2", "y"], object, [1, math.inf, -math.inf, 2, math.nan]),
        ([2.5, 10**400], object, [2.5, math.inf]),
    ],
)
def test_what_is_no_number_is_missing_and_what_is_too_large_is_infinite(
    values: list[Any], dtype: Any, expected: list[float]
) -> None:
    """Numbers of Python, of pandas' own types and of texts keep their value."""
    np.testing.assert_array_equal(as_numbers(pd.Series(values, dtype=dtype)), expected)


@pytest.mark.parametrize("column", ["rating", "timestamp"])
def test_an_endless_integer_is_refused(column: str, tmp_path: Path) -> None:
    """An integer of 400 digits in a frame and in JSON lines: one error that names the row, or the line."""
    rows = [{"user": 1, "item": k, "rating": 3, "timestamp": 10} for k in range(3)]
    rows[1][column] = 10**400
    with pytest.raises(DataError, match="row 2"):
        recae.RatingMatrix.from_frame(pd.DataFrame(rows), timestamp="timestamp")
    path = tmp_path / "r.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    with pytest.raises(DataError, match="line 2"):
        recae.load(path)


def test_ranks_of_served_lists_that_are_no_numbers_are_refused() -> None:
    """A rank of 400 digits is as wrong as one that is a word."""
    train, test = recae.load("sample"), recae.load("sample")
    lists = pd.DataFrame({"user": test.user_ids[:1], "item": test.item_ids[:1], "rank": [10**400]})
    with pytest.raises(DataError, match="rank"):
        recae.evaluate_lists(lists, test, train=train)


def test_messages_show_the_beginning_of_a_long_value() -> None:
    """A value of thousands of characters does not fill the screen; whole numbers are never too long to be named."""
    assert shown("abc") == "'abc'"
    assert len(shown("a" * 7000)) <= 100
    assert shown("a" * 7000).endswith("(7,002 characters)")
    assert shown(-(10**9000)) == "a whole number of more than 80 digits"
    frame = pd.DataFrame({"user": [1, 2], "item": [1, 2], "rating": [3, "a" * 7000]})
    with pytest.raises(DataError) as refused:
        recae.RatingMatrix.from_frame(frame)
    assert len(str(refused.value)) < 200
