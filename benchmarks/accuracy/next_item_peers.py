"""The next item by sequential models of other packages: the same train events, validation, test events and lists."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.common.record import commit
from benchmarks.peers.environments import install, versions
from benchmarks.peers.limited_process import Limits, run
from recae.evaluation.next_items import asked_events, next_item_figures
from recae.events.session_splits import TEST, TRAIN, VALIDATION, SessionSplit

# Row of the table: package, its model, by its own settings, and how many epochs may pass without a better NDCG@20 on
# validation: 3 as of our recurrent models; more where an epoch is a few steps (8 on ml-100k), one sequence a user.
PEERS = {
    "RecBole GRU4Rec": ("recbole", "GRU4Rec", 3), "RecBole SASRec": ("recbole", "SASRec", 3),
    "RecTools SASRec": ("rectools", "SASRec", 40),
}  # fmt: skip


def peer_row(row: str, split: SessionSplit, cache: Path, seconds: float, epochs: int) -> dict[str, Any]:
    """The figures of a peer's model, or the reason why there are none.

    Args:
        row: one of `PEERS`.
        seconds: processor time after which no further epoch begins.
        epochs: at most.
    """
    peer, method, patience = PEERS[row]
    settings = {"epochs": epochs, "seconds": seconds, "patience": patience, "items": split.sessions.ratings.n_items}
    about = {"row": row, "model": f"{peer}, {method}", "settings": settings, "seed": 0, "commit": commit()}
    if reason := install(peer, cache):
        return {**about, "reason": reason}
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder)
        _write(split, data, settings)
        found, arrays = run(peer, "next-item", method, data, cache, Limits(1, 8 * seconds))
    if "reason" in found:
        return {**about, "reason": found["reason"]}
    events, chosen = asked_events(split)
    figures = next_item_figures(
        events, chosen, lambda _users, stops: arrays["scores"][np.searchsorted(chosen, stops)],
        leave_out_seen=split.sessions.ratings.repeats is None,
    )  # fmt: skip
    return {**about, **found, "packages": versions(peer, cache), **figures}


def _write(split: SessionSplit, data: Path, settings: dict[str, Any]) -> None:
    """What the script reads: train events in order, all events, and which ones are asked; nothing of a test's answer.

    The test's items are in the events, as each is known when the next one is asked.
    """
    events = split.sessions
    train = split.part == TRAIN
    table = {"user": events.users[train], "item": events.items[train], "time": np.flatnonzero(train)}
    pd.DataFrame(table).to_csv(data / "train.csv", index=False)
    asked = {}
    for name, part in (("validation", VALIDATION), ("test", TEST)):
        known, chosen = asked_events(split, part)
        asked[name] = np.flatnonzero(split.part <= part)[chosen] if known is not events else chosen
    np.savez(data / "asked.npz", items=events.items, first=events.event_starts[events.users], **asked)  # type: ignore[arg-type]
    (data / "settings.json").write_text(json.dumps({**settings, "memory_gib": 8}))
