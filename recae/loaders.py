"""Ratings in: a data set's name, a file or a table to a `RatingMatrix`; images and documents for the demos."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pandas as pd
from scipy import sparse

from recae.datasets.catalogue import DATASETS, Dataset, close_names, datasets, info
from recae.datasets.locations import cache_dir, fetch, find, locate, search_places
from recae.datasets.mnist import Images, load_mnist
from recae.datasets.movielens import FOLDS, Fold, is_movielens, load_fold, load_movielens, ratings_file, read_movielens
from recae.datasets.newsgroups import Documents, load_newsgroups
from recae.datasets.sample import SampleTruth, sample, sample_truth, sample_with_truth
from recae.errors import DatasetNotFoundError, ParameterError, Phrase, Remedy
from recae.ratings import RatingMatrix
from recae.ratings.any_frame import is_table
from recae.ratings.column_checks import indexed
from recae.ratings.matching import with_unrated
from recae.ratings.merging import Duplicates
from recae.readers.columns import Choice
from recae.readers.frame_columns import KNOWN
from recae.readers.packing import PACKED
from recae.readers.pipes import as_regular_file
from recae.readers.reading import Reading
from recae.readers.side_tables import side_table
from recae.readers.sniffing import TextOptions
from recae.readers.tables import Wanted, from_file, from_sparse, from_table
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
    source: Any,
    *,
    user: Choice = None,
    item: Choice = None,
    rating: Choice = None,
    timestamp: Choice = None,
    scale: tuple[float, float] | None = None,
    duplicates: Duplicates = "last",
    encoding: str | None = None,
    sep: str | None = None,
    header: bool | None = None,
    lists: bool | None = None,
    day_first: bool | None = None,
    items: Any = None,
    users: Any = None,
    unrated: bool = False,
    like: RatingMatrix | None = None,
    data_dir: str | Path | None = None,
    download: bool = True,
    name: str | None = None,
) -> RatingMatrix:
    """Ratings from a data set's name, a file, a table or a sparse array; a `RatingMatrix` is given back as it is.

    No row is lost or merged in silence: what is merged, corrected or decided is said by a `DataWarning`, and what
    cannot be told for certain is refused.

    Args:
        source: a name (`recae data list`: sample, ml-100k, ml-1m, ...); a path to a csv, tsv, '::', Parquet or
            JSON-lines file (.gz, .bz2, .xz, .zst and .zip are unpacked on the way), "-" or a pipe; a MovieLens folder,
            or a rating store (`prepare_store`), which is opened and not read; a pandas, polars or Arrow frame, a dict
            of columns or a list of rows; a scipy.sparse array of users by items, every stored entry a rating.
        user, item, rating, timestamp: the columns of a file or frame, by name or by position from 0. The usual names
            (userId, movie_id, stars, ts, ...) are found without; in a text file without a header line the
            columns are user, item, rating, timestamp. `rating=False`: there are none, every row counts 1.
            `timestamp=False`: leave it out. Timestamps are seconds since 1970, or dates with the year first.
        scale: lowest and highest possible rating; by default those that occur (a MovieLens set: its own).
        duplicates: for a pair that occurs more than once, the `last` or the `first` (by time, else by order), the
            `mean`, the `sum` or the `max` of the ratings, the `count` of rows, or an `error`.
        encoding, sep, header: of a text file: its encoding, what stands between fields (" ": any number of blanks),
            and whether the first line holds names. They are found where they are not stated.
        lists: whether a text file is no table but lists, "user item item ..." a line, each item a rating of 1. Lists of
            whole numbers are found without.
        day_first: whether the day comes first in dates such as 03/04/2005, or the month (False). It is needed only
            where no date shows it, as 13/04/2005 does.
        items, users: tables of what is known of items and of users, as files or frames, with a column of their ids
            (numbers that are texts in only one of table and ratings are matched).
        unrated: also know the items and users that only the tables have (a data set's own, or `items` and `users`).
            They have no rating, and models that read features predict and list them.
        like: ratings of a file of the same form, such as a model's `ratings_`: what was stated when they were read
            (columns, encoding, ...) holds for this file, where it does not show that it is otherwise.
        data_dir: where named data sets are looked for first, and where downloads go.
        download: whether a named set that is not here may be fetched.
        name: what `repr` and reports call the ratings.

    Raises:
        DatasetNotFoundError: neither a name that is known nor a file; or a set that is not here and cannot be had.
        DownloadError: a download failed.
        ParameterError: columns or a scale were stated for a source that brings its own.
        DataError: the table cannot be used; the message names the line of the file, or the row of the frame.
    """
    given: dict[str, Choice] = {"user": user, "item": item, "rating": rating, "timestamp": timestamp}
    options, tables = TextOptions(encoding, sep, header), {"item_table": items, "user_table": users}
    expected = Reading() if like is None else Reading.of(like.read_as)
    if duplicates == "last" and expected.duplicates is not None:
        duplicates = cast("Duplicates", expected.duplicates)

    def wanted(kind: str) -> Wanted:
        days = expected.day_first if day_first is None else day_first
        return Wanted(
            given, scale, duplicates, name or kind, **_side_tables(tables, options), day_first=days, lists=lists,
            expected=expected,
        )  # fmt: skip

    def finished(ratings: RatingMatrix) -> RatingMatrix:
        return with_unrated(ratings) if unrated else ratings

    path = Path(source).expanduser() if isinstance(source, str | Path) else None
    if path is not None and str(source) not in DATASETS:
        with as_regular_file(path) as regular:
            file = regular if regular.is_file() else ratings_file(regular)
            if file is not None:
                return finished(from_file(file, wanted(path.name), options))
    if path is None and (sparse.issparse(source) or is_table(source)):
        _refuse_unused({**options.stated(), "lists": lists}, "a table in memory")
        read = from_sparse if sparse.issparse(source) else from_table
        return finished(read(source, wanted("table")))
    ratings = _ready_made(source, path, data_dir, download, duplicates)
    _refuse_unused({**given, "scale": scale, **options.stated(), "lists": lists, "day_first": day_first}, ratings.name)
    ids = {"item_table": ratings.item_ids, "user_table": ratings.user_ids}
    changes: dict[str, Any] = {
        of: indexed(table, of.removesuffix("_table"), ids[of])
        for of, table in _side_tables(tables, options).items()
        if table is not None
    }
    if name:
        changes["name"] = name
    return finished(replace(ratings, **changes) if changes else ratings)


def _side_tables(tables: dict[str, Any], options: TextOptions) -> dict[str, pd.DataFrame | None]:
    """Tables of items and users, indexed by their ids."""
    return {
        kind: None if table is None else side_table(table, kind.removesuffix("_table"), options.encoding)
        for kind, table in tables.items()
    }


def _ready_made(
    source: Any, path: Path | None, data_dir: str | Path | None, download: bool, duplicates: Duplicates
) -> RatingMatrix:
    """From a source that brings its own columns and scale."""
    if isinstance(source, RatingMatrix):
        return source
    if path is None:
        raise ParameterError(f"cannot load ratings from {type(source).__name__}: pass {KNOWN}")
    if str(source) in DATASETS:
        return _named(str(source), data_dir, download, duplicates)
    if path.is_dir() and is_store(path):
        return _store(path, duplicates)
    if path.is_dir() and is_movielens(path):
        return read_movielens(path, duplicates=duplicates)
    if path.is_dir() and _has_lists(path):
        raise DatasetNotFoundError(
            f"{str(source)!r} holds lists, 'user item item ...' a line, of a split that was published",
            remedy=Remedy("read it with {lists}", lists=Phrase("recae.splitting.published_lists(folder)")),
        )
    folder = "a folder without MovieLens' files, and no rating store"
    kind = folder if path.is_dir() else "neither a file nor a data set that recae knows"
    raise DatasetNotFoundError(f"{str(source)!r} is {kind}{close_names(path.name)}")


def _has_lists(folder: Path) -> bool:
    """Whether the folder is a split in the form of NGCF: train.txt and test.txt, packed or not."""
    return all(
        any((folder / f"{part}.txt{suffix}").is_file() for suffix in ("", *PACKED)) for part in ("train", "test")
    )


def _store(path: Path, duplicates: Duplicates) -> RatingMatrix:
    settled = read_manifest(path).duplicates
    if duplicates not in ("last", settled):
        raise ParameterError(f"the store {path} was prepared with {settled!r}", name="duplicates", value=duplicates)
    stated = read_manifest(path).options or {}
    read_as = {role: choice for role, choice in stated.items() if isinstance(choice, str | bool)} | (
        {} if settled == "last" else {"duplicates": settled}
    )
    return replace(open_store(path), read_as=read_as)


def _refuse_unused(options: dict[str, object], name: str) -> None:
    for option, value in options.items():
        if value is not None:
            raise ParameterError(
                f"it is for files and frames, and {name!r} has its own columns and scale", name=option, value=value
            )


def _named(name: str, data_dir: str | Path | None, download: bool, duplicates: Duplicates) -> RatingMatrix:
    if name == "sample":
        return sample()
    if info(name).kind != "ratings":
        raise ParameterError(f"{name!r} is not a set of ratings: {info(name).description}")
    return load_movielens(name, data_dir, download=download, duplicates=duplicates)
