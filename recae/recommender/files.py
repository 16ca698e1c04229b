"""A fitted model to a file and back: hyper-parameters, ids, tables, what users have seen, and learned arrays."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from recae._types import Arrays, IdArray
from recae.errors import ModelFileError
from recae.ratings import RatingMatrix
from recae.ratings.csr import make_csr
from recae.storage import pack, read_file, unpack, write_file

KIND = "model"


def write_model(
    path: str | Path, class_name: str, params: dict[str, Any], ratings: RatingMatrix, arrays: Arrays
) -> Path:
    """Write one model file; see `recae.storage.write_file`."""
    try:
        parts, twin = pack({"params": params, "ratings": _as_tree(ratings), "learned": arrays})
    except TypeError as error:
        raise ModelFileError(
            f"{path}: {error}; ids and table entries of a saved model are numbers, texts or tuples"
        ) from None
    return write_file(path, KIND, parts, {"class": class_name, "tree": twin})


def read_model(path: str | Path) -> tuple[str, dict[str, Any], RatingMatrix, Arrays]:
    """Class name, hyper-parameters, ratings and learned arrays of a model file."""
    arrays, content = read_file(path, KIND)
    tree = unpack(arrays, content["tree"])
    learned = {name: tensor.numpy() for name, tensor in tree["learned"].items()}
    return content["class"], tree["params"], _from_tree(tree["ratings"]), learned


def _as_tree(ratings: RatingMatrix) -> dict[str, Any]:
    rows = ratings.user_rows
    return {
        "indptr": rows.indptr.astype(np.int64), "indices": rows.indices, "data": rows.data,
        "user_ids": _ids(ratings.user_ids), "item_ids": _ids(ratings.item_ids), "scale": ratings.scale,
        "timestamps": ratings.timestamps, "name": ratings.name,
        "item_table": _table(ratings.item_table), "user_table": _table(ratings.user_table),
    }  # fmt: skip


def _from_tree(tree: dict[str, Any]) -> RatingMatrix:
    users, items = _array(tree["user_ids"]), _array(tree["item_ids"])
    rows = make_csr(
        tree["data"].numpy(), tree["indices"].numpy(), tree["indptr"].numpy(), (len(users), len(items))
    )  # fmt: skip
    stamps = tree["timestamps"]
    return RatingMatrix(
        rows, users, items, tree["scale"], None if stamps is None else stamps.numpy(),
        _frame(tree["item_table"]), _frame(tree["user_table"]), tree["name"],
    )  # fmt: skip


def _ids(ids: IdArray) -> Any:
    """Numbers as an array, anything else as a list."""
    return ids if ids.dtype.kind in "iuf" else [i.item() if isinstance(i, np.generic) else i for i in ids.tolist()]


def _array(ids: Any) -> IdArray:
    if not isinstance(ids, list):
        return np.asarray(ids.numpy())
    out = np.empty(len(ids), dtype=object)
    out[:] = ids
    return out


def _table(table: pd.DataFrame | None) -> Any:
    if table is None:
        return None
    columns = {str(name): _plain_list(table[name]) for name in table.columns}
    return {"index": _plain_list(table.index), "columns": columns}


def _plain_list(values: Any) -> list[Any]:
    def one(value: Any) -> Any:
        if pd.api.types.is_scalar(value) and pd.isna(value):
            return None
        return value.item() if isinstance(value, np.generic) else value

    return [one(v) for v in values]


def _frame(tree: Any) -> pd.DataFrame | None:
    return None if tree is None else pd.DataFrame(tree["columns"], index=pd.Index(tree["index"]))
