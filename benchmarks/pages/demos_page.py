"""The figures of docs/demos.md."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from benchmarks.common.markdown import table
from benchmarks.common.paths import DOCS
from benchmarks.common.record import read
from recae.demos import DEMOS, demo

PAGE = DOCS / "demos.md"
Found = dict[str, Any]


def parts() -> dict[str, str]:
    """The page's parts by name."""
    found = read("demos")
    return {
        "run": how(found), "bars": bars(found["bars"]), "sections": sections(found["demos"]),
        "speed": pace(read("mnist_speed")),
    }  # fmt: skip


def how(found: Found) -> str:
    """When, where and how long the demos ran."""
    demos, machine = found["demos"], found["machine"]
    commits = sorted({demo["commit"] for demo in demos.values()})
    dates = sorted({demo["date"][:10] for demo in demos.values()})
    busy = sum(demo["processor_seconds"] for demo in demos.values())
    return (
        f"The figures below are from `python -m benchmarks.demos` with seed {found['seed']} on "
        f"{machine['processor']}, one "
        f"thread, {' and '.join(dates)}, at commits {', '.join(f'`{commit}`' for commit in commits)}: together "
        f"{busy / 60:.0f} minutes of processor time. The machine had other work, so seconds by the clock say nothing."
    )


def bars(rows: Sequence[Found]) -> str:
    """What was promised beside what came out."""
    return records([{"figure": r["what"], "found": r["figure"], "bar": r["bar"], "": "" if r["reached"] else "missed"}
                  for r in rows])  # fmt: skip


def sections(demos: Found) -> str:
    """A section each: command, what is to be seen, figures, pictures."""
    parts = []
    for name, summary in DEMOS.items():
        found = demos[name]
        tables = [records(rows) for rows in found["figures"].values() if _is_table(rows)]
        single = {key: value for key, value in found["figures"].items() if isinstance(value, int | float)}
        if single:
            tables.append(records([single]))
        pictures = "\n".join(f"![{picture.removesuffix('.png')}](figures/{picture})" for picture in found["pictures"])
        text = demo(name).look(found["figures"])
        cost = f"{found['processor_seconds']:.0f} s of processor time"
        data = found["figures"].get("data", "")
        about = ", ".join(filter(None, [data, cost]))
        heading = f"### {name}: {summary}\n\n`recae demo {name} --out figures/` ({about})"
        parts.append("\n\n".join([heading, text, *tables, pictures]))
    return "\n\n".join(parts)


def pace(found: Found) -> str:
    """The trainer beside the loop written by hand."""
    rows = [{"way": name.replace("_", " "), "median epoch, s": s} for name, s in found["median_epoch_seconds"].items()]
    return (
        f"{found['task'][0].upper() + found['task'][1:]}, batches of {found['batch_size']}, {found['threads']} threads "
        f"(`python -m benchmarks.mnist_speed`, which alternates the three ways):\n\n{records(rows)}\n\n"
        f"Ratio of the trainer to the plain loop {found['ratio']}, "
        f"to the loop with fused Adam {found['ratio_to_fused']}."
    )


def records(rows: Sequence[Found]) -> str:
    """A table of records whose keys are the columns; underscores in headings become spaces."""
    names = list(rows[0])
    return table([name.replace("_", " ") for name in names], [[_cell(row.get(name)) for name in names] for row in rows])


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:.4g}"
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)


def _is_table(rows: Any) -> bool:
    return isinstance(rows, list) and bool(rows) and isinstance(rows[0], dict)
