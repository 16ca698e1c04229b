"""Columns of any type as floating-point numbers."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd

from recae._types import DoubleArray


def as_numbers(column: pd.Series) -> DoubleArray:
    """Numbers of a column, (n,): NaN where a value is missing or is none, infinite where it is too large."""
    if isinstance(column.dtype, np.dtype) and column.dtype.kind == "c":
        return np.full(len(column), np.nan)  # a complex number is no rating, even where its imaginary part is 0
    try:
        return _converted(column)
    except OverflowError:  # an integer of Python that has more than 308 digits
        return _converted(column.map(_in_range))


def _converted(column: pd.Series) -> DoubleArray:
    return np.asarray(pd.to_numeric(column, errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan))


def _in_range(value: Any) -> Any:
    """An integer as it is, or the infinite number where no floating-point number is as large."""
    try:
        return float(value) if isinstance(value, int) else value
    except OverflowError:
        return math.inf if value > 0 else -math.inf
