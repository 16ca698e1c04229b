"""Demos on digits, text and ratings: what one core and one trainer learn, with pictures.

One module a demo. Each has `run(stage) -> figures` and `look(figures) -> text`: what is to be seen. A text is made from
the figures of its run, so that it is true of two epochs as it is of twenty.
"""

from __future__ import annotations

import importlib
import json
import textwrap
import time
from types import ModuleType
from typing import TYPE_CHECKING, Any

from recae.errors import ParameterError

if TYPE_CHECKING:
    from recae.demos.stage import Stage

# What each shows. Here rather than in the modules, so that listing them imports none of them.
DEMOS = {
    "reconstruct": "originals above reconstructions: plain, sparse and deep side by side",
    "pca": "a linear autoencoder finds PCA's subspace; errors for 1 to 64 dimensions",
    "latent": "a two-dimensional code beside PCA and t-SNE, coloured by digit; also in three dimensions",
    "depth": "what depth buys when the code has two units",
    "manifold": "the decoder as a generator: a grid over the code, and ways between two digits",
    "generate": "a variational autoencoder draws digits that nobody wrote",
    "denoise": "noise removed by dense, stacked and convolutional autoencoders",
    "enlarge": "unpooling and transposed convolution in numbers, and three ways to enlarge one digit",
    "features": "what single units look for, plain and sparse",
    "retrieve": "nearest images by code, against pixels and PCA",
    "transfer": "few labels: an encoder pretrained without labels against one from scratch",
    "anomaly": "the digit it never saw, found by its reconstruction error",
    "documents": "bags of words: topics, nearest documents, against LSA",
    "ratings": "what units respond to, EASE's map of films, films in two units, a user's row, users made up",
    "groups": "rare groups and data that change: a digit never met, groups of users and films, ratings by time",
    "sessions": "the next film where taste drifts: models beside the best list there is, a history with attention",
    "eightbit": "one 8-bit number, learnt by heart: memorising is not learning",
}


def demo(name: str) -> ModuleType:
    """The module of the demo called `name`.

    Raises:
        ParameterError: there is none of that name.
    """
    if name not in DEMOS:
        raise ParameterError(name="name", value=name, expected=tuple(DEMOS))
    return importlib.import_module(f"recae.demos.{name}")


def run(name: str, stage: Stage) -> dict[str, Any]:
    """Play one demo; what it found is returned, printed, and written beside its pictures."""
    module = demo(name)
    stage.say(f"\n== {name}: {DEMOS[name]}")
    start, busy = time.perf_counter(), time.process_time()
    figures = module.run(stage)
    seconds, busy = time.perf_counter() - start, time.process_time() - busy
    stage.say(f"{textwrap.fill(f'To be seen: {module.look(figures)}', 100)}\n({seconds:.0f} s)")
    return stage.record(name, figures, seconds, busy)


def run_all(stage: Stage) -> dict[str, Any]:
    """Play all demos and write demos.json, which holds what all of them found."""
    start = time.perf_counter()
    found = {name: run(name, stage) for name in DEMOS}
    kept = ("figures", "pictures", "seconds", "processor_seconds")
    content = {
        "demos": {name: {key: record[key] for key in kept} for name, record in found.items()},
        "seconds": round(time.perf_counter() - start, 1), **stage.circumstances(),
    }  # fmt: skip
    path = stage.out / "demos.json"
    path.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    stage.say(f"\nall figures: {path} ({content['seconds']:.0f} s)")
    return content
