"""An `Autoencoder` over rows of ratings: its output is on a rating scale, and its loss sums over stored ratings."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from recae.errors import ParameterError, Remedy
from recae.models.outputs.heads import STEEPNESS, Head, OrdinalHead, make_head
from recae.nn import Autoencoder, Decode, Decoder, Encoder
from recae.nn.layers import Beside, Presence, Rows, check_fraction, row_levels
from recae.nn.products import affine
from recae.recommender.biases import LEVEL_L2, RATINGS, Unit
from recae.sparse import SparseRows, sddmm
from recae.training import Batch

# Above this share of stored ratings, dense products are faster than the sparse kernels (measured by
# `python -m benchmarks.speed --only crossing`). A GPU is better at dense products, and its memory is smaller.
DENSE_ABOVE = {"cpu": 0.3, "cuda": 0.1, "mps": 0.0}
# The same of networks whose steps are fused on CUDA. Inferred, not measured: on an H200 an epoch of 6,040 x 3,706 takes
# 25 ms of dense products with .1 stored, and 4 ms of fused steps with .045, of which a third grows with the entries.
DENSE_ABOVE_FUSED = 0.3
DENSE_BYTES = 2**30


class Given(NamedTuple):
    """What the network is given of a batch.

    Attributes:
        rows: ratings in the model's unit, less means and level where these are taken away; hidden ones are 0.
        shown: which ratings are shown, bool (nnz,); None for all.
        level: the mean deviation of each row's shown ratings, (batch,); None where it stays in the rows.
    """

    rows: SparseRows
    shown: Tensor | None
    level: Tensor | None


class RowNoise(nn.Module):
    """Centres the ratings of a row and, in training, hides some of them.

    Args:
        fraction: share of the ratings that is hidden in training.
        means: mean ratings of the columns, (n,), needed to centre and to tell levels; else None.
        whole: share of the rows that lose all their ratings in training.
        unit: the unit that ratings are brought to.
        centred: the means are subtracted.
        levelled: the row's level is subtracted: the mean of what its shown ratings are above `means`, drawn to 0.
    """

    means: Tensor | None

    def __init__(
        self, fraction: float, means: Tensor | None = None, whole: float = 0.0, *, unit: Unit = RATINGS,
        centred: bool = False, levelled: bool = False,
    ) -> None:  # fmt: skip
        super().__init__()
        self.fraction, self.whole = check_fraction("noise", fraction), check_fraction("hide_rows", whole)
        self.unit, self.centred, self.levelled = unit, centred, levelled
        self.register_buffer("means", means.clone() if means is not None and (centred or levelled) else None)

    def forward(self, rows: SparseRows) -> SparseRows:
        return self.given(rows).rows

    def given(self, rows: SparseRows) -> Given:
        """What the network is given of `rows` (batch, n)."""
        means = None if self.means is None else self.means.index_select(0, rows.indices)
        shown, level = self._draw(rows), None
        if self.levelled:
            assert means is not None
            level = row_levels(rows, means, shown, LEVEL_L2) / self.unit.factor
        values = self._read(rows.values, means, None if level is None else rows.spread(level))
        return Given(rows.with_values(values if shown is None else values * shown), shown, level)

    def given_dense(self, ratings: Tensor, stored: Tensor) -> tuple[Tensor, Tensor | None]:
        """The same of dense rows (batch, n), nothing hidden: what is read, 0 where not `stored`, and levels (batch, 1).

        `stored` (batch, n): whether a rating is one.
        """
        level = None
        if self.levelled:
            assert self.means is not None
            above = torch.where(stored, ratings - self.means, 0.0)
            level = above.sum(1, keepdim=True) / (stored.sum(1, keepdim=True) + LEVEL_L2) / self.unit.factor
        return torch.where(stored, self._read(ratings, self.means, level), 0.0), level

    def _draw(self, rows: SparseRows) -> Tensor | None:
        """Which ratings are shown, bool (nnz,); None for all."""
        if not (self.training and (self.fraction or self.whole)):
            return None
        shown = torch.rand_like(rows.values) >= self.fraction
        if self.whole:
            shown &= rows.spread(torch.rand(len(rows), device=rows.device) >= self.whole)
        return shown

    def _read(self, ratings: Tensor, means: Tensor | None, level: Tensor | None) -> Tensor:
        """Ratings in the unit, less means and level where these are taken away."""
        values = (ratings - means) / self.unit.factor if self.centred else self.unit.inside(ratings)  # type: ignore[operator]
        return values if level is None else values - level


class RatingNetwork(nn.Module):
    """Rows of ratings (batch, n) to rows of predicted ratings.

    Args:
        n_cols: ratings a row could have.
        hidden: widths of the hidden layers, the narrowest being the code.
        activation, dropout: of the hidden layers.
        output: "identity", "sigmoid" (stretched over the scale), or a head.
        scale: lowest and highest rating.
        start: mean ratings of columns, (n_cols,): the outputs before training; None for the middle of the scale.
        centred: the input is ratings less `start`, not the ratings themselves.
        levelled: the input is less the row's own mean deviation from `start`, which is added to the outputs.
        mask_input: which ratings there are, whatever their values, is input too (`Presence`).
        noise: share of input ratings hidden in training.
        code_dropout: share of the code's units dropped in training.
        l2, inner_l2: L2 weights of the outermost two layers and of those between, for the summed loss:
            the optimiser's decay is to be 1 / rows, as the objective is per row.
    """

    def __init__(
        self, n_cols: int, hidden: tuple[int, ...], *, activation: str, output: str | Head,
        scale: tuple[float, float], start: Tensor | None = None, dropout: float = 0.0, noise: float = 0.0,
        l2: float = 0.0, inner_l2: float = 0.0, centred: bool = False, levelled: bool = False, mask_input: bool = False,
        code_dropout: float = 0.0,
    ) -> None:  # fmt: skip
        super().__init__()
        start = torch.full((n_cols,), sum(scale) / 2) if start is None else start
        middle = (len(hidden) + 1) // 2
        self.head = make_head(output, scale) if isinstance(output, str) else output
        if levelled and not (type(self.head) is Head or isinstance(self.head, OrdinalHead)):
            raise ParameterError(
                "rows can be read less their level only where the output is the rating itself, or ordinal",
                name="input", value="residual" if centred else "levelled",
                remedy=Remedy("use {output}", output="identity"),
            )  # fmt: skip
        ordinal = levelled and isinstance(self.head, OrdinalHead)
        self.steepness = nn.Parameter(torch.tensor(STEEPNESS)) if ordinal else None
        self.core = Autoencoder(
            Encoder([n_cols, *hidden[:middle]], activation, dropout),
            Decoder([*hidden[middle - 1 :], n_cols], activation, dropout=dropout),
            noise=RowNoise(noise, start, unit=self.head.unit, centred=centred, levelled=levelled),
        )
        self.presence = Presence(n_cols, hidden[0]) if mask_input else None
        self.code_dropout = nn.Dropout(check_fraction("code_dropout", code_dropout))
        self.dense = False
        for layer in [*self.core.encoder.layers, *self.core.decoder.layers]:  # type: ignore[misc]
            layer.weight.decay_factor = inner_l2 if layer in self.inner else l2
        if self.presence is not None:
            self.presence.weight.decay_factor = l2  # type: ignore[attr-defined]
        if activation == "sigmoid":
            self._widen()
        with torch.no_grad():  # small output weights and means as biases: training starts from "everything is average"
            bound = 0.1 / math.sqrt(hidden[-1])
            nn.init.uniform_(self.last.weight, -bound, bound)
            if not start.is_meta:  # a network that is made for its shapes only (`recae.recommender.learned`)
                self.last.bias.copy_(self.to_logits(start))

    @torch.no_grad()
    def _widen(self) -> None:
        """Initialise layers between sigmoids with four times Glorot's bound (Glorot and Bengio, 2010).

        The slope of a sigmoid at 0 is a quarter. Otherwise the output of a deep stack is the same for every row, and
        it learns nothing for many epochs.
        """
        for layer in self.inner:
            layer.weight.mul_(4)  # type: ignore[operator]

    @property
    def inner(self) -> list[nn.Module]:
        """The layers between the outermost two."""
        return [*self.core.encoder.layers[1:], *self.core.decoder.layers[:-1]]  # type: ignore[index]

    @property
    def last(self) -> Decode:
        """The output layer: weight (n, k), bias (n,)."""
        layer = self.core.decoder.layers[-1]  # type: ignore[index]
        assert isinstance(layer, Decode)
        return layer

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return self.last.weight.device

    @property
    def is_plain(self) -> bool:
        """The output is the rating itself, and nothing but ratings is input: a network whose steps can be fused."""
        return type(self) is RatingNetwork and type(self.head) is Head and self.presence is None

    def choose_path(self, rows: SparseRows, path: str) -> bool:
        """Choose dense or sparse products; dense ones where `rows` are filled enough and a dense copy is small.

        Returns whether products are dense, which `path` ("auto", "sparse", "dense") can force.
        """
        fused = self.device.type == "cuda" and self.is_plain
        crowded = rows.density >= (DENSE_ABOVE_FUSED if fused else DENSE_ABOVE.get(self.device.type, 0.3))
        small = 4 * len(rows) * rows.n_cols <= DENSE_BYTES
        self.dense = path == "dense" or (path == "auto" and crowded and small)
        return self.dense

    # ---------------------------------------------------------------- from rows to logits

    def read(self, rows: Any) -> tuple[Tensor, Given]:
        """Input of the output layer, (batch, k), and what it was made of."""
        given: Given = self.core.noise.given(self.ratings_of(rows))  # type: ignore[operator]
        beside = self.beside(rows, given.rows, given.shown)
        x = given.rows.to_dense() if self.dense and self.training else given.rows
        return self.through(x, beside), given

    def through(self, x: Rows, beside: Beside = ()) -> Tensor:
        """Output of the last hidden layer, (batch, k), from centred rows and terms to add to each layer."""
        middle = len(self.core.encoder.layers)  # type: ignore[arg-type]
        code = self.code_dropout(self.core.encoder(x, beside[:middle]))
        return self.core.decoder.hidden(code, beside[middle:])  # type: ignore[operator, no-any-return]

    def ratings_of(self, rows: Any) -> SparseRows:
        """The ratings of `rows`; a subclass's rows may hold more."""
        return rows  # type: ignore[no-any-return]

    def beside(self, rows: Any, given: SparseRows, shown: Tensor | None) -> Beside:
        """Terms that are added to the hidden layers before their activations, one a layer: (batch, width) or None."""
        terms: list[Tensor | None] = [None] * (1 + len(self.inner))
        if self.presence is not None:
            terms[0] = self.presence(given, shown)
        return terms

    def hidden(self, rows: Any) -> Tensor:
        """Input of the output layer, (batch, k)."""
        return self.read(rows)[0]

    def levels(self, rows: Any) -> Tensor:
        """What a levelled network adds to all outputs of a row, (batch,)."""
        given: Given = self.core.noise.given(self.ratings_of(rows))  # type: ignore[operator]
        added = self.added(given.level)
        assert added is not None
        return added

    def added(self, level: Tensor | None) -> Tensor | None:
        """What is added to all outputs of each row, of the shape of `level`: as a score where levels are ordered."""
        return level if level is None or self.steepness is None else level * self.steepness

    def output_layer(self) -> tuple[Tensor, Tensor]:
        """Output weights (n, k) and biases (n,), as predictions use them."""
        return self.last.weight, self.last.bias

    def entry_weights(self, shown: Tensor | None) -> Tensor | None:
        """Weight of each stored rating in the loss, (nnz,), by whether it was shown; None for 1."""
        return None

    # ---------------------------------------------------------------- predictions

    def at(self, rows: Any, pattern: SparseRows) -> Tensor:
        """Predictions at the stored entries of `pattern`, (nnz,), unclipped."""
        return self.finish(self.logits_at(rows, pattern), pattern.indices)

    def logits_at(self, rows: Any, pattern: SparseRows) -> Tensor:
        """Input of the head at the stored entries of `pattern`, (nnz,)."""
        hidden, given = self.read(rows)
        logits, added = sddmm(pattern, hidden, *self.output_layer()), self.added(given.level)
        return logits if added is None else logits + pattern.spread(added)

    def full(self, rows: Any) -> Tensor:
        """All predictions of `rows`, (batch, n), unclipped."""
        weight, bias = self.output_layer()
        hidden, given = self.read(rows)
        logits = affine(bias, hidden, weight.t())
        if (added := self.added(given.level)) is not None:
            logits = logits + added[:, None]
        return self.finish(logits, torch.arange(len(bias), device=bias.device))

    def finish(self, logits: Tensor, columns: Tensor | None = None) -> Tensor:
        """Ratings from logits (see `recae.models.outputs.heads`)."""
        return self.head.finish(logits, columns)

    def to_logits(self, ratings: Tensor) -> Tensor:
        """The logits whose `finish` is `ratings`, as far as the head reaches."""
        return self.head.to_logits(ratings)

    def extra_repr(self) -> Any:
        return f"dense={self.dense}"


