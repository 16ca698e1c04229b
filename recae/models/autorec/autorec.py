"""AutoRec: rating prediction by an autoencoder over sparse rows (Sedhain et al., WWW 2015)."""

from __future__ import annotations

import math
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from torch import Tensor

from recae._types import Csr, FloatArray, IntArray
from recae.distributed.ranks import choose_device, current
from recae.models.autorec.fused_network import fused_steps
from recae.models.autorec.rating_network import RatingNetwork, pretraining_loss, rating_loss
from recae.models.autorec.row_autoencoder import BLOCK, RowAutoencoder
from recae.models.outputs.heads import LEVELLED, LEVELS, OUTPUTS, Head, make_head, ordinal_head
from recae.nn.layers import as_widths
from recae.ratings import RatingMatrix
from recae.recommender.epochs import MultipliesOnCuda, TrainedByOptimizer, load_network, rating_error
from recae.recommender.fitting import FitOptions
from recae.recommender.learned import LearnedArrays
from recae.recommender.params import default, hyperparameters, param
from recae.recommender.registry import register
from recae.sparse import SparseRows
from recae.training import RowBatches
from recae.training.batches import CPU, has_room, size_of
from recae.training.pretraining import pretrain
from recae.training.trainer_settings import Objective

MEANS = "core.noise.means"  # the array of a network that centres or levels its rows
ORDINAL_L2 = 0.2  # of the weight against squared error; found on held-out training data


