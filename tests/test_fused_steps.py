"""Fused steps (`recae.training.fused_steps`) are the steps of objective, autograd and Adam, in kernels for CUDA.

Interpreted anywhere; on a GPU where there is one, recorded as a CUDA graph.
"""

from __future__ import annotations

import copy
import importlib.util
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from scipy import sparse
from test_sparse_cuda import in_a_process, interprets

from recae.models.autorec.rating_network import RatingNetwork, rating_loss
from recae.sparse import SparseRows
from recae.training import RowBatches, Trainer

N_ROWS, N_COLS = 11, 9
NETWORKS: dict[str, dict[str, Any]] = {
    "plain": {},
    "centred": {"centred": True},
    "less the row's level": {"levelled": True},
    "less both": {"centred": True, "levelled": True},
    "deep": {"hidden": (6, 3, 5), "activation": "tanh"},
    "averaged": {"ema": 0.9},
    "all rows at once": {"batch_size": 0},
}


def random_rows(n_rows: int = N_ROWS, n_cols: int = N_COLS) -> SparseRows:
    """Ratings of 1 to 5 in rows of very different lengths, the first empty."""
    rng = np.random.default_rng(0)
    shown = rng.random((n_rows, n_cols)) < np.linspace(0, 1, n_rows)[:, None]
    return SparseRows.from_scipy(sparse.csr_array((rng.integers(1, 6, (n_rows, n_cols)) * shown).astype(np.float32)))


def both_ways(
    device: str, rows: SparseRows, settings: dict[str, Any], *, graph: bool
) -> tuple[dict[str, torch.Tensor], dict[str, torch.Tensor], list[float], list[float]]:
    """Weights after three epochs, by objective and optimiser and by fused steps, and the losses of the epochs."""
    from recae.models.autorec.fused_network import FusedRatingNetwork
    from recae.training.fused_steps import FusedSteps

    settings = dict(settings)
    hidden, ema, size = settings.pop("hidden", (6,)), settings.pop("ema", 0.0), settings.pop("batch_size", 4)
    torch.manual_seed(0)
    first = RatingNetwork(
        rows.n_cols, hidden, output="identity", scale=(1, 5), l2=3.0, inner_l2=0.5,
        start=torch.linspace(2, 4, rows.n_cols), **{"activation": "sigmoid", **settings},
    )  # fmt: skip
    second = copy.deepcopy(first)
    for given, copied in zip(first.parameters(), second.parameters()):
        if hasattr(given, "decay_factor"):
            copied.decay_factor = given.decay_factor  # type: ignore[attr-defined]
    trainer = Trainer(
        epochs=3, lr=0.01, schedule="cosine", decay=1 / len(rows), device=device, seed=1, ema=ema, progress=False
    )

    def fused(network: Any, batches: Any, optimizer: Any, settings: Any) -> FusedSteps:
        known = FusedRatingNetwork(network)
        return FusedSteps(known, batches.rows, batches.batch_size, optimizer, seed=settings.seed, graph=graph)

    plainly = trainer.fit(first, RowBatches(rows, batch_size=size), rating_loss)
    by_kernels = trainer.fit(second, RowBatches(rows, batch_size=size), rating_loss, None, fused)
    before, after = ([float(record["loss"]) for record in history.records] for history in (plainly, by_kernels))
    return dict(first.state_dict()), dict(second.state_dict()), before, after


def check(
    device: str, rows: SparseRows, *, graph: bool = False, atol: float = 2e-6, only: Sequence[str] = tuple(NETWORKS)
) -> None:
    for name in only:
        settings = NETWORKS[name]
        plain, fused, losses, fused_losses = both_ways(device, rows, settings, graph=graph)
        for weight, value in plain.items():
            torch.testing.assert_close(fused[weight], value, rtol=0, atol=atol, msg=f"{name}, {weight}")
        np.testing.assert_allclose(fused_losses, losses, rtol=1e-5)


