"""Columns of ids: distinct strings and their indices, which become integers where that loses nothing."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pandas as pd

from recae.errors import DataWarning

INTEGER = r"^(0|-?[1-9][0-9]{0,18})$"


def id_column(column: Any, name: str = "", *, integers: bool = True, trimmed: bool = True) -> pd.Categorical:
    """A dictionary-encoded Arrow column as a categorical.

    Args:
        column: distinct strings and their indices.
        name: of the column, for messages.
        integers: as integers of 64 bits where that loses nothing.
        trimmed: without blanks round the ids.
    """
    import pyarrow as pa
    from pyarrow import compute

    column = column.unify_dictionaries()
    if column.num_chunks == 0:
        return pd.Categorical([])
    codes = np.concatenate([chunk.indices.to_numpy(zero_copy_only=False) for chunk in column.chunks])
    ids = column.chunk(0).dictionary
    if trimmed:
        ids, codes = _without_blanks(ids, codes, name)
    whole = (
        compute.match_substring_regex(ids, INTEGER).to_numpy(zero_copy_only=False) if integers else np.zeros(1, bool)
    )
    if whole.all():
        try:
            return _categorical(codes, ids.cast(pa.int64()).to_numpy())
        except pa.ArrowInvalid:  # 19 digits, and more than 64 bits
            pass
    _say_odd(ids, whole, name)
    return _categorical(codes, ids.to_numpy(zero_copy_only=False).astype(object))


def _say_odd(ids: Any, whole: Any, name: str) -> None:
    """A few ids among many integers make texts of all, and may be mistakes: "65.0" beside "65" is another item."""
    n_odd = len(whole) - int(whole.sum())
    if 0 < 10 * n_odd <= len(whole):
        warnings.warn(
            f"column {name!r}: {n_odd:,} of {len(whole):,} ids are no whole numbers, such as "
            f"{ids[int(np.argmin(whole))].as_py()!r}, so that all of them are texts", DataWarning, stacklevel=2,
        )  # fmt: skip


def _categorical(codes: Any, ids: Any) -> pd.Categorical:
    return pd.Categorical.from_codes(codes, categories=pd.Index(ids), validate=False)


def _without_blanks(ids: Any, codes: Any, name: str) -> tuple[Any, Any]:
    from pyarrow import compute

    plain = compute.utf8_trim_whitespace(ids)
    changed = compute.not_equal(plain, ids).to_numpy(zero_copy_only=False)
    if not changed.any():
        return ids, codes
    encoded = plain.dictionary_encode()
    if len(encoded.dictionary) < len(ids):
        first = int(np.argmax(changed))
        warnings.warn(
            f"column {name!r}: blanks round {int(changed[codes].sum()):,} ids are taken off, so that "
            f"{ids[first].as_py()!r} is the same as {plain[first].as_py()!r}", DataWarning, stacklevel=2,
        )  # fmt: skip
    return encoded.dictionary, encoded.indices.to_numpy(zero_copy_only=False)[codes]
