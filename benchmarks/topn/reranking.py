"""What re-ranked lists cost in NDCG, and gain in their own metric, on MovieLens-1M: the table of docs/reranking.md.

\b
    python -m benchmarks.reranking [DATA] [--only diverse]

EASE learns from the ratings of 4 and 5 stars, of which a tenth is hidden at random (seed 0). Lists of 20 are chosen
among the first 100, by each way with several weights. `recae/reranking.py` has the ways.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import Any

import click
import numpy as np

import recae
from benchmarks.common.options import choose_names
from benchmarks.common.record import read, write
from recae import metrics
from recae._types import Csr, IntArray
from recae.evaluation.categories import category_shares
from recae.ratings import RatingMatrix
from recae.reranking import calibrated, capped, diverse, less_popular

WIDE, N = 100, 20
WEIGHTS = (0.1, 0.2, 0.3, 0.5, 0.7)
MOST = (8, 5, 3, 2)
Measure = Callable[[IntArray], float]


@click.command(help=__doc__)
@click.argument("data", default="ml-1m")
@click.option("--only", default="", help="Some of diverse, calibrated, less_popular, capped; the others' rows stay.")
def main(data: str, only: str) -> None:
    ratings = recae.load(data).binarize(4).filter(min_user=5)
    split = recae.split(ratings, "random", test=0.1, rng=0)
    train, relevant = split.train, split.test.user_rows
    model = recae.make_model("ease").fit(train)
    users = np.flatnonzero(np.diff(relevant.indptr))
    wide, scores = model.recommend_users(users, WIDE)
    shares = category_shares(train)
    past, vectors = train.user_rows[users], item_vectors(train)
    first = np.asarray(shares.toarray().argmax(1))
    ways: dict[str, tuple[str, bool, Measure, list[tuple[float, Callable[[], IntArray]]]]] = {
        "diverse": (
            "diversity@20", False, lambda lists: float(metrics.diversity(lists, N, train).mean()),
            [(w, partial(diverse, wide, scores, N, vectors, w)) for w in WEIGHTS],
        ),
        "calibrated": (
            "calibration@20", True, lambda lists: miscalibrated(lists, past, shares),
            [(w, partial(calibrated, wide, scores, N, past, shares, w)) for w in WEIGHTS],
        ),
        "less_popular": (
            "novelty@20, bits", False,
            lambda lists: float(metrics.novelty(lists, N, metrics.self_information(train)).mean()),
            [(w, partial(less_popular, wide, scores, N, train.counts("item"), w)) for w in WEIGHTS],
        ),
        "capped": (
            "items of the most frequent first genre", True, lambda lists: most_frequent(lists, first),
            [(m, partial(capped, wide, N, first, m)) for m in MOST],
        ),
    }  # fmt: skip
    plain, rows = wide[:, :N], list[dict[str, Any]]()
    wanted = choose_names(ways, only)
    for way, (metric, lower, own, settings) in ways.items():
        if way not in wanted:
            rows += [row for row in read("reranking")["rows"] if row["way"] == way]
            continue
        rows.append({"way": way, "metric": metric, "lower_is_better": lower, "setting": None,
                     "ndcg@20": ndcg(plain, relevant[users]), "own": own(plain), "cpu_ms_a_list": 0.0})  # fmt: skip
        for setting, make in settings:
            start = time.process_time()
            lists = make()
            spent = 1e3 * (time.process_time() - start) / len(users)
            rows.append({"way": way, "metric": metric, "lower_is_better": lower, "setting": setting,
                         "ndcg@20": ndcg(lists, relevant[users]), "own": own(lists),
                         "cpu_ms_a_list": spent})  # fmt: skip
            click.echo(f"{way} {setting}: NDCG@20 {rows[-1]['ndcg@20']:.4f}, {metric} {rows[-1]['own']:.4f}")
    write("reranking", {"data": repr(split), "n_users": len(users), "wide": WIDE, "n": N, "rows": rows})


def item_vectors(train: RatingMatrix) -> Any:
    """Who rated an item, columns of length 1, in the 128 directions that keep most: `diverse` takes dense arrays."""
    from sklearn.decomposition import TruncatedSVD
    from sklearn.preprocessing import normalize

    return TruncatedSVD(128, random_state=0).fit_transform(normalize(train.rows("item")))


def ndcg(lists: IntArray, relevant: Csr) -> float:
    return float(metrics.ndcg(metrics.find_hits(lists, relevant), N).mean())


def miscalibrated(lists: IntArray, history: Csr, shares: Csr) -> float:
    return float(np.nanmean(metrics.miscalibration(lists, N, history, shares)))


def most_frequent(lists: IntArray, genre: IntArray) -> float:
    """How many items of a list have its most frequent first genre, on average."""
    return float(np.mean([np.bincount(genre[listed[listed >= 0]], minlength=1).max() for listed in lists]))


if __name__ == "__main__":
    main()
