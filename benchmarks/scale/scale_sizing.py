"""What a fit far beyond one machine would take, worked out; the tables of docs/scale.md, between its marks.

    python -m benchmarks.scale_sizing             # rewrites the page's tables
    python -m benchmarks.scale_sizing --check     # exit code 1 where they are not what this program says
    python -m benchmarks.scale_sizing --users 1e6 --items 1e5 --ratings 1e8    # prints another sizing

Bytes and operations are counted from the shapes, with the formula beside each. Times divide them by rates: those of
the GPU and of links are their makers' (`RATES`), reached by the share `REACHED` that is assumed; none was measured.
What was measured is read from results/distributed.json, column_shards.json and speed.json.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import Any

import click

from benchmarks.common.paths import DOCS
from benchmarks.common.record import write
from benchmarks.pages.marks import put, table
from benchmarks.pages.readme_page import load

PAGE = DOCS / "scale.md"
RATES = {"memory": 4.8e12, "NVLink": 450e9, "network": 50e9}  # bytes/s: H200; one way; 400 Gbit/s a GPU
DEVICE_BYTES = 141e9  # of an H200
REACHED = 0.5  # of these rates, assumed
STEPS = 1000  # an epoch
PRODUCTS = 5  # spmm and sddmm forward; gradients of both weights and of the hidden units
ADAM_BYTES = 28  # a weight and step: gradient, weight and two moments are read, the latter three are written
COPIES = 5  # of the weights: themselves, their gradient, the buffer it is added up in, and Adam's two moments
LAYOUTS = (("8 GPUs of one machine", 8, "NVLink"), ("64 GPUs of 8 machines", 64, "network"))


@dataclass(frozen=True)
class Shape:
    """An AutoRec's rows and columns, and what follows from them.

    Attributes:
        name: what it is called.
        rows, columns, ratings: of the matrix as it is trained on.
        hidden: k.
    """

    name: str
    rows: float
    columns: float
    ratings: float
    hidden: int

    @property
    def weights(self) -> float:
        return 2 * self.columns * self.hidden

    @property
    def batch(self) -> float:
        return math.ceil(self.rows / STEPS)

    @property
    def training_bytes(self) -> float:
        return 4 * COPIES * self.weights

    @property
    def touched(self) -> float:
        """Share of the columns that a step's rows have, were all columns equally popular: it is less where not."""
        return -math.expm1(-self.batch * self.ratings / self.rows / self.columns)

    def kernel_bytes(self) -> float:
        """Of rows of weights and hidden units, read in an epoch."""
        return PRODUCTS * 4 * self.hidden * self.ratings

    def sent(self, processes: int, *, cut: bool) -> float:
        """Bytes that a process sends in a step: twice (N - 1) / N of what is added up, as rings do."""
        added = 2 * 4 * self.batch * self.hidden if cut else 4 * self.weights
        return 2 * (processes - 1) / processes * added

    def step_seconds(self, processes: int, link: str, *, cut: bool) -> dict[str, float]:
        """Kernels, Adam and network, one after the other."""
        adam = ADAM_BYTES * self.weights / (processes if cut else 1)
        return {
            "kernels": self.kernel_bytes() / STEPS / processes / RATES["memory"] / REACHED,
            "Adam": adam / RATES["memory"] / REACHED,
            "network": self.sent(processes, cut=cut) / RATES[link] / REACHED,
        }  # fmt: skip


def shapes(users: float, items: float, ratings: float, hidden: int) -> list[Shape]:
    return [
        Shape("U-AutoRec", users, items, ratings, hidden),
        Shape("I-AutoRec", items, users, ratings, hidden),
    ]


# ---------------------------------------------------------------- tables


