"""AutoRec as somebody would write it in plain PyTorch: dense rows, a mask, Adam (`benchmarks/speed/plain_dense.py`)."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from _given import answer, columns
from scipy import sparse

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

from benchmarks.speed.plain_dense import epoch_seconds


def autorec_epoch(data, out, settings):
    users, items, values = columns(data, "ml-1m-train")
    about = settings["autorec"]
    n_users, n_items = about["shape"]
    item_rows = sparse.csr_array((values.astype(np.float32), (items, users)), shape=(n_items, n_users))
    seconds = epoch_seconds(
        item_rows[np.diff(item_rows.indptr) > 0], hidden=about["hidden"], batch_size=about["batch_size"],
        epochs=settings["epochs"] + 1, l2=about["l2"],
    )  # fmt: skip
    return {"seconds": seconds[1:].tolist(), "first_seconds": float(seconds[0])}


if __name__ == "__main__":
    answer({"autorec-epoch": autorec_epoch})
