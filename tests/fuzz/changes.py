"""Changes that several families make: of bytes, of arrays, of JSON values."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import numpy as np

JUNK = [
    None, True, -1, 0, 1, 2**31, 2**63, 1e308, float("nan"), float("inf"), "", "x", [], {}, [1], "none", "../x", [[1]],
    "a" * 10_000, -0.5, 10**9, 10**12,
]  # fmt: skip
WORDS = [
    b"\0", b"\xff", b"\xef\xbb\xbf", b"\r", b"\r\n", b"\n", b"\n\n", b'"', b'""', b",", b"\t", b"::", b";", b"|", b" ",
    b"nan", b"inf", b"-inf", b"1e400", b"1e-400", b"3.5e38", b"-0", b"+3", b"007", b"1_000", b"0x10", b"1e5", b"7.0",
    b".5", b"5.", b"3,5", b"\xd9\xa3", b"\xc3\xa9", b"\xc2\xa0", b"\xe2\x80\xa8", b"\x85", b"\x0b", b"\x0c", b"\x1c",
    b"NA",
    b"null", b"None", b"#N/A", b"true", b"9" * 20, b"9223372036854775807", b"9223372036854775808", b"-5", b"'", b"#",
    b"//", b"\x1b[31m", b"2024-01-01", b"2024-01-01T00:00:00Z", b"12:30", b"a" * 70_000, b"4" * 400, b"\\", b"\\n",
    b"user", b"item", b"rating", b"\xf0\x9f\x98\x80", b"\xed\xa0\x80", b"=1+1",
]  # fmt: skip


def changed_bytes(rng: random.Random, data: bytes) -> bytes:
    """Bytes of which bits or a part are others, missing, doubled, or in another order."""
    if not data:
        return b"\0"
    at = rng.randrange(len(data))
    how = rng.choice(["flip", "flip", "flips", "cut", "zeros", "longer", "swap", "gone", "twice"])
    if how in ("flip", "flips"):
        out = bytearray(data)
        for _ in range(1 if how == "flip" else rng.choice([3, 20])):
            out[rng.randrange(len(out))] ^= 1 << rng.randrange(8)
        return bytes(out)
    if how == "zeros":
        return data[:at] + bytes(64) + data[at + 64 :]
    if how == "gone":
        return data[:at] + data[at + rng.randrange(1, 9) :]
    if how == "twice":
        return data[:at] + data[max(0, at - rng.randrange(1, 40)) :]
    return {"cut": data[:at], "longer": data + bytes(rng.randrange(1, 999)), "swap": data[at:] + data[:at]}[how]


def changed_array(rng: random.Random, array: Any) -> Any:
    """An array with a number, a type or a shape that is another one."""
    array = np.array(array)
    how = rng.choice(["number", "number", "number", "shape", "cut", "dtype", "zeros", "empty", "transposed", "longer"])
    if how == "number" and array.size and array.dtype.kind in "iuf":
        array.reshape(-1)[rng.randrange(array.size)] = rng.choice(wild_numbers(array.dtype))
    elif how == "dtype" and array.dtype.kind in "biuf":
        kinds = [np.int64, np.float64, np.int32, np.uint8, np.float16, np.int16, np.bool_, np.complex64]
        with np.errstate(all="ignore"):
            return array.astype(rng.choice(kinds))
    elif how == "zeros":
        return np.zeros_like(array)
    elif how == "transposed":
        return np.ascontiguousarray(array.T)
    elif how == "shape":
        return array.reshape(-1) if array.ndim > 1 else array.reshape(1, -1)
    elif array.ndim:
        return {"cut": array[:-1], "empty": array[:0], "longer": np.concatenate([array, array[:1]])}.get(how, array)
    return array


def exchanged_numbers(rng: random.Random, array: Any) -> Any:
    """An array of which some numbers have changed places: of the same type and shape, and plausible."""
    array = np.array(array)
    flat = array.reshape(-1)
    for _ in range(rng.choice([1, 3, 20])):
        if flat.size:
            one, other = rng.randrange(flat.size), rng.randrange(flat.size)
            flat[[one, other]] = flat[[other, one]]
    return array


def wild_numbers(dtype: np.dtype) -> list[Any]:
    """Numbers of a type that few files have a use for."""
    limit = np.finfo(dtype) if dtype.kind == "f" else np.iinfo(dtype)
    wild = [0, 1, 7, limit.max, limit.min, limit.max // 2]
    if dtype.kind == "f":
        return [*wild, -1, np.nan, np.inf, -np.inf, 1e30, -1e30]
    return wild + [n for n in (-1, 100, 10**6, 2**40) if limit.min <= n <= limit.max]


def changed_lines(rng: random.Random, data: bytes, separator: bytes) -> bytes:
    """A text of which a line or a field is another one, missing, doubled or longer."""
    lines = data.split(b"\n")
    at = rng.randrange(len(lines))
    how = rng.choice(["word", "word", "word", "field", "field", "line gone", "line twice", "quote", "wider", "CR"])
    if how == "word":
        place = rng.randrange(len(data) + 1)
        return data[:place] + rng.choice(WORDS) + data[place:]
    fields = lines[at].split(separator)
    which = rng.randrange(len(fields))
    if how == "field":
        fields[which] = rng.choice(WORDS) if rng.random() < 0.7 else b""
    elif how == "quote":
        fields[which] = b'"' + fields[which] + rng.choice([b"", b"\n", separator, b'""']) + rng.choice([b'"', b""])
    elif how == "wider":
        fields += rng.choice([[b""], [b"", b""], [b"9"]])
    lines[at] = separator.join(fields)
    if how == "line gone":
        del lines[at]
    elif how == "line twice":
        lines.insert(rng.randrange(len(lines) + 1), lines[at])
    out = b"\n".join(lines)
    return out.replace(b"\n", rng.choice([b"\r", b"\r\n"]), rng.choice([1, 2, -1])) if how == "CR" else out


def nodes(tree: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Where the values of a JSON tree stand."""
    yield at
    children = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    for key, child in children:
        yield from nodes(child, (*at, key))


def set_junk(rng: random.Random, tree: Any, under: tuple[Any, ...] = ()) -> str:
    """Put junk where one value of a JSON tree stands, beneath `under`; returns where, and what."""
    places = [at for at in nodes(tree) if at and at[: len(under)] == under]
    *parents, last = rng.choice(places)
    node = tree
    for key in parents:
        node = node[key]
    node[last] = rng.choice(JUNK)
    return f"{[*parents, last]} is {repr(node[last])[:20]}"
