"""The figures of docs/guides/export.md: a vector index of a million items."""

from __future__ import annotations

from typing import Any

from benchmarks.common.markdown import table
from benchmarks.common.paths import DOCS
from benchmarks.common.record import read

PAGE = DOCS / "guides" / "export.md"
WHAT = {"ip": "inner product, for lists", "cos": "cosine, for similar items"}


def parts() -> dict[str, str]:
    """The page's parts by name."""
    return {"index": index(read("vector_index"))}


def index(result: dict[str, Any]) -> str:
    """Recall and time of each width of search beside exact search."""
    head = (
        f"{result['items']:,} drawn vectors of {result['width']} numbers in {result['groups']:,} groups, the nearest "
        f"{result['nearest']} of {result['queries']:,} queries, usearch {result['usearch']}, processor time of one "
        f"thread on {result['machine']['processor']}, commit {result['commit']}, {result['date'][:10]}:"
    )
    rows = [
        [WHAT[found["metric"]], f"{row['expansion_search']:,}", f"{row['recall']:.3f}", f"{row['ms']:.2f}",
         f"{found['exact_ms']:.2f}", f"{found['build_seconds']:,.0f}", f"{found['index_mb']:,.0f}"]
        for found in result["searches"] for row in found["rows"]
    ]  # fmt: skip
    columns = ["search", "width", "recall", "ms a query", "exact, ms", "build, s", "MiB"]
    return f"{head}\n\n{table(columns, rows)}"
