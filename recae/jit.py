"""Numba kernels that cost nothing until they are called.

`@jit_kernel()` decorates a plain function over NumPy arrays. Numba itself is imported, and the function
compiled, at its first call, so that `import recae` stays light. Compiled code is cached on disk where a
folder for it can be written, and is simply not cached where none can (a read-only installation with no
home): numba alone would raise there.

A kernel takes `prange` from here, and may call other kernels::

    from recae.jit import jit_kernel, prange


    @jit_kernel(parallel=True)
    def row_sums(indptr, data, out):
        for row in prange(len(out)):
            out[row] = data[indptr[row] : indptr[row + 1]].sum()
"""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from typing import Any, Generic, ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")


def prange(*bounds: int) -> range:
    """Stands for `numba.prange` until a kernel that uses it is compiled; in plain Python it is `range`."""
    return range(*bounds)


class Kernel(Generic[P, R]):
    """A function that numba compiles at its first call; `python` is the function as it was written."""

    def __init__(self, python: Callable[P, R], **options: Any) -> None:
        functools.update_wrapper(self, python)
        self.python = python
        self._options = options
        self._compiled: Callable[P, R] | None = None

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return self.compiled()(*args, **kwargs)
        except OSError:  # the cache could not be read or written after all (a full disk): only compiling met it
            self._compiled = self._jit(cache=False)
            return self._compiled(*args, **kwargs)

    def compiled(self) -> Callable[P, R]:
        """Numba's dispatcher for this function, made at the first request."""
        if self._compiled is None:
            self._link()
            if self._options.get("parallel"):
                _start_threads()
            try:
                self._compiled = self._jit(cache=True)
            except RuntimeError:  # "cannot cache function ...: no locator available": nowhere to write
                self._compiled = self._jit(cache=False)
        return self._compiled

    def _jit(self, *, cache: bool) -> Callable[P, R]:
        import numba

        return numba.njit(cache=cache, **self._options)(self.python)  # type: ignore[no-any-return]

    def _link(self) -> None:
        """Put what numba understands in the place of our stand-ins, in the globals that the function sees."""
        import numba

        names = self.python.__globals__
        for name in self.python.__code__.co_names:
            if names.get(name) is prange:
                names[name] = numba.prange
            elif isinstance(names.get(name), Kernel):
                names[name] = names[name].compiled()


@functools.cache
def _start_threads() -> None:
    """Start numba's threads so that they wait patiently.

    GNU's OpenMP reads its settings when it is loaded, which is here for numba's copy (PyTorch has its own).
    By default its threads wait actively for their next work: on a machine that does anything else, PyTorch's
    own threads included, that costs many times what the work does. The setting is given back at once, and one
    made by the user is left alone.
    """
    import numba

    chosen = {"GOMP_SPINCOUNT", "OMP_WAIT_POLICY"} & set(os.environ)
    if not chosen:
        os.environ["GOMP_SPINCOUNT"] = "20000"
    try:
        numba.set_num_threads(numba.get_num_threads())
    finally:
        if not chosen:
            del os.environ["GOMP_SPINCOUNT"]


def jit_kernel(
    *, parallel: bool = True, fastmath: bool | set[str] = False, **options: Any
) -> Callable[[Callable[P, R]], Kernel[P, R]]:
    """Decorator: compile the function with `numba.njit` at its first call, cached on disk where possible.

    Args:
        parallel: loops over `prange` run on all threads (`NUMBA_NUM_THREADS`).
        fastmath: sums may be reordered; leave it off where NaN, infinity or the last digit matter.
        options: anything else that `numba.njit` takes.
    """

    def decorate(function: Callable[P, R]) -> Kernel[P, R]:
        return Kernel(function, parallel=parallel, fastmath=fastmath, **options)

    return decorate
