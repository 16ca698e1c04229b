"""A fitted model to a file and back: hyper-parameters, ids, tables, what users have seen, and learned arrays."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from recae._types import Arrays, IdArray
from recae.errors import ModelFileError
from recae.ratings import RatingMatrix
from recae.ratings.csr import make_csr
from recae.ratings.ids import plain
from recae.ratings.side_columns import cells_of, column_of_kind, kind_of_column, plain_entries
from recae.recommender.biases import Biases
from recae.recommender.learned import LearnedArrays
from recae.recommender.packed_lists import pack_list, unpack_list
from recae.schemas import as_object, check_array, check_csr, check_ids, is_column, is_int, is_number, refusing, require
from recae.storage import REMEDY, pack, read_file, unpack, write_file

KIND = "model"
PLAIN_NUMBERS = ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "float32", "float64")
_LARGEST = float(np.finfo(np.float32).max)
_PARTS = (
    "indptr", "indices", "data", "user_ids", "item_ids", "scale", "timestamps", "name", "item_table", "user_table",
)  # fmt: skip


def write_model(
    path: str | Path, class_name: str, params: dict[str, Any], ratings: RatingMatrix, arrays: Arrays,
    about: dict[str, Any] | None = None, lean: dict[str, Any] | None = None,
) -> Path:  # fmt: skip
    """Write one model file; see `recae.storage.write_file`.

    Args:
        about: what is said of the model, its data and its making, as JSON has it; it stands in the file's header.
        lean: of a file without ratings, what `lean_parts` gives.
    """
    try:
        parts, twin = pack({"params": params, "ratings": _as_tree(ratings, lean), "learned": arrays})
    except TypeError as error:
        raise ModelFileError(
            f"{path}: {error}; ids and table entries of a saved model are numbers, texts or tuples"
        ) from None
    return write_file(path, KIND, parts, {"class": class_name, "tree": twin, "about": about or {}})


class ModelParts(NamedTuple):
    """What a model file holds; `baseline` are the biases that a lean file keeps, and None in others."""

    class_name: str
    params: dict[str, Any]
    ratings: RatingMatrix
    learned: LearnedArrays
    about: dict[str, Any]
    baseline: Biases | None


def read_model(path: str | Path, *, verify: bool = True) -> ModelParts:
    """The parts of a model file.

    All but the learned arrays has been checked; those are when a model asks for them.

    Raises:
        ModelFileError: see `recae.storage.read_file`; or a part of the file is not what a model has.
    """
    arrays, content = read_file(path, KIND, verify=verify)
    with refusing(ModelFileError, path, REMEDY):
        class_name = content.get("class")
        require(isinstance(class_name, str), "the model's class is not named")
        tree = as_object(
            unpack(arrays, content.get("tree"), tensors=False), "the model", ("params", "ratings", "learned")
        )
        params = as_object(tree["params"], "its hyper-parameters")
        parts = as_object(tree["ratings"], "its ratings", _PARTS)
        lean, ratings = parts.get("lean"), _from_tree(parts)
        learned = as_object(tree["learned"], "what it has learnt")
        taken = LearnedArrays({name: _numpy(v, name) for name, v in learned.items()})
        about = as_object(content.get("about", {}), "what is said of it")
        return ModelParts(str(class_name), params, ratings, taken, about, _lean_baseline(lean, ratings.n_items))


def lean_parts(ratings: RatingMatrix, baseline: Biases | None) -> dict[str, Any]:
    """What a file without ratings keeps of them: how many each item has, and the items' biases for rating models."""
    kept: dict[str, Any] = {"counts": ratings.counts("item")}
    if baseline is None:
        return kept
    kept |= {"mean": np.array(baseline.mean), "item": baseline.item}
    if baseline.new_user is None:
        return kept
    return {**kept, "new_item": np.array(baseline.new_item), "new_user": baseline.new_user}


def _lean_baseline(lean: Any, n_items: int) -> Biases | None:
    if lean is None or "item" not in lean:
        return None
    names = ("mean", "item", "new_item", "new_user")
    arrays = LearnedArrays({name: _numpy(lean[name], name) for name in names if name in lean})
    known = arrays.number("mean"), np.zeros(0, np.float32), arrays.floats("item", n_items)
    if "new_user" not in arrays:  # a file from before they were expected
        return Biases(*known)
    return Biases(*known, arrays.number("new_item"), arrays.floats("new_user", n_items))


