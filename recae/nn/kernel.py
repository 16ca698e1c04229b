"""Weights under a kernel: W times a finite-support function of how near the two units' learnt positions are.

The kernel of SparseFC (Muller, Martel and Indiveri, "Kernelized synaptic weight matrices", ICML 2018), K_ij =
max(0, 1 - |u_i - v_j|²): units far apart are not connected, and where connections are is learnt by gradient.

Weight, kernel and product are each as large as a wide layer. Made one after another they would cost several passes
over memory and hold several copies; here one pass over rows makes the product, and one pass makes all gradients,
working out the kernel anew, a row at a time, in a cache.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from recae._types import Array
from recae.errors import ParameterError
from recae.jit import jit_kernel, prange
from recae.nn.layers import glorot_uniform
from recae.sparse.resources import large_empty
from recae.sparse.rows import operator

_REORDER = {"reassoc", "contract", "nsz", "arcp"}  # sums may be reordered; NaN and infinity keep their meaning
_CHUNKS = 16  # of rows; a fixed number, so that sums over rows do not depend on the number of threads


class KernelWeight(nn.Module):
    """A weight (wide, narrow) whose entries count by K_ij = max(0, 1 - |u_i - v_j|²).

    Args:
        wide, narrow: units on either side.
        dims: coordinates of a position.
        spread: standard deviation of the first positions (normal, cut off at two): 1e-3 in the authors' code, so that
            at first everything is connected.

    Attributes:
        weight: W, (wide, narrow), Glorot-uniform at first; named so that L2 regularisation finds it.
        left, right: u (wide, dims) and v (narrow, dims).

    Raises:
        ParameterError: a size is not positive.
    """

    def __init__(self, wide: int, narrow: int, *, dims: int = 5, spread: float = 1e-3) -> None:
        super().__init__()
        if min(wide, narrow, dims) < 1:
            raise ParameterError(
                f"a kernel weight of {wide} x {narrow} units in {dims} dimensions: all must be positive"
            )
        self.weight = nn.Parameter(torch.empty(wide, narrow))
        self.left, self.right = nn.Parameter(torch.empty(wide, dims)), nn.Parameter(torch.empty(narrow, dims))
        glorot_uniform(self.weight)
        for positions in (self.left, self.right):
            nn.init.trunc_normal_(positions, std=spread, a=-2 * spread, b=2 * spread)

    def forward(self) -> tuple[Tensor, Tensor]:
        """W ∘ K, (wide, narrow), and |K|², a scalar."""
        return kernel_weight(self.weight, self.left, self.right)

    @torch.no_grad()
    def connected(self) -> float:
        """The share of pairs of units near enough to be connected."""
        return float((reference_kernel(self.left, self.right) > 0).float().mean())


def kernel_weight(weight: Tensor, left: Tensor, right: Tensor) -> tuple[Tensor, Tensor]:
    """W ∘ K and |K|² with K_ij = max(0, 1 - |u_i - v_j|²).

    Args:
        weight: W, (n, m).
        left, right: u (n, d) and v (m, d).

    Returns:
        (n, m), and a scalar; gradients flow into all three arguments.

    Raises:
        ParameterError: the shapes do not fit.
    """
    n, m, d = left.shape[0], right.shape[0], left.shape[-1]
    if weight.shape != (n, m) or left.shape != (n, d) or right.shape != (m, d):
        raise ParameterError(
            f"weight {tuple(weight.shape)}, left {tuple(left.shape)} and right {tuple(right.shape)} do not fit: "
            "(n, m), (n, d) and (m, d) are needed"
        )
    if weight.device.type == "cpu" and weight.dtype in (torch.float32, torch.float64):
        return torch.ops.recae.kernel_weight(weight, left, right)  # type: ignore[no-any-return]
    kernel = reference_kernel(left, right)
    return weight * kernel, kernel.square().sum()


def reference_kernel(left: Tensor, right: Tensor) -> Tensor:
    """K, (n, m), by |u|² + |v|² - 2 u·v: for devices without the loops below."""
    far = left.square().sum(1, keepdim=True) + right.square().sum(1) - 2 * left @ right.t()
    return torch.relu(1 - far)


# ---------------------------------------------------------------- the loops


@jit_kernel(parallel=False, fastmath=_REORDER)
def _kernel_row(position: Array, right_t: Array, out: Array) -> None:
    """K of one unit on the left with all on the right, into `out` (m,)."""
    out[:] = 1
    for t in range(len(position)):
        here = position[t]
        there = right_t[t]
        for j in range(len(out)):
            gap = here - there[j]
            out[j] -= gap * gap
    for j in range(len(out)):
        out[j] = max(out[j], 0)


@jit_kernel(parallel=True, fastmath=_REORDER)
def _forward(weight: Array, left: Array, right_t: Array, out: Array, squares: Array, n_chunks: int) -> None:
    n, m = weight.shape
    for chunk in prange(n_chunks):
        kernel = right_t[0].copy()
        for i in range(n * chunk // n_chunks, n * (chunk + 1) // n_chunks):
            _kernel_row(left[i], right_t, kernel)
            w, o = weight[i], out[i]
            total = kernel[0] * 0
            for j in range(m):
                o[j] = w[j] * kernel[j]
                total += kernel[j] * kernel[j]
            squares[i] = total


@jit_kernel(parallel=True, fastmath=_REORDER)
def _backward(
    weight: Array, left: Array, right_t: Array, grad: Array, grad_squares: float,
    d_weight: Array, d_left: Array, d_right: Array, n_chunks: int,
) -> None:  # fmt: skip
    """d_right is (n_chunks, d, m), to be summed: each chunk writes its own."""
    n, m = weight.shape
    for chunk in prange(n_chunks):
        kernel, pull = right_t[0].copy(), right_t[0].copy()
        for i in range(n * chunk // n_chunks, n * (chunk + 1) // n_chunks):
            _kernel_row(left[i], right_t, kernel)
            w, g, dw = weight[i], grad[i], d_weight[i]
            for j in range(m):
                k = kernel[j]
                dw[j] = g[j] * k
                pull[j] = 2 * (g[j] * w[j] + 2 * grad_squares * k) if k > 0 else 0
            for t in range(left.shape[1]):
                here, there, d_there = left[i, t], right_t[t], d_right[chunk, t]
                total = here * 0
                for j in range(m):
                    step = pull[j] * (here - there[j])
                    total += step
                    d_there[j] += step
                d_left[i, t] = -total


# ---------------------------------------------------------------- as PyTorch sees them


@operator("kernel_weight")
def _kernel_weight(weight: Tensor, left: Tensor, right: Tensor) -> tuple[Tensor, Tensor]:
    out = large_empty(len(weight), weight.shape[1], weight.dtype)
    squares = torch.empty(len(weight), dtype=torch.float64)
    _forward(_np(weight), _np(left), _np(right.t()), _np(out), _np(squares), _CHUNKS)
    return out, squares.sum().to(weight.dtype)


@operator("kernel_weight_grad")
def _kernel_weight_grad(
    weight: Tensor, left: Tensor, right: Tensor, grad: Tensor, grad_squares: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    d_weight = large_empty(len(weight), weight.shape[1], weight.dtype)
    d_left = torch.empty_like(left)
    d_right = right.new_zeros((_CHUNKS, right.shape[1], right.shape[0]))
    pull: Any = _np(grad_squares).astype(_np(weight).dtype)[()]
    _backward(
        _np(weight), _np(left), _np(right.t()), _np(grad), pull, _np(d_weight), _np(d_left), _np(d_right), _CHUNKS
    )  # fmt: skip
    return d_weight, d_left, d_right.sum(0).t().contiguous()


@torch.library.register_fake("recae::kernel_weight")
def _(weight: Tensor, left: Tensor, right: Tensor) -> tuple[Tensor, Tensor]:
    return torch.empty_like(weight), weight.new_empty(())


@torch.library.register_fake("recae::kernel_weight_grad")
def _(weight: Tensor, left: Tensor, right: Tensor, grad: Tensor, grad_squares: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    return torch.empty_like(weight), torch.empty_like(left), torch.empty_like(right)


def _keep(ctx: Any, inputs: tuple[Tensor, ...], output: tuple[Tensor, Tensor]) -> None:
    ctx.save_for_backward(*inputs)


def _kernel_weight_backward(ctx: Any, grad: Tensor, grad_squares: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    return torch.ops.recae.kernel_weight_grad(*ctx.saved_tensors, grad, grad_squares)  # type: ignore[no-any-return]


torch.library.register_autograd("recae::kernel_weight", _kernel_weight_backward, setup_context=_keep)


def _np(tensor: Tensor) -> Array:
    return tensor.detach().contiguous().numpy()
