"""DualAutoRec: an item-based AutoRec that also encodes each user's ratings of other items."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from recae._types import Csr, FloatArray, IntArray, Scores
from recae.models.item_codes.dual_network import (
    DualBatches,
    DualInput,
    DualNetwork,
    ItemRows,
    UserRows,
    dual_loss,
    outermost_loss,
)  # fmt: skip
from recae.models.outputs.heads import (
    BINS,
    FEW_LEVELS,
    LEVELS,
    Head,
    OrdinalHead,
    finish,
    has_levels,
    ordinal_head,
)  # fmt: skip
from recae.models.outputs.ordinal_folding import solve_columns_ordinal
from recae.nn.layers import as_widths
from recae.ratings import RatingMatrix
from recae.recommender.epochs import STEPS, TrainedByOptimizer, load_network, rating_error
from recae.recommender.fitting import FitOptions
from recae.recommender.folding import solve_columns
from recae.recommender.item_codes import ItemCodes, as_numpy
from recae.recommender.learned import LearnedArrays
from recae.recommender.params import default, hyperparameters, learned, param
from recae.recommender.registry import register
from recae.recommender.scoring import products_at
from recae.sparse import SparseRows
from recae.training import RowBatches
from recae.training.pretraining import pretrain

BLOCK = 2048  # item rows encoded at once
SIDE_L2, ORDINAL_SIDE_L2 = 30.0, 12.0  # under squared error, and under the likelihood of ordered levels
ORDINAL_L2 = 0.25  # what L2 weights are multiplied by under the likelihood, whose slopes are smaller than the error's


@register("dual-autorec", "item autoencoder whose output units are encoded from what the users gave")
@hyperparameters
class DualAutoRec(ItemCodes, TrainedByOptimizer):
    """Encodes item rows as AutoRec does, and a part of each user's output weights from the user's own row.

    The prediction is w_u · h_i + b_u + p_u · (A h_i + q_i). h_i is encoded from the ratings of item i and from which
    users gave one; p_u = tanh(...) from the ratings of user u and from which items have one (SVD++'s implicit sum,
    Koren 2008, and NSVD's explicit one, Paterek 2007, here through a tanh). w, b and q are free parameters.
    Item rows are read less their level, which is added to the predictions: what the network learns is the rest.
    `hidden=(500, 250, 500)` with `pretrain_epochs` is a deep item encoder, pretrained as AutoRec's.

    A user's row that holds the rating to be predicted would give it away. So each step hides the batch's items in all
    user rows: in training as in a test, a user is encoded from all ratings but the one to predict.

    Loss: Σ over stored ratings of (r - prediction)² + (l2 / 2) of AutoRec's weights and (side_l2 / 2) of the user
    encoder's. With ordinal output, which is the default where ratings are levels as stars are, the output is a score
    of ordered levels (McCullagh, 1980) with each user's own distances between them, the loss is -log P(r) of each
    rating, and the prediction is the mean of the distribution. An unseen user's p is encoded; w and b are a ridge
    regression of the residuals on the codes of the items rated (`recae.recommender.folding`), or of ordinal output
    the most likely ones.
    """

    side: int = param(64, "units of the user side", low=1)
    output: Literal["auto", "identity", "ordinal"] = param(
        "auto",
        f"what outputs are: the rating itself, or a score of ordered levels, which are ratings, or {BINS} parts of "
        f"them where there are more than {FEW_LEVELS} different ones; auto: ordinal where there are not",
        choices=("auto", "identity", "ordinal"),
    )
    l2: float | None = param(
        None,
        "L2 weight on the encoder and the output units, against the summed loss; none: 100, and up to 150 for a "
        "million ratings, and a quarter of that for ordinal output",
        low=0,
        tune=(10.0, 500.0, "log"),
    )
    inner_l2: float = param(
        10.0, "L2 weight on the layers between the first and the last, of a network with several hidden layers", low=0
    )
    side_l2: float | None = param(
        None,
        f"L2 weight on the user side, against the summed loss; none: {SIDE_L2:g}, and {ORDINAL_SIDE_L2:g} for ordinal "
        "output",
        low=0,
    )
    input: Literal["levelled", "raw"] = param(
        "levelled",
        "item rows less their level, which is added to the outputs, or as they are",
        choices=("levelled", "raw"),
    )
    noise: float = default(0.2)
    side_noise: float = param(0.3, "fraction of a user's ratings hidden in training", low=0)
    optimizer: str = default("adam", help="how to minimise", choices=("adam", "sgd"))
    lr: float = default(2e-3)
    batch_size: int | None = default(
        None, help="items a step; none: for 8 steps an epoch, 16 for a million ratings, at most 512; 0: all at once"
    )
    pretrain_epochs: int = param(0, "epochs of greedy layer-wise pretraining of the item side, each layer", low=0)

    network_: DualNetwork = learned()

    def _fit(self, ratings: RatingMatrix, validation: RatingMatrix | None, options: FitOptions) -> None:
        rows = self._inside(ratings.rows("item"))
        users = self._user_rows(ratings.user_rows)
        trainer = self._trainer(ratings, validation, options, decay=1 / len(rows), kernels=True)
        device = torch.device(trainer.device)
        validate = None
        if validation is not None:
            given = DualInput(rows.to(device), torch.arange(len(rows), device=device), users.to(device))
            held_out = SparseRows.from_scipy(validation.rows("item"), device=device)
            validate = rating_error(DualNetwork.at, [(given, held_out)], ratings.scale)
        size = self._rows_a_step(len(rows), steps=round(STEPS * growth(ratings.n_ratings)))
        batches = DualBatches(rows, users, batch_size=size)
        network = self._network(ratings, torch.from_numpy(self._unit.inside(self._baseline().user_means))).to(device)
        if self.pretrain_epochs and not trainer.resumes():
            item_rows = RowBatches(rows.to(device), batch_size=batches.batch_size)
            pretrain(network.core, item_rows, outermost_loss(network), trainer, epochs=self.pretrain_epochs)
            torch.nn.init.zeros_(network.rated.weight)  # training continues from the pretrained outputs
        self.history_ = trainer.fit(network, batches, dual_loss, validate)
        self.network_ = network

    def _network(
        self, ratings: RatingMatrix, start: Tensor | None = None, levels: FloatArray | None = None
    ) -> DualNetwork:
        head: Head = Head(self._unit)
        if self._is_ordinal(ratings) if levels is None else self.output != "identity":
            head = ordinal_head(ratings, self._unit, ratings.n_users, most=FEW_LEVELS, levels=levels)
        l2, side_l2 = self._l2(ratings, head), self._side_l2(head)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.rng)
            return DualNetwork(
                ratings.n_users, ratings.n_items, hidden=as_widths(self.hidden), side=self.side, start=start,
                act=self.activation, noise=self.noise, side_noise=self.side_noise, l2=l2, inner_l2=self.inner_l2,
                side_l2=side_l2, levelled=self.input == "levelled", head=head,
            )  # fmt: skip

    def _is_ordinal(self, ratings: RatingMatrix) -> bool:
        """Whether outputs are scores of ordered levels, where `output` is "auto": two levels or more, but few."""
        if self.output != "auto":
            return self.output == "ordinal"
        return has_levels(ratings)

    def _l2(self, ratings: RatingMatrix, head: Head) -> float:
        """`l2`, or by default a value found on held-out training ratings of sets of 30,000 to 900,000."""
        if self.l2 is not None:
            return self.l2
        return 50 * (1 + growth(ratings.n_ratings)) * (ORDINAL_L2 if isinstance(head, OrdinalHead) else 1)

    def _side_l2(self, head: Head) -> float:
        if self.side_l2 is not None:
            return self.side_l2
        return ORDINAL_SIDE_L2 if isinstance(head, OrdinalHead) else SIDE_L2

    def _make_codes(self) -> FloatArray:
        return np.concatenate([as_numpy(self.network_.codes(read, index)) for read, index in self._item_blocks()])

    def _make_levels(self) -> FloatArray | None:
        levels = [read.level for read, _ in self._item_blocks()] if self.network_.means is not None else []
        return np.concatenate([as_numpy(level) for level in levels if level is not None]) if levels else None

    def _item_blocks(self) -> Iterator[tuple[ItemRows, Tensor]]:
        """The training items' rows as they are read, and their index, a block at a time."""
        item_rows, device = self.ratings_.rows("item"), self.network_.offset.device
        for index in torch.split(torch.arange(item_rows.shape[0]), BLOCK):
            yield self.network_.read(self._inside(item_rows[index.numpy()], device)), index.to(device)

    def _make_output_layer(self) -> tuple[FloatArray, FloatArray]:
        return (
            np.concatenate([as_numpy(self.network_.last.weight), self._user_codes(self.ratings_.user_rows)], 1),
            as_numpy(self.network_.last.bias),
        )

    def _finish(self, logits: Scores, columns: IntArray | None = None) -> Scores:
        return finish(self.network_.head, logits, columns, self.network_.offset.device)

    def _finish_tensor(self, logits: Tensor, columns: Tensor | None = None) -> Tensor:
        return self.network_.head.finish(logits, columns)

    def _solve(self, user_rows: Csr) -> tuple[FloatArray, FloatArray]:
        with self._inference():
            encoded = self._user_codes(user_rows)
        codes, (weight, bias), width = self._codes(), self._mean_output(), as_widths(self.hidden)[-1]
        own, mean, known = codes[:, :width], weight[:width], self._known(user_rows, encoded, width)
        head, l2 = self.network_.head, max(self._l2(self.ratings_, self.network_.head), 2e-3)
        if isinstance(head, OrdinalHead):
            solved, new_bias = solve_columns_ordinal(own, user_rows, head.model, mean, bias, l2=l2, known=known)
        else:
            residual = self._unit.inside(user_rows.data) - known
            solved, new_bias = solve_columns(own, user_rows, residual, mean, bias, l2=l2 / 2)
        return np.concatenate([solved, encoded], 1), new_bias

    def _known(self, user_rows: Csr, encoded: FloatArray, width: int) -> FloatArray:
        """What needs no solving at the stored ratings, (nnz,): the users' encoded part, and the items' levels."""
        row = np.repeat(np.arange(user_rows.shape[0]), np.diff(user_rows.indptr))
        padded = np.concatenate([np.zeros((len(encoded), width), np.float32), encoded], 1)
        no_bias = np.zeros(len(encoded), np.float32)
        items = user_rows.indices.astype(np.int64)
        return self._add_levels(products_at(padded, no_bias, self._codes(), row, items), items)

    def _restore(self, arrays: LearnedArrays) -> None:
        if "means" not in arrays:
            self.input = "raw"  # a file from before rows were levelled
        levels = arrays.copied(LEVELS, -1)
        if self.output == "auto" and levels is None and self._is_ordinal(self.ratings_):
            self.output = "identity"  # or from before outputs could be ordinal
        self.network_ = load_network(lambda: self._network(self.ratings_, levels=levels), arrays, self.device)

    def _user_codes(self, user_rows: Csr) -> FloatArray:
        """p of user rows, (n_rows, side); within `_inference`."""
        return as_numpy(self.network_.user_codes(self._user_rows(user_rows).to(self.network_.offset.device)))

    def _user_rows(self, user_rows: Csr) -> UserRows:
        """Rows as the user encoder reads them, on the CPU."""
        return UserRows.of(self._inside(user_rows), torch.from_numpy(self._unit.inside(self._baseline().item_means)))


def growth(n_ratings: int) -> float:
    """What default settings follow: 1 for 300,000 ratings and fewer, 2 for a million and more, a power law between.

    With many ratings an item, 8 steps an epoch are too few to learn what there is, and after 16 a larger `l2` is best.
    With few, 16 steps cost twice and gain nothing.
    """
    return float(min(max((n_ratings / 300_000) ** 0.576, 1.0), 2.0))
