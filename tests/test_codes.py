"""Codes, sparse and variational, with their penalties and their bound; losses."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from property_examples import examples
from scipy import integrate, special, stats
from variants_toys import FORMS, N_COLS, structured_rows, trainer

from recae.nn import (
    Autoencoder,
    GaussianCode,
    KLSparse,
    KSparse,
    L1Sparse,
    Masking,
    negative_bound,
)  # fmt: skip
from recae.nn.losses import (
    bernoulli_kl,
    cross_entropy_from_logits,
    gaussian_kl,
    multinomial,
    squared_error,
    summed_squared_error,
)  # fmt: skip
from recae.training import Reconstruction, RowBatches

# ------------------------------------------------------------------ sparse codes


@given(st.floats(0.01, 0.99), st.lists(st.floats(0.01, 0.99), min_size=1, max_size=6))
@settings(max_examples=examples(40), deadline=None)
def test_the_sparsity_penalty_is_scipys_relative_entropy(rho: float, means: list[float]) -> None:
    """KL(rho ‖ mean) of a Bernoulli variable, against SciPy's entropy of the two-point distributions."""
    expected = [stats.entropy([rho, 1 - rho], [mean, 1 - mean]) for mean in means]
    found = bernoulli_kl(rho, torch.tensor(means, dtype=torch.float64))
    np.testing.assert_allclose(found.numpy(), expected, atol=1e-9)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(("rho", "weight"), [(0.1, 0.2), (0.02, 0.05)])
def test_a_sparse_code_rests_as_it_was_asked_and_reports_it(form: str, rho: float, weight: float) -> None:
    """The mean activation, reported by the model, goes from a half towards rho, and is what encode() averages to."""
    rows = structured_rows(form)
    torch.manual_seed(0)
    model = Autoencoder.mirrored([N_COLS, 9], output="sigmoid", code=KLSparse(rho, weight))
    start = float(model.mean_activation(rows).mean())
    trainer(400).fit(model, RowBatches(rows, batch_size=0), Reconstruction())
    found = model.mean_activation(rows, block=7)
    torch.testing.assert_close(found, model.encode(rows).mean(0), rtol=1e-4, atol=1e-6)
    assert abs(float(found.mean()) - rho) < 0.25 * (start - rho)


def test_mean_activation_leaves_the_mode_of_the_model_alone() -> None:
    """Asking in the middle of training neither adds noise nor ends training."""
    model = Autoencoder.mirrored([N_COLS, 4], noise=Masking(0.5)).train()
    rows = structured_rows()
    first = model.mean_activation(rows)
    assert model.training
    assert torch.equal(first, model.mean_activation(rows))


def test_l1_costs_the_sum_of_magnitudes() -> None:
    """weight times the mean over rows of the sum of magnitudes, on a code whose sum is known."""
    h = torch.tensor([[1.0, -2.0, 0.0], [0.5, 0.5, -1.0]])
    code, penalty = L1Sparse(weight=0.1)(h)
    assert torch.equal(code, h)
    assert float(penalty) == pytest.approx(0.1 * (3 + 2) / 2)


def test_a_k_sparse_code_keeps_the_k_largest() -> None:
    """Exactly k units of each row stay, they are the largest, and they are unchanged."""
    h = torch.tensor([[0.1, 0.9, 0.5, 0.3], [4.0, 3.0, 2.0, 1.0]])
    code, _ = KSparse(2)(h)
    assert torch.equal(code, torch.tensor([[0.0, 0.9, 0.5, 0.0], [4.0, 3.0, 0.0, 0.0]]))


# ------------------------------------------------------------------ variational


@given(st.floats(-2, 2), st.floats(-3, 1.5))
@settings(max_examples=examples(25), deadline=None)
def test_gaussian_kl_is_what_numerical_integration_gives(mean: float, logvar: float) -> None:
    """The closed form of KL(N(mean, var) ‖ N(0, 1)) against the integral of q log(q / p)."""
    q, p = stats.norm(mean, math.exp(logvar / 2)), stats.norm(0, 1)
    width = 12 * math.exp(logvar / 2)
    expected, _ = integrate.quad(lambda z: q.pdf(z) * (q.logpdf(z) - p.logpdf(z)), mean - width, mean + width)
    found = gaussian_kl(torch.tensor([[mean]], dtype=torch.float64), torch.tensor([[logvar]], dtype=torch.float64))
    assert float(found) == pytest.approx(expected, abs=1e-7)


def test_the_kl_weight_rises_in_a_straight_line() -> None:
    """Annealing over four steps gives the penalty 0, 1/4, 1/2, 3/4 and then all of it; evaluation always all of it."""
    part = GaussianCode(weight=2.0, anneal_steps=4)
    h = torch.randn(5, 6, generator=torch.Generator().manual_seed(0))
    whole = 2.0 * float(gaussian_kl(*part.posterior(h)).mean())
    found = [float(part(h)[1]) for _ in range(6)]
    assert found == pytest.approx([0, whole / 4, whole / 2, 3 * whole / 4, whole, whole])
    fresh = GaussianCode(weight=2.0, anneal_steps=4).eval()
    assert float(fresh(h)[1]) == pytest.approx(whole)


