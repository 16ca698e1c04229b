"""Unseen users of an item-based AutoRec with ordinal output: one penalised maximum likelihood each."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from recae._types import Csr, DoubleArray, FloatArray
from recae.models.outputs.ordinal import CumulativeLogit, Edges
from recae.recommender.folding import solve_rows, solved

NEWTON_STEPS = 30  # at most; most rows take four or five
HALVINGS = 20  # of a step, at most
ENOUGH = 1e-6  # nats that a further step may still gain


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
    with torch.no_grad():
        ratings = torch.from_numpy(user_rows.data).to(levels.first.device)
        edges = Edges(*(part.double().cpu() for part in levels.edges(ratings)))

    def solve(h: DoubleArray, base: DoubleArray, part: slice) -> tuple[npt.NDArray[Any], float]:
        x = np.column_stack([h / np.sqrt(l2), np.ones(len(h))])
        start = base if known is None else base + known[part]
        found = _newton(x, start, Edges(*(each[part] for each in edges)))
        return found[:-1] / np.sqrt(l2), float(found[-1])

    return solve_rows(codes, user_rows, weight, bias, solve)


def _newton(x: DoubleArray, base: DoubleArray, edges: Edges) -> DoubleArray:
    """argmin over u, (k,), of the loss of the scores base + x u, plus |u|² / 2, for x (n, k).

    The objective is convex. Where ratings are unlike what is expected, its likelihood is nearly a line, and a whole
    step would go far beyond the minimum: a step is halved until it gains enough (Armijo, 1966).
    """
    gram = x @ x.T if len(x) <= x.shape[1] else None
    found, added, loss = np.zeros(x.shape[1]), np.zeros(len(x)), _loss(base, edges)
    for _ in range(NEWTON_STEPS):
        slope, curvature = (part.numpy() for part in edges.slopes(torch.from_numpy(base + added)))
        wanted, to_added = _minimum(x, gram, added, slope, np.maximum(curvature, 1e-6))
        change, to_added = wanted - found, to_added - added
        gain = float(slope @ to_added - found @ change)
        if not gain > ENOUGH:
            break
        for step in 0.5 ** np.arange(HALVINGS):
            new = found + step * change
            new_loss = _loss(base + added + step * to_added, edges) + new @ new / 2
            if new_loss <= loss - 0.1 * step * gain:
                break
        found, loss, added = new, new_loss, added + step * to_added
    return found


def _minimum(
    x: DoubleArray, gram: DoubleArray | None, added: DoubleArray, slope: DoubleArray, curvature: DoubleArray
) -> tuple[DoubleArray, DoubleArray]:
    """(u, x u) of the minimum of the quadratic around the scores `added`, solved on the smaller side of x."""
    target = added + slope / curvature
    if gram is not None:
        dual = solved(gram + np.diag(1 / curvature), target)
        return x.T @ dual, gram @ dual
    weighted = x * curvature[:, None]
    found = solved(weighted.T @ x + np.eye(x.shape[1]), weighted.T @ target)
    return found, x @ found


def _loss(score: npt.NDArray[Any], edges: Edges) -> float:
    return -float(edges.log_likelihood(torch.from_numpy(score)).sum())
