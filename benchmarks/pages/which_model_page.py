"""The tables of docs/which_model.md: every model's defaults on data of all kinds."""

from __future__ import annotations

import ast
from typing import Any

from benchmarks.accuracy.default_data import RANKED, RATED, UNSEEN
from benchmarks.accuracy.defaults import BASELINES, is_worse
from benchmarks.common.markdown import table
from benchmarks.common.paths import DOCS
from benchmarks.common.record import read

PAGE = DOCS / "which_model.md"
Row = dict[str, Any]


def parts() -> dict[str, str]:
    """The page's parts by name."""
    rows = {task: read(f"defaults-{task}", {"rows": []})["rows"] for task in BASELINES}
    return {
        "ratings": by_model(rows["rating"], list(RATED), "rating"),
        "unseen": by_model(rows["unseen"], [UNSEEN], "unseen"),
        "rankers": by_model(rows["ranking"], list(RANKED), "ranking"),
        "choosing": choosing([row for task in ("rating", "ranking") for row in rows[task] if row["model"] == "auto"]),
    }


def choosing(rows: list[Row]) -> str:
    """A line a set: what `auto` takes, and what it costs beside a fit of that by itself; of several splits, means."""
    lines = []
    for row in rows:
        fits = [fit for fit in row["fits"] if "alone_cpu" in fit]
        if not fits:
            continue
        cpu, alone = (sum(fit[name] for fit in fits) / len(fits) for name in ("cpu", "alone_cpu"))
        taken = ", ".join(dict.fromkeys(in_words(fit["chosen"]) for fit in fits))
        times = f"{cpu / alone:.1f}" if alone > 0.05 * cpu else ""
        lines.append([row["data"], row["task"] + "s", taken, f"{cpu:.0f}", f"{alone:.1f}", times])
    head = ["data", "task", "takes", "`auto`, CPU s", "that model alone, CPU s", "times"]
    return table(head, lines) if lines else "Not measured yet."


def by_model(rows: list[Row], sets: list[str], task: str) -> str:
    """A line a model: the baseline, `auto`, then by the mean of figures in shares of the baseline's, gaps last."""
    if not rows:
        return "Not measured yet."
    found = {(row["model"], row["data"]): row for row in rows}
    names = {row["model"] for row in rows}
    sets = [data for data in sets if any(data == row["data"] for row in rows)]

    def place(name: str) -> tuple[bool, bool, bool, float, str]:
        own = [figure(row) / row["baseline"] for row in rows if row["model"] == name]
        mean = sum(own) / len(own)
        missing = len(own) < len(sets)
        return name != BASELINES[task], name != "auto", missing, -mean if task == "ranking" else mean, name

    lines = []
    for name in sorted(names, key=place):
        mine = [row for row in rows if row["model"] == name]
        cpu = sum(row["cpu"] for row in mine) if len(mine) == len(sets) else None
        cells = [cell(found.get((name, data))) for data in sets]
        lines.append([f"`{name}`", *cells, "" if cpu is None else f"{cpu:,.0f}"])
    return table(["model", *sets, "CPU, s"], lines)


def in_words(taken: str) -> str:
    """A model, or the mean of several, as `benchmarks.accuracy.defaults` writes it: "ranking-blend members=[...]"."""
    name, _, members = taken.partition(" members=")
    return f"mean of {' and '.join(f'`{one}`' for one in ast.literal_eval(members))}" if members else f"`{name}`"


def figure(row: Row) -> float:
    """RMSE, or Recall@20."""
    return float(row["rmse"] if "rmse" in row else row["recall@20"])


def cell(row: Row | None) -> str:
    """The figure; in brackets below the baseline by more than a standard error, and empty where it was not measured."""
    if row is None:
        return ""
    text = f"{figure(row):.4f}" if figure(row) < 10 else f"{figure(row):.3f}"
    return f"({text})" if is_worse(row) else text
