"""The tables of docs/linear_vs_mf.md."""

from __future__ import annotations

from typing import Any

from benchmarks.common.markdown import p_value, table
from benchmarks.common.paths import DOCS
from benchmarks.common.record import read
from benchmarks.pages.candidates import at_edges

PAGE = DOCS / "linear_vs_mf.md"
NAMES = {
    "ndcg@100": "NDCG@100", "recall@20": "Recall@20", "recall@50": "Recall@50", "coverage@20": "coverage",
    "novelty@20": "novelty", "rmse": "RMSE", "mae": "MAE",
}  # fmt: skip


def parts() -> dict[str, str]:
    """The page's parts by name."""
    result = read("linear_vs_mf-ml-1m")
    return {name: f"{comparison(found)}\n\n{at_edges(found['tried'])}" for name, found in result.items()
            if name in ("ranking", "ratings")}  # fmt: skip


def comparison(found: dict[str, Any]) -> str:
    """A comparison (`recae.Comparison.to_dict`), best model first."""
    rows = []
    for row in found["models"]:
        figures = [f"{row[name]:.2f}" if name == "novelty@20" else f"{row[name]:.4f}" for name in found["metrics"]]
        rows.append([row["model"], *figures, f"{row['fit_seconds']:.1f}", p_value(row["better_by"])])
    return table(["model", *(NAMES.get(name, name) for name in found["metrics"]), "fit, s", "p against the best"], rows)
