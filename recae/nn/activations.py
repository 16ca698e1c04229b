"""Activations by name: one table for encoders, decoders and output heads."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional

from recae.errors import ParameterError

Activation = Callable[[Tensor], Tensor]


def identity(x: Tensor) -> Tensor:
    """x itself."""
    return x


def softmax(x: Tensor) -> Tensor:
    """exp(x_j) / Σ exp(x), over the last axis."""
    return torch.softmax(x, dim=-1)


ACTIVATIONS: dict[str, Activation] = {
    "identity": identity,
    "sigmoid": torch.sigmoid,
    "tanh": torch.tanh,
    "relu": torch.relu,
    "selu": functional.selu,
    "elu": functional.elu,
    "gelu": functional.gelu,
    "swish": functional.silu,
    "softmax": softmax,
}


def activation(name: str) -> Activation:
    """The activation called `name`.

    Raises:
        ParameterError: there is none of that name.
    """
    if name not in ACTIVATIONS:
        raise ParameterError(name="activation", value=name, expected=tuple(ACTIVATIONS))
    return ACTIVATIONS[name]
