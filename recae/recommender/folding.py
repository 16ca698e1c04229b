"""Fold-in of unseen users into item-based models: a ridge regression each, over the codes of the items they rated."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import linalg

from recae._types import Csr, DoubleArray, FloatArray

Solve = Callable[[DoubleArray, DoubleArray, slice], tuple[npt.NDArray[Any], float]]


def solve_columns(
    codes: FloatArray, user_rows: Csr, targets: FloatArray, weight: DoubleArray, bias: float, *, l2: float
) -> tuple[FloatArray, FloatArray]:
    """The output weights and biases that training would have given these users, for fixed item codes.

    For a user with ratings r of items S it minimises

        Σ_{i in S} (r_i - w·h_i - b)² + l2 |w - w̄|² + c (b - b̄)²

    around the means (w̄, b̄) over the training users: an unseen user of few ratings is an average one. AutoRec's own
    objective has w̄ = 0, as training users have ratings enough; c is 1, the weight of one rating. The work of a row is
    in proportion to its ratings, not to the catalogue: one row of three ratings is solved in microseconds.

    Args:
        codes: h, (n_items, k).
        user_rows: (n_rows, n_items).
        targets: the wanted output at the stored ratings, (nnz,), on the scale of the output layer.
        weight, bias: w̄ and b̄, the output layer of an average training user, (k,) and a number.
        l2: half of AutoRec's l2, as its objective has l2 / 2.

    Returns:
        Output weights (n_rows, k) and biases (n_rows,).
    """

    def solve(h: DoubleArray, base: DoubleArray, part: slice) -> tuple[npt.NDArray[Any], float]:
        return ridge(h, targets[part].astype(np.float64) - base, l2)

    return solve_rows(codes, user_rows, weight, bias, solve)


def solve_rows(
    codes: FloatArray, user_rows: Csr, weight: DoubleArray, bias: float, solve: Solve
) -> tuple[FloatArray, FloatArray]:
    """Output weights and bias of each row: the means over training users, and what `solve` adds to them.

    Args:
        weight, bias: the means, (k,) and a number.
        solve: codes of a row's items (n, k), their output under the mean weights (n,), and the slice of the row's
            stored ratings to what is added to the weights (k,) and to the bias.
    """
    out_weight = np.tile(weight, (user_rows.shape[0], 1))
    out_bias = np.full(user_rows.shape[0], bias)
    for row in range(user_rows.shape[0]):
        part = slice(user_rows.indptr[row], user_rows.indptr[row + 1])
        items = user_rows.indices[part]
        if len(items):
            h = codes[items].astype(np.float64)
            change, shift = solve(h, h @ weight + bias, part)
            out_weight[row] += change
            out_bias[row] += shift
    return out_weight.astype(np.float32), out_bias.astype(np.float32)


def ridge(h: npt.NDArray[Any], rest: npt.NDArray[Any], l2: float) -> tuple[npt.NDArray[Any], float]:
    """argmin over (d, s) of |rest - h d - s|² + l2 |d|² + s², solved on the smaller side.

    With x = [h / sqrt(l2), 1] and (d, s) = (u / sqrt(l2), s) it is an ordinary ridge with weight 1.
    """
    x = np.column_stack([h / np.sqrt(l2), np.ones(len(h))])
    if len(x) <= x.shape[1]:
        gram = x @ x.T
        gram[np.diag_indices_from(gram)] += 1.0
        solution = x.T @ solved(gram, rest)
    else:
        gram = x.T @ x
        gram[np.diag_indices_from(gram)] += 1.0
        solution = solved(gram, x.T @ rest)
    return solution[:-1] / np.sqrt(l2), float(solution[-1])


def solved(positive: npt.NDArray[Any], target: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """positive⁻¹ target by Cholesky. LAPACK itself: SciPy's checks take longer than a user of a few ratings."""
    _, solution, failed = linalg.lapack.dposv(positive, target)
    if failed:
        raise linalg.LinAlgError("the ratings' ridge regression has no solution: codes or weights are not finite")
    found: npt.NDArray[Any] = solution
    return found
