"""The CUDA kernels: on a GPU where there is one, and anywhere under Triton's interpreter where Triton is installed.

Needs torch, triton, numpy, scipy, numba and pytest, and nothing else.
"""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import textwrap
from pathlib import Path

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
    for r, place in ((rows.to("cpu", torch.float64), "cpu"), (there, device)):
        dtype = r.values.dtype
        h, w, b = (t.to(place, dtype).requires_grad_() for t in (hidden, weight, bias))
        product, entries = spmm(r, w), sddmm(r, h, w, b)
        loss = product.square().sum() + (entries * r.values).sum()
        results.append([product, entries, *torch.autograd.grad(loss, (h, w, b))])
    for expected, got in zip(*results):
        scale = float(expected.abs().max().clamp(min=1))
        torch.testing.assert_close(got.cpu().double() / scale, expected / scale, rtol=1e-4, atol=1e-5)


@pytest.mark.gpu
def test_half_precision_on_cuda(device: torch.device) -> None:
    """bf16 weights are read as they are and summed in float32."""
    rows, (_, weight, _) = random_rows(30, 70).to(device), tensors(30, 70, 20)
    half = weight.to(device).bfloat16()
    expected = rows.to_dense() @ half.float()
    torch.testing.assert_close(spmm(rows, half).float(), expected, rtol=2e-2, atol=2e-2)


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

    for n_rows, n_cols, k in SHAPES:
        rows, (hidden, weight, bias) = random_rows(n_rows, n_cols), tensors(n_rows, n_cols, k)
        pattern = rows.indptr, rows.indices
        for name, ours, plain in [
            ("spmm", cuda.spmm(*pattern, rows.values, weight), reference.spmm(*pattern, rows.values, weight)),
            ("sddmm", cuda.sddmm(*pattern, hidden, weight, bias), reference.sddmm(*pattern, hidden, weight, bias)),
            ("no bias", cuda.sddmm(*pattern, hidden, weight, None), reference.sddmm(*pattern, hidden, weight, None)),
            ("strided", cuda.sddmm(*pattern, hidden.T.contiguous().T, weight, bias),
                        reference.sddmm(*pattern, hidden, weight, bias)),
            ("transposed", cuda.spmm_transposed(*rows.transposed(), rows.values, hidden),
                           reference.spmm_transposed(*rows.transposed(), rows.values, hidden)),
        ]:
            torch.testing.assert_close(ours, plain, rtol=1e-4, atol=1e-4, msg=lambda m: f"{name}: {m}")
    print("checked", len(SHAPES))
"""


@pytest.mark.skipif(importlib.util.find_spec("triton") is None, reason="triton is not installed")
def test_cuda_kernels_under_tritons_interpreter() -> None:
    """Interpreted on the CPU, every kernel gives the reference's result: masks, strides and loops are right."""
    env = {**os.environ, "TRITON_INTERPRET": "1", "PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path])}
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(_INTERPRETED)], env=env, cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["checked", str(len(SHAPES))]


def test_the_reference_takes_what_has_no_kernel() -> None:
    """Where the Triton kernels do not go (float64), the reference is exact."""
    rows, (_, weight, _) = random_rows(7, 11), tensors(7, 11, 5)
    exact = reference.spmm(rows.indptr, rows.indices, rows.values.double(), weight.double())
    torch.testing.assert_close(exact, rows.to_dense().double() @ weight.double(), rtol=1e-12, atol=1e-12)
