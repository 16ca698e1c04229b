"""The tables of docs/scale.md: what was measured, and what `benchmarks.scale_sizing` works out."""

from __future__ import annotations

import textwrap
from typing import Any

from benchmarks.common.markdown import table
from benchmarks.common.paths import DOCS
from benchmarks.common.record import read
from benchmarks.scale.scale_sizing import closed_form, on_cpus, shapes, size, sizing, times
from recae.models import MODELS

PAGE = DOCS / "scale.md"
Result = dict[str, Any]


def parts() -> dict[str, str]:
    """The page's parts by name."""
    worked_out = read("scale_sizing")
    found = shapes(*(worked_out[key] for key in ("users", "items", "ratings", "hidden")))
    return {
        "shared": shared(), "measured": measured(read("distributed")), "columns": columns(read("column_shards")),
        "sizing": sizing(found), "times": times(found), "cpus": on_cpus(found[0], read("speed")["sweep"]),
        "closed": closed_form(worked_out["items"]),
    }  # fmt: skip


def shared() -> str:
    """The models whose rows several processes share, from their classes."""
    classes = {name: entry.model_class for name, entry in MODELS.items() if entry.model_class.shares_rows}
    by_steps = ", ".join(f"`{name}`" for name, model in classes.items() if model.iterative)
    by_gram = ", ".join(f"`{name}`" for name, model in classes.items() if not model.iterative)
    return textwrap.fill(
        f"These models share rows: {by_steps} (step by step) and {by_gram} (their Gram matrix).", 120,
        break_on_hyphens=False, break_long_words=False,
    )  # fmt: skip


def measured(result: Result) -> str:
    """Several processes and one, as they were measured."""
    lines = []
    for row in result["rows"]:
        apart = row.get("loss_difference", row.get("checksum_difference"))
        bytes_ = f"{size(row['bytes_a_step'])} of {size(row['dense_bytes_a_step'])}" if "bytes_a_step" in row else ""
        lines.append([
            row["title"], f"{row['cpu_seconds_one']:.2f} s", f"{row['cpu_seconds_several']:.2f} s",
            f"{row['cpu_ratio']:.2f}", f"{row['cpu_share_of_sums']:.0%}", bytes_, f"{apart:.0e}",
        ])  # fmt: skip
    n = result["processes"]
    head = ["fit", "processor time of 1", f"of {n} together", "ratio", "in sums", f"sent by each of {n}, a step"]
    return (
        f"On {result['usable_cores']} core of {result['machine']['processor']} ({result['date'][:10]}, medians of "
        f"{result['repeats']}; other work ran beside):\n\n" + table([*head, "losses apart"], lines)
    )


def columns(result: Result) -> str:
    """Columns divided between processes, as it was measured."""
    return (
        f"Measured with {result['processes']} processes on gloo: {result['steps']} steps of Adam on "
        f"{result['columns']:,} columns (k = {result['hidden']}, {result['batch']} rows a step) have one process's "
        f"losses to {result['loss_difference']:.0e} ({result['losses'][0]:.2f} to {result['losses'][-1]:.2f}), and "
        f"each process holds {result['outer_weights_held']:,} of the {result['outer_weights']:,} outer weights."
    )
