"""Unseen users of an item-based AutoRec with ordinal output: one penalised maximum likelihood each."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from recae._types import Csr, DoubleArray, FloatArray
from recae.models.outputs.ordinal import CumulativeLogit
from recae.recommender.folding import ridge, solve_rows

NEWTON_STEPS = 10


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

    It is minimised with (l2 / 2) |w - w̄|² + (b - b̄)² / 2 by Newton's method; each step is a weighted ridge regression.
    The thresholds are those of a column never seen, which all share.

    Args:
        levels: the output's thresholds.
        l2: AutoRec's l2.
        known: what is added to the scores of the stored ratings in any case, (nnz,).
    """

    def solve(h: DoubleArray, base: DoubleArray, part: slice) -> tuple[npt.NDArray[Any], float]:
        ratings = torch.from_numpy(user_rows.data[part]).to(levels.first.device)
        return _newton(h, base if known is None else base + known[part], ratings, levels, l2)

    return solve_rows(codes, user_rows, weight, bias, solve)


@torch.no_grad()
def _newton(
    h: npt.NDArray[Any], base: npt.NDArray[Any], ratings: torch.Tensor, levels: CumulativeLogit, l2: float
) -> tuple[npt.NDArray[Any], float]:
    """(d, s) of the unit base + h d + s; the objective is convex, and starts where it is nearly quadratic."""
    change, shift = np.zeros(h.shape[1]), 0.0
    for _ in range(NEWTON_STEPS):
        score = base + h @ change + shift
        slope, curvature = levels.slopes(torch.from_numpy(score).float().to(ratings.device), ratings)
        root = np.sqrt(np.maximum(curvature.double().cpu().numpy(), 1e-6))
        working = h @ change + shift + slope.double().cpu().numpy() / root**2
        change, shift = ridge(h, working, l2, root)
    return change, shift
