"""Blend: several rating models as one, weighted by how well they predict ratings they were not fitted on."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from recae._types import Csr, DoubleArray, FloatArray, IntArray, Scores
from recae.errors import ParameterError
from recae.models.ensemble.members import member_of, plain_params, side_by_side
from recae.ratings import RatingMatrix
from recae.recommender.base import Recommender
from recae.recommender.biases import few_ratings, fit_baseline, ridge_weight
from recae.recommender.fitting import FitOptions
from recae.recommender.learned import LearnedArrays
from recae.recommender.params import hyperparameters, learned, param, seed
from recae.recommender.registry import register
from recae.schemas import require
from recae.splitting import take_validation

_PAIRS = 2**20  # predicted at once


@dataclass
class Group:
    """A member, fitted once or with several seeds, whose mean it then is."""

    models: list[Recommender]

    def mean(self, ask: Any) -> Scores:
        """The mean of what `ask` gives for each of the models."""
        total = ask(self.models[0]).astype(np.float32, copy=True)
        for model in self.models[1:]:
            total += ask(model)
        return total / np.float32(len(self.models))  # type: ignore[no-any-return]

    def fit(self, ratings: RatingMatrix, progress: bool | None) -> None:
        for model in self.models:
            model.fit(ratings, progress=progress)


@register("blend", "several rating models as one, weighted on ratings put aside (stacking)")
@hyperparameters
class Blend(Recommender):
    """Linear stacking of rating models (Breiman, 1996, "Stacked regressions"): Σ_k w_k r̂_k + c with w_k >= 0.

    The weights come from predictions out of sample. A part of the ratings is put aside, the members are fitted on the
    rest, and with centred predictions p_k and ratings r of that part

        w = argmin over w >= 0 of Σ (r - Σ_k w_k p_k)² + l2 Σ_k (w_k - 1/m)²;

    little evidence means equal weights, and too few ratings for any mean exactly these. Then the members are fitted
    again, on all ratings. A validation part that is given to `fit` is used instead of the part put aside, and
    nothing is fitted twice.

    Where ratings are few, the mixture is drawn towards the biases, by a weight from the same part. Members are then not
    drawn by themselves, unless they say so (`shrink="always"`). Members that read dates are refused: a blend may be the
    base of `Dated`.

    An unseen user is what each member makes of them. One member and several `seeds` is the plain mean of one model's
    fits, which have the same weight.
    """

    predicts_ratings: ClassVar[bool] = True
    has_members: ClassVar[bool] = True

    members: tuple[Any, ...] = param(
        ("i-autorec", "u-autorec"),
        'rating models: names; in Python also models, or {"model": name, setting: value, ...}',
    )
    seeds: int = param(1, "fits of each member, with seeds in a row, of which the mean is taken", low=1)
    weights: str | tuple[float, ...] = param(
        "stacked", "stacked: chosen on ratings put aside; equal; or one for each member: these take no second fit"
    )
    holdout: float = param(0.1, "share of the ratings put aside to choose the weights on, in (0, 1)", low=0)
    l2: float = param(10.0, "pull of the weights towards equal ones", low=0)
    rng: int = seed("seed of the part put aside, and of members that say none")

    groups_: list[Group] = learned()
    weights_: DoubleArray = learned()
    intercept_: float = learned()
    member_rmse_: DoubleArray | None = field(init=False, repr=False, default=None)

    # ---------------------------------------------------------------- fitting

    def _fit(self, ratings: RatingMatrix, validation: RatingMatrix | None, options: FitOptions) -> None:
        groups = self._new_groups()
        for group in groups:
            _refuse_dates(group.models[0])
        self.weights_, self.member_rmse_ = self._given_weights(len(groups)), None
        # predictions have about the mean of the ratings: what weights do not sum up to is missing of that
        self.intercept_ = float((1 - self.weights_.sum()) * ratings.user_rows.data.mean(dtype=np.float64))
        stacks = self.weights == "stacked" and len(groups) > 1
        if stacks and validation is None and self.holdout * ratings.n_ratings > len(groups):
            rest, aside = take_validation(ratings, self.holdout, self.rng)
            self._stack(self._new_groups(), rest, aside, options)
        for group in groups:
            group.fit(ratings, options.progress)
        if stacks and validation is not None:
            self._fit_weights(groups, ratings, validation)
        self.groups_ = groups

    def _given_weights(self, n: int) -> DoubleArray:
        """The weights as long as no better ones are found: those given, or equal ones.

        Raises:
            ParameterError: they are not one number, 0 or more, for each member.
        """
        if self.weights in ("stacked", "equal"):
            return np.full(n, 1 / n)
        given = () if isinstance(self.weights, str) else tuple(self.weights)
        if len(given) != n or not all(isinstance(w, int | float) and w >= 0 for w in given):
            raise ParameterError(
                name="weights",
                value=self.weights,
                expected=f"'stacked', 'equal', or a number of 0 or more for each of {n} members",
            )
        return np.array(given, dtype=np.float64)

    def _stack(self, groups: list[Group], rest: RatingMatrix, aside: RatingMatrix, options: FitOptions) -> None:
        for group in groups:
            group.fit(rest, options.progress)
        self._fit_weights(groups, rest, aside)

    def _fit_weights(self, groups: list[Group], known: RatingMatrix, aside: RatingMatrix) -> None:
        """Weights from `aside`, which the groups, fitted on `known`, have not seen. Cold pairs are the fallback's."""
        users, items, truth = aside.pairs()
        warm = (known.counts("user")[users] > 0) & (known.counts("item")[items] > 0)
        users, items, truth = users[warm], items[warm], truth[warm]
        if len(truth) <= len(groups):  # no evidence at all: they stay equal
            return
        predicted = np.column_stack([_pairs_of(group, users, items) for group in groups]).astype(np.float64)
        self.member_rmse_ = np.sqrt(np.mean((np.clip(predicted, *aside.scale) - truth[:, None]) ** 2, axis=0))
        unit = self._unit
        weights, level = stacking(unit.inside(predicted), unit.inside(truth.astype(np.float64)), self.l2)
        self.weights_ = weights
        self._record(weights=[float(weight) for weight in weights])
        self.intercept_ = unit.factor * level + unit.shift * (1 - float(weights.sum()))
        if few_ratings(known.shape, known.n_ratings):
            mixed = predicted @ self.weights_ + self.intercept_
            self._model_weight = ridge_weight(truth, fit_baseline(known).at(users, items), mixed)

    def _new_groups(self) -> list[Group]:
        """The members with nothing learnt."""
        if isinstance(self.members, str) or not self.members:
            raise ParameterError(
                name="members", value=self.members, expected="a tuple of rating models, such as ('bias',)"
            )
        if not 0 < self.holdout < 1:
            raise ParameterError(name="holdout", value=self.holdout, expected="a share above 0 and below 1")
        return [Group(list(self._seeded(member_of(member)))) for member in self.members]

    def _seeded(self, model: Recommender) -> Iterator[Recommender]:
        """The model once for each seed; once in all, if nothing in it is random."""
        params = model.get_params()
        if params.get("shrink") == "auto":  # the weights of the blend do that
            model.set_params(shrink="never")
        seed = params.get("rng")
        if seed is None:
            yield model
            return
        for step in range(self.seeds):
            yield model.clone().set_params(rng=((seed or self.rng) + step) % 2**63)

    # ---------------------------------------------------------------- scoring

    def score(self, user_rows: Csr) -> Scores:
        return self._mix(lambda model: model._drawn_scores_new(user_rows))

    def score_users(self, user_index: IntArray) -> Scores:
        return self._mix(lambda model: model._drawn_scores(user_index))

    def _pairs(self, user_index: IntArray, item_index: IntArray) -> Scores:
        return self._mix(lambda model: _answers(model, user_index, item_index))

    def _pairs_new(self, user_rows: Csr, row_index: IntArray, item_index: IntArray) -> Scores:
        pairs = (user_rows, row_index, item_index)
        return self._mix(lambda model: model._answers_new(*pairs) if model._is_drawn() else model._pairs_new(*pairs))

    def _mix(self, ask: Any) -> Scores:
        """The weighted sum of what `ask` gives for each member; those of weight 0 are not asked."""
        total: Any = np.float32(self.intercept_)
        for weight, group in zip(self.weights_, self.groups_):
            if weight > 0:
                total = total + np.float32(weight) * group.mean(ask)
        if np.ndim(total) == 0:  # no member has a weight: the intercept only
            total = total + 0 * self.groups_[0].mean(ask)
        return np.asarray(total, np.float32)

    def _simple_pairs(self, user_index: IntArray, item_index: IntArray) -> FloatArray:
        return self._cold_mix(lambda model: model._simple_pairs(user_index, item_index))

    def _simple_pairs_new(self, user_rows: Csr, row_index: IntArray, item_index: IntArray) -> FloatArray:
        return self._cold_mix(lambda model: model._simple_pairs_new(user_rows, row_index, item_index))

    def _cold_grid(self, users: IntArray, items: IntArray) -> FloatArray:
        return self._cold_mix(lambda model: model._cold_grid(users, items))

    def _cold_grid_new(self, user_rows: Csr, items: IntArray) -> FloatArray:
        return self._cold_mix(lambda model: model._cold_grid_new(user_rows, items))

    def _told_of_cold_users(self) -> IntArray:
        own = [
            group.models[0]._told_of_cold_users() for weight, group in zip(self.weights_, self.groups_) if weight > 0
        ]
        return np.unique(np.concatenate([np.zeros(0, np.int64), *own]))

    def _cold_mix(self, ask: Any) -> FloatArray:
        """The mean of what the members say of who has no ratings, by their weights; such pairs gave none of these."""
        share = self.weights_ if self.weights_.any() else np.ones(len(self.weights_))
        share = share / share.sum()
        parts = [np.float32(w) * group.mean(ask) for w, group in zip(share, self.groups_) if w > 0]
        return np.asarray(np.sum(parts, axis=0), np.float32)

    def item_vectors(self) -> Any:
        """All members' vectors side by side: the cosine is then the weighted mean of the members' cosines."""
        return side_by_side([group.models[0].item_vectors() for group in self.groups_], self.weights_)

    # ---------------------------------------------------------------- files

    def _saved_params(self) -> dict[str, Any]:
        return plain_params(self)

    def _arrays(self) -> dict[str, npt.NDArray[Any]]:
        arrays = {"weights": self.weights_, "intercept": np.array(self.intercept_)}
        if self.member_rmse_ is not None:
            arrays["member_rmse"] = self.member_rmse_
        for prefix, model in self._each(self.groups_):
            arrays |= {prefix + name: array for name, array in model._saved_arrays().items()}
        if any(model._is_drawn() for _, model in self._each(self.groups_)):
            arrays["members_drawn"] = np.array(1.0)
        return arrays

    def _restore(self, arrays: LearnedArrays) -> None:
        m = len(self.members)
        self.weights_ = arrays.floats("weights", m, dtype="float64")
        require(bool((self.weights_ >= 0).all()), "a weight of the blend is below 0")
        self.intercept_ = arrays.number("intercept")
        measured = "member_rmse" in arrays
        self.member_rmse_ = arrays.floats("member_rmse", m, dtype="float64") if measured else None
        require(self.seeds <= len(arrays), f"the file holds fewer fits than seeds={self.seeds}")
        self.groups_ = self._new_groups()
        for prefix, model in self._each(self.groups_):
            model._set_ratings(self.ratings_)
            model._restore_saved(arrays.under(prefix))
        if "members_drawn" in arrays:
            arrays.number("members_drawn")
            return
        for _, model in self._each(self.groups_):  # of a file from before members answered as their fits drew them
            model._model_weight = 1.0

    @staticmethod
    def _each(groups: list[Group]) -> Iterator[tuple[str, Recommender]]:
        """Each fitted model, with what its arrays' names begin with in a file."""
        for k, group in enumerate(groups):
            for s, model in enumerate(group.models):
                yield f"{k}.{s}/", model


