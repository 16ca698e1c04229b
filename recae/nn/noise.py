"""Noise for denoising autoencoders (Vincent et al., 2010): the input is corrupted, the target stays clean.

Each is a module that does something in training mode only, on dense rows and on the stored entries of sparse
rows alike (a missing rating is not there to be corrupted).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from recae.errors import ParameterError
from recae.nn.layers import Rows, check_fraction
from recae.sparse import SparseRows


class Noise(nn.Module):
    """Base: `corrupt` says what happens to values; rows keep their form."""

    def forward(self, x: Rows) -> Rows:
        if not self.training:
            return x
        if isinstance(x, SparseRows):
            return x.with_values(self.corrupt(x.values))
        return self.corrupt(x)

    def corrupt(self, values: Tensor) -> Tensor:
        raise NotImplementedError


class Gaussian(Noise):
    """x + sigma N(0, 1), clipped to [low, high] where these are given (images: 0 and 1)."""

    def __init__(self, sigma: float, low: float | None = None, high: float | None = None) -> None:
        super().__init__()
        if sigma < 0:
            raise ParameterError(name="sigma", value=sigma, expected="a standard deviation, 0 or more")
        self.sigma, self.low, self.high = sigma, low, high

    def corrupt(self, values: Tensor) -> Tensor:
        noisy = values + self.sigma * torch.randn_like(values)
        return noisy if self.low is None and self.high is None else noisy.clamp(self.low, self.high)


class Masking(Noise):
    """A fraction of the values becomes 0, the others stay as they are."""

    def __init__(self, fraction: float) -> None:
        super().__init__()
        self.fraction = check_fraction("fraction", fraction)

    def corrupt(self, values: Tensor) -> Tensor:
        if not self.fraction:  # nothing is drawn then: several processes keep one process's order of rows
            return values
        return values * (torch.rand_like(values) >= self.fraction)


class Dropout(Noise):
    """A fraction becomes 0 and the others are divided by 1 - fraction, so that sums keep their expectation."""

    def __init__(self, fraction: float) -> None:
        super().__init__()
        self.fraction = check_fraction("fraction", fraction)

    def corrupt(self, values: Tensor) -> Tensor:
        return functional.dropout(values, self.fraction)


class SaltAndPepper(Noise):
    """A fraction of the values becomes `low` or `high`, each with the same chance."""

    def __init__(self, fraction: float, low: float = 0.0, high: float = 1.0) -> None:
        super().__init__()
        self.fraction, self.low, self.high = check_fraction("fraction", fraction), low, high

    def corrupt(self, values: Tensor) -> Tensor:
        chance = torch.rand_like(values)
        noisy = torch.where(chance < self.fraction / 2, self.low, values)
        return torch.where(chance >= 1 - self.fraction / 2, self.high, noisy)


class Uniform(Noise):
    """(1 - share) x + share U(0, high): every value is mixed with a uniform one, as fog is with a picture."""

    def __init__(self, share: float = 0.3, high: float = 2.0) -> None:
        super().__init__()
        if high <= 0:
            raise ParameterError(name="high", value=high, expected="the highest value drawn, above 0")
        self.share, self.high = check_fraction("share", share), high

    def corrupt(self, values: Tensor) -> Tensor:
        return torch.lerp(values, self.high * torch.rand_like(values), self.share)


NOISES: dict[str, type[Noise]] = {
    "gaussian": Gaussian, "masking": Masking, "dropout": Dropout, "salt-and-pepper": SaltAndPepper,
    "uniform": Uniform,
}  # fmt: skip


def noise(name: str, level: float) -> Noise:
    """The noise called `name` at `level` (a standard deviation for gaussian, else a fraction).

    Raises:
        ParameterError: there is none of that name, or the level is out of range.
    """
    if name not in NOISES:
        raise ParameterError(name="noise", value=name, expected=tuple(NOISES))
    return NOISES[name](level)
