"""Tables of what is known of items or of users: titles, categories, numbers; from files or frames."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from recae.errors import DataError
from recae.ratings.any_frame import as_pandas, is_table
from recae.ratings.column_checks import refuse_one_name_twice
from recae.readers.columns import id_column_of
from recae.readers.sniffing import TextOptions, sniff
from recae.readers.tables import JSON, PARQUET, kind_of
from recae.readers.text_layout import records


def side_table(source: Any, kind: str, encoding: str | None = None) -> pd.DataFrame:
    """A table indexed by the ids of `kind`, item or user.

    Args:
        source: a frame, or a path to a csv, tsv, Parquet or JSON-lines file with a header.
        kind: item or user. Their column has a usual name (itemId, product_id, isbn, ...); else it is the first one.
        encoding: of a text file.

    Raises:
        DataError: the table cannot be read, or an id or the name of a column occurs twice.
    """
    if is_table(source):
        frame = as_pandas(source)
        if frame.index.name is not None and frame.index.name not in frame.columns:
            return frame
    else:
        frame = _read(Path(source).expanduser(), encoding)
    refuse_one_name_twice(**{kind: frame})
    column = id_column_of(list(frame.columns), kind)
    frame = frame.rename(columns={column: kind}).set_index(kind)
    if not frame.index.is_unique:
        twice = frame.index[frame.index.duplicated()][0]
        raise DataError(f"the table of {kind}s has more than one row for {kind} {twice!r}: keep one")
    return frame


def _read(path: Path, encoding: str | None) -> pd.DataFrame:
    if not path.is_file():
        raise DataError(f"no file {path}: a table of items or users is needed")
    suffix = kind_of(path)
    if suffix in PARQUET:
        return pd.read_parquet(path)
    if suffix in JSON:
        return pd.read_json(path, lines=True, encoding=encoding or "utf-8")
    layout = sniff(path, (), TextOptions(encoding, header=True))
    rows = []
    for line, fields in records(layout):
        if len(fields) != len(layout.names):
            raise DataError(
                f"{path.name}, line {line}: {len(fields)} fields, expected {len(layout.names)} "
                f"({', '.join(layout.names[:12])})"
            )
        rows.append([field.strip() for field in fields])
    frame = pd.DataFrame(rows, columns=list(layout.names), dtype=object)
    return frame.apply(_typed)


def _typed(column: pd.Series) -> pd.Series:
    """Numbers where all fields are, and truths (true, False); ids and codes with leading zeros stay texts."""
    lower = column.str.lower()
    if lower.isin(("true", "false")).any() and lower.isin(("true", "false", "")).all():
        truths = lower.map({"true": True, "false": False})
        return truths.astype(bool) if truths.notna().all() else truths.astype(object)
    if column.str.fullmatch(r"0|-?[1-9][0-9]{0,17}").all():
        return column.astype("int64")
    numbers = pd.to_numeric(column.replace("", None), errors="coerce")
    padded = column.str.fullmatch(r"[+-]?0[0-9]+").any()
    return numbers if not padded and (numbers.notna() | (column == "")).all() and numbers.notna().any() else column
