"""The first singular vectors of a sparse matrix, by products with random vectors."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import linalg

from recae._types import Csr, FloatArray

OVERSAMPLES = 10  # vectors beyond those asked for


def randomised_svd(
    rows: Csr, k: int, seed: int, iterations: int | None = None
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """The first `k` left singular vectors (n_rows, k), singular values (k,) and right vectors (k, n_cols).

    Halko, Martinsson and Tropp, SIAM Review 2011: an orthonormal basis of what (A A')^i A makes of random vectors, and
    the exact decomposition of A within it. The numbers, signs included, are those of scikit-learn's `randomized_svd`,
    whose import takes longer than many a decomposition.

    Args:
        rows: (n_rows, n_cols), float32 or float64, which the result is, too.
        k: of at most the smaller side.
        seed: of the random vectors.
        iterations: i, how often the matrix is multiplied twice; by default 7, or 4 where `k` is a tenth of the smaller
            side or more.
    """
    wide = rows.shape[0] < rows.shape[1]
    if iterations is None:
        iterations = 7 if k < 0.1 * min(rows.shape) else 4
    matrix: Any = rows.T.tocsr() if wide else rows
    basis: Any = np.random.RandomState(seed % 2**32).normal(size=(matrix.shape[1], k + OVERSAMPLES))
    basis = basis.astype(matrix.dtype)
    for _ in range(iterations):
        basis = _spread(matrix @ basis, iterations)
        basis = _spread(matrix.T @ basis, iterations)
    basis = linalg.qr(matrix @ basis, mode="economic", check_finite=False)[0]
    within, values, right = linalg.svd(basis.T @ matrix, full_matrices=False)
    left = basis @ within
    largest = np.abs(right).argmax(1) if wide else np.abs(left).argmax(0)
    of_vectors = np.arange(len(values))
    sign = np.sign(right[of_vectors, largest] if wide else left[largest, of_vectors])
    left, values, right = (left * sign)[:, :k], values[:k], (right * sign[:, None])[:k]
    return (right.T, values, left.T) if wide else (left, values, right)


def _spread(vectors: Any, iterations: int) -> Any:
    """The same span, by factors of an LU decomposition, so that many products do not make all vectors alike."""
    return vectors if iterations <= 2 else linalg.lu(vectors, permute_l=True, check_finite=False)[0]
