"""The published protocol on MovieLens-20M, Netflix or the Million Song Dataset, our figures beside the published ones.

\b
    python -m benchmarks.liang ml-20m                       # ease, and the neural models that the table has
    python -m benchmarks.liang msd --models ease,sparse-ease

The preparation is that of Liang et al. (2018), draw for draw (`recae.splitting.liang`). Metrics: Recall@k with
min(k, n) below the line, NDCG@100 with its ideal cut at 100. Files, in the folder given by --data-dir, RECAE_DATA_DIR
or ./data:

    ml-20m    ml-20m/ratings.csv                                  grouplens.org, `recae data fetch ml-20m`
    netflix   netflix/combined_data_1.txt to _4.txt, or netflix/training_set/mv_*.txt
    msd       msd/train_triplets.txt                              the Echo Nest taste profile subset
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import numpy as np
import pandas as pd

import recae
from benchmarks.common.record import peak_mb, write
from benchmarks.common.timing import timed
from benchmarks.topn.protocol import fitted
from recae.errors import DatasetNotFoundError
from recae.loaders import search_places
from recae.models import make_model
from recae.ratings import RatingMatrix
from recae.splitting import Split, liang_2018

METRICS = ("recall@20", "recall@50", "ndcg@100")
# Steck (2019) for EASE, Liang et al. (2018) for Mult-VAE and Mult-DAE, Shenbin et al. (2020) for RecVAE.
PUBLISHED: dict[str, dict[str, tuple[float, ...]]] = {
    "ml-20m": {
        "ease": (0.391, 0.521, 0.420), "mult-dae": (0.387, 0.524, 0.419), "mult-vae": (0.395, 0.537, 0.426),
        "rec-vae": (0.414, 0.553, 0.442),
    },
    "netflix": {
        "ease": (0.362, 0.445, 0.393), "mult-dae": (0.344, 0.438, 0.380), "mult-vae": (0.351, 0.444, 0.386),
        "rec-vae": (0.361, 0.452, 0.394),
    },
    "msd": {
        "ease": (0.333, 0.428, 0.389), "mult-dae": (0.266, 0.363, 0.313), "mult-vae": (0.266, 0.364, 0.316),
        "rec-vae": (0.276, 0.374, 0.326),
    },
}  # fmt: skip
L2 = {"ml-20m": 500.0, "netflix": 1000.0, "msd": 200.0}  # the EASE paper's
LINEAR = ("ease", "sparse-ease")
SETTINGS = {"mult-vae": {"hidden": 600}}  # the paper's, where the default is another one

Triples = tuple[Any, Any, Any]


# ---------------------------------------------------------------- files


def read(name: str, folder: Path) -> RatingMatrix:
    """All ratings of a set; their line numbers in the files are the timestamps.

    Raises:
        DatasetNotFoundError: files are missing; the message names them.
    """
    users, items, ratings = {"ml-20m": _movielens, "netflix": _netflix, "msd": _triplets}[name](folder)
    frame = pd.DataFrame({"user": users, "item": items, "rating": ratings, "line": np.arange(len(users))})
    return RatingMatrix.from_frame(frame, timestamp="line", duplicates="error", name=name)


def _needed(path: Path, words: str) -> Path:
    if not path.exists():
        raise DatasetNotFoundError(f"{path} is missing: {words}")
    return path


def _movielens(folder: Path) -> Triples:
    path = _needed(folder / "ml-20m" / "ratings.csv", "`recae data fetch ml-20m` downloads it, with your consent")
    table = pd.read_csv(path, usecols=["userId", "movieId", "rating"])
    return table["userId"], table["movieId"], table["rating"]


def _triplets(folder: Path) -> Triples:
    words = "unpack train_triplets.txt.zip of the Echo Nest taste profile subset (Million Song Dataset) there"
    path = _needed(folder / "msd" / "train_triplets.txt", words)
    kinds: Any = {"user": "category", "item": "category", "plays": np.float32}
    table = pd.read_csv(path, sep="\t", names=list(kinds), dtype=kinds)
    return table["user"], table["item"], table["plays"]


def _netflix(folder: Path) -> Triples:
    """Blocks of "movie:" and then lines of "user,rating,date"."""
    files = sorted((folder / "netflix").glob("combined_data_*.txt"))
    files = files or sorted((folder / "netflix" / "training_set").glob("mv_*.txt"))
    if not files:
        raise DatasetNotFoundError(
            f"{folder / 'netflix'} has neither combined_data_1.txt to combined_data_4.txt nor training_set/mv_*.txt: "
            "unpack the Netflix Prize data there"
        )
    parts = [part for file in files for part in _movies(file)]
    movies = np.repeat([movie for movie, _ in parts], [len(table) for _, table in parts])
    table = pd.concat([table for _, table in parts])
    return table["user"].to_numpy(), movies, table["rating"].to_numpy()


def _movies(file: Path) -> Iterator[tuple[int, pd.DataFrame]]:
    table = pd.read_csv(file, names=["user", "rating", "date"], usecols=["user", "rating"], dtype={"user": str})
    heads = np.flatnonzero(table["user"].str.endswith(":"))
    for start, end in zip(heads, [*heads[1:], len(table)]):
        theirs = table.iloc[start + 1 : end]
        yield int(table["user"].iloc[start].rstrip(":")), theirs.astype({"user": np.int64, "rating": np.float32})


# ---------------------------------------------------------------- figures


def measure(data: str, name: str, parts: Split) -> dict[str, Any]:
    """One model with the paper's settings; by epochs, stopped by the validation users."""
    model = make_model(name, **({"l2": L2[data]} if name in LINEAR else SETTINGS.get(name, {})))
    seconds, _ = timed(lambda: fitted(model, parts, progress=True))
    report = recae.evaluate(model, parts, METRICS)
    figures = {metric: report[metric] for metric in METRICS}
    errors = {f"{metric} error": report.figures[metric].error for metric in METRICS}
    published = dict(zip(METRICS, PUBLISHED[data].get(name, ())))
    return {"model": name, **figures, **errors, "published": published, "fit_seconds": seconds, "peak_mb": peak_mb()}


def line(row: dict[str, Any]) -> str:
    """Ours, and the published figure in brackets."""
    cells = (f"{row[m]:.4f} ({row['published'].get(m, float('nan')):.3f})".replace("nan", "-") for m in METRICS)
    return f"{row['model']:<12}  " + "  ".join(cells) + f"  {row['fit_seconds']:8.0f} s"


@click.command(help=__doc__)
@click.argument("data", type=click.Choice(list(PUBLISHED)))
@click.option("--models", default="ease,mult-vae,rec-vae", show_default=True)
@click.option("--data-dir", type=click.Path(path_type=Path), default=None)
@click.option("--held-out", type=int, default=None, help="Users of each hidden part.  [default: the published number]")
def main(data: str, models: str, data_dir: Path | None, held_out: int | None) -> None:
    folders = [Path(folder) for folder in search_places(data_dir)]
    folder = next((folder for folder in folders if (folder / data).exists()), folders[0])
    try:
        parts = liang_2018(read(data, folder), data, held_out=held_out)
    except recae.RecaeError as error:
        raise click.ClickException(str(error)) from None
    click.echo(f"{parts}\n{'':<12}  " + "  ".join(f"{m:<14}" for m in METRICS) + "  ours (published)")
    rows = []
    for name in models.split(","):
        rows.append(measure(data, name, parts))
        click.echo(line(rows[-1]))
        if held_out is None:  # figures on fewer users are not recorded
            write(f"liang-{data}", {"settings": parts.settings, "rows": rows})


if __name__ == "__main__":
    main()
