"""JSON lines: values of all kinds, depth, missing and double fields, encodings. Read plain and packed."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from pathlib import Path

from fuzz.changes import changed_bytes
from fuzz.ways import as_is, differences, packed

VALUES = [
    "1", "2", "3.5", '"a"', "true", "false", "null", "NaN", "Infinity", "-Infinity", "1e400", "1e-400", "[1]",
    '{"a":1}',
    '""', '"\\u0000"', '"\\ud800"', '"\\u00e9"', "9223372036854775807", "9223372036854775808", "-9223372036854775809",
    "1" + "0" * 400, "1.0", "-0", "-0.0", "1e5", "[" * 100 + "]" * 100, "[" * 100_000 + "]" * 100_000,
    '{"a":' * 50_000 + "1" + "}" * 50_000, '"' + "x" * 200_000 + '"', '"2024-01-01"', '"1"', '"007"', "1" * 5000, "'a'",
    "undefined", "0x10", "01", "+1", ".5", '"\x1b[31m"',
]  # fmt: skip


def prepare(base: Path) -> None:
    (base / "r.jsonl").write_text('{"user": 1, "item": 2, "rating": 3}\n{"user": "a", "item": 2, "rating": 3}\n')
    assert not list(differences(base / "r.jsonl", as_is, packed))


def write(rng: random.Random, base: Path, work: Path) -> str:
    n, texts, dated, done = rng.choice([1, 2, 4, 10]), rng.random() < 0.5, rng.random() < 0.4, []
    rows = []
    for _ in range(n):
        user, item = (f'"u{rng.randrange(5)}"' if texts else str(rng.randrange(5)) for _ in range(2))
        rows.append([("user", user), ("item", item), ("rating", rng.choice(["1", "2", "3.5"]))])
        rows[-1] += [("timestamp", str(rng.randrange(10**9)))] if dated else []
    for _ in range(rng.choice([0, 1, 1, 2])):
        row = rng.choice(rows)
        at = rng.randrange(len(row)) if row else 0
        how = rng.choice(["value", "value", "value", "gone", "twice", "renamed", "extra", "order"])
        value = rng.choice(VALUES)
        done.append(f"{how} {value[:20]}")
        if how in ("twice", "extra") or not row:
            row.append((row[at][0] if row and how == "twice" else "other", value))
        elif how == "gone":
            del row[at]
        elif how == "order":
            rng.shuffle(row)
        else:
            name = rng.choice(["User", "USER_ID", "x", ""])
            row[at] = (name, row[at][1]) if how == "renamed" else (row[at][0], value)
    lines = ["{" + ", ".join(f"{json.dumps(name)}: {value}" for name, value in row) + "}" for row in rows]
    how, data = changed_text(rng, "\n".join(lines).encode("utf-8", "surrogatepass"))
    (work / "r.jsonl").write_bytes(data)
    return f"{how}; {done}"


def changed_text(rng: random.Random, data: bytes) -> tuple[str, bytes]:
    """What was done to the whole file, and the file."""
    how = rng.choice(["", "", "", "bytes", "BOM", "CR", "CR LF", "array", "blank", "one line", "latin", "nul", "utf16",
                      "deep"])  # fmt: skip
    changed = {
        "": data, "bytes": changed_bytes(rng, data), "BOM": b"\xef\xbb\xbf" + data, "CR": data.replace(b"\n", b"\r"),
        "CR LF": data.replace(b"\n", b"\r\n"), "array": b"[" + data.replace(b"\n", b",\n") + b"]",
        "blank": data.replace(b"\n", b"\n\n \n"), "one line": data.replace(b"\n", b" "),
        "latin": data + b'\n{"user": "\xe9", "item": 1, "rating": 2}', "nul": data + b"\0",
        "utf16": data.decode("utf-8", "replace").encode("utf-16"), "deep": data + b"\n" + b"[" * 200_000,
    }  # fmt: skip
    return how, changed[how]


def read(work: Path) -> Iterator[str]:
    yield from differences(work / "r.jsonl", as_is, packed)
