"""Losses against sparse targets: the same as on dense ones, with the same gradients."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from property_examples import examples
from scipy import sparse, special
from torch import Tensor

from recae.errors import DataError
from recae.models.vae import implicit_losses as implicit
from recae.nn import losses
from recae.sparse import SparseRows


def case(seed: int = 0, n_rows: int = 5, n_cols: int = 7) -> tuple[Tensor, SparseRows]:
    """Logits of some size and targets 1 to 3 at about a third of the entries; the last row has none."""
    rng = np.random.default_rng(seed)
    dense = rng.integers(1, 4, (n_rows, n_cols)) * (rng.random((n_rows, n_cols)) < 0.35)
    dense[-1] = 0
    target = SparseRows.from_scipy(sparse.csr_array(dense.astype(np.float64)), dtype=torch.float64)
    return torch.from_numpy(3 * rng.standard_normal((n_rows, n_cols))), target


@given(st.integers(0, 10_000), st.integers(1, 6), st.integers(1, 9))
@settings(max_examples=examples(40), deadline=None)
def test_multinomial_is_the_dense_one(seed: int, n_rows: int, n_cols: int) -> None:
    """Loss and gradient are those of `losses.multinomial` on the dense target, for any shape and empty rows."""
    logits, target = case(seed, n_rows, n_cols)
    ours, theirs = logits.clone().requires_grad_(), logits.clone().requires_grad_()
    loss, dense = implicit.multinomial(ours, target), losses.multinomial(theirs, target.to_dense())
    (2 * loss).backward()
    (2 * dense).backward()
    assert ours.grad is not None
    torch.testing.assert_close(loss, dense)
    torch.testing.assert_close(ours.grad, theirs.grad)


@given(st.integers(0, 10_000), st.integers(1, 6), st.integers(1, 9))
@settings(max_examples=examples(40), deadline=None)
def test_multinomial_row_by_row_is_the_same(seed: int, n_rows: int, n_cols: int) -> None:
    """What a GPU is given in place of it: loss and gradient to rounding, and finite differences of its own."""
    logits, target = case(seed, n_rows, n_cols)
    pattern = target.indptr, target.indices, target.values
    ours, theirs = logits.clone().requires_grad_(), logits.clone().requires_grad_()
    loss, wanted = implicit._MultinomialOfRows.apply(ours, *pattern), implicit.multinomial(theirs, target)
    (2 * loss).backward()
    (2 * wanted).backward()
    torch.testing.assert_close(loss, wanted)
    torch.testing.assert_close(ours.grad, theirs.grad)
    assert torch.autograd.gradcheck(lambda x: implicit._MultinomialOfRows.apply(x, *pattern), (ours,))


def test_multinomial_by_hand() -> None:
    """Against scipy's logsumexp, also for logits that overflow exp in float32."""
    logits = torch.tensor([[200.0, 198.0, -200.0]])
    target = SparseRows.from_scipy(sparse.csr_array(np.array([[0.0, 2.0, 1.0]])))
    wanted = 3 * special.logsumexp([200, 198, -200]) - 2 * 198 - 1 * -200
    assert float(implicit.multinomial(logits, target)) == pytest.approx(wanted, rel=1e-6)


@pytest.mark.parametrize("negatives", [None, 0.0, 1.5, 100.0])
def test_logistic_and_squared_by_hand(negatives: float | None) -> None:
    """Against sums over all entries in NumPy; what is missing weighs negatives · stored / missing, at most 1."""
    logits, target = case(3)
    x, dense = logits.numpy(), target.to_dense().numpy()
    log_loss = square = 0.0
    for scores, wanted in zip(x, dense):
        chosen = wanted != 0
        weight = 1.0 if negatives is None else min(1.0, negatives * chosen.sum() / (~chosen).sum())
        s = special.expit(scores)
        log_loss += -np.log(s[chosen]).sum() - weight * np.log(1 - s[~chosen]).sum()
        square += ((wanted - scores)[chosen] ** 2).sum() + weight * (scores[~chosen] ** 2).sum()
    assert float(implicit.logistic(logits, target, negatives)) == pytest.approx(log_loss / len(x))
    assert float(implicit.squared(logits, target, negatives)) == pytest.approx(square / len(x))


def test_a_weight_is_what_drawing_would_give_on_average() -> None:
    """Two draws without repeats beside each of 2 stored entries among 10 hit a missing entry with chance 4 / 8."""
    rng = np.random.default_rng(0)
    target = SparseRows.from_scipy(sparse.csr_array(np.array([[1, 1] + [0] * 8])))
    drawn = np.mean([2 in 2 + rng.choice(8, 4, replace=False) for _ in range(4000)])
    assert float(implicit.missing_weight(target, 2)[0]) == 0.5
    assert drawn == pytest.approx(0.5, abs=0.03)


@pytest.mark.parametrize("loss", [implicit.multinomial, implicit.logistic, implicit.squared])
def test_gradients(loss: object) -> None:
    """Each gradient is the finite difference of its loss."""
    logits, target = case(1)
    assert torch.autograd.gradcheck(lambda x: loss(x, target), (logits.requires_grad_(),))


@pytest.mark.parametrize("loss", [implicit.multinomial, implicit.logistic, implicit.squared])
def test_other_widths_are_refused(loss: object) -> None:
    """Logits of another shape than the target's are named, and not read past their end."""
    logits, target = case()
    with pytest.raises(DataError, match=r"gives \(5, 6\), the target is \(5, 7\)"):
        loss(logits[:, :6], target)
    assert float(loss(logits[:0], target[torch.arange(0)])) == 0.0
