"""What the neural recommenders share: sparse rows in, a logit for every item out, in epochs, stopped by NDCG@100."""

from __future__ import annotations

import math
from abc import abstractmethod
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from recae._types import Csr, IntArray, Scores
from recae.distributed.ranks import choose_device
from recae.errors import DataError, Phrase, Remedy
from recae.models.vae.implicit_losses import multinomial
from recae.ratings import RatingMatrix
from recae.ratings.csr import make_csr
from recae.recommender.epochs import MultipliesOnCuda, load_network, network_arrays
from recae.recommender.fitting import FitOptions
from recae.recommender.learned import LearnedArrays
from recae.recommender.list_error import ranking_error
from recae.recommender.own_part import StopsByOwnPart
from recae.recommender.params import ReadsValues, as_input, default, hyperparameters, learned, param
from recae.sparse import SparseRows
from recae.sparse.resources import reuse_buffers
from recae.training import Batch, Batches, RowBatches
from recae.training.batches import MadeBatches, copy_async, has_room, rows_a_block, size_of
from recae.training.graphed_steps import graphed_steps

CPU = torch.device("cpu")


@hyperparameters
class NeuralRanker(ReadsValues, StopsByOwnPart, MultipliesOnCuda):
    """Base of `MultVAE`, `MultDAE`, `RecVAE` and `CDAE`: a network from rows to logits, and how it is trained.

    A row is scaled to unit length before anything else (not in CDAE); what is missing is 0. The first layer multiplies
    sparse rows, the last one gives all items: on a CPU its dense products are nearly all of the work, so PyTorch has
    the cores here. Users without ratings are not trained on, and are scored from an empty row.

    Unseen users are scored from their rows, as known ones are. A validation part may therefore be of hidden users:
    `fit(train, validation, validation_input=...)`.
    """

    meets_hidden_users: ClassVar[bool] = True
    shares_rows: ClassVar[bool] = True
    starts_warm: ClassVar[bool] = True
    _largest_batch: ClassVar[int] = 500  # as in the papers
    _repeats: ClassVar[bool] = False  # every step launches the same: nothing but tensors decides what it does

    dropout: float = param(0.5, "fraction of a row's entries hidden in training", low=0, tune=(0.2, 0.8))
    l2: float = param(0.0, "L2 weight on the weights, against the loss of a mean row", low=0)
    lr: float = default(1e-3, tune=(2e-4, 3e-3, "log"))
    schedule: str = default("constant")
    epochs: int = default(200)
    batch_size: int | None = default(None, help="rows a step; none for an eighth of them, at most 500", low=1)
    patience: int | None = default(50)

    network_: Any = learned()

    # ---------------------------------------------------------------- what a model writes

    @abstractmethod
    def _network(self, ratings: RatingMatrix, steps: int) -> nn.Module:
        """An untrained network for these ratings; `steps` is how many there will be in all (0 where
        nothing is annealed: it only scores, or goes on from another)."""

    def _objective(self, model: nn.Module, batch: Batch) -> Tensor:
        """What is minimised, a mean over rows; here -log of the multinomial likelihood, and the code's penalty."""
        logits, penalty = model(batch.input)
        loss: Tensor = multinomial(logits, batch.target) + penalty
        return loss

    def _trainee(self, network: nn.Module, steps: int) -> nn.Module:
        """What the trainer is given: the network, or what holds it and is needed in training only.

        `steps` is the number of them in one epoch.
        """
        return network

    # ---------------------------------------------------------------- fitting

    def _train(self, ratings: RatingMatrix, validation: RatingMatrix | None, options: FitOptions) -> None:
        device = choose_device(self.device)
        batches = self._batches(ratings, device)
        steps = math.ceil(batches.n_examples / batches.batch_size)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.rng)
            in_all = 0 if options.start is not None else steps * self._passes()  # whose annealing is over
            network = self._network(ratings, in_all)
        self.network_ = options.begin(network, lambda small: self._network(small, 0), ratings).to(device)
        trainee = self._trainee(self.network_, steps)
        passes = {"epochs": self._passes(), "patience": self._patience()}
        trainer = self._trainer(ratings, validation, options, decay=self.l2, **passes)
        validate = None if validation is None else self._validator(ratings, validation, options)
        with reuse_buffers():  # PyTorch has the cores, and the first layer's gradient is as large as ever
            steps_of = graphed_steps(self._objective) if self._repeats else None
            self.history_ = trainer.fit(trainee, batches, self._objective, validate, steps_of)

    def _passes(self) -> int:
        """Passes over the rows in all."""
        return self.epochs

    def _patience(self) -> int | None:
        """`patience` in passes."""
        return self.patience

    def _batches(self, ratings: RatingMatrix, device: torch.device) -> Batches:
        busy = np.flatnonzero(ratings.counts("user"))
        if ratings.is_mapped:
            return self._streamed(ratings, busy)
        wanted = as_input(ratings.user_rows[busy], self.values)
        check_counts(wanted)
        target = SparseRows.from_scipy(wanted)
        if not has_room(2 * size_of(target), device):
            return self._streamed(ratings, busy)
        read, target = self._rows(wanted, CPU).values.to(device), target.to(device)
        return RowBatches(target.with_values(read), target, batch_size=self._rows_a_step(len(busy)))

    def _streamed(self, ratings: RatingMatrix, busy: npt.NDArray[np.int64]) -> Batches:
        """The same batches one by one, of rows on disk or too many for a GPU; `busy` are the users who have some."""
        if self.values != "binary":
            check_counts(as_input(ratings.user_rows, self.values))

        def make(index: Tensor, device: torch.device) -> Batch:
            wanted = as_input(ratings.user_rows[busy[index.numpy()]], self.values)
            rows, target = self._rows(wanted, CPU), SparseRows.from_scipy(wanted)
            return Batch(copy_async(rows, device), copy_async(target, device))

        block = rows_a_block(len(busy), ratings.n_ratings)
        return MadeBatches(len(busy), make, self._rows_a_step(len(busy)), block)

    def _validator(self, ratings: RatingMatrix, validation: RatingMatrix, options: FitOptions) -> Any:
        return ranking_error(self._logits, options.known_ratings(ratings), validation)

    # ---------------------------------------------------------------- scoring

    def _rows(self, rows: Csr, device: torch.device) -> SparseRows:
        """Rows as the network reads them, of what `as_input` gave."""
        return SparseRows.from_scipy(unit_rows(rows), device=device)

    def _reads_only_rows(self) -> bool:
        return True

    def score(self, user_rows: Csr) -> Scores:
        scores: Scores = self._logits(user_rows).cpu().numpy()
        return scores

    def _device_scores(self, user_index: IntArray) -> Tensor:
        return self._logits(self.ratings_.user_rows[user_index])

    def _logits(self, user_rows: Csr) -> Tensor:
        """Scores of rows, (n_rows, n_items), on the network's device."""
        rows = self._rows(as_input(user_rows, self.values), next(self.network_.parameters()).device)
        with torch.no_grad():
            logits: Tensor = self.network_(rows).logits
        return logits

    def item_vectors(self) -> npt.NDArray[np.float32]:
        """The output layer's weights, (n_items, width of the last hidden layer)."""
        weight: npt.NDArray[np.float32] = self.network_.decoder.layers[-1].weight.detach().cpu().numpy()
        return weight

    # ---------------------------------------------------------------- files

    def _arrays(self) -> dict[str, npt.NDArray[Any]]:
        return network_arrays(self.network_)

    def _restore(self, arrays: LearnedArrays) -> None:
        self.network_ = load_network(lambda: self._network(self.ratings_, 0), arrays, self.device)


