"""`Comparison`: the table that `compare` gives, to read, to print and to write to a file."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from recae.evaluation import Report
from recae.splitting import Split
from recae.storage import write_text

PER_FIT = ("fit_seconds", "recommend_seconds", "peak_mb")


@dataclass(frozen=True, eq=False, repr=False)
class Comparison:
    """What `compare` found.

    Attributes:
        rows: one mapping a model, the best first: `model` (its label), `settings`, `league`, the metrics,
            `fit_seconds`, `recommend_seconds` (lists of 20 for all test users, fitted model to frame), `peak_mb` (by
            how much the process grew, at most, while it was fitted; None where the system does not tell), `better_by`:
            the best model's figure less this one's over users, with its 95 % interval and its p-value.
        failed: label to message, of models that could not be fitted or measured.
        reports: label to `Report`.
        metrics: their names; by the first, models are ordered and compared.
        split: what they were compared on.
    """

    rows: list[dict[str, Any]]
    failed: dict[str, str]
    reports: dict[str, Report]
    metrics: tuple[str, ...]
    split: Split

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
            "metrics": list(self.metrics), "n_test_users": max(len(r.per_user) for r in self.reports.values()),
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
        table = self.to_frame()
        texts = {str(name): [_text(value, str(name)) for value in table[name]] for name in table}
        shown = pd.DataFrame(texts, index=table.index.rename(None)).rename(
            columns={"fit_seconds": "fit s", "recommend_seconds": "list s", "peak_mb": "MB"}
        )
        notes = [f"p: paired t-test over users of {self.metrics[0]} against {self.best}, by Holm's correction"]
        notes += [f"{label} failed: {message}" for label, message in self.failed.items()]
        return "\n".join([head + shown.to_string(), *notes])

    __repr__ = __str__


def _text(value: Any, name: str) -> str:
    if value is None or pd.isna(value):
        return "-"
    if isinstance(value, str):
        return value
    if name == "p":
        return "<0.001" if value < 0.001 else f"{value:.3f}"
    return f"{value:.0f}" if name == "peak_mb" else f"{value:.2f}" if name in PER_FIT else f"{value:.4f}"
