"""Seconds of each epoch of AutoRec, as recae trains it."""

from __future__ import annotations

from typing import Any


def our_epoch_seconds(
    ratings: Any, *, hidden: int = 500, batch_size: int = 512, epochs: int = 5, **options: Any
) -> Any:
    """Seconds of each epoch of recae's item-based AutoRec; the first, which compiles, is left out."""
    import recae

    model = recae.AutoRec(hidden=hidden, batch_size=batch_size, epochs=epochs + 1, noise=0.0, **options)
    model.fit(ratings, progress=False)
    return model.history_.frame()["seconds"].to_numpy()[1:]
