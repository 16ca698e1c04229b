"""The table of docs/reranking.md."""

from __future__ import annotations

from typing import Any

from benchmarks.common.markdown import table
from benchmarks.common.paths import DOCS
from benchmarks.common.record import read

PAGE = DOCS / "reranking.md"


def parts() -> dict[str, str]:
    """The page's part by name."""
    found = read("reranking")
    head = ["way", "weight (items, of `capped`)", "NDCG@20", "its own metric", "before", "after", "CPU ms a list"]
    plain = {row["way"]: row for row in found["rows"] if row["setting"] is None}
    rows = [one(row, plain[row["way"]]) for row in found["rows"] if row["setting"] is not None]
    before = found["rows"][0]["ndcg@20"]
    said = f"{found['n_users']:,} users; lists of {found['n']} out of {found['wide']}. EASE's own lists: {before:.4f}."
    return {"ways": f"{said}\n\n{table(head, rows)}"}


def one(row: dict[str, Any], plain: dict[str, Any]) -> list[str]:
    cost = row["ndcg@20"] / plain["ndcg@20"] - 1
    better = "lower is better" if row["lower_is_better"] else "higher is better"
    return [
        f"`{row['way']}`", f"{row['setting']:g}", f"{row['ndcg@20']:.4f} ({cost:+.1%})", f"{row['metric']}, {better}",
        f"{plain['own']:.3f}", f"{row['own']:.3f}", f"{row['cpu_ms_a_list']:.2f}",
    ]  # fmt: skip
