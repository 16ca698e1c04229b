"""Ratings as ordered levels: a score and thresholds give a distribution over them (McCullagh, 1980).

    P(rating <= level l | score s) = σ(t_l - s),    t_1 < ... < t_(L-1),    σ the logistic function

One score a rating serves all levels; how far apart the levels lie is learnt. A step from 4 to 5 stars need not be as
long as one from 1 to 2, and how sure a prediction is comes with it.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from recae.errors import DataError, Remedy

FAR = 1e4  # stands for an infinite threshold: σ is exactly 0 or 1 there, and gradients stay numbers
MOST_LEVELS = 100


class Edges(NamedTuple):
    """Of n ratings, (n,) each: the thresholds below and above their level, and log(1 - exp(low - high)).

    The last is known from the gap itself: next to a large threshold, that of a rare level is lost in float32.
    """

    low: Tensor
    high: Tensor
    apart: Tensor

    def log_likelihood(self, score: Tensor) -> Tensor:
        """log P(level | score) of each, (n,): exact in both tails, by σ(b) - σ(a) = σ(b) σ(-a) (1 - exp(a - b))."""
        return functional.logsigmoid(self.high - score) + functional.logsigmoid(score - self.low) + self.apart

    def slopes(self, score: Tensor) -> Slopes:
        """First and second derivative of `log_likelihood` in the score."""
        below, above = torch.sigmoid(self.low - score), torch.sigmoid(self.high - score)
        return Slopes(below + above - 1, below * (1 - below) + above * (1 - above))


class Slopes(NamedTuple):
    """d log P / d score, and - d² log P / d score² (positive: the likelihood is log-concave), both (n,)."""

    first: Tensor
    curvature: Tensor


class CumulativeLogit(nn.Module):
    """Thresholds between levels, the same for all columns or each column's own, and what follows from them.

    Thresholds are t_1 = `first` and t_(l+1) = t_l + exp(`gaps`_l), so that they stay in order. A column's own gaps are
    exp(`gaps` + `weight`[column]); its shift is its output bias, and is none of ours.

    Args:
        levels: the ratings that can be given, increasing, (L,).
        counts: how often each was given, (L,): thresholds start where they fit these at score 0.
        n_cols: columns with gaps of their own; 0 for the same gaps everywhere.

    Raises:
        DataError: there are fewer than 2 or more than 100 levels.
    """

    def __init__(self, levels: Tensor, counts: Tensor, n_cols: int = 0) -> None:
        super().__init__()
        if not 2 <= len(levels) <= MOST_LEVELS:
            raise DataError(
                f"ordinal output needs 2 to {MOST_LEVELS} different ratings, and there are {len(levels)}",
                remedy=Remedy("choose {output}", output="identity"),
            )
        share = (counts.double() + 0.5).cumsum(0)
        start = torch.logit(share[:-1] / share[-1])
        self.register_buffer("levels", levels.float())
        self.first = nn.Parameter(start[:1].float())
        self.gaps = nn.Parameter(start.diff().log().float())
        self.weight = nn.Parameter(torch.zeros(n_cols, len(levels) - 2)) if n_cols and len(levels) > 2 else None

    def thresholds(self, columns: Tensor | None = None) -> Tensor:
        """The L + 1 thresholds of `columns`, an axis more than theirs; (L + 1,) for None.

        The outer ones are far away: between the first and the last stand t_1 ... t_(L-1). -1 and None are a column
        never seen, which has the gaps that all share.
        """
        return self._placed(self._gaps_of(columns))

    def level_of(self, ratings: Tensor) -> Tensor:
        """Index of the nearest level, int64, shape of `ratings`."""
        levels = self.get_buffer("levels")
        return torch.bucketize(ratings.to(levels.dtype), (levels[1:] + levels[:-1]) / 2)

    def edges(self, ratings: Tensor, columns: Tensor | None = None) -> Edges:
        """The edges of the levels nearest to `ratings` (n,)."""
        gaps, level = self._gaps_of(None), self.level_of(ratings)
        if self.weight is not None and columns is not None:  # of more ratings than columns, a table is less work
            gaps = torch.cat([gaps + self.weight, gaps[None]])
            row = columns.long().remainder(len(gaps))
        else:
            gaps, row = gaps[None], torch.zeros_like(level)
        table, start = self._placed(gaps).flatten(), row * (len(self.get_buffer("levels")) + 1) + level
        apart = functional.pad(torch.log(-torch.expm1(-gaps.exp())), (1, 1)).flatten()
        return Edges(table[start], table[start + 1], apart[start - row])

    def log_likelihood(self, score: Tensor, ratings: Tensor, columns: Tensor | None = None) -> Tensor:
        """log P(rating | score) of each, (n,)."""
        return self.edges(ratings, columns).log_likelihood(score)

    def probabilities(self, score: Tensor, columns: Tensor | None = None) -> Tensor:
        """P(level | score): shape of `score` and one axis more, (..., L)."""
        edges = self.thresholds(columns)
        return torch.sigmoid(edges - score[..., None]).diff(dim=-1)

    def mean(self, score: Tensor, columns: Tensor | None = None) -> Tensor:
        """Expected rating, shape of `score`: lowest level + Σ_l (step to the next level) P(rating > level l)."""
        levels, edges = self.get_buffer("levels"), self.thresholds(columns)
        out = levels[0].expand_as(score).clone()
        for level, step in enumerate(levels[1:] - levels[:-1]):  # `diff` has no place in an ONNX graph
            out += step * torch.sigmoid(score - edges[..., level + 1])
        return out

    def score_of(self, mean: Tensor) -> Tensor:
        """The score whose expected rating is `mean` (2 % inside the extremes), at the shared thresholds."""
        levels = self.get_buffer("levels")
        margin = 0.02 * (levels[-1] - levels[0])
        wanted = mean.to(levels).clamp(levels[0] + margin, levels[-1] - margin)
        grid = torch.linspace(-30, 30, 6001, device=levels.device, dtype=levels.dtype)
        means = self.mean(grid).detach()
        right = torch.searchsorted(means, wanted.contiguous()).clamp(1, len(grid) - 1)
        part = (wanted - means[right - 1]) / (means[right] - means[right - 1])
        return torch.lerp(grid[right - 1], grid[right], part)

    def _gaps_of(self, columns: Tensor | None) -> Tensor:
        """Logarithms of the gaps between the thresholds of `columns`, (..., L - 2); see `thresholds`."""
        if columns is None or self.weight is None:
            return self.gaps
        return self.gaps + self.weight[columns.long().clamp(min=0)] * (columns >= 0)[..., None]

    def _placed(self, gaps: Tensor) -> Tensor:
        """Thresholds (..., L + 1) that are `gaps` (..., L - 2) apart."""
        inner = torch.cat([self.first.expand(*gaps.shape[:-1], 1), gaps.exp()], -1).cumsum(-1)
        edge = torch.full_like(inner[..., :1], FAR)
        return torch.cat([-edge, inner, edge], -1)
