"""MovieLens folders of each layout: bytes, lines and fields of one file, or the file itself."""

from __future__ import annotations

import random
import shutil
from collections.abc import Iterator
from pathlib import Path

import recae
from fuzz.changes import WORDS, changed_bytes, changed_lines
from fuzz.uses import of_model, of_ratings
from recae.datasets.movielens import read_movielens

SEPARATORS = {"u.data": b"\t", "ratings.csv": b",", "movies.csv": b",", "u.item": b"|", "u.genre": b"|", "u.user": b"|"}


def prepare(base: Path) -> None:
    rng = random.Random(0)
    rows = [(rng.randrange(1, 5), rng.randrange(1, 6), rng.randrange(1, 6), rng.randrange(10**9)) for _ in range(12)]

    def joined(separator: str) -> str:
        return "".join(separator.join(map(str, row)) + "\n" for row in rows)

    items, users = range(1, 7), range(1, 6)
    layouts = {
        "100k": {
            "u.data": joined("\t"), "u.genre": "unknown|0\nAction|1\nComedy|2\n\n",
            "u.item": "".join(f"{i}|Film {i} (199{i})|01-Jan-1995||http://x|0|1|0\n" for i in items),
            "u.user": "".join(f"{u}|24|M|writer|8571{u}\n" for u in users),
        },
        "1m": {
            "ratings.dat": joined("::"),
            "movies.dat": "".join(f"{i}::Film {i} (199{i})::Action|Comedy\n" for i in items),
            "users.dat": "".join(f"{u}::F::25::10::4806{u}\n" for u in users),
        },
        "csv": {
            "ratings.csv": "userId,movieId,rating,timestamp\n" + joined(","),
            "movies.csv": "movieId,title,genres\n" + "".join(f'{i},"Film, {i} (199{i})",Action\n' for i in items),
        },
    }  # fmt: skip
    for layout, files in layouts.items():
        (base / layout).mkdir()
        for name, text in files.items():
            (base / layout / name).write_text(text)
        assert not list(use(base / layout))


def write(rng: random.Random, base: Path, work: Path) -> str:
    layout = rng.choice(["100k", "1m", "csv"])
    shutil.copytree(base / layout, work / "ml")
    path = rng.choice(sorted((work / "ml").iterdir()))
    data = path.read_bytes()
    how = rng.choice(["bytes", "bytes", "lines", "lines", "lines", "replaced", "empty", "gone", "folder", "mark"])
    if how == "lines":
        data = changed_lines(rng, data, SEPARATORS.get(path.name, b"::"))
    elif how == "replaced":
        word = rng.choice([b"1", b"Film", b"24", b"10", b"199"])
        data = data.replace(word, rng.choice(WORDS), rng.choice([1, -1]))
    else:
        data = {"empty": b"", "mark": b"\xef\xbb\xbf" + data}.get(how, changed_bytes(rng, data))
    path.write_bytes(data)
    if how in ("gone", "folder"):
        path.unlink()
    if how == "folder":
        path.mkdir()
    return f"{layout}: {path.name} {how}"


def read(work: Path) -> Iterator[str]:
    yield from use(work / "ml")


def use(folder: Path) -> Iterator[str]:
    """What is wrong with what is read of a folder."""
    ratings = read_movielens(folder)
    yield from of_ratings(ratings)
    for table, ids in ((ratings.item_table, ratings.item_ids), (ratings.user_table, ratings.user_ids)):
        if table is not None and not table.index.is_unique:
            yield "a table has an id twice"
        if table is not None and table.index.dtype != ids.dtype:
            yield f"a table has ids of {table.index.dtype}, the ratings of {ids.dtype}"
    yield from of_model(recae.Popularity().fit(ratings))
