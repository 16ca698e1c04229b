"""The CUDA kernels of variational autoencoders: on a GPU where there is one, and interpreted and compiled anywhere."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest
import torch
from test_sparse_cuda import in_a_process, interprets, random_rows

from recae.models.vae.implicit_losses import multinomial
from recae.nn import GaussianCode
from recae.nn.gaussian import draw

SHAPES = [(7, 11), (1, 9), (40, 3), (6, 50)]  # rows, columns


@pytest.mark.parametrize(("anneal_steps", "done"), [(0, 0), (4, 0), (4, 3), (4, 9)])
def test_a_draw_is_the_codes_own(anneal_steps: int, done: int) -> None:
    """What a GPU is given in place of `GaussianCode`: the same code and penalty, and finite differences of its own."""
    h, code = torch.randn(5, 6, dtype=torch.float64, requires_grad=True), GaussianCode(0.7, anneal_steps)
    noise, steps_done = torch.randn(5, 3, dtype=torch.float64), code.steps_done.fill_(done).clone()
    assert torch.autograd.gradcheck(lambda x: draw(x, noise, steps_done, anneal_steps, 0.7), (h,))
    torch.manual_seed(1)
    wanted = code(h)
    torch.manual_seed(1)
    torch.testing.assert_close(draw(h, torch.randn_like(noise), steps_done, anneal_steps, 0.7), wanted)
    assert float(code.steps_done) == done + (anneal_steps > 0)


@pytest.mark.gpu
@pytest.mark.parametrize("anneal_steps", [0, 4])
@pytest.mark.parametrize(("n_rows", "d"), [(1, 1), (40, 3), (500, 200), (3, 1500)])
def test_a_draw_on_a_gpu_is_the_cpus(n_rows: int, d: int, anneal_steps: int) -> None:
    """Code, penalty and gradient to float32's digits."""
    if not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    generator, found = torch.Generator().manual_seed(0), []
    h, noise, grad = (torch.randn(n_rows, width, generator=generator) for width in (2 * d, d, d))
    for device in ("cpu", "cuda"):
        x = h.to(device).requires_grad_()
        z, penalty = draw(x, noise.to(device), torch.tensor(3.0, device=device), anneal_steps, 0.7)
        (d_h,) = torch.autograd.grad((z * grad.to(device)).sum() + 2 * penalty, x)
        found.append([t.detach().cpu() for t in (z, penalty, d_h)])
    torch.testing.assert_close(found[1], found[0], rtol=1e-4, atol=1e-5)


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
    from recae.nn import cuda_gaussian, gaussian
    from tests.test_vae_cuda import SHAPES, random_rows

    def check_draw(n_rows, d):
        h, noise, grad = torch.randn(n_rows, 2 * d), torch.randn(n_rows, d), torch.randn(n_rows, d)
        for anneal_steps in (0, 4):
            given = h, noise, torch.tensor(3.0), anneal_steps, 0.7
            found, wanted = cuda_gaussian.draw(*given), gaussian._draw(*given)
            torch.testing.assert_close(found, wanted)
            given = h, noise, wanted[2], grad, torch.tensor(1.3)
            torch.testing.assert_close(cuda_gaussian.gradient(*given), gaussian._draw_gradient(*given))

    def check(n_rows, n_cols):
        check_draw(n_rows, n_cols)
        rows, logits = random_rows(n_rows, n_cols), 5 * torch.randn(n_rows, n_cols)
        given, grad = (logits, rows.indptr, rows.indices, rows.values.abs()), torch.tensor(1.7)
        found, wanted = cuda.loss(*given), plain._multinomial(*given)
        torch.testing.assert_close(found, wanted)
        torch.testing.assert_close(
            cuda.gradient(*given, found[1], grad), plain._multinomial_gradient(*given, wanted[1], grad)
        )

    for shape in SHAPES:
        check(*shape)
    cuda.COLUMNS, cuda.ENTRIES, cuda_gaussian.UNITS = 4, 2, 2  # rows in several parts
    for shape in SHAPES:
        check(*shape)
    print("checked")
"""


@pytest.mark.skipif(not interprets(), reason="no Triton here, or one whose interpreter fails with this NumPy")
def test_the_kernels_under_tritons_interpreter() -> None:
    """Interpreted on the CPU, all kernels give what plain PyTorch gives: masks and loops are right."""
    assert in_a_process(_INTERPRETED, TRITON_INTERPRET="1").split() == ["checked"]


_COMPILED = """
    import torch
    from tests import hopper

    hopper.pretend(lambda name, arguments, _: print(name, arguments[0].dtype))
    from recae.models.vae import cuda_multinomial as cuda
    from recae.nn import cuda_gaussian

    for n_rows, d in ((1, 1), (500, 200), (500, 3000)):
        h, noise = torch.zeros(n_rows, 2 * d), torch.zeros(n_rows, d)
        for anneal_steps in (0, 4):
            _, _, now = cuda_gaussian.draw(h, noise, torch.zeros(()), anneal_steps, 0.7)
        cuda_gaussian.gradient(h, noise, now, noise, torch.zeros(()))
    pattern = torch.zeros(501, dtype=torch.int64), torch.zeros(9000, dtype=torch.int32), torch.zeros(9000)
    for dtype in (torch.float32, torch.bfloat16):
        for n_cols in (1, 3000, 26744):
            logits = torch.zeros(500, n_cols, dtype=dtype)
            _, log_sums = cuda.loss(logits, *pattern)
            cuda.gradient(logits, *pattern, log_sums, torch.zeros(()))
"""


@pytest.mark.skipif(importlib.util.find_spec("triton") is None, reason="triton is not installed")
def test_the_kernels_compile_for_a_gpu_that_is_not_there(tmp_path: Path) -> None:
    """As they are launched, all kernels compile for sm_90; those of the loss, of logits of both types."""
    compiled = in_a_process(_COMPILED, TRITON_CACHE_DIR=str(tmp_path)).splitlines()
    draws, losses = ["_draw_kernel", "_draw_kernel", "_gradient_kernel"], ["_loss_kernel", "_gradient_kernel"]
    wanted = [f"{kernel} torch.float32" for kernel in 3 * draws + 3 * losses]
    assert compiled == wanted + [f"{kernel} torch.bfloat16" for kernel in 3 * losses]
