"""Means of what is known near in time, under an exponential kernel: what `Dated` reads dates through."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from recae._types import DoubleArray
from recae.jit import jit_kernel, prange


def near_means(
    indptr: npt.NDArray[np.int64], values: DoubleArray, times: DoubleArray, row: npt.NDArray[np.int64], at: DoubleArray,
    spans: tuple[float, ...], shrink: float,
) -> DoubleArray:  # fmt: skip
    """Σ_j k_j v_j / (Σ_j k_j + shrink) with k_j = exp(-|at - t_j| / span), over the entries j of a row.

    Args:
        indptr: where each row's entries begin, (n_rows + 1,).
        values, times: of the entries, (nnz,); times in seconds.
        row, at: which row is asked about, and at what time, (n,).
        spans: in seconds.
        shrink: entries of value 0 that are added, so that little evidence says little.

    Returns:
        (n, spans); 0 for a row without entries.
    """
    out = np.zeros((len(row), len(spans)))
    _near_means(indptr, values, times, row, at, np.array(spans, np.float64), float(shrink), out)
    return out


def near_counts(
    indptr: npt.NDArray[np.int64], times: DoubleArray, row: npt.NDArray[np.int64], at: DoubleArray, within: float
) -> npt.NDArray[np.int64]:
    """Entries of each row that are at most `within` seconds away, (n,)."""
    out = np.zeros(len(row), np.int64)
    _near_counts(indptr, times, row, at, float(within), out)
    return out


@jit_kernel(parallel=True)
def _near_means(indptr: Any, values: Any, times: Any, row: Any, at: Any, spans: Any, shrink: float, out: Any) -> None:
    for n in prange(len(row)):
        for s in range(len(spans)):
            total, weight = 0.0, shrink
            for j in range(indptr[row[n]], indptr[row[n] + 1]):
                kernel = np.exp(-np.abs(times[j] - at[n]) / spans[s])
                total += kernel * values[j]
                weight += kernel
            out[n, s] = total / weight if weight > 0 else 0.0


@jit_kernel(parallel=True)
def _near_counts(indptr: Any, times: Any, row: Any, at: Any, within: float, out: Any) -> None:
    for n in prange(len(row)):
        count = 0
        for j in range(indptr[row[n]], indptr[row[n] + 1]):
            if np.abs(times[j] - at[n]) <= within:
                count += 1
        out[n] = count
