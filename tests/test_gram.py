"""XᵀX as a GPU makes it, run on the CPU, against the CPU's kernel."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from scipy import sparse

from recae.models.linear import gram as module
from recae.models.linear.gram import gram

CPU = torch.device("cpu")
ROWS = sparse.random_array((23, 9), density=0.3, format="csr", dtype=np.float32, rng=0)
WEIGHT = np.linspace(0.5, 2, 23, dtype=np.float32)


@pytest.mark.parametrize("way", [module._dense_gram, module._sparse_gram])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_both_ways_of_a_gpu_give_the_weighted_gram_matrix(
    way: Callable[..., torch.Tensor], dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By blocks of users and by blocks of columns, neither dividing the sizes, Xᵀ diag(w) X comes out, whole."""
    monkeypatch.setattr(module, "_USERS", 10)
    monkeypatch.setattr(module, "BLOCK", 4)
    dense = ROWS.toarray().astype(np.float64)
    expected = dense.T @ (WEIGHT[:, None] * dense)
    made = way(ROWS, WEIGHT, CPU, dtype)
    assert made.dtype == dtype
    np.testing.assert_allclose(made.numpy(), expected, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(
        np.tril(gram(ROWS, WEIGHT, device=CPU, dtype=dtype)), np.tril(expected), rtol=1e-5, atol=1e-5
    )


def test_a_gpu_takes_the_way_that_suits_the_filling(monkeypatch: pytest.MonkeyPatch) -> None:
    """Few ratings in float32 on CUDA go by the ratings; full rows, float64 and other devices by dense blocks."""
    taken: list[str] = []
    for name in ("_dense_gram", "_sparse_gram"):
        monkeypatch.setattr(module, name, lambda *_, name=name: taken.append(name))
    few: Any = sparse.csr_array((np.ones(2, np.float32), ([0, 22], [1, 8])), shape=(23, 9))
    for rows, device, dtype in [
        (few, "cuda", torch.float32), (ROWS, "cuda", torch.float32), (few, "cuda", torch.float64),
        (few, "mps", torch.float32),
    ]:  # fmt: skip
        gram(rows, WEIGHT, device=torch.device(device), dtype=dtype)
    assert taken == ["_sparse_gram", "_dense_gram", "_dense_gram", "_dense_gram"]


@pytest.mark.parametrize("precision", ["highest", "high", "medium"])
def test_an_inverse_does_not_depend_on_a_users_precision(precision: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Products within are full float32, though PyTorch is set to TF32 or bf16; afterwards it is set as before."""
    within, matmul = [], torch.backends.cuda.matmul
    plain = module.product
    monkeypatch.setattr(module, "product", lambda a, b: within.append(matmul.fp32_precision) or plain(a, b))
    monkeypatch.setattr(module, "BLOCK", 4)
    try:
        torch.set_float32_matmul_precision(precision)
        inverse = module.invert_(gram(ROWS, WEIGHT, device=CPU) + torch.eye(9))
        assert torch.get_float32_matmul_precision() == precision
    finally:
        torch.set_float32_matmul_precision("highest")
    assert set(within) == {"ieee"}
    dense = ROWS.toarray().astype(np.float64)
    expected = np.linalg.inv(dense.T @ (WEIGHT[:, None] * dense) + np.eye(9))
    np.testing.assert_allclose(inverse.numpy(), expected, atol=1e-4)
