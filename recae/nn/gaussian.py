"""A draw from a variational code's posterior, and its KL term, with a gradient of their own.

In PyTorch's operators they are some thirty launches a step, which is what a GPU waits for; here they are one each way.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from recae.nn.losses import gaussian_kl
from recae.sparse.resources import triton_is_here
from recae.sparse.rows import operator


def draw(h: Tensor, noise: Tensor, steps_done: Tensor, anneal_steps: int, weight: float) -> tuple[Tensor, Tensor]:
    """mean + exp(logvar / 2) noise, (batch, d), and w KL(N(mean, exp(logvar)) ‖ N(0, 1)), a mean over rows.

    Args:
        h: means and log variances, (batch, 2 d).
        noise: (batch, d).
        steps_done, anneal_steps, weight: w is `weight` · steps_done / anneal_steps, at most `weight`; `weight` itself
            where `anneal_steps` is 0.
    """
    drawn: tuple[Tensor, Tensor] = _Draw.apply(h, noise, steps_done, anneal_steps, weight)  # type: ignore[no-untyped-call]
    return drawn


class _Draw(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, h: Tensor, noise: Tensor, steps_done: Tensor, anneal_steps: int, weight: float
    ) -> tuple[Tensor, Tensor]:
        h, noise = h.contiguous(), noise.contiguous()
        z, penalties, now = torch.ops.recae.gaussian_draw(h, noise, steps_done, anneal_steps, weight)
        ctx.save_for_backward(h, noise, now)
        return z, penalties.mean()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_z: Tensor, grad_penalty: Tensor) -> tuple[Tensor | None, ...]:
        d_h = torch.ops.recae.gaussian_draw_gradient(*ctx.saved_tensors, grad_z.contiguous(), grad_penalty)
        return d_h, None, None, None, None


@operator("gaussian_draw")
def _draw(
    h: Tensor, noise: Tensor, steps_done: Tensor, anneal_steps: int, weight: float
) -> tuple[Tensor, Tensor, Tensor]:
    """z, (batch, d); each row's penalty, (batch,); and w, (1,)."""
    if _has_kernel(h):
        from recae.nn import cuda_gaussian

        return cuda_gaussian.draw(h, noise, steps_done, anneal_steps, weight)
    mean, logvar = h.chunk(2, dim=1)
    now = torch.full((1,), weight, dtype=h.dtype, device=h.device)
    if anneal_steps:
        now *= (steps_done / anneal_steps).clamp(max=1)
    return mean + torch.exp(0.5 * logvar) * noise, now * gaussian_kl(mean, logvar), now


@operator("gaussian_draw_gradient")
def _draw_gradient(h: Tensor, noise: Tensor, now: Tensor, grad_z: Tensor, grad_penalty: Tensor) -> Tensor:
    if _has_kernel(h):
        from recae.nn import cuda_gaussian

        return cuda_gaussian.gradient(h, noise, now, grad_z, grad_penalty)
    mean, logvar = h.chunk(2, dim=1)
    share = now * grad_penalty / max(1, len(h))
    d_logvar = 0.5 * (grad_z * noise * torch.exp(0.5 * logvar) + share * torch.expm1(logvar))
    return torch.cat([grad_z + share * mean, d_logvar], 1)


def _has_kernel(h: Tensor) -> bool:
    return h.device.type == "cuda" and h.dtype == torch.float32 and triton_is_here()


@torch.library.register_fake("recae::gaussian_draw")
def _(h: Tensor, noise: Tensor, *_: Any) -> tuple[Tensor, Tensor, Tensor]:
    return torch.empty_like(noise), h.new_empty(h.shape[0]), h.new_empty(1)


@torch.library.register_fake("recae::gaussian_draw_gradient")
def _(h: Tensor, *_: Any) -> Tensor:
    return torch.empty_like(h)
