"""AutoRec: rating prediction by an autoencoder over sparse rows (Sedhain et al., WWW 2015)."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from recae.assembly import Csr
from recae.models.base import Recommender, Run
from recae.models.biases import fit_biases
from recae.models.blocks import IntArray, Scores
from recae.models.folding import solve_columns
from recae.models.params import learned, param
from recae.models.rating_network import RatingNetwork
from recae.models.stopping import tag_of
from recae.nn.activations import ACTIVATIONS
from recae.ratings import RatingMatrix
from recae.sparse import SparseRows
from recae.sparse.threads import kernel_threads
from recae.training import History, RowBatches, Trainer
from recae.training.devices import choose_device
from recae.training.optimizers import FULL_BATCH
from recae.training.pretraining import pretrain


@dataclass(kw_only=True, eq=False, repr=False)
class AutoRec(Recommender):
    """One autoencoder for all rows; missing ratings are neither input nor target.

    Loss (eq. 3): Σ over stored ratings of (r - f(W g(V r + mu) + b))² + (l2 / 2) (|W|² + |V|²), biases free.
    In a deep one the layers between W and V, which all rows share and which have data enough, take `inner_l2`.

    Item-based, a row is what an item received and the output has a unit for every user; an unseen user's unit
    is solved for, with the item codes as they are (`recae.models.folding`). User-based, a row is what a user
    gave, and an unseen user's row is simply encoded.

    By default a fifth of the input ratings is hidden in training, as in a denoising autoencoder. Otherwise, where rows
    are short, the network learns to repeat what it is given: on ml-latest-small it then ends far above the bias
    baseline. `noise=0` is the paper's model.
    """

    predicts_ratings: ClassVar[bool] = True
    iterative: ClassVar[bool] = True

    by: Literal["item", "user"] = param("item", "whose rows are encoded", choices=("item", "user"))
    hidden: int | tuple[int, ...] = param(500, "hidden units; several layers as 500,250,500", low=1)
    activation: str = param("sigmoid", "activation g of hidden layers", choices=tuple(ACTIVATIONS))
    output: str = param("identity", "activation f of the output", choices=("identity", "sigmoid"))
    input: Literal["auto", "raw", "centred"] = param(
        "auto",
        "ratings as they are, or less their column's mean; auto: raw item-based, centred user-based",
        choices=("auto", "raw", "centred"),
    )
    l2: float | None = param(
        None,
        "L2 weight on W and V, against the summed squared error; none: 100 item-based, "
        "100 sqrt(ratings / 1e6) user-based",
        low=0,
        tune=(10.0, 300.0, "log"),
    )
    inner_l2: float = param(1.0, "L2 weight on the layers between them, in a deep one", low=0)
    optimizer: str = param("adam", "how to minimise", choices=("adam", "sgd", "rprop", "lbfgs"))
    lr: float = param(2e-3, "learning rate", low=0, tune=(5e-4, 8e-3, "log"))
    schedule: str = param("cosine", "learning rate over time", choices=("constant", "cosine", "linear", "one-cycle"))
    epochs: int = param(30, "passes over the rows, at most", low=0, tune=(15, 60))
    batch_size: int | None = param(
        None, "rows a step; none for an eighth of them, at most 512; 0 for all at once (as rprop and lbfgs do)", low=0
    )
    dropout: float = param(0.0, "fraction of hidden units dropped in training", low=0)
    noise: float = param(
        0.2, "fraction of input ratings hidden in training; 0 for the paper's AutoRec", low=0, tune=(0.0, 0.5)
    )
    ema: float = param(
        0.0,
        "decay a step of the weights' running mean, which is kept instead; 0: not averaged",
        low=0,
        tune=[0.0, 0.9, 0.97],
    )
    patience: int | None = param(10, "epochs without a better validation RMSE before stopping")
    pretrain_epochs: int = param(0, "epochs of greedy layer-wise pretraining, each layer", low=0)
    path: Literal["auto", "sparse", "dense"] = param(
        "auto", "sparse kernels or dense products", choices=("auto", "sparse", "dense")
    )
    device: str = param("auto", "where to train: auto, cpu, cuda, cuda:N, mps")
    precision: str = param("float32", "of matrix products on CUDA", choices=("float32", "bf16"))
    rng: int = param(0, "seed of everything random")

    network_: RatingNetwork = learned()
    history_: History = learned()
    _kept_codes: npt.NDArray[np.float32] | None = learned()

    # ---------------------------------------------------------------- fitting

    def _fit(self, ratings: RatingMatrix, validation: RatingMatrix | None, run: Run) -> None:
        device = choose_device(self.device)
        rows = SparseRows.from_scipy(ratings.rows(self.by), device=device)
        self.network_ = self._network(rows.n_cols, ratings).to(device)
        batches = RowBatches(rows, batch_size=self._rows_a_step(len(rows)))
        dense = self.network_.choose_path(rows, self.path)
        trainer = Trainer(
            epochs=self.epochs, optimizer=self.optimizer, lr=self.lr, schedule=self.schedule,
            decay=1 / len(rows), ema=self.ema, patience=self.patience, device=device, precision=self.precision,
            kernels=not dense, seed=self.rng, checkpoint=run.checkpoint, checkpoint_seconds=run.checkpoint_seconds,
            resume=run.resume, progress=run.progress, tag=tag_of(self, ratings, validation),
        )  # fmt: skip
        if self.pretrain_epochs and not trainer.resumes():
            pretrain(self.network_.core, batches, self.network_.objective, trainer, epochs=self.pretrain_epochs)
        validate = None if validation is None else self._validator(rows, validation, kernels=not dense)
        self.history_ = trainer.fit(self.network_, batches, self.network_.objective, validate)
        self._forget_codes()

    def _network(self, n_cols: int, ratings: RatingMatrix) -> RatingNetwork:
        hidden = (self.hidden,) if isinstance(self.hidden, int) else tuple(self.hidden)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.rng)
            return RatingNetwork(
                n_cols, hidden, activation=self.activation, output=self.output, scale=ratings.scale,
                start=self._start(ratings), dropout=self.dropout, noise=self.noise,
                l2=self._l2(ratings), inner_l2=self.inner_l2, centred=self._centred(),
            )  # fmt: skip

    def _start(self, ratings: RatingMatrix) -> Tensor:
        """Mean ratings of the columns, (n_cols,), drawn towards the mean of all where there are few."""
        biases = fit_biases(ratings, user_l2=10.0, item_l2=5.0, sweeps=3)
        return torch.from_numpy(biases.mean + (biases.user if self.by == "item" else biases.item))

    def _l2(self, ratings: RatingMatrix) -> float:
        """`l2`, or what was good on held-out training data of MovieLens with 100,000 and 1,000,000 ratings."""
        if self.l2 is not None:
            return self.l2
        return 100.0 if self.by == "item" else 100.0 * math.sqrt(ratings.n_ratings / 1e6)

    def _centred(self) -> bool:
        """A short row of raw ratings says how many there are; less their means, it says what this user thinks."""
        return self.input == "centred" or (self.input == "auto" and self.by == "user")

    def _rows_a_step(self, n_rows: int) -> int:
        if self.optimizer in FULL_BATCH:
            return 0
        return min(512, math.ceil(n_rows / 8)) if self.batch_size is None else self.batch_size

    def _validator(self, rows: SparseRows, validation: RatingMatrix, *, kernels: bool) -> Any:
        """RMSE on held-out ratings, clipped to the scale, a block of rows at a time."""
        places = SparseRows.from_scipy(validation.rows(self.by), device=rows.device)
        busy = torch.nonzero(places.lengths()).squeeze(1)
        blocks = [(rows[index], places[index]) for index in torch.split(busy, 2048)]
        low, high = validation.scale

        def validate(network: torch.nn.Module) -> float:
            total = torch.zeros((), device=rows.device)
            for given, wanted in blocks:
                predicted = network.at(given, wanted).clamp(low, high)  # type: ignore[operator]
                total += (predicted - wanted.values).square().sum()
            return float((total / max(1, places.nnz)).sqrt())

        return validate

    # ---------------------------------------------------------------- scoring

    def score(self, user_rows: Csr) -> Scores:
        if self.by == "user":
            with self._inference():
                return _numpy(self.network_.full(self._rows(user_rows)))
        weight, bias = self._solve(user_rows)
        return self._finish(weight @ self._codes().T + bias[:, None])

    def score_users(self, user_index: IntArray) -> Scores:
        if self.by == "user":
            return self.score(self.ratings_.user_rows[user_index])
        weight, bias = self._output_layer()
        return self._finish(weight[user_index] @ self._codes().T + bias[user_index, None])

    def _pairs(self, user_index: IntArray, item_index: IntArray) -> Scores:
        row, col = (user_index, item_index) if self.by == "user" else (item_index, user_index)
        return self._at(self.ratings_.rows(self.by), row, col)

    def _pairs_new(self, user_rows: Csr, row_index: IntArray, item_index: IntArray) -> Scores:
        if self.by == "user":
            return self._at(user_rows, row_index, item_index)
        distinct, where = np.unique(row_index, return_inverse=True)
        weight, bias = self._solve(user_rows[distinct])
        out = np.empty(len(row_index), np.float32)
        codes = self._codes()
        for start in range(0, len(out), 2**16):
            part = slice(start, start + 2**16)
            out[part] = np.einsum("zk,zk->z", weight[where[part]], codes[item_index[part]]) + bias[where[part]]
        return self._finish(out)

    def item_vectors(self) -> npt.NDArray[np.float32]:
        """Item-based: the codes, (n_items, k). User-based: the output weights, (n_items, k)."""
        return self._codes() if self.by == "item" else self._output_layer()[0]

    def _at(self, rows: Csr, row: IntArray, col: IntArray) -> Scores:
        """Outputs of `rows` at pairs (row, col), a block of distinct rows at a time."""
        order = np.lexsort((col, row))
        distinct, starts = np.unique(row[order], return_index=True)
        bounds = np.append(starts, len(row))
        out = np.empty(len(row), np.float32)
        with self._inference():
            for first in range(0, len(distinct), 2048):
                last = min(len(distinct), first + 2048)
                chosen = order[bounds[first] : bounds[last]]
                indptr = torch.from_numpy(bounds[first : last + 1] - bounds[first])
                places = SparseRows(
                    indptr, torch.from_numpy(col[chosen].astype(np.int32)), torch.zeros(len(chosen)), rows.shape[1]
                )  # fmt: skip
                given = self._rows(rows[distinct[first:last]])
                out[chosen] = _numpy(self.network_.at(given, places.to(given.device)))
        return out

    # ---------------------------------------------------------------- item codes and unseen users

    def _codes(self) -> npt.NDArray[np.float32]:
        """Item-based: what the output layer is given for each item, (n_items, k); worked out once."""
        if self._kept_codes is None:
            item_rows = self.ratings_.rows("item")
            with self._inference():
                blocks = [
                    _numpy(self.network_.hidden(self._rows(item_rows[start : start + 2048])))
                    for start in range(0, item_rows.shape[0], 2048)
                ]
            self._kept_codes = np.concatenate(blocks)
        return self._kept_codes

    def _solve(self, user_rows: Csr) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
        targets = self.network_.to_logits(torch.from_numpy(user_rows.data)).numpy()
        return solve_columns(
            self._codes(), user_rows, targets, *self._output_layer(), l2=max(self._l2(self.ratings_) / 2, 1e-3)
        )

    def _output_layer(self) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
        last = self.network_.last
        return _numpy(last.weight), _numpy(last.bias)

    def _finish(self, logits: npt.NDArray[Any]) -> Scores:
        return self.network_.finish(torch.from_numpy(np.asarray(logits, np.float32))).numpy()

    def _forget_codes(self) -> None:
        self._kept_codes = None

    def _rows(self, matrix: Csr) -> SparseRows:
        return SparseRows.from_scipy(matrix, device=next(self.network_.parameters()).device)

    @contextmanager
    def _inference(self) -> Iterator[None]:
        """No gradients, and on the CPU the kernels have the cores."""
        self.network_.eval()
        on_cpu = next(self.network_.parameters()).device.type == "cpu"
        with torch.no_grad(), kernel_threads(on_cpu):
            yield

    # ---------------------------------------------------------------- files

    def _arrays(self) -> dict[str, npt.NDArray[Any]]:
        return {name: _numpy(value) for name, value in self.network_.state_dict().items()}

    def _restore(self, arrays: dict[str, npt.NDArray[Any]]) -> None:
        n_cols = self.ratings_.n_items if self.by == "user" else self.ratings_.n_users
        self.network_ = self._network(n_cols, self.ratings_)
        self.network_.load_state_dict({name: torch.from_numpy(array) for name, array in arrays.items()})
        self.network_.to(choose_device(self.device))
        self._forget_codes()


def _numpy(tensor: Tensor) -> npt.NDArray[np.float32]:
    return tensor.detach().float().cpu().numpy()
