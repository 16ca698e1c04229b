"""What a model that ranks reads of a row: that something was rated, or how."""

from __future__ import annotations

from typing import Literal

import numpy as np

from recae._types import Csr
from recae.ratings.csr import make_csr
from recae.recommender.base import Recommender
from recae.recommender.params import hyperparameters, param

Values = Literal["binary", "ratings"]


@hyperparameters
class ReadsValues(Recommender):
    """Base of models that read rows as ones or as ratings."""

    values: Values = param(
        "binary", "what a row holds: 1 for each rating given, or the ratings as they are", choices=("binary", "ratings")
    )


def as_input(user_rows: Csr, values: Values) -> Csr:
    """Rows as the model reads them, of the same places: ones, or the ratings themselves.

    "binary" makes even a rating of 1 star a 1: who dislikes a film has still chosen to see it. To learn from what
    people liked only, fit on `ratings.binarize(4)`.
    """
    if values == "ratings":
        return user_rows
    ones = np.ones(user_rows.nnz, np.float32)
    return make_csr(ones, user_rows.indices, user_rows.indptr, user_rows.shape)
