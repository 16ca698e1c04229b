"""Parquet files: columns of all types, with what is missing; changed bytes. Read as they are, and as a store."""

from __future__ import annotations

import datetime
import decimal
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from pyarrow import parquet

from fuzz.changes import changed_bytes
from fuzz.ways import as_is, differences, stored

DAY = datetime.date(2000, 1, 1).toordinal()
NUMBERS: dict[str, Any] = {
    "int64": lambda n: pa.array(n, pa.int64()), "int32": lambda n: pa.array(n, pa.int32()),
    "uint64": lambda n: pa.array(n, pa.uint64()), "above int64": lambda n: pa.array([i + 2**63 for i in n],
    pa.uint64()),
    "lowest": lambda n: pa.array([i - 2**63 for i in n], pa.int64()),
    "float": lambda n: pa.array([float(i) for i in n]), "float32": lambda n: pa.array(np.array(n, np.float32)),
    "nan": lambda n: pa.array([float("nan") if i == 0 else i + 0.5 for i in n], pa.float64()),
    "inf": lambda n: pa.array([float("inf") if i == 0 else 1.0 for i in n], pa.float64()),
    "huge": lambda n: pa.array([1e300] * len(n), pa.float64()), "half": lambda n: pa.array(np.array(n, np.float16)),
    "bool": lambda n: pa.array([bool(i % 2) for i in n], pa.bool_()),
    "decimal": lambda n: pa.array([decimal.Decimal(f"{i}.50") for i in n], pa.decimal128(10, 2)),
    "missing": lambda n: pa.array([None if i == 0 else i for i in n], pa.int64()), "null": lambda n: pa.nulls(len(n)),
}  # fmt: skip
OTHERS: dict[str, Any] = {
    "string": lambda n: pa.array([f"u{i}" for i in n], pa.string()),
    "large": lambda n: pa.array([f"u{i}" for i in n], pa.large_string()),
    "view": lambda n: pa.array([f"u{i}" for i in n], pa.string_view()),
    "dictionary": lambda n: pa.array([str(i) for i in n], pa.string()).dictionary_encode(),
    "empty": lambda n: pa.array(["" if i == 0 else str(i) for i in n], pa.string()),
    "missing text": lambda n: pa.array([None if i == 0 else f"u{i}" for i in n], pa.string()),
    "binary": lambda n: pa.array([bytes([i, 255]) for i in n], pa.binary()),
    "list": lambda n: pa.array([[i, 1] for i in n], pa.list_(pa.int64())),
    "struct": lambda n: pa.array([{"a": i} for i in n], pa.struct([("a", pa.int64())])),
    "date": lambda n: pa.array([datetime.date.fromordinal(DAY + i) for i in n], pa.date32()),
    "time stamp": lambda n: pa.array(n, pa.timestamp("ms", "Europe/Berlin")),
    "duration": lambda n: pa.array(n, pa.duration("s")), "time": lambda n: pa.array(n, pa.time32("s")),
}  # fmt: skip
KINDS = NUMBERS | OTHERS
USUAL = {"user": ("int64", "string"), "item": ("int64", "string"), "rating": ("float",), "timestamp": ("int64",)}


def prepare(base: Path) -> None:
    table = pa.table({"user": [1, 2], "item": [3, 4], "rating": [1.0, 2.0]})
    parquet.write_table(table, base / "r.parquet")
    assert not list(differences(base / "r.parquet", as_is, stored))


def write(rng: random.Random, base: Path, work: Path) -> str:
    n, chosen, columns = rng.choice([0, 1, 3, 20, 20, 200]), {}, {}
    share = rng.choice([0.7, 0.7, 1.0])  # of columns that are of a usual type
    for name, usual in USUAL.items():
        if name == "timestamp" and rng.random() < 0.5:
            continue
        chosen[name] = rng.choice(usual) if rng.random() < share else rng.choice(list(KINDS))
        columns[name] = KINDS[chosen[name]]([rng.randrange(6) for _ in range(n)])
    path = work / "r.parquet"
    packing, rows = rng.choice(["snappy", "none", "gzip", "zstd"]), rng.choice([3, 1000])
    parquet.write_table(pa.table(columns), path, compression=packing, row_group_size=rows)
    how = rng.choice(["types", "bytes", "bytes", "footer", "footer"])
    data = path.read_bytes()
    if how == "bytes":
        path.write_bytes(changed_bytes(rng, data))
    elif how == "footer":
        at = len(data) - 8 - rng.randrange(min(600, len(data) - 8))
        path.write_bytes(data[:at] + bytes([rng.randrange(256)]) + data[at + 1 :])
    return f"{how} {sorted(chosen.values())}"


def read(work: Path) -> Iterator[str]:
    yield from differences(work / "r.parquet", as_is, stored)
