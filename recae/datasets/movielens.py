"""MovieLens in every layout that GroupLens published, with titles, years, genres and user tables.

    ml-100k                     u.data (tabs), u.item, u.user ('|', Latin-1), the folds u1..u5, ua, ub
    ml-1m, ml-10m               ratings.dat, movies.dat, users.dat ('::')
    ml-20m, 25m, 32m, latest    ratings.csv, movies.csv, tags.csv

F. M. Harper and J. A. Konstan, The MovieLens Datasets: History and Context, ACM TiiS 5(4), 2015.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from recae._types import IntArray
from recae.datasets.catalogue import DATASETS
from recae.datasets.locations import load_folder
from recae.errors import DataError, DatasetNotFoundError, ParameterError
from recae.ratings import RatingMatrix
from recae.ratings.csr import to_csr
from recae.ratings.merging import Duplicates
from recae.readers.columns import is_number
from recae.readers.delimited import read_columns
from recae.readers.text_layout import Layout

FOLDS = ("u1", "u2", "u3", "u4", "u5", "ua", "ub")
WHOLE_STARS, HALF_STARS = (1.0, 5.0), (0.5, 5.0)
SCALES = {
    entry.name: WHOLE_STARS if entry.name in ("ml-100k", "ml-1m") else HALF_STARS
    for entry in DATASETS.values()
    if entry.name.startswith("ml-")
}
COLUMNS = {"user": "integer", "item": "integer", "rating": "rating", "timestamp": "integer"}
NAMES = tuple(COLUMNS)
YEAR = re.compile(r"\((\d{4})(?:[-–]\d{0,4})?\)\s*$")  # 'Toy Story (1995)', 'Fawlty Towers (1975-1979)'
INTEGER = re.compile(r"-?[0-9]{1,18}")

AGES = {1: "under 18", 18: "18-24", 25: "25-34", 35: "35-44", 45: "45-49", 50: "50-55", 56: "56+"}
OCCUPATIONS = (
    "other", "academic/educator", "artist", "clerical/admin", "college/grad student", "customer service",
    "doctor/health care", "executive/managerial", "farmer", "homemaker", "K-12 student", "lawyer", "programmer",
    "retired", "sales/marketing", "scientist", "self-employed", "technician/engineer", "tradesman/craftsman",
    "unemployed", "writer",
)  # fmt: skip


class Fold(NamedTuple):
    """A published train/test pair; both parts have the users and items of the whole set, in one order."""

    train: RatingMatrix
    test: RatingMatrix


def load_movielens(
    name: str, data_dir: str | Path | None = None, *, download: bool = True, duplicates: Duplicates = "last"
) -> RatingMatrix:
    """The MovieLens set `name` (see `recae.loaders.datasets`), found or downloaded.

    `item_table` has title, year and genres ('Comedy|Drama', '' for none) of every film that the set knows,
    also of unrated ones; `user_table` (ml-100k, ml-1m) gender, age, occupation and zip.

    Raises:
        DatasetNotFoundError, DownloadError: see `recae.loaders.fetch`.
    """
    folder = load_folder(name, data_dir, download)
    return read_movielens(folder, name, duplicates=duplicates)


def read_movielens(folder: Path, name: str | None = None, *, duplicates: Duplicates = "last") -> RatingMatrix:
    """The MovieLens set in `folder`; its files show its layout.

    Raises:
        DatasetNotFoundError: the folder has none of the layouts.
        DataError: a file is not as published; the message names the line.
    """
    name = name or folder.resolve().name
    layout = _layout(folder)
    columns = read_columns(layout, COLUMNS)
    return RatingMatrix.from_columns(
        columns["user"], columns["item"], columns["rating"], columns["timestamp"],
        scale=SCALES.get(name), duplicates=duplicates,
        item_table=_item_table(folder), user_table=_user_table(folder), name=name,
    )  # fmt: skip


def load_fold(name: str, fold: str, data_dir: str | Path | None = None, *, download: bool = True) -> Fold:
    """One of the published splits of ml-100k: u1 to u5 (disjoint tests of 20 %), ua, ub (10 ratings a user).

    Raises:
        ParameterError: another set or another fold.
    """
    if name != "ml-100k" or fold not in FOLDS:
        raise ParameterError(f"{name!r}, fold {fold!r}: only ml-100k has published folds, {', '.join(FOLDS)}")
    folder = load_folder(name, data_dir, download)
    whole = read_movielens(folder, name)
    return Fold(*(_part(whole, folder / f"{fold}.{part}") for part in ("base", "test")))


def _part(whole: RatingMatrix, path: Path) -> RatingMatrix:
    if not path.is_file():
        raise DatasetNotFoundError(f"{path} is missing: this copy of ml-100k has no such fold; fetch the whole set")
    columns = read_columns(Layout(path, "\t", NAMES), COLUMNS)
    users = whole.user_index(columns["user"]).astype(np.int32)
    items = whole.item_index(columns["item"]).astype(np.int32)
    rows, stamps, _ = to_csr(
        users, items, columns["rating"], columns["timestamp"], whole.shape, "error", lambda row: f"rating {row}"
    )
    return whole.with_rows(rows, stamps, name=f"ml-100k {path.name}")


# ---------------------------------------------------------------- ratings


PUBLISHED = {"u.data": "\t", "ratings.dat": "::", "ratings.csv": ","}
HEADER = ("userId", "movieId", "rating", "timestamp")
TITLES = ["movieId", "title", "genres"]


def is_movielens(folder: Path) -> bool:
    """Whether `folder` has one of the layouts; others have files of these names too, with other columns."""
    return any((folder / name).is_file() and _is_published(folder / name) for name in PUBLISHED)


def ratings_file(folder: Path) -> Path | None:
    """The `ratings.csv` of a folder, where its columns are others than MovieLens': it is read by its header."""
    file = folder / "ratings.csv"
    return file if file.is_file() and not is_movielens(folder) and not (folder / "manifest.json").is_file() else None


