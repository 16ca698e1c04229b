"""Optimisers and schedules: our Adam is Adam, L2 is the same in gradient and in loss, rates are their formulas."""

from __future__ import annotations

import copy
import itertools
import math
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from recae.nn import Autoencoder
from recae.training import RowBatches, Trainer
from recae.training.objectives import Reconstruction
from recae.training.optimizers import SCHEDULES, KernelAdam, decayed, l2_term, make_optimizer, schedule

SQUARED = Reconstruction("summed-squared-error")


def groups(weight: Tensor, bias: Tensor) -> list[dict[str, Any]]:
    return [{"params": [weight], "weight_decay": 0.05}, {"params": [bias], "weight_decay": 0.0}]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_our_adam_is_adam_step_by_step(dtype: torch.dtype) -> None:
    """Fifty steps with weight decay and a changing rate: weights and moments stay those of torch.optim.Adam."""
    g = torch.Generator().manual_seed(0)
    start = torch.randn(37, 5, generator=g, dtype=dtype), torch.randn(5, generator=g, dtype=dtype)
    ours, theirs = ([nn.Parameter(t.clone()) for t in start] for _ in range(2))
    pair = KernelAdam(groups(*ours), lr=0.01), torch.optim.Adam(groups(*theirs), lr=0.01)
    close = {"rtol": 1e-5, "atol": 1e-6} if dtype == torch.float32 else {"rtol": 1e-10, "atol": 1e-12}
    for step in range(50):
        for a, b in zip(ours, theirs):
            gradient = torch.randn(a.shape, generator=g, dtype=dtype)
            a.grad, b.grad = gradient.clone(), gradient.clone()
        for optimizer in pair:
            for group in optimizer.param_groups:
                group["lr"] = 0.01 / (1 + step)
            optimizer.step()
        for a, b in zip(ours, theirs):
            torch.testing.assert_close(a, b, **close)
    for name in ("exp_avg", "exp_avg_sq", "step"):
        torch.testing.assert_close(pair[0].state[ours[0]][name], pair[1].state[theirs[0]][name], check_dtype=False)


def test_our_adam_takes_strided_gradients_and_leaves_out_what_has_none() -> None:
    """A transposed gradient moves the right entries; a parameter without a gradient stays."""
    ours, theirs, still = (nn.Parameter(torch.ones(3, 4)) for _ in range(3))
    gradient = torch.arange(12.0).reshape(4, 3).T
    ours.grad, theirs.grad = gradient, gradient.contiguous()
    KernelAdam([ours, still], lr=0.1).step()
    torch.optim.Adam([theirs], lr=0.1).step()
    torch.testing.assert_close(ours, theirs)
    assert torch.equal(still, torch.ones(3, 4))


def test_our_adam_does_not_depend_on_the_number_of_threads() -> None:
    """One thread and two give the same bits, also where the length is no multiple of anything."""
    import numba

    if numba.config.NUMBA_NUM_THREADS < 2:
        pytest.skip("numba was started with one thread")
    before, results = numba.get_num_threads(), []
    try:
        for n in (1, 2):
            numba.set_num_threads(n)
            g = torch.Generator().manual_seed(0)
            weight = nn.Parameter(torch.randn(1003, generator=g))
            optimizer = KernelAdam([weight], lr=0.01, weight_decay=0.1)
            for _ in range(5):
                weight.grad = torch.randn(1003, generator=g)
                optimizer.step()
            results.append(weight.detach())
    finally:
        numba.set_num_threads(before)
    assert torch.equal(*results)


def test_our_adam_goes_on_from_its_state() -> None:
    """Saved after three steps and loaded into a new optimiser, it takes the fourth step bit for bit."""
    g = torch.Generator().manual_seed(0)
    weight, gradients = nn.Parameter(torch.randn(7, generator=g)), torch.randn(4, 7, generator=g)
    optimizer = KernelAdam([weight], lr=0.1)
    for gradient in gradients[:3]:
        weight.grad = gradient
        optimizer.step()
    twin = nn.Parameter(weight.detach().clone())
    other = KernelAdam([twin], lr=0.5)
    other.load_state_dict(copy.deepcopy(optimizer.state_dict()))  # as it is, it shares the tensors
    weight.grad, twin.grad = gradients[3], gradients[3].clone()
    optimizer.step()
    other.step()
    assert torch.equal(weight, twin)


# ---------------------------------------------------------------- regularisation


def small() -> tuple[Autoencoder, Tensor]:
    torch.manual_seed(0)
    return Autoencoder.mirrored("6-3"), torch.rand(10, 6)


def test_weights_are_regularised_and_biases_are_not() -> None:
    """What is called `weight` decays, all else does not; what needs no gradient is in neither."""
    model, _ = small()
    names = {id(p): name for name, p in model.named_parameters()}
    assert [names[id(p)].rsplit(".")[-1] for part in decayed(model) for p in part] == ["weight"] * 2 + ["bias"] * 2
    model.encoder.layers[0].weight.requires_grad_(False)
    assert len(decayed(model)[0]) == 1


