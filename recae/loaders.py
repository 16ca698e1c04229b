"""Ratings in: a data set's name, a file or a table to a `RatingMatrix`; images and documents for the demos."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pandas as pd

from recae.datasets.catalogue import DATASETS, Dataset, close_names, datasets, info
from recae.datasets.locations import cache_dir, fetch, find, locate, search_places
from recae.datasets.mnist import Images, load_mnist
from recae.datasets.movielens import FOLDS, Fold, is_movielens, load_fold, load_movielens, read_movielens
from recae.datasets.newsgroups import Documents, load_newsgroups
from recae.datasets.sample import SampleTruth, sample, sample_truth, sample_with_truth
from recae.errors import DatasetNotFoundError, ParameterError
from recae.ratings import RatingMatrix
from recae.ratings.csr import Duplicates
from recae.readers.columns import Choice
from recae.readers.tables import from_file, from_table
from recae.store import is_store, open_store, prepare_store, read_manifest

__all__ = [
    "DATASETS",
    "FOLDS",
    "Dataset",
    "Documents",
    "Fold",
    "Images",
    "SampleTruth",
    "cache_dir",
    "datasets",
    "fetch",
    "find",
    "info",
    "load",
    "load_fold",
    "load_mnist",
    "load_newsgroups",
    "locate",
    "prepare_store",
    "sample",
    "sample_truth",
    "sample_with_truth",
    "search_places",
]


def load(
    source: str | Path | pd.DataFrame | RatingMatrix,
    *,
    user: Choice = None,
    item: Choice = None,
    rating: Choice = None,
    timestamp: Choice = None,
    scale: tuple[float, float] | None = None,
    duplicates: Duplicates = "last",
    data_dir: str | Path | None = None,
    download: bool = True,
    name: str | None = None,
) -> RatingMatrix:
    """Ratings from a data set's name, a file, a pandas frame; a `RatingMatrix` is given back as it is.

    Args:
        source: a name (`recae data list`: sample, ml-100k, ml-1m, ...); a path to a csv, tsv, '::', Parquet or
            JSON-lines file (.gz, .bz2 and .zst are unpacked on the way), to a MovieLens folder or to a rating store
            (`prepare_store`), which is opened and not read; a frame.
        user, item, rating, timestamp: the columns of a file or frame, by name or by position from 0. The usual names
            (userId, movie_id, stars, ts, ...) are found without; in a text file without a header line the
            columns are user, item, rating, timestamp. `rating=False`: there are none, every row counts 1.
            `timestamp=False`: leave it out.
        scale: lowest and highest possible rating; by default those that occur (a MovieLens set: its own).
        duplicates: for a pair that occurs twice, the `last`, the `mean`, or an `error`.
        data_dir: where named data sets are looked for first, and where downloads go.
        download: whether a named set that is not here may be fetched.
        name: what `repr` and reports call the ratings.

    Raises:
        DatasetNotFoundError: neither a name that is known nor a file; or a set that is not here and cannot be had.
        DownloadError: a download failed.
        ParameterError: columns or a scale were stated for a source that brings its own.
        DataError: the table cannot be used; the message names the line of the file, or the row of the frame.
    """
    given = {"user": user, "item": item, "rating": rating, "timestamp": timestamp}
    if isinstance(source, pd.DataFrame):
        return from_table(source, given, scale, duplicates, name or "table")
    path = Path(source).expanduser() if isinstance(source, str | Path) else Path()
    if path.is_file() and str(source) not in DATASETS:
        return from_file(path, given, scale, duplicates, name or path.name)
    ratings = _ready_made(source, path, data_dir, download, duplicates)
    _refuse_unused({**given, "scale": scale}, ratings.name)
    return replace(ratings, name=name) if name else ratings


def _ready_made(
    source: object, path: Path, data_dir: str | Path | None, download: bool, duplicates: Duplicates
) -> RatingMatrix:
    """From a source that brings its own columns and scale."""
    if isinstance(source, RatingMatrix):
        return source
    if not isinstance(source, str | Path):
        raise ParameterError(
            f"cannot load ratings from {type(source).__name__}: pass a name, a path, a pandas frame or a RatingMatrix"
        )
    if str(source) in DATASETS:
        return _named(str(source), data_dir, download, duplicates)
    if path.is_dir() and is_store(path):
        return _store(path, duplicates)
    if path.is_dir() and is_movielens(path):
        return read_movielens(path, duplicates=duplicates)
    folder = "a folder without MovieLens' files, and no rating store"
    kind = folder if path.is_dir() else "neither a file nor a data set that recae knows"
    raise DatasetNotFoundError(f"{str(source)!r} is {kind}{close_names(path.name)}")


def _store(path: Path, duplicates: Duplicates) -> RatingMatrix:
    settled = read_manifest(path).duplicates
    if duplicates not in ("last", settled):
        raise ParameterError(f"duplicates={duplicates!r}: the store {path} was prepared with {settled!r}")
    return open_store(path)


def _refuse_unused(options: dict[str, object], name: str) -> None:
    for option, value in options.items():
        if value is not None:
            raise ParameterError(f"{option}={value!r} is for files and frames: {name!r} has its own columns and scale")


def _named(name: str, data_dir: str | Path | None, download: bool, duplicates: Duplicates) -> RatingMatrix:
    if name == "sample":
        return sample()
    if info(name).kind != "ratings":
        raise ParameterError(f"{name!r} is not a set of ratings: {info(name).description}")
    return load_movielens(name, data_dir, download=download, duplicates=duplicates)
