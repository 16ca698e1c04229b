"""A split to one file and back: NumPy's npz, without pickle; what is shared by several parts is written once."""

from __future__ import annotations

import json
import os
import tempfile
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from recae._types import IdArray
from recae.errors import DataError
from recae.ratings import RatingMatrix
from recae.ratings.csr import DUPLICATES, make_csr
from recae.ratings.repeated_rows import Repeats
from recae.schemas import Invalid, check_array, check_csr, require

FORMAT = 1
SHARED = ("user_ids", "item_ids", "user_table", "item_table")
REPEATS = ("position", "ratings", "timestamps")


def write_split(split: Any, path: Path) -> Path:
    """Write all parts of a `Split`; the file is renamed when it is whole."""
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
    try:
        arrays["about"] = np.array(json.dumps(about))
        _write(path, arrays)
    except TypeError as error:
        raise DataError(f"{path}: {error}; ids, tables and settings of a saved split are numbers and texts") from None
    except OSError as error:
        raise DataError(f"{path} could not be written ({error.strerror or error})") from None
    return path


def is_split(path: Path) -> bool:
    """Whether there is a file at `path` that looks like one of `write_split`."""
    if not path.is_file() or not zipfile.is_zipfile(path):
        return False
    with zipfile.ZipFile(path) as archive:
        return "about.npy" in archive.namelist()


def read_split(path: Path) -> dict[str, Any]:
    """The arguments of the `Split` that `write_split` wrote."""
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        about = json.loads(str(arrays["about"]))
        if about["format"] > FORMAT:
            raise DataError(f"{path} has format {about['format']}, newer than {FORMAT}: upgrade recae")
    except FileNotFoundError:
        raise DataError(f"no file {path}: Split.save writes one") from None
    except (OSError, KeyError, TypeError, ValueError, EOFError, zipfile.BadZipFile) as error:
        if isinstance(error, DataError):
            raise
        raise DataError(f"{path} is no split that recae saved, or it is cut short ({error})") from None
    shared = {name: _read(array) if name.startswith("text") else array for name, array in arrays.items()}
    try:
        parts = {name: _part(name, entry, arrays, shared) for name, entry in about["parts"].items()}
    except Invalid as error:
        raise DataError(f"{path} is damaged: {error}") from None
    return {**parts, "how": about["how"], "settings": about["settings"]}


def _part(name: str, entry: dict[str, Any], arrays: dict[str, Any], shared: dict[str, Any]) -> RatingMatrix:
    found: dict[str, Any] = {of: None if entry[of] is None else shared[entry[of]] for of in SHARED}
    shape = len(found["user_ids"]), len(found["item_ids"])
    data, indices, indptr = (arrays[f"{name}.{of}"] for of in ("data", "indices", "indptr"))
    check_csr(data, indices, indptr, shape, name)
    rows = make_csr(data, indices, indptr, shape)
    stamps, (low, high) = arrays.get(f"{name}.timestamps"), entry["scale"]
    return RatingMatrix(
        rows, scale=(low, high), timestamps=stamps, name=entry["name"], read_as=entry.get("read_as", {}),
        repeats=_repeats(name, entry, arrays, rows.nnz), **found,
    )  # fmt: skip


def _repeats(name: str, entry: dict[str, Any], arrays: dict[str, Any], n_ratings: int) -> Repeats | None:
    if "repeats" not in entry:
        return None
    position, ratings, stamps = (arrays[f"{name}.repeats.{of}"] for of in REPEATS)
    check_array(position, f"repeats of {name}", "int64", (-1,))
    check_array(ratings, f"repeats of {name}", "float32", position.shape)
    check_array(stamps, f"repeats of {name}", "int64", position.shape)
    rising = len(position) and position[0] >= 0 and position[-1] < n_ratings and (np.diff(position) >= 0).all()
    require(bool(rising) and entry["repeats"] in DUPLICATES, f"repeats of {name} are not those of its ratings")
    return Repeats(position, ratings, stamps, entry["repeats"])


def _needs_text(value: IdArray | pd.DataFrame) -> bool:
    return isinstance(value, pd.DataFrame) or value.dtype == object


def _text(value: IdArray | pd.DataFrame) -> Any:
    """Ids or a table as one JSON text."""
    if isinstance(value, pd.DataFrame):
        columns = [[name, _plain(value[name])] for name in value.columns]
        tree: Any = {"index": _plain(value.index), "name": value.index.name, "columns": columns}
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


def _read(array: Any) -> Any:
    """What `_text` was given."""
    tree = json.loads(array.tobytes())
    if isinstance(tree, dict):
        return pd.DataFrame(dict(tree["columns"]), index=pd.Index(tree["index"], name=tree["name"]))
    ids = np.empty(len(tree), dtype=object)
    ids[:] = tree
    return ids


def _write(path: Path, arrays: dict[str, Any]) -> None:
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            np.savez_compressed(file, allow_pickle=False, **arrays)
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