@pytest.mark.parametrize("tied", [False, True])
def test_l2_in_the_loss_is_l2_in_the_gradient(tied: bool) -> None:
    """The gradient of `l2_term` is decay · w for weights and nothing for biases: what adam and sgd add."""
    model = Autoencoder.mirrored("6-3", tied=tied)
    term = l2_term("lbfgs", model, 0.3)
    assert isinstance(term, Tensor)
    term.backward()
    for name, p in model.named_parameters():
        if name.endswith("weight"):
            torch.testing.assert_close(p.grad, 0.3 * p.detach())
        else:
            assert p.grad is None
    assert l2_term("adam", model, 0.3) == 0.0
    assert l2_term("lbfgs", model, 0.0) == 0.0


def test_a_weight_may_decay_more_than_others() -> None:
    """`decay_factor` multiplies a weight's decay, in the optimiser's groups and in the loss term alike."""
    model, _ = small()
    heavy = model.encoder.layers[0].weight
    heavy.decay_factor = 3.0
    by_weight = {id(p): g["weight_decay"] for g in make_optimizer("adam", model, 0.1, 0.5, kernels=False).param_groups
                 for p in g["params"]}  # fmt: skip
    assert by_weight[id(heavy)] == 1.5
    assert sorted(by_weight.values()) == [0.0, 0.0, 0.5, 1.5]
    term = l2_term("rprop", model, 0.5)
    assert isinstance(term, Tensor)
    term.backward()
    torch.testing.assert_close(heavy.grad, 1.5 * heavy.detach())


def test_lbfgs_and_sgd_find_the_same_regularised_minimum() -> None:
    """A ridge regression with a known solution: L2 in the loss (lbfgs) and in the gradient (sgd, adam) reach it."""
    g = torch.Generator().manual_seed(0)
    x, y, decay = torch.randn(40, 3, generator=g), torch.randn(40, 1, generator=g), 2.0
    centred = x - x.mean(0)
    exact = np.linalg.solve(centred.T @ centred * 2 / 40 + decay * torch.eye(3), centred.T @ (y - y.mean()) * 2 / 40)
    for optimizer, lr, epochs in (("lbfgs", 1.0, 30), ("sgd", 0.05, 300), ("adam", 0.02, 800)):
        torch.manual_seed(1)
        model = nn.Linear(3, 1)
        trainer = Trainer(epochs=epochs, optimizer=optimizer, lr=lr, schedule="cosine", decay=decay, device="cpu")
        trainer.fit(
            model, RowBatches(x, y, batch_size=0), lambda m, batch: (m(batch.input) - batch.target).square().mean()
        )
        np.testing.assert_allclose(model.weight.detach().numpy()[0], exact[:, 0], atol=2e-4, err_msg=optimizer)


def test_the_kernel_and_pytorchs_adam_train_alike() -> None:
    """A training with `kernels` ends where one without ends, to float32's digits."""
    results = []
    for kernels in (False, True):
        model, rows = small()
        trainer = Trainer(epochs=5, lr=0.01, decay=0.1, kernels=kernels, device="cpu")
        trainer.fit(model, RowBatches(rows, batch_size=4), SQUARED)
        results.append(list(model.parameters()))
        chosen = make_optimizer("adam", model, 0.01, 0.0, kernels=kernels)
        assert isinstance(chosen, KernelAdam) == kernels
    for a, b in zip(*results):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-5)


# ---------------------------------------------------------------- schedules


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("constant", {0.0: 1, 0.5: 1, 1.0: 1}),
        ("linear", {0.0: 1, 0.25: 0.75, 1.0: 0}),
        ("cosine", {0.0: 1, 1 / 3: 0.75, 0.5: 0.5, 1.0: 0}),
        ("one-cycle", {0.0: 0.04, 0.15: 0.52, 0.3: 1, 0.65: 0.5, 1.0: 0}),
        ("halving", {0.0: 1, 24 / 102: 0.5, 0.4: 0.25, 0.5: 0.125, 0.7: 0.0625, 1.0: 1 / 32}),
    ],
)
def test_schedules_are_their_formulas(name: str, expected: dict[float, float]) -> None:
    """Factors at marked points, worked out by hand."""
    assert {at: schedule(name)(at) for at in expected} == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("name", SCHEDULES)
def test_schedules_stay_within_bounds(name: str) -> None:
    """From 0 to 1 throughout, without a jump but for the one that is made of jumps."""
    factors = [schedule(name)(step / 1000) for step in range(1001)]
    assert 0 <= min(factors) <= max(factors) <= 1
    jumps = sum(abs(a - b) >= 0.01 for a, b in itertools.pairwise(factors))
    assert jumps == (5 if name == "halving" else 0)
    assert not any(math.isnan(f) for f in factors)
