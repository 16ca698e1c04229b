"""Surprise's SVD and SVD++ with their defaults, on the same parts as our models, in an environment of their own."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import click
import numpy as np

from benchmarks.peers.environments import CACHE, install
from benchmarks.peers.limited_process import Limits, run

METHODS = {"surprise-svd": "svd", "surprise-svd++": "svd++"}  # what a table calls them: what the script does
LIMITS = Limits(threads=1, seconds=3600)


def predicted(name: str, parts: Any) -> tuple[Any, float]:
    """Its predictions of the test ratings, within the scale, and the seconds of its fit.

    Raises:
        click.ClickException: it cannot be installed, or its script fails.
    """
    reason = install("surprise", CACHE)
    if not reason:
        with tempfile.TemporaryDirectory() as folder:
            data = Path(folder)
            (data / "settings.json").write_text("{}")
            for part, ratings in (("train", parts.train), ("test", parts.test)):
                users, items, values = ratings.pairs()
                np.savez(data / f"parts-{part}.npz", users=users, items=items, ratings=values)
            figures, arrays = run("surprise", "ratings", f"parts {METHODS[name]}", data, CACHE, LIMITS)
        if "predicted" in arrays:
            return np.clip(arrays["predicted"], *parts.train.scale), float(figures["seconds"][0])
        reason = figures["reason"]
    raise click.ClickException(f"{name}: {reason}")
