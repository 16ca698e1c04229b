"""What a store may hold: the manifest as it is read, ids as they are opened, ratings before they are first used."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from recae._types import Array, Csr, IdArray
from recae.ratings.merging import DUPLICATES
from recae.schemas import Invalid, as_object, check_ids, is_finite, is_int, is_number, require

BLOCK = 1 << 21  # ratings that are looked at together: they fit a cache
LARGEST = float(np.finfo(np.float32).max)
FACTS = ("dtype", "length", "crc32")


def check_manifest(content: dict[str, Any]) -> None:
    """Refuse a manifest whose counts, scale or arrays are not those of a store.

    Raises:
        Invalid: names the value.
    """
    names = ("name", "n_users", "n_items", "n_ratings", "n_rows", "total", "scale", "duplicates", "files", "arrays")
    as_object(content, "the manifest", names)
    unknown = content.keys() - {*names, "options"}
    require(not unknown, f"{', '.join(unknown)[:40]!r} is no part of a manifest")
    for name, low in (("n_users", 1), ("n_items", 1), ("n_ratings", 1), ("n_rows", 1)):
        require(is_int(content[name], low, 2**48), f"{name} is not a count")
    n, scale, total = content["n_ratings"], content["scale"], content["total"]
    require(content["n_rows"] >= n, "n_rows is lower than n_ratings")
    require(isinstance(content["name"], str), "name is not a text")
    require(content["duplicates"] in DUPLICATES, "duplicates is not a way to merge rows")
    two = isinstance(scale, list) and len(scale) == 2 and all(map(is_number, scale))
    require(two and -LARGEST <= scale[0] <= scale[1] <= LARGEST, "scale is not the lowest and the highest rating")
    width = 1e-3 * max(1.0, *map(abs, scale))  # sums of float32 are rounded
    require(is_number(total) and scale[0] - width <= total / n <= scale[1] + width, "total is not that of the ratings")
    files = content["files"]
    require(isinstance(files, list) and all(isinstance(one, dict) for one in files), "files is not a list")
    options = content.get("options")
    require(options is None or isinstance(options, dict), "options are not an object")
    _check_facts(as_object(content["arrays"], "arrays"), content)


def _check_facts(arrays: dict[str, Any], content: dict[str, Any]) -> None:
    """The arrays of a store, and no others, each of its type and length."""
    n = content["n_ratings"]
    wanted: dict[str, tuple[str, int | None]] = {}
    for rows, length in (("user", content["n_users"]), ("item", content["n_items"])):
        wanted |= {f"{rows}_rows.indptr.npy": ("<i8", length + 1), f"{rows}_rows.indices.npy": ("<i4", n)}
        wanted |= {f"{rows}_rows.data.npy": ("<f4", n)}
        if f"{rows}_ids.npy" in arrays:
            wanted |= {f"{rows}_ids.npy": ("<i8", length)}
        else:
            wanted |= {f"{rows}_ids.text.npy": ("|u1", None), f"{rows}_ids.ends.npy": ("<i8", length)}
    if "timestamps.npy" in arrays:
        wanted |= {"timestamps.npy": ("<i8", n)}
    for name in wanted.keys() ^ arrays.keys():
        raise Invalid(f"the array {name[:60]!r} {'is missing' if name in wanted else 'has no use'}")
    for name, (dtype, length) in wanted.items():
        facts = as_object(arrays[name], name, FACTS)
        fits = facts["dtype"] == dtype and is_int(facts["length"]) and length in (None, facts["length"])
        require(
            fits and is_int(facts["crc32"]), f"{name} is not of {dtype}, or not as long as there are ids or ratings"
        )


def check_store_ids(ids: IdArray, kind: str, n: int) -> None:
    """Refuse ids of a store that are not distinct, or not as many as the manifest says."""
    require(len(ids) == n, f"it has {len(ids):,} {kind} ids, expected {n:,}")
    check_ids(ids, f"{kind} ids")


def check_ends(ends: npt.NDArray[np.int64], length: int) -> None:
    """Refuse ends of texts that are not in order, or do not end where the text does."""
    whole = len(ends) > 0 and ends[0] >= 0 and ends[-1] == length and bool((ends[1:] >= ends[:-1]).all())
    require(whole, f"the ends of ids do not rise to {length:,}")


def check_rows(rows: Csr, other: str, scale: tuple[float, float]) -> None:
    """Refuse rows of a store with a column that there is not, or that does not rise, or a rating outside the scale.

    Read once, in blocks. The ends of the rows were checked as the store was opened.

    Args:
        rows: memory maps, CSR.
        other: what the columns are, "item" or "user".
        scale: the lowest and the highest rating.
    """
    indices: Array = rows.indices
    low, high = np.float32(scale[0]), np.float32(scale[1])
    for first in range(0, len(indices), BLOCK):
        part = np.asarray(indices[max(0, first - 1) : first + BLOCK])
        for column in (int(part.min()), int(part.max())):
            there = f"a rating is of {other} number {column:,}, and there are {rows.shape[1]:,}"
            require(0 <= column < rows.shape[1], there)
        begins = np.flatnonzero(part[1:] <= part[:-1]) + max(1, first)
        known = rows.indptr[np.searchsorted(rows.indptr, begins)] == begins
        require(bool(known.all()), f"the {other}s of a row are not in order")
        values = np.asarray(rows.data[first : first + BLOCK])
        inside = is_finite(values) and bool(low <= values.min() and values.max() <= high)
        require(inside, f"a rating is not a number from {scale[0]:g} to {scale[1]:g}")
