"""The decomposition by random products, and rows of length 1: scikit-learn's numbers, without its import."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse
from sklearn.preprocessing import normalize
from sklearn.utils.extmath import randomized_svd

from recae.recommender.frames import normalised
from recae.recommender.randomised_svd import randomised_svd


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("shape", [(70, 43), (43, 70), (50, 50)])
@pytest.mark.parametrize(("k", "iterations"), [(3, None), (9, None), (5, 1), (5, 6)])
def test_the_vectors_are_scikit_learns(
    shape: tuple[int, int], k: int, iterations: int | None, dtype: type[np.floating]
) -> None:
    """Of tall, wide and square matrices, for few products and many, vectors, values and signs are the same."""
    rows = sparse.random_array(shape, density=0.2, format="csr", rng=0, dtype=dtype)
    found = randomised_svd(rows, k, 7, iterations)
    wanted = randomized_svd(sparse.csr_matrix(rows), k, n_iter=iterations or "auto", random_state=7)
    for ours, theirs in zip(found, wanted, strict=True):
        assert ours.dtype == dtype
        np.testing.assert_allclose(ours, theirs, atol=1e-4 if dtype is np.float32 else 1e-10)


def test_the_vectors_are_those_of_all_products() -> None:
    """Of a matrix of rank 4, the four vectors give the matrix back, and the next value is 0."""
    rng = np.random.default_rng(0)
    rows = sparse.csr_array(rng.normal(size=(30, 4)) @ rng.normal(size=(4, 21)))
    left, values, right = randomised_svd(rows, 5, 0)
    assert values[4] < 1e-10 < values[3]
    np.testing.assert_allclose((left * values) @ right, rows.toarray(), atol=1e-10)


def test_sparse_rows_get_length_one() -> None:
    """Sparse rows are divided by their length as scikit-learn divides them; empty ones and the argument stay."""
    rows = sparse.random_array((9, 14), density=0.3, format="csr", rng=0, dtype=np.float32)
    rows = sparse.csr_array(rows.toarray() * (np.arange(9)[:, None] != 4))
    before = rows.copy()
    unit = normalised(rows)
    assert unit.dtype == np.float32
    np.testing.assert_allclose(unit.toarray(), normalize(before).toarray(), rtol=1e-6)
    assert unit[[4]].nnz == 0
    assert (rows != before).nnz == 0