_INTERPRETED = """
    import torch
    from recae.sparse import cuda_step
    from tests import test_fused_steps as tests

    rows = tests.random_rows()
    tests.check("cpu", rows)
    cuda_step.TILING = cuda_step.TILING._replace(chunk=4)  # rows in several chunks
    tests.check("cpu", rows, only=["deep"])
    tests.check("cpu", tests.random_rows(20, 60), atol=2e-5, only=["less the row's level"])
    tests.resumed("cpu", rows)
    print("checked", len(tests.NETWORKS))
"""


def resumed(device: str, rows: SparseRows, folder: Path | None = None) -> None:
    """Interrupted within an epoch and resumed, with noise, training ends with the same bits."""
    import tempfile

    from recae.errors import TrainingInterrupted
    from recae.models.autorec.fused_network import FusedRatingNetwork
    from recae.training.fused_steps import FusedSteps
    from recae.training.loop import TrainingLoop

    def fit(path: Path | None, *, stop: int | None = None) -> dict[str, torch.Tensor]:
        torch.manual_seed(0)
        network = RatingNetwork(
            rows.n_cols, (6,), activation="sigmoid", output="identity", scale=(1, 5), l2=1.0, noise=0.4
        )

        def fused(network: Any, batches: Any, optimizer: Any, settings: Any) -> Any:
            return Stopping(
                FusedRatingNetwork(network), batches.rows, batches.batch_size, optimizer, seed=5, graph=False
            )

        class Stopping(FusedSteps):
            taken = 0

            def step(self, number: int) -> torch.Tensor:
                self.taken += 1
                if stop == self.taken:
                    asked.append(2)
                return super().step(number)

        asked: list[int] = []
        own = TrainingLoop._stop_if_asked

        def stop_if_asked(loop: TrainingLoop) -> None:
            loop.stop_signal = lambda: asked[0] if asked else None
            own(loop)

        TrainingLoop._stop_if_asked = stop_if_asked  # type: ignore[method-assign,assignment]
        try:
            Trainer(
                epochs=3, lr=0.01, decay=0.01, device=device, seed=1, checkpoint=path, resume=path is not None,
                progress=False,
            ).fit(network, RowBatches(rows, batch_size=4), rating_loss, None, fused)  # fmt: skip
        except TrainingInterrupted:
            assert stop is not None
        finally:
            TrainingLoop._stop_if_asked = own  # type: ignore[method-assign]
        return dict(network.state_dict())

    whole = fit(None)
    with tempfile.TemporaryDirectory() as made:
        path = Path(made, "checkpoint")
        fit(path, stop=5)  # of nine: within the second epoch
        again = fit(path)
    for name, value in whole.items():
        assert torch.equal(again[name], value), name


@pytest.mark.skipif(not interprets(), reason="no Triton here, or one whose interpreter fails with this NumPy")
def test_fused_steps_are_those_of_autograd_and_adam() -> None:
    """Interpreted on the CPU: after three epochs of either way all weights agree to float32's last digits, whatever the
    input, depth and average; a training that was interrupted and resumed ends with the same bits, noise included."""
    said = in_a_process(_INTERPRETED, TRITON_INTERPRET="1", PYTHONWARNINGS="ignore")
    assert said.split() == ["checked", str(len(NETWORKS))]


_COMPILED = """
    import torch
    from tests import hopper

    hopper.pretend(lambda name, _, ptx: print(name, k, hopper.width(ptx)))
    from recae.sparse import cuda_step as step

    def zeros(*shape, dtype=torch.float32):
        return torch.zeros(shape, dtype=dtype)

    n, n_cols, nnz, size = 2000, 3000, 20_000, 512
    long, short = torch.int64, torch.int32
    rows = step.EpochRows(
        zeros(n + 1, dtype=long), zeros(nnz, dtype=short), *(zeros(nnz) for _ in range(3)),
        zeros(4 * n_cols + 1, dtype=long), zeros(nnz, dtype=short), zeros(nnz, dtype=long), zeros(1, dtype=long),
    )
    for k in (1, 500, 512):
        weight, bias, hidden, part, losses = zeros(n_cols, k), zeros(n_cols), zeros(size, k), zeros(700, k), zeros(700)
        of, of_bias = (step.Moments(w, w.clone(), w.clone(), 0.1) for w in (weight, bias))
        adam = step.Adam(zeros(4, 2), 0.9, 0.999, 1e-8)
        step.encode(rows, size, weight, part, hidden)
        step.decode(rows, size, hidden, weight, bias, part, losses, hidden.clone())
        step.update(rows, adam, hidden, hidden, of, of, of_bias)
        step.adam_step(rows, adam, of_bias, bias)
"""


