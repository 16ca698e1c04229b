"""Layers that take dense or sparse rows, and their activations.

A weight always has the shape (wide side, narrow side): the encoder multiplies by it, the decoder by its
transpose. Tying a decoder to an encoder is then nothing but sharing the parameter, and both read their
weight row by row, which is what the sparse kernels want.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from recae.errors import DataError, ParameterError
from recae.nn.products import affine
from recae.sparse import SparseRows, sddmm, spmm

Activation = Callable[[Tensor], Tensor]
Rows = Tensor | SparseRows
Beside = Sequence[Tensor | None]  # for each layer, what is added before its activation, (batch, width), or nothing


class Encode(nn.Module):
    """x W + b: from (batch, n_in) dense or sparse rows to (batch, n_out). Weight (n_in, n_out)."""

    def __init__(self, n_in: int, n_out: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(n_in, n_out))
        self.bias = nn.Parameter(torch.zeros(n_out))
        glorot_uniform(self.weight)

    def forward(self, x: Rows) -> Tensor:
        """(batch, n_out).

        Raises:
            DataError, ParameterError: dense, respectively sparse, rows are not n_in wide.
        """
        if isinstance(x, SparseRows):
            return spmm(x, self.weight) + self.bias
        if x.dim() != 2 or x.shape[1] != self.weight.shape[0]:
            raise DataError(
                f"rows of shape {tuple(x.shape)} for a layer that takes (batch, {self.weight.shape[0]})",
                remedy=(
                    f"give rows of {self.weight.shape[0]} values each (flatten an image)",
                    "build the model for the width of your rows",
                ),
            )
        return affine(self.bias, x, self.weight)


class Decode(nn.Module):
    """h Wᵀ + b: from (batch, n_in) to (batch, n_out), all of it or only at stored entries. Weight (n_out, n_in).

    With `tied_to`, the weight is that encoder's.
    """

    def __init__(self, n_in: int, n_out: int, tied_to: Encode | None = None) -> None:
        super().__init__()
        if tied_to is not None and tied_to.weight.shape != (n_out, n_in):
            raise ParameterError(
                f"a {n_in}-to-{n_out} decoder cannot be tied to a weight {tuple(tied_to.weight.shape)}"
            )
        self.weight = nn.Parameter(torch.empty(n_out, n_in)) if tied_to is None else tied_to.weight
        self.bias = nn.Parameter(torch.zeros(n_out))
        if tied_to is None:
            glorot_uniform(self.weight)

    def forward(self, h: Tensor) -> Tensor:
        return affine(self.bias, h, self.weight.t())

    def at(self, h: Tensor, pattern: SparseRows) -> Tensor:
        """The output at the stored entries of `pattern` (batch rows, n_out columns): (nnz,)."""
        return sddmm(pattern, h, self.weight, self.bias)


class Presence(nn.Module):
    """A second input of 1 for each rating, whatever its value: Σ over a row's shown entries of weight[column].

    The implicit signal of SVD++ (Koren, 2008, eq. 15). Weight (n_cols, k).
    """

    def __init__(self, n_cols: int, width: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(n_cols, width))
        glorot_uniform(self.weight)

    def forward(self, rows: SparseRows, shown: Tensor | None) -> Tensor:
        """(batch, k); `shown`: which of the entries are shown, bool (nnz,), None for all."""
        ones = torch.ones_like(rows.values) if shown is None else shown.to(rows.values.dtype)
        return spmm(rows.with_values(ones), self.weight)


def row_levels(rows: SparseRows, means: Tensor, shown: Tensor | None, l2: float) -> Tensor:
    """Levels of rows, (batch,): means of what a row's shown ratings are above those of their columns, drawn to 0.

    Args:
        rows: ratings (batch, n).
        means: means of the columns, at the stored ratings, (nnz,).
        shown: which of the ratings are shown, (nnz,); None for all.
        l2: ratings' worth of pull towards 0.
    """
    above = rows.values - means
    if shown is None:
        return rows.with_values(above).sums() / (rows.lengths() + l2)
    count = rows.with_values(shown.to(above.dtype)).sums()
    return rows.with_values(above.mul_(shown)).sums() / (count + l2)


class Encoder(nn.Module):
    """A stack of `Encode` layers: sizes (n, d1, ..., dm), an activation after each but perhaps the last.

    Args:
        sizes: widths from the row to the code.
        activations: one name for all layers, or one a layer.
        dropout: fraction of units dropped after each activation, in training.
    """

    def __init__(
        self, sizes: Sequence[int], activations: str | Sequence[str] = "sigmoid", dropout: float = 0.0
    ) -> None:
        super().__init__()
        check_sizes(sizes)
        self.layers = nn.ModuleList(Encode(a, b) for a, b in itertools.pairwise(sizes))
        self.activations = [activation(name) for name in per_layer(activations, len(self.layers))]
        self.dropout = nn.Dropout(check_fraction("dropout", dropout))

    @classmethod
    def of(cls, layers: Sequence[nn.Module], activations: Sequence[Activation], dropout: float = 0.0) -> Encoder:
        """A stack around layers that exist already, one activation each."""
        stack: Encoder = _stack(cls, layers, activations, dropout)
        return stack

    def forward(self, x: Rows, beside: Beside = ()) -> Tensor:
        """(batch, width of the code); `beside`: what each layer is given besides the layer before it."""
        h: Rows = x
        for layer, act, more in itertools.zip_longest(self.layers, self.activations, beside):
            h = self.dropout(act(layer(h) if more is None else layer(h) + more))
        if isinstance(h, SparseRows):
            raise ParameterError("an encoder needs at least one layer")
        return h

    def from_product(self, product: Tensor) -> Tensor:
        """As `forward`, from rows times the weight of the first layer, (batch, d1)."""
        first: Any = self.layers[0]
        h: Tensor = self.dropout(self.activations[0](product + first.bias))
        for layer, act in zip(self.layers[1:], self.activations[1:]):
            h = self.dropout(act(layer(h)))
        return h


class Decoder(nn.Module):
    """A stack of `Decode` layers: sizes (d, ..., n); an activation after each but the last.

    The last layer's output is left as it is (logits): the autoencoder's output head decides what it becomes.

    Args:
        sizes: widths from the code to the row.
        activations: one name for all inner layers, or one each (len(sizes) - 2 names).
        tied_to: an encoder whose weights are used, transposed, in reverse order.
        dropout: fraction of units dropped after each inner activation, in training.
    """

    def __init__(
        self,
        sizes: Sequence[int],
        activations: str | Sequence[str] = "sigmoid",
        tied_to: Encoder | None = None,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        check_sizes(sizes)
        twins: list[Any] = [None] * (len(sizes) - 1) if tied_to is None else list(tied_to.layers)[::-1]
        self.layers = nn.ModuleList(Decode(a, b, twin) for a, b, twin in zip(sizes[:-1], sizes[1:], twins))
        self.activations = [activation(name) for name in per_layer(activations, len(self.layers) - 1)]
        self.dropout = nn.Dropout(check_fraction("dropout", dropout))

    @classmethod
    def of(cls, layers: Sequence[nn.Module], activations: Sequence[Activation], dropout: float = 0.0) -> Decoder:
        """A stack around layers that exist already; an activation for each but the last."""
        stack: Decoder = _stack(cls, layers, activations, dropout)
        return stack

    @property
    def code_width(self) -> int:
        """How many numbers a code has."""
        first = self.layers[0]
        assert isinstance(first, Decode)
        return first.weight.shape[1]

    def hidden(self, code: Tensor, beside: Beside = ()) -> Tensor:
        """What the last layer is given: (batch, width of the last hidden layer); `beside` as for `Encoder`."""
        for layer, act, more in itertools.zip_longest(self.layers[:-1], self.activations, beside):
            code = self.dropout(act(layer(code) if more is None else layer(code) + more))
        return code

    def forward(self, code: Tensor) -> Tensor:
        logits: Tensor = self.layers[-1](self.hidden(code))
        return logits

    def at(self, code: Tensor, pattern: SparseRows) -> Tensor:
        """The output at the stored entries of `pattern`: (nnz,)."""
        last = self.layers[-1]
        assert isinstance(last, Decode)
        return last.at(self.hidden(code), pattern)


def _stack(kind: Any, layers: Sequence[nn.Module], activations: Sequence[Activation], dropout: float) -> Any:
    stack = kind.__new__(kind)
    nn.Module.__init__(stack)
    stack.layers, stack.activations, stack.dropout = nn.ModuleList(layers), list(activations), nn.Dropout(dropout)
    return stack


def glorot_uniform(weight: Tensor) -> None:
    """Uniform in ±sqrt(6 / (n_in + n_out)) (Glorot and Bengio, 2010), from PyTorch's current random state."""
    bound = math.sqrt(6.0 / (weight.shape[0] + weight.shape[1]))
    nn.init.uniform_(weight, -bound, bound)


