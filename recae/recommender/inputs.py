"""What a model that ranks reads of a row: that something was rated, or how."""

from __future__ import annotations

from recae.ratings.csr import Values
from recae.recommender.base import Recommender
from recae.recommender.params import hyperparameters, param


@hyperparameters
class ReadsValues(Recommender):
    """Base of models that read rows as ones or as ratings (`recae.ratings.csr.as_input`)."""

    values: Values = param(
        "binary", "what a row holds: 1 for each rating given, or the ratings as they are", choices=("binary", "ratings")
    )
