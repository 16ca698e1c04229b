"""`Report`: the figures of one evaluation, to read, to print and to keep."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from recae._types import DoubleArray
from recae.storage import write_text

Z = 1.959964  # 97.5 % of a normal distribution lies below


@dataclass(frozen=True)
class Figure:
    """A value, and its standard error over users where there is one (two users or more)."""

    value: float
    error: float | None = None

    @property
    def interval(self) -> tuple[float, float] | None:
        """95 %, value +- 1.96 standard errors."""
        return None if self.error is None else (self.value - Z * self.error, self.value + Z * self.error)


def mean(values: DoubleArray) -> Figure:
    """The mean over users, and its standard error s / sqrt(n)."""
    n = len(values)
    return Figure(float(values.mean()), float(values.std(ddof=1) / np.sqrt(n)) if n > 1 else None)


def ratio(total: DoubleArray, count: npt.NDArray[Any], *, root: bool) -> Figure:
    """sum(total) / sum(count) over users, or its square root.

    The standard error is that of a ratio estimator with users as clusters (Cochran 1977, section 2.11:
    linearised, i.e. the delta method); through the root it is divided by twice the root.
    """
    n, value = len(total), float(total.sum() / count.sum())
    error = None
    if n > 1:
        rest = total - value * count
        error = float(np.sqrt(n / (n - 1) * np.sum(rest * rest)) / count.sum())
    if not root:
        return Figure(value, error)
    top = float(np.sqrt(value))
    return Figure(top, None if error is None else error / (2 * top) if top else 0.0)


@dataclass(frozen=True, eq=False, repr=False)
class Report(Mapping[str, float]):
    """Figures by name: `report["rmse"]`.

    Attributes:
        figures: value and standard error of each metric.
        counts: `n_users` measured, `n_ratings` tested, and how many of them were `cold_users`, `cold_items`,
            `cold_ratings` (no training rating), `unknown_ratings` (not in the model's vocabulary at all) and
            `seen_ratings` (shown to the model: a leak, unless training error is what is measured).
        per_user: one row a user (raw id), one column a metric; what paired tests need. Users that a metric
            leaves out are NaN there.
        model, data: names.
    """

    figures: dict[str, Figure]
    counts: dict[str, int]
    per_user: pd.DataFrame
    model: str
    data: str

    def __getitem__(self, name: str) -> float:
        if name not in self.figures:
            raise KeyError(f"{name} was not measured; there are {', '.join(self.figures)}")
        return self.figures[name].value

    def __iter__(self) -> Iterator[str]:
        return iter(self.figures)

    def __len__(self) -> int:
        return len(self.figures)

    def interval(self, name: str) -> tuple[float, float] | None:
        """The 95 % interval over users; None for a metric of all lists together, or with a single user."""
        self[name]
        return self.figures[name].interval

    def to_frame(self) -> pd.DataFrame:
        """One row a metric: value, low and high end of the interval (NaN where there is none)."""
        rows = [(figure.value, *(figure.interval or (np.nan, np.nan))) for figure in self.figures.values()]
        return pd.DataFrame(rows, index=pd.Index(self.figures, name="metric"), columns=["value", "low", "high"])

    def to_dict(self) -> dict[str, Any]:
        """Plain values: each metric by name, `intervals`, the counts, `model` and `data`."""
        intervals = {name: list(f.interval) for name, f in self.figures.items() if f.interval is not None}
        return {**dict(self), "intervals": intervals, **self.counts, "model": self.model, "data": self.data}

    def to_json(self, path: str | Path | None = None) -> str:
        """`to_dict` as JSON; written to `path` too where one is given."""
        text = json.dumps(self.to_dict(), indent=2, ensure_ascii=False)
        if path is not None:
            write_text(path, text + "\n")
        return text

    def __str__(self) -> str:
        width = max(6, *map(len, self.figures))
        count = self.counts
        head = f"{self.model} on {self.data}: {count['n_users']:,} users, {count['n_ratings']:,} ratings"
        lines = [f"  {name:<{width}}  {_line(figure)}" for name, figure in self.figures.items()]
        return "\n".join([head, f"  {'metric':<{width}}     value  95 % interval over users", *lines, *self._notes()])

    __repr__ = __str__

    def _notes(self) -> list[str]:
        count, notes = self.counts, []
        if count["cold_ratings"]:
            notes.append(
                f"{count['cold_ratings']:,} of the ratings are of users ({count['cold_users']:,}) or items "
                f"({count['cold_items']:,}) without a training rating"
                + (f"; {count['unknown_ratings']:,} are unknown to the model" if count["unknown_ratings"] else "")
            )
        if count["seen_ratings"]:
            notes.append(f"{count['seen_ratings']:,} of the ratings were shown to the model: it is no test on these")
        return notes


def _line(figure: Figure) -> str:
    interval = figure.interval
    return f"{figure.value:8.4f}" + ("" if interval is None else f"  {interval[0]:.4f} to {interval[1]:.4f}")
