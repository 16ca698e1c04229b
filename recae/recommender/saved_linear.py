"""A linear model in closed form as its file has it, without PyTorch: for a few lists, whose import would take longer.

EASE and its relatives score X B + b. Products of a few sparse rows with B take milliseconds in SciPy, and PyTorch takes
seconds to import. `recae.load_model` gives the model itself, which fits, computes on GPUs and is faster for many users.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from recae._types import Arrays, Csr, FloatArray, Scores
from recae.errors import ModelFileError
from recae.headers import read_header
from recae.ratings import RatingMatrix
from recae.recommender.base import Recommender
from recae.recommender.files import ModelParts, read_model
from recae.recommender.fitting import FitOptions
from recae.recommender.learned import LearnedArrays
from recae.recommender.params import as_input, hyperparameters, learned
from recae.schemas import refusing, require
from recae.storage import REMEDY

CLASSES = ("EASE", "EDLAE", "DLAE", "RLAE", "DAN")  # of `recae.models.linear`, whose files have these arrays
VALUES = ("binary", "ratings")


@hyperparameters
class SavedLinear(Recommender):
    """Scores X B + b with B and b of a file; it lists and explains, and cannot be fitted."""

    linear: ClassVar[bool] = True

    _class_name: str = learned()
    _params: dict[str, Any] = learned()
    _weights: FloatArray = learned()
    _offset: FloatArray | None = learned()

    def __repr__(self) -> str:
        return f"{self._class_name}({', '.join(f'{name}={value!r}' for name, value in self._params.items())})"

    def _fit(self, ratings: RatingMatrix, validation: RatingMatrix | None, options: FitOptions) -> None:
        raise NotImplementedError("a saved model is not fitted")

    def _reads_only_rows(self) -> bool:
        return True

    def score(self, user_rows: Csr) -> Scores:
        scores: Scores = np.asarray(as_input(user_rows, self._params["values"]) @ self._weights)
        return scores if self._offset is None else scores + self._offset

    def _arrays(self) -> Arrays:
        raise NotImplementedError("`recae.load_model` gives a model that can be saved")

    def _restore(self, arrays: LearnedArrays) -> None:
        n = self.ratings_.n_items
        self._weights = arrays.floats("weights", n, n)
        if "l2" in arrays:
            arrays.number("l2")
        self._offset = arrays.floats("offset", n) if "offset" in arrays else None


def read_linear(path: str | Path) -> SavedLinear | None:
    """The model of a file, checked as `recae.load_model` checks it; None where it is of another class.

    Raises:
        ModelFileError: the file is missing, foreign, truncated or tampered with, or a part is not what the model has.
    """
    if read_header(path).content.get("class") not in CLASSES:
        return None
    parts = read_model(path)
    with refusing(ModelFileError, path, REMEDY):
        return _restored(parts)


def _restored(parts: ModelParts) -> SavedLinear:
    require(parts.params.get("values") in VALUES, "its hyper-parameters: `values` is neither binary nor ratings")
    model = SavedLinear()
    model._set_ratings(parts.ratings)
    model._class_name, model._params, model._about = parts.class_name, parts.params, parts.about
    model._restore_saved(parts.learned)
    parts.learned.finish()
    return model
