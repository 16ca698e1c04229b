"""RankingBlend: several rankers as one, by the mean of their standardised scores."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from recae._types import Csr, DoubleArray, IntArray, Scores
from recae.errors import ParameterError
from recae.events.next_ranks import history
from recae.events.session_events import Sessions
from recae.models.ensemble.members import fit_member, plain_params, ranker_of, side_by_side, with_choices
from recae.models.sessions.next_scores import NextScores, next_scores
from recae.models.sessions.session_model import scores_of_items
from recae.ratings import RatingMatrix
from recae.recommender.base import Recommender
from recae.recommender.fitting import FitOptions
from recae.recommender.learned import LearnedArrays
from recae.recommender.params import hyperparameters, learned, param, seed
from recae.recommender.registry import register
from recae.schemas import require


@register("ranking-blend", "several rankers as one, by the mean of their standardised scores")
@hyperparameters
class RankingBlend(Recommender):
    """The score of item j for user u is Σ_k w_k z_uj: z are member k's scores of the items that u has not rated, less
    their mean and divided by their standard deviation, 0 where all are equal; of a member whose scores are logarithms
    of chances (`session-rnn`), of the chances.

    Rankers of different families err in different items (closed forms, factors, spectral filters), so the mean is often
    better than each (Fox and Shaw, TREC-2 1994, "Combination of multiple searches", CombSUM of standardised scores).
    A fit, a list and a file cost as much as those of all members. Members may read dates (`recency`), or the order of
    events (`v-sknn`, `session-rnn`), of which a validation part then stops those that learn in epochs.
    """

    has_members: ClassVar[bool] = True

    members: tuple[Any, ...] = param(
        ("dan", "als", "spectral"),
        'rankers: names; in Python also models, or {"model": name, setting: value, ...}',
    )
    weights: tuple[float, ...] | None = param(None, "a number of 0 or more for each member; none for equal ones")
    rng: int = seed("seed of members that say none")

    models_: list[Recommender] = learned()
    weights_: DoubleArray = learned()

    @property
    def reads_order(self) -> bool:  # type: ignore[override]
        """Whether a member does."""
        return any(model.reads_order for model in self._new_models())

    # ---------------------------------------------------------------- fitting

    def _fit(self, ratings: RatingMatrix, validation: RatingMatrix | None, options: FitOptions) -> None:
        models, self.weights_ = self._new_models(), self._given_weights()
        for model in models:
            fit_member(model, ratings, validation, options)
        self._take(models)
        self._tell_choices()

    def take_fitted(self, models: list[Recommender]) -> RankingBlend:
        """The blend of models that are fitted on the same ratings already, in the order of `members`."""
        self.weights_ = self._given_weights()
        self._take(models)
        self._set_ratings(models[0].ratings_)
        self._tell_choices()
        return self

    def _tell_choices(self) -> None:
        """Keep for `chosen_` what members chose, as the setting `members` takes it."""
        if any(model.chosen_ for model in self.models_):
            self._record(members=[with_choices(model, self.rng) for model in self.models_])

    def _take(self, models: list[Recommender]) -> None:
        """Answer by these members; dates are read where one of them reads dates."""
        self.models_ = models
        self.reads_dates = any(model.reads_dates for model in models)  # type: ignore[misc]  # of its members

    def _new_models(self) -> list[Recommender]:
        """The members with nothing learnt."""
        if isinstance(self.members, str) or not self.members:
            raise ParameterError(name="members", value=self.members, expected="a tuple of rankers, such as ('ease',)")
        return [ranker_of(member, self.rng) for member in self.members]

    def _given_weights(self) -> DoubleArray:
        """Weights that sum up to 1.

        Raises:
            ParameterError: there is not one for each member, one is below 0, or all are 0.
        """
        n = len(self.members)
        weights = np.full(n, 1.0) if self.weights is None else np.asarray(self.weights, np.float64)
        if weights.shape != (n,) or not (np.isfinite(weights) & (weights >= 0)).all() or weights.sum() == 0:
            expected = f"a number of 0 or more for each of {n} members, one at least above 0"
            raise ParameterError(name="weights", value=self.weights, expected=expected)
        shares: DoubleArray = weights / weights.sum()
        return shares

    # ---------------------------------------------------------------- scoring

    def score(self, user_rows: Csr) -> Scores:
        return self._mean(lambda model: model.ranking_scores_new(user_rows), user_rows)

    def score_users(self, user_index: IntArray) -> Scores:
        return self._mean(lambda model: model.ranking_scores(user_index), self.ratings_.user_rows[user_index])

    def _scores_of_new(self, new: RatingMatrix) -> Callable[[IntArray], Scores]:
        scores = {id(model): model._scores_of_new(new) for model in self.models_}

        def mean(rows: IntArray) -> Scores:
            user_rows = new.user_rows[rows]
            own = self._mean(lambda model: scores[id(model)](rows), user_rows)
            found: Scores = self._or_popular(own, np.diff(user_rows.indptr) == 0)
            return found

        return mean

    def scores_at(self, events: Sessions, users: IntArray, stops: IntArray) -> NextScores:
        """As `SessionRNN.scores_at`: the next item, event by event."""
        return self._next(events, stops)

    def scores_before(self, events: Sessions, users: IntArray, stops: IntArray) -> Scores:
        """As `SessionModel.scores_before`: members that read order get events, others the latest ratings so far."""
        return self._next(events, None)(users, stops)

    def item_scores_before(self, events: Sessions, users: IntArray, stops: IntArray, items: IntArray) -> Scores:
        """As `SessionModel.item_scores_before`."""
        return scores_of_items(self.scores_before, events, users, stops, items)

    def _next(self, events: Sessions, chosen: IntArray | None) -> NextScores:
        scores = {id(model): next_scores(model, events, chosen) for model in self.models_}

        def mean(users: IntArray, stops: IntArray) -> Scores:
            return self._mean(lambda model: scores[id(model)](users, stops), history(events, users, stops))

        return mean

    def _mean(self, ask: Callable[[Recommender], Scores], user_rows: Csr) -> Scores:
        """The weighted mean of what `ask` gives for each member, standardised; those of weight 0 are not asked."""
        asked = [(weight, model) for weight, model in zip(self.weights_, self.models_) if weight > 0]
        own = ((weight, shares(ask(model)) if model.logarithmic else ask(model)) for weight, model in asked)
        return weighted_sum([(weight, standardised(scores, user_rows)) for weight, scores in own])

    def item_vectors(self) -> Any:
        """All members' vectors side by side: the cosine is then the weighted mean of the members' cosines."""
        return side_by_side([model.item_vectors() for model in self.models_], self.weights_)

    # ---------------------------------------------------------------- files

    def _saved_params(self) -> dict[str, Any]:
        return plain_params(self)

    def _reads_only_rows(self) -> bool:
        return all(model._reads_only_rows() for model in self.models_)

    def _arrays(self) -> dict[str, npt.NDArray[Any]]:
        arrays: dict[str, npt.NDArray[Any]] = {"weights": self.weights_}
        for prefix, model in self._each():
            arrays |= {prefix + name: array for name, array in model._saved_arrays().items()}
        return arrays

    def _restore(self, arrays: LearnedArrays) -> None:
        self.weights_ = arrays.floats("weights", len(self.members), dtype="float64")
        require(bool((self.weights_ >= 0).all()) and self.weights_.sum() > 0, "a weight of the blend is below 0")
        self._take(self._new_models())
        for prefix, model in self._each():
            model._set_ratings(self.ratings_)
            model._restore_saved(arrays.under(prefix))

    def _each(self) -> Iterator[tuple[str, Recommender]]:
        """Each member, with what its arrays' names begin with in a file."""
        return ((f"{k}/", model) for k, model in enumerate(self.models_))


