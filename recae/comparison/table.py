"""`Comparison`: the table that `compare` gives, to read, to print and to write to a file."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from recae.atomic import write_text
from recae.evaluation import Report
from recae.notebook import html_table
from recae.splitting import Split

PER_FIT = ("fit_seconds", "recommend_seconds", "peak_mb")


@dataclass(frozen=True, eq=False, repr=False)
class Comparison:
    """What `compare` found.

    Attributes:
        rows: one mapping a model, the best first: `model` (its label), `settings`, `league`, the metrics,
            `groups` (number and metrics of users with and without a training rating, where there are both),
            `fit_seconds`, `recommend_seconds` (lists of 20 for all test users, fitted model to frame), `peak_mb` (by
            how much the process grew, at most, while it was fitted; None where the system does not tell), `better_by`:
            the best model's figure less this one's (`mean`), with its 95 % interval over users and its p-value.
        failed: label to message, of models that could not be fitted or measured.
        reports: label to `Report`.
        metrics: their names; by the first, models are ordered and compared.
        split: what they were compared on; the first one where there are several.
        simple: the first metric of what every model should beat, by name: the biases for errors of ratings, popularity
            for lists; empty for metrics that say nothing of accuracy.
        n_splits: how many splits there are; figures are means over them, and `rows` have those of each in `splits`.
        lower_is_better: of each metric, whether a lower figure is better.
    """

    rows: list[dict[str, Any]]
    failed: dict[str, str]
    reports: dict[str, Report]
    metrics: tuple[str, ...]
    split: Split
    n_splits: int = 1
    simple: dict[str, float] = field(default_factory=dict)
    lower_is_better: dict[str, bool] = field(default_factory=dict)

    @property
    def best(self) -> str:
        """The label of the best model by the first metric."""
        return str(self.rows[0]["model"])

    def to_frame(self) -> pd.DataFrame:
        """One row a model, the best first: metrics, times, memory, and p (of the paired test against the best).

        Models that learn from different things (`recae.comparison.leagues`) are told apart by a column `league`.
        """
        mixed = ("league",) if len({row["league"] for row in self.rows}) > 1 else ()
        table = [
            {name: row[name] for name in ("model", *mixed, *self.metrics, *PER_FIT)} | {"p": row["better_by"].get("p")}
            for row in self.rows
        ]
        return pd.DataFrame(table).set_index("model")

    def to_dict(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "data": self.split.train.name, "protocol": self.split.how, "settings": self.split.settings,
            "n_splits": self.n_splits, "simple": self.simple, "metrics": list(self.metrics),
            "lower_is_better": self.lower_is_better,
            "n_test_users": max(len(r.per_user) for r in self.reports.values()),
            "models": self.rows, "failed": self.failed,
        }  # fmt: skip

    def to_json(self, path: str | Path | None = None) -> str:
        """`to_dict` as JSON; written to `path` too where one is given."""
        text = json.dumps(self.to_dict(), indent=2, ensure_ascii=False)
        if path is not None:
            write_text(path, text + "\n")
        return text

    def __str__(self) -> str:
        head = f"{self.split!r}\n"
        table = self._shown()
        texts = {str(name): [_text(value, str(name)) for value in table[name]] for name in table}
        shown = pd.DataFrame(texts, index=table.index.rename(None)).rename(
            columns={"fit_seconds": "fit s", "recommend_seconds": "list s", "peak_mb": "MB"}
        )
        return "\n".join([head + shown.to_string(), *self._notes()])

    __repr__ = __str__

    def _repr_html_(self) -> str:
        """The table, its figures as text shows them."""
        table = self._shown()
        columns = {str(name): [_text(value, str(name)) for value in table[name]] for name in table}
        rows = list(zip(map(str, table.index), *columns.values()))
        return html_table(repr(self.split), rows, ("model", *columns), self._notes())

    def _shown(self) -> pd.DataFrame:
        """The table without p where one model has nothing to be tested against."""
        table = self.to_frame()
        return table if len(self.rows) > 1 else table.drop(columns="p")

    def _notes(self) -> list[str]:
        """Lines below the table, the same in a terminal and in a notebook."""
        first = self.metrics[0]
        order = f"ordered by {first}: {'lower' if self._lower() else 'higher'} is better"
        test = f"p: paired test over users of {first} against {self.best}, by Holm's correction"
        several = [order, *self._intervals(), test] if len(self.rows) > 1 else self._intervals()
        failed = [f"{label} failed: {message}" for label, message in self.failed.items()]
        return [*several, *self._groups(), *self._worse_than_simple(), *failed]

    def _lower(self) -> bool:
        return self.lower_is_better.get(self.metrics[0], False)

    def _intervals(self) -> list[str]:
        """Over several splits: a line with the intervals of the first metric."""
        name = self.metrics[0]
        if self.n_splits == 1:
            return []
        ends = ((row["model"], row["intervals"][name]) for row in self.rows)
        intervals = ", ".join(f"{model} {low:.4f} to {high:.4f}" for model, (low, high) in ends)
        return [f"means over {self.n_splits} splits, the first of which is shown; 95 % of {name}: {intervals}"]

    def _worse_than_simple(self) -> list[str]:
        """A line with the models that do worse than the biases or popularity, where there are any."""
        name, lines = self.metrics[0], []
        sign = 1 if self._lower() else -1
        for label, value in self.simple.items():
            worse = [
                str(row["model"]) for row in self.rows if sign * row[name] > sign * value and row["model"] != label
            ]
            if worse:
                lines.append(f"{label} does better ({name} {value:.4f}) than {', '.join(worse)}")
        return lines

    def _groups(self) -> list[str]:
        """A line about users with training ratings and one about those without, where there are both."""
        name, lines = self.metrics[0], []
        for group, what in (("known", "with training ratings"), ("new", "without a training rating")):
            rows = [row for row in self.rows if name in row["groups"].get(group, {})]
            if rows:
                figures = ", ".join(f"{row['model']} {row['groups'][group][name]:.4f}" for row in rows)
                lines.append(f"{name} of the {rows[0]['groups'][group]['n_users']:,} users {what}: {figures}")
        return lines


def _text(value: Any, name: str) -> str:
    if value is None or pd.isna(value):
        return "-"
    if isinstance(value, str):
        return value
    if name == "p":
        return "<0.001" if value < 0.001 else f"{value:.3f}"
    return f"{value:.0f}" if name == "peak_mb" else f"{value:.2f}" if name in PER_FIT else f"{value:.4f}"
