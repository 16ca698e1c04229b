"""How xdist hands test files to its processes: those that ask all models go to one, which fits each model once."""

from __future__ import annotations

from pathlib import Path

from xdist.scheduler import LoadFileScheduling

# They take `contract.fitted` of all models.
EVERY_MODEL = ("models", "models_ratings", "models_new", "model_files", "empty_rows", "recommend_row")


class TogetherScheduling(LoadFileScheduling):
    """One process runs the whole of a file, and of the files above."""

    def _split_scope(self, nodeid: str) -> str:
        file = super()._split_scope(nodeid)
        return "every model" if Path(file).stem.removeprefix("test_") in EVERY_MODEL else file
