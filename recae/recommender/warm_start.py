"""Warm start: a network takes over what yesterday's model learnt; rows of known ids stay, new ones begin as a mean."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from recae._types import IntArray, Mask
from recae.errors import DataWarning, ParameterError
from recae.ratings import RatingMatrix
from recae.ratings.csr import make_csr
from recae.ratings.matching import match

USERS, ITEMS = 1, 2  # by how many the second of two small sets of ratings has more of them
_FREE = {"epochs", "patience", "lr", "schedule", "device", "rng", "batch_size", "ema", "own_part", "popularity"}


def check_start(model: Any, start: Any, ratings: RatingMatrix, validation: RatingMatrix | None) -> None:
    """Refuse a model that `model` cannot go on from; warn where it has learnt from the validation part.

    Raises:
        ParameterError: `start` is another model, has other hyper-parameters, or has another scale.
        NotFittedError: it was not fitted.
    """
    if type(start) is not type(model):
        raise ParameterError(f"start is a {type(start).__name__}, and a {type(model).__name__} goes on from its like")
    known, given, before = start._fitted(), model.get_params(), start.get_params()
    for name in sorted(given.keys() - _FREE):
        if given[name] != before[name]:
            raise ParameterError(
                f"start was fitted with {name}={before[name]!r}; what it learnt fits no other", name=name,
                value=given[name], expected=repr(before[name]),
            )  # fmt: skip
    if model.predicts_ratings and known.scale != ratings.scale:
        raise ParameterError(
            f"start was fitted on ratings from {known.scale[0]:g} to {known.scale[1]:g}, and these are from "
            f"{ratings.scale[0]:g} to {ratings.scale[1]:g}",
            remedy="load the ratings with scale= as before",
        )
    warn_if_learnt(start, validation, "validation")


def warn_if_learnt(start: Any, part: RatingMatrix | None, what: str) -> None:
    """Warn, with a `DataWarning`, where `start` has learnt from held-out ratings, whose figures are then too good."""
    count = 0 if part is None else int(np.count_nonzero(seen_before(part, start)))
    if part is not None and count:
        warnings.warn(
            f"start has learnt from {count:,} of the {part.n_ratings:,} {what} ratings, so that their figures are too "
            "good; hold out ratings that came after it (a split by time), or those that it did not learn from",
            DataWarning, stacklevel=4,
        )  # fmt: skip


def seen_before(ratings: RatingMatrix, start: Any) -> Mask:
    """Which entries of `ratings`, in the order of `user_rows`, are among those that `start` was fitted on."""
    before = match(start.ratings_, ratings).ratings
    users, items, _ = before.pairs()
    own_users, own_items, _ = ratings.pairs()
    return np.isin(own_users * np.int64(ratings.n_items) + own_items, users * np.int64(ratings.n_items) + items)


def take_over(network: nn.Module, make: Callable[[RatingMatrix], nn.Module], ratings: RatingMatrix, start: Any) -> None:
    """Set the parameters of a new network to those of `start`, whose users and items may be others.

    Along an axis of users or items, an id that `start` knows keeps its row, and a new one has the mean of the rows of
    ids with ratings. Buffers, such as the columns' means, stay as the new ratings have them.

    Args:
        network: made for `ratings`.
        make: makes such a network; from two small sets of ratings it shows which axes are of users and of items.
        start: a fitted model that has `_start_state`.

    Raises:
        ParameterError: its parameters do not fit, or users are needed and a lean file has none.
    """
    known, kinds = start.ratings_, _axes(make, ratings)
    rated = {USERS: known.counts("user") > 0, ITEMS: known.counts("item") > 0}
    index = {USERS: _learnt(known.user_index(ratings.user_ids, missing="-1"), rated[USERS]),
             ITEMS: _learnt(known.item_index(ratings.item_ids, missing="-1"), rated[ITEMS])}  # fmt: skip
    before = start._start_state()
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            value = before.get(name)
            if value is None or value.ndim != parameter.ndim:
                raise ParameterError(f"start has no {name} as this model has it", remedy="fit it without start")
            value = value.to(parameter.device)
            for axis, kind in enumerate(kinds[name]):
                if kind:
                    value = _rows(value, axis, index[kind], rated[kind])
            if value.shape != parameter.shape:
                raise ParameterError(
                    f"{name} is {tuple(value.shape)} in start and {tuple(parameter.shape)} here",
                    remedy="fit it without start",
                )
            parameter.copy_(value)


def _learnt(index: IntArray, rated: Mask) -> IntArray:
    """`index`, with -1 also for ids that start knows and has no rating of."""
    return np.where(np.append(rated, False)[index], index, -1)


def _rows(value: Tensor, axis: int, index: IntArray, rated: Mask) -> Tensor:
    """`value` in today's order along `axis`; where `index` is -1, the mean over the rows of ids with ratings."""
    if not rated.any() or value.shape[axis] != len(rated):
        raise ParameterError("start holds no users to go on from: it is a lean file", remedy="fit it without start")
    taken = value.index_select(axis, torch.from_numpy(np.maximum(index, 0)).to(value.device))
    new = torch.from_numpy(index < 0).to(value.device)
    if not bool(new.any()):
        return taken
    mean = value.index_select(axis, torch.from_numpy(np.flatnonzero(rated)).to(value.device)).mean(axis, keepdim=True)
    shape = [1] * value.ndim
    shape[axis] = len(index)
    return torch.where(new.reshape(shape), mean, taken)


def _axes(make: Callable[[RatingMatrix], nn.Module], ratings: RatingMatrix) -> dict[str, list[int]]:
    """For each parameter, what each of its axes runs over: USERS, ITEMS or, as 0, neither.

    A size does not tell: there may be as many hidden units as items. So two small networks are made, of which the
    second has one more user and two more items.
    """
    levels = np.unique(ratings.user_rows.data)[:10_000]
    n_users = 5 + math.isqrt(len(levels))
    first, second = (dict(make(_small(levels, n, m, ratings)).named_parameters())
                     for n, m in ((n_users, n_users + 3), (n_users + USERS, n_users + 3 + ITEMS)))  # fmt: skip
    return {name: [b - a for a, b in zip(p.shape, second[name].shape)] for name, p in first.items()}


def _small(levels: npt.NDArray[Any], n_users: int, n_items: int, like: RatingMatrix) -> RatingMatrix:
    """Ratings without a gap, in which every level occurs, on the scale of `like`."""
    values = np.resize(levels, n_users * n_items).astype(np.float32)
    columns = np.tile(np.arange(n_items, dtype=np.int32), n_users)
    rows = make_csr(values, columns, np.arange(n_users + 1, dtype=np.int64) * n_items, (n_users, n_items))
    return RatingMatrix(rows, np.arange(n_users), np.arange(n_items), like.scale)
