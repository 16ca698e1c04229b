"""Losses and penalties against NumPy and SciPy."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from scipy import integrate, special, stats

from recae.errors import DataError
from recae.nn import Deterministic, GaussianCode, KLSparse, KSparse, L1Sparse
from recae.nn import losses as L

RNG = np.random.default_rng(0)
OUTPUT, TARGET = RNG.normal(size=(4, 6)) * 3, RNG.random((4, 6))


def tensor(x: Any) -> torch.Tensor:
    return torch.from_numpy(np.asarray(x, dtype=np.float64))


@pytest.mark.parametrize(
    ("ours", "expected"),
    [
        (L.squared_error, np.mean((OUTPUT - TARGET) ** 2)),
        (L.summed_squared_error, np.sum((OUTPUT - TARGET) ** 2) / 4),
        (
            L.cross_entropy_from_logits,
            -np.sum(TARGET * np.log(special.expit(OUTPUT)) + (1 - TARGET) * np.log(1 - special.expit(OUTPUT))) / 4,
        ),
        (L.multinomial, -np.sum(TARGET * special.log_softmax(OUTPUT, axis=1)) / 4),
    ],
)
def test_losses_are_their_formulas(ours: Any, expected: float) -> None:
    """Each loss, with what it sums and what it averages, equals the formula written in NumPy."""
    assert float(ours(tensor(OUTPUT), tensor(TARGET))) == pytest.approx(expected, rel=1e-12)


def test_masked_squared_error_is_autorecs() -> None:
    """Squared errors at stored entries, summed, divided by rows (not by ratings); no rows divide by 1."""
    assert float(L.masked_squared_error(tensor([1.0, 2, 5]), tensor([0.0, 4, 5]), 2)) == 2.5
    assert float(L.masked_squared_error(tensor([]), tensor([]), 0)) == 0.0


def test_cross_entropy_is_stable_far_out() -> None:
    """Logits of ±1,000 cost 1,000 where they are wrong and 0 where they are right, not infinity or NaN."""
    cost = L.cross_entropy_from_logits(tensor([[1000.0, -1000.0, 1000.0]]), tensor([[0.0, 0.0, 1.0]]))
    assert float(cost) == 1000.0


@pytest.mark.parametrize("bad", [[-0.1, 0.5], [0.5, 5.0], [0.5, float("nan")]])
def test_cross_entropy_needs_the_unit_interval(bad: list[float]) -> None:
    """Targets outside [0, 1] are refused with the values met; those inside, and none at all, are not."""
    with pytest.raises(DataError, match=r"values in \[0, 1\]"):
        L.check_unit_interval(tensor(bad))
    for good in ([0.0, 1.0], []):
        L.check_unit_interval(tensor(good))


@pytest.mark.parametrize(("mean", "logvar"), [(0.0, 0.0), (1.5, -2.0), (-0.3, 1.0)])
def test_gaussian_kl_is_the_integral(mean: float, logvar: float) -> None:
    """The closed form equals ∫ q log(q / p), integrated numerically; over units it adds up."""
    q, p = stats.norm(mean, np.exp(logvar / 2)), stats.norm()
    integral, _ = integrate.quad(lambda x: q.pdf(x) * (q.logpdf(x) - p.logpdf(x)), mean - 40, mean + 40, limit=400)
    assert float(L.gaussian_kl(tensor([[mean]]), tensor([[logvar]]))) == pytest.approx(integral, abs=1e-7)
    doubled = L.gaussian_kl(tensor([[mean, mean]]), tensor([[logvar, logvar]]))
    assert float(doubled) == pytest.approx(2 * integral, abs=1e-7)


# ---------------------------------------------------------------- codes


def test_a_deterministic_code_is_free() -> None:
    """It hands its input on and costs 0."""
    h = tensor(TARGET)
    code, penalty = Deterministic()(h)
    assert code is h
    assert float(penalty) == 0.0


def test_kl_sparsity_is_its_formula() -> None:
    """weight Σ_j KL(rho ‖ mean activation), by SciPy's relative entropy; 0 when the mean is rho."""
    rho, weight, mean = 0.1, 0.7, TARGET.mean(0)
    expected = weight * np.sum(special.rel_entr(rho, mean) + special.rel_entr(1 - rho, 1 - mean))
    code, penalty = KLSparse(rho, weight)(tensor(TARGET))
    assert float(penalty) == pytest.approx(expected, rel=1e-12)
    assert torch.equal(code, tensor(TARGET))
    assert float(KLSparse(rho)(torch.full((3, 5), rho, dtype=torch.float64))[1]) == pytest.approx(0, abs=1e-12)


def test_kl_sparsity_survives_dead_units() -> None:
    """A unit that is always 0 or always 1 costs a finite amount and has a finite gradient."""
    h = tensor([[0.0, 1.0], [0.0, 1.0]]).requires_grad_()
    penalty = KLSparse()(h)[1]
    penalty.backward()
    assert torch.isfinite(penalty)
    assert torch.isfinite(h.grad).all()


def test_l1_sparsity_is_its_formula() -> None:
    """weight times the mean over rows of Σ |h|."""
    assert float(L1Sparse(0.3)(tensor(OUTPUT))[1]) == pytest.approx(0.3 * np.abs(OUTPUT).sum() / 4, rel=1e-12)


def test_k_sparse_keeps_the_k_largest() -> None:
    """Each row keeps its k largest values at their indices, all else is 0, and gradients flow to those kept only."""
    h = tensor([[3.0, -1.0, 2.0, 5.0], [0.0, 9.0, 8.0, 7.0]]).requires_grad_()
    code, penalty = KSparse(2)(h)
    assert code.tolist() == [[3.0, 0.0, 0.0, 5.0], [0.0, 9.0, 8.0, 0.0]]
    assert float(penalty) == 0.0
    code.sum().backward()
    assert h.grad is not None
    assert h.grad.tolist() == [[1.0, 0.0, 0.0, 1.0], [0.0, 1.0, 1.0, 0.0]]


def test_a_gaussian_code_is_drawn_from_what_the_encoder_says() -> None:
    """In training codes have the given mean and deviation; in evaluation they are the mean; the penalty is the KL."""
    torch.manual_seed(0)
    code, mean, logvar = GaussianCode(0.5), tensor([[1.0, -2.0]]), tensor([[-1.0, 0.5]])
    h = torch.cat([mean, logvar], dim=1).repeat(200_000, 1)
    drawn, penalty = code(h)
    np.testing.assert_allclose(drawn.mean(0), mean[0], atol=0.02)
    np.testing.assert_allclose(drawn.std(0), torch.exp(logvar[0] / 2), rtol=0.02)
    assert float(penalty) == pytest.approx(0.5 * float(L.gaussian_kl(mean, logvar)))
    code.eval()
    assert torch.equal(code(h)[0], h[:, :2])
