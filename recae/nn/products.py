"""Dense products on the CPU by the faster of PyTorch's two libraries.

PyTorch multiplies float32 matrices with MKL, which keeps its AVX-512 code for Intel's processors; oneDNN, which comes
with PyTorch too, has such code for all. On an AMD processor with AVX-512 it takes half the time
(`python -m benchmarks.kernels` shows both). Elsewhere, and where matrices are small, everything here is PyTorch's own.

Which library is used depends only on the processor and the shapes, so that results repeat.
"""

from __future__ import annotations

import functools
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

WORK = 2**21  # multiply-adds from which oneDNN's start, some 10 µs, no longer matters
COLUMNS = 512  # of a product that is added to something, at once
NARROWEST = 8  # of the three widths; with fewer, a product reads more than it computes


def product(a: Tensor, b: Tensor) -> Tensor:
    """a b: (m, n) from (m, k) and (k, n), any strides; with gradients, of any order."""
    if not _pays(a, b):
        return a @ b
    made: Tensor = _Affine.apply(None, a, b)  # type: ignore[no-untyped-call]
    return made


def affine(bias: Tensor, a: Tensor, b: Tensor) -> Tensor:
    """bias + a b: (m, n) from (n,), (m, k) and (k, n), any strides; with gradients, of any order."""
    if not (_pays(a, b) and bias.dtype == torch.float32 and bias.is_contiguous()):
        return torch.addmm(bias, a, b)
    made: Tensor = _Affine.apply(bias, a, b)  # type: ignore[no-untyped-call]
    return made


def add_product_(out: Tensor, a: Tensor, b: Tensor, *, alpha: float = 1.0) -> None:
    """out += alpha a b, in place, without gradients; beside the three, some columns of the product are held."""
    if not _pays(a, b):
        out.addmm_(a, b, alpha=alpha)
        return
    a = _plain(a)
    for start in range(0, b.shape[1], COLUMNS):
        columns = slice(start, start + COLUMNS)
        out[:, columns].add_(product(a, b[:, columns]), alpha=alpha)


@contextmanager
def float32_products(kind: str) -> Iterator[None]:
    """Within, products of float32 are float32's ("ieee"), or a GPU's tensor cores make them ("tf32"), whatever PyTorch
    is set to."""
    libraries: list[Any] = [torch.backends.cuda.matmul]
    setting, wanted = "allow_tf32", kind == "tf32"
    if hasattr(torch.backends.mkldnn, "matmul"):  # since PyTorch 2.9
        libraries.append(torch.backends.mkldnn.matmul)
        setting, wanted = "fp32_precision", kind  # type: ignore[assignment]
    before = [getattr(library, setting) for library in libraries]
    try:
        for library in libraries:
            setattr(library, setting, wanted)
        yield
    finally:
        for library, value in zip(libraries, before):
            setattr(library, setting, value)


@contextmanager
def full_precision() -> Iterator[None]:
    """Within, products of float32 are float32's: TF32 keeps 11 bits of 24, which an inverse does not survive."""
    with float32_products("ieee"):
        yield


@functools.cache
def onednn_is_faster() -> bool:
    """Whether this processor has AVX-512, MKL does not use it, and PyTorch was built with oneDNN."""
    with_avx512 = torch.backends.cpu.get_cpu_capability() == "AVX512"
    if not (with_avx512 and torch.backends.mkldnn.is_available()) or _made_by_intel():  # type: ignore[no-untyped-call]
        return False
    return hasattr(torch.ops.mkldnn, "_linear_pointwise")


def _made_by_intel() -> bool:
    try:
        about = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        about = platform.processor()
    return "GenuineIntel" in about


def _pays(a: Tensor, b: Tensor) -> bool:
    """Whether a b is oneDNN's: 2-D, float32, on the CPU, and large enough. Wrong shapes are PyTorch's to refuse."""
    if a.dim() != 2 or b.dim() != 2 or a.shape[1] != b.shape[0] or torch.compiler.is_compiling():
        return False
    sizes = (a.shape[0], a.shape[1], b.shape[1])
    if min(sizes) < NARROWEST or sizes[0] * sizes[1] * sizes[2] < WORK:
        return False
    return all(t.dtype == torch.float32 and t.device.type == "cpu" for t in (a, b)) and onednn_is_faster()


class _Affine(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, bias: Tensor | None, a: Tensor, b: Tensor) -> Tensor:
        ctx.save_for_backward(a, b)
        made: Tensor = torch.ops.mkldnn._linear_pointwise(_plain(a), _plain(b).t(), bias, "none", [], "")
        return made

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        grad, (a, b) = grads[0], ctx.saved_tensors
        d_bias = grad.sum(0) if ctx.needs_input_grad[0] else None
        d_a = _laid_out_as(a, grad, b.t()) if ctx.needs_input_grad[1] else None
        d_b = _laid_out_as(b, a.t(), grad) if ctx.needs_input_grad[2] else None
        return d_bias, d_a, d_b


def _laid_out_as(like: Tensor, a: Tensor, b: Tensor) -> Tensor:
    """a b, column by column in memory where `like` is: a parameter's gradient is copied where its layout differs."""
    return product(b.t(), a.t()).t() if like.stride(0) == 1 else product(a, b)


def _plain(x: Tensor) -> Tensor:
    """`x` if it is contiguous by rows or by columns, else a copy: oneDNN takes a part of a larger matrix in a loop
    without any of its code for this processor, thousands of times slower."""
    return x if x.is_contiguous() or x.t().is_contiguous() else x.contiguous()
