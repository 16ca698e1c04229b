"""What test_distributed.py runs in two processes: fits by both, the same fits by one, and the results as JSON.

    torchrun --standalone --nproc-per-node=2 tests/ranks_program.py FOLDER

Both processes run all of it; within `single_process()`, each fits by itself.
"""

from __future__ import annotations

import json
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import torch
from torch import nn

from recae.distributed.gradients import GradientSum
from recae.distributed.ranks import current, single_process
from recae.errors import DataError, DivergenceError, ParameterError, RecaeError, TrainingInterrupted
from recae.evaluation import evaluate
from recae.models import DAN, EASE, AutoRec, BiasedMF, DualAutoRec, GLocalK, make_model
from recae.nn import Autoencoder
from recae.nn.codes import KLSparse
from recae.ratings import RatingMatrix
from recae.training import Batch, Reconstruction, RowBatches, Trainer

USERS, ITEMS = 29, 22  # rows in batches of 7: of the last batch one process has one row, the other none
EXACT = {"epochs": 4, "batch_size": 7, "rng": 3}
# Nothing in these is random but the order: two processes and one must give the same curve.
CURVES: dict[str, dict[str, Any]] = {
    "i-autorec": {"hidden": 5, "noise": 0.0},
    "u-autorec, averaged": {"hidden": 5, "noise": 0.0, "ema": 0.9},
    "u-autorec, ordinal": {"hidden": 5, "noise": 0.0, "output": "ordinal", "mask_input": True},
    "i-autorec, dense, sgd": {"hidden": (5, 3, 5), "noise": 0.0, "path": "dense", "optimizer": "sgd", "lr": 1e-3},
    "i-autorec, pretrained": {"hidden": (5, 3, 5), "noise": 0.0, "pretrain_epochs": 2},
    "i-autorec, lbfgs": {"hidden": 5, "noise": 0.0, "optimizer": "lbfgs", "lr": 1.0, "batch_size": None},
    "u-autorec, rprop": {"hidden": 5, "noise": 0.0, "optimizer": "rprop", "lr": 1e-3, "batch_size": None},
    "cfn": {"hidden": 5, "noise": 0.0, "hide_rows": 0.0},
    "deep-rec": {"hidden": (5, 3, 5), "code_dropout": 0.0},
    "sparse-fc": {"hidden": 5, "optimizer": "adam", "lr": 0.01},
    "linear-ae": {"hidden": 5},
    "elsa": {"factors": 5},
    "mult-dae": {"hidden": 5, "dropout": 0.0},
    "cdae": {"hidden": 5, "dropout": 0.0},
    "session-rnn": {"hidden": 5, "dropout": 0.0, "hierarchy": "all"},
    "session-rnn-ratings": {"hidden": 5, "dropout": 0.0, "attention": True},
}
NOISY: dict[str, dict[str, Any]] = {
    "i-autorec": {"hidden": 5, "noise": 0.3, "dropout": 0.2},
    "mult-vae": {"hidden": 5, "latent": 3},
    "rec-vae": {"hidden": 5, "latent": 3, "epochs": 2},
}


