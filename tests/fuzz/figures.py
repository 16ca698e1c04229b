"""Figures of a run: how many cases of each family ended how, as JSON and as a table."""

from __future__ import annotations

import collections
from collections.abc import Iterable
from typing import Any

from fuzz.pool import BYTES, SECONDS, Ending

GOOD, BAD = ("clean", "accepted"), ("wrong", "foreign", "crash", "hang", "memory")
HEADINGS = ("family", "cases", "clean error", "accepted, and all is well", "wrong", "other exception", "crash", "hang",
            "memory")  # fmt: skip


def figures(endings: Iterable[Ending], seed: int, names: Iterable[str]) -> dict[str, Any]:
    """Counts by family, the longest case, and what went wrong."""
    endings = list(endings)
    counts = collections.Counter((one.family, one.how) for one in endings)
    return {
        "seed": seed,
        "cases": len(endings),
        "bytes_beyond_start": BYTES,
        "seconds_a_case": SECONDS,
        "longest_case_seconds": round(max((one.seconds for one in endings), default=0.0), 1),
        "families": {name: {how: counts[name, how] for how in (*GOOD, *BAD)} for name in names},
        "failures": [f"{one.family} {one.case}: {one.how}: {one.what}" for one in endings if one.how in BAD],
    }


def table(found: dict[str, Any]) -> str:
    """The figures as a Markdown table, with a last line of sums."""
    families = found["families"]
    total = {how: sum(counts[how] for counts in families.values()) for how in (*GOOD, *BAD)}
    lines = ["| " + " | ".join(HEADINGS) + " |", "|---" * len(HEADINGS) + "|"]
    for name, counts in [*families.items(), ("all", total)]:
        cells = [name, *(f"{n:,}" for n in (sum(counts.values()), *(counts[how] for how in (*GOOD, *BAD))))]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)
