"""A filter on the spectrum of items' co-occurrence: a linear autoencoder whose matrix is applied, and never formed."""

from __future__ import annotations

from collections.abc import Iterator
from copy import copy
from itertools import pairwise
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from numpy.polynomial.chebyshev import chebval
from scipy import sparse

from recae._types import Arrays, Csr, FloatArray, Scores
from recae.models.linear.pca_recommender import SMALL, dense_directions
from recae.models.linear.spectrum_filters import STEP_DEGREE, filter_by_name, polynomial
from recae.ratings import RatingMatrix
from recae.ratings.csr import cut_evenly
from recae.recommender.fitting import FitOptions
from recae.recommender.learned import LearnedArrays
from recae.recommender.own_part import ChoosesOnOwnPart
from recae.recommender.params import ReadsValues, as_input, hyperparameters, learned, param, seed
from recae.recommender.registry import register
from recae.schemas import require
from recae.sparse import SparseRows, spmm

# What is chosen among; the linear filter has no strength.
STRENGTHS = {
    "ridge": (0.02, 0.05, 0.15, 0.45, 1.5), "plateau": (1.0, 2.0, 4.0, 8.0), "step": (1.0, 1.5, 3.0, 15.0),
    "linear": (1.0,),
}  # fmt: skip
POSTS = (0.35, 0.45)
SHARE, MOST = 0.027, 800  # directions where they are not said: a share of the smaller side, and no more than these
BLOCK, CELLS = 256, 2**26  # users that are filtered at once, at most: as many as have so many numbers in all
PART = 1 << 22  # ratings that are weighed at once
Polynomial = tuple[FloatArray, FloatArray]  # coefficients, and what it lacks on the leading eigenvectors


