"""`Saving`: what `save` writes beside what a model has learnt, and the lean file that holds nobody's ratings."""

from __future__ import annotations

import datetime as dt
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from platform import python_version
from typing import Any

import numpy as np

from recae import __version__
from recae.errors import ParameterError
from recae.ratings import RatingMatrix
from recae.recommender import files
from recae.recommender.cold_answers import ColdAnswers
from recae.recommender.contract import Contract

_PACKAGES = ("torch", "numpy", "scipy")  # whose versions a file names


class Saving(ColdAnswers):
    """The part of `Recommender` that writes files."""

    def save(self, path: str | Path, *, ratings: bool = True, training: dict[str, Any] | None = None) -> Path:
        """Write the fitted model to one file (safetensors and JSON), all or nothing; `recae.load_model` reads it.

        Args:
            path: the file.
            ratings: keep the training ratings and the users' ids in the file. Without them (a lean file) it holds
                nobody's purchases, and serves new users only: `recommend_new`, `predict_new`, `recommend_row`.
                Tables of users are left out too. Only models that score a row without the ratings of others have it.
            training: what `recae info` is to show of how the model was made: numbers, texts, lists and dicts, such
                as {"split": ..., "figures": {"rmse": 0.84}}.

        Raises:
            NotFittedError: there is nothing to save.
            ParameterError: `ratings` is False, and the model needs the ratings of others to serve anybody.
            ModelFileError: the file could not be written; an older one is still whole.
        """
        known = self._fitted()
        if not ratings and not self._reads_only_rows():
            raise ParameterError(
                f"{type(self).__name__} serves new users from the ratings of others, which it cannot do without",
                name="ratings", value=False,
                remedy="use a model that scores a row by itself: ease, mult-vae, u-autorec, pca, ...",
            )  # fmt: skip
        about = self._about or described(self, known)
        if training is not None:
            about = {**about, "training": training}
        arrays, lean = self._saved_arrays(), not ratings or is_lean(known)
        kept = files.lean_parts(known, self._lean_baseline() if self.predicts_ratings else None) if lean else None
        return files.write_model(path, type(self).__name__, self._saved_params(), known, arrays, about, kept)

    def _saved_params(self) -> dict[str, Any]:
        """Hyper-parameters as a file holds them: plain values."""
        return self.get_params()


def is_lean(ratings: RatingMatrix) -> bool:
    """Whether these are what a lean file keeps of ratings: items, and no users."""
    return ratings.n_users == 0


def described(model: Contract, ratings: RatingMatrix) -> dict[str, Any]:
    """What a file says of a model, its data and its making, as JSON has it; see `recae.recommender.model_card`."""
    stamps, table = ratings.timestamps, ratings.item_table
    days = [] if stamps is None or not len(stamps) else [_day(int(stamps.min())), _day(int(stamps.max()))]
    return {
        "saved": dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
        "gives": "ratings" if model.predicts_ratings else "rankings",
        "chosen": model.chosen_,
        "data": {
            "name": ratings.name, "n_users": ratings.n_users, "n_items": ratings.n_items,
            "n_ratings": ratings.n_ratings, "scale": [float(end) for end in ratings.scale],
            "mean": ratings.mean if ratings.n_ratings and np.isfinite(ratings.mean) else None, "days": days,
            "item_columns": [] if table is None else list(map(str, table.columns)),
        },
        "versions": {"recae": __version__, "python": python_version(), **_versions()},
    }  # fmt: skip


def _versions() -> dict[str, str]:
    found = {}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:  # it is there without metadata
            continue
    return found


def _day(seconds: int) -> str | None:
    """The day of a time in seconds since 1970; None where no calendar has it."""
    try:
        return dt.datetime.fromtimestamp(seconds, dt.UTC).date().isoformat()
    except (OverflowError, OSError, ValueError):
        return None
