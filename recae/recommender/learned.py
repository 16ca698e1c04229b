"""`LearnedArrays`: what a model has learnt as its file holds it; a model takes each array with the shape it needs."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import numpy.typing as npt

from recae._types import Arrays, Csr
from recae.ratings.csr import make_csr
from recae.schemas import Invalid, check_array, check_csr, require

if TYPE_CHECKING:
    from torch import nn

# Files of earlier versions hold a setting that was given as a whole number (`l2=300`) as an integer.
_NUMBERS = ("float32", "float64", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64")
_Network = TypeVar("_Network", bound="nn.Module")


class LearnedArrays:
    """Arrays by name, of which each is checked as it is taken.

    Every method raises `recae.schemas.Invalid` where an array is missing, or has another type or shape, or holds
    numbers that are not finite.
    """

    def __init__(self, arrays: Arrays, prefix: str = "") -> None:
        self._arrays, self._prefix = arrays, prefix

    def __len__(self) -> int:
        return len(self._arrays)

    def __contains__(self, name: str) -> bool:
        return self._prefix + name in self._arrays

    def floats(self, name: str, *shape: int, dtype: str = "float32") -> npt.NDArray[Any]:
        """An array of this shape, where -1 stands for any length."""
        array = self._take(name)
        check_array(array, f"array {self._prefix + name!r}", dtype, shape)
        return array

    def copied(self, name: str, *shape: int) -> npt.NDArray[Any] | None:
        """A copy of what `floats` returns, the array staying here; None where there is none."""
        if name not in self:
            return None
        self._arrays[self._prefix + name] = array = self.floats(name, *shape)
        return array.copy()

    def number(self, name: str) -> float:
        """A single number."""
        array = self._take(name)
        check_array(array, f"array {self._prefix + name!r}", _NUMBERS, ())
        return float(array)

    def csr(self, shape: tuple[int, int]) -> Csr:
        """A sparse matrix, of the arrays `data`, `indices` and `indptr`."""
        data, indices, indptr = (self._take(name) for name in ("data", "indices", "indptr"))
        check_csr(data, indices, indptr, shape, f"{self._prefix}the weights")
        return make_csr(data, indices, indptr, shape)

    def under(self, prefix: str) -> LearnedArrays:
        """The arrays whose names begin with `prefix`, by what follows it; they are taken from here too."""
        return LearnedArrays(self._arrays, self._prefix + prefix)

    def network(self, make: Callable[[], _Network]) -> _Network:
        """The network that `make` makes, with the state that the remaining arrays hold.

        It is made without memory first, so that hyper-parameters that ask for a larger network than the file holds
        are refused before anything is allocated.
        """
        names = [name for name in self._arrays if name.startswith(self._prefix)]
        state = {name.removeprefix(self._prefix): self._arrays.pop(name) for name in names}
        from recae.recommender.learned_network import filled  # PyTorch, which models without a network need none of

        return filled(make, state, self._prefix)

    def finish(self) -> None:
        """Refuse arrays that no part has read."""
        for name in self._arrays:
            raise Invalid(f"array {name!r} has no use")

    def _take(self, name: str) -> npt.NDArray[Any]:
        require(name in self, f"array {self._prefix + name!r} is missing")
        return self._arrays.pop(self._prefix + name)
