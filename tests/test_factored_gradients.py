"""Gradients kept as factors: an optimiser that takes them ends with the bits of one that is given their product."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from scipy import sparse
from torch import Tensor, nn

from recae.sparse import SparseRows, sddmm, spmm
from recae.sparse.ops import factors_kept
from recae.training import optimizers
from recae.training.averaging import WeightAverage
from recae.training.optimizers import KernelAdam

N_ROWS, N_COLS, K = 800, 40, 260  # more rows than a block of the cache holds


def rows(seed: int = 0, n_rows: int = N_ROWS) -> SparseRows:
    """Rows of very different lengths, and a column without entries."""
    rng = np.random.default_rng(seed)
    shown = rng.random((n_rows, N_COLS)) < np.linspace(0, 1, n_rows)[:, None]
    shown[:, 7] = False
    return SparseRows.from_scipy(sparse.csr_array(rng.normal(size=shown.shape) * shown))


@pytest.fixture(autouse=True)
def _small_is_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(optimizers, "LARGE", 0)


class Network(nn.Module):
    """An encoder and a decoder; `times` is how often the encoder's weight is used."""

    def __init__(self, times: int = 1, dense: bool = False) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.v, self.w = (nn.Parameter(torch.randn(N_COLS, K) / 4) for _ in range(2))
        self.b = nn.Parameter(torch.zeros(N_COLS))
        self.times, self.dense = times, dense

    def loss(self, x: SparseRows) -> Tensor:
        h = torch.tanh(sum(spmm(x.with_values(x.values / (1 + n)), self.v) for n in range(self.times)))
        error = sddmm(x, h, self.w, self.b) - x.values
        more = self.v.square().sum() if self.dense else 0.0
        return error.square().sum() / len(x) + more


def trained(network: Network, *, factored: bool, ema: float = 0.0, steps: int = 4) -> list[Tensor]:
    """Weights and averages after some steps; with `factored`, no gradient of a matrix was stored but where one must."""
    optimizer = KernelAdam([{"params": [network.v, network.w], "weight_decay": 0.1}, {"params": [network.b]}], lr=0.01)
    optimizer.factored = factored
    average = WeightAverage(network, ema, optimizer) if ema else None

    seeds = iter(range(steps))

    def closure() -> float:
        optimizer.zero_grad(set_to_none=True)
        network.loss(rows(next(seeds))).backward()
        return 0.0

    for _ in range(steps):
        optimizer.step(closure)
    assert (network.w.grad is None) == factored
    return [w.detach() for w in network.parameters()] + ([] if average is None else average.values)


@pytest.mark.parametrize("ema", [0.0, 0.9])
def test_factors_and_products_end_with_the_same_bits(ema: float) -> None:
    """Of encoder and decoder, with averages and without, columns without entries included."""
    network = Network()
    plain = trained(copy.deepcopy(network), factored=False, ema=ema)
    taken = trained(network, factored=True, ema=ema)
    for a, b in zip(plain, taken, strict=True):
        assert torch.equal(a, b)


@pytest.mark.parametrize("network", [Network(times=2), Network(dense=True)])
def test_several_gradients_of_a_weight_are_added_up(network: Network) -> None:
    """A weight that is used twice, or by a dense operation as well, has the sum of all gradients."""
    plain = trained(copy.deepcopy(network), factored=False)
    for a, b in zip(plain, trained(network, factored=True), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-6)


def test_only_what_was_asked_for_is_kept() -> None:
    """Outside, and for other weights inside, gradients are in `grad`; two that ask for one weight do not meet."""
    network, x = Network(), rows()
    with factors_kept([network.v]) as (kept,), factors_kept([network.v]) as (second,):
        network.loss(x).backward()
    assert len(kept) == 1
    assert second == []
    assert network.v.grad is None
    assert network.w.grad is not None
    other = copy.deepcopy(network)
    other.loss(x).backward()
    assert other.v.grad is not None
    assert torch.equal(kept[0].product(), other.v.grad)


def test_what_fails_leaves_nothing_behind() -> None:
    """A closure that raises ends the keeping: the next backward pass fills `grad` again."""
    network = Network()
    with pytest.raises(RuntimeError, match="no"), factors_kept([network.v]):
        raise RuntimeError("no")
    network.loss(rows()).backward()
    assert network.v.grad is not None


def test_small_weights_are_given_products(monkeypatch: pytest.MonkeyPatch) -> None:
    """What stays in a cache is not worked out a row at a time: its gradient is in `grad`."""
    monkeypatch.setattr(optimizers, "LARGE", 4 * N_COLS * K + 1)
    network = Network()
    optimizer = KernelAdam(network.parameters())
    optimizer.factored = True

    def closure() -> float:
        network.loss(rows()).backward()
        return 0.0

    optimizer.step(closure)
    assert network.v.grad is not None
