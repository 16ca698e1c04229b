"""The figures of docs/serving.md."""

from __future__ import annotations

import textwrap
from typing import Any

from benchmarks.common.markdown import table
from benchmarks.common.paths import DOCS
from benchmarks.common.record import read

PAGE = DOCS / "serving.md"
Row = dict[str, Any]


def parts() -> dict[str, str]:
    """The page's parts by name."""
    result = read("serving")
    return {"http": http(result), "in process": in_process(result), "night": at_night(read("bulk_lists"))}


def at_night(result: Row) -> str:
    """Lists of all users in one file: memory, and the rate beside the score product."""
    met = "met" if result["peak_mb"] < 1024 * result["goal_gib"] else "missed"
    text = (
        f"{result['asked']:,} lists of {result['list']} from {result['items']:,} items, by a factor model of "
        f"{result['factors']} with {result['users']:,} users and {result['ratings']:,} ratings at most: "
        f"{result['peak_mb'] / 1024:.2f} GiB at most (the goal of {result['goal_gib']:g} GiB is {met}; reading the "
        f"model takes {result['read_mb'] / 1024:.2f}), and {result['lists_seconds']:,.0f} seconds of one processor, "
        f"{result['lists_ms_a_user']:.2f} ms a list. The score product alone takes "
        f"{result['product_ms_a_user']:.2f} ms a user: the lists have {result['share']:.0%} of its rate. "
        f"{result['machine']['processor']}, beside other work, commit {result['commit']}, {result['date'][:10]}."
    )
    return textwrap.fill(text, 120, break_on_hyphens=False, break_long_words=False)


def http(result: Row) -> str:
    """Requests a second beside "hello", and the goals."""
    goals, machine = result["goals"], result["machine"]
    rows = [
        [
            "a bare FastAPI \"hello\"" if name == "hello" else f"`/recommend`, {name}",
            f"{row['requests_per_second']:,.0f}", f"{row['processor_ms']:.2f}", f"{row['p50_ms']:.1f}",
            f"{row['p99_ms']:.1f}", f"{row['failed']:.0f}", f"{row['ratio']:.2f}", f"{row['load']:.1f}",
        ]
        for name, row in result["http"].items()
    ]  # fmt: skip
    outcome = "; ".join(met(name, row, goals) for name, row in result["http"].items() if name != "hello")
    about = (
        f"Lists of {result['list']} for a live user of three events on {result['data']}; wrk with "
        f"{result['connections']} connections for {result['seconds']} seconds, {result['workers']} workers, wrk on the "
        f"same {machine['cores']} cores; {machine['processor']}, commit {result['commit']}, {result['date'][:10]}. The "
        f"goals are {goals['requests_per_second']:,.0f} requests/s, p99 below {goals['p99_ms']:.0f} ms, a ratio of "
        f"{goals['ratio']}: {outcome}."
    )
    if max(row["load"] for row in result["http"].values()) > machine["cores"]:
        about += (
            " The machine had other work to do (load before, processes that wait for its cores): the rates are lower, "
            "and the times longer, than on a machine that does nothing else."
        )
    heads = [
        "route",
        "requests/s",
        "processor each, ms",
        "p50, ms",
        "p99, ms",
        "failed",
        "ratio to hello",
        "load before",
    ]
    return about + "\n\n" + table(heads, rows)


def met(name: str, row: Row, goals: Row) -> str:
    """Which of the goals a model misses."""
    missed = [
        said
        for said, misses in (
            ("the rate", row["requests_per_second"] < goals["requests_per_second"]),
            ("p99", row["p99_ms"] >= goals["p99_ms"]),
            ("the ratio", row["ratio"] < goals["ratio"]),
        )
        if misses
    ]
    return f"{name} misses {' and '.join(missed)}" if missed else f"{name} meets all"


def in_process(result: Row) -> str:
    """Processor time of one list without HTTP."""
    rows = [
        [name, f"{row['recommend_new']:.2f}", f"{row['recommend_row']:.2f}"]
        for name, row in result["in_process_ms"].items()
    ]
    return table(["model", "`recommend_new` (a frame), ms", "`recommend_row` (arrays), ms"], rows)
