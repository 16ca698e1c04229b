"""Checkpoints of trainings that stopped half way: bytes, arrays and values, with checksums that are right."""

from __future__ import annotations

import copy
import random
import signal
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any
from unittest import mock

from fuzz.changes import changed_array, changed_bytes, set_junk
from fuzz.families.models import changed_header
from fuzz.uses import of_model, toy_ratings
from recae.errors import TrainingInterrupted
from recae.models import make_model
from recae.storage import read_file, write_file
from recae.training import RowBatches

MODELS: dict[str, dict[str, Any]] = {
    "i-autorec": {"hidden": 4, "epochs": 4, "batch_size": 8, "dropout": 0.1, "optimizer": "adam"},
    "u-autorec": {"hidden": (4, 2, 4), "epochs": 4, "batch_size": 8, "optimizer": "sgd", "lr": 1e-3},
    "mult-vae": {"hidden": 8, "epochs": 4, "batch_size": 8},
}  # fmt: skip


def train(name: str, checkpoint: Path) -> Any:
    model = make_model(name, device="cpu", rng=0, **MODELS[name])
    held_out = toy_ratings(1)
    return model.fit(toy_ratings(), held_out, progress=False, checkpoint=checkpoint, resume=True)


def prepare(base: Path) -> None:
    take = RowBatches.take
    for name in MODELS:
        left = [4]

        def stop(batches: RowBatches, index: Any, left: list[int] = left) -> Any:
            left[0] -= 1
            if left[0] == 0:
                signal.raise_signal(signal.SIGINT)
            return take(batches, index)

        with mock.patch.object(RowBatches, "take", stop), suppress(TrainingInterrupted):
            train(name, base / name)
        (base / "again").write_bytes((base / name).read_bytes())
        assert not list(of_model(train(name, base / "again")))
        (base / "again").unlink()


def write(rng: random.Random, base: Path, work: Path) -> str:
    name = rng.choice(list(MODELS))
    source, path = base / name, work / name
    how = rng.choice(["bytes", "header", "array", "array", "array", "content", "content", "content"])
    if how in ("bytes", "header"):
        data = source.read_bytes()
        path.write_bytes(changed_bytes(rng, data) if how == "bytes" else changed_header(rng, data))
        return f"{name}: {how}"
    arrays, content = read_file(source, "checkpoint")
    arrays, content = dict(arrays), copy.deepcopy(content)
    if how == "array":
        what = rng.choice(sorted(arrays))
        arrays[what] = changed_array(rng, arrays[what])
    else:
        what = set_junk(rng, content, ("state",) if rng.random() < 0.9 else ())
    write_file(path, "checkpoint", arrays, content)
    return f"{name}: {how} {what}"


def read(work: Path) -> Iterator[str]:
    (path,) = work.iterdir()
    yield from of_model(train(path.name, path))
