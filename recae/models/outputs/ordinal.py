"""Ratings as ordered levels: a score and thresholds give a distribution over them (McCullagh, 1980).

    P(rating <= level l | score s) = σ(t_l - s),    t_1 < ... < t_(L-1),    σ the logistic function

One score a rating serves all levels; how far apart the levels lie is learnt. A step from 4 to 5 stars need not be as
long as one from 1 to 2, and how sure a prediction is comes with it.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from recae.errors import DataError, Remedy

FAR = 1e4  # stands for an infinite threshold: σ is exactly 0 or 1 there, and gradients stay numbers
MOST_LEVELS = 100


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
        start = torch.logit(share[:-1] / share[-1]).float()
        self.register_buffer("levels", levels.float())
        self.first = nn.Parameter(start[:1].clone())
        self.gaps = nn.Parameter(start.diff().log())
        self.weight = nn.Parameter(torch.zeros(n_cols, len(levels) - 2)) if n_cols and len(levels) > 2 else None

    def thresholds(self) -> Tensor:
        """(1, L + 1), or (n_cols + 1, L + 1), whose last row is for a column never seen; the outer ones are far away.

        Between the first and the last column stand t_1 ... t_(L-1).
        """
        gaps = self.gaps[None]
        if self.weight is not None:
            gaps = torch.cat([gaps + self.weight, gaps])
        inner = torch.cat([self.first.expand(len(gaps), 1), gaps.exp()], 1).cumsum(1)
        edge = inner.new_full((len(inner), 1), FAR)
        return torch.cat([-edge, inner, edge], 1)

    def level_of(self, ratings: Tensor) -> Tensor:
        """Index of the nearest level, int64, shape of `ratings`."""
        levels = self.get_buffer("levels")
        return torch.bucketize(ratings.to(levels.dtype), (levels[1:] + levels[:-1]) / 2)

    def log_likelihood(self, score: Tensor, ratings: Tensor, columns: Tensor | None = None) -> Tensor:
        """log P(rating | score) of each, (n,): exact in both tails.

        By σ(b) - σ(a) = σ(b) σ(-a) (1 - exp(a - b)).
        """
        low, high = self.edges(ratings, columns)
        apart = torch.log(-torch.expm1(low - high))
        return functional.logsigmoid(high - score) + functional.logsigmoid(score - low) + apart

    def probabilities(self, score: Tensor, columns: Tensor | None = None) -> Tensor:
        """P(level | score): shape of `score` and one axis more, (..., L)."""
        edges = self._table(columns)
        return torch.sigmoid(edges - score[..., None]).diff(dim=-1)

    def mean(self, score: Tensor, columns: Tensor | None = None) -> Tensor:
        """Expected rating, shape of `score`: lowest level + Σ_l (step to the next level) P(rating > level l)."""
        levels, edges = self.get_buffer("levels"), self._table(columns)
        out = levels[0].expand_as(score).clone()
        for level, step in enumerate(levels[1:] - levels[:-1]):  # `diff` has no place in an ONNX graph
            out += step * torch.sigmoid(score - edges[..., level + 1])
        return out

    def score_of(self, mean: Tensor) -> Tensor:
        """The score whose expected rating is `mean` (2 % inside the extremes), at the shared thresholds."""
        if mean.is_meta:  # a network that is made for its shapes only (`recae.recommender.learned`)
            return torch.empty_like(mean)
        levels = self.get_buffer("levels")
        margin = 0.02 * (levels[-1] - levels[0])
        wanted = mean.to(levels).clamp(levels[0] + margin, levels[-1] - margin)
        grid = torch.linspace(-30, 30, 6001, device=levels.device, dtype=levels.dtype)
        means = self.mean(grid).detach()
        right = torch.searchsorted(means, wanted.contiguous()).clamp(1, len(grid) - 1)
        part = (wanted - means[right - 1]) / (means[right] - means[right - 1])
        return torch.lerp(grid[right - 1], grid[right], part)

    def _table(self, columns: Tensor | None) -> Tensor:
        """Thresholds for `columns` (-1 and None: a column never seen), to be broadcast against scores[..., None]."""
        table = self.thresholds()
        return table[-1] if columns is None or len(table) == 1 else table[columns.long()]

    def edges(self, ratings: Tensor, columns: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """The thresholds below and above the level of each rating, (n,)."""
        table, level = self.thresholds(), self.level_of(ratings)
        if columns is None or len(table) == 1:
            return table[-1][level], table[-1][level + 1]
        flat, start = table.flatten(), columns.long().remainder(len(table)) * table.shape[1] + level
        return flat[start], flat[start + 1]
