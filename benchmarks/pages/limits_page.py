"""The tables of benchmarks/limits.md."""

from __future__ import annotations

from typing import Any

from benchmarks.common.markdown import table
from benchmarks.common.paths import BENCHMARKS
from benchmarks.common.record import read
from benchmarks.pages.gpu_table import gpu

PAGE = BENCHMARKS / "limits.md"
Row = dict[str, Any]


def parts() -> dict[str, str]:
    """The page's parts by name."""
    result = read("limits")
    made = {write.__name__: write(result) for write in (ceilings, goals, operations, step)}
    return {**made, "changes": changes(read("limits-changes")), "gpu": gpu()}


def ceilings(result: Row) -> str:
    """The machine, and what it does at most."""
    machine, rows = result["machine"], []
    units = {"product": "GFLOP/s"}
    for name, rate in result["ceilings"].items():
        after = result["ceilings_afterwards"][name]
        rows.append([name, f"{rate / 1e9:,.0f} {units.get(name, 'GB/s')}", f"{after / 1e9:,.0f}"])
    about = f"{machine['processor']}, {result['threads']} threads, commit {result['commit']}, {result['date'][:10]}."
    return about + "\n\n" + table(["ceiling", "before", "and after the run"], rows)


def operations(result: Row) -> str:
    """Each operation against the ceiling that binds it."""
    heads = ["operation", "shape", "GFLOP", "gathered, MB", "moved once, MB", "ms", "at best, ms", "bound by",
             "reached"]  # fmt: skip
    rows = [
        [
            row["operation"], row["shape"], f"{row['flops'] / 1e9:.2f}", f"{row['gathered_bytes'] / 1e6:,.0f}",
            f"{row['moved_bytes'] / 1e6:,.0f}", f"{1e3 * row['seconds']:,.2f}", f"{1e3 * row['limit_seconds']:,.2f}",
            row["bound_by"], f"**{row['fraction']:.0%}**",
        ]
        for row in result["rows"]
    ]  # fmt: skip
    return table(heads, rows)


def goals(result: Row) -> str:
    """The goals, and whether they are met."""
    goal, rows = result["goals"], []
    for row in result["rows"]:
        if row["operation"].startswith(("spmm", "sddmm", "gradient")):
            rows.append([f"{row['operation']}, {row['shape']}", f"at least {goal['fraction']:.0%} of its ceiling",
                         f"{row['fraction']:.0%}", met(row["fraction"] >= goal["fraction"])])  # fmt: skip
    share = result["step"]["share"]
    rows.append(["a step of AutoRec in kernels and Adam", f"at least {goal['share']:.0%}", f"{share:.0%}",
                 met(share >= goal["share"])])  # fmt: skip
    for row in result["lists"]:
        rows.append([f"top-{row['list']} of {row['users']:,} users, {row['model']}",
                     f"at most {goal['ratio']} times the seconds of the scores", f"{row['ratio']:.2f}",
                     met(row["ratio"] <= goal["ratio"])])  # fmt: skip
    return table(["what", "goal", "measured", ""], rows)


def step(result: Row) -> str:
    """Where a training step's time goes."""
    parts = sorted(result["step"]["shares"].items(), key=lambda part: -part[1])
    rows = [[name, f"{share:.1%}"] for name, share in parts if share >= 0.0005]
    rows.append(["all else (activation, loss, autograd, Python)", f"{1 - result['step']['share']:.1%}"])
    return f"An epoch takes {result['step']['seconds_an_epoch']:.3f} s.\n\n" + table(["part", "share"], rows)


def changes(result: Row) -> str:
    """Changes, predictions, outcomes."""
    heads = ["change", "why it should help", "measured on", "predicted", "before, ms", "after, ms", "times faster"]
    rows = [
        [
            row["what"], row["prediction"], f"{row['measure']}, {row['shape']}", f"{row['predicted']:g} times",
            f"{row['before_ms']:.2f}", f"{row['after_ms']:.2f}", f"{row['faster']:.2f}",
        ]
        for row in result["rows"]
    ]  # fmt: skip
    return table(heads, rows)


def met(reached: bool) -> str:
    return "met" if reached else "**missed**"
