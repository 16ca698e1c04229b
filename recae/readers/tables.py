"""Any table of ratings, a file or a table in memory, to a `RatingMatrix`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from scipy import sparse

from recae._types import FloatArray, IntArray
from recae.errors import DataError, ParameterError
from recae.ratings import RatingMatrix
from recae.ratings.column_checks import finite_ratings, indexed, refuse_bad_values, refuse_missing_ids, row_number
from recae.ratings.csr import to_csr
from recae.ratings.merging import Duplicates, say_merged, scale_after
from recae.ratings.times import Where, seconds
from recae.readers.columns import ROLES, Choice, assign, is_position
from recae.readers.delimited import TextTable, read_whole
from recae.readers.delimiters import LooksLikeLists
from recae.readers.frame_columns import columns_of, plain_column
from recae.readers.json_lines import line_of, read_json_lines
from recae.readers.list_files import read_lists
from recae.readers.packing import inner_name, packing_of
from recae.readers.reading import Reading, stated_of
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
        day_first: whether the day comes first in dates such as 03/04/2005; None where it was not stated.
        lists: whether a text file holds lists, "user item item ..." a line; None where it was not stated.
        expected: what was so of a file of this form.
    """

    given: dict[str, Choice]
    scale: Scale
    duplicates: Duplicates
    name: str
    item_table: pd.DataFrame | None = None
    user_table: pd.DataFrame | None = None
    day_first: bool | None = None
    lists: bool | None = None
    expected: Reading = Reading()

    def reading(self, chosen: Mapping[str, Any], options: TextOptions, *, header: bool) -> Reading:
        """What was stated of this file, and what was expected of it and not stated otherwise."""
        columns = {role: choice for role, choice in self.expected.columns.items() if role in ROLES}
        columns |= stated_of(self.given, chosen, header=header)
        by_position = any(map(is_position, columns.values()))
        text = {**self.expected.text.stated(), **({"header": False} if by_position else {}), **options.stated()}
        merged = self.expected.duplicates if self.duplicates == "last" else self.duplicates
        return Reading(columns, TextOptions(**text), merged, self.day_first, self.lists)  # type: ignore[arg-type]


class Read(NamedTuple):
    """Columns of a table as they were read.

    Attributes:
        columns: role to values.
        chosen: role to the name of its column.
        where: how messages name a row.
        header: whether the columns have names in the table.
    """

    columns: dict[str, Any]
    chosen: dict[str, Any]
    where: Where
    header: bool = True


def from_table(source: Any, wanted: Wanted) -> RatingMatrix:
    """Ratings from a table in memory, columns guessed where they were not stated; see `recae.load`."""
    columns, chosen = columns_of(source, wanted.given, wanted.expected.columns)
    return _assemble(Read(columns, chosen, row_number), wanted, TextOptions())


def from_file(path: Path, wanted: Wanted, options: TextOptions) -> RatingMatrix:
    """Ratings from a csv, tsv, '::', Parquet or JSON-lines file, or one of lists, packed or not; see `recae.load`."""
    suffix = kind_of(path)
    refuse_text_options(path.name, suffix, options)
    readers: dict[str, Callable[[], Read]] = dict.fromkeys(PARQUET, lambda: _parquet(path, wanted))
    readers |= dict.fromkeys(JSON, lambda: _json_lines(path, wanted, options.encoding or "utf-8"))
    read = readers.get(suffix, lambda: _delimited(path, wanted, options))
    return _assemble(read(), wanted, options)


