"""Graphed steps (`recae.training.graphed_steps`) are the steps of objective, autograd and Adam.

Without a graph anywhere; on a GPU where there is one, recorded and replayed.
"""

from __future__ import annotations

import copy
from contextlib import nullcontext
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from scipy import sparse
from test_sparse_cuda import in_a_process, interprets
from torch import Tensor, nn

from recae.models.vae.implicit_losses import _MultinomialOfRows, multinomial
from recae.nn import Autoencoder, Decoder, Dropout, Encoder, GaussianCode
from recae.sparse import SparseRows
from recae.training import Batch, RowBatches, Trainer
from recae.training.batches import shares_pattern
from recae.training.graphed_steps import GraphedSteps, _are_held, graphed_steps

N_ROWS, N_COLS, SIZE = 11, 9, 4


def rows_of(lengths: Any) -> RowBatches:
    """Batches of rows with so many entries each, the target being other values of them."""
    rng, dense = np.random.default_rng(0), np.zeros((N_ROWS, N_COLS))
    for row, length in zip(dense, np.broadcast_to(lengths, N_ROWS)):
        row[rng.permutation(N_COLS)[:length]] = 1
    target = SparseRows.from_scipy(sparse.csr_array(dense))
    return RowBatches(target.with_values(target.values / 2), target, batch_size=SIZE)


def a_network(dropout: float) -> nn.Module:
    torch.manual_seed(0)
    encoder, decoder = Encoder([N_COLS, 6, 6], ["tanh", "identity"]), Decoder([3, 6, N_COLS], ["tanh"])
    return Autoencoder(encoder, decoder, noise=Dropout(dropout), code=GaussianCode(0.3, anneal_steps=5))


def objective(model: nn.Module, batch: Batch) -> Tensor:
    logits, penalty = model(batch.input)
    return multinomial(logits, batch.target) + penalty


def by_kernels(model: nn.Module, batch: Batch) -> Tensor:
    """The same by the operators that a GPU is given."""
    (logits, penalty), target = model(batch.input), batch.target
    return _MultinomialOfRows.apply(logits, target.indptr, target.indices, target.values) + penalty


def check(batches: RowBatches, device: str, objective: Any = objective, *, dropout: float, graph: bool) -> None:
    """After four epochs both ways have the same weights, and the same losses of the epochs."""
    first, found = a_network(dropout), []
    trainer = Trainer(epochs=4, lr=0.01, decay=0.01, device=device, seed=1, progress=False, kernels=False)

    def graphed(model: Any, batches: Any, optimizer: Any, settings: Any) -> GraphedSteps:
        return GraphedSteps(model, batches, objective, optimizer, graph=graph)

    for network, make in ((first, None), (copy.deepcopy(first), graphed)):
        history = trainer.fit(network, batches, objective, None, make)
        found.append((dict(network.cpu().state_dict()), [record["loss"] for record in history.records]))
    torch.testing.assert_close(found[1], found[0], rtol=1e-4, atol=1e-6)
    assert float(found[0][0]["code.steps_done"]) == 12


@pytest.mark.parametrize("dropout", [0.0, 0.5])
def test_held_batches_learn_the_same(dropout: float) -> None:
    """Batches that are copied to one place, the last one of an epoch excepted: weights and losses, noise included."""
    check(rows_of(4), "cpu", dropout=dropout, graph=False)


_INTERPRETED = """
    from recae.models.vae import cuda_multinomial, implicit_losses
    from recae.sparse import cuda, ops
    from tests import test_graphed_steps as tests

    ops._kernels = lambda weight: cuda
    implicit_losses._kernels = lambda logits: cuda_multinomial
    tests.check(tests.rows_of(range(11)), "cpu", tests.by_kernels, dropout=0.0, graph=False)
    cuda.CHUNK, cuda.LONG = 4, 8  # rows in chunks
    tests.check(tests.rows_of(range(11)), "cpu", tests.by_kernels, dropout=0.0, graph=False)
    print("checked")
"""


@pytest.mark.skipif(not interprets(), reason="no Triton here, or one whose interpreter fails with this NumPy")
def test_kernels_read_nothing_behind_a_batch() -> None:
    """Rows of 0 to 9 entries, interpreted: what an earlier and longer batch left behind a batch changes nothing."""
    said = in_a_process(_INTERPRETED, TRITON_INTERPRET="1", PYTHONWARNINGS="ignore")
    assert said.split() == ["checked"]


