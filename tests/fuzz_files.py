"""Files that somebody has changed, read and used: `python tests/fuzz_files.py [--cases N] [--seed S]`.

A case follows from the seed and its number: a model file is written, a part of it is changed, and a model read from it
is used. Cases run in child processes with a limit of memory and of time, and are counted by how they end:

    clean      an error of recae's: one line that names the file
    accepted   read, and all that came out of it is finite, of known ids and within the scale
    wrong      accepted, and something is not
    foreign    another exception
    memory     more memory than the limit
    crash      killed by a signal
    hang       no end within the limit
"""

from __future__ import annotations

import argparse
import collections
import copy
import json
import random
import resource
import struct
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

import recae
from recae.errors import RecaeError
from recae.models import load_model, make_model
from recae.storage import read_file, write_file

MODELS = {
    "bias": {}, "popularity": {}, "item-knn": {}, "ease": {}, "als": {"factors": 4}, "biased-mf": {"factors": 4},
    "bpr": {"factors": 4, "iterations": 2}, "pca": {"factors": 4}, "i-autorec": {"hidden": 4, "epochs": 1},
    "mult-vae": {"hidden": 8, "epochs": 1}, "blend": {"members": ("bias", "biased-mf")},
}  # fmt: skip
JUNK = [
    None, True, -1, 0, 1, 2**31, 2**63, 1e308, float("nan"), float("inf"), "", "x", [], {}, [1], "none", "../x", [[1]],
    "a" * 10_000, -0.5, 10**9,
]  # fmt: skip
BYTES, SECONDS, CASES_A_CHILD = 2 << 30, 600, 100  # a child's memory, time and cases
Ending = tuple[str, str]


def write_models(folder: Path) -> None:
    """A small fitted model of each kind, as FOLDER/NAME.recae."""
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({
        "user": rng.integers(0, 20, 300), "item": [f"i{k}" for k in rng.integers(0, 30, 300)],
        "rating": rng.integers(1, 6, 300).astype(float),
    })  # fmt: skip
    table = pd.DataFrame({"item": [f"i{k}" for k in range(30)], "title": [f"T{k}" for k in range(30)]})
    ratings = recae.RatingMatrix.from_frame(frame, item_table=table)
    for name, params in MODELS.items():
        make_model(name, **params).fit(ratings, progress=False).save(folder / f"{name}.recae")


def changed_bytes(rng: random.Random, data: bytes) -> bytes:
    """A file with a bit, a length or a part that is another one."""
    at = rng.randrange(len(data))
    how = rng.choice(["flip", "cut", "zeros", "longer", "header", "swap"])
    if how == "flip":
        return data[:at] + bytes([data[at] ^ (1 << rng.randrange(8))]) + data[at + 1 :]
    if how == "zeros":
        return data[:at] + bytes(64) + data[at + 64 :]
    if how == "header":
        size = rng.choice([0, 1, len(data), 2**31, 2**40, 2**63, 2**64 - 1])
        return struct.pack("<Q", size) + data[8:]
    return {"cut": data[:at], "longer": data + bytes(rng.randrange(1, 999)), "swap": data[at:] + data[:at]}[how]


def changed_header(rng: random.Random, data: bytes) -> bytes:
    """A file whose header says something else of an array, or holds other metadata."""
    (size,) = struct.unpack("<Q", data[:8])
    header = json.loads(data[8 : 8 + size])
    name = rng.choice([key for key in header if key != "__metadata__"])
    how = rng.choice(["shape", "huge", "negative", "offsets", "dtype", "depth", "metadata"])
    if how == "depth":
        text = '{"a":' * 100_000 + "1" + "}" * 100_000
        return struct.pack("<Q", len(text)) + text.encode() + data[8 + size :]
    if how == "metadata":
        nested = '{"kind":"model","format":2,"checksum":"","content":' + "[" * 100_000 + "]" * 100_000 + "}"
        header["__metadata__"] = {"recae": rng.choice(["", "null", "[]", "{}", "1" * 5000, "x" * 10**6, nested])}
    elif how == "offsets":
        header[name]["data_offsets"] = [x + rng.choice([-8, 8, 2**40]) for x in header[name]["data_offsets"]]
    elif how == "dtype":
        header[name]["dtype"] = rng.choice(["F64", "BF16", "F8_E4M3", "I8", "XX", "U64", "BOOL", "F16", "C64"])
    else:
        shape = header[name]["shape"]
        header[name]["shape"] = {"shape": [x + 1 for x in shape], "huge": [2**40] * 2, "negative": [-1] * len(shape)}[
            how
        ]
    text = json.dumps(header)
    return struct.pack("<Q", len(text)) + text.encode() + data[8 + size :]


