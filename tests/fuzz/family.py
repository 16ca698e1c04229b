"""What a family of inputs is, and the families that there are."""

from __future__ import annotations

import importlib
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

FAMILIES = {
    "model files": "models",
    "checkpoints": "checkpoints",
    "stores": "stores",
    "saved splits": "splits",
    "npz documents": "documents",
    "idx images": "images",
    "Parquet": "parquet",
    "JSON lines": "json_lines",
    "MovieLens folders": "movielens",
    "text tables": "text",
    "zip archives": "archives",
    "settings TOML": "settings",
}  # what figures call them: the module


class Family(Protocol):
    """The functions of a family's module."""

    def prepare(self, base: Path) -> None:
        """Write sound inputs into the folder `base`, and read one: what is compiled and imported once is there then."""

    def write(self, rng: random.Random, base: Path, work: Path) -> str:
        """Write a changed input into the empty folder `work`; returns what was changed."""

    def read(self, work: Path) -> Iterator[str]:
        """Read and use what is in `work`; yields what is wrong with what came out."""


def family(name: str) -> Family:
    module: Family = importlib.import_module(f"fuzz.families.{FAMILIES[name]}")  # type: ignore[assignment]
    return module
