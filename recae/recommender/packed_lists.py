"""Lists of texts, numbers and tuples as arrays, for a file: its header holds 100 MB, and millions of ids are more.

Texts are their bytes in UTF-8, one after the other, and where each ends. Any other list is the bytes of its JSON.
"""

from __future__ import annotations

import json
from itertools import pairwise
from typing import Any

import numpy as np

from recae.schemas import as_object, check_array, parse_json, require
from recae.storage import pack, unpack

HALVES = "surrogatepass"  # a title may hold half a surrogate pair, as names of files do


def pack_list(values: list[Any]) -> dict[str, Any]:
    """A list as arrays by name.

    Raises:
        TypeError: an entry is neither a text, a number, None nor a tuple or list of them.
    """
    if all(isinstance(value, str) for value in values):
        texts = [value.encode("utf-8", HALVES) for value in values]
        ends = np.cumsum([len(text) for text in texts], dtype=np.int64)
        return {"texts": np.frombuffer(b"".join(texts), np.uint8), "ends": ends}
    _, twin = pack(values)
    return {"json": np.frombuffer(json.dumps(twin).encode(), np.uint8)}


def unpack_list(tree: Any, part: str) -> list[Any]:
    """What `pack_list` was given; `part` says what it is in messages. A list is given back as it is (older files).

    Raises:
        Invalid: it is not of the form that `pack_list` makes.
    """
    if isinstance(tree, list):
        return tree
    arrays = {name: value for name, value in as_object(tree, part).items() if isinstance(value, np.ndarray)}
    if "json" in arrays:
        check_array(arrays["json"], part, "uint8", (-1,))
        values = unpack({}, parse_json(arrays["json"].tobytes(), part))
        require(isinstance(values, list), f"{part} are not a list")
        return list(values)
    require(arrays.keys() == {"texts", "ends"}, f"{part} are not a list")
    return _split(arrays["texts"], arrays["ends"], part)


def _split(data: Any, ends: Any, part: str) -> list[str]:
    check_array(data, f"texts of {part}", "uint8", (-1,))
    check_array(ends, f"ends of {part}", "int64", (-1,))
    rising = len(ends) == 0 or bool(ends[0] >= 0 and (ends[1:] >= ends[:-1]).all())
    require(rising and (ends[-1] if len(ends) else 0) == len(data), f"ends of {part} do not rise to {len(data)}")
    whole, cuts = data.tobytes(), [0, *ends.tolist()]
    try:
        if whole.isascii():  # characters are bytes, and one decoding serves all
            text = whole.decode("ascii")
            return [text[start:end] for start, end in pairwise(cuts)]
        return [whole[start:end].decode("utf-8", HALVES) for start, end in pairwise(cuts)]
    except UnicodeDecodeError:
        require(False, f"{part} are not texts in UTF-8")
        raise
