"""Published splits in the form of NGCF and LightGCN: lines of "user item item ...", one file a part."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np

from recae._types import IntArray
from recae.errors import DataError, DatasetNotFoundError
from recae.ratings import RatingMatrix
from recae.ratings.csr import make_csr
from recae.readers.packing import open_bytes
from recae.splitting.parts import Split

SUFFIXES = ("", ".gz", ".zst", ".bz2")


class Pairs(NamedTuple):
    """Aligned users and items of one file, (n,) each."""

    users: IntArray
    items: IntArray


def published_lists(folder: str | Path, name: str | None = None, *, order: bool = False) -> Split:
    """The split of `folder`: train.txt and test.txt (.gz and the like are unpacked on the way), every rating 1.

    Both parts have the users and items of both files, as the published figures on Gowalla, Yelp2018 and
    Amazon-Book (He et al., SIGIR 2020) have it. There is no validation part in these splits: carve one from train
    with `recae.splitting.take_validation(train, 0.1, how="per-user")`.

    Args:
        folder: where the two files are.
        name: of the data; the folder's where there is none.
        order: whether lists are in the order of events, as Gowalla's are. Then the train part has timestamps, which are
            places in a user's list from 0 and no dates. Published figures do not use the order.

    Raises:
        DatasetNotFoundError: a file is missing.
        DataError: a line is not of whole numbers, a pair occurs twice, or is in both parts; the message names it.
    """
    folder = Path(folder)
    parts = {part: _read(_file(folder, part)) for part in ("train", "test")}
    user_ids, item_ids = (np.unique(np.concatenate([p[i] for p in parts.values()])) for i in (0, 1))
    shape = len(user_ids), len(item_ids)
    keys = {
        part: np.searchsorted(user_ids, pairs.users) * shape[1] + np.searchsorted(item_ids, pairs.items)
        for part, pairs in parts.items()
    }
    _refuse_repeats(np.concatenate(list(keys.values())), user_ids, item_ids, folder)
    name = name or folder.name
    train, test = (_matrix(keys[part], user_ids, item_ids, f"{name} {part}") for part in ("train", "test"))
    if order:
        train = train.with_rows(train.user_rows, _places(keys["train"], shape[1]))
    return Split(train, test, how="published lists", settings={"files": name, **({"order": True} if order else {})})


def _places(keys: IntArray, n_items: int) -> IntArray:
    """Place in the user's list, from 0, of each pair in the order of keys, (n_pairs,)."""
    users = keys // n_items
    by_user = np.argsort(users, kind="stable")  # lists one after another, each as it is in the file
    starts = np.concatenate([[0], np.flatnonzero(np.diff(users[by_user])) + 1])
    place = np.empty(len(keys), np.int64)
    place[by_user] = np.arange(len(keys)) - np.repeat(starts, np.diff([*starts, len(keys)]))
    return place[np.argsort(keys)]


def _file(folder: Path, part: str) -> Path:
    for suffix in SUFFIXES:
        if (path := folder / f"{part}.txt{suffix}").is_file():
            return path
    raise DatasetNotFoundError(
        f"{folder} has no {part}.txt (or {part}.txt.gz): such a split is two files, train.txt and test.txt, of lines "
        '"user item item ..."'
    )


def _read(path: Path) -> Pairs:
    with open_bytes(path) as file:
        lines = file.read().split(b"\n")
    rows = [_numbers(path.name, number, line) for number, line in enumerate(lines, 1)]
    rows = [row for row in rows if len(row) > 1]  # a user may have no item, in a test part
    if not rows:
        raise DataError(f"{path} holds no pair of a user and an item")
    users = np.repeat([row[0] for row in rows], [len(row) - 1 for row in rows])
    return Pairs(users, np.concatenate([row[1:] for row in rows]))


def _numbers(name: str, number: int, line: bytes) -> IntArray:
    try:
        return np.array(line.split(), np.int64)
    except (ValueError, OverflowError):
        raise DataError(
            f'{name}, line {number}: {line[:60]!r}: "user item item ..." is needed, whole numbers of 64 bits'
        ) from None


def _refuse_repeats(keys: IntArray, user_ids: IntArray, item_ids: IntArray, folder: Path) -> None:
    ordered = np.sort(keys)
    twice = ordered[:-1][ordered[1:] == ordered[:-1]]
    if len(twice):
        user, item = divmod(int(twice[0]), len(item_ids))
        raise DataError(
            f"{folder}: user {user_ids[user]}, item {item_ids[item]} occurs twice in train and test: parts of a split "
            "must not share a pair"
        )


def _matrix(keys: IntArray, user_ids: IntArray, item_ids: IntArray, name: str) -> RatingMatrix:
    users, items = np.divmod(np.sort(keys), len(item_ids))
    indptr = np.concatenate([[0], np.cumsum(np.bincount(users, minlength=len(user_ids)))])
    rows = make_csr(np.ones(len(keys), np.float32), items, indptr, (len(user_ids), len(item_ids)))
    return RatingMatrix(user_rows=rows, user_ids=user_ids, item_ids=item_ids, scale=(1.0, 1.0), name=name)
