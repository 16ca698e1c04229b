"""Times as ratios to a reference operation's, and their stored baseline.

Seconds differ from machine to machine and from hour to hour. An operation's time over that of a dense product that runs
in turn with it differs less: on one kind of processor little, between kinds as far as memory and arithmetic do.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from benchmarks.common.record import context

FILE = Path(__file__).parent / "baseline.json"
TOLERANCE, ELSEWHERE = 1.6, 4.0  # times the stored ratio: on the same kind of machine, and on another


def stored(file: Path = FILE) -> dict[str, Any]:
    """The stored baseline: `ratios`, and the machine and threads that they were measured with."""
    return json.loads(file.read_text()) if file.is_file() else {"ratios": {}, "machine": {}, "threads": 0}


def store(ratios: dict[str, float], threads: int, file: Path = FILE) -> None:
    """Make `ratios` the baseline; operations that were not run keep theirs."""
    all_ratios = {**stored(file)["ratios"], **ratios}
    rounded = {name: float(f"{all_ratios[name]:.4g}") for name in sorted(all_ratios)}
    file.write_text(json.dumps({**context(), "threads": threads, "ratios": rounded}, indent=2) + "\n")


def tolerance(baseline: dict[str, Any], machine: dict[str, Any], threads: int) -> float:
    """How far a ratio may be above the stored one, on this machine."""
    alike = all(baseline["machine"].get(key) == machine[key] for key in ("processor", "cores"))
    return TOLERANCE if alike and baseline["threads"] == threads else ELSEWHERE


def slower(name: str, ratio: float, baseline: dict[str, Any], allowed: float) -> str:
    """What is wrong with a ratio, in words; nothing where it is within what is allowed."""
    before = baseline["ratios"].get(name)
    if before is None:
        return f"{name}: no ratio is stored; store it with `pytest benchmarks/suite --store`"
    if ratio <= allowed * before:
        return ""
    return (
        f"{name}: {ratio:.3g} times the reference product, where {before:.3g} is stored: {ratio / before:.1f} times as "
        f"much, and {allowed:g} is allowed"
    )


def crowded(load: float, cores: int) -> str:
    """What to make of a slow operation where more runs than there are cores: it is interrupted, the reference less."""
    if load <= cores:
        return ""
    return f" (but {load:.1f} processes share {cores} cores: run it again when the machine is quiet)"