def stacking(predicted: DoubleArray, truth: DoubleArray, l2: float) -> tuple[DoubleArray, float]:
    """Weights >= 0 and the intercept: ridge regression towards equal weights, by non-negative least squares.

    Args:
        predicted: (n, m), out of sample.
        truth: (n,).
        l2: weight of the pull towards 1 / m.
    """
    from scipy.optimize import nnls

    m = predicted.shape[1]
    mean, level = predicted.mean(axis=0), float(truth.mean())
    pull = np.sqrt(l2)
    left = np.vstack([predicted - mean, pull * np.eye(m)])
    right = np.concatenate([truth - level, np.full(m, pull / m)])
    q, r = np.linalg.qr(left)  # the same problem with m rows instead of n
    weights, _ = nnls(r, q.T @ right)
    return weights, level - float(mean @ weights)


def _pairs_of(group: Group, users: IntArray, items: IntArray) -> Scores:
    """Predictions of pairs, unclipped as they are blended."""
    parts = [slice(start, start + _PAIRS) for start in range(0, len(users), _PAIRS)]
    return np.concatenate([group.mean(lambda model, p=part: _answers(model, users[p], items[p])) for part in parts])


# ---------------------------------------------------------------- what a member answers, drawn where its fit drew it


def _answers(model: Recommender, user_index: IntArray, item_index: IntArray) -> Scores:
    ask = model._weighed_pairs if model._is_drawn() else model._pairs
    return ask(user_index, item_index)


def _refuse_dates(model: Recommender) -> None:
    """Refuse a member that reads dates, which a blend is not told: what it has learnt of them would not be asked.

    Raises:
        ParameterError: it reads them.
    """
    if model.reads_dates:
        raise ParameterError(
            f"{type(model).__name__} reads dates, and a blend asks its members without any", name="members",
            remedy="blend models that read none, and read dates with the whole: recae.Dated(base=recae.Blend(...))",
        )  # fmt: skip
