"""`Report`: the figures of one evaluation, to read, to print and to keep."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from recae._types import DoubleArray
from recae.atomic import write_text
from recae.notebook import html_table

Z = 1.959964  # 97.5 % of a normal distribution lies below


@dataclass(frozen=True)
class Figure:
    """A value, and its standard error over users (or splits) where there is one (two or more).

    `quantile` standard errors to both sides make the 95 % interval: of a normal distribution, or of Student's t.
    """

    value: float
    error: float | None = None
    quantile: float = Z

    @property
    def interval(self) -> tuple[float, float] | None:
        """95 %: value +- `quantile` standard errors."""
        if self.error is None:
            return None
        return self.value - self.quantile * self.error, self.value + self.quantile * self.error


def mean(values: DoubleArray) -> Figure:
    """The mean over users, and its standard error s / sqrt(n); NaN is left out, and is the mean of nothing."""
    values = values[~np.isnan(values)]
    n = len(values)
    if n == 0:
        return Figure(float("nan"))
    return Figure(float(values.mean()), float(values.std(ddof=1) / np.sqrt(n)) if n > 1 else None)


def ratio(total: DoubleArray, count: npt.NDArray[Any], *, root: bool) -> Figure:
    """sum(total) / sum(count) over users, or its square root.

    The standard error is that of a ratio estimator with users as clusters (Cochran 1977, section 2.11:
    linearised, i.e. the delta method); through the root it is divided by twice the root.
    """
    value = float(total.sum() / count.sum())
    error = error_of(influence(total, count, root=root)) if len(total) > 1 else None
    return Figure(float(np.sqrt(value)) if root else value, error)


def influence(total: DoubleArray, count: npt.NDArray[Any], *, root: bool) -> DoubleArray:
    """How far each user moves `ratio`, to first order, (n,): (total - value count) / sum(count); their sum is 0."""
    value = float(total.sum() / count.sum())
    moved: DoubleArray = (total - value * count) / count.sum()
    if not root:
        return moved
    return moved / (2 * np.sqrt(value)) if value else np.zeros_like(moved)


def error_of(moved: DoubleArray) -> float:
    """The standard error of a figure that users move so far, (n,), of two users or more."""
    n = len(moved)
    return float(np.sqrt(n / (n - 1) * np.sum(moved * moved)))


@dataclass(frozen=True)
class Measured:
    """What some metrics come to.

    Attributes:
        figures: of all users, by metric.
        groups: of "known" and of "new" users, by metric; empty where there is only one of the two.
        per_user: each user's own, indexed by the user's row in the test.
        moved: of metrics that are pooled over ratings, `influence` of each user, indexed alike.
    """

    figures: dict[str, Figure]
    groups: dict[str, dict[str, Figure]]
    per_user: pd.DataFrame
    moved: pd.DataFrame = field(default_factory=pd.DataFrame)


@dataclass(frozen=True, eq=False, repr=False)
class Report(Mapping[str, float]):
    """Figures by name: `report["rmse"]`.

    Attributes:
        figures: value and standard error of each metric.
        counts: `n_users` measured, of whom `known_users` have a training rating (or are hidden, and show one) and
            `new_users` have none; `n_ratings` tested, and how many of them were `cold_users`, `cold_items`,
            `cold_ratings` (no training rating), `unknown_users`, `unknown_items`, `unknown_ratings` (not in the model's
            vocabulary at all) and
            `seen_ratings` (shown to the model: a leak, unless training error is what is measured).
        per_user: one row a user (raw id), one column a metric; what paired tests of lists need. Users that a metric
            leaves out are NaN there.
        model, data: names.
        groups: figures of the "known" and of the "new" users, as in `figures`; empty where only one of both was
            measured. Metrics of all lists together (coverage) are not in it.
        over: what the intervals are over: "users", or "splits" where figures are means of several.
        by: what the test ratings are grouped by (`evaluate(..., by=...)`); None for not at all.
        parts: a report of each group, by its name.
        moved: one row a user (raw id), one column a metric that is pooled over ratings (rmse, mae): how far the user
            moves the figure, to first order. Standard errors and paired tests of such a metric are made of it.
    """

    figures: dict[str, Figure]
    counts: dict[str, int]
    per_user: pd.DataFrame
    model: str
    data: str
    groups: dict[str, dict[str, Figure]] = field(default_factory=dict)
    over: str = "users"
    by: str | None = None
    parts: dict[str, Report] = field(default_factory=dict)
    moved: pd.DataFrame = field(default_factory=pd.DataFrame)

    def __getitem__(self, name: str) -> float:
        if name not in self.figures:
            raise KeyError(f"{name} was not measured; there are {', '.join(self.figures)}")
        return self.figures[name].value

    def __iter__(self) -> Iterator[str]:
        return iter(self.figures)

    def __len__(self) -> int:
        return len(self.figures)

    def interval(self, name: str) -> tuple[float, float] | None:
        """The 95 % interval; None for a metric of all lists together, or with a single user."""
        self[name]
        return self.figures[name].interval

    def to_frame(self) -> pd.DataFrame:
        """One row a metric: value, low and high end of the interval (NaN where there is none)."""
        rows = [(figure.value, *(figure.interval or (np.nan, np.nan))) for figure in self.figures.values()]
        return pd.DataFrame(rows, index=pd.Index(self.figures, name="metric"), columns=["value", "low", "high"])

    def by_frame(self) -> pd.DataFrame:
        """One row a group and metric: users, ratings, value, low and high end of the interval; empty without groups."""
        columns = [self.by or "group", "metric", "n_users", "n_ratings", "value", "low", "high"]
        rows = [
            (name, metric, part.counts["n_users"], part.counts["n_ratings"], *line)
            for name, part in self.parts.items()
            for metric, line in zip(part, part.to_frame().itertuples(index=False))
        ]
        return pd.DataFrame(rows, columns=columns).set_index(columns[:2])

    def to_dict(self) -> dict[str, Any]:
        """Plain values: each metric by name, `intervals`, the counts, `groups`, `model` and `data`."""
        intervals = {name: list(f.interval) for name, f in self.figures.items() if f.interval is not None}
        about: dict[str, Any] = {"groups": self.group_values(), "model": self.model, "data": self.data}
        if self.by is not None:
            about |= {"by": self.by, "parts": {name: part.to_dict() for name, part in self.parts.items()}}
        return {**dict(self), "intervals": intervals, **self.counts, **about}

    def group_values(self) -> dict[str, dict[str, float]]:
        """Each group's number of users (`n_users`) and metrics by name; empty where only one group was measured."""
        return {
            group: {"n_users": self.counts[f"{group}_users"], **{name: f.value for name, f in figures.items()}}
            for group, figures in self.groups.items()
        }

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
        return "\n".join(
            [
                head,
                f"  {'metric':<{width}}     value  95 % interval over {self.over}",
                *lines,
                *self._notes(),
                *self._by(),
            ]
        )

    __repr__ = __str__

    def _by(self) -> list[str]:
        """A line a group and metric."""
        if self.by is None:
            return []
        wide = max([len(self.by), *map(len, self.parts)])
        metric = max(6, *map(len, self.figures))
        head = f"  {self.by:<{wide}}    users  ratings  {'metric':<{metric}}     value  95 % interval over {self.over}"
        return [head] + [
            f"  {name:<{wide}}  {part.counts['n_users']:7,}  {part.counts['n_ratings']:7,}  {key:<{metric}}  "
            f"{_line(figure)}"
            for name, part in self.parts.items()
            for key, figure in part.figures.items()
        ]

    def _repr_html_(self) -> str:
        rows = [(name, f.value, *(f.interval or (None, None))) for name, f in self.figures.items()]
        head = ("metric", "value", "from", "to (95 %)")
        return html_table(f"{self.model} on {self.data}", rows, head, self._notes())

    def _notes(self) -> list[str]:
        count, notes = self.counts, []
        for group, values in self.group_values().items():
            what = "users without a training rating" if group == "new" else "users with training ratings"
            figures = ", ".join(f"{name} {values[name]:.4f}" for name in self.groups[group])
            notes.append(f"{values['n_users']:,} {what}: {figures}")
        if count["cold_ratings"]:
            notes.append(
                f"{count['cold_ratings']:,} of the ratings are of users ({count['cold_users']:,}) or items "
                f"({count['cold_items']:,}) without a training rating"
                + (f"; {count['unknown_ratings']:,} are unknown to the model" if count["unknown_ratings"] else "")
            )
        if count.get("unknown_users") or count.get("unknown_items"):
            who = f"{count['unknown_users']:,} of the users and {count['unknown_items']:,} of the items"
            notes.append(f"{who} are unknown to the model: in no list, and predicted by biases")
        if count["seen_ratings"]:
            notes.append(f"{count['seen_ratings']:,} of the ratings were shown to the model: it is no test on these")
        return notes


def _line(figure: Figure) -> str:
    interval = figure.interval
    return f"{figure.value:8.4f}" + ("" if interval is None else f"  {interval[0]:.4f} to {interval[1]:.4f}")
