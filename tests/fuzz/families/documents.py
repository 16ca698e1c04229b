"""A corpus of documents: npz files of CSR arrays, and its lists of words and of topics."""

from __future__ import annotations

import io
import random
import shutil
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from fuzz.changes import changed_array, changed_bytes
from recae.loaders import load_newsgroups

FOLDER, N_WORDS, N_TOPICS = "20newsgroups", 6, 3


def prepare(base: Path) -> None:
    folder = base / FOLDER
    folder.mkdir()
    (folder / "vocab.txt").write_text(" ".join(f"w{i}" for i in range(N_WORDS)))
    (folder / "groups.txt").write_text(" ".join(f"g{i}" for i in range(N_TOPICS)))
    for part in ("train", "test"):
        np.savez_compressed(folder / f"{part}.npz", **arrays())
    assert not list(read(base))


def arrays() -> dict[str, Any]:
    """Three documents of six words."""
    return {
        "counts": np.array([1, 2, 3, 1, 1], np.uint8), "indices": np.array([0, 2, 1, 4, 5], np.int32),
        "indptr": np.array([0, 2, 3, 5]), "shape": np.array([3, N_WORDS]), "label": np.array([0, 1, 2]),
    }  # fmt: skip


def write(rng: random.Random, base: Path, work: Path) -> str:
    shutil.copytree(base / FOLDER, work / FOLDER)
    path = work / FOLDER / "train.npz"
    how = rng.choice(["bytes", "bytes", "array", "array", "array", "array", "starts", "shape", "labels", "gone",
                      "objects", "words", "header"])  # fmt: skip
    found = arrays()
    name = rng.choice(sorted(found))
    if how == "bytes":
        path.write_bytes(changed_bytes(rng, path.read_bytes()))
        return how
    if how == "header":
        write_header(rng, path, found)
        return how
    if how == "words":
        list_of = path.with_name(rng.choice(["vocab.txt", "groups.txt"]))
        list_of.write_bytes(rng.choice([b"", b"\xff\xfe", b"a b", b"w " * N_WORDS, b"a b c d e f\0"]))
    elif how == "array":
        found[name] = changed_array(rng, found[name])
    elif how == "starts":
        wrong = [[0, 2, 1, 5], [0, -1, 3, 5], [1, 2, 3, 5], [0, 2, 3, 6], [0, 2, 3, 4], [0, 2, 10**6, 5], [5] * 4]
        found["indptr"] = np.array(rng.choice(wrong))
    elif how == "shape":
        wrong = [[2**40, 6], [3, 2**40], [-3, 6], [3], [3, 6, 1], [0, 6], [2.5, 6], [2**62, 2**62], [3, 7]]
        found["shape"] = np.array(rng.choice(wrong))
    elif how == "labels":
        wrong = [[0, 1], [0, 1, 3], [-1, 0, 1], [np.nan, 0, 1], [1e30, 0, 0], [[0], [1], [2]], ["a", "b", "c"]]
        found["label"] = np.array(rng.choice(wrong))
    elif how == "gone":
        del found[name]
    elif how == "objects":
        found[name] = np.array([{"a": 1}] * len(found[name]), object)
    np.savez(path, **found)
    return f"{how} {name}"


def write_header(rng: random.Random, path: Path, found: dict[str, Any]) -> None:
    """A .npy header in the archive that says another length."""
    name, length = rng.choice(["counts", "indices", "label"]), rng.choice([10**9, 10**12, 10**15, 2, 0])
    with zipfile.ZipFile(path, "w") as archive:
        for key, array in found.items():
            buffer = io.BytesIO()
            np.save(buffer, array)
            data = buffer.getvalue()
            if key == name:
                old = f"({len(array)},)".encode()
                new = f"({length},)".encode()
                data = data.replace(old + b" " * (len(new) - len(old)), new, 1)
            archive.writestr(f"{key}.npy", data)


def read(work: Path) -> Iterator[str]:
    documents = load_newsgroups(work)
    rows = documents.train_rows
    if rows.shape[1] != len(documents.vocabulary) or len(documents.train_labels) != rows.shape[0]:
        yield "shapes do not fit each other"
    if not np.isfinite(rows.data).all() or (rows.data < 0).any():
        yield "a count is negative, or not finite"
    if rows.nnz and not 0 <= rows.indices.min() <= rows.indices.max() < rows.shape[1]:
        yield "a count is of no word"
    rows.toarray()