def _is_published(path: Path) -> bool:
    """Whether the file begins as GroupLens' does: its header, or four numbers and no header."""
    with path.open("rb") as file:
        first = file.readline().decode("utf-8", errors="replace").strip()
    fields = tuple(first.split(PUBLISHED[path.name]))
    return (
        fields == HEADER if path.name == "ratings.csv" else len(fields) == len(HEADER) and all(map(is_number, fields))
    )


def _layout(folder: Path) -> Layout:
    for name, delimiter in PUBLISHED.items():
        path = folder / name
        if path.is_file():
            if not _is_published(path):
                raise DataError(f"{path} is not MovieLens' file: it does not begin as that does")
            return Layout(path, delimiter, NAMES, skip=int(name == "ratings.csv"))
    raise DatasetNotFoundError(f"{folder} has no u.data, ratings.dat or ratings.csv: it is not a MovieLens folder")


# ---------------------------------------------------------------- tables


def _item_table(folder: Path) -> pd.DataFrame | None:
    if (folder / "u.item").is_file():
        return _item_table_100k(folder)
    if (folder / "movies.dat").is_file():
        path, rows = folder / "movies.dat", _fields(folder / "movies.dat", "::", 3)
    elif (folder / "movies.csv").is_file():
        path = folder / "movies.csv"
        header, *rows = _csv_rows(path)
        if header != TITLES:
            return None  # not MovieLens' file
    else:
        return None
    genres = ["" if row[2] == "(no genres listed)" else row[2] for row in rows]
    return _items(path, [row[0] for row in rows], [row[1] for row in rows], genres)


def _item_table_100k(folder: Path) -> pd.DataFrame:
    """u.item: id | title | release date | video date | URL | 19 flags, in the order of u.genre."""
    names = [line.split("|")[0] for line in _lines(folder / "u.genre")]
    rows = _fields(folder / "u.item", "|", 2)
    genres = ["|".join(name for name, flag in zip(names, row[5:]) if flag == "1" and name != "unknown") for row in rows]
    return _items(folder / "u.item", [row[0] for row in rows], [row[1] for row in rows], genres)


