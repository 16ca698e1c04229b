"""A network filled from the arrays of a file: made without memory first, to compare its shapes with theirs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import torch
from torch import nn
from torch.overrides import TorchFunctionMode

from recae._types import Arrays
from recae.schemas import Invalid, check_array

_Network = TypeVar("_Network", bound=nn.Module)
_DRAWS = ("normal_", "uniform_", "trunc_normal_", "bernoulli_", "exponential_")
_DRAWN = ("randn", "rand")
_SCALES = ("mul", "mul_")


class _NoDraws(TorchFunctionMode):
    """Within, initial values are neither drawn nor scaled: without memory PyTorch imports its compiler for that."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = getattr(func, "__name__", "")
        scales = name in _SCALES and isinstance(args[1], int | float)
        if scales or getattr(func, "__module__", "") == "torch.nn.init" or name in _DRAWS:
            return args[0] if args else kwargs["tensor"]
        if name in _DRAWN:
            return torch.empty(*args, **{key: value for key, value in (kwargs or {}).items() if key != "generator"})
        return func(*args, **(kwargs or {}))


def filled(make: Callable[[], _Network], state: Arrays, prefix: str) -> _Network:
    """The network that `make` makes, with the state of these arrays; `prefix` stands before their names in messages.

    Raises:
        Invalid: an array is missing, has no use, or has another type or shape, or is not finite.
    """
    try:
        with torch.device("meta"), _NoDraws():
            wanted = make().state_dict()
    except (RuntimeError, OverflowError) as error:  # PyTorch's words for sizes that no array can have
        raise Invalid(f"its hyper-parameters make no network ({error})") from None
    for name in wanted.keys() ^ state.keys():
        raise Invalid(f"array {prefix + name!r} {'is missing' if name in wanted else 'has no use'}")
    for name, tensor in wanted.items():
        kind = str(tensor.dtype).removeprefix("torch.")
        check_array(state[name], f"array {prefix + name!r}", (kind, "float32"), tuple(tensor.shape))
    network = make()
    network.load_state_dict({name: torch.from_numpy(array) for name, array in state.items()})
    return network