def unit_rows(rows: Csr) -> Csr:
    """Each row divided by its Euclidean length; a row of zeros, or without entries, stays as it is."""
    lengths = np.sqrt(np.add.reduceat(np.append(np.square(rows.data, dtype=np.float64), 0.0), rows.indptr[:-1]))
    lengths[(np.diff(rows.indptr) == 0) | (lengths == 0)] = 1.0  # reduceat gives an empty row the next row's entry
    data = (rows.data / np.repeat(lengths, np.diff(rows.indptr))).astype(np.float32)
    return make_csr(data, rows.indices, rows.indptr, rows.shape)


def check_counts(rows: Csr) -> None:
    """A multinomial likelihood counts: values are 0 or more, and not all of them 0.

    Raises:
        DataError: names the lowest value.
    """
    low, high = float(rows.data.min(initial=0)), float(rows.data.max(initial=0))
    if low < 0 or high <= 0:
        raise DataError(
            f"ratings from {low:g} to {high:g} cannot be read as counts, of which none is negative and one at least "
            "is positive",
            remedy=(
                Remedy("use {values}", values="binary"),
                Remedy("use {binarize}", binarize=Phrase("ratings.binarize(...)")),
            ),
        )


def widths(hidden: int | tuple[int, ...] | None) -> list[int]:
    """Widths of layers from a number or several; None for no layer."""
    if hidden is None:
        return []
    return [hidden] if isinstance(hidden, int) else [int(width) for width in hidden]
