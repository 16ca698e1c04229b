"""Tables and figures as Markdown."""

from __future__ import annotations

from collections.abc import Sequence


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table; each row has as many cells as `head`."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def p_value(test: dict[str, float]) -> str:
    """The p-value of a paired test, "" where nothing was tested."""
    p = test.get("p")
    return "" if p is None else "< 0.001" if p < 0.001 else f"{p:.3f}"


def gibibytes(megabytes: float) -> str:
    """Memory, to a tenth of a GiB."""
    return f"{megabytes / 1024:.1f} GiB"