def test_where_steps_are_graphed(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a GPU, where the target has the rows' pattern, also once they were moved; not on a CPU."""
    trainer, network = Trainer(epochs=1, progress=False), a_network(0.0)
    optimizer = torch.optim.Adam(network.parameters())
    batches = rows_of(4)
    assert graphed_steps(objective)(network, batches, optimizer, trainer) is None
    moved = batches._copied(torch.device("meta"))
    assert shares_pattern(moved.rows, moved.target)
    monkeypatch.setattr(torch.version, "cuda", "13.0")
    monkeypatch.setattr(SparseRows, "device", torch.device("cuda"))
    assert _are_held(moved)
    assert not _are_held(RowBatches(moved.rows, batch_size=SIZE))
    assert not _are_held(RowBatches(moved.rows, moved.target, batch_size=0))


class Replayed(GraphedSteps):
    """On a CPU: a "graph" that takes a step on the held batch; `fails` says how it does not."""

    fails = ""
    taken = 0

    def step(self, number: int) -> Tensor:
        self.taken += self.graph is not None
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(torch.cuda, "device", lambda _: nullcontext())
            return super().step(number)

    def _run_aside(self) -> Tensor:
        return self._run(self.held)

    def _captured(self) -> Any:
        if self.fails == "to be made":
            raise RuntimeError("operation not permitted when stream is capturing")

        def replay() -> None:
            kept = next(self.model.parameters()).detach().clone()
            self.loss = self._run(self.held)
            if self.fails == "for a weight":
                next(self.model.parameters()).data.copy_(kept)

        return SimpleNamespace(replay=replay)


def ended(fails: str, *, graph: bool = True) -> tuple[dict[str, Tensor], Any]:
    """Weights after four epochs, and the steps."""
    network, made = a_network(0.5), list[Any]()

    def graphed(model: Any, batches: Any, optimizer: Any, settings: Any) -> Any:
        made.append(type("Failing", (Replayed,), {"fails": fails})(model, batches, objective, optimizer, graph=graph))
        return made[-1]

    trainer = Trainer(epochs=4, lr=0.01, device="cpu", seed=1, progress=False)
    trainer.fit(network, rows_of(4), objective, None, graphed)
    return dict(network.state_dict()), made[0]


def test_a_graph_is_used_that_does_what_was_launched() -> None:
    """Comparing leaves weights, moments, counters and random numbers as they were: training ends with the same bits."""
    (plain, _), (weights, steps) = ended("", graph=False), ended("")
    assert steps.graph is not None
    assert steps.taken == 8  # of twelve: three were launched, and the last batch of the first epoch had come
    for name, value in plain.items():
        assert torch.equal(weights[name], value), name


@pytest.mark.parametrize("fails", ["for a weight", "to be made"])
def test_a_graph_that_does_something_else_is_not_used(fails: str) -> None:
    """One that leaves a weight out, or that cannot be made: said in a warning, and training ends as without it."""
    plain, _ = ended("", graph=False)
    with pytest.warns(UserWarning, match=r"slower than they could be.*(not what is launched|not permitted)"):
        weights, steps = ended(fails)
    assert steps.graph is None
    for name, value in plain.items():
        assert torch.equal(weights[name], value), name


@pytest.mark.gpu
@pytest.mark.filterwarnings("error:steps are slower")
def test_graphed_steps_on_a_gpu() -> None:
    """Recorded and replayed, rows of 0 to 9 entries: the same weights; with noise, losses that fall."""
    if not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    check(rows_of(np.arange(N_ROWS) % 10), "cuda", dropout=0.0, graph=True)
    network, batches = a_network(0.5), rows_of(np.arange(N_ROWS) % 10).to(torch.device("cuda"))
    made: list[Any] = []

    def graphed(*given: Any) -> Any:
        made.append(graphed_steps(objective)(*given))
        return made[-1]

    trainer = Trainer(epochs=60, lr=0.02, device="cuda", seed=1, progress=False)
    losses = [record["loss"] for record in trainer.fit(network, batches, objective, None, graphed).records]
    assert made[0].graph is not None
    assert np.mean(losses[-5:]) < np.mean(losses[:5])
