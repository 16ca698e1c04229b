"""`Weighing`: how far a rating model's answers are drawn towards the biases, by ratings that it has not seen."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from recae.ratings import RatingMatrix
from recae.recommender.biases import PRIOR, ridge_weight
from recae.recommender.contract import Contract
from recae.recommender.fitting import FitOptions
from recae.splitting import take_validation

ASIDE = 0.1  # share of the ratings that the weight against the biases is estimated on


class Weighing(Contract):
    """The part of `Recommender` that estimates the weight of a rating model against the biases."""

    def _estimate_weight(self, ratings: RatingMatrix, validation: RatingMatrix | None, options: FitOptions) -> float:
        """The weight of the model against the biases, from ratings that it did not learn from.

        Without a validation part a tenth of the ratings is put aside, and a copy of the model is fitted on the rest;
        the model itself has learnt from all.
        """
        if options.weight is not None:
            return options.weight
        if validation is not None:
            return self._weight_on(validation)
        if options.start is not None:  # which has seen what would be put aside
            return float(options.start._model_weight)
        if ASIDE * ratings.n_ratings < PRIOR:  # too few to say anything
            return 1.0
        rest, aside = take_validation(ratings, ASIDE, self.get_params().get("rng", 0))
        copy: Any = self.clone()
        copy._fit_alone(rest, None, replace(options, checkpoint=None, resume=False, label="weighing"))
        return float(copy._weight_on(aside))

    def _weight_on(self, aside: RatingMatrix) -> float:
        """The weight from ratings that the model did not learn from; cold pairs are the baseline's in any case."""
        users, items, truth = aside.pairs()
        served = self._serves("user", users) & self._serves("item", items)
        users, items, truth = users[served], items[served], truth[served]
        return ridge_weight(truth, self._baseline().at(users, items), self._pairs(users, items))

    def _draw_by(self, aside: RatingMatrix) -> None:
        """Draw a model that `_fit_alone` fitted towards the biases, as far as ratings that it has not seen say."""
        self._model_weight = self._weight_on(aside)