def _as_tree(ratings: RatingMatrix, lean: dict[str, Any] | None) -> dict[str, Any]:
    if lean is not None:
        nobody = make_csr(np.zeros(0, np.float32), np.zeros(0, np.int32), np.zeros(1, np.int64), (0, ratings.n_items))
        bare = {"user_ids": ratings.user_ids[:0], "user_table": None}
        return {**_as_tree(ratings.with_rows(nobody, **bare), None), "lean": lean}
    rows = ratings.user_rows
    return {
        "indptr": rows.indptr.astype(np.int64), "indices": rows.indices, "data": rows.data,
        "user_ids": _ids(ratings.user_ids), "item_ids": _ids(ratings.item_ids), "scale": ratings.scale,
        "timestamps": ratings.timestamps, "name": ratings.name,
        "item_table": _table(ratings.item_table), "user_table": _table(ratings.user_table), "read_as": ratings.read_as,
    }  # fmt: skip


def _from_tree(tree: dict[str, Any]) -> RatingMatrix:
    users, items = _array(tree["user_ids"], "the users' ids"), _array(tree["item_ids"], "the items' ids")
    data, indices, indptr = (_numpy(tree[name], f"{name} of the ratings") for name in ("data", "indices", "indptr"))
    check_csr(data, indices, indptr, (len(users), len(items)), "the ratings")
    scale, name = tree["scale"], tree["name"]
    two = isinstance(scale, tuple) and len(scale) == 2 and all(is_number(end) for end in scale)
    require(two and -_LARGEST <= scale[0] <= scale[1] <= _LARGEST, "the scale is not the lowest and the highest rating")
    require(isinstance(name, str), "the name of the ratings is not a text")
    stamps = None if tree["timestamps"] is None else _numpy(tree["timestamps"], "the timestamps")
    if stamps is not None:
        check_array(stamps, "the timestamps", "int64", data.shape)
    ratings = RatingMatrix(
        make_csr(data, indices, indptr, (len(users), len(items))), users, items, scale, stamps,
        _frame(tree["item_table"], "the item table"), _frame(tree["user_table"], "the user table"), name,
        _read_as(tree.get("read_as", {})),
    )  # fmt: skip
    if (lean := tree.get("lean")) is not None:
        counts = _numpy(as_object(lean, "what is kept of the ratings", ("counts",))["counts"], "the items' counts")
        check_array(counts, "the items' counts", "int64", (ratings.n_items,))
        require(ratings.n_users == 0 and bool((counts >= 0).all()), "a lean file has no users, and counts from 0")
        counts.flags.writeable = False
        return replace(ratings, _cache={"item_counts": counts})
    return ratings


def _read_as(tree: Any) -> dict[str, Any]:
    """What was stated of the file of ratings; older files say nothing of it."""
    stated = as_object(tree, "how the ratings were read")
    plain = all(isinstance(value, str | bool) or is_int(value) for value in stated.values())
    require(plain, "how the ratings were read is not names, positions, yes or no")
    return stated


def _numpy(value: Any, part: str) -> npt.NDArray[Any]:
    require(isinstance(value, np.ndarray), f"{part} is not an array")
    array: npt.NDArray[Any] = value
    return array


def _ids(ids: IdArray) -> Any:
    """Numbers as an array, anything else as a packed list."""
    if ids.dtype.kind in "iuf":
        return ids.astype(np.float64) if ids.dtype.name not in PLAIN_NUMBERS else ids
    return pack_list([plain(one) for one in ids.tolist()])


def _array(ids: Any, part: str) -> IdArray:
    if isinstance(ids, np.ndarray):
        out: IdArray = ids
    else:
        values = unpack_list(ids, part)
        out = np.empty(len(values), dtype=object)
        out[:] = values
    check_ids(out, part)
    return out


def _table(table: pd.DataFrame | None) -> Any:
    if table is None:
        return None
    columns = {str(name): _packed(cells_of(table[name])) for name in table.columns}
    kinds = {str(name): kind_of_column(table[name], _packed) for name in table.columns}
    return {"index": _packed(table.index), "columns": columns, "kinds": kinds}


def _packed(values: Any) -> Any:
    return pack_list(plain_entries(values))


def _frame(tree: Any, part: str) -> pd.DataFrame | None:
    if tree is None:
        return None
    tree = as_object(tree, part, ("index", "columns"))
    index = unpack_list(tree["index"], f"the index of {part}")
    _array(index, f"the index of {part}")
    kinds = as_object(tree.get("kinds", {}), f"kinds of columns of {part}")  # older files do not say them
    columns = {
        name: _column(column, len(index), kinds.get(name), f"column {name!r} of {part}")
        for name, column in as_object(tree["columns"], f"columns of {part}").items()
    }
    return pd.DataFrame(columns, index=pd.Index(index))


def _column(packed: Any, n: int, kind: Any, part: str) -> Any:
    values = unpack_list(packed, part)
    require(is_column(values, n), f"{part} is not a list of {n} numbers and texts")
    return column_of_kind(values, kind, lambda categories: unpack_list(categories, f"categories of {part}"), part).array
