"""The figures on the pages of docs/family/: of each family's models, beside those that they are to be compared with."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

from benchmarks.common.markdown import table
from benchmarks.common.paths import DOCS
from benchmarks.common.record import read
from benchmarks.pages.accuracy_tables import title

SETS = {"ml-1m": "MovieLens-1M, five random 90/10 splits", "ml-100k": "MovieLens-100K, five published folds"}
RATINGS = {  # of a page, by set, the rows of its table
    "autorec": {
        "ml-1m": ["bias", "biased-mf", "u-autorec", "u-autorec-residual", "i-autorec", "deep"],
        "ml-100k": ["bias", "u-autorec", "i-autorec", "ordinal"],
    },
    "kernels": {"ml-1m": ["i-autorec", "sparse-fc"], "ml-100k": ["i-autorec", "sparse-fc", "glocal-k"]},
    "dual_autorec": {
        "ml-1m": ["i-autorec", "deep", "dual-autorec", "dual-autorec-levelled", "dual-autorec-ordinal"],
        "ml-100k": ["i-autorec", "ordinal", "dual-autorec", "dual-autorec-ordinal"],
    },
    "side_information": {"ml-100k": ["i-autorec", "vector", "dual-autorec-ordinal", "cfn", "wide-deep", "hybrid"]},
}  # fmt: skip
LISTS = {
    "denoising_sparse": ["popularity", "mult-dae", "cdae", "ease", "edlae"],
    "variational": ["popularity", "mult-vae", "mult-dae", "rec-vae", "ease"],
    "linear": [
        "popularity", "pca", "linear-ae", "slim", "ease", "lae", "sparse-ease", "edlae", "elsa", "rdlae", "dlae", "dan",
        "spectral",
    ],
}  # fmt: skip


def ratings(page: str) -> dict[str, str]:
    """A table for each set: the rows in the order named, which is from simple to rich."""
    tables = []
    for name, wanted in RATINGS[page].items():
        rows = {row["row"]: row for row in read(f"accuracy-{name}")["rows"]}
        cells = [[title(rows[row]), f"{rows[row]['rmse']:.4f}", f"{rows[row]['seconds']:.0f} s"] for row in wanted]
        command = f"`python -m benchmarks.accuracy {name}`"
        tables.append(table([SETS[name], "RMSE", "fit"], cells) + f"\n\n{command}")
    return {"figures": "\n\n".join(tables)}


def lists(page: str) -> dict[str, str]:
    """A table of lists for hidden users."""
    rows = {row["name"]: row for row in read("topn-ml-1m")["rows"]}
    cells = [
        [
            f"`{name}`", f"{rows[name]['ndcg@100']:.4f} ± {rows[name]['standard_error']:.4f}",
            f"{rows[name]['recall@20']:.4f}", f"{rows[name]['fit_seconds']:.1f} s",
        ]
        for name in LISTS[page]
    ]  # fmt: skip
    head = ["MovieLens-1M, 1,000 hidden users", "NDCG@100", "Recall@20", "fit"]
    return {"figures": table(head, cells) + "\n\n`python -m benchmarks.topn measure`"}


PAGES: dict[Path, Callable[[], dict[str, str]]] = {
    DOCS / "family" / f"{page}.md": partial(writer, page)
    for writer, pages in ((ratings, RATINGS), (lists, LISTS))
    for page in pages
}
