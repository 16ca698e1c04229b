"""Numba kernels that cost nothing until they are called, of which one at a time runs in parallel.

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

**Threads and processes.** Numba's threads serve one caller at a time: its `workqueue` layer, the only one on every
platform, aborts the process when two threads of Python use it at once. And a forked process has none of its parent's
threads: GNU's OpenMP ends a process that calls a parallel kernel nevertheless, or lets it wait for ever. So a parallel
kernel has a second, serial form, compiled from the same function, with the same results to the bit. A call has numba's
threads if no other call has them; else the serial form runs on the thread that calls. The serial form is also what
runs in a thread that said `run_serially()`, and in a forked process (whose parent had loaded numba or PyTorch).
"""

from __future__ import annotations

import functools
import os
import sys
import threading
import types
from collections.abc import Callable
from typing import Any, Generic, ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")


def prange(*bounds: int) -> range:
    """Stands for `numba.prange` until a kernel that uses it is compiled; in plain Python it is `range`."""
    return range(*bounds)


class _Thread(threading.local):
    serial = False  # kernels called by this thread run serially on it; in a forked process, the default of all threads


_thread = _Thread()
_turn = threading.RLock()  # its holder may use numba's threads; re-entrant, so that an interrupt cannot lose it
_compiling = threading.RLock()  # several threads may be the first to call a kernel
_threads_started = False


class Kernel(Generic[P, R]):
    """A function that numba compiles at its first call; `python` is the function as it was written."""

    def __init__(self, python: Callable[P, R], *, parallel: bool, **options: Any) -> None:
        functools.update_wrapper(self, python)
        self.python = python
        self.parallel = _Form(python, parallel=True, **options) if parallel else None
        self.serial = (
            _Form(python, "_serial", parallel=False, nogil=True, **options)
            if parallel
            else _Form(python, parallel=False, **options)
        )

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        form, has_turn = self.serial, False
        if self.parallel is not None and not _thread.serial and _turn.acquire(False):
            form, has_turn = self.parallel, True
        try:
            return (form.dispatcher or form.compiled())(*args, **kwargs)
        except OSError:  # the cache could not be read or written after all (a full disk): only compiling met it
            return form.compiled(cache=False)(*args, **kwargs)
        finally:
            if has_turn:
                _turn.release()


class _Form(Generic[P, R]):
    """One compiled form of a kernel.

    Args:
        python: the function.
        suffix: of its name in numba's cache, which does not tell the forms apart by their options.
        options: what `numba.njit` takes.
    """

    def __init__(self, python: Callable[P, R], suffix: str = "", **options: Any) -> None:
        self._python = python
        self._suffix = suffix
        self._options = options
        self.dispatcher: Callable[P, R] | None = None

    def compiled(self, *, cache: bool = True) -> Callable[P, R]:
        """Numba's dispatcher of the function, made at the first request; anew where it is to do without a cache."""
        with _compiling:
            if self.dispatcher is None or not cache:
                if self._options["parallel"]:
                    _start_threads()
                try:
                    self.dispatcher = self._jit(cache=cache)
                except RuntimeError:  # "cannot cache function ...: no locator available": nowhere to write
                    self.dispatcher = self._jit(cache=False)
            return self.dispatcher

    def _jit(self, *, cache: bool) -> Callable[P, R]:
        import numba

        return numba.njit(cache=cache, **self._options)(self._linked())  # type: ignore[no-any-return]

    def _linked(self) -> Callable[P, R]:
        """A copy of the function that sees numba's `prange`, and other kernels in their serial form, compiled."""
        import numba

        python: Any = self._python
        names = dict(python.__globals__)
        for name in python.__code__.co_names:
            if names.get(name) is prange:
                names[name] = numba.prange
            elif isinstance(names.get(name), Kernel):
                names[name] = names[name].serial.compiled()
        copy = types.FunctionType(
            python.__code__, names, python.__name__ + self._suffix, python.__defaults__, python.__closure__
        )
        copy.__qualname__ = python.__qualname__ + self._suffix
        copy.__module__ = python.__module__
        return copy


def n_threads() -> int:
    """How many threads a parallel kernel that this thread calls may use."""
    if _thread.serial:
        return 1
    import numba

    _start_threads()
    return int(numba.get_num_threads())


def run_serially() -> None:
    """From now on, kernels called by this thread run serially on it, and leave numba's threads to others."""
    _thread.serial = True


def _start_threads() -> None:
    """Start numba's threads so that they wait patiently.

    By default the threads of GNU's OpenMP wait actively for their next work: on a machine that does anything else,
    PyTorch's own threads included, that costs many times what the work does. OpenMP reads its settings when it is
    loaded, which is here, unless PyTorch has loaded the copy that its Linux packages bring: then numba uses that one,
    and these settings change nothing. They are removed at once, and one made by the user is not changed.
    """
    global _threads_started
    if _threads_started:
        return
    import numba

    with _compiling:
        chosen = {"GOMP_SPINCOUNT", "OMP_WAIT_POLICY"} & set(os.environ)
        if not chosen:
            os.environ["GOMP_SPINCOUNT"] = "20000"
        try:
            numba.set_num_threads(numba.get_num_threads())
            _threads_started = True
        finally:
            if not chosen:
                os.environ.pop("GOMP_SPINCOUNT", None)


def _after_fork() -> None:
    """In a forked process: none of the parent's threads exists here, neither OpenMP's nor the holder of a lock.

    PyTorch counts as well as numba: on Linux the two use one copy of GNU's OpenMP, if PyTorch was loaded first, and a
    kernel would wait for ever for threads that PyTorch started in the parent.
    """
    global _turn, _compiling
    _turn, _compiling = threading.RLock(), threading.RLock()
    _Thread.serial = _Thread.serial or not sys.modules.keys().isdisjoint(("numba", "torch"))


if hasattr(os, "register_at_fork"):  # Windows has no fork
    os.register_at_fork(after_in_child=_after_fork)


def jit_kernel(
    *, parallel: bool = True, fastmath: bool | set[str] = False, **options: Any
) -> Callable[[Callable[P, R]], Kernel[P, R]]:
    """Decorator: compile the function with `numba.njit` at its first call, cached on disk where possible.

    Args:
        parallel: loops over `prange` run on all threads (`NUMBA_NUM_THREADS`), for one call at a time (see above).
        fastmath: sums may be reordered; leave it off where NaN, infinity or the last digit matter.
        options: anything else that `numba.njit` takes.
    """

    def decorate(function: Callable[P, R]) -> Kernel[P, R]:
        return Kernel(function, parallel=parallel, fastmath=fastmath, **options)

    return decorate