def sizing(found: list[Shape]) -> str:
    """Bytes and operations of each shape."""
    ratings, k = found[0].ratings, found[0].hidden
    lines = [
        ["ratings, one side", "8 B x ratings (column and value)", *(f"{size(8 * ratings)}" for _ in found)],
        ["weights", f"2 x columns x {k}", *(f"{s.weights:.2g}" for s in found)],
        ["weights in bytes", "4 B each", *(size(4 * s.weights) for s in found)],
        ["training state of a process", f"{COPIES} x that", *(size(s.training_bytes) for s in found)],
        ["fits a GPU of 141 GB", "", *(yes(s.training_bytes < DEVICE_BYTES) for s in found)],
        ["rows a step", f"rows / {STEPS:,} steps", *(f"{s.batch:,.0f}" for s in found)],
        ["columns a step touches", "1 - exp(-ratings a step / columns)", *(f"{s.touched:.0%}" for s in found)],
        ["operations an epoch", f"{PRODUCTS} x 2 x {k} x ratings", *(f"{10 * k * ratings:.2g}" for _ in found)],
        [
            "bytes kernels read an epoch",
            f"{PRODUCTS} x 4 x {k} x ratings",
            *(size(s.kernel_bytes()) for s in found),
        ],
        ["bytes of Adam a step", f"{ADAM_BYTES} x weights", *(size(ADAM_BYTES * s.weights) for s in found)],
    ]
    return table(["", "how", *(f"{s.name}: {s.rows:,.0f} rows, {s.columns:,.0f} columns" for s in found)], lines)


def times(found: list[Shape]) -> str:
    """Expected times, by layout and by how the work is divided."""
    lines = []
    for shape in found:
        for where, n, link in LAYOUTS:
            for cut in (False, True):
                held = shape.training_bytes / (n if cut else 1)
                step = shape.step_seconds(n, link, cut=cut)
                fits = held < DEVICE_BYTES
                lines.append([
                    shape.name, where, "columns cut" if cut else "rows shared", size(held),
                    size(shape.sent(n, cut=cut)),
                    " + ".join(milliseconds(s) for s in step.values()),
                    duration(STEPS * sum(step.values())) if fits else "does not fit",
                ])  # fmt: skip
    head = ["model", "where", "divided", "held by a GPU", "sent by a GPU, a step"]
    return table([*head, "ms a step: kernels + Adam + network", "an epoch"], lines)


def measured() -> str:
    """Two processes and one, as they were measured."""
    result = load("distributed")
    if result is None:
        return "Nothing is measured yet: `python -m benchmarks.distributed`."
    lines = []
    for row in result["rows"]:
        apart = row.get("loss_difference", row.get("checksum_difference"))
        bytes_ = f"{size(row['bytes_a_step'])} of {size(row['dense_bytes_a_step'])}" if "bytes_a_step" in row else ""
        lines.append([
            row["title"], f"{row['cpu_seconds_one']:.2f} s", f"{row['cpu_seconds_several']:.2f} s",
            f"{row['cpu_ratio']:.2f}", f"{row['cpu_share_of_sums']:.0%}", bytes_, f"{apart:.0e}",
        ])  # fmt: skip
    n = result["processes"]
    head = ["fit", "processor time of 1", f"of {n} together", "ratio", "in sums", f"handed over by each of {n}, a step"]
    return (
        f"On {result['usable_cores']} core of {result['machine']['processor']} ({result['date'][:10]}, medians of "
        f"{result['repeats']}; other work ran beside):\n\n" + table([*head, "losses apart"], lines)
    )


def cut_measured() -> str:
    """Columns cut over two processes, as it was measured."""
    row = load("column_shards")
    if row is None:
        return "Nothing is measured yet: `python -m benchmarks.column_shards`."
    return (
        f"Measured with {row['processes']} processes on gloo: {row['steps']} steps of Adam on {row['columns']:,} "
        f"columns (k = {row['hidden']}, {row['batch']} rows a step) have one process's losses to "
        f"{row['loss_difference']:.0e} ({row['losses'][0]:.2f} to {row['losses'][-1]:.2f}), and each process holds "
        f"{row['outer_weights_held']:,} of the {row['outer_weights']:,} outer weights."
    )


