"""The shared core, put to ratings: an `Autoencoder` whose loss and output are on a rating scale."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn

from recae.models.autorec.heads import Head, make_head
from recae.nn import Autoencoder, Decode, Decoder, Encoder
from recae.nn.layers import Beside, Rows, check_fraction, glorot_uniform
from recae.nn.products import affine
from recae.sparse import SparseRows, sddmm, spmm
from recae.training import Batch

# Above this share of stored ratings, dense products are faster than the sparse kernels (`benchmarks.speed`
# measures it). A GPU is better at dense products, and its memory is smaller.
DENSE_ABOVE = {"cpu": 0.3, "cuda": 0.1, "mps": 0.0}
DENSE_BYTES = 2**30


class RowNoise(nn.Module):
    """What is done to a row before it is encoded.

    Args:
        fraction: of the ratings, hidden in training.
        means: mean ratings of columns, (n,), which stored ratings are taken less; None for ratings as they are.
        whole: fraction of the rows that lose all their ratings in training.
    """

    means: Tensor | None

    def __init__(self, fraction: float, means: Tensor | None = None, whole: float = 0.0) -> None:
        super().__init__()
        self.fraction, self.whole = check_fraction("noise", fraction), check_fraction("hide_rows", whole)
        self.register_buffer("means", None if means is None else means.clone())

    def forward(self, rows: SparseRows) -> SparseRows:
        return self.both(rows)[0]

    def both(self, rows: SparseRows) -> tuple[SparseRows, Tensor | None]:
        """The rows, hidden ratings being 0; and which ratings are shown, bool (nnz,), None for all."""
        values = rows.values if self.means is None else rows.values - self.means[rows.indices]
        if not self.training or not (self.fraction or self.whole):
            return rows.with_values(values), None
        shown = torch.rand_like(values) >= self.fraction
        if self.whole:
            shown &= (torch.rand(len(rows), device=rows.device) >= self.whole)[rows.row_of()]
        return rows.with_values(values * shown), shown


class Presence(nn.Module):
    """What was rated, whatever the rating, through weights of its own: Σ over a row's shown places of weight[column].

    The implicit signal of SVD++ (Koren, 2008, eq. 15), as a second input. Weight (n_cols, k).
    """

    def __init__(self, n_cols: int, width: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(n_cols, width))
        glorot_uniform(self.weight)

    def forward(self, rows: SparseRows, shown: Tensor | None) -> Tensor:
        """(batch, k); `shown`: see `RowNoise.both`."""
        ones = torch.ones_like(rows.values) if shown is None else shown.to(rows.values.dtype)
        return spmm(rows.with_values(ones), self.weight)


class RatingNetwork(nn.Module):
    """Rows of ratings (batch, n) to rows of predicted ratings.

    Args:
        n_cols: ratings a row could have.
        hidden: widths of the hidden layers, the narrowest being the code.
        activation, dropout: of the hidden layers.
        output: "identity", "sigmoid" (stretched over the scale), or a head.
        scale: lowest and highest rating.
        start: mean ratings of columns, (n_cols,), which each output unit starts from; None for the middle.
        centred: the input is what ratings are above `start`, not the ratings themselves.
        mask_input: what was rated, whatever the rating, is input too (`Presence`).
        noise: fraction of input ratings hidden in training.
        code_dropout: fraction of the code's units dropped in training.
        l2, inner_l2: L2 weights of the outermost two layers and of those between, for the summed loss:
            the optimiser's decay is to be 1 / rows, as the objective is per row.
    """

    def __init__(
        self, n_cols: int, hidden: tuple[int, ...], *, activation: str, output: str | Head,
        scale: tuple[float, float], start: Tensor | None = None, dropout: float = 0.0, noise: float = 0.0,
        l2: float = 0.0, inner_l2: float = 0.0, centred: bool = False, mask_input: bool = False,
        code_dropout: float = 0.0,
    ) -> None:  # fmt: skip
        super().__init__()
        start = torch.full((n_cols,), sum(scale) / 2) if start is None else start
        middle = (len(hidden) + 1) // 2
        self.core = Autoencoder(
            Encoder([n_cols, *hidden[:middle]], activation, dropout),
            Decoder([*hidden[middle - 1 :], n_cols], activation, dropout=dropout),
            noise=RowNoise(noise, start if centred else None),
        )
        self.head = make_head(output, scale) if isinstance(output, str) else output
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
            self.last.bias.copy_(self.to_logits(start))

    @torch.no_grad()
    def _widen(self) -> None:
        """Four times Glorot's bound for layers between sigmoids, whose slope at 0 is a quarter (Glorot and Bengio,
        2010): else a deep stack says the same for every row, and learns nothing for many epochs."""
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

    def choose_path(self, rows: Any, path: str) -> bool:
        """Whether products are dense: forced, or where `rows` are filled enough and a dense copy would be small."""
        crowded = rows.density >= DENSE_ABOVE.get(self.last.bias.device.type, 0.3)
        small = 4 * len(rows) * rows.n_cols <= DENSE_BYTES
        self.dense = path == "dense" or (path == "auto" and crowded and small)
        return self.dense

    # ---------------------------------------------------------------- from rows to logits

    def read(self, rows: Any) -> tuple[Tensor, Tensor | None]:
        """What the output layer is given, (batch, k), and which of the stored ratings it was made from."""
        given, shown = self.core.noise.both(self.ratings_of(rows))  # type: ignore[operator]
        beside = self.beside(rows, given, shown)
        x = given.to_dense() if self.dense and self.training else given
        return self.through(x, beside), shown

    def through(self, x: Rows, beside: Beside = ()) -> Tensor:
        """The hidden layers, the last of which is (batch, k), from what the first one is given."""
        middle = len(self.core.encoder.layers)  # type: ignore[arg-type]
        code = self.code_dropout(self.core.encoder(x, beside[:middle]))
        return self.core.decoder.hidden(code, beside[middle:])  # type: ignore[operator, no-any-return]

    def ratings_of(self, rows: Any) -> SparseRows:
        """The ratings of `rows`, where these hold more."""
        return rows  # type: ignore[no-any-return]

    def beside(self, rows: Any, given: SparseRows, shown: Tensor | None) -> Beside:
        """What is added to each hidden layer before its activation, layer by layer: (batch, width) or None."""
        terms: list[Tensor | None] = [None] * (1 + len(self.inner))
        if self.presence is not None:
            terms[0] = self.presence(given, shown)
        return terms

    def hidden(self, rows: Any) -> Tensor:
        """What the output layer is given, (batch, k)."""
        return self.read(rows)[0]

    def units(self) -> tuple[Tensor, Tensor]:
        """The output layer as it is used: weight (n, k), bias (n,)."""
        return self.last.weight, self.last.bias

    def entry_weights(self, shown: Tensor | None) -> Tensor | None:
        """What each stored rating counts in the loss, (nnz,), by whether it was shown; None for 1."""
        return None

    # ---------------------------------------------------------------- loss and predictions

    def objective(self, model: nn.Module, batch: Batch) -> Tensor:
        """The head's loss at the stored places, summed, per row.

        `model` is this network or, in pretraining, a shallower autoencoder over the same rows.
        """
        rows, target = batch.input, self.ratings_of(batch.target)
        if not isinstance(model, RatingNetwork):
            x = model.noise(rows)  # type: ignore[operator]
            code = model.encoder(x.to_dense() if self.dense else x)  # type: ignore[operator]
            return self.head.loss(self._outputs(code, target, *model.decoder.layers[-1].parameters()), target)  # type: ignore[union-attr, index]
        hidden, shown = self.read(rows)
        return self.head.loss(self._outputs(hidden, target, *self.units()), target, self.entry_weights(shown))

    def _outputs(self, hidden: Tensor, target: SparseRows, weight: Tensor, bias: Tensor) -> Tensor:
        if self.dense:
            return affine(bias, hidden, weight.t())[target.row_of(), target.indices.long()]
        return sddmm(target, hidden, weight, bias)

    def at(self, rows: Any, places: SparseRows) -> Tensor:
        """Predictions at the stored places of `places`, (nnz,), unclipped."""
        return self.finish(self.logits_at(rows, places), places.indices)

    def logits_at(self, rows: Any, places: SparseRows) -> Tensor:
        """What the head is given at the stored places of `places`, (nnz,)."""
        return sddmm(places, self.hidden(rows), *self.units())

    def full(self, rows: Any) -> Tensor:
        """All predictions of `rows`, (batch, n), unclipped."""
        weight, bias = self.units()
        logits = affine(bias, self.hidden(rows), weight.t())
        return self.finish(logits, torch.arange(len(bias), device=bias.device))

    def finish(self, logits: Tensor, columns: Tensor | None = None) -> Tensor:
        """Ratings from logits (see `recae.models.autorec.heads`)."""
        return self.head.finish(logits, columns)

    def to_logits(self, ratings: Tensor) -> Tensor:
        """The logits whose `finish` is `ratings`, as far as the head reaches."""
        return self.head.to_logits(ratings)

    def extra_repr(self) -> Any:
        return f"dense={self.dense}"
