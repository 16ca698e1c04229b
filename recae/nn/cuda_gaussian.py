"""The draw of a variational code as CUDA kernels (Triton), see `recae.nn.gaussian`; a program takes a row.

Imported only when a tensor on a CUDA device meets such a code.
"""

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor

UNITS = 1024  # of a code, at once

# Triton evaluates the annotations of a kernel's parameters: only `tl.constexpr` may stand there.


@triton.jit  # type: ignore[untyped-decorator,unused-ignore]
def _draw_kernel(  # type: ignore[no-untyped-def]
    h, noise, steps_done, z, penalties, now, anneal_steps, weight, d, ANNEALED: tl.constexpr, UNITS: tl.constexpr
):
    row = tl.program_id(0).to(tl.int64)
    total = tl.zeros((UNITS,), dtype=tl.float32)
    for first in range(0, d, UNITS):
        unit = first + tl.arange(0, UNITS)
        inside = unit < d
        mean = tl.load(h + row * 2 * d + unit, mask=inside, other=0.0)
        logvar = tl.load(h + row * 2 * d + d + unit, mask=inside, other=0.0)
        drawn = mean + tl.exp(0.5 * logvar) * tl.load(noise + row * d + unit, mask=inside, other=0.0)
        tl.store(z + row * d + unit, drawn, mask=inside)
        total += mean * mean + tl.exp(logvar) - 1 - logvar  # 0 where both are 0
    w = weight
    if ANNEALED:
        w *= tl.minimum(tl.load(steps_done).to(tl.float32) / anneal_steps, 1.0)
    tl.store(penalties + row, 0.5 * w * tl.sum(total, axis=0))
    tl.store(now, w, mask=row == 0)


@triton.jit  # type: ignore[untyped-decorator,unused-ignore]
def _gradient_kernel(  # type: ignore[no-untyped-def]
    h, noise, now, grad_z, grad_penalty, out, n_rows, d, UNITS: tl.constexpr
):
    row = tl.program_id(0).to(tl.int64)
    share = tl.load(now) * tl.load(grad_penalty) / n_rows
    for first in range(0, d, UNITS):
        unit = first + tl.arange(0, UNITS)
        inside = unit < d
        mean = tl.load(h + row * 2 * d + unit, mask=inside, other=0.0)
        logvar = tl.load(h + row * 2 * d + d + unit, mask=inside, other=0.0)
        dz = tl.load(grad_z + row * d + unit, mask=inside, other=0.0)
        by_draw = dz * tl.load(noise + row * d + unit, mask=inside, other=0.0) * tl.exp(0.5 * logvar)
        tl.store(out + row * 2 * d + unit, dz + share * mean, mask=inside)
        tl.store(out + row * 2 * d + d + unit, 0.5 * (by_draw + share * (tl.exp(logvar) - 1)), mask=inside)


def draw(
    h: Tensor, noise: Tensor, steps_done: Tensor, anneal_steps: int, weight: float
) -> tuple[Tensor, Tensor, Tensor]:
    """z, (batch, d); each row's penalty, (batch,); and the weight of the KL term, (1,); of contiguous tensors."""
    z, penalties, now = torch.empty_like(noise), h.new_empty(len(h)), h.new_empty(1)
    with torch.cuda.device_of(h):  # type: ignore[no-untyped-call]  # Triton launches on the current GPU
        _draw_kernel[(len(h),)](
            h, noise, steps_done, z, penalties, now, float(anneal_steps), float(weight), noise.shape[1],
            ANNEALED=anneal_steps > 0, **_divided(noise.shape[1]),
        )  # fmt: skip
    return z, penalties, now


def gradient(h: Tensor, noise: Tensor, now: Tensor, grad_z: Tensor, grad_penalty: Tensor) -> Tensor:
    """The gradient of `h`, (batch, 2 d)."""
    out = torch.empty_like(h)
    with torch.cuda.device_of(h):  # type: ignore[no-untyped-call]
        _gradient_kernel[(len(h),)](
            h, noise, now, grad_z, grad_penalty, out, len(h), noise.shape[1], **_divided(noise.shape[1])
        )
    return out


def _divided(d: int) -> dict[str, int]:
    units: int = min(UNITS, triton.next_power_of_2(max(1, d)))
    return {"UNITS": units, "num_warps": max(1, min(4, units // 128))}
