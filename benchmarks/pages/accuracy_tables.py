"""Rows of the rating-accuracy results as tables, one table a league."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from benchmarks.common.markdown import table
from recae.comparison.leagues import LEAGUES

Row = dict[str, Any]
SPLITS = 5  # of a complete row: five random splits, or five folds
NAMES = {  # of rows whose settings give no title
    "bias": "mean + user + item deviation", "i-autorec": "I-AutoRec, k = 500", "u-autorec": "U-AutoRec, k = 500",
    "deep": "deep I-AutoRec 500-250-500", "unseen-users-bias": "mean + user + item deviation",
    "unseen-users-i-autorec": "I-AutoRec, their output units solved for",
    "unseen-users-u-autorec": "U-AutoRec, their rows encoded",
}  # fmt: skip


def title(row: Row) -> str:
    """The name of a row in tables."""
    return str(row.get("title") or NAMES.get(row["row"], row["row"]))


def rmse_with_interval(row: Row) -> str:
    """The mean RMSE with its 95 % interval, and the number of splits where some are missing."""
    runs = len(row["fits"])
    if runs == 1:
        return f"{row['rmse']:.4f} (one run)"
    return f"{row['rmse']:.4f} ± {row['half_interval']:.4f}" + ("" if runs == SPLITS else f" ({runs} splits)")


def by_league(rows: list[Row]) -> dict[str, list[Row]]:
    """Rows by the description of their league, in the order of the leagues; empty leagues are left out."""
    found = {words: [row for row in rows if row.get("league", "ratings") == key] for key, words in LEAGUES.items()}
    return {words: rows for words, rows in found.items() if rows}


def league_tables(rows: list[Row], head: list[str], cells: Callable[[Row], list[str]]) -> str:
    """A table for each league. The first column's head names the league where there are several."""
    leagues = by_league(rows)
    return "\n\n".join(
        table([head[0] + (f": {words}" if len(leagues) > 1 else ""), *head[1:]], [cells(row) for row in part])
        for words, part in leagues.items()
    )
