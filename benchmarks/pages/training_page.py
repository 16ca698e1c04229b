"""The table of warm starts in docs/guides/training.md."""

from __future__ import annotations

from typing import Any

from benchmarks.common.markdown import table
from benchmarks.common.paths import DOCS
from benchmarks.common.record import read

PAGE = DOCS / "guides" / "training.md"


def parts() -> dict[str, str]:
    """The page's part by name."""
    head = [
        "model", "yesterday: 95 % of the ratings", "epochs from scratch", "warm, at most",
        "as good on validation after",
        "test, yesterday's", "from scratch", "warm",
    ]  # fmt: skip
    return {"warm": table(head, [one(row) for row in read("warm_start")["rows"]])}


def one(row: dict[str, Any]) -> list[str]:
    ways = {"random": "at random", "time": "the earliest"}
    reached = row["epochs_to_scratch"]
    return [
        f"`{row['model']}`, {row['metric'].upper()}", ways[row["yesterday"]], str(row["scratch"]["best_epoch"]),
        str(row["warm"]["epochs"]), "not within these" if reached is None else str(reached),
        *(f"{row[one]['test']:.4f}" for one in ("before", "scratch", "warm")),
    ]  # fmt: skip
