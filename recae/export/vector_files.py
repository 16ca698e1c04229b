"""Vectors of items or users as .npy or Parquet, for a vector index."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Literal

import numpy as np

from recae._types import FloatArray
from recae.atomic import check_writable, write_bytes
from recae.errors import ParameterError
from recae.models.ensemble.auto import answering
from recae.ratings.ids import plain
from recae.recommender.base import Recommender
from recae.recommender.item_codes import ItemCodes

SUFFIXES = (".npy", ".parquet")


def export_vectors(
    model: Recommender, path: str | Path, *, of: Literal["items", "users"] = "items", lists: bool = False
) -> Path:
    """Write one vector for each item, or for each user, float32 (n, d).

    Items' are `model.item_vectors()`: their cosine is what `similar_items` ranks by. Users' are those of a model that
    scores by a product (item-based AutoRec and kin: the output weights; ALS, BPR, BiasedMF: the factors). The largest
    products of a user's vector with the items' are the user's list. Where something is added to each item's product
    (levels, biases, the pull towards popularity), `lists` is needed for that, of items and users alike: vectors then
    have one more number, the items' what is added, the users' 1.

    Args:
        path: .parquet, with columns `id` and `vector`; or .npy, beside which the ids lie as JSON (`PATH.ids.json`).
        lists: vectors whose products rank lists. Items without ratings, which stand in a rating model's lists by what
            is expected of them, are left out.

    Raises:
        ParameterError: the suffix is another, the model has no dense vectors, users' vectors need `lists`, a lean
            file has no users, or the ids are no column of Parquet.
        ModelFileError: the file could not be written.
    """
    model = answering(model)
    path, ratings = Path(path), model.ratings_
    if path.suffix.lower() not in SUFFIXES:
        raise ParameterError(name="path", value=str(path), expected=f"a file with the suffix {' or '.join(SUFFIXES)}")
    check_writable(path)
    if lists or of == "users":
        _check_product(model, lists)
    vectors = _item_vectors(model) if of == "items" else _user_vectors(model)
    added = model._added_to_lists() if lists else None
    if added is not None:
        vectors = np.column_stack([vectors, added if of == "items" else np.ones(len(vectors), np.float32)])
    ids = ratings.item_ids if of == "items" else ratings.user_ids
    if lists and of == "items" and len(cold := model._cold_items()):
        ids, vectors = np.delete(ids, cold), np.delete(vectors, cold, axis=0)
    names = [plain(one) for one in ids.tolist()]
    if path.suffix.lower() == ".npy":
        buffer = io.BytesIO()
        np.save(buffer, vectors, allow_pickle=False)
        write_bytes(path.with_name(f"{path.name}.ids.json"), json.dumps(names).encode())
        return write_bytes(path, buffer.getvalue())
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        column = pa.array(names)
    except (pa.ArrowException, OverflowError):  # numbers and texts, tuples, or more than 64 bits
        raise ParameterError(
            f"a column of Parquet has ids of one kind, and these {of} have others", name="path", value=str(path),
            remedy="write .npy, beside which ids lie as JSON",
        ) from None  # fmt: skip
    flat = pa.FixedSizeListArray.from_arrays(pa.array(vectors.ravel()), vectors.shape[1])
    sink = io.BytesIO()
    pq.write_table(pa.table({"id": column, "vector": flat}), sink)
    return write_bytes(path, sink.getvalue())


def _item_vectors(model: Recommender) -> FloatArray:
    found = model.item_vectors()
    if not isinstance(found, np.ndarray):
        raise ParameterError(
            f"{type(model).__name__} has no dense vectors: its items are compared by who rated them",
            remedy="use a model with codes: elsa, pca, mult-vae, i-autorec, als",
        )
    return np.ascontiguousarray(found, np.float32)


def _user_vectors(model: Recommender) -> FloatArray:
    if model.ratings_.n_users == 0:
        raise ParameterError("the model was saved without ratings and users, so there are no vectors of theirs")
    return np.ascontiguousarray(model.user_vectors(), np.float32)


def _check_product(model: Recommender, lists: bool) -> None:
    """Refuse a model whose lists are not in the order of products of vectors."""
    name = type(model).__name__
    item_codes = isinstance(model, ItemCodes) and model.get_params().get("by", "item") == "item"
    if not (item_codes or model.lists_by_product) or not model._lists_by_scores():
        raise ParameterError(
            f"{name} does not score by a product of users' and items' vectors alone",
            remedy="use i-autorec or another model with item codes, als, bpr, or biased-mf, with shrink='never' where "
            "ratings are predicted",
        )
    if model._added_to_lists() is not None and not lists:
        raise ParameterError(
            f"{name} adds a number to each item's product", name="lists", value=False, expected="True",
            remedy="export items and users with it",
        )  # fmt: skip
