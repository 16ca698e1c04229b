"""How ratings show themselves in a notebook."""

from __future__ import annotations

import datetime as dt
from contextlib import suppress
from typing import Any

from recae.notebook import html_table


class ShownRatings:
    """The part of `RatingMatrix` that a notebook calls."""

    def _repr_html_(self) -> str:
        return html_table(str(vars(self)["name"]), facts(self))


def facts(ratings: Any) -> list[tuple[str, Any]]:
    """What ratings are, by name: sizes, share of the pairs that is filled, scale, mean, first and last day."""
    n_users, n_items = ratings.shape
    low, high = ratings.scale
    found: list[tuple[str, Any]] = [
        ("users", n_users), ("items", n_items), ("ratings", ratings.n_ratings),
        ("filled", f"{ratings.n_ratings / max(1, n_users * n_items):.3%}"), ("scale", f"{low:g} to {high:g}"),
    ]  # fmt: skip
    if ratings.n_ratings:
        found.append(("mean", float(ratings.mean)))
    if ratings.timestamps is not None and len(ratings.timestamps):
        with suppress(OverflowError, OSError, ValueError):  # no calendar has it
            first, last = (dt.datetime.fromtimestamp(int(end), dt.UTC).date()
                           for end in (ratings.timestamps.min(), ratings.timestamps.max()))  # fmt: skip
            found.append(("days", f"{first} to {last}"))
    return found
