"""Optimisers by name, with L2 regularisation of weights and not of biases; Adam as a kernel; learning-rate schedules.

PyTorch's fused Adam does what `KernelAdam` does. But its threads and numba's, each waiting actively for work, slow
each other down (a training step took seven times as long on two cores). Where the sparse kernels run, numba has the
cores, and the optimiser runs there too.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from recae.errors import ParameterError
from recae.jit import n_threads
from recae.sparse import cpu
from recae.sparse.ops import FactoredGradient, factors_kept

OPTIMIZERS = ("adam", "sgd", "rprop", "lbfgs")
FULL_BATCH = ("rprop", "lbfgs")
WIDE, LARGE = 256, 2**25  # units and bytes of a weight from which factors pay: its gradient does not stay in a cache


def make_optimizer(
    name: str, model: nn.Module, lr: float, decay: float, *, kernels: bool, factored: bool = False
) -> torch.optim.Optimizer:
    """The optimiser called `name` over the parameters of `model`.

    Args:
        name: adam, sgd (momentum 0.9), rprop or lbfgs (history 10, strong Wolfe line search; full batch).
        lr: learning rate; lbfgs takes it as its first step (1 is usual).
        decay: adds decay · w to the gradient of every parameter called `weight`. For rprop and lbfgs, which
            have no such term, `l2_term` adds it to the loss.
        kernels: training runs on the sparse kernels' threads: Adam is `KernelAdam`.
        factored: which may take gradients as factors.

    Raises:
        ParameterError: there is none of that name, or a number is out of range.
    """
    if name not in OPTIMIZERS:
        raise ParameterError(name="optimizer", value=name, expected=tuple(OPTIMIZERS))
    if lr <= 0:
        raise ParameterError(name="lr", value=lr, expected="a learning rate above 0")
    if decay < 0:
        raise ParameterError(name="decay", value=decay, expected="0 or more")
    parameters = [p for p in model.parameters() if p.requires_grad]
    if name == "lbfgs":
        return LBFGS(parameters, lr=lr, max_iter=20, history_size=10, line_search_fn="strong_wolfe")
    if name == "rprop":
        return Rprop(parameters, lr=lr)
    if name == "adam" and kernels:
        ours = KernelAdam(_groups(model, decay), lr=lr)
        ours.factored = factored
        return ours
    return _stepwise(name, _groups(model, decay), lr)


def _groups(model: nn.Module, decay: float) -> list[dict[str, Any]]:
    """Parameter groups, one for each decay."""
    weights, others = decayed(model)
    by_decay: dict[float, list[nn.Parameter]] = {}
    for weight in weights:
        by_decay.setdefault(decay * decay_factor(weight), []).append(weight)
    groups = [{"params": params, "weight_decay": value} for value, params in by_decay.items()]
    return groups + ([{"params": others, "weight_decay": 0.0}] if others else [])


def _stepwise(name: str, groups: list[dict[str, Any]], lr: float) -> torch.optim.Optimizer:
    if name == "adam":
        on_mps = any(p.device.type == "mps" for g in groups for p in g["params"])
        return Adam(groups, lr=lr, fused=not on_mps)
    return SGD(groups, lr=lr, momentum=0.9, fused=True)


def decayed(model: nn.Module) -> tuple[list[nn.Parameter], list[nn.Parameter]]:
    """Parameters that L2 regularises (those called `weight`), and the others (biases and so on)."""
    named = [(name, p) for name, p in model.named_parameters() if p.requires_grad]
    weights = [p for name, p in named if name.rsplit(".", 1)[-1] == "weight"]
    return weights, [p for name, p in named if name.rsplit(".", 1)[-1] != "weight"]


def decay_factor(weight: nn.Parameter) -> float:
    """The factor of a weight's decay: its attribute `decay_factor` if a model has set one, else 1."""
    return float(getattr(weight, "decay_factor", 1.0))


