"""The same network over sessions that are padded to the longest one: what packing saves."""

from __future__ import annotations

import time
from collections.abc import Callable
from statistics import median
from typing import Any

import numpy as np
import torch
from torch import Tensor

from recae.events.session_events import Sessions
from recae.models.sessions.next_item_losses import full_softmax
from recae.models.sessions.session_packing import rating_levels, time_levels
from recae.models.sessions.session_rnn import SessionRNN
from recae.models.sessions.user_batches import SPREAD, longest_sessions


def seconds_of_epochs(data: Any, repeats: int) -> dict[str, Any]:
    """Median processor seconds of an epoch over packed and over padded sessions, alternately; events and cells.

    Both have one thread, and batches of the same sizes, users with like lengths together.
    """
    packed, padded = [], []
    events, cells = SessionRNN().cut(data), list[int]()
    torch.set_num_threads(1)
    for _ in range(repeats):
        model = SessionRNN(hierarchy="init", epochs=1, device="cpu", embeddings="random")
        packed.append(processor_seconds(lambda: model.fit(data, progress=False)))  # noqa: B023
        padded.append(processor_seconds(lambda: cells.append(padded_epoch(model, events))))  # noqa: B023
    return {"packed": median(packed), "padded": median(padded), "events": events.n_events, "cells": cells[0],
            "all_packed": packed, "all_padded": padded}  # fmt: skip


def processor_seconds(work: Callable[[], Any]) -> float:
    """Seconds of this process on the processor, which other work on the machine changes little."""
    start = time.process_time()
    work()
    return time.process_time() - start


def padded_epoch(model: SessionRNN, events: Sessions) -> int:
    """An epoch with users x sessions x longest session; returns how many cells there were.

    The loss is taken at events only, as nothing is learnt from padding.
    """
    network = model.network_.train()
    optimizer = torch.optim.Adam(network.parameters(), model.lr, fused=True)
    busy = np.flatnonzero(np.diff(events.user_starts))
    size, cells = model._rows_a_step(len(busy)), 0
    noisy = np.log1p(longest_sessions(events, busy).numpy()) + SPREAD * np.random.default_rng(0).normal(size=len(busy))
    order = busy[np.argsort(-noisy)]
    for start in range(0, len(order), size):
        batch = grid(events, order[start : start + size])
        before, targets = padded_states(network, *batch)
        cells += batch[3].numel()
        optimizer.zero_grad()
        full_softmax(network, before, targets).backward()
        optimizer.step()
    return cells


def grid(events: Sessions, users: np.ndarray[Any, Any]) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Items, rating levels, time levels and whether there is an event, (users, sessions, longest session) each."""
    first = events.user_starts[users]
    counts = events.user_starts[users + 1] - first
    lengths = np.diff(events.session_starts)
    longest = max(int(lengths[a : a + n].max()) for a, n in zip(first, counts))
    shape = (len(users), int(counts.max()), longest)
    at = np.full(shape, -1, np.int64)
    for row, (a, n) in enumerate(zip(first, counts)):
        for depth in range(n):
            many = lengths[a + depth]
            at[row, depth, :many] = events.session_starts[a + depth] + np.arange(many)
    columns = (events.items, rating_levels(events), time_levels(events))
    items, ratings, times = (torch.from_numpy(column[at].astype(np.int64)) for column in columns)
    return items, ratings, times, torch.from_numpy(at >= 0)


def padded_states(net: Any, items: Tensor, ratings: Tensor, times: Tensor, there: Tensor) -> tuple[Tensor, Tensor]:
    """States before the events, (n_events, k), and the events' items."""
    read = net.dropout(net.items(items) + net.ratings(ratings) + net.times(times))
    user, out = read.new_zeros(len(items), net.width), []
    for depth in range(items.shape[1]):
        start = net.dropout(torch.tanh(net.start(user)))
        states, _ = net.events(read[:, depth].transpose(0, 1), start[None])
        states = states.transpose(0, 1)
        out.append(torch.cat([start[:, None], states[:, :-1]], 1))
        many = there[:, depth].sum(1)
        last = states[torch.arange(len(many)), (many - 1).clamp(min=0)]
        user = torch.where((many > 0)[:, None], net.user(last, user), user)
    return net.dropout(torch.stack(out, 1)[there]), items[there]