@register("spectral", "filter on the spectrum of items' co-occurrence, for any number of items")
@hyperparameters
class Spectral(ReadsValues, ChoosesOnOwnPart):
    """Scores of a row x: g^post (f(S) + w V Vᵀ) (g^-pre x), a filter f of items' normalised co-occurrence S.

    X holds the ratings, n_u and n_i their numbers by user and by item, and g = n_i + `prior`. R is X with each entry
    divided by n_u^`user_power` and by √g, and S is RᵀR divided by its largest eigenvalue, so that its spectrum lies in
    0 to 1. V (n_items, `factors`) holds its leading eigenvectors: the "ideal low pass" that GF-CF (Shen et al., CIKM
    2021) and ChebyCF (Kim et al., SIGIR 2025) add with a weight w. f is s / (s + c) ("ridge", the filter of a ridge
    regression), s ("linear", as in GF-CF), 1 less the c-th power of 1 - s ("plateau"), or for "step" the polynomial of
    degree 8 that ChebyCF's program makes of (1 ± |y|^c) / 2, where y = 2 s - 1 and ± is its sign: it rises from 0
    to 1, flat in the middle where c > 1.

    As published: GF-CF has the linear filter, `user_power` 0.5, `prior`, `pre` and `post` 0, `low_pass` 0.3, 256
    `factors` and `low_pass_power` 0.5; ChebyCF has the step, `user_power` 0.5, `prior` 0, and `pre` = `post`.

    Nothing of size n_items x n_items is formed. f(S) is a polynomial in S, each degree of which takes two sparse
    products, and on V it is corrected to f itself. So the polynomial has to be right only where the spectrum is left,
    from 0 to the last eigenvalue of V, and a low degree does.
    """

    linear: ClassVar[bool] = True

    filter: Literal["ridge", "plateau", "linear", "step"] = param(
        "ridge", "f: s / (s + c), 1 - (1 - s)^c, s, or ChebyCF's step", choices=tuple(STRENGTHS), tune=None
    )
    strength: float | None = param(
        None, "c of the filter; none to choose it on a part of the ratings", low=1e-6, high=1e6,
        tune=(0.02, 2.0, "log"),
    )  # fmt: skip
    low_pass: float = param(0.2, "weight w of the leading eigenvectors", low=0, tune=(0.0, 1.0))
    low_pass_power: float | None = param(
        None, "power of items' numbers for the leading eigenvectors, in place of pre and post; none for pre and post",
        low=-2, high=2, tune=None,
    )  # fmt: skip
    factors: int | None = param(
        None, "leading eigenvectors; none for 2.7 % of the smaller of users and items, at most 800", low=1,
        tune=(10, 800, "log"),
    )  # fmt: skip
    user_power: float = param(0.25, "power of users' numbers of ratings by which entries are divided", low=0, high=2)
    prior: float = param(5.0, "added to items' numbers of ratings", low=0, tune=(0.0, 60.0))
    pre: float = param(0.5, "power of items' numbers by which what is read is divided", low=-2, high=2, tune=(0.0, 1.0))
    post: float | None = param(
        None, "power of items' numbers by which scores are multiplied; none to choose it on a part of the ratings",
        low=-2, high=2, tune=(0.0, 1.0),
    )  # fmt: skip
    degree: int | None = param(
        None, "degree of the polynomial; none for the lowest that is within a thousandth of f beyond V, at most 16",
        low=1, high=64, tune=None,
    )  # fmt: skip
    iterations: int = param(
        4, "power iterations of the eigenvectors' randomised solver; more come nearer to the exact ones", low=0,
        high=1000, tune=None,
    )  # fmt: skip
    rng: int = seed("seed of the eigenvectors' solver")

    components_: FloatArray = learned()
    gains_: FloatArray = learned()
    strengths_: FloatArray = learned()
    coefficients_: FloatArray = learned()
    largest_: float = learned()
    post_: float = learned()

    # ---------------------------------------------------------------- fitting

    def _candidates(self, ratings: RatingMatrix) -> list[dict[str, Any]]:
        strengths = STRENGTHS[self.filter] if self.strength is None else (self.strength,)
        posts = POSTS if self.post is None else (self.post,)
        return [{"strength": c, "post": power} for power in posts for c in strengths]

    def _trials(
        self, ratings: RatingMatrix, candidates: list[dict[str, Any]]
    ) -> Iterator[tuple[dict[str, Any], Spectral]]:
        """All filters on the eigenvectors of one decomposition; of the first users asked, by one recurrence."""
        model = self.clone()
        model._learn(ratings, FitOptions(), candidates[0])
        model._set_ratings(ratings)
        polynomials = {c: model._polynomial(c) for c in dict.fromkeys(one["strength"] for one in candidates)}
        model._together = Together(list(polynomials.values()))
        for candidate in candidates:
            model.coefficients_, model.gains_ = polynomials[candidate["strength"]]
            model.post_, model._writes = candidate["post"], model._by_item(ratings, candidate["post"])
            yield candidate, model

    def _learn(self, ratings: RatingMatrix, options: FitOptions, chosen: dict[str, Any]) -> None:
        rows = self._weighed(ratings)
        wanted = self.factors or max(1, min(MOST, round(SHARE * min(ratings.shape))))
        self.components_, strengths = leading(rows, wanted, self.rng, self.iterations)
        self.post_ = chosen["post"]
        self.largest_ = max(float(strengths[0]), float(np.finfo(np.float32).tiny))
        self._read(ratings, rows)
        self.strengths_ = strengths / np.float32(self.largest_)
        self.coefficients_, self.gains_ = self._polynomial(chosen["strength"])

    def _polynomial(self, strength: float) -> Polynomial:
        """Coefficients, and what the polynomial lacks on the leading eigenvectors, (k,)."""
        f, eigenvalues = filter_by_name(self.filter, strength), self.strengths_.astype(np.float64) ** 2
        degree = STEP_DEGREE if self.filter == "step" and self.degree is None else self.degree
        coefficients = polynomial(f, float(eigenvalues[-1]), degree)
        off = f(eigenvalues) - chebval(2 * eigenvalues - 1, coefficients)
        return coefficients, (off + (self.low_pass if self.low_pass_power is None else 0.0)).astype(np.float32)

    def _weighed(self, ratings: RatingMatrix) -> Csr:
        """R, (n_users, n_items)."""
        rows, counts = copy(as_input(ratings.user_rows, self.values)), ratings.counts("user")
        by_user = np.maximum(counts, 1).astype(np.float32) ** np.float32(-self.user_power)
        by_item, data = self._by_item(ratings, -0.5), np.empty(rows.nnz, np.float32)
        for first, last in pairwise(cut_evenly(counts, PART)):  # no copies of the size of the ratings
            part = slice(rows.indptr[first], rows.indptr[last])
            data[part] = rows.data[part] * np.repeat(by_user[first:last], counts[first:last])
            data[part] *= by_item[rows.indices[part]]
        rows.data = data
        return rows

    def _by_item(self, ratings: RatingMatrix, power: float) -> FloatArray:
        """g to a power, (n_items,); an item without a rating counts as one with one."""
        numbers: FloatArray = np.maximum(ratings.counts("item") + self.prior, 1).astype(np.float32)
        return numbers ** np.float32(power)

    def _read(self, ratings: RatingMatrix, rows: Csr) -> None:
        """Keep what scores are made with, of the ratings learnt from and R, which is divided in place."""
        self._together: Together | None = None
        rows.data /= np.float32(self.largest_)
        self._sides = SparseRows.from_scipy(rows), SparseRows.from_scipy(rows.T.tocsr())
        self._reads, self._writes = self._by_item(ratings, -self.pre), self._by_item(ratings, self.post_)

    # ---------------------------------------------------------------- scoring

    def _reads_only_rows(self) -> bool:
        return False  # the filter runs over everybody's rows

    def score(self, user_rows: Csr) -> Scores:
        if self._together is None:
            (out,) = self._filtered(user_rows, [(self.coefficients_, self.gains_)])
        else:
            out = self._together.filtered(self, user_rows)
        out *= self._writes
        if self.low_pass_power is not None:
            reads, writes = (self._by_item(self.ratings_, sign * self.low_pass_power) for sign in (-1, 1))
            passed = sparse.csr_array(as_input(user_rows, self.values).multiply(reads)) @ self.components_
            out += (np.float32(self.low_pass) * passed) @ (self.components_.T * writes)
        return out

    def _filtered(self, user_rows: Csr, polynomials: list[Polynomial]) -> list[FloatArray]:
        """Rows by f(S) + w V Vᵀ, (n, n_items), for each of several f, in blocks of users."""
        read = sparse.csr_array(as_input(user_rows, self.values).multiply(self._reads))
        found = [np.empty(user_rows.shape, np.float32) for _ in polynomials]
        size = max(1, min(BLOCK, CELLS // (sum(self.ratings_.shape) * max(1, len(polynomials) // 2))))
        for start in range(0, user_rows.shape[0], size):
            rows = read[start : start + size]
            passed = rows @ self.components_
            sums = self._summed(rows, [coefficients for coefficients, _ in polynomials])
            for out, total, (_, gains) in zip(found, sums, polynomials):
                np.add(total.T.numpy(), (passed * gains) @ self.components_.T, out=out[start : start + size])
        return found

    def _summed(self, rows: Csr, coefficients: list[FloatArray]) -> list[torch.Tensor]:
        """Polynomials in S of rows, (n_items, n) each: Chebyshev's recurrence, which is the same for all of them."""
        before = torch.from_numpy(rows.toarray()).T.contiguous()
        now, term = self._moved(before), torch.empty_like(before)
        sums = [one[0] * before + one[1] * now for one in coefficients]
        for n in range(2, max(map(len, coefficients))):
            before, now = now, self._moved(now).mul_(2).sub_(before)
            for total, one in zip(sums, coefficients):
                if n < len(one):
                    total += torch.mul(now, one[n], out=term)
        return sums

    def _moved(self, block: torch.Tensor) -> torch.Tensor:
        """2 S - 1 applied to columns: its spectrum lies in -1 to 1."""
        rows, columns = self._sides
        return spmm(columns, spmm(rows, block)).mul_(2).sub_(block)

    def item_vectors(self) -> FloatArray:
        """Eigenvectors times the roots of their eigenvalues, (n_items, k)."""
        return self.components_ * self.strengths_

    # ---------------------------------------------------------------- files

    def _arrays(self) -> Arrays:
        return {
            "components": self.components_, "gains": self.gains_, "coefficients": self.coefficients_,
            "strengths": self.strengths_, "largest": np.array(self.largest_), "post": np.array(self.post_, np.float64),
        }  # fmt: skip

    def _restore(self, arrays: LearnedArrays) -> None:
        self.components_ = arrays.floats("components", self.ratings_.n_items, -1)
        self.gains_ = arrays.floats("gains", self.components_.shape[1])
        self.strengths_ = arrays.floats("strengths", self.components_.shape[1])
        self.coefficients_ = arrays.floats("coefficients", -1)
        require(2 <= len(self.coefficients_) <= 65, "the polynomial is not of a degree from 1 to 64")
        self.largest_, self.post_ = arrays.number("largest"), arrays.number("post")
        require(self.largest_ > 0, "the largest singular value is not above 0")
        require(abs(self.post_) <= 2, "the power of items' numbers is not within -2 and 2")
        self._read(self.ratings_, self._weighed(self.ratings_))


class Together:
    """Rows under several filters, of which each is asked for in turn: the products are made once."""

    def __init__(self, polynomials: list[Polynomial]) -> None:
        self.polynomials = polynomials
        self.rows: Csr | None = None
        self.found: list[FloatArray] = []

    def filtered(self, model: Spectral, rows: Csr) -> FloatArray:
        """What `model`, whose filter is one of them, makes of rows: (n, n_items); of the first rows, under all."""
        if self.rows is None:
            self.rows, self.found = rows, model._filtered(rows, self.polynomials)
        if not _same(self.rows, rows):
            return model._filtered(rows, [(model.coefficients_, model.gains_)])[0]
        which = [one is model.coefficients_ for one, _ in self.polynomials].index(True)
        return self.found[which].copy()


def _same(rows: Csr, others: Csr) -> bool:
    return rows.shape == others.shape and all(
        np.array_equal(getattr(rows, name), getattr(others, name)) for name in ("indptr", "indices", "data")
    )


def leading(rows: Csr, factors: int, seed: int, iterations: int) -> tuple[FloatArray, FloatArray]:
    """The first right singular vectors (n_cols, k) and values (k,): exactly of a small matrix, else by random products.

    k is `factors`, or fewer where the matrix has fewer (Halko, Martinsson and Tropp, SIAM Review 2011; scikit-learn's).
    """
    k = max(1, min(factors, min(rows.shape) - 1))
    if rows.shape[0] * rows.shape[1] <= SMALL:
        return dense_directions(rows, k, centre=False)
    from sklearn.utils.extmath import randomized_svd

    _, strengths, right = randomized_svd(sparse.csr_matrix(rows), k, n_iter=iterations, random_state=seed % 2**32)
    return np.ascontiguousarray(right.T, np.float32), strengths.astype(np.float32)
