"""Model files: bytes, headers, arrays, ids, ratings and hyper-parameters, with checksums that are right."""

from __future__ import annotations

import copy
import json
import random
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from fuzz.changes import JUNK, changed_array, changed_bytes, exchanged_numbers, set_junk
from fuzz.uses import of_model, toy_ratings
from recae.models import load_model, make_model
from recae.storage import read_file, write_file

MODELS: dict[str, dict[str, Any]] = {
    "bias": {}, "popularity": {}, "item-knn": {}, "ease": {}, "sparse-ease": {}, "slim": {}, "als": {"factors": 4},
    "biased-mf": {"factors": 4}, "bpr": {"factors": 4, "iterations": 2}, "pca": {"factors": 4},
    "spectral": {"factors": 4}, "elsa": {"factors": 4, "epochs": 1}, "i-autorec": {"hidden": 4, "epochs": 1},
    "u-autorec": {"hidden": 4, "epochs": 1},
    "cfn": {"hidden": 4, "epochs": 1}, "wide-deep": {"epochs": 1}, "deep-rec": {"epochs": 1},
    "dual-autorec": {"epochs": 1}, "sparse-fc": {"hidden": 4, "epochs": 1}, "glocal-k": {"epochs": 1},
    "mult-vae": {"hidden": 8, "epochs": 1}, "rec-vae": {"hidden": 8, "epochs": 1}, "cdae": {"hidden": 4, "epochs": 1},
    "markov": {}, "v-sknn": {}, "session-rnn": {"hidden": 4, "epochs": 1},
    "session-rnn-ratings": {"hidden": 4, "epochs": 1},
    "ranking-blend": {"members": ("ease", "popularity")}, "recency": {"base": "ease", "power": 1.0},
    "blend": {"members": ("bias", "biased-mf")}, "dated": {"base": {"model": "biased-mf", "factors": 4}},
}  # fmt: skip

WAYS = [
    "bytes", "header", *["array"] * 3, "two", *["content"] * 2, "params", "ids", *["exchanged"] * 3,
]  # fmt: skip


def prepare(base: Path) -> None:
    ratings = toy_ratings()
    for name, params in MODELS.items():
        path = make_model(name, **params).fit(ratings, progress=False).save(base / f"{name}.recae")
        if found := list(of_model(load_model(path))):
            raise AssertionError(f"{name}: {found}")


def read(work: Path) -> Iterator[str]:
    yield from of_model(load_model(work / "m.recae"))


def write(rng: random.Random, base: Path, work: Path) -> str:
    name = rng.choice(list(MODELS))
    source, path = base / f"{name}.recae", work / "m.recae"
    how = rng.choice(WAYS)
    if how in ("bytes", "header"):
        data = source.read_bytes()
        path.write_bytes(changed_bytes(rng, data) if how == "bytes" else changed_header(rng, data))
        return f"{name}: {how}"
    arrays, content = read_file(source, "model")
    arrays, content, what = dict(arrays), copy.deepcopy(content), []
    at = [key for key, _ in content["tree"]["items"]].index("params")
    if how == "exchanged":
        part = rng.choice(sorted(arrays))
        arrays[part] = exchanged_numbers(rng, arrays[part])
        what.append(part)
    elif how in ("array", "two"):
        for _ in range(1 + (how == "two")):
            part = rng.choice(sorted(arrays))
            arrays[part] = changed_array(rng, arrays[part])
            what.append(part)
    elif how == "ids":
        what.append(changed_ids(rng, content["tree"]))
    else:
        what.append(set_junk(rng, content, ("tree", "items", at) if how == "params" else ()))
    write_file(path, "model", arrays, content)  # with checksums that are right
    return f"{name}: {how} {what}"


def changed_ids(rng: random.Random, tree: Any) -> str:
    """Raw ids, as a list (the older form), that are double, too few, too many, or of another kind."""
    ratings = dict(map(tuple, tree["items"]))["ratings"]["items"]
    kind = rng.choice(["user_ids", "item_ids"])
    entry = next(pair for pair in ratings if pair[0] == kind)
    ids = getattr(toy_ratings(), kind).tolist()
    how = rng.choice(["double", "short", "long", "junk", "list", "dict", "nan"])
    if how == "double":
        ids[1] = ids[0]
    elif how in ("short", "long"):
        ids = ids[:-1] if how == "short" else [*ids, "zz"]
    elif how == "nan":
        ids = [float("nan")] * len(ids)
    else:
        nested = {"list": {"#": "list", "items": [1, 2]}, "dict": {"#": "dict", "items": [["a", 1]]}}
        ids[0] = nested.get(how, rng.choice(JUNK))
    entry[1] = {"#": "list", "items": ids}
    return f"{kind} {how}"


def changed_header(rng: random.Random, data: bytes) -> bytes:
    """A safetensors file whose header says something else of an array, or holds other metadata."""
    (size,) = struct.unpack("<Q", data[:8])
    header = json.loads(data[8 : 8 + size])
    name = rng.choice([key for key in header if key != "__metadata__"])
    how = rng.choice(["size", "shape", "huge", "negative", "offsets", "dtype", "depth", "metadata", "twice"])
    if how == "size":
        return struct.pack("<Q", rng.choice([0, 1, len(data), 2**31, 2**40, 2**63, 2**64 - 1])) + data[8:]
    text = '{"a":' * 100_000 + "1" + "}" * 100_000
    if how == "metadata":
        nested = '{"kind":"model","format":2,"checksum":"","content":' + "[" * 100_000 + "]" * 100_000 + "}"
        header["__metadata__"] = {"recae": rng.choice(["", "null", "[]", "{}", "1" * 5000, "x" * 10**6, nested])}
    elif how == "offsets":
        header[name]["data_offsets"] = [x + rng.choice([-8, 8, 2**40]) for x in header[name]["data_offsets"]]
    elif how == "dtype":
        header[name]["dtype"] = rng.choice(["F64", "BF16", "F8_E4M3", "I8", "XX", "U64", "BOOL", "F16", "C64"])
    elif how in ("shape", "huge", "negative"):
        shape = header[name]["shape"]
        header[name]["shape"] = {
            "shape": [x + 1 for x in shape], "huge": [2**40] * 2, "negative": [-1] * len(shape),
        }[how]  # fmt: skip
    if how != "depth":
        text = json.dumps(header)
    if how == "twice":
        text = text[:-1] + f", {json.dumps(name)}: {json.dumps(header[name])}}}"
    return struct.pack("<Q", len(text)) + text.encode() + data[8 + size :]
