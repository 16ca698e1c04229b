"""Output heads of rating networks: from what the last layer gives (logits) to ratings, and the loss that fits them.

`columns` says which output unit each logit belongs to, for heads that know units apart; -1 or None is a unit that
training never saw.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn
from torch.nn import functional

from recae._types import FloatArray, IntArray, Scores
from recae.errors import ParameterError, Remedy
from recae.models.outputs.ordinal import CumulativeLogit
from recae.nn.losses import masked_squared_error
from recae.ratings import RatingMatrix
from recae.recommender.biases import RATINGS, Unit
from recae.sparse import SparseRows

OUTPUTS = ("identity", "sigmoid", "selu", "ordinal")
LEVELLED = ("identity", "ordinal")  # to which a row's level can be added
LEVELS = "head.model.levels"  # the array of a network with ordinal output, in files
SELU_SCALE, SELU_ALPHA = 1.0507009873554805, 1.6732632423543772  # Klambauer et al. (2017), eq. 14
STEEPNESS = 1.5  # of ordered levels, at first: how much a score grows with a star of a row's level
FEW_LEVELS = 20  # different ratings, up to which they are taken for levels
BINS = 16  # levels of values that are none, such as what features leave of stars
THRESHOLD_L2 = 10.0  # a column's own gaps between levels have a standard deviation of some 0.3, in logarithms


class Head(nn.Module):
    """The rating is the logit, in the model's unit; the loss is squared error in that unit."""

    def __init__(self, unit: Unit = RATINGS) -> None:
        super().__init__()
        self.unit = unit

    def finish(self, logits: Tensor, columns: Tensor | None = None) -> Tensor:
        """Ratings, shape of `logits`, not clipped."""
        return self.unit.outside(self.output(logits))

    def output(self, logits: Tensor) -> Tensor:
        """Ratings in the model's unit, shape of `logits`."""
        return logits

    def to_logits(self, ratings: Tensor) -> Tensor:
        """Logits whose `finish` is `ratings`."""
        return self.unit.inside(ratings)

    def loss(self, logits: Tensor, target: SparseRows, weight: Tensor | None = None) -> Tensor:
        """Summed over stored ratings, each times `weight` where given, and divided by the number of rows."""
        predicted, truth = self.output(logits), self.unit.inside(target.values)
        if weight is None:
            return masked_squared_error(predicted, truth, len(target))
        return torch.dot(weight, (predicted - truth).square()) / max(1, len(target))


class SigmoidHead(Head):
    """The rating is low + (high - low) σ(logit)."""

    def __init__(self, scale: tuple[float, float], unit: Unit = RATINGS) -> None:
        super().__init__(unit)
        self.low, self.high = unit.inside(scale[0]), unit.inside(scale[1])
        if not scale[1] > scale[0]:
            raise ParameterError(
                f"it needs a scale wider than {scale[0]:g} to {scale[1]:g}",
                name="output",
                value="sigmoid",
                remedy=Remedy("use {output}", output="identity"),
            )

    def output(self, logits: Tensor) -> Tensor:
        return self.low + (self.high - self.low) * torch.sigmoid(logits)

    def to_logits(self, ratings: Tensor) -> Tensor:
        """As in `Head`; pulled 2 % inside the scale."""
        return torch.logit(((self.unit.inside(ratings) - self.low) / (self.high - self.low)).clamp(0.02, 0.98))


class SeluHead(Head):
    """The rating is selu(logit), in the model's unit, as in DeepRec; it cannot be below -1.758 there."""

    def output(self, logits: Tensor) -> Tensor:
        return functional.selu(logits)

    def to_logits(self, ratings: Tensor) -> Tensor:
        """As in `Head`; pulled to -1.7 at the lowest."""
        inside = self.unit.inside(ratings)
        below = torch.log1p(inside.clamp(-1.7, 0) / (SELU_SCALE * SELU_ALPHA))
        return torch.where(inside >= 0, inside / SELU_SCALE, below)


