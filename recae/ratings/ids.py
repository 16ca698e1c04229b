"""Raw ids: looking them up, and numbering them."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from recae._types import IdArray, IntArray
from recae.errors import DataWarning, ParameterError, UnknownIdError

WORTH_A_THREAD = 50_000  # rows of a column
FRACTIONAL = r"^(-?[0-9]+)\.0+$"  # a whole number as a column with missing values writes it
ROUNDED = re.compile(r"-?[0-9](\.[0-9]+)?[eE]\+[0-9]+")  # a long number as a spreadsheet writes it: 1.23457E+17
MISSING = ("NA", "N/A", "NULL", "null", "None", "nan", "NaN")  # what programs write where nothing is known


def look_up(index: pd.Index, ids: Any, kind: str, *, missing: str = "error") -> IntArray:
    """Positions of raw `ids` in `index`; `missing` says whether unknown ones raise or give -1.

    Raises:
        UnknownIdError: names the first unknown id, and says so when only its type differs ('1' for 1).
    """
    wanted = as_id_array(ids)
    found = index.get_indexer(pd.Index(wanted, dtype=object if wanted.dtype == object else None)).astype(np.int64)
    if missing == "error" and (found < 0).any():
        bad = wanted[int(np.argmax(found < 0))]
        if not len(index):
            raise UnknownIdError(f"{kind} {plain(bad)!r} is unknown: the model was saved without ratings and {kind}s",
                                 remedy="ask with the user's own ratings (new ratings)")  # fmt: skip
        raise UnknownIdError(
            f"{kind} {plain(bad)!r} is not among the {len(index):,} known {kind}s{_type_hint(index, bad)}"
        )
    return found


def as_id_array(ids: Any) -> IdArray:
    """Raw ids as a 1-D array: one id, or any sequence of ids; strings stay whole, tuples stay ids in lists.

    Raises:
        ParameterError: ids in rows and columns, or a set, which has no order.
    """
    if isinstance(ids, set | frozenset):
        raise ParameterError("a set of ids has no order: pass a list")
    if hasattr(ids, "to_pandas"):  # Arrow arrays, polars series
        ids = ids.to_pandas()
    if isinstance(ids, np.ndarray | pd.Series | pd.Index):
        return _one_axis(np.asarray(ids))
    if isinstance(ids, str | bytes) or not isinstance(ids, Iterable):
        ids = [ids]
    ids = list(ids)
    if any(isinstance(i, tuple) for i in ids) or len({type(i) for i in ids}) > 1:
        out = np.empty(len(ids), dtype=object)
        out[:] = ids
        return out
    array = _one_axis(np.asarray(ids))
    return array.astype(object) if array.dtype.kind in "US" else array


def _one_axis(ids: IdArray) -> IdArray:
    if ids.ndim > 1:
        raise ParameterError(f"ids of shape {ids.shape}: one axis is needed")
    return ids.reshape(-1)


def _type_hint(index: pd.Index, bad: Any) -> str:
    bad = plain(bad)
    for convert in (str, int):
        try:
            if convert(bad) in index:
                return f"; {convert(bad)!r} is known: pass ids with the type they have in the ratings"
        except (TypeError, ValueError, OverflowError):
            continue
    return ""


def say_alike(ids: IdArray, kind: str) -> None:
    """A `DataWarning` where two ids may be meant as one, or one as none.

    Two differ in their type, in blanks round them, in a fraction of zeros or in Unicode's form only: 7 and "7", "x" and
    "x ", "7" and "7.0", both ways to write é. "NA" and the like may say that nobody knows the id. Numbers that were
    rounded may be several ids in one, see `say_rounded`.
    """
    say_rounded(ids, kind)
    if ids.dtype != object:
        return
    texts = pd.Series([str(one) for one in ids.tolist()], dtype="str")
    plain_texts = texts.str.strip()
    if not all(map(str.isascii, texts)):
        plain_texts = plain_texts.str.normalize("NFC")
    if plain_texts.str.endswith(".0").any():
        plain_texts = plain_texts.str.replace(FRACTIONAL, r"\1", regex=True)
    twins = np.flatnonzero(plain_texts.duplicated())
    if len(twins):
        first = int(np.argmax(plain_texts == plain_texts[twins[0]]))
        written = repr if texts[twins[0]].isascii() and texts[first].isascii() else ascii  # both é look alike
        one, other = written(ids[first]), written(ids[twins[0]])
        warnings.warn(
            f"the {kind} ids {one} and {other} are different ones here: if they are the same, write them alike",
            DataWarning, stacklevel=3,
        )  # fmt: skip
    nothing = plain_texts[plain_texts.isin(MISSING)]
    if 0 < len(nothing) < len(texts):
        warnings.warn(
            f"the {kind} {nothing.iloc[0]!r} is read as an id: if it says that the id is not known, leave its rows out",
            DataWarning, stacklevel=3,
        )  # fmt: skip


def say_rounded(ids: IdArray, kind: str) -> None:
    """A `DataWarning` where ids are numbers that lost digits, as 1.23457E+17 did: what was two ids may be one.

    So are numbers with a fraction part that are too large to tell neighbours apart, from 2^53 on for 64 bits.
    """
    if ids.dtype.kind == "f":
        rounded = np.abs(ids) >= 2.0 ** (np.finfo(ids.dtype).nmant + 1)
    elif ids.dtype == object:
        texts = map(str, ids.tolist())
        rounded = np.array(["+" in text and ROUNDED.fullmatch(text) is not None for text in texts], bool)
    else:
        return
    if rounded.any():
        warnings.warn(
            f"{int(rounded.sum()):,} of {len(ids):,} {kind} ids, such as {plain(ids[int(np.argmax(rounded))])!r}, are "
            f"numbers that lost their last digits, as in a spreadsheet, so that several {kind}s may have become one: "
            "write ids as whole numbers or as texts", DataWarning, stacklevel=3,
        )  # fmt: skip


def plain(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value


def factorise_both(users: Any, items: Any) -> tuple[npt.NDArray[np.int32], IdArray, npt.NDArray[np.int32], IdArray]:
    """`factorise` of two columns at once: NumPy lets go of the interpreter while it works on long arrays.

    Short ones are not worth a thread, which costs more than the work.
    """
    if len(users) < WORTH_A_THREAD:
        return (*factorise(users), *factorise(items))
    with ThreadPoolExecutor(1) as pool:
        other = pool.submit(factorise, items)
        return (*factorise(users), *other.result())


def factorise(column: Any) -> tuple[npt.NDArray[np.int32], IdArray]:
    """Codes and sorted vocabulary of ids that occur; unsortable mixtures keep the order of first appearance."""
    if isinstance(getattr(column, "dtype", None), pd.CategoricalDtype):
        return _factorise_categories(pd.Categorical(column))
    if not isinstance(column, pd.Series | np.ndarray):
        column = as_id_array(column)
    if isinstance(column, pd.Series) and pd.api.types.is_integer_dtype(column.dtype):
        column = column.to_numpy(dtype=np.uint64 if "u" in str(column.dtype).lower() else np.int64)  # nullable, Arrow
    values = column.to_numpy() if isinstance(column, pd.Series) else column
    if values.dtype.kind in "iu" and len(values):
        low, high = int(values.min()), int(values.max())
        if low >= 0 and high < 8 * len(values) + 1000:
            low = 0  # spares the subtraction
        if high - low < 8 * len(values) + 1000:  # a table of all ids between is cheaper than hashing
            offsets = values - values.dtype.type(low) if low else values
            seen = np.zeros(high - low + 1, dtype=bool)
            seen[offsets] = True
            table = np.cumsum(seen, dtype=np.int32) - np.int32(1)
            return table[offsets], np.flatnonzero(seen).astype(values.dtype) + values.dtype.type(low)
    try:
        codes, vocabulary = pd.factorize(column, sort=True)
    except TypeError:
        codes, vocabulary = pd.factorize(column)
    return codes.astype(np.int32), _plain_array(np.asarray(vocabulary))


def _factorise_categories(column: pd.Categorical) -> tuple[npt.NDArray[np.int32], IdArray]:
    """Only the distinct values are looked at: a categorical column is numbered already."""
    used = np.flatnonzero(np.bincount(column.codes, minlength=len(column.categories)))
    order, vocabulary = factorise(_plain_array(np.asarray(column.categories[used])))
    renumber = np.zeros(len(column.categories), dtype=np.int32)
    renumber[used] = order
    return renumber[column.codes], vocabulary


def _plain_array(ids: IdArray) -> IdArray:
    if ids.dtype.kind in "mM":  # NumPy makes integers of dates in nanoseconds
        return np.asarray(pd.Index(ids).astype(object))
    return ids if ids.dtype.kind in "iufb" else ids.astype(object)
