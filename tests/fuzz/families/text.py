"""Tables of text: csv, tsv, '::' and others, with changed fields, lines and bytes. Read plain, packed, as a store."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

from fuzz.changes import changed_bytes, changed_lines
from fuzz.ways import as_is, differences, packed, stored


def prepare(base: Path) -> None:
    (base / "r.csv").write_text("user,item,rating\n1,2,3\na,2,3\n")
    assert not list(differences(base / "r.csv", as_is, packed, stored))


def table(rng: random.Random) -> tuple[bytes, str]:
    """A sound table, and what stands between its fields."""
    delimiter = rng.choice([",", ",", ",", "\t", "::", ";", "|", " "])
    kind, dated, n = (
        rng.choice(["int", "int", "text", "mixed", "zeros", "greek"]),
        rng.random() < 0.5,
        rng.choice([1, 3, 8, 30]),
    )
    decimals = rng.choice(["1 2 3 4 5", "1 2.5 3.5 4.0", "1 2.5 3.5 4.0", "1,5 2,0 3,5"]).split()

    def one(most: int) -> str:
        k = rng.randrange(most)
        return {"int": str(k), "text": f"u{k}", "mixed": rng.choice([str(k), f"x{k}"]), "zeros": f"{k:03d}",
                "greek": chr(0x3B1 + k)}[kind]  # fmt: skip

    rows = [[one(5), one(7), rng.choice(decimals)] + [str(rng.randrange(10**9))] * dated for _ in range(n)]
    if delimiter == ",":
        rows = [[user, item, f'"{rating}"' if "," in rating else rating, *time] for user, item, rating, *time in rows]
    header = rng.choice([["user", "item", "rating"], ["userId", "movieId", "rating"]]) + ["timestamp"] * dated
    lines = [delimiter.join(row) for row in ([header] if rng.random() < 0.7 else []) + rows]
    return (rng.choice(["\n", "\n", "\n", "\r\n", "\r"]).join(lines) + rng.choice(["\n", ""])).encode(), delimiter


def write(rng: random.Random, base: Path, work: Path) -> str:
    data, delimiter = table(rng)
    times = rng.choice([0, 1, 1, 1, 2, 4])
    for _ in range(times):
        data = changed_bytes(rng, data) if rng.random() < 0.3 else changed_lines(rng, data, delimiter.encode())
    (work / f"r{rng.choice(['.csv', '.csv', '.tsv', '.txt', '.dat'])}").write_bytes(data)
    return f"{delimiter!r}, {times} changes"


def read(work: Path) -> Iterator[str]:
    (path,) = (path for path in work.iterdir() if path.is_file())
    yield from differences(path, as_is, packed, stored)
