"""Wide and deep: features and a vector of the row itself, beside its ratings and beside the last layer."""

from __future__ import annotations

from typing import Any, Literal

from recae.models.autorec.side_autoencoder import SideAutoencoder
from recae.ratings import RatingMatrix
from recae.recommender.params import default, hyperparameters, param
from recae.recommender.registry import register


@register("wide-deep", "autoencoder for ratings with features and a learnt vector beside each row")
@hyperparameters
class WideDeep(SideAutoencoder):
    """An autoencoder whose rows have a learnt vector and features: into the first layer (deep), and past all (wide).

    After Cheng et al., "Wide & Deep Learning for Recommender Systems" (2016), put to rows of ratings: the wide part is
    linear in features and vector for each output unit, the deep part is the autoencoder with them beside the row.
    The loss sums over rated entries only. An unseen row has the mean vector and no features.
    """

    by: Literal["item", "user"] = default("user")
    vector: int = param(32, "numbers learnt for each row", low=0)
    vector_l2: float = param(5.0, "L2 weight on the learnt vectors", low=0, tune=(1.0, 30.0, "log"))

    def _variant(self, ratings: RatingMatrix) -> dict[str, Any]:
        n_rows = ratings.n_users if self.by == "user" else ratings.n_items
        return {"everywhere": False, "n_rows": n_rows, "vector": self.vector, "vector_l2": self.vector_l2}