def lecun_uniform(weight: Tensor) -> None:
    """Uniform in ±sqrt(3 / n_in) of a weight (n_out, n_in) (LeCun and others, "Efficient BackProp", 1998).

    Outputs vary as much as inputs do, however many there are. `glorot_uniform` makes those of a layer with far more
    outputs than inputs small.
    """
    bound = math.sqrt(3.0 / weight.shape[1])
    nn.init.uniform_(weight, -bound, bound)


def per_layer(names: str | Sequence[str], n_layers: int) -> list[str]:
    """One activation name a layer, from one name for all or from a list that is checked."""
    if isinstance(names, str):
        return [names] * n_layers
    if len(names) != n_layers:
        raise ParameterError(
            name="activation", value=tuple(names), expected=f"one name, or one for each of {n_layers} layers"
        )
    return list(names)


def check_sizes(sizes: Sequence[int]) -> None:
    if len(sizes) < 2 or any(int(s) < 1 for s in sizes):
        raise ParameterError(
            name="sizes", value=tuple(sizes), expected="at least two positive widths, such as (784, 128)"
        )


def check_fraction(name: str, value: float) -> float:
    if not 0.0 <= value < 1.0:
        raise ParameterError(name=name, value=value, expected="a fraction from 0 to below 1")
    return value


# ---------------------------------------------------------------- activations


def identity(x: Tensor) -> Tensor:
    """x itself."""
    return x


def softmax(x: Tensor) -> Tensor:
    """exp(x_j) / Σ exp(x), over the last axis."""
    return torch.softmax(x, dim=-1)


ACTIVATIONS: dict[str, Activation] = {
    "identity": identity,
    "sigmoid": torch.sigmoid,
    "tanh": torch.tanh,
    "relu": torch.relu,
    "selu": functional.selu,
    "elu": functional.elu,
    "gelu": functional.gelu,
    "swish": functional.silu,
    "softmax": softmax,
}


def activation(name: str) -> Activation:
    """The activation called `name`.

    Raises:
        ParameterError: there is none of that name.
    """
    if name not in ACTIVATIONS:
        raise ParameterError(name="activation", value=name, expected=tuple(ACTIVATIONS))
    return ACTIVATIONS[name]


def as_widths(hidden: int | Sequence[int]) -> tuple[int, ...]:
    """Widths of hidden layers, of which a single one may be given as a number."""
    return (hidden,) if isinstance(hidden, int) else tuple(hidden)
