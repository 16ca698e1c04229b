"""Matrix factorisation for ranking: the package `implicit`, behind the contract that all models keep.

A factorisation is a linear autoencoder whose encoder is a solver: a row goes to the factors that fit it best, and these
times the items' factors are its scores. So unseen users are scored without retraining.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
from scipy import sparse

from recae._types import Csr, FloatArray, IntArray, Scores
from recae.errors import DivergenceError, ParameterError
from recae.jit import jit_kernel, prange
from recae.ratings import RatingMatrix
from recae.recommender.fitting import FitOptions
from recae.recommender.learned import LearnedArrays
from recae.recommender.own_part import ChoosesOnOwnPart
from recae.recommender.params import ReadsValues, Values, as_input, default, hyperparameters, learned, param, seed
from recae.recommender.registry import register

# What ImplicitALS chooses among: widths of the factors with weights of entries of 1 (of others, divided by their mean).
# Where entries are few, few factors are best by far; many are worth their time only with small weights.
CHOICES = ((64, 10.0), (64, 40.0), (16, 10.0), (16, 40.0), (4, 10.0), (4, 40.0), (128, 10.0))


class _Factors(ChoosesOnOwnPart):
    """Users' and items' factors: scores of known users are their product."""

    _bias_columns: ClassVar[int] = 0  # of the factors, beyond `factors`
    lists_by_product: ClassVar[bool] = True

    user_factors_: FloatArray
    item_factors_: FloatArray

    def score_users(self, user_index: IntArray) -> Scores:
        return self.user_factors_[user_index] @ self.item_factors_.T

    def _arrays(self) -> dict[str, npt.NDArray[Any]]:
        return {"user": self.user_factors_, "item": self.item_factors_}

    def _restore(self, arrays: LearnedArrays) -> None:
        wanted = self.factors  # type: ignore[attr-defined]
        width = -1 if wanted is None else wanted + self._bias_columns
        self.user_factors_ = arrays.floats("user", self.ratings_.n_users, width)
        self.item_factors_ = arrays.floats("item", self.ratings_.n_items, self.user_factors_.shape[1])


@register("als", "matrix factorisation for ranking by alternating least squares (implicit)")
@hyperparameters
class ImplicitALS(ReadsValues, _Factors):
    """Weighted matrix factorisation by alternating least squares (Hu, Koren and Volinsky, ICDM 2008), by `implicit`.

    Minimises Σ c_ui (p_ui - x_u·y_i)² + l2 (|X|² + |Y|²) over all users and items, where p is 1 at ratings and 0
    elsewhere, and c is alpha (times what `values` makes of the rating) there and 1 elsewhere. An unseen user's
    factors are the exact solution for their row, the items' being what they are; so, at last, are those of known users.
    """

    factors: int | None = param(
        None, "width of the factors; none to choose it on a part of the ratings", low=1, tune=(16, 256, "log")
    )
    l2: float | None = param(
        None, "L2 weight on the factors; above 0; none for 5 alpha", low=0, tune=(0.1, 300.0, "log")
    )
    alpha: float | None = param(
        None, "weight of a rating against that of a missing one; none to choose it on a part of the ratings", low=0,
        tune=(0.5, 50.0, "log"),
    )  # fmt: skip
    iterations: int = param(15, "alternations", low=1)
    values: Values = default("binary", help="what alpha is multiplied by: 1, the ratings, or log(1 + rating)")
    rng: int = seed("seed of the first factors")

    user_factors_: FloatArray = learned()
    item_factors_: FloatArray = learned()
    factors_: int = learned()
    alpha_: float = learned()

    def _candidates(self, ratings: RatingMatrix) -> list[dict[str, Any]]:
        unit = float(np.mean(np.abs(as_input(ratings.user_rows, self.values).data))) or 1.0
        pairs = [(self.factors or width, alpha / unit if self.alpha is None else self.alpha)
                 for width, alpha in CHOICES]  # fmt: skip
        return [{"factors": width, "alpha": alpha} for width, alpha in dict.fromkeys(pairs)]

    def _weight(self) -> float:
        """The L2 weight: the one given, or five times that of a rating."""
        return 5 * self.alpha_ if self.l2 is None else self.l2

    def _learn(self, ratings: RatingMatrix, options: FitOptions, chosen: dict[str, Any]) -> None:
        if self.l2 is not None and not self.l2 > 0:
            raise ParameterError(
                "users of few ratings have no solution", name="l2", value=self.l2, expected="above 0", remedy="try 50"
            )
        self.factors_, self.alpha_ = chosen["factors"], chosen["alpha"]
        self._record_open(l2=self._weight())
        rows = self._confidence(ratings.user_rows)
        with _one_blas_thread(), _diverging("l2", self._weight()):
            solver = self._solver()
            solver.fit(rows, show_progress=_shown(options))
        self.item_factors_ = np.asarray(solver.item_factors, np.float32)
        self.user_factors_ = self._fold_in(rows)

    def score(self, user_rows: Csr) -> Scores:
        return self._fold_in(self._confidence(user_rows)) @ self.item_factors_.T

    def item_vectors(self) -> FloatArray:
        """The items' factors, (n_items, factors)."""
        return self.item_factors_

    def user_vectors(self) -> FloatArray:
        """The users' factors, (n_users, factors)."""
        return self.user_factors_

    def _added_to_lists(self) -> FloatArray | None:
        return self.prior_

    def _arrays(self) -> dict[str, npt.NDArray[Any]]:
        return {**super()._arrays(), "alpha": np.array(self.alpha_, np.float64)}

    def _restore(self, arrays: LearnedArrays) -> None:
        super()._restore(arrays)
        # files of earlier versions say it in alpha
        self.alpha_ = arrays.number("alpha") if "alpha" in arrays else self.alpha or 1.0
        self.factors_ = self.item_factors_.shape[1]

    def _fold_in(self, confidence: Any) -> FloatArray:
        """Factors of rows, the items' being what they are: (n_rows, factors)."""
        if confidence.shape[0] == 0:
            return np.zeros((0, self.factors_), np.float32)
        with _one_blas_thread(), _diverging("l2", self._weight()):
            solver = self._solver()
            solver.item_factors = self.item_factors_
            return np.asarray(solver.recalculate_user(np.arange(confidence.shape[0]), confidence), np.float32)

    def _solver(self) -> Any:
        from implicit.cpu.als import AlternatingLeastSquares

        return AlternatingLeastSquares(
            factors=self.factors_, regularization=self._weight(), alpha=1.0, iterations=self.iterations,
            random_state=self.rng % 2**32,
        )  # fmt: skip

    def _confidence(self, user_rows: Csr) -> Any:
        """c at the ratings, as `implicit` wants it; a weight of 0 is none."""
        rows = _as_matrix(as_input(user_rows, self.values))
        rows.data = rows.data * np.float32(self.alpha_)
        rows.eliminate_zeros()
        return rows