def ratings(seed: int = 0, n: int = 200) -> RatingMatrix:
    rng = np.random.default_rng(seed)
    pairs = rng.choice(USERS * ITEMS, n, replace=False)
    stars, times = rng.integers(1, 6, n), rng.permutation(n) * 400  # sessions of one to some events
    made = RatingMatrix.from_columns(pairs // ITEMS, pairs % ITEMS, stars, times, scale=(1.0, 5.0))
    assert made.shape == (USERS, ITEMS)
    return made


def fitted(name: str, settings: dict[str, Any], **more: Any) -> Any:
    model = make_model(name.split(",")[0], **{**EXACT, **settings}, device="cpu")
    return model.fit(ratings(), held_out(), **more)


def held_out() -> RatingMatrix:
    return ratings(1)


def arrays(model: Any) -> dict[str, list[float]]:
    return {name: np.asarray(value, float).ravel().tolist() for name, value in model._arrays().items()}


def curve(model: Any) -> dict[str, Any]:
    records = model.history_.records
    return {
        "loss": [r["loss"] for r in records], "validation": [r["validation"] for r in records],
        "best_epoch": model.history_.best_epoch, "arrays": arrays(model),
    }  # fmt: skip


def both_ways(function: Callable[[], Any]) -> dict[str, Any]:
    """The result of both processes together and, in the first process, of that one by itself."""
    found, first = {"together": function()}, current().is_first
    with single_process():
        return {**found, "single": function()} if first else found


def same_bits(model: Any) -> bool:
    """Whether all processes have the same arrays."""
    return all(current().same(repr(value)) for value in arrays(model).values())


def refused(function: Callable[[], Any], kind: type[RecaeError]) -> str:
    try:
        function()
    except kind as error:
        return str(error)
    return "it was not refused"


class StopAt:
    """One process gets the signal to stop as the given step begins; both stop."""

    def __init__(self, step: int, rank: int) -> None:
        self.left, self.rank, self.take = step, rank, RowBatches.take

    def __enter__(self) -> None:
        def take(batches: RowBatches, index: torch.Tensor) -> Batch:
            self.left -= 1
            if self.left == 0 and current().rank == self.rank:
                for _ in range(current().size):  # torchrun passes on what the terminal has sent already
                    signal.raise_signal(signal.SIGINT)
            return self.take(batches, index)

        self.patch = mock.patch.object(RowBatches, "take", take)
        self.patch.start()

    def __exit__(self, *_: Any) -> None:
        self.patch.stop()


def stopped(folder: Path, name: str, settings: dict[str, Any], rank: int = 1) -> tuple[Path, str]:
    """A checkpoint of a training that was stopped in the middle of its second epoch."""
    path = folder / f"{name}-{rank}.ckpt"
    with StopAt(6, rank):
        said = refused(lambda: fitted(name, settings, checkpoint=path), TrainingInterrupted)
    current().barrier()  # the first one has written it
    return path, said


def resumed(folder: Path) -> dict[str, Any]:
    """Stopped in two processes, resumed in two and in one; stopped in one, resumed in two."""
    found: dict[str, Any] = {}
    path, found["said"] = stopped(folder, "i-autorec", NOISY["i-autorec"])
    found["noisy"] = [
        curve(fitted("i-autorec", NOISY["i-autorec"], checkpoint=path, resume=True)),
        curve(fitted("i-autorec", NOISY["i-autorec"])),
    ]
    plain = CURVES["i-autorec"]
    path, _ = stopped(folder, "i-autorec", plain, rank=0)
    with single_process():
        if torch.distributed.get_rank() == 0:
            found["2 to 1"] = curve(fitted("i-autorec", plain, checkpoint=path, resume=True))
            stopped(folder / "one", "i-autorec", plain, rank=0)
    current().barrier()
    path = folder / "one" / "i-autorec-0.ckpt"
    found["1 to 2"] = curve(fitted("i-autorec", plain, checkpoint=path, resume=True))
    return found


def in_rows() -> dict[str, Any]:
    """A matrix of 400 rows of which each process's gradient has two that are not zero, and a vector."""
    ranks = current()
    model = nn.Linear(3, 400)  # weight (400, 3), bias (400,)
    model.weight.grad, model.bias.grad = torch.zeros(400, 3), torch.full((400,), float(ranks.rank + 1))
    for row in (7, 100 + ranks.rank):
        model.weight.grad[row] = torch.tensor([1.0, 2.0, 3.0]) * (ranks.rank + 1)
    summed = GradientSum(ranks, model, wide=1)
    said = summed(0.5, [torch.tensor(float(ranks.rank)), 1.0])
    busy = torch.nonzero(model.weight.grad.any(1)).squeeze(1)
    first = {
        "rows": busy.tolist(), "values": model.weight.grad[busy].tolist(), "bias": model.bias.grad.unique().tolist(),
        "numbers": said.tolist(), "sent": dict(summed.sent),
    }  # fmt: skip
    model.weight.grad, model.bias.grad = torch.ones(400, 3), None
    summed(1.0, [0.0])
    return {**first, "then": model.weight.grad.unique().tolist(), "sent then": dict(summed.sent)}


def main(folder: Path) -> None:
    (folder / "one").mkdir(exist_ok=True)
    ranks = current()
    found: dict[str, Any] = {
        "ranks": [ranks.rank, ranks.size, torch.get_num_threads()],
        "curves": {name: both_ways(lambda n=name, s=s: curve(fitted(n, s))) for name, s in CURVES.items()},
        "noisy": {name: same_bits(fitted(name, settings)) for name, settings in NOISY.items()},
        "resumed": resumed(folder),
        "in rows": in_rows(),
        "ease": both_ways(lambda: arrays(EASE(l2=2.0).fit(ratings()))),
        "dan": both_ways(lambda: arrays(DAN(l2=2.0, precision="float64", values="ratings").fit(ratings()))),
        "ill": refused(lambda: EASE(l2=1e-30).fit(one_user()), DivergenceError),
        "refused": {
            model.__name__: refused(lambda m=model: m().fit(ratings()), ParameterError)
            for model in (BiasedMF, DualAutoRec, GLocalK)
        },
        "kl": refused(kl_sparse, ParameterError),
        "other data": refused(lambda: AutoRec(epochs=1).fit(ratings(ranks.rank)), DataError),
        "first's error": refused(lambda: ranks.from_first(failing), DataError),
        "figures": both_ways(lambda: evaluate(EASE(l2=2.0).fit(ratings()), held_out()).to_dict()),
    }  # fmt: skip
    (folder / f"{ranks.rank}.json").write_text(json.dumps(found))


def one_user() -> RatingMatrix:
    """G is 1 everywhere, which has no inverse."""
    return RatingMatrix.from_columns(np.zeros(4, int), np.arange(4), np.ones(4))


def failing() -> None:
    raise DataError("only the first one could know")


def kl_sparse() -> None:
    batches = RowBatches(torch.zeros(USERS, ITEMS), batch_size=7)
    model = Autoencoder.mirrored([ITEMS, 3], code=KLSparse())
    Trainer(epochs=1, device="cpu").fit(model, batches, Reconstruction())


if __name__ == "__main__":
    main(Path(sys.argv[1]))
