"""Any table of ratings, a file or a table in memory, to a `RatingMatrix`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy import sparse

from recae._types import FloatArray, IntArray
from recae.errors import DataError, ParameterError
from recae.ratings import RatingMatrix
from recae.ratings.csr import (
    Duplicates,
    finite_ratings,
    indexed,
    refuse_bad_values,
    refuse_missing_ids,
    row_number,
    say_merged,
    scale_after,
    to_csr,
)
from recae.ratings.times import Where, seconds
from recae.readers.columns import Choice, assign
from recae.readers.delimited import TextTable, read_whole
from recae.readers.frame_columns import columns_of, plain_column
from recae.readers.json_lines import line_of, read_json_lines
from recae.readers.packing import inner_name, packing_of
from recae.readers.sniffing import TextOptions

Scale = tuple[float, float] | None
JSON = (".jsonl", ".ndjson", ".json")
PARQUET = (".parquet", ".pq")


@dataclass(frozen=True)
class Wanted:
    """What the caller wants of a table; see `recae.load`.

    Attributes:
        given: role to the column that was stated.
        scale: lowest and highest possible rating.
        duplicates: how ratings of the same user and item are merged.
        name: what `repr` and reports call the ratings.
        item_table, user_table: what is known of items and of users.
    """

    given: dict[str, Choice]
    scale: Scale
    duplicates: Duplicates
    name: str
    item_table: pd.DataFrame | None = None
    user_table: pd.DataFrame | None = None


Columns = tuple[dict[str, Any], dict[str, Any], Where]  # role -> values; role -> column's name; how to name a row


def from_table(source: Any, wanted: Wanted) -> RatingMatrix:
    """Ratings from a table in memory, columns guessed where they were not stated; see `recae.load`."""
    columns, chosen = columns_of(source, wanted.given)
    return _assemble((columns, chosen, row_number), wanted)


def from_file(path: Path, wanted: Wanted, options: TextOptions) -> RatingMatrix:
    """Ratings from a csv, tsv, '::', Parquet or JSON-lines file, packed or not; see `recae.load`."""
    suffix = kind_of(path)
    refuse_text_options(path.name, suffix, options)
    readers: dict[str, Callable[[], Columns]] = dict.fromkeys(PARQUET, lambda: _parquet(path, wanted.given))
    readers |= dict.fromkeys(JSON, lambda: _json_lines(path, wanted.given, options.encoding or "utf-8"))
    read = readers.get(suffix, lambda: _delimited(path, wanted.given, options))
    return _assemble(read(), wanted)


def from_sparse(source: Any, wanted: Wanted) -> RatingMatrix:
    """Ratings from a scipy.sparse array of users by items: what is stored is a rating, zeros too.

    Users and items are numbered from 0, those without a rating too.

    Raises:
        ParameterError: columns were stated, which an array has not.
        DataError: nothing is stored, or a rating cannot be used.
    """
    for role, choice in wanted.given.items():
        if choice not in (None, False):
            raise ParameterError("it is for files and tables: the rows of an array are users", name=role, value=choice)
    entries = sparse.coo_array(source)
    if entries.ndim != 2 or entries.nnz == 0:
        raise DataError(f"an array of shape {source.shape} with {entries.nnz} entries: users by items are needed")
    users, items = (one.astype(np.int32) for one in entries.coords)
    values = entries.data if wanted.given.get("rating") is not False else np.ones(entries.nnz)

    def where(position: int) -> str:
        return f"entry ({users[position]}, {items[position]})"

    ratings = finite_ratings(pd.Series(values), "data", where)
    refuse_bad_values(ratings, wanted.scale, where)
    rows, _ = to_csr(users, items, ratings, None, source.shape, wanted.duplicates, where, where)
    say_merged(wanted.name, entries.nnz, rows.nnz, wanted.duplicates)
    scale = wanted.scale or scale_after(wanted.duplicates, rows.data, float(ratings.min()), float(ratings.max()))
    return RatingMatrix(
        rows, np.arange(source.shape[0]), np.arange(source.shape[1]), scale, name=wanted.name,
        item_table=indexed(wanted.item_table, "item"), user_table=indexed(wanted.user_table, "user"),
    )  # fmt: skip


def kind_of(path: Path) -> str:
    """The suffix that tells the format: '.csv' for 'ratings.csv.gz' and for a zip archive of 'ratings.csv'."""
    if not packing_of(path):
        with path.open("rb") as file:
            if file.read(4) == b"PAR1":
                return ".parquet"
    return Path(inner_name(path)).suffix.lower()


def refuse_text_options(name: str, suffix: str, options: TextOptions) -> None:
    """Refuse `sep` and the like for a file that is not of text."""
    unused = options.stated()
    if suffix in JSON:
        unused.pop("encoding", None)
    if suffix in (*PARQUET, *JSON) and unused:
        option, value = next(iter(unused.items()))
        raise ParameterError(f"it is for text files, and {name} has the format {suffix}", name=option, value=value)


def _assemble(read: Columns, wanted: Wanted) -> RatingMatrix:
    columns, chosen, where = read
    if len(columns["user"]) == 0:
        raise DataError(f"{wanted.name} has no rows; at least one rating is needed")
    users, items, ratings, stamps = checked(columns, chosen, where)
    return RatingMatrix.from_columns(
        users, items, ratings, stamps, scale=wanted.scale, duplicates=wanted.duplicates, item_table=wanted.item_table,
        user_table=wanted.user_table, name=wanted.name, where=where,
    )  # fmt: skip


def checked(
    columns: dict[str, Any], chosen: dict[str, Any], where: Where
) -> tuple[pd.Series, pd.Series, FloatArray, IntArray | None]:
    """Users, items, ratings and timestamps of a table, (n,) each.

    Raises:
        DataError: an id is missing, or a rating or a time is not a number; the message says `where`.
    """
    series = {role: pd.Series(values, copy=False) for role, values in columns.items()}
    for role in ("user", "item"):
        refuse_missing_ids(series[role], chosen[role], where)
        _refuse_empty_ids(series[role], chosen[role], where)
    if "rating" in series:
        ratings = finite_ratings(series["rating"], chosen["rating"], where)
    else:
        ratings = np.ones(len(series["user"]), dtype=np.float32)
    stamps = seconds(series["timestamp"], chosen["timestamp"], where) if "timestamp" in series else None
    return series["user"], series["item"], ratings, stamps


def _refuse_empty_ids(column: pd.Series, name: str, where: Where) -> None:
    """In a text file a missing id is an empty field."""
    if isinstance(column.dtype, pd.CategoricalDtype) and "" in column.cat.categories:
        empty = column.cat.codes.to_numpy() == column.cat.categories.get_loc("")
        if empty.any():
            raise DataError(f"{where(int(np.argmax(empty)))}: the id in column {name!r} is missing")


# ---------------------------------------------------------------- one function a format


def _delimited(path: Path, given: dict[str, Choice], options: TextOptions) -> Columns:
    table = TextTable.open(path, given, options)
    return read_whole(table), table.chosen, table.where


def _parquet(path: Path, given: dict[str, Choice]) -> Columns:
    import pyarrow as pa
    from pyarrow import parquet

    try:
        with parquet.ParquetFile(path) as file:
            chosen = assign(file.schema_arrow.names, given, path.name)
            table = file.read(columns=list(chosen.values()))
    except (pa.ArrowException, OSError) as error:
        raise DataError(f"{path.name} cannot be read as Parquet: {str(error).splitlines()[0]}") from None
    columns = {role: plain_column(table.column(name)) for role, name in chosen.items()}
    return columns, chosen, lambda row: f"{path.name}, row {row + 1}"


def _json_lines(path: Path, given: dict[str, Choice], encoding: str) -> Columns:
    columns, chosen = read_json_lines(path, given, encoding)
    return columns, chosen, lambda row: line_of(path, row, encoding)
