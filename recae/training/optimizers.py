"""Optimisers by name, with L2 regularisation of weights and none of biases."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from recae.errors import ParameterError
from recae.training.adam import KernelAdam

OPTIMIZERS = ("adam", "sgd", "rprop", "lbfgs")
FULL_BATCH = ("rprop", "lbfgs")


def make_optimizer(name: str, model: nn.Module, lr: float, decay: float, *, kernels: bool) -> torch.optim.Optimizer:
    """The optimiser called `name` over the parameters of `model`.

    Args:
        name: adam, sgd (momentum 0.9), rprop or lbfgs (history 10, strong Wolfe line search; full batch).
        lr: learning rate; lbfgs takes it as its first step (1 is usual).
        decay: adds decay · w to the gradient of every parameter called `weight`. For rprop and lbfgs, which
            have no such term, `l2_term` adds it to the loss.
        kernels: training runs on numba's kernels (see `recae.training.adam`).

    Raises:
        ParameterError: there is none of that name, or a number is out of range.
    """
    if name not in OPTIMIZERS:
        raise ParameterError(f"optimizer {name!r}: choose one of {', '.join(OPTIMIZERS)}")
    if lr <= 0:
        raise ParameterError(f"lr={lr}: a positive learning rate is needed")
    if decay < 0:
        raise ParameterError(f"decay={decay}: 0 or more is needed")
    parameters = [p for p in model.parameters() if p.requires_grad]
    if name == "lbfgs":
        return torch.optim.LBFGS(parameters, lr=lr, max_iter=20, history_size=10, line_search_fn="strong_wolfe")
    if name == "rprop":
        return torch.optim.Rprop(parameters, lr=lr)
    return _stepwise(name, _groups(model, decay), lr, kernels)


def _groups(model: nn.Module, decay: float) -> list[dict[str, Any]]:
    """Parameters that decay alike, together."""
    weights, others = decayed(model)
    by_decay: dict[float, list[nn.Parameter]] = {}
    for weight in weights:
        by_decay.setdefault(decay * decay_factor(weight), []).append(weight)
    groups = [{"params": params, "weight_decay": value} for value, params in by_decay.items()]
    return groups + ([{"params": others, "weight_decay": 0.0}] if others else [])


def _stepwise(name: str, groups: list[dict[str, Any]], lr: float, kernels: bool) -> torch.optim.Optimizer:
    if name == "adam":
        if kernels:
            return KernelAdam(groups, lr=lr)
        on_mps = any(p.device.type == "mps" for g in groups for p in g["params"])
        return torch.optim.Adam(groups, lr=lr, fused=not on_mps)
    return torch.optim.SGD(groups, lr=lr, momentum=0.9, fused=True)


def decayed(model: nn.Module) -> tuple[list[nn.Parameter], list[nn.Parameter]]:
    """Parameters that L2 regularises (those called `weight`) and the others (biases and what else there is)."""
    named = [(name, p) for name, p in model.named_parameters() if p.requires_grad]
    weights = [p for name, p in named if name.rsplit(".", 1)[-1] == "weight"]
    return weights, [p for name, p in named if name.rsplit(".", 1)[-1] != "weight"]


def decay_factor(weight: nn.Parameter) -> float:
    """What a weight's decay is multiplied by: its attribute `decay_factor` where a model has set one, else 1."""
    return float(getattr(weight, "decay_factor", 1.0))


def l2_term(name: str, model: nn.Module, decay: float) -> Tensor | float:
    """decay / 2 · Σ w² (times each `decay_factor`), for the optimisers that have no such term; else 0."""
    if name not in FULL_BATCH or decay == 0:
        return 0.0
    terms = [decay_factor(w) * w.square().sum() for w in decayed(model)[0]]
    return 0.5 * decay * torch.stack(terms).sum()
