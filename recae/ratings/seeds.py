"""Seeds and generators of random numbers, as they are given."""

from __future__ import annotations

from typing import Any

import numpy as np

from recae.errors import ParameterError

Rng = int | np.random.Generator | None


def generator_of(rng: Any) -> np.random.Generator:
    """The generator that a seed stands for, the one that is given, or for None a new one.

    Raises:
        ParameterError: it is none of these, or the seed is below 0.
    """
    try:
        return np.random.default_rng(rng)
    except (TypeError, ValueError):
        raise ParameterError(name="rng", value=rng, expected="a seed (0 or more), a generator or None") from None


def checked_seed(rng: Any) -> int:
    """A seed as an int.

    Raises:
        ParameterError: it is no whole number, or below 0.
    """
    if isinstance(rng, bool) or not isinstance(rng, int | np.integer) or rng < 0:
        raise ParameterError(name="rng", value=rng, expected="a seed: a whole number, 0 or more")
    return int(rng)
