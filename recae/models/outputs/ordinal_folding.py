"""Unseen users of an item-based AutoRec with ordinal output: one penalised maximum likelihood each."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from scipy.special import expit

from recae._types import Csr, DoubleArray, FloatArray
from recae.models.outputs.ordinal import CumulativeLogit
from recae.recommender.folding import solve_rows, solved

NEWTON_STEPS = 10  # at most
CLOSE = 1e-5  # change of scores at which there is nothing left to find


def solve_columns_ordinal(
    codes: FloatArray,
    user_rows: Csr,
    levels: CumulativeLogit,
    weight: DoubleArray,
    bias: float,
    *,
    l2: float,
    known: FloatArray | None = None,
) -> tuple[FloatArray, FloatArray]:
    """As `solve_columns`, under the likelihood of an ordinal output: -Σ log P(r_i | w·h_i + b) instead of the error.

    It is minimised with (l2 / 2) |w - w̄|² + (b - b̄)² / 2 by Newton's method.
    The thresholds are those of a column never seen, which all share.

    Args:
        levels: the output's thresholds.
        l2: AutoRec's l2.
        known: what is added to the scores of the stored ratings in any case, (nnz,).
    """

    edges = levels.edges(torch.from_numpy(user_rows.data).to(levels.first.device))
    low, high = (edge.detach().double().cpu().numpy() for edge in edges)

    def solve(h: DoubleArray, base: DoubleArray, part: slice) -> tuple[npt.NDArray[Any], float]:
        x = np.column_stack([h / np.sqrt(l2), np.ones(len(h))])
        start = base if known is None else base + known[part]
        found = _newton(x, start, low[part], high[part])
        return found[:-1] / np.sqrt(l2), float(found[-1])

    return solve_rows(codes, user_rows, weight, bias, solve)


def _newton(x: DoubleArray, base: DoubleArray, low: DoubleArray, high: DoubleArray) -> DoubleArray:
    """argmin over u of -Σ log P(low < score < high) + |u|² / 2 with the scores base + x u, (k,).

    The objective is convex, and starts where it is nearly quadratic. Each step is solved on the smaller side of x.
    """
    wide = len(x) <= x.shape[1]
    gram = x @ x.T if wide else None
    found, moved = np.zeros(x.shape[1]), np.zeros(len(x))
    for _ in range(NEWTON_STEPS):
        below, above = expit(low - base - moved), expit(high - base - moved)
        curvature = np.maximum(below * (1 - below) + above * (1 - above), 1e-6)
        wanted = moved + (below + above - 1) / curvature
        if gram is not None:
            dual = solved(gram + np.diag(1 / curvature), wanted)
            found, before, moved = x.T @ dual, moved, gram @ dual
        else:
            weighted = x * curvature[:, None]
            found = solved(weighted.T @ x + np.eye(x.shape[1]), weighted.T @ wanted)
            before, moved = moved, x @ found
        if np.abs(moved - before).max() < CLOSE:
            break
    return found
