"""Words for figures: sentences that say what a run found, whatever it found."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

Rows = Sequence[dict[str, Any]]


def row(rows: Rows, name: str) -> dict[str, Any]:
    """The row whose first column is `name`, or begins so."""
    firsts = [(next(iter(one.values())), one) for one in rows]
    exact = [one for first, one in firsts if first == name]
    return exact[0] if exact else next(one for first, one in firsts if str(first).startswith(name))


def percent(share: float) -> str:
    """0.435 as 44 %; small shares with a digit more."""
    return f"{100 * share:.1f} %" if 0 < share < 0.02 else f"{100 * share:.0f} %"


def listed(words: Sequence[str]) -> str:
    """a, b and c."""
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"


def compared(one: float, other: float, near: float = 0.05) -> str:
    """How `one` stands to `other`: "below", "above", or "about the same as" within a share of `near`."""
    if abs(one - other) <= near * abs(other):
        return "about the same as"
    return "below" if one < other else "above"
