"""The CUDA kernels: on a GPU where there is one, and anywhere under Triton's interpreter where Triton is installed.

Needs torch, triton, numpy, scipy, numba and pytest, and nothing else.
"""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import textwrap
from importlib.metadata import version
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from scipy import sparse

from recae.sparse import SparseRows, reference, sddmm, spmm

ROOT = Path(__file__).parents[1]
SHAPES = [(7, 11, 5), (1, 9, 1), (40, 3, 128), (6, 50, 129), (3, 40, 260)]  # rows, columns, hidden units


def random_rows(n_rows: int, n_cols: int, seed: int = 0) -> SparseRows:
    """Rows of very different lengths: the first empty, the last full."""
    rng = np.random.default_rng(seed)
    dense = rng.normal(size=(n_rows, n_cols)) * (rng.random((n_rows, n_cols)) < np.linspace(0, 1, n_rows)[:, None])
    return SparseRows.from_scipy(sparse.csr_array(dense))


def tensors(n_rows: int, n_cols: int, k: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Hidden (n_rows, k), weight (n_cols, k), bias (n_cols,)."""
    generator = torch.Generator().manual_seed(0)
    h, w, b = (torch.randn(shape, generator=generator) for shape in ((n_rows, k), (n_cols, k), (n_cols,)))
    return h, w, b


# ---------------------------------------------------------------- on a GPU


@pytest.fixture
def device() -> torch.device:
    if not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    return torch.device("cuda")


@pytest.mark.gpu
@pytest.mark.parametrize(("n_rows", "n_cols", "k"), [*SHAPES, (2000, 3000, 500)])
def test_cuda_kernels_agree_with_the_reference(device: torch.device, n_rows: int, n_cols: int, k: int) -> None:
    """Forward and backward of both operations on the GPU give what the CPU reference gives, to float32's digits."""
    rows, (hidden, weight, bias) = random_rows(n_rows, n_cols), tensors(n_rows, n_cols, k)
    there = rows.to(device)
    results = []
    for r, where in ((rows.to("cpu", torch.float64), "cpu"), (there, device)):
        dtype = r.values.dtype
        h, w, b = (t.to(where, dtype).requires_grad_() for t in (hidden, weight, bias))
        product, entries = spmm(r, w), sddmm(r, h, w, b)
        loss = product.square().sum() + (entries * r.values).sum()
        results.append([product, entries, *torch.autograd.grad(loss, (h, w, b))])
    for expected, got in zip(*results):
        scale = float(expected.detach().abs().max().clamp(min=1)) if expected.numel() else 1.0
        torch.testing.assert_close(got.cpu().double() / scale, expected / scale, rtol=1e-4, atol=1e-5)


@pytest.mark.gpu
def test_half_precision_on_cuda(device: torch.device) -> None:
    """bf16 weights are read as they are and summed in float32."""
    rows, (_, weight, _) = random_rows(30, 70).to(device), tensors(30, 70, 20)
    half = weight.to(device).bfloat16()
    expected = rows.to_dense() @ half.float()
    torch.testing.assert_close(spmm(rows, half).float(), expected, rtol=2e-2, atol=2e-2)


@pytest.mark.gpu
def test_cuda_kernels_give_the_same_bits_twice(device: torch.device) -> None:
    """Values that are not binary, rows in chunks: forward and backward repeat to the last bit, without atomics."""
    rows, tensors_ = random_rows(300, 3000).to(device), [t.to(device) for t in tensors(300, 3000, 500)]

    def once() -> list[torch.Tensor]:
        h, w, b = (t.clone().requires_grad_() for t in tensors_)
        entries, product = sddmm(rows, h, w, b), spmm(rows, w)
        gradients = torch.autograd.grad(product.square().sum() + (entries * rows.values).sum(), (h, w, b))
        return [entries, product, rows.sums(), *gradients]

    for first, second in zip(once(), once()):
        assert torch.equal(first, second)


@pytest.mark.gpu
def test_rows_are_taken_and_transposed_on_cuda(device: torch.device) -> None:
    """Selecting, transposing and densifying on the GPU give what they give on the CPU."""
    rows = random_rows(9, 14)
    index = torch.tensor([8, 0, 3, 3])
    there = rows.to(device)[index.to(device)]
    assert torch.equal(there.to_dense().cpu(), rows[index].to_dense())
    for a, b in zip(rows.transposed(), rows.to(device).transposed()):
        assert torch.equal(a, b.cpu())


@pytest.mark.gpu
@pytest.mark.parametrize("precision", ["float32", "bf16"])
def test_autorec_learns_on_cuda(device: torch.device, precision: str) -> None:
    """Trained on the GPU, either precision, AutoRec gets as near to the ratings as it does on the CPU."""
    from recae.models import AutoRec
    from recae.ratings import RatingMatrix

    rng = np.random.default_rng(0)
    truth = 3 + rng.normal(size=(60, 2)) @ rng.normal(size=(2, 40)) / 2
    users, items = np.nonzero(rng.random(truth.shape) < 0.5)
    ratings = RatingMatrix.from_columns(
        users, items, truth[users, items], scale=(float(truth.min()), float(truth.max()))
    )
    rmse = {}
    for where in ("cpu", "cuda"):
        model = AutoRec(
            by="user", hidden=16, l2=0.1, epochs=40, batch_size=20, lr=0.01, noise=0.0, path="sparse", device=where,
            precision=precision if where == "cuda" else "float32",
        ).fit(ratings)  # fmt: skip
        rmse[where] = float(np.sqrt(np.mean((model.predict_pairs(users, items) - truth[users, items]) ** 2)))
    assert rmse["cuda"] < 1.1 * rmse["cpu"] + 0.01
    assert rmse["cpu"] < 0.6 * truth.std()


# ---------------------------------------------------------------- anywhere, interpreted

_INTERPRETED = """
    import torch
    from recae.sparse import cuda, reference
    from tests.test_sparse_cuda import SHAPES, random_rows, tensors

    def check():
        for n_rows, n_cols, k in SHAPES:
            rows, (hidden, weight, bias) = random_rows(n_rows, n_cols), tensors(n_rows, n_cols, k)
            pattern, transposed = (rows.indptr, rows.indices), rows.transposed()
            for name, ours, plain in [
                ("spmm", cuda.spmm(*pattern, rows.values, weight), reference.spmm(*pattern, rows.values, weight)),
                ("sddmm", cuda.sddmm(*pattern, hidden, weight, bias), reference.sddmm(*pattern, hidden, weight, bias)),
                ("no bias", cuda.sddmm(*pattern, hidden, weight, None),
                            reference.sddmm(*pattern, hidden, weight, None)),
                ("strided", cuda.sddmm(*pattern, hidden.T.contiguous().T, weight, bias),
                            reference.sddmm(*pattern, hidden, weight, bias)),
                ("transposed", cuda.spmm_transposed(*transposed, rows.values, hidden),
                           reference.spmm_transposed(*transposed, rows.values, hidden)),
            ]:
                torch.testing.assert_close(ours, plain, rtol=1e-4, atol=1e-4, msg=lambda m: f"{name}: {m}")

    check()
    cuda.CHUNK, cuda.LONG, cuda.WIDE = 4, 8, 64  # rows in chunks, and hidden units in tiles
    check()
    print("checked", 2 * len(SHAPES))
"""


def interprets() -> bool:
    """Triton's interpreter is there, and works: before 3.7 it fails with NumPy 2.4 and later."""
    if importlib.util.find_spec("triton") is None:
        return False
    new = [tuple(int(part) for part in version(name).split(".")[:2]) for name in ("triton", "numpy")]
    return new[0] >= (3, 7) or new[1] < (2, 4)


def in_a_process(code: str, **variables: str) -> str:
    """What `code` prints, run by itself: Triton reads its environment, and keeps a device, once a process."""
    env = {**os.environ, **variables, "PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path])}
    command = [sys.executable, "-c", textwrap.dedent(code)]
    done = subprocess.run(command, env=env, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.skipif(not interprets(), reason="no Triton here, or one whose interpreter fails with this NumPy")
def test_cuda_kernels_under_tritons_interpreter() -> None:
    """Interpreted on the CPU, every kernel gives the reference's result: masks, strides, chunks and loops are right."""
    assert in_a_process(_INTERPRETED, TRITON_INTERPRET="1").split() == ["checked", str(2 * len(SHAPES))]


# ---------------------------------------------------------------- anywhere, compiled

_COMPILED = """
    import torch
    from tests import hopper

    hopper.pretend(lambda name, _, ptx: print(name, k, hopper.width(ptx)))
    from recae.sparse import cuda

    n_rows, n_cols, nnz = 512, 3000, 20_000
    pattern = torch.zeros(n_rows + 1, dtype=torch.int64), torch.zeros(nnz, dtype=torch.int32)
    transposed = torch.zeros(n_cols + 1, dtype=torch.int64), pattern[1], torch.zeros(nnz, dtype=torch.int64)
    values = torch.zeros(nnz)
    for dtype in (torch.float32, torch.bfloat16):
        for k in (1, 500, 512):
            hidden, weight = torch.zeros(n_rows, k, dtype=dtype), torch.zeros(n_cols, k, dtype=dtype)
            cuda.spmm(*pattern, values, weight)
            cuda.spmm_transposed(*transposed, values, hidden)
            cuda.sddmm(*pattern, hidden, weight, None)
            cuda.sddmm(*pattern, hidden, weight, torch.zeros(n_cols))
"""


@pytest.mark.skipif(importlib.util.find_spec("triton") is None, reason="triton is not installed")
def test_cuda_kernels_compile_for_a_gpu_that_is_not_there(tmp_path: Path) -> None:
    """As they are launched, all kernels compile for sm_90, which the interpreter says nothing of, and their loads of
    500 and 512 hidden units are four weights wide."""
    compiled = in_a_process(_COMPILED, TRITON_CACHE_DIR=str(tmp_path)).splitlines()
    kernels = ["_spmm_kernel", "_sum_chunks_kernel", "_spmm_kernel", "_sddmm_kernel", "_sddmm_kernel"]
    widths = [(1, "narrow"), (500, "wide"), (512, "wide")] * 2
    assert compiled == [f"{kernel} {k} {width}" for k, width in widths for kernel in kernels]


def test_the_reference_takes_what_has_no_kernel() -> None:
    """Where the Triton kernels do not go (float64), the reference is exact."""
    rows, (_, weight, _) = random_rows(7, 11), tensors(7, 11, 5)
    exact = reference.spmm(rows.indptr, rows.indices, rows.values.double(), weight.double())
    torch.testing.assert_close(exact, rows.to_dense().double() @ weight.double(), rtol=1e-12, atol=1e-12)


def test_a_gpu_without_triton_takes_the_plain_way(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where PyTorch's build for CUDA has no Triton, as on Windows, operations are PyTorch's own, and nothing raises."""
    from recae.sparse import ops

    on_cuda: Any = SimpleNamespace(device=torch.device("cuda"), dtype=torch.float32)
    monkeypatch.setattr(ops, "triton_is_here", lambda: False)
    assert ops._kernels(on_cuda) is reference
