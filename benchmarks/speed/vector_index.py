"""A vector index (usearch) of a million items' vectors beside exact search: recall, and time a query.

\b
    python -m benchmarks.vector_index [--items 1000000] [--width 64] [--queries 1000]

The recipe of docs/guides/export.md at the size of a large catalogue. Vectors are drawn in groups, as those of items
are: each of `--groups` topics has a direction, an item lies near one of them. Queries are users' vectors, drawn alike,
for lists (inner product), and items' own for similar items (cosine). Exact search is a product with all vectors. Recall
is the share of the exact first 10, of all queries, that the index finds, for several widths of its search
(`expansion_search`).
"""

from __future__ import annotations

import time
from typing import Any

import click
import numpy as np

from benchmarks.common.record import usable_cores, write
from recae._types import FloatArray, IntArray
from recae.ranking import top_n

NEAREST = 10
WIDTHS = (64, 256, 1024)


def drawn_vectors(n: int, topics: FloatArray, rng: np.random.Generator) -> FloatArray:
    """`n` vectors near the topics, (n, width); some topics have many, and lengths differ as popularity does."""
    share = 1 / (np.arange(len(topics)) + 10)
    topic = rng.choice(len(topics), n, p=share / share.sum())
    vectors = topics[topic] + 0.6 * rng.standard_normal((n, topics.shape[1]), np.float32)
    return (vectors * rng.lognormal(0, 0.2, (n, 1))).astype(np.float32)


def exact(items: FloatArray, queries: FloatArray) -> tuple[IntArray, float]:
    """The first ten of each query by product, and the processor's milliseconds for one."""
    top_n(queries[:16] @ items.T, NEAREST)  # compiles
    start = time.process_time()
    found = [top_n(queries[at : at + 16] @ items.T, NEAREST)[0] for at in range(0, len(queries), 16)]
    return np.concatenate(found), 1e3 * (time.process_time() - start) / len(queries)


def measure(items: FloatArray, queries: FloatArray, metric: str) -> dict[str, Any]:
    """Building, and searches of several widths, with one thread; times are of the processor."""
    from usearch.index import Index

    if metric == "cos":
        items, queries = (rows / np.linalg.norm(rows, axis=1, keepdims=True) for rows in (items, queries))
    truth, exact_ms = exact(items, queries)
    index: Any = Index(ndim=items.shape[1], metric=metric, dtype="f32", connectivity=16, expansion_add=128)
    start = time.process_time()
    index.add(np.arange(len(items)), items, threads=1)
    built = time.process_time() - start
    click.echo(f"{metric}: built in {built:.0f} s, exact {exact_ms:.2f} ms a query")
    rows = []
    for width in WIDTHS:
        index.expansion_search = width
        start = time.process_time()
        found = index.search(queries, NEAREST, threads=1).keys
        spent = 1e3 * (time.process_time() - start) / len(queries)
        recall = float(np.mean([len(np.intersect1d(a, b)) / NEAREST for a, b in zip(truth, found)]))
        rows.append({"expansion_search": width, "recall": recall, "ms": spent})
        click.echo(f"{metric}: width {width}: recall {recall:.3f}, {spent:.3f} ms a query")
    return {"metric": metric, "build_seconds": built, "index_mb": index.memory_usage / 2**20,
            "exact_ms": exact_ms, "rows": rows}  # fmt: skip


@click.command(help=__doc__)
@click.option("--items", default=1_000_000, show_default=True)
@click.option("--width", default=64, show_default=True, help="Of the vectors.")
@click.option("--groups", default=1_000, show_default=True, help="Topics.")
@click.option("--queries", default=1_000, show_default=True)
@click.option("--record/--no-record", default=True, help="Write results/vector_index.json.")
def main(items: int, width: int, groups: int, queries: int, record: bool) -> None:
    try:
        from usearch import __version__ as version
    except ImportError:
        raise click.ClickException("usearch is not installed: pip install usearch") from None
    rng = np.random.default_rng(0)
    topics = rng.standard_normal((groups, width), np.float32)
    vectors, users = drawn_vectors(items, topics, rng), drawn_vectors(queries, topics, rng)
    own = vectors[rng.choice(items, queries, replace=False)]
    found = [measure(vectors, users, "ip"), measure(vectors, own, "cos")]
    if record:
        about = {"items": items, "width": width, "groups": groups, "queries": queries, "nearest": NEAREST}
        write("vector_index", {**about, "usearch": version, "usable_cores": usable_cores(), "searches": found})


if __name__ == "__main__":
    main()