def l2_term(name: str, model: nn.Module, decay: float) -> Tensor | float:
    """decay / 2 · Σ w² (times each `decay_factor`), for the optimisers that have no such term; else 0."""
    if name not in FULL_BATCH or decay == 0:
        return 0.0
    terms = [decay_factor(w) * w.square().sum() for w in decayed(model)[0]]
    return 0.5 * decay * torch.stack(terms).sum()


# ------------------------------------------------------------ PyTorch's own, without its compiler


class _Uncompiled(torch.optim.Optimizer):
    """An optimiser without the wrappers by which PyTorch tells its compiler to leave the methods alone.

    They import the compiler for that at the first call, which takes as long as importing PyTorch does. Nothing here is
    compiled.
    """

    add_param_group = inspect.unwrap(torch.optim.Optimizer.add_param_group)
    zero_grad = inspect.unwrap(torch.optim.Optimizer.zero_grad)
    state_dict = inspect.unwrap(torch.optim.Optimizer.state_dict)
    load_state_dict = inspect.unwrap(torch.optim.Optimizer.load_state_dict)


def _step_of(optimizer: type[torch.optim.Optimizer]) -> Any:
    return torch.no_grad()(inspect.unwrap(optimizer.step))


class Adam(_Uncompiled, torch.optim.Adam):
    step = _step_of(torch.optim.Adam)


class SGD(_Uncompiled, torch.optim.SGD):
    step = _step_of(torch.optim.SGD)


class Rprop(_Uncompiled, torch.optim.Rprop):
    step = _step_of(torch.optim.Rprop)


class LBFGS(_Uncompiled, torch.optim.LBFGS):
    step = _step_of(torch.optim.LBFGS)


# ------------------------------------------------------------ Adam as a kernel


class KernelAdam(_Uncompiled):
    """Adam (Kingma and Ba, 2015) with L2 regularisation in the gradient, as `torch.optim.Adam`; float32 on the CPU.

    Args:
        params: tensors or parameter groups, as for any PyTorch optimiser.
        lr: step size.
        betas: decay of the running mean and of the running square.
        eps: added to the root of the square.
        weight_decay: adds weight_decay · w to the gradient of w.

    Attributes:
        averages: parameter to its running average, which a step then updates too, at half the memory traffic of a
            separate pass. None for no averages.
        pace: called once a step; returns the part of the way to its weight that each average moves.
        factored: gradients of matrices are taken as factors, where the closure's backward pass has them
            (`recae.sparse.ops.factors_kept`). Not where anything else is to see `grad`, such as a sum over processes.
    """

    averages: dict[torch.nn.Parameter, torch.Tensor] | None = None
    pace: Callable[[], float]
    factored: bool = False

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
        weights = [w for group in self.param_groups for w in group["params"]]
        matrices = [w for w in weights if self.factored and w.dim() == 2 and w.shape[1] >= WIDE and w.nbytes >= LARGE]
        with factors_kept(matrices) if closure and matrices else nullcontext(()) as lists:
            loss = None if closure is None else torch.enable_grad()(closure)()
        factors = dict(zip(matrices, lists))
        pace = 0.0 if self.averages is None else self.pace()
        for group in self.param_groups:
            for weight in group["params"]:
                if factors.get(weight):
                    self._update_by_factors(weight, group, pace, factors[weight])
                elif weight.grad is not None:
                    self._update(weight, group, pace)
        return loss

    def _update_by_factors(
        self, weight: torch.nn.Parameter, group: dict[str, Any], pace: float, gradients: list[FactoredGradient]
    ) -> None:
        """A step with one gradient as factors; several are multiplied out, and added to what is in `grad`."""
        if len(gradients) > 1 or weight.grad is not None or not weight.is_contiguous():
            for gradient in gradients:
                weight.grad = gradient.product() if weight.grad is None else weight.grad + gradient.product()
            self._update(weight, group, pace)
            return
        t_indptr, t_indices, t_position, values, dense = gradients[0]
        transposed, dense = values.to(weight.dtype)[t_position], dense.to(weight.dtype).contiguous()
        tensors, numbers = self._arguments(weight, group, pace)
        kernel: Any = cpu.adam_factored if self.averages is None else cpu.adam_factored_averaged
        block = cpu.rows_in_cache(min(1024, dense.shape[1]) * dense.element_size())
        arrays = [t.detach().numpy() for t in (t_indptr, t_indices, transposed, dense)]
        n_chunks = max(1, min(len(weight), n_threads()))
        kernel(*arrays, n_chunks, block, *(t.detach().view(-1).numpy() for t in tensors), *numbers)

    def _update(self, weight: torch.nn.Parameter, group: dict[str, Any], pace: float) -> None:
        assert weight.grad is not None
        (first, *others), numbers = self._arguments(weight, group, pace)
        arrays = [t.detach().view(-1).numpy() for t in (first, weight.grad.contiguous(), *others)]
        kernel: Any = cpu.adam if self.averages is None else cpu.adam_averaged
        kernel(*arrays, *numbers)

    def _arguments(
        self, weight: torch.nn.Parameter, group: dict[str, Any], pace: float
    ) -> tuple[list[Tensor], list[Any]]:
        """The tensors that a step changes, all of the weight's shape, and its numbers; the step is counted."""
        state = self.state[weight]
        if not state:
            state["step"] = torch.zeros((), dtype=torch.float32)
            state["exp_avg"], state["exp_avg_sq"] = torch.zeros_like(weight), torch.zeros_like(weight)
        state["step"] += 1
        step, (beta1, beta2) = float(state["step"]), group["betas"]
        tensors = [weight, state["exp_avg"], state["exp_avg_sq"]]
        numbers: tuple[float, ...] = (
            beta1, beta2, group["lr"] / (1 - beta1**step), 1 / math.sqrt(1 - beta2**step),
            group["eps"], group["weight_decay"],
        )  # fmt: skip
        one = np.float32 if weight.dtype == torch.float32 else np.float64
        if self.averages is not None:
            tensors, numbers = [*tensors, self.averages[weight]], (*numbers, pace)
        return tensors, [one(n) for n in numbers]


