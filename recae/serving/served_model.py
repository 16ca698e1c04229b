"""`ServedModel`: a model that was read from a file, and what requests need of it, made ready before the first one."""

from __future__ import annotations

import math
import os
import time
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from recae import __version__
from recae._types import Mask
from recae.errors import ModelFileError, ParameterError
from recae.headers import no_such_file, not_to_be_read
from recae.models import Recommender, load_model
from recae.ratings.conditions import items_where
from recae.ratings.ids import plain
from recae.ratings.titles import titles_in
from recae.recommender.registry import name_of
from recae.recommender.row import row_of
from recae.serving.title_search import TitleSearch
from recae.storage import fingerprint

Signature = tuple[int, int, int]
_MASKS = 64  # conditions whose items are remembered


@dataclass(frozen=True, eq=False)
class ServedModel:
    """One fitted model. It is never changed: another file makes another one.

    Attributes:
        fingerprint: of the file's content; each answer names it, so a client can tell models apart.
        file: its name, without the folder.
        signature: of the file as it was read; see `signature_of`.
        loaded: when, in UTC.
        item_ids: raw ids as Python values, by index.
        columns: index of each raw id.
        titles: by index; None where there is none.
        row_seconds: what a list for one row takes.
    """

    model: Recommender
    fingerprint: str
    file: str
    signature: Signature
    loaded: str
    item_ids: list[Any]
    columns: dict[Any, int]
    titles: list[str | None]
    row_seconds: float
    _masks: dict[str, Mask]

    @cached_property
    def items(self) -> TitleSearch:
        """Items by title, or by id where there is none, and by the whole id in any case."""
        texts = [title or str(one) for title, one in zip(self.titles, self.item_ids)]
        return TitleSearch(texts, self.model.ratings_.counts("item"), self.item_ids)

    @cached_property
    def users(self) -> TitleSearch:
        """Known users by id."""
        ratings = self.model.ratings_
        ids = [str(plain(one)) for one in ratings.user_ids.tolist()]
        return TitleSearch(ids, ratings.counts("user"), ids)

    @cached_property
    def unit_vectors(self) -> tuple[Any, Any]:
        """The items' vectors, each of length 1, and their transpose."""
        return self.model._unit_vectors("item")

    @cached_property
    def card(self) -> dict[str, Any]:
        """What the model is and what it has learnt from."""
        model, ratings = self.model, self.model.ratings_
        try:
            name = name_of(model)[0]
        except ParameterError:
            name = type(model).__name__
        return {
            "model": name, "class": type(model).__name__, "settings": _jsonable(model.get_params()),
            "predicts_ratings": model.predicts_ratings, "linear": model.linear,
            "data": {
                "name": ratings.name, "n_users": ratings.n_users, "n_items": ratings.n_items,
                "n_ratings": ratings.n_ratings, "scale": list(ratings.scale), "titles": any(self.titles),
                "columns": [] if ratings.item_table is None else list(map(str, ratings.item_table.columns)),
            },
            "file": self.file, "fingerprint": self.fingerprint, "loaded": self.loaded, "recae": __version__,
        }  # fmt: skip

    def where(self, condition: str) -> Mask:
        """Which items fulfil a condition over their table, bool (n_items,); see `recae.ratings.conditions`."""
        found = self._masks.get(condition)
        if found is None:
            ratings = self.model.ratings_
            found = items_where(condition, ratings.item_table, ratings.item_ids)
            if len(self._masks) >= _MASKS:
                self._masks.clear()
            self._masks[condition] = found
        return found  # not read back: another thread may have cleared what is remembered


def signature_of(path: str | Path) -> Signature:
    """What changes when a file is written anew: inode, time and size.

    Raises:
        ModelFileError: there is no such file.
    """
    try:
        found = os.stat(path)
    except FileNotFoundError:
        raise no_such_file(path) from None
    except OSError as error:
        raise not_to_be_read(path, error) from None
    return found.st_ino, found.st_mtime_ns, found.st_size


def read_served(path: str | Path, device: str | None = None) -> ServedModel:
    """The model in a file, checked, warm and ready to serve.

    Raises:
        ModelFileError: see `recae.load_model`; or the file was written anew while it was read.
    """
    signature = signature_of(path)
    model, found = load_model(path, device=device), fingerprint(path)
    if signature_of(path) != signature:
        raise ModelFileError(f"{path} was written anew while it was read", remedy="it is read again")
    ratings = model.ratings_
    ids = [plain(one) for one in ratings.item_ids.tolist()]
    served = ServedModel(
        model, found, Path(path).name, signature, datetime.now(UTC).isoformat(timespec="seconds"),
        ids, {one: index for index, one in enumerate(ids)}, titles_of(model), _warm(model), {},
    )  # fmt: skip
    _ = served.items, served.users, served.card, ratings.user_index(ratings.user_ids[:1])
    _warm_beside(served)
    return served


def titles_of(model: Recommender) -> list[str | None]:
    """The title of each item, None where there is none."""
    titles, ids = titles_in(model.ratings_.item_table), model.ratings_.item_ids
    found = [None] * len(ids) if titles is None else titles.reindex(ids).tolist()
    return [title if isinstance(title, str) else None for title in found]


def _warm(model: Recommender) -> float:
    """Seconds of a list for one row, after runs that compile kernels and fill what is kept between requests.

    They are the processor's: of a machine that does other things, the clock's would send quick answers to threads.
    """
    ratings, n = model.ratings_, min(10, model.ratings_.n_items)
    items = np.arange(min(3, ratings.n_items))
    values = np.full(len(items), ratings.scale[1], np.float32)
    seconds = []
    for _ in range(5):
        start = time.thread_time()
        model.recommend_row(items, values, n)
        seconds.append(time.thread_time() - start)
    if ratings.n_users:
        model.recommend_users(np.zeros(1, np.int64), n)
    ratings.item_index(ratings.item_ids[:1])
    return median(seconds[2:])


def _warm_beside(served: ServedModel) -> None:
    """Make what other answers than lists need: items' vectors, and the biases of predictions."""
    model, ratings, one = served.model, served.model.ratings_, np.zeros(1, np.int64)
    with suppress(Exception):  # a lean file may have no vectors: /similar says so, and the lists are there
        _ = served.unit_vectors
    with suppress(Exception):
        if model.predicts_ratings:
            row = row_of(one, np.full(1, ratings.scale[1], np.float32), ratings, needs_rating=True)
            model.predict_pairs_new(row, one, one)
            if ratings.n_users:
                model.predict_pairs(one, one)


def _jsonable(value: Any) -> Any:
    """Settings as JSON has them: tuples are lists, what is no number or text is its text."""
    if isinstance(value, dict):
        return {str(key): _jsonable(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_jsonable(one) for one in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)  # JSON has no infinity
    return value if value is None or isinstance(value, str | int) else str(value)
