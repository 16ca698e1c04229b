"""Several threads and processes: one parallel kernel at a time, serial ones elsewhere, the same results to the bit.

What numba and OpenMP would end or hang by is run in a process of its own.
"""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
import textwrap
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from scipy import sparse

import recae
from recae import jit
from recae.jit import jit_kernel, prange
from recae.nn.kernel import KernelWeight
from recae.ranking import top_n
from recae.sparse import SparseRows, cpu

HERE = Path(__file__).parent


def run(*arguments: str, layer: str) -> None:
    """Python with these arguments and two threads for each library, which has to end well."""
    environment = {
        **os.environ, "NUMBA_THREADING_LAYER": layer, "NUMBA_NUM_THREADS": "2", "OMP_NUM_THREADS": "2",
        "PYTHONPATH": os.pathsep.join([str(HERE.parent), os.environ.get("PYTHONPATH", "")]),
    }  # fmt: skip
    done = subprocess.run(
        [sys.executable, *arguments], env=environment, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def elsewhere(work: Callable[[], Any], serial: bool = True) -> Any:
    """What `work` returns on a thread of its own."""
    found = []

    def body() -> None:
        if serial:
            jit.run_serially()
        found.append(work())

    thread = threading.Thread(target=body)
    thread.start()
    thread.join()
    return found[0]


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """A rating store of 300 users and 200 items."""
    rng = np.random.default_rng(0)
    pairs = np.unique(rng.integers(0, 300 * 200, 12_000))
    frame = pd.DataFrame({"user": pairs // 200, "item": pairs % 200, "rating": rng.integers(1, 6, len(pairs))})
    frame.to_csv(tmp_path / "a.csv", index=False)
    recae.prepare_store(tmp_path / "a.csv", tmp_path / "store")
    return tmp_path / "store"


# ---------------------------------------------------------------- who runs what


def sums(x: np.ndarray, out: np.ndarray) -> None:
    for row in prange(len(out)):
        out[row] = half(x[row].sum())


@jit_kernel(parallel=False)
def half(x: float) -> float:
    return x / 2


X = np.arange(6.0).reshape(2, 3)
HALF_SUMS = [1.5, 6.0]


def result(function: Any) -> list[float]:
    out = np.empty(2)
    function(X, out)
    return out.tolist()


def test_a_call_beside_another_one_runs_in_the_serial_form() -> None:
    """While a thread has the turn, another one's call does not touch the parallel form; afterwards it does."""
    function = jit_kernel()(sums)
    assert function.parallel is not None
    with jit._turn:
        assert elsewhere(lambda: result(function), serial=False) == HALF_SUMS
        assert function.parallel.dispatcher is None
    assert elsewhere(lambda: result(function), serial=False) == HALF_SUMS
    assert function.parallel.dispatcher is not None


def test_a_thread_that_runs_serially_takes_no_turn() -> None:
    """`run_serially` is about the thread that calls it, and about no other."""
    function = jit_kernel()(sums)
    assert function.parallel is not None
    assert elsewhere(lambda: result(function)) == HALF_SUMS
    assert elsewhere(jit.n_threads) == 1
    assert function.parallel.dispatcher is None
    assert result(function) == HALF_SUMS
    assert function.parallel.dispatcher is not None


def test_the_turn_is_free_again_after_an_error() -> None:
    """A call that numba refuses gives the turn back."""
    import numba

    function = jit_kernel()(sums)
    with pytest.raises(numba.TypingError):
        function("no array", 3)
    assert elsewhere(lambda: jit._turn.acquire(False), serial=False)


def test_several_threads_may_be_the_first_to_call() -> None:
    """Eight threads that meet at a kernel not called before all get the sums, and the function stays as written."""
    function, start, found = jit_kernel()(sums), threading.Barrier(8), []

    def call() -> None:
        start.wait()
        found.append(result(function))

    threads = [threading.Thread(target=call) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [HALF_SUMS] * 8
    assert sums.__globals__["prange"] is prange
    assert result(sums) == HALF_SUMS


# ---------------------------------------------------------------- the same bits


@pytest.mark.parametrize(("n_rows", "n_cols", "k"), [(7, 11, 3), (33, 2000, 17), (64, 900, 501), (9, 300, 1500)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_sparse_products_have_the_same_bits_in_both_forms(n_rows: int, n_cols: int, k: int, dtype: torch.dtype) -> None:
    """Sums that may be reordered are so in the same way with and without threads."""
    rows = SparseRows.from_scipy(sparse.random_array((n_rows, n_cols), density=0.2, format="csr", rng=1), dtype=dtype)
    weight, hidden, bias = (torch.randn(shape, dtype=dtype) for shape in ((n_cols, k), (n_rows, k), (n_cols,)))
    pattern = rows.indptr, rows.indices
    works: list[Callable[[], torch.Tensor]] = [
        lambda: cpu.spmm(*pattern, rows.values, weight),
        lambda: cpu.sddmm(*pattern, hidden, weight, bias),
        lambda: cpu.spmm_transposed(*rows.transposed(), rows.values, hidden),
        lambda: cpu.take(*pattern, rows.values, torch.tensor([3, 0, 3, 5]))[2],
    ]
    for work in works:
        assert torch.equal(work(), elsewhere(work))


def test_a_kernel_weight_and_lists_have_the_same_bits_in_both_forms() -> None:
    """Weights under a kernel, their gradients, and top-n lists."""
    generator = np.random.default_rng(0)
    scores = generator.normal(size=(30, 400)).astype(np.float32)

    def gradients() -> list[torch.Tensor]:
        torch.manual_seed(0)
        module = KernelWeight(83, 61, spread=0.5)
        weight, penalty = module()
        (weight.square().sum() + penalty).backward()
        return [weight.detach(), *(p.grad for p in module.parameters() if p.grad is not None)]

    results = gradients(), elsewhere(gradients)
    assert len(results[0]) == 4
    for ours, serial in zip(*results, strict=True):
        assert torch.equal(ours, serial)
    np.testing.assert_array_equal(top_n(scores, 10), elsewhere(lambda: top_n(scores, 10)))


@pytest.mark.parametrize("ema", [0.0, 0.9])
def test_a_training_has_the_same_bits_in_both_forms(store: Path, ema: float) -> None:
    """AutoRec's weights, trained by numba's Adam, and lists of unseen users."""
    ratings = recae.load(store)

    def fit() -> list[np.ndarray]:
        model = recae.AutoRec(hidden=37, epochs=2, path="sparse", device="cpu", ema=ema, batch_size=70)
        model.fit(ratings, progress=False)
        return [*model._arrays().values(), model.score(ratings.user_rows[:5])]

    for ours, serial in zip(fit(), elsewhere(fit), strict=True):
        np.testing.assert_array_equal(ours, serial)


# ---------------------------------------------------------------- threads, under numba's most delicate layer


def test_training_from_a_store_takes_batches_beside_the_steps(store: Path, tmp_path: Path) -> None:
    """`recae train STORE` under `workqueue`: the thread that takes batches ahead and the step are no two callers."""
    run(
        "-m", "recae", "train", str(store), "--model", "i-autorec", "--hidden", "50", "--epochs", "4", "--batch-size",
        "8", "--path", "sparse", "--device", "cpu", "--out", str(tmp_path / "m.recae"), layer="workqueue",
    )  # fmt: skip


def test_four_threads_recommend(store: Path) -> None:
    """Under `workqueue`, a server's threads get the lists that one thread gets, and keep PyTorch's threads."""
    program = f"""
        import threading, numpy as np, torch, recae
        ratings = recae.load({str(store)!r})
        torch.set_num_threads(2)
        models = [
            recae.EASE().fit(ratings),
            recae.AutoRec(epochs=1, hidden=50, path="sparse", device="cpu").fit(ratings, progress=False),
        ]
        users, start, wrong, done = np.arange(100), threading.Barrier(4), [], []
        expected = [model.recommend(users, n=10) for model in models]

        def work():
            start.wait()
            for _ in range(15):
                for model, lists in zip(models, expected):
                    if not model.recommend(users, n=10).equals(lists):
                        wrong.append(model)
            done.append(torch.get_num_threads())

        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads: thread.start()
        for thread in threads: thread.join()
        assert not wrong and done == [2] * 4, (wrong, done)
    """
    run("-c", textwrap.dedent(program), layer="workqueue")


# ---------------------------------------------------------------- processes


def test_a_forked_worker_recommends_and_fits(tmp_path: Path) -> None:
    """After fits on numba's threads and on PyTorch's, a worker forked from the process finds what it has found."""
    if "fork" not in multiprocessing.get_all_start_methods():
        pytest.skip("this platform has no fork")
    run("-W", "ignore", str(HERE / "pool_program.py"), "fork", str(tmp_path), "AutoRec", "MultVAE", layer="default")


def test_a_spawned_worker_recommends_and_fits(tmp_path: Path) -> None:
    """So does a worker that starts anew."""
    run(str(HERE / "pool_program.py"), "spawn", str(tmp_path), "AutoRec", layer="default")


def test_a_process_forked_before_its_first_kernel_calls_kernels(tmp_path: Path) -> None:
    """A model that is loaded and then forked, as a preloading web server does, recommends in the forked process."""
    if not hasattr(os, "fork"):
        pytest.skip("this platform has no fork")
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"user": np.repeat(np.arange(20), 5), "item": np.arange(100) % 23, "rating": 4.0})
    frame["rating"] = rng.integers(1, 6, 100)
    recae.AutoRec(epochs=1, hidden=600, device="cpu").fit(recae.load(frame), progress=False).save(tmp_path / "m")
    program = f"""
        import os, signal, torch, recae
        model = recae.load_model({str(tmp_path / "m")!r})
        (torch.ones(500, 500) @ torch.ones(500, 500)).exp()  # PyTorch starts threads, numba none
        if not (child := os.fork()):
            signal.alarm(120)  # a hang ends the child
            model.recommend([1, 2], n=3)
            os._exit(0)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    """
    run("-W", "ignore", "-c", textwrap.dedent(program), layer="default")
