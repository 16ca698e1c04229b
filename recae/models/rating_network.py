"""The shared core, put to ratings: an `Autoencoder` whose loss and output are on a rating scale."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn

from recae.errors import ParameterError
from recae.nn import Autoencoder, Decode, Decoder, Encoder, Masking
from recae.nn.losses import masked_squared_error
from recae.sparse import SparseRows
from recae.training import Batch

# Above this share of stored ratings, dense products are faster than the sparse kernels (`benchmarks/speed.py`
# measures it). A GPU is better at dense products, and its memory is smaller.
DENSE_ABOVE = {"cpu": 0.3, "cuda": 0.1, "mps": 0.0}
DENSE_BYTES = 2**30


class Centre(nn.Module):
    """Stored ratings less the mean of their column, (n,): what is missing stays missing."""

    def __init__(self, means: Tensor) -> None:
        super().__init__()
        self.register_buffer("means", means.clone())

    def forward(self, rows: SparseRows) -> SparseRows:
        return rows.with_values(rows.values - self.means[rows.indices])  # type: ignore[index]


class RatingNetwork(nn.Module):
    """Rows of ratings (batch, n) to rows of predicted ratings.

    Args:
        n_cols: ratings a row could have.
        hidden: widths of the hidden layers, the narrowest being the code.
        activation, dropout: of the hidden layers.
        output: "identity", or "sigmoid", which is stretched over the scale.
        scale: lowest and highest rating.
        start: mean ratings of columns, (n_cols,), which each output unit starts from; None for the middle.
        centred: the input is what ratings are above `start`, not the ratings themselves.
        noise: fraction of input ratings hidden in training.
        l2, inner_l2: L2 weights of the outermost two layers and of those between, for the summed squared error:
            the optimiser's decay is to be 1 / rows, as the objective is per row.
    """

    def __init__(
        self, n_cols: int, hidden: tuple[int, ...], *, activation: str, output: str,
        scale: tuple[float, float], start: Tensor | None = None, dropout: float = 0.0, noise: float = 0.0,
        l2: float = 0.0, inner_l2: float = 0.0, centred: bool = False,
    ) -> None:  # fmt: skip
        super().__init__()
        start = torch.full((n_cols,), sum(scale) / 2) if start is None else start
        middle = (len(hidden) + 1) // 2
        self.core = Autoencoder(
            Encoder([n_cols, *hidden[:middle]], activation, dropout),
            Decoder([*hidden[middle - 1 :], n_cols], activation, dropout=dropout),
            noise=nn.Sequential(*([Centre(start)] if centred else []), *([Masking(noise)] if noise else [])),
        )
        self.output, self.scale = output, scale
        self.dense = False
        for layer in [*self.core.encoder.layers, *self.core.decoder.layers]:  # type: ignore[misc]
            layer.weight.decay_factor = inner_l2 if layer in self.inner else l2
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

    def choose_path(self, rows: SparseRows, path: str) -> bool:
        """Whether products are dense: forced, or where `rows` are filled enough and a dense copy would be small."""
        crowded = rows.density >= DENSE_ABOVE.get(rows.device.type, 0.3)
        small = 4 * len(rows) * rows.n_cols <= DENSE_BYTES
        self.dense = path == "dense" or (path == "auto" and crowded and small)
        return self.dense

    def objective(self, model: nn.Module, batch: Batch) -> Tensor:
        """Squared error at the stored places, summed, per row (`masked_squared_error`), and the code's penalty.

        `model` is this network or, in pretraining, a shallower autoencoder over the same rows.
        """
        core = model.core if isinstance(model, RatingNetwork) else model
        rows, target = batch
        if self.dense:
            code, penalty = core.code(core.encoder(core.noise(rows).to_dense()))  # type: ignore[operator]
            logits = core.decoder(code)[target.row_of(), target.indices.long()]  # type: ignore[operator]
        else:
            logits, penalty = core(rows, at=target)
        error = masked_squared_error(self.finish(logits), target.values, len(target))
        return error + penalty  # type: ignore[no-any-return]

    def at(self, rows: SparseRows, places: SparseRows) -> Tensor:
        """Predictions at the stored places of `places`, (nnz,), unclipped."""
        logits: Tensor = self.core(rows, at=places).logits
        return self.finish(logits)

    def full(self, rows: SparseRows) -> Tensor:
        """All predictions of `rows`, (batch, n), unclipped."""
        return self.finish(self.core(rows).logits)

    def hidden(self, rows: SparseRows) -> Tensor:
        """What the output layer is given, (batch, k)."""
        hidden: Tensor = self.core.decoder.hidden(self.core.encode(rows))  # type: ignore[operator]
        return hidden

    def finish(self, logits: Tensor) -> Tensor:
        """Output head: as it is, or low + (high - low) s(x)."""
        if self.output == "identity":
            return logits
        low, high = self.scale
        return low + (high - low) * torch.sigmoid(logits)

    def to_logits(self, ratings: Tensor) -> Tensor:
        """The logits whose `finish` is `ratings` (for the sigmoid, pulled 2 % inside the scale)."""
        if self.output == "identity":
            return ratings
        low, high = self.scale
        if not high > low:
            raise ParameterError(f"output='sigmoid' needs a scale wider than {low:g} to {high:g}; use 'identity'")
        return torch.logit(((ratings - low) / (high - low)).clamp(0.02, 0.98))

    def extra_repr(self) -> Any:
        return f"output={self.output}, scale={self.scale}, dense={self.dense}"
