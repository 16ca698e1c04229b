"""Bytes, operations and times of a fit far beyond one machine, worked out and printed.

\b
    python -m benchmarks.scale_sizing             # the sizing of docs/scale.md
    python -m benchmarks.scale_sizing --users 1e6 --items 1e5 --ratings 1e8    # another one
    python -m benchmarks.scale_sizing --write     # also writes results/scale_sizing.json, which the page is made from

Bytes and operations are counted from the shapes, with the formula beside each. Times divide them by rates: those of
the GPU and of links are their makers' (`RATES`), reached by the share `REACHED` that is assumed; none was measured.
The time on CPUs is extrapolated from results/speed.json.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import click

from benchmarks.common.markdown import table
from benchmarks.common.record import read, write

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


def on_cpus(shape: Shape, sweep: list[dict[str, Any]]) -> str:
    """The time of the CPU kernels, extrapolated from the largest set that `benchmarks.speed` measured."""
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


def record(users: float, items: float, ratings: float, hidden: int) -> None:
    """Write the sizing's numbers and the rates that they rest on to results/scale_sizing.json."""
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
@click.option("--write", "to_record", is_flag=True, help="Make this the sizing of docs/scale.md.")
def main(users: float, items: float, ratings: float, hidden: int, to_record: bool) -> None:
    found = shapes(users, items, ratings, hidden)
    cpus = on_cpus(found[0], read("speed")["sweep"])
    click.echo("\n\n".join([sizing(found), times(found), cpus, closed_form(items)]))
    if to_record:
        record(users, items, ratings, hidden)


if __name__ == "__main__":
    main()
