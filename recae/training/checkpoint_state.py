"""What the state in a checkpoint may be: compared with the training that resumes from it, before any of it is used."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn

from recae.schemas import as_object, is_int, is_number, require
from recae.training.averaging import WeightAverage

# What each optimiser keeps of a parameter, by name: a tensor like it, a flat one of all parameters, a number, a count.
_ADAM = {"step": "count", "exp_avg": "like", "exp_avg_sq": "like"}
_KEPT = {
    "KernelAdam": _ADAM,
    "Adam": _ADAM,
    "SGD": {"momentum_buffer": "like or none"},
    "Rprop": {"step": "count", "prev": "like", "step_size": "like"},
    "LBFGS": {
        "func_evals": "int", "n_iter": "int", "al": "list of numbers", "d": "flat", "t": "number",
        "old_dirs": "list of flat", "old_stps": "list of flat", "ro": "list of numbers", "H_diag": "number",
        "prev_flat_grad": "flat", "prev_loss": "number",
    },
}  # fmt: skip
_RECORD = ("epoch", "loss", "validation", "lr", "seconds")


def check_state(
    state: dict[str, Any], model: nn.Module, optimizer: torch.optim.Optimizer, average: WeightAverage | None,
    n_examples: int, n_steps: int, n_epochs: int,
) -> None:  # fmt: skip
    """Refuse a state that is not one of a training of `model` by `optimizer`.

    Args:
        state: as `read_checkpoint` returns it.
        model, optimizer, average: what will be set to it; they are not changed here.
        n_examples, n_steps: of an epoch.
        n_epochs: of the whole training.

    Raises:
        Invalid: names the part.
    """
    _check_weights(state["model"], model, "the weights")
    if state["best"] is not None:
        _check_weights(state["best"], model, "the best weights")
    _check_optimizer(state["optimizer"], optimizer)
    _check_random(as_object(state["random"], "the random state", ("cpu",)))
    _check_progress(state, n_examples, n_steps, n_epochs)
    _check_history(state["history"], state["epoch"])
    if average is not None:
        kept = as_object(state.get("average"), "the averages", ("values", "steps"))
        fits = isinstance(kept["values"], list) and len(kept["values"]) == len(average.values)
        require(fits and is_int(kept["steps"]), "the averages are not those of the weights")
        for value, own in zip(kept["values"], average.values):
            _check_tensor(value, own, "an average")


def _check_tensor(value: Any, like: Tensor, part: str) -> None:
    fits = isinstance(value, Tensor) and value.shape == like.shape and value.dtype == like.dtype
    require(fits, f"{part} is not of type {like.dtype} and shape {list(like.shape)}")
    require(bool(value.isfinite().all()), f"{part} holds numbers that are not finite")


def _check_weights(state: Any, model: nn.Module, part: str) -> None:
    own = model.state_dict()
    as_object(state, part, tuple(own))
    require(len(state) == len(own), f"{part} are not those of the model")
    for name, tensor in own.items():
        _check_tensor(state[name], tensor, f"{name} of {part}")


def _check_optimizer(state: Any, optimizer: torch.optim.Optimizer) -> None:
    as_object(state, "the optimiser's state", ("state", "param_groups"))
    own = optimizer.state_dict()["param_groups"]
    groups = state["param_groups"]
    require(isinstance(groups, list) and len(groups) == len(own), "the groups of parameters are others")
    for group, wanted in zip(groups, own):
        as_object(group, "a group of parameters", tuple(wanted))
        require(is_number(group["lr"]) and group["lr"] >= 0, "a learning rate is no number from 0")
        others = [name for name in wanted if name != "lr"]
        same = all(type(group[name]) is type(wanted[name]) and group[name] == wanted[name] for name in others)
        require(same and group.keys() == wanted.keys(), "a group of parameters has other settings")  # 0 is no False
    kept, kinds = state["state"], _KEPT[type(optimizer).__name__]
    parameters = dict(enumerate(weight for group in optimizer.param_groups for weight in group["params"]))
    require(
        isinstance(kept, dict) and all(is_int(index) and index in parameters for index in kept), "parameters differ"
    )
    flat = sum(weight.numel() for weight in parameters.values())
    for index, values in kept.items():
        as_object(values, "the optimiser's state of a parameter", tuple(kinds))
        require(values.keys() == kinds.keys(), "the optimiser keeps other values")
        for name, kind in kinds.items():
            _check_kept(values[name], kind, parameters[index], flat, f"{name} of the optimiser")


def _check_kept(value: Any, kind: str, weight: Tensor, flat: int, part: str) -> None:
    """Refuse a value of the optimiser that is not of its kind; see `_KEPT`."""
    if kind.startswith("list of "):
        require(isinstance(value, list), f"{part} is not a list")
        for one in value:
            if one is not None:
                _check_kept(one, "number" if kind.endswith("numbers") else "flat", weight, flat, part)
    elif kind == "like or none" and value is None:
        return
    elif kind in ("like", "like or none"):
        _check_tensor(value, weight, part)
    elif kind == "flat":
        _check_tensor(value, torch.empty(flat, dtype=weight.dtype, device="meta"), part)
    elif kind == "int":
        require(is_int(value), f"{part} is not a count")
    else:
        single = isinstance(value, Tensor) and value.dim() == 0 and value.is_floating_point()
        require(single or is_number(value), f"{part} is not a number")
        require(
            math.isfinite(float(value)) and (kind != "count" or float(value) >= 0), f"{part} is not a number from 0"
        )


def _check_random(state: dict[str, Any]) -> None:
    cpu = state["cpu"]
    require(isinstance(cpu, Tensor) and cpu.dtype == torch.uint8, "the random state is not bytes")
    for name, value in state.items():
        require(name in ("cpu", "cuda"), "the random state is of another device")
        require(isinstance(value, Tensor) and value.dtype == torch.uint8 and value.dim() == 1, "it is not bytes")
    try:
        torch.Generator().set_state(cpu)
    except (RuntimeError, TypeError) as error:
        require(False, f"the random state is none ({str(error).splitlines()[0]})")


def _check_progress(state: dict[str, Any], n_examples: int, n_steps: int, n_epochs: int) -> None:
    epoch, step, order, loss = (state[name] for name in ("epoch", "step", "order", "total_loss"))
    require(is_int(epoch, 0, n_epochs), f"the epoch is not from 0 to {n_epochs}")
    require(is_int(state.get("last", n_epochs), epoch, n_epochs), f"the last epoch is not from {epoch} to {n_epochs}")
    require(is_int(step, 0, n_steps if order is not None else 0), f"the step is not from 0 to {n_steps}")
    require(is_number(state["seconds"]) and state["seconds"] >= 0, "the seconds are no number from 0")
    require(loss is None or (isinstance(loss, Tensor) and loss.dim() == 0), "the loss so far is not a number")
    if order is None:
        return
    whole = isinstance(order, Tensor) and order.dtype == torch.int64 and order.shape == (n_examples,)
    require(
        whole and loss is not None and loss.is_floating_point(), "the order of the examples is not that of an epoch"
    )
    require(torch.equal(order.sort().values, torch.arange(n_examples)), "the order has an example twice, or not at all")


def _check_history(history: Any, epoch: int) -> None:
    as_object(history, "the history", ("records", "best_epoch", "stopped_early"))
    records = history["records"]
    fits = isinstance(records, list) and len(records) == epoch and len(history) == 3
    require(fits and is_int(history["best_epoch"], 0, epoch), "the history is not that of the epochs so far")
    require(isinstance(history["stopped_early"], bool), "stopped_early is neither true nor false")
    for number, record in enumerate(records, 1):
        as_object(record, "a record of the history", _RECORD)
        others = [record[name] for name in _RECORD if name != "validation" or record[name] is not None]
        plain = all(isinstance(value, int | float) and not math.isnan(value) for value in others)
        require(plain and record["epoch"] == number and len(record) == len(_RECORD), "a record is not that of an epoch")
