"""Filters on a spectrum within 0 to 1, and the polynomials that come near them."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
from numpy.polynomial.chebyshev import chebval, chebvander

from recae._types import DoubleArray, FloatArray

MOST_DEGREE, NEAR = 16, 1e-3
STEP_DEGREE = 8
Filter = Callable[[DoubleArray], DoubleArray]


def polynomial(f: Filter, end: float, degree: int | None) -> FloatArray:
    """Coefficients on Chebyshev polynomials of 2 s - 1, of what is near f from 0 to `end`, and bounded up to 1.

    Least squares, in which the part beyond `end` counts little: it is corrected, but not without losing digits where
    the polynomial is far off.
    """
    nodes = (1 - np.cos(np.linspace(0, np.pi, 200))) / 2
    within, beyond = nodes * end, end + nodes * (1 - end)
    s, weights = np.concatenate([within, beyond]), np.repeat([1.0, 1e-4], 200)
    for n in range(1, MOST_DEGREE + 1) if degree is None else (degree,):
        terms = chebvander(2 * s - 1, n)
        found = np.linalg.lstsq(terms * weights[:, None], f(s) * weights, rcond=None)[0]
        if np.abs(terms[:200] @ found - f(within)).max() <= NEAR * abs(f(np.array(end))):
            break
    coefficients: FloatArray = found.astype(np.float32)
    return coefficients


def filter_by_name(name: str, c: float) -> Filter:
    """f as `recae.Spectral` has it: "ridge", "plateau", "linear" or "step", of the strength c."""
    if name == "linear":
        return lambda s: s
    if name == "plateau":
        return lambda s: 1 - np.power(np.clip(1 - s, 0, 1), c)
    if name == "step":
        return partial(_chebyshev, step(c))
    return lambda s: s / (s + c)


def step(c: float, degree: int = STEP_DEGREE) -> DoubleArray:
    """Coefficients on Chebyshev polynomials of y, of what ChebyCF's program makes of h(y) = (1 ± |y|^c) / 2.

    It puts the values of h at the extremes cos(j π / n) at the zeros cos((j + 1/2) π / (n + 1)), j = 0 ... n, n being
    the degree; so the polynomial is h a little stretched.
    """
    j = np.arange(degree + 1)
    extremes, zeros = np.cos(j / degree * np.pi), np.cos((j + 0.5) / (degree + 1) * np.pi)
    values = (1 + np.sign(extremes) * np.abs(extremes) ** c) / 2
    return np.asarray(np.linalg.solve(chebvander(zeros, degree), values), np.float64)


def _chebyshev(coefficients: DoubleArray, s: DoubleArray) -> DoubleArray:
    """A polynomial of 2 s - 1."""
    return np.asarray(chebval(2 * s - 1, coefficients), np.float64)
