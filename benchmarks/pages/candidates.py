"""How many settings of a model were tried before one was taken, and where that lies at the edge of them."""

from __future__ import annotations

from typing import Any

from benchmarks.common.record import read

Tried = list[dict[str, Any]]  # settings, each with a figure of which more is better
LABELS = {  # rows of benchmarks.topn whose settings are searched by benchmarks.linear_vs_mf, with its labels
    "pca": "PCA (PureSVD)", "linear-ae": "linear autoencoder, by gradient", "lae": "LAE (ridge), closed form",
    "als": "weighted matrix factorisation (ALS)", "bpr": "BPR", "ease": "EASE", "edlae": "EDLAE", "dlae": "DLAE",
    "rdlae": "RDLAE", "dan": "DAN", "slim": "SLIM", "item-knn": "item-kNN",
}  # fmt: skip


def numbers_tried() -> dict[str, int]:
    """Rows of benchmarks.topn to the number of settings that were tried; those without settings are left out."""
    grids = read("linear_vs_mf-ml-1m")["ranking"]["tried"]
    others = read("choose-topn-ml-1m")["log"]
    return {row: len(grids[label]) for row, label in LABELS.items()} | {row: len(log) for row, log in others.items()}


def at_edges(searches: dict[str, Tried]) -> str:
    """Models with the settings that were taken at an edge of a grid, and what was tried, in a paragraph.

    0 is no edge: none of the settings goes below it.
    """
    found = [f"{name}: {', '.join(edges)}" for name, tried in searches.items() if (edges := _edges(tried))]
    if not found:
        return ""
    return f"Taken at the edge of what was tried, so that a better value may lie beyond: {'; '.join(found)}."


def _edges(tried: Tried) -> list[str]:
    """The settings of the best candidate that are the smallest or the largest of several."""
    best = max(tried, key=lambda one: one["validation"])["settings"] if tried else {}
    edges = []
    for name, value in best.items():
        values = {one["settings"][name] for one in tried}
        if len(values) > 1 and not isinstance(value, str) and value and value in (min(values), max(values)):
            edges.append(f"{name} {value:g} (of {', '.join(f'{one:g}' for one in sorted(values))})")
    return edges
