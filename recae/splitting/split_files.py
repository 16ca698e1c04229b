"""A split to one file and back: NumPy's npz, without pickle; what is shared by several parts is written once."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from recae._types import Arrays, IdArray
from recae.archives import read_npz
from recae.atomic import replacing
from recae.errors import DataError
from recae.ratings import RatingMatrix
from recae.ratings.csr import make_csr
from recae.ratings.merging import DUPLICATES
from recae.ratings.repeated_rows import Repeats
from recae.ratings.side_columns import cells_of, column_of_kind, kind_of_column, plain_entries
from recae.schemas import (
    as_object,
    check_array,
    check_csr,
    check_ids,
    is_column,
    is_int,
    is_number,
    parse_json,
    refusing,
    require,
)

FORMAT = 1
SHARED = ("user_ids", "item_ids", "user_table", "item_table")
REPEATS = ("position", "ratings", "timestamps")
_REMEDY = ("save it anew", "fetch it anew")
_ABOUT = ("format", "how", "settings", "parts")
_ENTRY = ("name", "scale", "user_ids", "item_ids", "user_table", "item_table")
_PARTS = {"train", "test", "validation", "test_input", "validation_input"}


def write_split(split: Any, path: Path) -> Path:
    """Write all parts of a `Split`; the file is renamed when it is whole."""
    try:
        arrays = _arrays_of(split)
        for name, array in arrays.items():  # NumPy can be told so only from 2.1 on
            if np.asarray(array).dtype.hasobject:
                raise TypeError(f"{name} holds Python objects")
        with replacing(path) as file:
            np.savez_compressed(file, **arrays)
    except TypeError as error:
        raise DataError(f"{path}: {error}; ids, tables and settings of a saved split are numbers and texts") from None
    except OSError as error:
        raise DataError(f"{path} could not be written ({error.strerror or error})") from None
    return path


def _arrays_of(split: Any) -> dict[str, Any]:
    """All that a file of a `Split` holds, arrays by name; a `TypeError` for what JSON does not hold."""
    arrays: dict[str, Any] = {}
    shared: dict[int, str] = {}
    about: dict[str, Any] = {"format": FORMAT, "how": split.how, "settings": split.settings, "parts": {}}
    for name, part in split.parts().items():
        rows = part.user_rows
        arrays |= {f"{name}.indptr": rows.indptr, f"{name}.indices": rows.indices, f"{name}.data": rows.data}
        if part.timestamps is not None:
            arrays[f"{name}.timestamps"] = part.timestamps
        entry: dict[str, Any] = {"name": part.name, "scale": part.scale, "read_as": part.read_as}
        if part.repeats is not None:
            entry["repeats"] = part.repeats.how
            arrays |= {f"{name}.repeats.{of}": getattr(part.repeats, of) for of in REPEATS}
        for of in SHARED:
            value = getattr(part, of)
            if value is not None and id(value) not in shared:
                shared[id(value)] = f"{'text' if _needs_text(value) else 'ids'}{len(shared)}"
                arrays[shared[id(value)]] = _text(value) if _needs_text(value) else value
            entry[of] = None if value is None else shared[id(value)]
        about["parts"][name] = entry
    return {**arrays, "about": np.array(json.dumps(about))}


def is_split(path: Path) -> bool:
    """Whether there is a file at `path` that looks like one of `write_split`."""
    if not path.is_file() or not zipfile.is_zipfile(path):
        return False
    with zipfile.ZipFile(path) as archive:
        return "about.npy" in archive.namelist()


def read_split(path: Path) -> dict[str, Any]:
    """The arguments of the `Split` that `write_split` wrote."""
    if not path.exists():
        raise DataError(f"no file {path}: Split.save writes one")
    try:
        with refusing(DataError, f"{path} is no split that recae saved, or it is damaged", _REMEDY):
            arrays = read_npz(path)
            require("about" in arrays, "it says nothing of itself")
            text = arrays.pop("about")
            require(text.dtype.kind == "U" and text.ndim == 0, "what it says of itself is no text")
            about = as_object(parse_json(str(text), "what it says of itself"), "what it says of itself", _ABOUT)
            if is_int(about["format"], FORMAT + 1):
                raise DataError(f"{path} has format {about['format']}, newer than {FORMAT}: upgrade recae")
            require(about["format"] == FORMAT, "its format is not known")
            return _arguments(about, arrays)
    except OSError as error:
        raise DataError(f"{path} could not be read ({error.strerror or error})") from None


def _arguments(about: dict[str, Any], arrays: Arrays) -> dict[str, Any]:
    parts = as_object(about["parts"], "its parts", ("train", "test"))
    unknown = parts.keys() - _PARTS
    require(not unknown, f"there is no part {', '.join(unknown)[:40]!r} of a split")
    require(isinstance(about["how"], str), "how it was made is not a text")
    settings = as_object(about["settings"], "its settings")
    shared = {name: _read(array, name) if name.startswith("text") else array for name, array in arrays.items()}
    read = {name: _part(name, as_object(entry, name, _ENTRY), arrays, shared) for name, entry in parts.items()}
    return {**read, "how": about["how"], "settings": settings}


def _part(name: str, entry: dict[str, Any], arrays: Arrays, shared: dict[str, Any]) -> RatingMatrix:
    users, items = (_ids(shared, entry[of], f"{of} of {name}") for of in ("user_ids", "item_ids"))
    tables: dict[str, Any] = {
        of: _table_of(shared, entry[of], f"{of} of {name}") for of in ("user_table", "item_table")
    }
    names = [f"{name}.{of}" for of in ("data", "indices", "indptr")]
    require(all(of in arrays for of in names), f"{name} has no ratings")
    data, indices, indptr = (arrays[of] for of in names)
    shape = len(users), len(items)
    check_csr(data, indices, indptr, shape, name)
    scale = entry["scale"]
    two = isinstance(scale, list) and len(scale) == 2 and all(map(is_number, scale))
    inside = two and (not len(data) or scale[0] <= data.min() <= data.max() <= scale[1])
    require(inside and scale[0] <= scale[1], f"the scale of {name} is not that of its ratings")
    require(isinstance(entry["name"], str), f"the name of {name} is not a text")
    stamps = arrays.get(f"{name}.timestamps")
    if stamps is not None:
        check_array(stamps, f"the timestamps of {name}", "int64", data.shape)
    rows = make_csr(data, indices, indptr, shape)
    read_as = as_object(entry.get("read_as", {}), f"how {name} was read")
    require(all(isinstance(value, str | bool | int) for value in read_as.values()), f"how {name} was read is not told")
    return RatingMatrix(
        rows, users, items, (scale[0], scale[1]), stamps, name=entry["name"], read_as=read_as,
        repeats=_repeats(name, entry, arrays, rows.nnz), **tables,
    )  # fmt: skip


def _repeats(name: str, entry: dict[str, Any], arrays: dict[str, Any], n_ratings: int) -> Repeats | None:
    if "repeats" not in entry:
        return None
    require(all(f"{name}.repeats.{of}" in arrays for of in REPEATS), f"repeats of {name} are missing")
    position, ratings, stamps = (arrays[f"{name}.repeats.{of}"] for of in REPEATS)
    check_array(position, f"repeats of {name}", "int64", (-1,))
    check_array(ratings, f"repeats of {name}", "float32", position.shape)
    check_array(stamps, f"repeats of {name}", "int64", position.shape)
    rising = len(position) and position[0] >= 0 and position[-1] < n_ratings and (np.diff(position) >= 0).all()
    how = isinstance(entry["repeats"], str) and entry["repeats"] in DUPLICATES
    require(bool(rising) and how, f"repeats of {name} are not those of its ratings")
    return Repeats(position, ratings, stamps, entry["repeats"])


def _ids(shared: dict[str, Any], name: Any, part: str) -> IdArray:
    found = shared.get(name) if isinstance(name, str) else None
    require(isinstance(found, np.ndarray), f"{part} are not there")
    ids: Any = found
    check_ids(ids, part)
    return ids  # type: ignore[no-any-return]


def _table_of(shared: dict[str, Any], name: Any, part: str) -> pd.DataFrame | None:
    if name is None:
        return None
    found = shared.get(name) if isinstance(name, str) else None
    require(isinstance(found, pd.DataFrame), f"{part} is not there")
    return found


def _needs_text(value: IdArray | pd.DataFrame) -> bool:
    return isinstance(value, pd.DataFrame) or value.dtype == object


def _text(value: IdArray | pd.DataFrame) -> Any:
    """Ids or a table as one JSON text."""
    if isinstance(value, pd.DataFrame):
        columns = [[str(name), plain_entries(cells_of(value[name]))] for name in value.columns]
        kinds = {str(name): kind_of_column(value[name], plain_entries) for name in value.columns}
        name = None if value.index.name is None else str(value.index.name)
        tree: Any = {"index": _plain(value.index), "name": name, "columns": columns, "kinds": kinds}
    else:
        tree = _plain(value)
        if any(isinstance(one, tuple) for one in tree):
            raise TypeError("tuples cannot be written")
    return np.frombuffer(json.dumps(tree).encode(), np.uint8)


def _plain(values: Any) -> list[Any]:
    def one(value: Any) -> Any:
        if pd.api.types.is_scalar(value) and pd.isna(value):
            return None
        return value.item() if isinstance(value, np.generic) else value

    return [one(value) for value in values]


def _read(array: Any, part: str) -> Any:
    """What `_text` was given."""
    require(array.ndim == 1 and array.dtype == np.uint8, f"{part} is not a text")
    tree = parse_json(array.tobytes(), part)
    if isinstance(tree, dict):
        return _frame(as_object(tree, part, ("index", "name", "columns")), part)
    require(isinstance(tree, list), f"{part} is neither a table nor a list of ids")
    ids = np.empty(len(tree), dtype=object)
    ids[:] = tree
    return ids


def _frame(tree: dict[str, Any], part: str) -> pd.DataFrame:
    index, columns, name = tree["index"], tree["columns"], tree["name"]
    require(isinstance(index, list) and isinstance(columns, list), f"{part} is not a table")
    pairs = all(isinstance(pair, list) and len(pair) == 2 and isinstance(pair[0], str) for pair in columns)
    require(pairs and all(is_column(column, len(index)) for _, column in columns), f"columns of {part} are not lists")
    require(name is None or isinstance(name, str), f"the index of {part} has no name")
    ids = np.empty(len(index), dtype=object)
    ids[:] = index
    check_ids(ids, f"the index of {part}")
    kinds = as_object(tree.get("kinds", {}), f"kinds of columns of {part}")  # older files do not say them
    read = {of: _column(values, kinds.get(of), f"column {of!r} of {part}") for of, values in columns}
    return pd.DataFrame(read, index=pd.Index(index, name=name))


def _column(values: list[Any], kind: Any, part: str) -> Any:
    return column_of_kind(values, kind, lambda categories: categories, part).array
