"""What an ordinal model says of a rating besides its mean: the chance of each level, and how sure it is."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt
import torch

from recae._types import IntArray
from recae.errors import ParameterError, Remedy
from recae.models.outputs.heads import OrdinalHead

if TYPE_CHECKING:
    from recae.models.autorec.row_autoencoder import RowAutoencoder


class RatingDistribution(NamedTuple):
    """Of n pairs: `levels` (L,), `probability` (n, L) that sums to 1, `mean` (n,) and `std` (n,), in ratings."""

    levels: npt.NDArray[np.float32]
    probability: npt.NDArray[np.float32]
    mean: npt.NDArray[np.float32]
    std: npt.NDArray[np.float32]


def distribution(model: RowAutoencoder, user_index: IntArray, item_index: IntArray) -> RatingDistribution:
    """`RowAutoencoder.predict_distribution` for indices.

    Raises:
        ParameterError: the model has no ordinal output.
    """
    head = model.network_.head
    if not isinstance(head, OrdinalHead):
        raise ParameterError(
            "this model knows no distribution of ratings", remedy=Remedy("fit it with {output}", output="ordinal")
        )
    score, columns = model._ordinal_scores(user_index, item_index)
    with torch.no_grad():
        chance = head.model.probabilities(score, columns).double()
    levels = head.model.get_buffer("levels").double()
    mean = chance @ levels
    variance = (chance * (levels - mean[:, None]).square()).sum(1)
    return RatingDistribution(*(x.float().cpu().numpy() for x in (levels, chance, mean, variance.sqrt())))
