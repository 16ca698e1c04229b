"""A linear model as its file has it, without PyTorch: for a few lists, whose import would take longer.

These models score X B + b. Products of a few sparse rows with B take milliseconds in SciPy, and PyTorch takes seconds
to import. `recae.load_model` gives the model itself, which fits, computes on GPUs and is faster for many users.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar, NamedTuple, get_args

import numpy as np

from recae._types import Arrays, Csr, FloatArray, Scores
from recae.errors import ModelFileError
from recae.headers import read_header
from recae.ratings import RatingMatrix
from recae.recommender.base import Recommender
from recae.recommender.files import ModelParts, read_model
from recae.recommender.fitting import FitOptions
from recae.recommender.learned import LearnedArrays
from recae.recommender.params import Values, as_input, hyperparameters, learned
from recae.schemas import refusing, require
from recae.storage import REMEDY


class Form(NamedTuple):
    """What a class has learnt: X to X B; b; items' vectors, where they are not who rated what."""

    product: Callable[[Csr], Any]
    offset: FloatArray | None = None
    item_vectors: FloatArray | Csr | None = None


@hyperparameters
class SavedLinear(Recommender):
    """Scores X B + b with B and b of a file; it lists and compares items, and cannot be fitted."""

    linear: ClassVar[bool] = True

    _class_name: str = learned()
    _params: dict[str, Any] = learned()
    _form: Form = learned()

    def __repr__(self) -> str:
        return f"{self._class_name}({', '.join(f'{name}={value!r}' for name, value in self._params.items())})"

    def _fit(self, ratings: RatingMatrix, validation: RatingMatrix | None, options: FitOptions) -> None:
        raise NotImplementedError("a saved model is not fitted")

    def _reads_only_rows(self) -> bool:
        return True

    def _as_input(self, rows: Csr) -> Csr:
        return as_input(rows, self._params["values"])

    def score(self, user_rows: Csr) -> Scores:
        scores: Scores = np.asarray(self._form.product(self._as_input(user_rows)), np.float32)
        return scores if self._form.offset is None else scores + self._form.offset

    def item_vectors(self) -> FloatArray | Csr:
        return super().item_vectors() if self._form.item_vectors is None else self._form.item_vectors

    def _arrays(self) -> Arrays:
        raise NotImplementedError("`recae.load_model` gives a model that can be saved")

    def _restore(self, arrays: LearnedArrays) -> None:
        require(self._params.get("values") in get_args(Values), "its hyper-parameters: `values` is not known")
        self._form = _FORMS[self._class_name](self, arrays, self.ratings_.n_items)


@hyperparameters
class SavedPopularity(SavedLinear):
    """The same list for everybody, but for what each has seen."""

    linear: ClassVar[bool] = False
    personal: ClassVar[bool] = False

    _counts: FloatArray = learned()

    def score(self, user_rows: Csr) -> Scores:
        return np.broadcast_to(self._counts, (user_rows.shape[0], len(self._counts)))

    def item_vectors(self) -> FloatArray | Csr:
        return self.ratings_.rows("item")

    def _restore(self, arrays: LearnedArrays) -> None:
        self._counts = arrays.floats("counts", self.ratings_.n_items)


def _dense(_: SavedLinear, arrays: LearnedArrays, n: int) -> Form:
    """B of n x n numbers (`recae.models.linear.closed_form`)."""
    weights = arrays.floats("weights", n, n)
    return Form(lambda rows: rows @ weights, _offset(arrays, n))


def _sparse(model: SavedLinear, arrays: LearnedArrays, n: int) -> Form:
    """B with few entries in a column (`recae.models.linear.neighbours`)."""
    weights = arrays.csr((n, n))
    vectors = model._as_input(model.ratings_.rows("item"))
    return Form(lambda rows: (rows @ weights).toarray(), _offset(arrays, n), vectors)


def _components(_: SavedLinear, arrays: LearnedArrays, n: int) -> Form:
    """B = V Vᵀ, rows being read less their mean (`recae.models.linear.pca_recommender`)."""
    v, mean = arrays.floats("components", n, -1), arrays.floats("mean", n)
    strengths = arrays.floats("strengths", v.shape[1])
    return Form(lambda rows: (rows @ v) @ v.T, mean - (mean @ v) @ v.T, v * strengths)


def _offset(arrays: LearnedArrays, n: int) -> FloatArray | None:
    if "l2" in arrays:
        arrays.number("l2")
    return arrays.floats("offset", n) if "offset" in arrays else None


_FORMS = {
    **dict.fromkeys(("EASE", "EDLAE", "DLAE", "RLAE", "DAN"), _dense),
    **dict.fromkeys(("ItemKNN", "SLIM", "SparseEASE"), _sparse),
    "PCARecommender": _components,
}
CLASSES = (*_FORMS, "Popularity")


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
    model = SavedPopularity() if parts.class_name == "Popularity" else SavedLinear()
    model._set_ratings(parts.ratings)
    model._class_name, model._params, model._about = parts.class_name, parts.params, parts.about
    model._restore_saved(parts.learned)
    parts.learned.finish()
    return model
