"""CFN: a denoising autoencoder for ratings, with side information (Strub, Gaudel, Mary, 2016)."""

from __future__ import annotations

from typing import Any

from recae.models.autorec.side_autoencoder import SideAutoencoder
from recae.ratings import RatingMatrix
from recae.recommender.params import hyperparameters, param
from recae.recommender.registry import register


@register("cfn", "denoising autoencoder for ratings that reads features of users and items; serves cold ones")
@hyperparameters
class CFN(SideAutoencoder):
    """Collaborative filtering network: what was hidden counts `alpha`, what was shown `beta`.

    Loss ("Hybrid Recommender System based on Autoencoders", eq. 4, for masking noise): alpha Σ over hidden ratings of
    error² + beta Σ over shown ones of error² + (l2 / 2) |weights|². Features go beside the input of every layer, the
    output layer's included (eq. 5). Other than in the paper, features of the columns (of users, item-based) shape the
    output units.
    """

    alpha: float = param(1.0, "what a rating that noise hid counts in the loss", low=0, tune=(0.8, 1.5))
    beta: float = param(0.6, "what a rating that was shown counts in the loss", low=0, tune=(0.2, 1.0))

    def _variant(self, ratings: RatingMatrix) -> dict[str, Any]:
        return {"shown_weight": self.beta, "hidden_weight": self.alpha}
