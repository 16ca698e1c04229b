"""Saved splits: bytes, arrays, and the JSON in them."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from pathlib import Path

import numpy as np

import recae
from fuzz.changes import changed_array, changed_bytes, set_junk
from fuzz.uses import of_model, of_ratings, toy_ratings
from recae.splitting import Split


def prepare(base: Path) -> None:
    ratings = toy_ratings()
    recae.split(ratings, "random", test=0.2, rng=0).save(base / "random.npz")
    recae.split(ratings, "held-out-users", test=0.2, rng=0).save(base / "users.npz")
    for path in base.iterdir():
        assert not list(use(path))


def write(rng: random.Random, base: Path, work: Path) -> str:
    name = rng.choice(["random", "users"])
    source, path = base / f"{name}.npz", work / "split.npz"
    how = rng.choice(["bytes", "bytes", "array", "array", "array", "json", "json", "json", "gone", "objects"])
    if how == "bytes":
        path.write_bytes(changed_bytes(rng, source.read_bytes()))
        return f"{name}: bytes"
    with np.load(source) as file:
        arrays = {key: file[key] for key in file.files}
    part = rng.choice(sorted(arrays))
    if how == "array":
        arrays[part] = changed_array(rng, arrays[part])
    elif how == "json":
        part = rng.choice([key for key in arrays if key == "about" or key.startswith("text")])
        text = str(arrays[part]) if part == "about" else arrays[part].tobytes()
        tree = json.loads(text)
        how += f" {set_junk(rng, tree)}" if rng.random() < 0.9 else " deep"
        changed = "[" * 100_000 + "]" * 100_000 if how.endswith("deep") else json.dumps(tree)
        arrays[part] = np.array(changed) if part == "about" else np.frombuffer(changed.encode(), np.uint8)
    elif how == "gone":
        del arrays[part]
    else:
        arrays[part] = np.array([{"a": 1}, None], dtype=object)
    np.savez_compressed(path, **arrays)
    return f"{name}: {how} of {part}"


def read(work: Path) -> Iterator[str]:
    yield from use(work / "split.npz")


def use(path: Path) -> Iterator[str]:
    """What is wrong with what a saved split gives."""
    split = Split.load(path)
    for part in split.parts().values():
        yield from (problem for problem in of_ratings(part) if not problem.startswith("there are no"))
    repr(split)
    yield from of_model(recae.Bias().fit(split.train))
    report = recae.evaluate(recae.EASE(device="cpu").fit(split.train), split)
    if not all(np.isfinite(value) for value in report.values()):
        yield "a metric is not finite"