def test_annealing_goes_on_where_it_was() -> None:
    """The steps done are part of the state, so a restored model anneals on and does not begin anew."""
    part = GaussianCode(anneal_steps=10)
    for _ in range(3):
        part(torch.zeros(2, 4))
    other = GaussianCode(anneal_steps=10)
    other.load_state_dict(part.state_dict())
    assert float(other.effective_weight) == pytest.approx(0.3)


@pytest.mark.parametrize("form", FORMS)
def test_a_variational_code_is_its_mean_at_inference_and_random_in_training(form: str) -> None:
    """encode() in evaluation gives the encoder's means; in training two passes differ."""
    rows = structured_rows(form)
    model = Autoencoder.mirrored([N_COLS, 8, 3], code=GaussianCode())
    assert not torch.equal(model.encode(rows), model.encode(rows))
    model.eval()
    mean, _ = GaussianCode.posterior(model.encoder(rows))
    assert torch.equal(model.encode(rows), mean)


def test_samples_are_new_rows_and_the_same_for_the_same_seed() -> None:
    """sample(n) gives n rows through the output head, repeatable by its rng, and from N(0, 1) codes."""
    torch.manual_seed(0)
    model = Autoencoder.mirrored([N_COLS, 8, 3], output="sigmoid", code=GaussianCode()).eval()
    drawn = model.sample(7, rng=5)
    codes = torch.randn(7, 3, generator=torch.Generator().manual_seed(5))
    assert drawn.shape == (7, N_COLS)
    torch.testing.assert_close(drawn, model.decode(codes))
    assert not torch.equal(drawn, model.sample(7, rng=6))


def test_the_bound_is_the_integral_it_stands_for() -> None:
    """With one code unit, the bound sampled often comes near Gauss-Hermite quadrature of the same expectation."""
    torch.manual_seed(0)
    model = Autoencoder.mirrored([N_COLS, 1], output="sigmoid", code=GaussianCode()).double().eval()
    x = structured_rows()[:3].double()
    nodes, weights = special.roots_hermitenorm(40)
    mean, logvar = (t.detach() for t in GaussianCode.posterior(model.encoder(x)))
    expected = torch.zeros(3, dtype=torch.float64)
    for node, weight in zip(nodes, weights / math.sqrt(2 * math.pi)):
        p = model.decode(mean + torch.exp(logvar / 2) * node).detach()
        expected -= weight * (x * p.log() + (1 - x) * (1 - p).log()).sum(1)
    bound = negative_bound(model, x, samples=4000, rng=0)
    torch.testing.assert_close(bound.reconstruction, expected, rtol=5e-3, atol=0)
    torch.testing.assert_close(bound.total, bound.reconstruction + gaussian_kl(mean, logvar))


def test_the_bound_takes_sparse_rows() -> None:
    """Dense and sparse rows have the same bound with the same draws."""
    model = Autoencoder.mirrored([N_COLS, 4], output="sigmoid", code=GaussianCode()).eval()
    dense = negative_bound(model, structured_rows("dense"), rng=1).total
    torch.testing.assert_close(dense, negative_bound(model, structured_rows("sparse"), rng=1).total)


# ------------------------------------------------------------------ losses


def test_losses_sum_and_average_over_what_they_say() -> None:
    """Each loss against its formula in NumPy, on a batch that is not square."""
    rng = np.random.default_rng(0)
    logits, target = rng.normal(size=(3, 5)), rng.random((3, 5))
    x, t = torch.from_numpy(logits), torch.from_numpy(target)
    p = special.expit(logits)
    entropy = -(target * np.log(p) + (1 - target) * np.log(1 - p))
    assert float(squared_error(x, t)) == pytest.approx(((logits - target) ** 2).mean())
    assert float(summed_squared_error(x, t)) == pytest.approx(((logits - target) ** 2).sum(axis=1).mean())
    assert float(cross_entropy_from_logits(x, t)) == pytest.approx(entropy.sum(axis=1).mean())
    expected = -(target * special.log_softmax(logits, axis=1)).sum(axis=1).mean()
    assert float(multinomial(x, t)) == pytest.approx(expected)


def test_cross_entropy_is_finite_for_any_logit() -> None:
    """At logits of ±1000, where the sigmoid is 0 or 1 in floating point, loss and gradient are right and finite."""
    logits = torch.tensor([[1000.0, -1000.0, 1000.0]], requires_grad=True)
    loss = cross_entropy_from_logits(logits, torch.tensor([[1.0, 0.0, 0.0]]))
    loss.backward()
    assert float(loss) == pytest.approx(1000.0)
    torch.testing.assert_close(logits.grad, torch.tensor([[0.0, 0.0, 1.0]]))