def set_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    """Set the learning rate of all parameters."""
    for group in optimizer.param_groups:
        group["lr"] = rate


# ------------------------------------------------------------ schedules: progress (0 to 1) to a factor of the rate


def constant(progress: float) -> float:
    """The same rate throughout."""
    return 1.0


def cosine(progress: float) -> float:
    """Half a cosine from 1 to 0 (Loshchilov and Hutter, 2017, without restarts)."""
    return 0.5 * (1 + math.cos(math.pi * min(1.0, progress)))


def linear(progress: float) -> float:
    """A straight line from 1 to 0."""
    return max(0.0, 1.0 - progress)


def one_cycle(progress: float) -> float:
    """Up from 0.04 to 1 over the first 30 %, then down to 0, both along cosines (Smith and Topin, 2018)."""
    if progress < 0.3:
        return 0.04 + 0.96 * 0.5 * (1 - math.cos(math.pi * progress / 0.3))
    return cosine((progress - 0.3) / 0.7)


def halving(progress: float) -> float:
    """Halved after 24, 36, 48, 66 and 72 of 102 parts (Kuchaiev and Ginsburg, 2017: DeepRec's 102 epochs)."""
    return 0.5 ** sum(progress >= epoch / 102 for epoch in (24, 36, 48, 66, 72))


SCHEDULES: dict[str, Callable[[float], float]] = {
    "constant": constant, "cosine": cosine, "linear": linear, "one-cycle": one_cycle, "halving": halving,
}  # fmt: skip


def schedule(name: str) -> Callable[[float], float]:
    """The schedule called `name`.

    Raises:
        ParameterError: there is none of that name.
    """
    if name not in SCHEDULES:
        raise ParameterError(name="schedule", value=name, expected=tuple(SCHEDULES))
    return SCHEDULES[name]