def changed_array(rng: random.Random, array: Any) -> Any:
    """An array with a number, a type or a shape that is another one."""
    array = np.array(array)
    how = rng.choice(["number", "number", "number", "shape", "cut", "dtype", "zeros", "empty", "transposed", "longer"])
    if how == "number" and array.size and array.dtype.kind in "if":
        limit = np.iinfo(array.dtype) if array.dtype.kind == "i" else np.finfo(array.dtype)
        wild = [-1, 1, limit.max, limit.min, limit.max // 2]
        wild += [np.nan, np.inf, -np.inf, 1e38, -1e30] if array.dtype.kind == "f" else []
        array.reshape(-1)[rng.randrange(array.size)] = rng.choice(wild)
    elif how == "dtype":
        with np.errstate(all="ignore"):
            return array.astype(rng.choice([np.int64, np.float64, np.int32, np.uint8, np.float16, np.int16, np.bool_]))
    elif how == "zeros":
        return np.zeros_like(array)
    elif how == "transposed":
        return np.ascontiguousarray(array.T)
    elif how == "shape":
        return array.reshape(-1) if array.ndim > 1 else array.reshape(1, -1)
    elif array.ndim:
        return {"cut": array[:-1], "empty": array[:0], "longer": np.concatenate([array, array[:1]])}.get(how, array)
    return array


def nodes(tree: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Where the values of a JSON tree stand."""
    yield at
    children = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    for key, child in children:
        yield from nodes(child, (*at, key))


def write_case(rng: random.Random, models: Path, path: Path) -> str:
    """Write a changed model file to `path`; returns what was changed."""
    name = rng.choice(list(MODELS))
    source = models / f"{name}.recae"
    how = rng.choice(["bytes", "header", "array", "array", "array", "array", "content", "content", "params"])
    if how in ("bytes", "header"):
        data = source.read_bytes()
        path.write_bytes(changed_bytes(rng, data) if how == "bytes" else changed_header(rng, data))
        return f"{name}: {how}"
    arrays, content = read_file(source, "model")
    content = copy.deepcopy(content)
    if how == "array":
        part = rng.choice(sorted(arrays))
        arrays[part] = changed_array(rng, arrays[part])
    else:
        places = [at for at in nodes(content) if at]
        params = next(i for i, (key, _) in enumerate(content["tree"]["items"]) if key == "params")
        inside = [at for at in places if at[:3] == ("tree", "items", params)]
        *parents, last = rng.choice(inside if how == "params" else places)
        node: Any = content
        for key in parents:
            node = node[key]
        node[last] = rng.choice(JUNK)
    write_file(path, "model", arrays, content)  # with checksums that are right
    return f"{name}: {how}"


def problems(model: Any) -> Iterator[str]:
    """What is wrong with what a user gets from a model."""
    ratings = model.ratings_
    n, known = min(5, ratings.n_items), set(ratings.item_ids.tolist())
    new = pd.DataFrame({"user": "new", "item": ratings.item_ids[:3], "rating": ratings.scale[1]})
    lists = {"recommend": model.recommend(ratings.user_ids[:3], n), "recommend_new": model.recommend_new(new, n)}
    lists["similar_items"] = model.similar_items(ratings.item_ids[:2], min(3, ratings.n_items))
    for name, frame in lists.items():
        listed = frame["similar" if name == "similar_items" else "item"]
        if not np.isfinite(frame["score"]).all() or not set(listed) <= known:
            yield f"{name}: not finite, or of unknown items"
    if model.predicts_ratings:
        values = model.predict(ratings.user_ids[0], ratings.item_ids)
        low, high = ratings.scale
        if not (np.isfinite(values).all() and (values >= low - 1e-4).all() and (values <= high + 1e-4).all()):
            yield "predict: not finite, or outside the scale"


def ending(seed: int, case: int, models: Path, path: Path) -> Ending:
    """How a case ends, and a word about it."""
    rng = random.Random(f"{seed}/{case}")
    what = write_case(rng, models, path)
    try:
        found = list(problems(load_model(path)))
    except RecaeError as error:
        return "clean", f"{what}: {error}"
    except MemoryError as error:
        return "memory", f"{what}: {error}"
    except Exception as error:  # the class that this program counts
        return "foreign", f"{what}: {type(error).__name__}: {error}"
    return ("wrong", f"{what}: {found}") if found else ("accepted", what)


def run_child(seed: int, first: int, last: int, models: Path) -> None:
    """Print the endings of cases `first` to `last` - 1, one JSON line each."""
    for name in MODELS:  # what is compiled and imported at the first use is there before memory is limited
        list(problems(load_model(models / f"{name}.recae")))
    size = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (size + BYTES, resource.RLIM_INFINITY))
    for case in range(first, last):
        with tempfile.TemporaryDirectory() as folder:
            print(json.dumps([case, *ending(seed, case, models, Path(folder) / "m.recae")]), flush=True)


def run(cases: int, seed: int, models: Path) -> Iterator[tuple[int, str, str]]:
    """Number, ending and a word of each case; a child that dies or hangs is replaced after the case that it was at."""
    first = 0
    while first < cases:
        last = min(cases, first + CASES_A_CHILD)
        command = [sys.executable, "-W", "ignore", __file__, "--child", str(seed), str(first), str(last), str(models)]
        with tempfile.TemporaryFile("w+") as out:
            try:
                code = str(subprocess.run(command, stdout=out, timeout=SECONDS, check=False).returncode)
            except subprocess.TimeoutExpired:
                code = "hang"
            out.seek(0)
            done = [json.loads(line) for line in out.read().splitlines()]
        yield from done
        first += len(done)
        if first < last:
            yield first, "hang" if code == "hang" else "crash", f"exit {code}"
            first += 1


def main() -> int:
    if sys.argv[1:2] == ["--child"]:
        seed, first, last = map(int, sys.argv[2:5])
        run_child(seed, first, last, Path(sys.argv[5]))
        return 0
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    counts: collections.Counter[str] = collections.Counter()
    with tempfile.TemporaryDirectory() as folder:
        write_models(Path(folder))
        for case, how, what in run(options.cases, options.seed, Path(folder)):
            counts[how] += 1
            if how not in ("clean", "accepted"):
                print(f"case {case}: {how}: {what[:300]}")
    print(f"seed {options.seed}: " + ", ".join(f"{n:,} {how}" for how, n in counts.most_common()))
    return int(bool(set(counts) - {"clean", "accepted"}))


if __name__ == "__main__":
    sys.exit(main())
