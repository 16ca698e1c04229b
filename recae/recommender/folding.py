"""Unseen users of item-based models: one ridge regression each, over the codes of the items they rated."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import linalg

from recae._types import Csr, DoubleArray, FloatArray

Solve = Callable[[DoubleArray, DoubleArray, slice], tuple[npt.NDArray[Any], float]]


def solve_columns(
    codes: FloatArray, user_rows: Csr, targets: FloatArray, weight: FloatArray, bias: FloatArray, *, l2: float
) -> tuple[FloatArray, FloatArray]:
    """The output units that training would have given these users, the item codes being what they are.

    For a user with ratings r of items S it minimises

        Σ_{i in S} (r_i - w·h_i - b)² + l2 |w - w̄|² + c (b - b̄)²

    around the mean unit (w̄, b̄) of the training users: with little known, an unseen user is an average one.
    AutoRec's own objective has w̄ = 0, for it never lacks data; c is 1, the weight of one rating.

    Args:
        codes: h, (n_items, k).
        user_rows: (n_rows, n_items).
        targets: what the output should be at the stored places, (nnz,), in the units of the output layer.
        weight, bias: output layer of the training users, (n_users, k) and (n_users,).
        l2: half of AutoRec's l2, as its objective has l2 / 2.

    Returns:
        Output weights (n_rows, k) and biases (n_rows,).
    """

    def solve(h: DoubleArray, base: DoubleArray, part: slice) -> tuple[npt.NDArray[Any], float]:
        return ridge(h, targets[part].astype(np.float64) - base, l2)

    return solve_rows(codes, user_rows, weight, bias, solve)


def solve_rows(
    codes: FloatArray, user_rows: Csr, weight: FloatArray, bias: FloatArray, solve: Solve
) -> tuple[FloatArray, FloatArray]:
    """Each row's output unit: the mean unit, and what `solve` adds to its weights and bias.

    `solve` is given the codes of a row's items (n, k), what the mean unit says of them (n,), and their places.
    """
    mean_weight, mean_bias = weight.mean(0).astype(np.float64), float(bias.mean())
    base = codes @ mean_weight + mean_bias
    out_weight = np.tile(mean_weight, (user_rows.shape[0], 1))
    out_bias = np.full(user_rows.shape[0], mean_bias)
    for row in range(user_rows.shape[0]):
        part = slice(user_rows.indptr[row], user_rows.indptr[row + 1])
        items = user_rows.indices[part]
        if len(items):
            change, shift = solve(codes[items].astype(np.float64), base[items].astype(np.float64), part)
            out_weight[row] += change
            out_bias[row] += shift
    return out_weight.astype(np.float32), out_bias.astype(np.float32)


def ridge(
    h: npt.NDArray[Any], rest: npt.NDArray[Any], l2: float, root: npt.NDArray[Any] | None = None
) -> tuple[npt.NDArray[Any], float]:
    """argmin over (d, s) of |root (rest - h d - s)|² + l2 |d|² + s², solved on the smaller side; `root` is 1 if None.

    With x = [h / sqrt(l2), 1] and (d, s) = (u / sqrt(l2), s) it is an ordinary ridge with weight 1.
    """
    x = np.column_stack([h / np.sqrt(l2), np.ones(len(h))])
    if root is not None:
        x, rest = x * root[:, None], rest * root
    if len(x) <= x.shape[1]:
        gram = x @ x.T
        gram[np.diag_indices_from(gram)] += 1.0
        solution = x.T @ linalg.solve(gram, rest, assume_a="pos")
    else:
        gram = x.T @ x
        gram[np.diag_indices_from(gram)] += 1.0
        solution = linalg.solve(gram, x.T @ rest, assume_a="pos")
    return solution[:-1] / np.sqrt(l2), float(solution[-1])
