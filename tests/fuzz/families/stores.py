"""Stores: the manifest's values (its checksum made right again), headers and values of arrays, links, pipes."""

from __future__ import annotations

import json
import os
import random
import shutil
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

import recae
from fuzz.changes import JUNK, changed_bytes, set_junk, wild_numbers
from fuzz.uses import of_model, of_ratings
from recae.errors import RecaeError
from recae.store import check_store

HEADER = 128  # bytes before the values of an array


def prepare(base: Path) -> None:
    rng = np.random.default_rng(1)
    for kind in ("integers", "texts"):
        lines = ["user,item,rating,timestamp"]
        for _ in range(300):
            user, item = rng.integers(0, 20), rng.integers(0, 30)
            names = (user, item) if kind == "integers" else (f"u{user}", f"é{item}")
            lines.append(f"{names[0]},{names[1]},{rng.integers(1, 6)},{rng.integers(0, 10**6)}")
        (base / f"{kind}.csv").write_text("\n".join(lines), encoding="utf-8")
        recae.prepare_store([base / f"{kind}.csv"], base / kind, progress=False)
        assert not list(use(base / kind))


def write(rng: random.Random, base: Path, work: Path) -> str:
    kind = rng.choice(["integers", "texts"])
    store = work / "store"
    shutil.copytree(base / kind, store)
    body = json.loads((store / "manifest.json").read_text())
    facts = body["content"]["arrays"]
    name = rng.choice(sorted(facts))
    ways = [value, value, fact, numbers, numbers, numbers, starts, one_byte, header, manifest_bytes, no_file, link,
            pipe, renamed, objects, half_made]  # fmt: skip
    way = rng.choice(ways)
    what = way(rng, store, name, body)
    if way not in (pipe, manifest_bytes):
        body["crc32"] = zlib.crc32(json.dumps(body["content"], sort_keys=True).encode())
        (store / "manifest.json").write_text(json.dumps(body))
    return f"{kind}: {way.__name__} {what or name}"


def read(work: Path) -> Iterator[str]:
    yield from use(work / "store")


def use(store: Path) -> Iterator[str]:
    """What is wrong with what comes of a store; what `check_store` finds whole can be used."""
    try:
        check_store(store)
        whole = True
    except RecaeError:
        whole = False
    try:
        ratings = recae.load(store)
        for model in (recae.Bias(), recae.AutoRec(hidden=4, epochs=1, device="cpu"), recae.EASE(device="cpu")):
            yield from of_model(model.fit(ratings, progress=False))
        yield from of_ratings(ratings)
        recae.split(ratings, "time", test=0.2, rng=0)
    except RecaeError as error:
        if whole:
            yield f"whole by check_store, and refused: {error}"
        raise


# ---------------------------------------------------------------- changes


def value(rng: random.Random, store: Path, name: str, body: Any) -> str:
    """A value of the manifest, at any depth."""
    return set_junk(rng, body, ("content",) if rng.random() < 0.9 else ())


def fact(rng: random.Random, store: Path, name: str, body: Any) -> str:
    """What the manifest says of an array."""
    key = rng.choice(["dtype", "length", "crc32"])
    junk = [*JUNK, "<f8", "|O", "<i8", ">i4", "<U5", "V8", "i4,i4", "<M8[s]"]
    body["content"]["arrays"][name][key] = rng.choice(junk)
    return f"{name} {key} {str(body['content']['arrays'][name][key])[:20]}"


def numbers(rng: random.Random, store: Path, name: str, body: Any) -> str:
    """A number of an array, and its checksum."""
    array = np.load(store / name)
    at = rng.randrange(len(array))
    wild = wild_numbers(array.dtype)
    array[at] = rng.choice(wild)
    (store / name).write_bytes((store / name).read_bytes()[:HEADER] + array.tobytes())
    body["content"]["arrays"][name]["crc32"] = zlib.crc32(array.tobytes())
    return f"{name}[{at}] = {array[at]}"


def starts(rng: random.Random, store: Path, name: str, body: Any) -> str:
    """Where a row begins."""
    return numbers(rng, store, rng.choice(["user_rows.indptr.npy", "item_rows.indptr.npy"]), body)


def one_byte(rng: random.Random, store: Path, name: str, body: Any) -> None:
    data = bytearray((store / name).read_bytes())
    data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    (store / name).write_bytes(data)


def header(rng: random.Random, store: Path, name: str, body: Any) -> None:
    """A .npy header of another type, order or length."""
    kind, order = rng.choice(["|O", "<f8", ">i8", "<i8"]), rng.choice(["True", "False"])
    text = f"{{'descr': '{kind}', 'fortran_order': {order}, 'shape': ({rng.choice([0, 10**12, 3])},), }}"
    raw = text.encode().ljust(HEADER - 11) + b"\n"
    data = (store / name).read_bytes()
    (store / name).write_bytes(b"\x93NUMPY\x01\x00" + len(raw).to_bytes(2, "little") + raw + data[HEADER:])


def manifest_bytes(rng: random.Random, store: Path, name: str, body: Any) -> None:
    path = store / "manifest.json"
    path.write_bytes(changed_bytes(rng, path.read_bytes()))


def no_file(rng: random.Random, store: Path, name: str, body: Any) -> None:
    (store / name).unlink()


def link(rng: random.Random, store: Path, name: str, body: Any) -> str:
    """A link to a device, to nothing, to itself, or to another file."""
    (store / name).unlink()
    (store / name).symlink_to(rng.choice(["/dev/zero", "/etc/passwd", "/nonexistent", "/dev/null", name]))
    return f"{name} to {os.readlink(store / name)}"


def pipe(rng: random.Random, store: Path, name: str, body: Any) -> str:
    """A FIFO that nobody writes into."""
    name = rng.choice([name, "manifest.json"])
    (store / name).unlink()
    os.mkfifo(store / name)
    return name


def renamed(rng: random.Random, store: Path, name: str, body: Any) -> None:
    """An array by a name that leads out of the folder, or that no file has."""
    arrays = body["content"]["arrays"]
    arrays[rng.choice(["../x.npy", "/etc/passwd", ".npy", "a\0b", "a" * 300])] = arrays.pop(name)


def objects(rng: random.Random, store: Path, name: str, body: Any) -> None:
    """An array of Python objects, which would be a pickle."""
    body["content"]["arrays"][name] |= {"dtype": "|O", "length": 1}
    (store / name).write_bytes((store / name).read_bytes()[:HEADER] + b"cos\nsyst")


def half_made(rng: random.Random, store: Path, name: str, body: Any) -> None:
    """What a killed preparation leaves, or something like it."""
    (store / ".making").mkdir()
    (store / ".making" / "plan.json").write_text(rng.choice(["", "{", "[]", "null", "{}"]))
