"""What models that are trained in epochs share: their hyper-parameters, and the trainer made from them."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, ClassVar, TypeVar

from torch import Tensor, nn

from recae._types import Arrays
from recae.distributed.ranks import choose_device
from recae.ratings import RatingMatrix
from recae.recommender.base import Recommender
from recae.recommender.biases import RATINGS, Unit
from recae.recommender.fingerprints import fingerprint
from recae.recommender.fitting import FitOptions, processes
from recae.recommender.learned import LearnedArrays
from recae.recommender.params import default, hyperparameters, learned, param, seed
from recae.sparse import SparseRows
from recae.training import History, Trainer
from recae.training.optimizers import FULL_BATCH
from recae.training.trainer_settings import PRECISIONS

STEPS = 8  # of an epoch, at least, where `batch_size` is None

_Network = TypeVar("_Network", bound=nn.Module)


@hyperparameters
class TrainedInEpochs(Recommender):
    """Base of models that a `Trainer` trains."""

    iterative: ClassVar[bool] = True

    epochs: int = param(30, "passes over the rows, at most", low=0)
    patience: int | None = param(
        10, "epochs without a better validation figure (RMSE of ratings, NDCG@100 of rankings) before stopping"
    )
    device: str = param("auto", "where to train: auto, cpu, cuda, cuda:N, mps")
    rng: int = seed()

    history_: History = learned()

    def _trainer(
        self, ratings: RatingMatrix, validation: RatingMatrix | None, options: FitOptions, **settings: Any
    ) -> Trainer:
        """A trainer with the hyper-parameters and the options of `fit`; `settings` go over them."""
        made = {**self._trainer_settings(), **options.for_trainer(), **settings}
        if made["checkpoint"] is not None or processes().size > 1:  # else nothing is compared with it
            made["fingerprint"] = fingerprint(self, ratings, validation, options.validation_input, options.start)
        return Trainer(**made)

    def _start_state(self) -> dict[str, Any]:
        """What a warm start takes over: tensors by the names of the network's parameters."""
        return dict(vars(self)["network_"].state_dict())

    def _trainer_settings(self) -> dict[str, Any]:
        """Attributes of `Trainer` that are hyper-parameters."""
        device = choose_device(self.device)
        return {"epochs": self.epochs, "patience": self.patience, "device": device, "seed": self.rng}


@hyperparameters
class TrainedInBatches(TrainedInEpochs):
    """Base of models whose training takes a step on each batch of rows."""

    _largest_batch: ClassVar[int] = 512  # rows a step, at most, where `batch_size` is None

    lr: float = param(1e-3, "learning rate of Adam", low=0)
    schedule: str = param("cosine", "learning rate over time", choices=("constant", "cosine", "linear", "one-cycle"))
    batch_size: int | None = param(
        None, "rows a step; none for an eighth of them, at most 512; 0 for all at once", low=0
    )
    ema: float = param(0.0, "decay a step of the weights' running mean, which is kept instead; 0: not averaged", low=0)

    def _trainer_settings(self) -> dict[str, Any]:
        return {**super()._trainer_settings(), "lr": self.lr, "schedule": self.schedule, "ema": self.ema}

    def _rows_a_step(self, n_rows: int, steps: int = STEPS) -> int:
        """Rows in a batch, of `n_rows` in all; by default for an epoch of at least so many steps. 0 for all of them."""
        return min(self._largest_batch, math.ceil(n_rows / steps)) if self.batch_size is None else self.batch_size


@hyperparameters
class MultipliesOnCuda(TrainedInBatches):
    """Base of models whose products of matrices may have less precision on CUDA."""

    precision: str = param(
        "float32",
        "of products of matrices on CUDA: tf32 (float32 of which tensor cores read 11 bits of 24), or bf16 (8 bits)",
        choices=PRECISIONS,
    )

    def _trainer_settings(self) -> dict[str, Any]:
        return {**super()._trainer_settings(), "precision": self.precision}


@hyperparameters
class TrainedByOptimizer(TrainedInBatches):
    """Base of models whose optimiser is a hyper-parameter."""

    optimizer: str = param(
        "adam", "how to minimise; rprop and lbfgs take all rows in each step", choices=("adam", "sgd", "rprop", "lbfgs")
    )
    lr: float = default(1e-3, help="learning rate")

    def _trainer_settings(self) -> dict[str, Any]:
        return {**super()._trainer_settings(), "optimizer": self.optimizer}

    def _rows_a_step(self, n_rows: int, steps: int = STEPS) -> int:
        return 0 if self.optimizer in FULL_BATCH else super()._rows_a_step(n_rows, steps)


def network_arrays(network: nn.Module) -> Arrays:
    """The state of a network by name, for a file: parameters, and buffers such as the running means of BatchNorm."""
    return {name: value.detach().cpu().numpy() for name, value in network.state_dict().items()}


def load_network(make: Callable[[], _Network], arrays: LearnedArrays, device: str) -> _Network:
    """The network that `make` makes with the state that `network_arrays` gave, on `device`, in evaluation mode."""
    return arrays.network(make).to(choose_device(device)).eval()


def rating_error(
    predict: Callable[[Any, Any, SparseRows], Tensor],
    parts: Sequence[tuple[Any, SparseRows]],
    scale: tuple[float, float],
    unit: Unit = RATINGS,
) -> Callable[[Any], float]:
    """A validation figure for `Trainer.fit`: RMSE of held-out ratings, predictions being clipped to the scale.

    Args:
        predict: (network, input, held-out rows) to predictions at the stored entries of these rows, (nnz,).
        parts: input and held-out rows, a part at a time, on any device that `predict` can read from. Of several
            processes that fit together, each is given its own; all get the figure of all.
        scale, unit: lowest and highest rating; the unit of predictions and held-out rows.
    """
    ranks, limits = processes(), (unit.inside(scale[0]), unit.inside(scale[1]))

    def validate(network: Any) -> float:
        squares = 0.0
        for given, held_out in parts:
            predicted = predict(network, given, held_out).clamp(*limits)
            error = predicted - held_out.values.to(predicted.device)
            squares += float(error.square().sum())
        total, n = ranks.total(squares, sum(held_out.nnz for _, held_out in parts))
        return float(math.sqrt(total / max(1, n)) * unit.factor)

    return validate