class OrdinalHead(Head):
    """The rating is the mean of a distribution over levels; the loss is -log of its likelihood, in nats.

    Args:
        levels, counts, n_cols: see `CumulativeLogit`.
        unit: the unit that the network reads ratings in; levels are ratings as they are.
    """

    def __init__(self, levels: Tensor, counts: Tensor, n_cols: int = 0, unit: Unit = RATINGS) -> None:
        super().__init__(unit)
        self.model = CumulativeLogit(levels, counts, n_cols)
        if self.model.weight is not None:
            self.model.weight.decay_factor = THRESHOLD_L2  # type: ignore[attr-defined]

    def finish(self, logits: Tensor, columns: Tensor | None = None) -> Tensor:
        return self.model.mean(logits, columns)

    def to_logits(self, ratings: Tensor) -> Tensor:
        """Scores whose expected rating is `ratings`; 2 % inside the extremes."""
        return self.model.score_of(ratings)

    def loss(self, logits: Tensor, target: SparseRows, weight: Tensor | None = None) -> Tensor:
        likelihood = self.model.log_likelihood(logits, target.values, target.indices)
        total = likelihood.sum() if weight is None else torch.dot(weight, likelihood)
        return -total / max(1, len(target))


def has_levels(ratings: RatingMatrix) -> bool:
    """Whether ratings are levels, as stars are: at least two different ones, but few."""
    return 2 <= len(pd.unique(ratings.user_rows.data)) <= FEW_LEVELS


def ordinal_head(
    ratings: RatingMatrix, unit: Unit, n_cols: int = 0, *, most: int | None = None, levels: FloatArray | None = None
) -> OrdinalHead:
    """The ordinal head whose levels are the ratings that occur; see `OrdinalHead`.

    Args:
        most: where more different ones occur, levels are the means of `BINS` parts of equally many ratings.
        levels: those of a file, (L,), whose other arrays fill the head then: a lean one has no ratings.
    """
    if levels is not None:
        levels, counts = np.asarray(levels), np.ones(len(levels), np.int64)
    else:
        levels, counts = _levels_of(ratings.user_rows.data, most)
    return OrdinalHead(torch.from_numpy(levels), torch.from_numpy(counts), n_cols, unit)


def _levels_of(values: FloatArray, most: int | None) -> tuple[FloatArray, IntArray]:
    """Levels, increasing (L,), and how many of the values each has, (L,)."""
    levels, counts = np.unique(values, return_counts=True)
    if most is None or len(levels) <= most:
        return levels, counts
    middle = (float(levels[0]) + float(levels[-1])) / 2  # so that there are two, whatever most values are
    edges = np.unique(np.append(np.quantile(values, np.arange(1, BINS) / BINS), middle))
    part = np.digitize(values, edges)
    counts, sums = np.bincount(part), np.bincount(part, values)
    return (sums[counts > 0] / counts[counts > 0]).astype(np.float32), counts[counts > 0]


def finish(head: Head, logits: Scores, columns: IntArray | None, device: torch.device) -> Scores:
    """`Head.finish` of arrays, by a head on `device`."""
    wanted = None if columns is None else torch.from_numpy(np.ascontiguousarray(columns)).to(device)
    with torch.no_grad():
        ratings = head.finish(torch.from_numpy(np.asarray(logits, np.float32)).to(device), wanted)
    return np.asarray(ratings.cpu().numpy(), np.float32)


def make_head(output: str, scale: tuple[float, float], unit: Unit = RATINGS) -> Head:
    """The head called `output`, of those that need no ratings to be made.

    Raises:
        ParameterError: there is none of that name, or the scale is too narrow for it.
    """
    if output == "selu":
        return SeluHead(unit)
    if output == "sigmoid":
        return SigmoidHead(scale, unit)
    if output != "identity":
        raise ParameterError(name="output", value=output, expected=("identity", "sigmoid", "selu", "ordinal"))
    return Head(unit)