def rating_loss(network: RatingNetwork, batch: Batch) -> Tensor:
    """The head's loss at the stored ratings, summed, divided by the number of rows."""
    target = network.ratings_of(batch.target)
    hidden, given = network.read(batch.input)
    logits = _logits(network, hidden, target, *network.output_layer(), network.added(given.level))
    return network.head.loss(logits, target, network.entry_weights(given.shown))


def pretraining_loss(network: RatingNetwork) -> Callable[[Any, Batch], Tensor]:
    """`rating_loss` of only the outermost layers of `network`, which form an autoencoder."""

    def loss(pair: Any, batch: Batch) -> Tensor:
        target = network.ratings_of(batch.target)
        given: Given = pair.noise.given(batch.input)
        code = pair.encoder(given.rows.to_dense() if network.dense else given.rows)
        weight, bias = pair.decoder.layers[-1].parameters()
        return network.head.loss(_logits(network, code, target, weight, bias, network.added(given.level)), target)

    return loss


def _logits(
    network: RatingNetwork, hidden: Tensor, target: SparseRows, weight: Tensor, bias: Tensor, added: Tensor | None
) -> Tensor:
    """Input of the head at the stored entries of `target`, (nnz,)."""
    if network.dense:
        logits = affine(bias, hidden, weight.t())[target.row_of(), target.indices.long()]
    else:
        logits = sddmm(target, hidden, weight, bias)
    return logits if added is None else logits + target.spread(added)
