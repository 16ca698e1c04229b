"""What `test_pretended_cuda.py` has done in a process of its own: models fitted on a pretended GPU, and on the CPU.

    python pretended_program.py MODEL...      # MODEL/bf16 is in half precision, MODEL/full on a device without room

One line of JSON a model: what made the host wait within the steps of an epoch, the bytes that went over in them,
whether the ratings stayed in memory, what was fetched and sent for lists, and how far its scores are from the CPU's.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

import contract
import numpy as np
import pretended_cuda as pretended

import recae
from recae.models import MODELS
from recae.recommender.params import declared
from recae.training.loop import TrainingLoop

USERS = np.arange(len(contract.USERS))
Epoch = dict[str, Any]
PLENTY = 70 * 2**30


def main(*names: str) -> None:
    parts = recae.split(contract.ratings(), "random", test=0.2, rng=0)
    on_cpu = {name: fitted(name, "cpu", parts, None) for name in names}
    pretended.install()
    epochs = watched_epochs()
    for name in names:
        epochs.clear()
        pretended.free[0] = 0 if name.endswith("/full") else PLENTY
        with tempfile.TemporaryDirectory() as folder:
            print(json.dumps({"model": name, **report(name, on_cpu[name], parts, Path(folder), epochs)}), flush=True)


def report(name: str, on_cpu: Any, parts: Any, folder: Path, epochs: list[Epoch]) -> dict[str, Any]:
    """Fit, ask, save, read and resume: raises where a GPU would."""
    kept = folder / "checkpoint" if on_cpu.iterative else None
    model = fitted(name, "cuda", parts, kept)
    waits, sent = sum((epoch["waits"] for epoch in epochs), Counter[str]()), max((e["sent"] for e in epochs), default=0)
    streamed = all(epoch["streamed"] for epoch in epochs)
    lists = model.recommend(contract.USERS, 3)
    pretended.forget()
    assert model.recommend(contract.USERS, 3).equals(lists)
    fetched, asked_with = sum(pretended.fetched.values()), sum(pretended.sent.values())
    read = recae.load_model(model.save(folder / "model"))
    assert read.recommend(contract.USERS, 3).equals(lists)
    model.recommend_new(contract.frame_of(0), 3)
    if kept is not None:  # its epochs are over, so nothing is left to do: it is as it was
        assert fitted(name, "cuda", parts, kept, resume=True).recommend(contract.USERS, 3).equals(lists)
    if model.predicts_ratings:
        model.predict(contract.USERS, contract.FILMS[0])
    found, wanted = model.score_users(USERS), on_cpu.score_users(USERS)
    apart = float(np.abs(found - wanted).max() / np.abs(wanted).max())
    return {"waits": waits, "sent": sent, "streamed": streamed, "fetched": fetched, "asked_with": asked_with,
            "apart": apart}  # fmt: skip


def fitted(name: str, device: str, parts: Any, checkpoint: Path | None, *, resume: bool = False) -> Any:
    """The model after an epoch or three."""
    name, _, kind = name.partition("/")
    own = {p.name for p in declared(MODELS[name].model_class)}
    few = {"epochs": 1 if "kernel_l2" in own else 3, "tune_epochs": 1, "path": "sparse" if name[0] == "i" else "auto"}
    if kind == "bf16" and device == "cuda":
        few["precision"] = kind
    model = contract.small(name, device=device, **{key: value for key, value in few.items() if key in own})
    if not model.iterative:
        return model.fit(parts.train)
    return model.fit(parts.train, parts.test, checkpoint=checkpoint, resume=resume, progress=False)


def watched_epochs() -> list[Epoch]:
    """From now on, what the steps of each epoch waited for and sent comes to stand in this list."""
    found: list[Epoch] = []
    train_epoch, end = TrainingLoop._train_epoch, TrainingLoop._end_epoch

    def watched_epoch(self: TrainingLoop) -> None:
        pretended.forget()
        train_epoch(self)

    def watched_end(self: TrainingLoop) -> None:
        streamed = getattr(self.batches, "streamed", False)
        found.append({"waits": pretended.waits.copy(), "sent": sum(pretended.sent.values()), "streamed": streamed})
        end(self)

    TrainingLoop._train_epoch, TrainingLoop._end_epoch = watched_epoch, watched_end
    return found


if __name__ == "__main__":
    main(*sys.argv[1:])
