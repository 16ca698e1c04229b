"""The batches of an epoch in their order; those on disk are taken ahead, on a thread beside the training's."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

import torch
from torch import Tensor

from recae.training.batches import Batch, Batches

AHEAD = 2  # batches that wait to be trained on


def order_of(batches: Batches) -> Tensor:
    """Examples in a random order, int64 (n_examples,): the batches' own, where they have one."""
    own = getattr(batches, "order", None)
    order: Tensor = torch.randperm(batches.n_examples) if own is None else own()
    return order


def taken(batches: Batches, parts: Sequence[Tensor]) -> Iterator[Batch]:
    """The batch of each part, one after another.

    Batches that say `streamed` are taken ahead. Taking one draws no random numbers, so it does not matter when.
    """
    if getattr(batches, "streamed", False):
        return _ahead(batches, parts)
    return map(batches.take, parts)


def _ahead(batches: Batches, parts: Sequence[Tensor]) -> Iterator[Batch]:
    with ThreadPoolExecutor(1, "recae-prefetch") as pool:
        waiting: deque[Future[Batch]] = deque()
        for part in parts:
            waiting.append(pool.submit(batches.take, part))
            if len(waiting) > AHEAD:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
