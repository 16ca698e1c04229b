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
SHARED = {  # of a demo in a run of all, an earlier one whose networks it takes
    "depth": "latent", "manifold": "latent", "generate": "manifold", "features": "reconstruct",
}  # fmt: skip


def parts() -> dict[str, str]:
    """The page's parts by name."""
    found = read("demos")
    small = read("demos-small", {"bars": []})["bars"]
    return {
        "run": how(found), "bars": bars([*found["bars"], *small]), "sections": sections(found),
        "speed": pace(read("mnist_speed")),
    }  # fmt: skip


def how(found: Found) -> str:
    """When, where and on what data the demos ran."""
    demos, machine = found["demos"], found["machine"]
    commits = list(dict.fromkeys(demo["commit"] for demo in demos.values()))
    dates = sorted({demo["date"][:10] for demo in demos.values()})
    threads = sorted({demo["threads"] for demo in demos.values()})
    at = "at commits" if len(commits) > 1 else "at commit"
    small = [name for name, demo in demos.items() if "8 x 8" in str(demo["figures"].get("data"))]
    return (
        f"The figures below are from `python -m benchmarks.demos` with seed {found['seed']} on {machine['processor']}, "
        f"{' or '.join(map(str, threads))} threads, {' and '.join(dates)}, {at} "
        f"{', '.join(f'`{commit}`' for commit in commits)}. Seconds are of processor time where this is said: the "
        "machine may have had other work. "
        + (
            f"Shown on the built-in 8 x 8 digits instead of MNIST (`--small`): {', '.join(small)}."
            if small
            else "All image demos are shown on MNIST."
        )
    )


def bars(rows: Sequence[Found]) -> str:
    """What was promised beside what came out."""
    return records([{"figure": r["what"], "found": r["figure"], "bar": r["bar"], "": "" if r["reached"] else "missed"}
                  for r in rows])  # fmt: skip


def sections(result: Found) -> str:
    """A section each: command, what is to be seen, figures, pictures."""
    parts, demos = [], result["demos"]
    for name, summary in DEMOS.items():
        if name not in demos:
            command = f"`recae demo {name} --out figures/`"
            wanted = f"Its figures are not on this page yet (`python -m benchmarks.demos --only {name}`)."
            parts.append(f"### {name}: {summary}\n\n{command}\n\n{wanted}")
            continue
        found = demos[name]
        figures = found["figures"]
        pictures = "\n".join(f"![{picture.removesuffix('.png')}](figures/{picture})" for picture in found["pictures"])
        text = demo(name).look(figures)
        about = ", ".join(filter(None, [_data(figures), _cost(name, found, result["in_one_run"])]))
        heading = f"### {name}: {summary}\n\n`recae demo {name} --out figures/` ({about})"
        parts.append("\n\n".join([heading, text, *_tables(figures), pictures]))
    return "\n\n".join(parts)


def _data(figures: Found) -> str:
    """What the demo ran on; that MNIST was left out on purpose is said above all."""
    return str(figures.get("data", "")).replace(" (MNIST was not to be had)", "")


def _cost(name: str, found: Found, whole: Found | None) -> str:
    """What the demo took: by itself, or in the run of all after another that trained for both."""
    busy = found.get("processor_seconds")
    took = f"{found['seconds']:.0f} s by the clock" if busy is None else f"{busy:.0f} s of processor time"
    if name in SHARED and whole is not None and found["date"] <= whole["date"]:
        return f"{took} after `{SHARED[name]}`, whose networks it uses"
    return took


def _tables(figures: Found) -> list[str]:
    """Lists of records and records of records as tables, what is left of single figures as a table of one row."""
    tables = []
    for key, value in figures.items():
        if _is_table(value):
            tables.append(records([_flat(row) for row in value]))
        elif isinstance(value, dict):
            nested = all(isinstance(inner, dict) for inner in value.values())
            rows = [{key: name, **inner} for name, inner in value.items()] if nested else [_flat(value)]
            tables += [records(rows)] if any(rows) else []
            tables += [records([_flat(row) for row in inner]) for inner in value.values() if _is_table(inner)]
    single = {key: value for key, value in figures.items() if isinstance(value, int | float)}
    return [*tables, *([records([single])] if single else [])]


def _flat(row: Found) -> Found:
    """Figures of inner records beside the others, their names after each other; lists are left out."""
    flat: Found = {}
    for key, value in row.items():
        if isinstance(value, dict):
            flat |= {f"{key} {name}": inner for name, inner in value.items()}
        elif not isinstance(value, list):
            flat[key] = value
    return flat


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
