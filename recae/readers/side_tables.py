"""Tables of what is known of items or of users: titles, categories, numbers; from files or frames."""

from __future__ import annotations

import warnings
from decimal import Decimal
from pathlib import Path
from typing import Any

import pandas as pd

from recae.errors import DataError, DataWarning
from recae.ratings.any_frame import as_pandas, is_table
from recae.ratings.column_checks import refuse_one_name_twice
from recae.ratings.titles import NAMES
from recae.readers.columns import id_column_of
from recae.readers.json_lines import read_json_table
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
    frame = _without_decimals(frame, column).rename(columns={column: kind}).set_index(kind)
    if not frame.index.is_unique:
        twice = frame.index[frame.index.duplicated()][0]
        raise DataError(f"the table of {kind}s has more than one row for {kind} {twice!r}: keep one")
    return frame


def _read(path: Path, encoding: str | None) -> pd.DataFrame:
    if not path.is_file():
        raise DataError(f"no file {path}: a table of items or users is needed")
    suffix = kind_of(path)
    if suffix in PARQUET:
        return _parquet(path)
    if suffix in JSON:
        return read_json_table(path, encoding or "utf-8")
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
    if layout.separator == ";":  # as spreadsheets write them where numbers have decimal commas
        frame = _with_points(frame, path.name)
    return frame.apply(_typed)


def _with_points(frame: pd.DataFrame, name: str) -> pd.DataFrame:
    """Columns of numbers with decimal commas, as their texts are with points; 1,234 may be thousands, and stays."""
    changed: dict[str, pd.Series] = {}
    for column in frame:
        texts = frame[column].astype(str)
        numbers = texts.str.fullmatch(r"[+-]?\d+(,\d+)?|")
        thousands = texts.str.fullmatch(r"[+-]?\d{1,3},\d{3}")
        commas = texts.str.contains(",", regex=False)
        if str(column).casefold() not in NAMES and commas.any() and numbers.all() and not thousands[commas].all():
            changed[str(column)] = texts.str.replace(",", ".", regex=False)
    if changed:
        columns = ", ".join(map(repr, changed))
        warnings.warn(f"{name}: numbers with decimal commas, in {columns}, are read as such", DataWarning, stacklevel=3)
    return frame.assign(**changed)


def _parquet(path: Path) -> pd.DataFrame:
    import pyarrow as pa

    try:
        frame: pd.DataFrame = pd.read_parquet(path)
    except (pa.ArrowException, OSError, ValueError) as error:
        raise DataError(f"{path.name} cannot be read as Parquet: {str(error).splitlines()[0]}") from None
    return frame


def _without_decimals(frame: pd.DataFrame, ids: Any) -> pd.DataFrame:
    """Decimal numbers, which model files do not hold, as floating-point ones; in the column `ids` as integers or texts.

    The integers may have more than 64 bits.
    """
    if not frame.columns.is_unique:
        return frame
    changed: dict[Any, Any] = {
        name: frame[name].map(_exact, na_action="ignore") if name == ids else frame[name].astype("float64")
        for name in frame.columns
        if _is_decimal(frame[name])
    }
    return frame.assign(**changed) if changed else frame


def _is_decimal(column: pd.Series) -> bool:
    there = column.dropna() if column.dtype == object else column[:0]
    return len(there) > 0 and all(isinstance(one, Decimal) for one in there)


def _exact(number: Decimal) -> int | str:
    return int(number) if number.is_finite() and number == number.to_integral_value() else f"{number:f}"


def _typed(column: pd.Series) -> pd.Series:
    """Numbers where all fields are, and truths (true, False); ids and codes with leading zeros stay texts.

    So do titles: 1984 is one.
    """
    if str(column.name).casefold() in NAMES:
        return column
    lower = column.str.lower()
    if lower.isin(("true", "false")).any() and lower.isin(("true", "false", "")).all():
        truths = lower.map({"true": True, "false": False})
        return truths.astype(bool) if truths.notna().all() else truths.astype(object)
    if column.str.fullmatch(r"0|-?[1-9][0-9]{0,17}").all():
        return column.astype("int64")
    numbers = pd.to_numeric(column.replace("", None), errors="coerce")
    padded = column.str.fullmatch(r"[+-]?0[0-9]+").any()
    return numbers if not padded and (numbers.notna() | (column == "")).all() and numbers.notna().any() else column
