"""Kernel weights: the product, its gradients and |K|², against NumPy written from the definition."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from property_examples import examples

from recae.errors import ParameterError
from recae.nn.kernel import KernelWeight, kernel_weight, reference_kernel

Array = npt.NDArray[Any]


def drawn(n: int, m: int, d: int, seed: int = 0, spread: float = 0.4) -> list[torch.Tensor]:
    """W (n, m), u (n, d), v (m, d); at this spread some units are connected and some are not."""
    rng = np.random.default_rng(seed)
    arrays = rng.normal(size=(n, m)), spread * rng.normal(size=(n, d)), spread * rng.normal(size=(m, d))
    return [torch.from_numpy(a).requires_grad_() for a in arrays]


def oracle(weight: Array, left: Array, right: Array) -> tuple[Array, Array]:
    """K, and W ∘ K, entry by entry."""
    kernel = np.zeros(weight.shape)
    for i in range(len(left)):
        for j in range(len(right)):
            kernel[i, j] = max(0.0, 1.0 - sum((left[i, t] - right[j, t]) ** 2 for t in range(left.shape[1])))
    return kernel, weight * kernel


def oracle_gradient(weight: Array, left: Array, right: Array, grad: Array, grad_squares: float) -> list[Array]:
    """By hand: dK = G ∘ W + 2 g K where K > 0; du_i = Σ_j dK_ij · -2 (u_i - v_j); dv_j is minus the same, over i."""
    kernel, _ = oracle(weight, left, right)
    d_kernel = np.where(kernel > 0, grad * weight + 2 * grad_squares * kernel, 0.0)
    gap = left[:, None, :] - right[None, :, :]
    pull = -2 * d_kernel[:, :, None] * gap
    return [grad * kernel, pull.sum(1), -pull.sum(0)]


@settings(max_examples=examples(20), deadline=None)
@given(n=st.integers(1, 40), m=st.integers(1, 9), d=st.integers(1, 6), seed=st.integers(0, 99))
def test_product_and_gradients_are_those_of_the_definition(n: int, m: int, d: int, seed: int) -> None:
    """For any shape, more chunks than rows included, forward and backward agree with NumPy to 1e-10."""
    arguments = drawn(n, m, d, seed)
    arrays = [a.detach().numpy() for a in arguments]
    out, squares = kernel_weight(*arguments)
    kernel, product = oracle(*arrays)
    np.testing.assert_allclose(out.detach(), product, atol=1e-12)
    assert float(squares.detach()) == pytest.approx(float((kernel**2).sum()), rel=1e-12)
    grad = torch.from_numpy(np.random.default_rng(seed + 1).normal(size=(n, m)))
    got = torch.autograd.grad([out, squares], arguments, [grad, torch.tensor(0.7, dtype=torch.float64)])
    for found, wanted in zip(got, oracle_gradient(*arrays, grad.numpy(), 0.7)):
        np.testing.assert_allclose(found, wanted, atol=1e-10)


def test_the_loops_agree_with_autograd_through_the_formula_for_other_devices() -> None:
    """What a GPU computes (|u|² + |v|² - 2 u·v, by autograd) is what the loops compute, value and gradient."""
    arguments = drawn(23, 7, 5)
    looped = kernel_weight(*arguments)
    kernel = reference_kernel(*arguments[1:])
    plain = arguments[0] * kernel, kernel.square().sum()
    assert 0.1 < float((kernel > 0).double().mean()) < 0.9
    losses = [(out * torch.linspace(-1, 1, 7)).sum() + 0.3 * squares for out, squares in (looped, plain)]
    gradients = [torch.autograd.grad(loss, arguments) for loss in losses]
    torch.testing.assert_close(losses[0], losses[1])
    for a, b in zip(*gradients):
        torch.testing.assert_close(a, b)


def test_coinciding_units_are_connected_in_full_and_distant_ones_not_at_all() -> None:
    """K is 1 at distance 0, 1 - d² within the support, and exactly 0 from distance 1 on."""
    left = torch.tensor([[0.0, 0.0], [0.6, 0.0], [1.0, 0.0], [3.0, 4.0]])
    out, squares = kernel_weight(torch.full((4, 1), 2.0), left, torch.zeros(1, 2))
    torch.testing.assert_close(out[:, 0], torch.tensor([2.0, 1.28, 0.0, 0.0]))
    assert float(squares) == pytest.approx(1 + 0.64**2)


def test_a_result_does_not_depend_on_the_number_of_threads() -> None:
    """Every bit of product and gradients is the same on one thread and on all."""
    import numba

    arguments = [a.detach().float().requires_grad_() for a in drawn(301, 17, 5)]
    results = []
    for threads in (1, numba.config.NUMBA_NUM_THREADS):
        before = numba.get_num_threads()
        numba.set_num_threads(threads)
        try:
            out, squares = kernel_weight(*arguments)
            results.append([out, squares, *torch.autograd.grad(out.sin().sum() + squares, arguments)])
        finally:
            numba.set_num_threads(before)
    assert all(torch.equal(a, b) for a, b in zip(*results))


def test_a_layer_starts_connected_and_says_how_far_it_still_is() -> None:
    """At the first positions nearly K = 1 everywhere; drawn apart, `connected` counts the pairs within reach."""
    torch.manual_seed(0)
    layer = KernelWeight(12, 4, dims=2)
    out, squares = layer()
    torch.testing.assert_close(out, layer.weight, atol=1e-4, rtol=1e-3)
    assert float(squares.detach()) == pytest.approx(48, rel=1e-3)
    assert layer.connected() == 1.0
    with torch.no_grad():
        layer.left[:3] += 5.0
    assert layer.connected() == 0.75


def test_shapes_that_do_not_fit_are_named() -> None:
    """A position too few, or a size of 0, is refused with what was given."""
    with pytest.raises(ParameterError, match=r"weight \(3, 2\).*do not fit"):
        kernel_weight(torch.zeros(3, 2), torch.zeros(3, 5), torch.zeros(4, 5))
    with pytest.raises(ParameterError, match="3 x 0 units"):
        KernelWeight(3, 0)
