"""An epoch of RecBole's GRU4Rec beside one of ours: the same sessions, width and loss."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from statistics import median
from typing import Any

import torch

from benchmarks.accuracy.padded_sessions import processor_seconds
from benchmarks.peers.environments import install, versions
from benchmarks.peers.limited_process import Limits, run
from recae.models.sessions.session_rnn import SessionRNN

PEER = "recbole"
SETTINGS = {"hidden": 64, "longest": 50, "epochs": 2}  # 50 is RecBole's own longest sequence; ours has no such limit


def epochs_beside(ratings: Any, cache: Path) -> dict[str, Any]:
    """Median processor seconds of an epoch of either; or the reason why RecBole has none."""
    reason = install(PEER, cache)
    events = SessionRNN().cut(ratings)
    torch.set_num_threads(1)
    ours = []
    for _ in range(SETTINGS["epochs"]):
        model = SessionRNN(hierarchy="none", hidden=SETTINGS["hidden"], epochs=1, device="cpu", embeddings="random")
        ours.append(processor_seconds(lambda: model.fit(ratings, progress=False)))  # noqa: B023
    found: dict[str, Any] = {
        "settings": SETTINGS, "events": events.n_events, "sessions": events.n_sessions, "ours": median(ours),
        "all_ours": ours,
    }  # fmt: skip
    if reason:
        return {**found, "reason": reason}
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder)
        frame = events.to_frame().assign(session=events.session_of)[["session", "item", "timestamp"]]
        frame.to_csv(data / "sessions.csv", index=False)
        (data / "settings.json").write_text(json.dumps({**SETTINGS, "memory_gib": 8}))
        figures, _ = run(PEER, "gru4rec-epoch", "", data, cache, Limits(1, 900.0))
    if "reason" in figures:
        return {**found, "reason": figures["reason"]}
    return {**found, "theirs": median(figures["seconds"]), "all_theirs": figures["seconds"],
            "sequences": figures["sequences"], "packages": versions(PEER, cache)}  # fmt: skip
