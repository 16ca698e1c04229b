"""Kernels: compiled lazily, cached where possible, never failing for want of a cache."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest

from recae.jit import jit_kernel, prange


@jit_kernel(parallel=False)
def _twice(x: float) -> float:
    return 2 * x


@jit_kernel(parallel=True)
def _doubled_sums(indptr: np.ndarray, data: np.ndarray, out: np.ndarray) -> None:
    for row in prange(len(out)):
        out[row] = _twice(data[indptr[row] : indptr[row + 1]].sum())


def test_a_kernel_may_use_prange_and_other_kernels() -> None:
    """The compiled kernel and its plain Python form give the sums worked out by hand."""
    indptr, data = np.array([0, 2, 2, 5]), np.array([1.0, 2.0, 3.0, 4.0, 5.0])
    for function in (_doubled_sums, _doubled_sums.python):
        out = np.full(3, -1.0)
        function(indptr, data, out)
        np.testing.assert_array_equal(out, [6.0, 0.0, 24.0])


_ADD_ONE = "from recae.jit import jit_kernel\n@jit_kernel(parallel=False)\ndef add_one(x):\n    return x + 1\n"


def test_numba_is_imported_at_the_first_call_only(tmp_path: Path) -> None:
    """Defining a kernel does not import numba, calling it does."""
    (tmp_path / "kernels.py").write_text(_ADD_ONE)
    code = """
        import sys, kernels
        assert "numba" not in sys.modules
        assert kernels.add_one(1) == 2
        assert "numba" in sys.modules
    """
    subprocess.run([sys.executable, "-c", textwrap.dedent(code)], check=True, cwd=tmp_path, env=_path(tmp_path))


def test_a_kernel_works_where_no_cache_can_be_written(tmp_path: Path) -> None:
    """With no folder for the cache numba itself refuses to decorate; the kernel still runs."""
    (tmp_path / "kernels.py").write_text(_ADD_ONE)
    code = """
        import numba.core.caching as caching
        caching.CacheImpl._locator_classes = []
        import kernels, numba
        try:
            numba.njit(cache=True)(kernels.add_one.python)
        except RuntimeError:
            pass
        else:
            raise SystemExit("numba found somewhere to cache: this test proves nothing")
        assert kernels.add_one(1) == 2
    """
    subprocess.run([sys.executable, "-c", textwrap.dedent(code)], check=True, cwd=tmp_path, env=_path(tmp_path))


def test_a_kernel_survives_a_cache_that_fails_while_it_is_written(monkeypatch: pytest.MonkeyPatch) -> None:
    """A full disk while the compiled code is stored costs the cache, not the result."""
    from numba.core import caching

    def full(*args: object, **kwargs: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(caching.Cache, "save_overload", full)
    triple = jit_kernel(parallel=False)(_triple)
    assert triple(2) == 6


def _triple(x: int) -> int:
    return 3 * x


def _path(folder: Path) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(folder)}
