"""The network of SparseFC and GLocal-K: rows of ratings through kernel-weighted layers."""

from __future__ import annotations

import itertools

import torch
from torch import Tensor, nn

from recae.nn import Masking
from recae.nn.kernel import KernelWeight
from recae.nn.layers import Rows, activation
from recae.nn.losses import masked_squared_error
from recae.nn.products import affine
from recae.sparse import SparseRows, sddmm, spmm
from recae.training import Batch


class KernelNetwork(nn.Module):
    """Rows of ratings (batch, n) to rows of predicted ratings by layers n, d1, ..., dm, n, each weight a W ∘ K.

    Args:
        n_cols: ratings a row could have.
        hidden: widths of the hidden layers.
        dims: coordinates of the units' positions.
        act: activation of the hidden layers.
        noise: share of input ratings hidden in training.
        l2: weight of |W|² / 2 of each layer, against the summed squared error: the optimiser's decay is to be 1 / rows.
        kernel_l2: weight of |K|² / 2 of each layer, against the summed squared error.
        n_rows: number of rows, by which the objective is divided.
    """

    def __init__(
        self, n_cols: int, hidden: tuple[int, ...], *, n_rows: int, dims: int = 5,
        act: str = "sigmoid", noise: float = 0.0, l2: float = 0.0, kernel_l2: float = 0.0,
    ) -> None:  # fmt: skip
        super().__init__()
        widths = itertools.pairwise([n_cols, *hidden])
        self.encode = nn.ModuleList(KernelWeight(wide, narrow, dims=dims) for wide, narrow in widths)
        self.decode = KernelWeight(n_cols, hidden[-1], dims=dims)
        # from 0: where the output starts at the columns' means, L-BFGS ends with a third of it unconnected, and worse
        self.biases = nn.ParameterList([torch.zeros(width) for width in (*hidden, n_cols)])
        self.activation, self.noise = activation(act), Masking(noise)
        self.kernel_pull = kernel_l2 / 2 / n_rows
        for layer in self.layers():
            layer.weight.decay_factor = l2  # type: ignore[attr-defined]

    def layers(self) -> list[KernelWeight]:
        """All layers, from the input to the output."""
        return [*self.encode, self.decode]

    def weights(self) -> tuple[list[Tensor], Tensor]:
        """W ∘ K of every layer, each (wide, narrow), and Σ |K|², a scalar."""
        made = [layer() for layer in self.layers()]
        return [weight for weight, _ in made], torch.stack([squares for _, squares in made]).sum()

    def hidden(self, rows: Rows, weights: list[Tensor]) -> Tensor:
        """Input of the output layer, (batch, dm), from sparse or dense rows and from `weights`."""
        rows = self.noise(rows)
        first = spmm(rows, weights[0]) if isinstance(rows, SparseRows) else rows @ weights[0]
        h: Tensor = self.activation(first + self.biases[0])
        for weight, bias in zip(weights[1:-1], self.biases[1:-1]):
            h = self.activation(affine(bias, h, weight))
        return h

    def at(self, rows: SparseRows, pattern: SparseRows) -> Tensor:
        """Predictions at the stored entries of `pattern`, (nnz,), unclipped."""
        weights, _ = self.weights()
        return sddmm(pattern, self.hidden(rows, weights), weights[-1], self.biases[-1])


def kernel_loss(network: KernelNetwork, batch: Batch) -> Tensor:
    """Squared error at the stored ratings, summed, plus kernel_l2 / 2 · Σ |K|², both divided by the number of rows."""
    rows, target = batch
    weights, squares = network.weights()
    predicted = sddmm(target, network.hidden(rows, weights), weights[-1], network.biases[-1])
    return masked_squared_error(predicted, target.values, len(target)) + network.kernel_pull * squares
