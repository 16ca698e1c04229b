"""Names of the array types that signatures use; shapes are in docstrings."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import sparse

Array = npt.NDArray[Any]
Arrays = dict[str, npt.NDArray[Any]]  # by name, as files hold them
IdArray = npt.NDArray[Any]  # raw ids: integers, or texts as objects
IntArray = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float32]
DoubleArray = npt.NDArray[np.float64]
ByteArray = npt.NDArray[np.uint8]
Mask = npt.NDArray[np.bool_]
Scores = npt.NDArray[np.float32]
KeyArray = npt.NDArray[np.uint64]  # a score and an index in one sortable number
Csr = sparse.csr_array