@register("bpr", "matrix factorisation for ranking by pairs (implicit)")
@hyperparameters
class ImplicitBPR(_Factors):
    """Bayesian personalised ranking (Rendle et al., UAI 2009), by `implicit`: what is rated above what is not.

    An unseen user is treated as a training user: their factors, from 0, take the same number of the same
    stochastic steps on pairs of an item of theirs and another one, the items' factors being what they are. The random
    numbers are the same for everybody, so that equal rows get equal scores. One thread trains: more would
    be faster and, as they do not wait for each other, never twice the same.
    """

    _bias_columns: ClassVar[int] = 1

    factors: int = param(64, "width of the factors, apart from the items' biases", low=1, tune=(16, 256, "log"))
    lr: float = param(0.01, "learning rate", low=0, tune=(0.003, 0.1, "log"))
    l2: float = param(0.01, "L2 weight on the factors of a pair, in each step", low=0, tune=(1e-4, 0.1, "log"))
    iterations: int = param(100, "steps for each rating, of unseen users too", low=1, high=10_000)
    rng: int = seed()

    user_factors_: FloatArray = learned()
    item_factors_: FloatArray = learned()

    def _learn(self, ratings: RatingMatrix, options: FitOptions, chosen: dict[str, Any]) -> None:
        from implicit.cpu.bpr import BayesianPersonalizedRanking

        model = BayesianPersonalizedRanking(
            factors=self.factors, learning_rate=self.lr, regularization=self.l2, iterations=self.iterations,
            num_threads=1, random_state=self.rng % 2**32,
        )  # fmt: skip
        rows = _as_matrix(as_input(ratings.user_rows, "binary"))
        with _diverging("l2", self.l2, "it or lr is too high", "lower it"):
            model.fit(rows, show_progress=_shown(options))
        self.item_factors_ = np.asarray(model.item_factors, np.float32)
        self.user_factors_ = np.asarray(model.user_factors, np.float32)
        self.user_factors_[ratings.counts("user") == 0] = np.eye(1, self.factors + 1, self.factors)  # the biases only

    def score(self, user_rows: Csr) -> Scores:
        users = np.zeros((user_rows.shape[0], self.factors + 1), np.float32)
        users[:, -1] = 1
        _fold_in_bpr(
            user_rows.indptr, user_rows.indices, self.ratings_.user_rows.indices, self.item_factors_, users,
            self.lr, self.l2, self.iterations, self.rng,
        )  # fmt: skip
        return users @ self.item_factors_.T

    def item_vectors(self) -> FloatArray:
        """The items' factors without their biases, (n_items, factors)."""
        return self.item_factors_[:, :-1]

    def user_vectors(self) -> FloatArray:
        """The users' factors, (n_users, factors)."""
        return self.user_factors_[:, :-1]

    def _added_to_lists(self) -> FloatArray | None:
        biases = self.item_factors_[:, -1]
        return biases if self.prior_ is None else biases + self.prior_


