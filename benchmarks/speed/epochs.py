"""Seconds of each epoch of AutoRec, as recae trains it."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


def our_epoch_seconds(
    ratings: Any, *, hidden: int = 500, batch_size: int = 512, epochs: int = 5, **options: Any
) -> Any:
    """Seconds of each epoch of recae's item-based AutoRec; the first, which compiles, is left out."""
    import recae

    options = {"input": "raw", **options}  # what the plain network reads
    model = recae.AutoRec(hidden=hidden, batch_size=batch_size, epochs=epochs + 1, noise=0.0, **options)
    model.fit(ratings, progress=False)
    return model.history_.frame()["seconds"].to_numpy()[1:]


@contextmanager
def gradients_as_factors(factored: bool) -> Iterator[None]:
    """Within, a single process's Adam takes gradients as factors, or their products."""
    loop: Any = importlib.import_module("recae.training.loop")
    make = loop.make_optimizer
    loop.make_optimizer = lambda *given, **settings: make(*given, **{**settings, "factored": factored})
    try:
        yield
    finally:
        loop.make_optimizer = make
