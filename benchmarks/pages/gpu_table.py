"""What a GPU takes beside two cores of a CPU: the table of docs/guides/gpu.md and of benchmarks/limits.md."""

from __future__ import annotations

from typing import Any

from benchmarks.common.markdown import table
from benchmarks.common.paths import DOCS
from benchmarks.common.record import read

PAGE = DOCS / "guides" / "gpu.md"
Row = dict[str, Any]
FUSED = "chunk 128, 4 warps, 4 entries", "chunk 128, 1 warps, 4 entries", "4 warps, 2 entries"  # as they are set


def parts() -> dict[str, str]:
    """The page's parts by name."""
    return {"buys": gpu()}


def gpu() -> str:
    """Seconds by what is done: the goal, the first run, fused steps, and two cores of a CPU."""
    found = read("gpu")["rows"]
    runs = [row for row in found if row["part"] == "context" and not row["what"].startswith("profile")]
    seconds = {row["what"]: row["seconds"] for row in found if "seconds" in row}
    about = [f"{run['what']}, commit {run['commit']}, {run['date'][:10]}" for run in runs]
    heads = ["what", "goal", "first run", "fused steps", "two CPU cores"]
    return f"{'; '.join(about)}.\n\n" + table(heads, [_row(*given, seconds) for given in _lines(_on_cpu())])


def _on_cpu() -> dict[str, float]:
    """What the CPU's own runs found."""
    speed, limits = read("speed"), read("limits")["rows"]
    large = {row["operation"][:5]: row["seconds"] for row in limits if "138,493," in row["shape"]}
    return {
        "ml-20m": speed["sweep"][-1]["seconds"], "ml-1m": speed["epoch"]["sparse_seconds"],
        "fit": speed["fit"]["seconds"], "ease": read("inverse-20000-cpu")["seconds"]["recae"],
        "spmm": large["spmm:"], "sddmm": large["sddmm"],
    }  # fmt: skip


def _lines(cpu: dict[str, float]) -> list[tuple[str, float | None, str | None, str | None, float | None]]:
    """What, goal, the row of the first run, that of fused steps, the CPU's seconds."""
    epoch = "AutoRec k = 500, epoch, "
    return [
        ("AutoRec, 500 units, an epoch at MovieLens-20M's shape", 0.15, f"{epoch}ml-20m, sparse, float32",
         "epoch, ml-20m, items, recorded", cpu["ml-20m"]),
        ("the same at MovieLens-1M's", 2.5e-3, f"{epoch}ml-1m, sparse, float32", "epoch, ml-1m, items, recorded",
         cpu["ml-1m"]),
        ("a fit on MovieLens-1M, RMSE at most 0.831", 2.0, "I-AutoRec, ml-1m, sparse, float32", None, cpu["fit"]),
        ("rows times weights (spmm), 512 x 138,493", 0.42e-3, "spmm, ml-20m", f"encode, ml-20m, {FUSED[0]}",
         cpu["spmm"]),
        ("predictions of entries (sddmm); fused: with their gradient", 0.42e-3, "sddmm, ml-20m",
         f"decode, ml-20m, {FUSED[1]}", cpu["sddmm"]),
        ("gradients of both weights, and Adam", None, None, f"update, ml-20m, {FUSED[2]}", None),
        ("EASE, 20,000 items: Gram matrix and inverse (on the CPU: the inverse)", 0.8,
         "EASE, 20,000 items, 5,785,634 ratings", None, cpu["ease"]),
        ("Mult-VAE 600-200, an epoch at MovieLens-20M's shape, tf32", 0.35, "Mult-VAE 600-200, epoch, tf32", None,
         None),
        ("top-20 of 138,493 users, 500 factors", 0.5, "top-20 of 138,493 users, from 20,000", None, None),
    ]  # fmt: skip


def _row(
    what: str, goal: float | None, first: str | None, fused: str | None, cpu: float | None, seconds: dict[str, float]
) -> list[str]:
    numbers = [goal, seconds[first] if first else None, seconds[fused] if fused else None, cpu]
    written = [_time(number) for number in numbers]
    best = 2 if fused else 1
    if goal is not None and (number := numbers[best]) is not None:
        written[best] += ", met" if number <= goal else ", **missed**"
    return [what, *written]


def _time(seconds: float | None) -> str:
    if seconds is None:
        return ""
    return f"{seconds:.3g} s" if seconds >= 0.1 else f"{1e3 * seconds:.3g} ms"