def _items(path: Path, ids: list[str], titles: list[str], genres: list[str]) -> pd.DataFrame:
    table = pd.DataFrame({"item": _integers(path, ids), "title": titles, "genres": genres})
    table["title"] = table["title"].str.strip()
    found = [YEAR.search(title) for title in table["title"]]
    table["year"] = pd.array([int(match.group(1)) if match else None for match in found], dtype="Int64")
    return _indexed(path, table, "item")[["title", "year", "genres"]]


def _user_table(folder: Path) -> pd.DataFrame | None:
    if (folder / "u.user").is_file():
        path = folder / "u.user"
        frame = pd.DataFrame(_fields(path, "|", 5, 5), columns=["user", "age", "gender", "occupation", "zip"])
        frame["age"] = _integers(path, frame["age"])
    elif (folder / "users.dat").is_file():
        path = folder / "users.dat"
        frame = pd.DataFrame(_fields(path, "::", 5, 5), columns=["user", "gender", "age", "occupation", "zip"])
        frame["age"] = [AGES.get(age, text) for age, text in zip(_integers(path, frame["age"]).tolist(), frame["age"])]
        codes = _integers(path, frame["occupation"])
        if len(codes) and not 0 <= codes.min() <= codes.max() < len(OCCUPATIONS):
            raise DataError(
                f"{path} has occupations from {codes.min()} to {codes.max()}, not 0 to {len(OCCUPATIONS) - 1}"
            )
        frame["occupation"] = [OCCUPATIONS[code] for code in codes]
    else:
        return None
    frame["user"] = _integers(path, frame["user"])
    return _indexed(path, frame, "user")[["gender", "age", "occupation", "zip"]]


def _indexed(path: Path, table: pd.DataFrame, column: str) -> pd.DataFrame:
    twice = table[column][table[column].duplicated()]
    if len(twice):
        raise DataError(f"{path} has {column} {twice.iloc[0]} twice")
    return table.set_index(column)


def _integers(path: Path, texts: Iterable[str]) -> IntArray:
    """Fields of a column as int64 (n,)."""
    texts = list(texts)
    for row, text in enumerate(texts):
        if not INTEGER.fullmatch(text):
            raise DataError(f"{path}, row {row + 1}: {text[:40]!r} is not an integer, as this file has it")
    return np.array(texts, dtype=object).astype(np.int64)


def _fields(path: Path, separator: str, least: int, most: int | None = None) -> list[list[str]]:
    """The fields of each line, of which there are `least` to `most` (None: any number)."""
    rows = [line.split(separator) for line in _lines(path)]
    if not rows:
        raise DataError(f"{path} is empty")
    for row in rows:
        if not least <= len(row) <= (most or len(row)):
            raise DataError(f"{path}: the line of {row[0][:40]!r} has {len(row)} fields, not {least}")
    return rows


def _csv_rows(path: Path) -> list[list[str]]:
    """The records of movies.csv, its header first; those of MovieLens' file have three fields."""
    try:
        rows = list(csv.reader(io.StringIO(_text(path))))
    except csv.Error as error:  # a field of more than 131,072 characters, which no title is
        raise DataError(f"{path} cannot be read as csv ({error})") from None
    if len(rows) < 2:
        raise DataError(f"{path} has no films")
    for number, row in enumerate(rows, 1):
        if rows[0] == TITLES and len(row) != len(TITLES):
            raise DataError(f"{path}: record {number} has {len(row)} fields, not {len(TITLES)}")
    return rows


def _lines(path: Path) -> list[str]:
    if not path.is_file():
        raise DataError(f"{path} is missing: this copy is not complete")
    return [line for line in _text(path).split("\n") if line.strip()]


def _text(path: Path) -> str:
    """UTF-8 (from ml-10m on), else Latin-1 (ml-100k, ml-1m), with plain line ends and without a byte-order mark."""
    data = path.read_bytes()
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = data.decode("latin-1")
    return text.replace("\r\n", "\n")