@jit_kernel(parallel=True)
def _fold_in_bpr(
    indptr: Any, indices: Any, pool: Any, items: FloatArray, users: FloatArray,
    lr: float, l2: float, iterations: int, seed: int,
) -> None:  # fmt: skip
    """`implicit`'s steps on `users` (n, k + 1) only: a rated item, one by popularity, a step if that is unrated."""
    for row in prange(users.shape[0]):
        first, n = indptr[row], indptr[row + 1] - indptr[row]
        state = np.uint64(seed * 2 + 88172645463325253)
        for _step in range(n * iterations):
            state ^= state << np.uint64(13)  # xorshift64 (Marsaglia, 2003)
            state ^= state >> np.uint64(7)
            state ^= state << np.uint64(17)
            liked = indices[first + int((state >> np.uint64(32)) % np.uint64(n))]
            other = pool[int((state & np.uint64(0xFFFFFFFF)) % np.uint64(len(pool)))]
            entry = first + np.searchsorted(indices[first : first + n], other)
            if entry < first + n and indices[entry] == other:
                continue
            margin = 0.0
            for k in range(users.shape[1]):
                margin += users[row, k] * (items[liked, k] - items[other, k])
            pull = 1.0 / (1.0 + np.exp(margin))
            for k in range(users.shape[1] - 1):
                users[row, k] += lr * (pull * (items[liked, k] - items[other, k]) - l2 * users[row, k])


def _as_matrix(rows: Csr) -> Any:
    """The `csr_matrix` with 32-bit indices that `implicit` takes; its data may be changed."""
    parts = rows.data.copy(), rows.indices.astype(np.int32), rows.indptr.astype(np.int32)
    return sparse.csr_matrix(parts, shape=rows.shape)


@contextmanager
def _diverging(
    name: str, value: float, why: str = "it is too small for these ratings", remedy: str = "raise it"
) -> Iterator[None]:
    """What `implicit` raises where its equations are singular, or its factors not finite, in our words."""
    from implicit.recommender_base import ModelFitError

    try:
        yield
    except (ModelFitError, ValueError) as error:
        raise DivergenceError(f"{why} ({error})", name=name, value=value, remedy=remedy) from None


@contextmanager
def _one_blas_thread() -> Iterator[None]:
    """`implicit` has threads of its own; those of the BLAS beside them make it many times slower."""
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1, "blas"):
        yield


def _shown(options: FitOptions) -> bool:
    """Whether `implicit` is to show its bar."""
    import sys

    return sys.stderr.isatty() if options.progress is None else options.progress