def shares(scores: Scores) -> Scores:
    """The softmax of each row of scores, (n, n_items)."""
    found: Scores = np.exp(scores - scores.max(axis=1, keepdims=True))
    found /= found.sum(axis=1, keepdims=True)
    return found


def standardised(scores: Scores, user_rows: Csr) -> Scores:
    """Scores (n, n_items) less the mean of a row's unrated items, divided by their standard deviation.

    Rated items are not looked at; a row of equal scores, or without an unrated item, is 0.
    """
    unrated = np.ones(scores.shape, bool)
    unrated[np.repeat(np.arange(len(scores)), np.diff(user_rows.indptr)), user_rows.indices] = False
    n = np.maximum(unrated.sum(axis=1, keepdims=True), 1)
    mean = scores.sum(axis=1, keepdims=True, where=unrated, dtype=np.float64) / n
    off = scores - mean
    deviation = np.sqrt(np.square(off).sum(axis=1, keepdims=True, where=unrated) / n)
    there = deviation > 1e-9 * np.abs(mean)  # else it is rounding
    found = np.zeros(scores.shape, np.float32)
    np.divide(off, deviation, out=found, where=there, casting="same_kind")
    return found


def weighted_sum(parts: list[tuple[float, Scores]]) -> Scores:
    """Σ weight · scores."""
    total: Scores = np.float32(parts[0][0]) * parts[0][1]
    for weight, scores in parts[1:]:
        total += np.float32(weight) * scores
    return total