@pytest.mark.skipif(importlib.util.find_spec("triton") is None, reason="triton is not installed")
def test_the_kernels_of_a_step_compile_for_a_gpu_that_is_not_there(tmp_path: Path) -> None:
    """As they are launched, they compile for sm_90, and rows of 500 and 512 weights are read several at once."""
    compiled = in_a_process(_COMPILED, TRITON_CACHE_DIR=str(tmp_path)).splitlines()
    of_rows = ["encode_kernel", "sum_slots_kernel", "decode_kernel", "sum_slots_kernel", "update_kernel"]
    widths = [(1, "narrow"), (500, "wide"), (512, "wide")]
    expected = [[f"{name} {k} {width}" for name in of_rows] + [f"adam_kernel {k} narrow"] for k, width in widths]
    assert compiled == [line for lines in expected for line in lines]


@pytest.fixture
def device() -> str:
    if not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    return "cuda"


@pytest.mark.gpu
@pytest.mark.parametrize("graph", [False, True])
def test_fused_steps_on_a_gpu(device: str, graph: bool) -> None:
    """On a GPU, launched or recorded as a graph, they end where autograd's end."""
    check(device, random_rows(), graph=graph)
    check(device, random_rows(90, 300), graph=graph, atol=2e-5)


@pytest.mark.gpu
def test_a_graph_repeats_what_was_launched(device: str) -> None:
    """Recorded and launched steps end with the same bits."""
    for settings in NETWORKS.values():
        ends = [both_ways(device, random_rows(90, 300), settings, graph=graph)[1] for graph in (False, True)]
        assert all(torch.equal(ends[0][name], ends[1][name]) for name in ends[0])


@pytest.mark.gpu
def test_fused_steps_resume_on_a_gpu(device: str) -> None:
    """An interrupted training resumes to the same bits."""
    resumed(device, random_rows())


@pytest.mark.gpu
def test_autorec_takes_fused_steps_on_a_gpu(device: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A fit on a GPU does go through them, and its RMSE is that of steps through autograd."""
    from recae.models import AutoRec
    from recae.ratings import RatingMatrix
    from recae.training.fused_steps import FusedSteps

    rng = np.random.default_rng(0)
    truth = 3 + rng.normal(size=(60, 2)) @ rng.normal(size=(2, 40)) / 2
    users, items = np.nonzero(rng.random(truth.shape) < 0.5)
    ratings = RatingMatrix.from_columns(users, items, truth[users, items], scale=(0.0, 6.0))
    steps: list[int] = []
    step = FusedSteps.step

    def counted(self: FusedSteps, number: int) -> torch.Tensor:
        steps.append(number)
        return step(self, number)

    monkeypatch.setattr(FusedSteps, "step", counted)

    def rmse() -> float:
        model = AutoRec(by="item", hidden=16, l2=1.0, epochs=20, path="sparse", noise=0.0, device=device)
        return float(np.sqrt(np.mean((model.fit(ratings).predict_pairs(users, items) - truth[users, items]) ** 2)))

    fused = rmse()
    assert len(steps) == 20 * 8
    monkeypatch.setattr("recae.models.autorec.autorec.fused_steps", lambda *_: None)
    assert abs(rmse() - fused) < 1e-3
    assert len(steps) == 20 * 8