def on_cpus(shape: Shape) -> str:
    """What the measured CPU kernels would take, by the ratings alone."""
    sweep = (load("speed") or {}).get("sweep", [])
    if not sweep:
        return "Nothing is measured yet: `python -m benchmarks.speed --only sweep`."
    largest = max(sweep, key=lambda row: row["ratings"])
    each = largest["microseconds_a_rating"]
    return (
        f"Measured: {each:.2f} µs a rating and epoch on 2 CPU cores at {largest['ratings']:,} ratings (k = 500, Adam "
        f"included). Extrapolated {shape.ratings / largest['ratings']:.0f} times as far: {shape.ratings:.2g} ratings "
        f"would keep two such cores busy for {duration(shape.ratings * each * 1e-6)} an epoch."
    )


def closed_form(items: float) -> str:
    """What an item-item matrix would be."""
    return (
        f"A closed form's item-item matrix would have {items:,.0f}² x 4 B = {size(4 * items**2)}: EASE is refused "
        "before anything is allocated; ELSA and sparse EASE are what is left."
    )


def yes(fits: bool) -> str:
    return "yes" if fits else "no"


def size(n: float) -> str:
    """Bytes in words."""
    for unit, factor in (("PB", 1e15), ("TB", 1e12), ("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if n >= factor:
            return f"{n / factor:.3g} {unit}"
    return f"{n:.0f} B"


def milliseconds(seconds: float) -> str:
    return f"{1e3 * seconds:,.0f}" if seconds >= 0.01 else f"{1e3 * seconds:.2g}"


def duration(seconds: float) -> str:
    """Seconds in words."""
    if seconds < 120:
        return f"{seconds:.2g} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


# ---------------------------------------------------------------- the page


def parts(users: float, items: float, ratings: float, hidden: int) -> dict[str, str]:
    """The page's parts by the names of their marks."""
    found = shapes(users, items, ratings, hidden)
    return {
        "measured": measured(), "measured columns": cut_measured(), "sizing": sizing(found), "times": times(found),
        "cpus": on_cpus(found[0]), "closed": closed_form(items),
    }  # fmt: skip


def record(users: float, items: float, ratings: float, hidden: int) -> None:
    """The sizing's numbers, with the rates they rest on, as JSON."""
    rows: list[dict[str, Any]] = [
        {
            "model": s.name, "where": where, "columns_cut": cut, "training_bytes": s.training_bytes / (n if cut else 1),
            "sent_bytes_a_step": s.sent(n, cut=cut), "step_seconds": s.step_seconds(n, link, cut=cut),
        }
        for s in shapes(users, items, ratings, hidden)
        for where, n, link in LAYOUTS
        for cut in (False, True)
    ]  # fmt: skip
    payload = {"users": users, "items": items, "ratings": ratings, "hidden": hidden, "rates": RATES, "reached": REACHED}
    write("scale_sizing", {**payload, "measured": False, "rows": rows})


@click.command(help=__doc__)
@click.option("--users", default=1e7, show_default=True)
@click.option("--items", default=1e6, show_default=True)
@click.option("--ratings", default=5e9, show_default=True)
@click.option("--hidden", default=500, show_default=True)
@click.option("--check", is_flag=True, help="Change nothing; say whether the page is what it should be.")
def main(users: float, items: float, ratings: float, hidden: int, check: bool) -> None:
    made = parts(users, items, ratings, hidden)
    if (users, items, ratings, hidden) != (1e7, 1e6, 5e9, 500):
        click.echo("\n\n".join(made[name] for name in ("sizing", "times", "cpus", "closed")))
        return
    before = PAGE.read_text()
    after = put(before, {name: f"{text}\n" for name, text in made.items()})
    if check:
        raise SystemExit(0 if before == after else 1)
    PAGE.write_text(after)
    record(users, items, ratings, hidden)
    click.echo(json.dumps({"page": PAGE.name, "changed": before != after}))


if __name__ == "__main__":
    main()
