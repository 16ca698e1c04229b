"""PCA of sparse rows as a recommender: a row is projected onto a few directions, and what comes back is its scores."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from recae._types import Csr, FloatArray, Scores
from recae.ratings import RatingMatrix
from recae.recommender.fitting import FitOptions
from recae.recommender.learned import LearnedArrays
from recae.recommender.own_part import ChoosesOnOwnPart
from recae.recommender.params import ReadsValues, as_input, hyperparameters, learned, param, seed
from recae.recommender.registry import register

RANKS = (1, 2, 3, 5, 8, 12, 20, 30, 50, 80)  # that are chosen among
SMALL = 2**20  # entries: below, the matrix is decomposed densely and exactly


@register("pca", "PCA of sparse rows (PureSVD): the linear autoencoder without training")
@hyperparameters
class PCARecommender(ReadsValues, ChoosesOnOwnPart):
    """Scores x V Vᵀ, V the first right singular vectors: PureSVD (Cremonesi et al., RecSys 2010).

    It is the linear autoencoder of least squared error, missing entries being 0 (Baldi and Hornik, 1989). Centred,
    scores are m + (x - m) V Vᵀ with V the principal components proper and m the column means; rows stay sparse.
    """

    linear: ClassVar[bool] = True

    factors: int | None = param(
        None, "directions that are kept; at most one less than the smaller side; none to choose them on a part of the "
        "ratings", low=1, tune=(10, 300, "log"),
    )  # fmt: skip
    centre: bool = param(False, "take the mean row off first: PCA proper rather than PureSVD")
    rng: int = seed("seed of the solver's starting vector")

    components_: FloatArray = learned()
    strengths_: FloatArray = learned()
    mean_: FloatArray = learned()

    def _candidates(self, ratings: RatingMatrix) -> list[dict[str, Any]]:
        return [{"factors": factors} for factors in (RANKS if self.factors is None else (self.factors,))]

    def _trials(
        self, ratings: RatingMatrix, candidates: list[dict[str, Any]]
    ) -> Iterator[tuple[dict[str, Any], PCARecommender]]:
        """As many first directions of one decomposition as each candidate says."""
        model = self.clone()
        model._learn(ratings, FitOptions(), candidates[-1])
        model._set_ratings(ratings)
        components, strengths = model.components_, model.strengths_
        for candidate in candidates:
            k = candidate["factors"]
            model.components_, model.strengths_ = components[:, :k], strengths[:k]
            yield candidate, model

    def _learn(self, ratings: RatingMatrix, options: FitOptions, chosen: dict[str, Any]) -> None:
        rows = as_input(ratings.user_rows, self.values)
        mean = np.asarray(rows.mean(axis=0), np.float64).ravel() if self.centre else np.zeros(ratings.n_items)
        self.components_, self.strengths_ = directions(rows, chosen["factors"], centre=self.centre, seed=self.rng)
        self.mean_ = mean.astype(np.float32)

    def _reads_only_rows(self) -> bool:
        return True

    def score(self, user_rows: Csr) -> Scores:
        rest = self.mean_ - (self.mean_ @ self.components_) @ self.components_.T
        codes = as_input(user_rows, self.values) @ self.components_
        return np.asarray(codes @ self.components_.T + rest, np.float32)

    def item_vectors(self) -> FloatArray:
        """Loadings V S, (n_items, k): their cosines are those of the items' columns in the projected matrix."""
        return self.components_ * self.strengths_

    def _arrays(self) -> dict[str, npt.NDArray[Any]]:
        return {"components": self.components_, "strengths": self.strengths_, "mean": self.mean_}

    def _restore(self, arrays: LearnedArrays) -> None:
        n = self.ratings_.n_items
        self.components_ = arrays.floats("components", n, -1)
        self.strengths_ = arrays.floats("strengths", self.components_.shape[1])
        self.mean_ = arrays.floats("mean", n)


def directions(rows: Csr, factors: int, *, centre: bool, seed: int) -> tuple[FloatArray, FloatArray]:
    """The first right singular vectors of `rows` less its mean row, (n_cols, k), and the singular values, (k,).

    scikit-learn's TruncatedSVD and, centred, PCA; both by ARPACK, which leaves sparse rows sparse. Signs are
    scikit-learn's; k is `factors`, or fewer where the matrix has fewer.
    """
    k = min(factors, min(rows.shape) - 1)
    if k < 1 or rows.shape[0] * rows.shape[1] <= SMALL:
        return dense_directions(rows, max(1, k), centre=centre)
    from sklearn.decomposition import PCA, TruncatedSVD

    if centre:
        solver = PCA(k, svd_solver="arpack", random_state=seed % 2**32)
    else:
        solver = TruncatedSVD(k, algorithm="arpack", random_state=seed % 2**32)
    solver.fit(rows.astype(np.float64))
    return np.ascontiguousarray(solver.components_.T, np.float32), solver.singular_values_.astype(np.float32)


def dense_directions(rows: Csr, k: int, *, centre: bool) -> tuple[FloatArray, FloatArray]:
    """The same, of a small matrix by LAPACK."""
    dense = rows.toarray().astype(np.float64)
    _, strength, right = np.linalg.svd(dense - dense.mean(0) if centre else dense, full_matrices=False)
    return np.ascontiguousarray(right[:k].T, np.float32), strength[:k].astype(np.float32)
