"""One table of ratings read in several ways: plain, packed, as a store. They give the same, or refuse alike."""

from __future__ import annotations

import gzip
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import recae
from fuzz.uses import of_ratings, table_of
from recae.errors import DataError, RecaeError

ONLY_STORES = "a store keeps"  # what only a store refuses: ids that are neither integers nor texts


def as_is(path: Path) -> recae.RatingMatrix:
    return recae.load(path)


def packed(path: Path) -> recae.RatingMatrix:
    """As a .gz file."""
    folder = path.parent / "packed"
    folder.mkdir(exist_ok=True)
    (folder / f"{path.name}.gz").write_bytes(gzip.compress(path.read_bytes()))
    return recae.load(folder / f"{path.name}.gz")


def stored(path: Path) -> recae.RatingMatrix:
    """As a store."""
    recae.prepare_store([path], path.parent / "store", progress=False)
    return recae.load(path.parent / "store")


def differences(path: Path, *ways: Callable[[Path], recae.RatingMatrix]) -> Iterator[str]:
    """What is wrong with what the ways read, and where they differ from the first one.

    Raises:
        RecaeError: the first way refuses the file, and so do the others.
    """
    found = [_outcome(way, path) for way in ways]
    for way, one in zip(ways, found):
        if not isinstance(one, RecaeError):
            yield from (f"{way.__name__}: {problem}" for problem in of_ratings(one))
    first = found[0]
    for way, other in zip(ways[1:], found[1:]):
        if isinstance(other, DataError) and ONLY_STORES in str(other):
            continue
        if isinstance(first, RecaeError) != isinstance(other, RecaeError):
            yield f"{_said(ways[0], first)}, {_said(way, other)}"
        elif not isinstance(first, RecaeError):
            kinds = [(*_id_kinds(one), one.scale) for one in (first, other)]
            if table_of(first) != table_of(other) or kinds[0] != kinds[1]:
                yield f"{ways[0].__name__} and {way.__name__} give other ratings or ids {kinds}"
    if isinstance(first, RecaeError):
        raise first


def _id_kinds(ratings: recae.RatingMatrix) -> list[str]:
    """Integers or others; a store has no unsigned ones."""
    return [ids.dtype.kind.replace("u", "i") for ids in (ratings.user_ids, ratings.item_ids)]


def _outcome(way: Callable[[Path], recae.RatingMatrix], path: Path) -> Any:
    try:
        return way(path)
    except RecaeError as error:
        return error


def _said(way: Callable[..., Any], found: Any) -> str:
    return f"{way.__name__} {f'refuses ({found})' if isinstance(found, RecaeError) else 'accepts'}"
