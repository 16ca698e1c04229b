"""Adam for the CPU in one pass over memory.

PyTorch's fused Adam does the same; but its threads and numba's, each waiting actively for work, get into each
other's way (a training step took seven times as long on two cores). Where the sparse kernels run, numba has
the cores, and this optimiser runs there too.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from recae._types import Array
from recae.jit import jit_kernel, prange


@jit_kernel(parallel=True, fastmath={"contract", "reassoc", "nsz", "arcp"})
def _adam(
    weight: Array, grad: Array, mean: Array, square: Array,
    beta1: float, beta2: float, step_size: float, correction: float, eps: float, decay: float,
) -> None:  # fmt: skip
    for i in prange(weight.size):
        g = grad[i] + decay * weight[i]
        m = beta1 * mean[i] + (1 - beta1) * g
        v = beta2 * square[i] + (1 - beta2) * g * g
        mean[i], square[i] = m, v
        weight[i] -= step_size * m / (np.sqrt(v) * correction + eps)


@jit_kernel(parallel=True, fastmath={"contract", "reassoc", "nsz", "arcp"})
def _adam_averaged(
    weight: Array, grad: Array, mean: Array, square: Array, average: Array,
    beta1: float, beta2: float, step_size: float, correction: float, eps: float, decay: float, pace: float,
) -> None:  # fmt: skip
    for i in prange(weight.size):  # not a branch of `_adam`: its loop would no longer be vectorised
        g = grad[i] + decay * weight[i]
        m = beta1 * mean[i] + (1 - beta1) * g
        v = beta2 * square[i] + (1 - beta2) * g * g
        mean[i], square[i] = m, v
        w = weight[i] - step_size * m / (np.sqrt(v) * correction + eps)
        weight[i] = w
        average[i] += pace * (w - average[i])


class KernelAdam(torch.optim.Optimizer):
    """Adam (Kingma and Ba, 2015) with L2 regularisation in the gradient, as `torch.optim.Adam`; float32 on the CPU.

    Args:
        params: tensors or parameter groups, as for any PyTorch optimiser.
        lr: step size.
        betas: decay of the running mean and of the running square.
        eps: added to the root of the square.
        weight_decay: adds weight_decay · w to the gradient of w.

    Attributes:
        averages: parameter to its running average, which a step then keeps up to date as well: half the memory
            traffic of a pass of its own. None for no averages.
        pace: asked once a step, how far each average goes towards its weight.
    """

    averages: dict[torch.nn.Parameter, torch.Tensor] | None = None
    pace: Callable[[], float]

    def __init__(
        self,
        params: Any,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
    ) -> None:
        super().__init__(params, {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        loss = None if closure is None else torch.enable_grad()(closure)()
        pace = 0.0 if self.averages is None else self.pace()
        for group in self.param_groups:
            for weight in group["params"]:
                if weight.grad is not None:
                    self._update(weight, group, pace)
        return loss

    def _update(self, weight: torch.nn.Parameter, group: dict[str, Any], pace: float) -> None:
        state = self.state[weight]
        if not state:
            state["step"] = torch.zeros((), dtype=torch.float32)
            state["exp_avg"], state["exp_avg_sq"] = torch.zeros_like(weight), torch.zeros_like(weight)
        state["step"] += 1
        step, (beta1, beta2) = float(state["step"]), group["betas"]
        assert weight.grad is not None
        tensors = [weight, weight.grad.contiguous(), state["exp_avg"], state["exp_avg_sq"]]
        numbers: tuple[float, ...] = (
            beta1, beta2, group["lr"] / (1 - beta1**step), 1 / math.sqrt(1 - beta2**step),
            group["eps"], group["weight_decay"],
        )  # fmt: skip
        one = np.float32 if weight.dtype == torch.float32 else np.float64
        if self.averages is not None:
            tensors, numbers = [*tensors, self.averages[weight]], (*numbers, pace)
        arrays = [t.detach().view(-1).numpy() for t in tensors]
        kernel: Any = _adam if self.averages is None else _adam_averaged
        kernel(*arrays, *(one(n) for n in numbers))