@register("u-autorec", "user-based AutoRec: predicts ratings from what each user gave", by="user")
@register("i-autorec", "item-based AutoRec: predicts ratings from what each item received", by="item")
@hyperparameters
class AutoRec(RowAutoencoder, TrainedByOptimizer, MultipliesOnCuda):
    """One autoencoder for all rows; missing ratings are neither input nor target.

    Loss (eq. 3): Σ over stored ratings of (r - f(W g(V r + mu) + b))² + (l2 / 2) (|W|² + |V|²), biases free.
    In a deep one the layers between W and V, which all rows share and which have data enough, take `inner_l2`.

    Item-based, a row holds the ratings of an item, and the output has weights for every user; those of an unseen user
    are solved for, with the item codes fixed (`recae.recommender.folding`). User-based, a row holds the ratings of a
    user, and the row of an unseen user is encoded.

    By default a fifth of the input ratings is hidden in training, as in a denoising autoencoder. Otherwise, where rows
    are short, the network learns to repeat what it is given: on ml-latest-small it then ends far above the bias
    baseline. `noise=0` is the paper's model.
    """

    output: str = param(
        "identity",
        "activation f of the output; ordinal: a distribution over rating levels (with `predict_distribution`)",
        choices=OUTPUTS,
    )
    thresholds: Literal["shared", "column"] = param(
        "shared",
        "of ordinal output: the same between levels for all, or each output unit's own",
        choices=("shared", "column"),
    )
    input: Literal["auto", "raw", "levelled", "centred", "residual"] = param(
        "auto",
        "ratings as they are (raw), less their row's level, which is added to the outputs (levelled), less their "
        "column's mean (centred), or less both (residual); auto: levelled item-based, residual user-based, where the "
        "output is identity or ordinal",
        choices=("auto", "raw", "levelled", "centred", "residual"),
    )
    mask_input: bool | None = param(
        None,
        "what was rated, whatever the rating, is a second input, with weights of its own; none: user-based, where "
        "`input` is auto",
    )
    l2: float | None = param(
        None,
        "L2 weight on W and V, against the summed loss; none: 100 item-based, "
        "100 sqrt(ratings / 1e6) user-based, and a fifth of that for ordinal output",
        low=0,
        tune=(10.0, 300.0, "log"),
    )
    inner_l2: float = param(
        1.0, "L2 weight on the layers between the first and the last, of a network with several hidden layers", low=0
    )
    lr: float = default(2e-3, tune=(5e-4, 8e-3, "log"))
    epochs: int = default(30, tune=(15, 60))
    dropout: float = param(0.0, "fraction of hidden units dropped in training", low=0)
    noise: float = default(0.2, tune=(0.0, 0.5))
    ema: float = default(0.0, tune=[0.0, 0.9, 0.97])
    pretrain_epochs: int = param(0, "epochs of greedy layer-wise pretraining, each layer", low=0)
    path: Literal["auto", "sparse", "dense"] = param(
        "auto", "sparse kernels or dense products", choices=("auto", "sparse", "dense")
    )

    starts_warm: ClassVar[bool] = True
    _mean_over: ClassVar[Literal["rows", "ratings"]] = "rows"  # which the objective is a mean over

    # ---------------------------------------------------------------- fitting

    def _fit(self, ratings: RatingMatrix, validation: RatingMatrix | None, options: FitOptions) -> None:
        matrix, biases = ratings.rows(self.by), self._baseline()
        start = torch.from_numpy(biases.user_means if self.by == "item" else biases.item_means)
        network = options.begin(self._network(ratings, start), self._network, ratings)
        self.network_ = network.to(choose_device(self.device))
        given = self._rows(matrix, np.arange(matrix.shape[0]), CPU)  # the trainer moves them, if there is room
        rows = self.network_.ratings_of(given)
        streamed = isinstance(given, SparseRows) and ratings.is_mapped
        batches = RowBatches(given, batch_size=self._rows_a_step(len(rows)), streamed=streamed)
        dense = self.network_.choose_path(rows, self.path)
        trainer = self._trainer(
            ratings, validation, options, decay=self._decay(rows), second=self._second(),
            kernels=not dense, mean_over=self._mean_over,
        )  # fmt: skip
        if self.pretrain_epochs and options.start is None and not trainer.resumes():
            plain = RowBatches(rows, batch_size=batches.batch_size)
            pretrain(self.network_.core, plain, pretraining_loss(self.network_), trainer, epochs=self.pretrain_epochs)
        validate = None if validation is None else self._validator(given, validation)
        make_own = fused_steps if self.network_.device.type == "cuda" else None
        self.history_ = trainer.fit(self.network_, batches, self._objective(), validate, make_own)

    def _decay(self, rows: SparseRows) -> float:
        """Factor of the L2 weights, by which the objective is divided: 1 / rows."""
        return 1 / len(rows)

    def _objective(self) -> Objective:
        """The loss of a batch, a mean over rows."""
        return rating_loss

    def _second(self) -> Objective | None:
        """An objective for a second update on each batch; None for none."""
        return None

    def _network(
        self, ratings: RatingMatrix, start: Tensor | None = None, levels: FloatArray | None = None
    ) -> RatingNetwork:
        n_cols = ratings.n_users if self.by == "item" else ratings.n_items
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.rng)
            return self._make_network(n_cols, ratings, {
                "activation": self.activation, "output": self._head(n_cols, ratings, levels), "scale": ratings.scale,
                "start": start, "dropout": self.dropout, "noise": self.noise, "l2": self._l2(ratings),
                "inner_l2": self.inner_l2, "mask_input": self._reads_mask(),
                "centred": self._input() in ("centred", "residual"),
                "levelled": self._input() in ("levelled", "residual"),
            })  # fmt: skip

    def _rows(self, matrix: Csr, index: IntArray | None = None, device: torch.device | None = None) -> Any:
        return SparseRows.from_scipy(matrix, device=device or self.network_.device)

    def _make_network(self, n_cols: int, ratings: RatingMatrix, settings: dict[str, Any]) -> RatingNetwork:
        """A network of these settings, to which a subclass adds its own."""
        return RatingNetwork(n_cols, as_widths(self.hidden), **settings)

    def _head(self, n_cols: int, ratings: RatingMatrix, levels: FloatArray | None = None) -> Head:
        """The output head; an ordinal one's levels are the ratings that occur, or those of a file, `levels`."""
        if self.output != "ordinal":
            return make_head(self.output, ratings.scale, self._unit)
        return ordinal_head(ratings, self._unit, n_cols if self.thresholds == "column" else 0, levels=levels)

    def _l2(self, ratings: RatingMatrix) -> float:
        """`l2`, or by default a value found on held-out training data of MovieLens (100,000 and 1,000,000 ratings)."""
        if self.l2 is not None:
            return self.l2
        plain = 100.0 if self.by == "item" else 100.0 * math.sqrt(ratings.n_ratings / 1e6)
        return plain * ORDINAL_L2 if self.output == "ordinal" else plain

    def _is_weighed(self, ratings: RatingMatrix) -> bool:
        return self.output != "ordinal" and super()._is_weighed(ratings)  # whose answer is a distribution's mean

    def _read_as_before(self) -> None:
        super()._read_as_before()
        if self.input == "auto" and self.by == "user":
            self.input = "centred"

    def _restore(self, arrays: LearnedArrays) -> None:
        if self.input == "auto" and self._input() == "levelled" and MEANS not in arrays:
            self.input = "raw"  # a file from before "auto" meant levelled
        if self.input == "auto" and self.output == "ordinal" and "steepness" not in arrays:
            self.input = "raw" if self.by == "item" else "centred"  # from before it did so for ordinal output
        levels = arrays.copied(LEVELS, -1)
        self.network_ = load_network(lambda: self._network(self.ratings_, levels=levels), arrays, self.device)

    def _input(self) -> str:
        """How ratings are read, where `input` is "auto".

        A row's level need not pass through the network, and whoever reads what it leaves over has all units for the
        rest. Users' rows are centred, too: raw ones tell little but how many ratings they have, where they are short.
        """
        if self.input != "auto":
            return self.input
        if self.output not in LEVELLED:
            return "raw" if self.by == "item" else "centred"
        return "levelled" if self.by == "item" else "residual"

    def _reads_mask(self) -> bool:
        """Whether what was rated is a second input, where `mask_input` says nothing.

        Of what a user rates, much can be told from whatever else was rated; item-based it adds little.
        """
        if self.mask_input is not None:
            return self.mask_input
        return self.by == "user" and self.input == "auto" and self.output in LEVELLED

    def _validator(self, rows: Any, validation: RatingMatrix) -> Any:
        """RMSE of held-out ratings, a block of rows at a time; of several processes, each has its share of the rows."""
        held_out, device = SparseRows.from_scipy(validation.rows(self.by)), self.network_.device
        share = current().share(torch.nonzero(held_out.lengths()).squeeze(1))
        parts = [(rows[index], held_out[index]) for index in torch.split(share, BLOCK)]
        if has_room(size_of(tuple(parts)), device):  # else each part goes to the device in each validation
            parts = [(given.to(device), wanted.to(device)) for given, wanted in parts]
        return rating_error(_predict, parts, validation.scale)


def _predict(network: RatingNetwork, given: Any, pattern: SparseRows) -> Tensor:
    return network.at(given.to(network.device), pattern.to(network.device))
