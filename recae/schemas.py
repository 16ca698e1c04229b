"""What a file may hold: checks of names, types, shapes, sparsity patterns and numbers, made once, when it is read.

A check raises `Invalid`, which names the part. The reader of a kind of file turns it into that kind's error,
which names the file and the remedy, with `refusing`.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from recae.errors import RecaeError, Remedy

MAX_DEPTH = 100  # lists and objects inside each other, in JSON and in TOML
_LARGEST_INT = 2**1000
_BLOCK = 1 << 18  # numbers that are looked at together: they fit a cache, and so does what is made of them
_MANY = 64  # blocks that are worth a second thread


class Invalid(ValueError):
    """A part of a file is not what it has to be; the message says which part, and what it has to be."""


@contextmanager
def refusing(
    error_class: type[RecaeError], source: str | Path, remedy: str | Remedy | Sequence[str | Remedy]
) -> Iterator[None]:
    """Within, `Invalid` becomes an error of `error_class` that names the `source` and the `remedy`."""
    try:
        yield
    except Invalid as error:
        raise error_class(f"{source}: {error}", remedy=remedy) from None


def require(condition: bool, message: str) -> None:
    """Raise `Invalid` with the message unless the condition holds."""
    if not condition:
        raise Invalid(message)


# ---------------------------------------------------------------- JSON


def parse_json(text: str | bytes, part: str) -> Any:
    """The value of a JSON text, whose lists and objects are nested at most `MAX_DEPTH` deep."""
    try:
        value = json.loads(text)
    except RecursionError:
        raise Invalid(f"{part} is nested too deep") from None
    except ValueError as error:  # no JSON, no UTF-8, or an integer of thousands of digits
        raise Invalid(f"{part} is not JSON ({_short(str(error))})") from None
    check_depth(value, part)
    return value


def check_depth(value: Any, part: str) -> None:
    """Refuse lists and dicts that are nested deeper than `MAX_DEPTH`."""
    layer = [value]
    for _ in range(MAX_DEPTH):
        containers = [node for node in layer if isinstance(node, list | dict) and node]
        if not containers:
            return
        layer = [child for node in containers for child in (node.values() if isinstance(node, dict) else node)]
    raise Invalid(f"{part} is nested more than {MAX_DEPTH} deep")


def as_object(value: Any, part: str, names: tuple[str, ...] = ()) -> dict[str, Any]:
    """`value`, which has to be a dict with texts as keys, among them `names`."""
    require(isinstance(value, dict) and all(isinstance(name, str) for name in value), f"{part} is not an object")
    for name in names:
        require(name in value, f"{part} has no {name!r}")
    result: dict[str, Any] = value
    return result


def is_int(value: Any, low: int = 0, high: int = 2**63 - 1) -> bool:
    """Whether a value is an integer, no bool, from `low` to `high`."""
    return isinstance(value, int) and not isinstance(value, bool) and low <= value <= high


def is_number(value: Any) -> bool:
    """Whether a value is a finite number, no bool, that a double can hold."""
    if isinstance(value, float):
        return math.isfinite(value)
    return isinstance(value, int) and not isinstance(value, bool) and -_LARGEST_INT <= value <= _LARGEST_INT


# ---------------------------------------------------------------- arrays


def check_array(array: Any, part: str, dtypes: str | tuple[str, ...], shape: tuple[int, ...]) -> None:
    """Refuse an array of another dtype (names, such as "float32") or shape (-1 for any length), or not finite."""
    dtypes = (dtypes,) if isinstance(dtypes, str) else dtypes
    require(isinstance(array, np.ndarray), f"{part} is not an array")
    require(array.dtype.name in dtypes, f"{part} is {array.dtype.name}, not {' or '.join(dtypes)}")
    fits = len(array.shape) == len(shape) and all(want in (-1, n) for want, n in zip(shape, array.shape))
    require(fits, f"{part} has shape {list(array.shape)}, not {list(shape)}")
    require(is_finite(array), f"{part} holds numbers that are not finite")


def is_finite(array: npt.NDArray[Any]) -> bool:
    """Whether all numbers of an array are finite; integers are."""
    if array.dtype.kind not in "fc":
        return True
    flat = array.reshape(-1)
    blocks = [flat[start : start + _BLOCK] for start in range(0, len(flat), _BLOCK)]
    if len(blocks) < _MANY:
        return all(map(_block_is_finite, blocks))
    with ThreadPoolExecutor(2) as pool:  # NumPy lets go of the interpreter while it adds
        return all(pool.map(_block_is_finite, blocks))


def _block_is_finite(block: npt.NDArray[Any]) -> bool:
    with np.errstate(over="ignore", invalid="ignore"):
        total = block.sum()  # infinite or nan where a number is; and where finite ones add up to too much
    return bool(np.isfinite(total) or np.isfinite(block).all())


def check_csr(data: Any, indices: Any, indptr: Any, shape: tuple[int, int], part: str, *, rising: bool = True) -> None:
    """Refuse CSR arrays that are not canonical, or whose values are not finite float32.

    Canonical: `indptr` (n_rows + 1,) begins at 0, never falls and ends at the number of entries; column indices are
    in range and, with `rising`, rise within each row.
    """
    n_rows, n_columns = shape
    check_array(data, f"data of {part}", "float32", (-1,))
    check_array(indices, f"indices of {part}", ("int32", "int64"), data.shape)
    check_array(indptr, f"indptr of {part}", ("int32", "int64"), (n_rows + 1,))
    ends = indptr[0] == 0 and indptr[-1] == len(data)
    require(bool(ends and (indptr[1:] >= indptr[:-1]).all()), f"indptr of {part} does not rise from 0 to {len(data)}")
    for start in range(0, len(data), _BLOCK):
        block = indices[max(0, start - 1) : start + _BLOCK]
        require(
            bool(block.min() >= 0 and block.max() < n_columns), f"indices of {part} are not from 0 to {n_columns - 1}"
        )
        if not rising:
            continue
        first = np.flatnonzero(block[1:] <= block[:-1]) + max(1, start)  # where a row has to begin
        begins = indptr[np.searchsorted(indptr, first)] == first
        require(bool(begins.all()), f"indices of {part} do not rise within each row")


def check_ids(ids: npt.NDArray[Any], part: str) -> None:
    """Refuse raw ids that are not 1-D, of a plain type, finite and distinct."""
    plain = ids.dtype.kind in "iuO" or ids.dtype.name in ("float32", "float64")
    require(ids.ndim == 1 and plain, f"{part} are not a list of ids")
    if ids.dtype.kind == "O":
        require(all(map(_is_id, ids.tolist())), f"{part} are not numbers, texts or tuples of them")
    require(is_finite(ids), f"{part} hold numbers that are not finite")
    rising = ids.dtype.kind != "O" and bool((ids[1:] > ids[:-1]).all())
    require(rising or pd.Index(ids).is_unique, f"{part} are not distinct")


def _is_id(value: Any) -> bool:
    if isinstance(value, str):
        return True
    if isinstance(value, tuple):
        return all(map(_is_id, value))
    return isinstance(value, bool) or is_number(value)


def is_column(values: Any, n: int) -> bool:
    """Whether `values` is a list of `n` entries of a table: numbers, texts, None, and lists of these."""
    return isinstance(values, list) and len(values) == n and all(map(_is_entry, values))


def _is_entry(value: Any) -> bool:
    if value is None or isinstance(value, str | int | float):
        return True
    return isinstance(value, list | tuple) and all(map(_is_entry, value))


def _short(text: str, most: int = 80) -> str:
    return text if len(text) <= most else text[:most] + "..."
