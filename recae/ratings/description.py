"""What `repr` says of ratings."""

from __future__ import annotations

from typing import Any


def described(ratings: Any) -> str:
    """Sizes, scale, mean, and what is there besides, of a `RatingMatrix`."""
    low, high = ratings.scale
    extras = [f"ratings {low:g} to {high:g}"]
    if ratings.n_ratings:
        extras.append(f"mean {ratings.mean:.3f}")
    if ratings.timestamps is not None:
        extras.append("timestamps")
    for of in ("item", "user"):
        table = getattr(ratings, f"{of}_table")
        if table is not None:
            extras.append(f"{of} table ({', '.join(map(str, table.columns[:4]))})")
    return (
        f"RatingMatrix({ratings.name!r}: {ratings.n_users:,} users x {ratings.n_items:,} items, "
        f"{ratings.n_ratings:,} ratings, {ratings.density:.2%} filled; {'; '.join(extras)})"
    )