def from_sparse(source: Any, wanted: Wanted) -> RatingMatrix:
    """Ratings from a scipy.sparse array of users by items: what is stored is a rating, zeros too.

    Users and items are numbered from 0, those without a rating too.

    Raises:
        ParameterError: columns were stated, which an array has not.
        DataError: nothing is stored, or a rating cannot be used.
    """
    for role, choice in wanted.given.items():
        if choice is not None and choice is not False:
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
    rows, _, _ = to_csr(users, items, ratings, None, source.shape, wanted.duplicates, where, where)
    say_merged(wanted.name, entries.nnz, rows.nnz, wanted.duplicates)
    scale = wanted.scale or scale_after(wanted.duplicates, rows.data, float(ratings.min()), float(ratings.max()))
    user_ids, item_ids = (np.arange(n) for n in source.shape)
    return RatingMatrix(
        rows, user_ids, item_ids, scale, name=wanted.name,
        item_table=indexed(wanted.item_table, "item", item_ids),
        user_table=indexed(wanted.user_table, "user", user_ids),
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


def _assemble(read: Read, wanted: Wanted, options: TextOptions) -> RatingMatrix:
    if len(read.columns["user"]) == 0:
        raise DataError(f"{wanted.name} has no rows; at least one rating is needed")
    users, items, ratings, stamps = checked(read.columns, read.chosen, read.where, wanted.day_first)
    made = RatingMatrix.from_columns(
        users, items, ratings, stamps, scale=wanted.scale, duplicates=wanted.duplicates, item_table=wanted.item_table,
        user_table=wanted.user_table, name=wanted.name, where=read.where,
    )  # fmt: skip
    return replace(made, read_as=wanted.reading(read.chosen, options, header=read.header).plain())


def checked(
    columns: dict[str, Any],
    chosen: dict[str, Any],
    where: Where,
    day_first: bool | None = None,
    *,
    is_part: bool = False,
) -> tuple[pd.Series, pd.Series, FloatArray, IntArray | None]:
    """Users, items, ratings and timestamps of a table, (n,) each; of a part of one, if `is_part`.

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
    stamps = None
    if "timestamp" in series:
        stamps = seconds(series["timestamp"], chosen["timestamp"], where, day_first, is_part=is_part)
    return series["user"], series["item"], ratings, stamps


def _refuse_empty_ids(column: pd.Series, name: str, where: Where) -> None:
    """In a text file a missing id is an empty field."""
    if isinstance(column.dtype, pd.CategoricalDtype) and "" in column.cat.categories:
        empty = column.cat.codes.to_numpy() == column.cat.categories.get_loc("")
        if empty.any():
            raise DataError(f"{where(int(np.argmax(empty)))}: the id in column {name!r} is missing")


# ---------------------------------------------------------------- one function a format


def _delimited(path: Path, wanted: Wanted, options: TextOptions) -> Read:
    columns_stated = any(choice is not None and choice is not False for choice in wanted.given.values())
    if wanted.lists or (wanted.lists is None and wanted.expected.lists):
        if columns_stated:
            raise ParameterError("lists have no columns to name", name="lists", value=True)
        return _lists(path, options, stated=True)
    try:
        table = TextTable.open(path, wanted.given, options, wanted.expected)
    except LooksLikeLists as error:
        if wanted.lists is False or columns_stated or not error.surely:
            raise
        return _lists(path, options, stated=False)
    return Read(read_whole(table), table.chosen, table.where, table.layout.header)


def _lists(path: Path, options: TextOptions, *, stated: bool) -> Read:
    columns, where = read_lists(path, options, stated=stated)
    return Read(columns, {"user": "user", "item": "item"}, where, header=False)


def _parquet(path: Path, wanted: Wanted) -> Read:
    import pyarrow as pa
    from pyarrow import parquet

    try:
        with parquet.ParquetFile(path) as file:
            chosen = assign(file.schema_arrow.names, wanted.given, path.name, wanted.expected.columns)
            table = file.read(columns=list(chosen.values()))
    except (pa.ArrowException, OSError) as error:
        raise DataError(f"{path.name} cannot be read as Parquet: {str(error).splitlines()[0]}") from None
    columns = {role: plain_column(table.column(name), role) for role, name in chosen.items()}
    return Read(columns, chosen, lambda row: f"{path.name}, row {row + 1}")


def _json_lines(path: Path, wanted: Wanted, encoding: str) -> Read:
    columns, chosen = read_json_lines(path, wanted.given, encoding, wanted.expected.columns)
    return Read(columns, chosen, lambda row: line_of(path, row, encoding))
