"""The CUDA kernels of the multinomial loss: on a GPU where there is one, and interpreted and compiled anywhere."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest
import torch
from test_sparse_cuda import in_a_process, interprets, random_rows

from recae.models.vae.implicit_losses import multinomial

SHAPES = [(7, 11), (1, 9), (40, 3), (6, 50)]  # rows, columns


@pytest.mark.gpu
@pytest.mark.parametrize(("n_rows", "n_cols"), [*SHAPES, (500, 26_744)])
def test_loss_and_gradient_on_a_gpu_are_the_cpus(n_rows: int, n_cols: int) -> None:
    """Rows of all lengths, the first without entries: to float32's digits what the CPU computes in float64."""
    if not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    target = random_rows(n_rows, n_cols)
    target = target.with_values(target.values.abs())
    logits, found = 5 * torch.randn(n_rows, n_cols, generator=torch.Generator().manual_seed(0)), []
    for device, dtype in (("cpu", torch.float64), ("cuda", torch.float32)):
        x = logits.to(device, dtype).requires_grad_()
        loss = multinomial(x, target.to(device, dtype))
        (grad,) = torch.autograd.grad(2 * loss, x)
        found.append((loss.detach().cpu().double(), grad.cpu().double()))
    (wanted, expected), (loss, grad) = found
    torch.testing.assert_close(loss, wanted, rtol=1e-5, atol=1e-5)
    scale = float(expected.abs().max())
    torch.testing.assert_close(grad / scale, expected / scale, rtol=1e-4, atol=1e-5)


_INTERPRETED = """
    import torch
    from recae.models.vae import cuda_multinomial as cuda, implicit_losses as plain
    from tests.test_multinomial_cuda import SHAPES, random_rows

    def check(n_rows, n_cols):
        rows, logits = random_rows(n_rows, n_cols), 5 * torch.randn(n_rows, n_cols)
        given, grad = (logits, rows.indptr, rows.indices, rows.values.abs()), torch.tensor(1.7)
        found, wanted = cuda.loss(*given), plain._multinomial(*given)
        torch.testing.assert_close(found, wanted)
        torch.testing.assert_close(
            cuda.gradient(*given, found[1], grad), plain._multinomial_gradient(*given, wanted[1], grad)
        )

    for shape in SHAPES:
        check(*shape)
    cuda.COLUMNS, cuda.ENTRIES = 4, 2  # rows in several parts
    for shape in SHAPES:
        check(*shape)
    print("checked")
"""


@pytest.mark.skipif(not interprets(), reason="no Triton here, or one whose interpreter fails with this NumPy")
def test_the_kernels_under_tritons_interpreter() -> None:
    """Interpreted on the CPU, both kernels give what plain PyTorch gives: masks and loops are right."""
    assert in_a_process(_INTERPRETED, TRITON_INTERPRET="1").split() == ["checked"]


_COMPILED = """
    import torch
    from triton.backends.compiler import GPUTarget
    from triton.runtime import JITFunction, driver

    class Hopper:
        get_current_device = lambda self: 0
        get_current_stream = lambda self, device: 0
        get_current_target = lambda self: GPUTarget("cuda", 90, 32)
        get_active_torch_device = lambda self: torch.device("cuda", 0)
        get_device_interface = lambda self: torch.cuda

    def launcher(kernel, grid):
        def compile(*arguments, **settings):
            assert "bar.sync" in kernel.warmup(*arguments, grid=grid, **settings).asm["ptx"]
            print(kernel.fn.__name__, arguments[0].dtype)
        return compile

    driver.set_active(Hopper())
    JITFunction.__getitem__ = launcher
    from recae.models.vae import cuda_multinomial as cuda

    pattern = torch.zeros(501, dtype=torch.int64), torch.zeros(9000, dtype=torch.int32), torch.zeros(9000)
    for dtype in (torch.float32, torch.bfloat16):
        for n_cols in (1, 3000, 26744):
            logits = torch.zeros(500, n_cols, dtype=dtype)
            _, log_sums = cuda.loss(logits, *pattern)
            cuda.gradient(logits, *pattern, log_sums, torch.zeros(()))
"""


@pytest.mark.skipif(importlib.util.find_spec("triton") is None, reason="triton is not installed")
def test_the_kernels_compile_for_a_gpu_that_is_not_there(tmp_path: Path) -> None:
    """As they are launched, both kernels compile for sm_90, of logits of both types."""
    compiled = in_a_process(_COMPILED, TRITON_CACHE_DIR=str(tmp_path)).splitlines()
    kernels = ["_loss_kernel", "_gradient_kernel"] * 3
    assert compiled == [f"{kernel} torch.{kind}" for kind in ("float32", "bfloat16") for kernel in kernels]
