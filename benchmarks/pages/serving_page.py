"""The figures of docs/serving.md."""

from __future__ import annotations

from typing import Any

from benchmarks.common.markdown import table
from benchmarks.common.paths import DOCS
from benchmarks.common.record import read

PAGE = DOCS / "serving.md"
Row = dict[str, Any]


def parts() -> dict[str, str]:
    """The page's parts by name."""
    result = read("serving")
    return {"http": http(result), "in process": in_process(result)}


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
