"""What a checkpoint, a search or a folder of lists belongs to: settings, and checksums of what was read."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from recae._types import IdArray
from recae.ratings import RatingMatrix
from recae.ratings.ids import plain


def fingerprint(
    model: Any, ratings: RatingMatrix, validation: RatingMatrix | None, shown: RatingMatrix | None = None,
    start: Any = None,
) -> dict[str, str]:  # fmt: skip
    """What a checkpoint belongs to, by name: hyper-parameters, and checksums of all that the fit reads.

    The device is left out: training may continue on another one. So is what the model does not read, such as the
    times and tables of most models.

    Args:
        shown: what hidden validation users show, where there are any.
        start: the model that training goes on from, if there is one.
    """
    params = {name: repr(value) for name, value in model.get_params().items() if name != "device"}
    held_out = [part for part in (validation, shown) if part is not None]
    return {
        **params, "start": "none" if start is None else checksum(start.ratings_),
        "start_learnt": "none" if start is None else _begun_with(start, ratings), "ratings": checksum(ratings),
        "validation": " ".join(map(checksum, held_out)) or "none", **model._reads_beside(ratings, held_out),
    }  # fmt: skip


def checksum(ratings: RatingMatrix) -> str:
    """16 hexadecimal digits that differ where a rating differs (SHA-256 of the arrays of `user_rows`)."""
    return _digest((ratings.user_rows.indptr, ratings.user_rows.indices, ratings.user_rows.data))


def checksum_of_times(parts: Sequence[RatingMatrix]) -> str:
    """16 hexadecimal digits a part that differ where a time differs, or a row of a pair that has several."""
    return " ".join(map(_of_times, parts))


def checksum_of_ids(*ids: IdArray) -> str:
    """16 hexadecimal digits that differ where a raw id, or its type, differs."""
    return _digest(map(_id_bytes, ids))


def scales(parts: Sequence[RatingMatrix]) -> str:
    """The scale of each part, as a text."""
    return " ".join(f"{part.scale[0]:g} to {part.scale[1]:g}" for part in parts)


def _of_times(ratings: RatingMatrix) -> str:
    if ratings.timestamps is None:
        return "none"
    more = ratings.repeats
    return _digest((ratings.timestamps, *(() if more is None else (more.position, more.ratings, more.timestamps))))


def _begun_with(start: Any, ratings: RatingMatrix) -> str:
    """Of what a warm start takes over: what `start` has learnt, and the ids by which it is matched."""
    ids = (start.ratings_.user_ids, start.ratings_.item_ids, ratings.user_ids, ratings.item_ids)
    learnt = (array for _, array in sorted(start._saved_arrays().items()))
    return _digest((*map(_id_bytes, ids), *learnt))


def _id_bytes(ids: IdArray) -> Any:
    if ids.dtype.kind in "iuf":
        return ids
    return np.frombuffer(repr([plain(one) for one in ids.tolist()]).encode("utf-8", "surrogatepass"), np.uint8)


def _digest(arrays: Iterable[Any]) -> str:
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()[:16]
