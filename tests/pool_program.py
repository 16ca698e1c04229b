"""Fits models, recommends, and does both again in the worker of a pool: `pool_program.py METHOD FOLDER MODEL ...`.

METHOD is how the worker starts, fork or spawn. A worker that dies or waits for ever is a timeout here. What it finds
is compared with what the parent has found, to the bit.
"""

from __future__ import annotations

import multiprocessing
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

import recae

PATIENCE = 120  # seconds; a worker needs a few
USERS = np.arange(40)


def ratings() -> recae.RatingMatrix:
    rng = np.random.default_rng(0)
    pairs = np.unique(rng.integers(0, 40 * 70, 900))
    return recae.load(pd.DataFrame({"user": pairs // 70, "item": pairs % 70, "rating": rng.integers(1, 6, len(pairs))}))


def fitted(name: str) -> Any:
    settings: dict[str, Any] = {"epochs": 2, "hidden": 600, "device": "cpu"}
    if name == "AutoRec":
        settings["path"] = "sparse"
    return getattr(recae, name)(**settings).fit(ratings(), progress=False)


def work(name: str, path: Path) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Lists of the saved model, and of one that is fitted here."""
    return recae.load_model(path).recommend(USERS, n=5), fitted(name).recommend(USERS, n=5)


def main() -> None:
    method, folder, *names = sys.argv[1:]
    models = {name: fitted(name) for name in names}
    paths = {name: Path(folder, name) for name in names}
    for name, model in models.items():
        model.save(paths[name])
    lists = {name: model.recommend(USERS, n=5) for name, model in models.items()}
    (torch.ones(500, 500) @ torch.ones(500, 500)).exp()  # so that PyTorch's threads are there, whatever the models
    with multiprocessing.get_context(method).Pool(1) as pool:
        results = pool.starmap_async(work, paths.items()).get(PATIENCE)
    for name, found in zip(names, results, strict=True):
        for again in (*found, models[name].recommend(USERS, n=5)):  # the parent's threads still work
            pd.testing.assert_frame_equal(again, lists[name])


if __name__ == "__main__":
    main()
