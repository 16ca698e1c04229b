"""A store to a `RatingMatrix` without reading it, and every byte of a store checked."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from recae._types import Csr
from recae.errors import DataError, Phrase, Remedy
from recae.ratings import RatingMatrix
from recae.ratings.csr import mapped_csr
from recae.schemas import refusing
from recae.store.checks import check_rows, check_store_ids
from recae.store.layout import PREPARE_ANEW, Manifest, crc_of_file, has_header, map_array, read_manifest
from recae.store.vocabulary import read_ids

REMEDY = ("copy it anew", PREPARE_ANEW)
_CHECK = Remedy("{check} names the file of the store", check=Phrase("recae.store.check_store(folder)"))


def open_store(folder: str | Path, name: str | None = None) -> RatingMatrix:
    """The ratings of a store, as memory maps: only ids are read, and what is asked for.

    Both sides are there, `user_rows` (n_users, n_items) and `rows("item")` (n_items, n_users): nothing is transposed.

    Raises:
        DataError: there is no whole store, or what can be seen without reading it (sizes, ends) is wrong.
    """
    folder = Path(folder)
    manifest = read_manifest(folder)
    n_users, n_items = manifest.n_users, manifest.n_items
    users, items = (_ids(folder, manifest, kind) for kind in ("user", "item"))
    stamps = manifest.arrays.get("timestamps.npy")
    return RatingMatrix(
        _rows(folder, manifest, "user_rows", (n_users, n_items)), users, items, manifest.scale,
        None if stamps is None else map_array(folder, "timestamps.npy", stamps), name=name or manifest.name,
        _cache={
            "item_rows": _rows(folder, manifest, "item_rows", (n_items, n_users)),
            "mean": manifest.total / manifest.n_ratings,
            "n_merged": manifest.n_rows - manifest.n_ratings,  # which a split by time cannot take apart again
        },
    )  # fmt: skip


def _ids(folder: Path, manifest: Manifest, kind: str) -> Any:
    with refusing(DataError, f"the store {folder} is damaged", REMEDY):
        ids = read_ids(folder, f"{kind}_ids", manifest.arrays)
        check_store_ids(ids, kind, getattr(manifest, f"n_{kind}s"))
    return ids


def _rows(folder: Path, manifest: Manifest, rows: str, shape: tuple[int, int]) -> Csr:
    indptr, indices, data = (
        map_array(folder, f"{rows}.{part}.npy", manifest.arrays[f"{rows}.{part}.npy"])
        for part in ("indptr", "indices", "data")
    )
    ends = np.array(indptr)
    if (int(ends[0]), int(ends[-1])) != (0, len(data)):
        raise _damaged(folder, f"the ends of {rows} go from {ends[0]} to {ends[-1]}, expected 0 to {len(data)}")
    if (ends[1:] < ends[:-1]).any():
        raise _damaged(folder, f"the ends of {rows} are not in order")
    return mapped_csr(data, indices, ends, shape)


def check_before_use(ratings: RatingMatrix) -> None:
    """Look at all ratings of a store once, before anything is counted or learnt: opening it does not read them.

    Ratings in memory are not looked at.

    Raises:
        DataError: there is a column that there is not, columns out of order, or a rating outside the scale.
    """
    if not ratings.is_mapped or "is_checked" in ratings._cache:
        return
    with refusing(DataError, f"{ratings.name} is damaged", _CHECK):
        check_rows(ratings.rows("user"), "item", ratings.scale)
        check_rows(ratings.rows("item"), "user", ratings.scale)
    ratings._cache["is_checked"] = True


def _damaged(folder: Path, what: str) -> DataError:
    return DataError(f"the store {folder} is damaged: {what}", remedy=REMEDY)


# ---------------------------------------------------------------- checking


@dataclass(frozen=True)
class Check:
    """What `check_store` has looked at: bytes of arrays, and the manifest's figures that hold."""

    n_bytes: int
    manifest: Manifest


def check_store(folder: str | Path, report: Callable[[str, int, int], None] = lambda *_: None) -> Check:
    """Read every byte of a store, and compare checksums, lengths and ends with the manifest.

    `report` is called with the file, the number of files done, and their total.

    Raises:
        DataError: names what is damaged, and the remedy.
    """
    folder = Path(folder)
    manifest = read_manifest(folder)
    for number, (name, facts) in enumerate(manifest.arrays.items()):
        report(f"checking {name}", number, len(manifest.arrays))
        map_array(folder, name, facts)
        if not has_header(folder / name, facts):
            raise _damaged(folder, f"the header of {name} is not that of {facts['length']:,} values")
        found = crc_of_file(folder / name)
        if found != facts["crc32"]:
            raise _damaged(folder, f"the checksum of {name} is {found:08x}, expected {facts['crc32']:08x}")
    check_before_use(open_store(folder))
    report("checking", len(manifest.arrays), len(manifest.arrays))
    return Check(sum((folder / name).stat().st_size for name in manifest.arrays), manifest)
