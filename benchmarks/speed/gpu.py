"""One script for a machine with a GPU: tests, times, and one table beside the goals, in under ten minutes.

\b
    python -m benchmarks.gpu                        # on the CUDA device; writes results/gpu.json
    python -m benchmarks.gpu --device cpu --small   # a rehearsal anywhere: the same code, tiny shapes, nothing written

Needs torch, triton, numpy, scipy, pandas, numba, click and safetensors (and pytest for the tests): nothing else. Data
are generated at MovieLens-20M's shape; the time to an RMSE needs MovieLens-1M itself (RECAE_DATA_DIR or --ml-1m) and
is left out, with a line that says so, where there is no copy. "Of roofline" is the least time that the work can take
at the device's measured product and copy rates, over the time that it took.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import click
import torch

from benchmarks.common.paths import ROOT
from benchmarks.common.record import write

ABSENT = "no CUDA device on this machine: nothing was measured. --device cpu --small rehearses the script anywhere"


def tests(device: torch.device) -> str:
    """The outcome of the CUDA tests, in a process of their own."""
    try:
        import pytest  # noqa: F401
    except ImportError:
        return "not run: pytest is not installed"
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-q", "tests/test_sparse_cuda.py"]
    marked = [*command, "-m", "gpu"]
    done = subprocess.run(marked, cwd=ROOT, capture_output=True, text=True)
    last = (done.stdout.strip().splitlines() or ["no output"])[-1]
    if done.returncode and device.type == "cuda":
        click.echo(done.stdout + done.stderr, err=True)
    return last


def find_movielens_1m(given: str | None) -> Path | None:
    """ratings.dat of MovieLens-1M, where there is one."""
    folders = [given, os.environ.get("RECAE_DATA_DIR")]
    names = ("", "ratings.dat", "ml-1m/ratings.dat", "ml-1m/ml-1m/ratings.dat")
    for folder in filter(None, folders):
        for name in names:
            if (path := Path(folder, name)).is_file():
                return path
    return None


def table(rows: list[dict[str, Any]]) -> str:
    """What was measured, a line each."""
    return "\n".join([f"{'what':<58}{'seconds':>10}{'goal':>9}{'':>8}{'of roofline':>14}", *map(line, rows)])


def line(row: dict[str, Any]) -> str:
    """One line; what was not measured says why."""
    if "seconds" not in row:
        return f"{row['what']:<58}{row['note']}"
    goal = f"<= {row['goal']:g}" if "goal" in row else ""
    verdict = {True: "met", False: "missed", None: ""}[row.get("met")]
    of_roofline = f"{row['fraction']:.0%}, {row['bound_by']}" if "fraction" in row else ""
    figures = f"{row['what']:<58}{row['seconds']:>10.4f}{goal:>9}{verdict:>8}{of_roofline:>14}"
    return f"{figures}  {row.get('note', '')}".rstrip()


@click.command(help=__doc__)
@click.option("--device", default="cuda", show_default=True, help="cuda, cuda:N, or cpu for a rehearsal.")
@click.option("--small", is_flag=True, help="Tiny shapes; nothing is written.")
@click.option("--ml-1m", "data", help="Folder or file of MovieLens-1M's ratings.dat.")
def main(device: str, small: bool, data: str | None) -> None:
    chosen = torch.device(device)
    if chosen.type == "cuda" and not torch.cuda.is_available():
        raise click.ClickException(ABSENT)
    if chosen.type != "cuda" and not small:
        raise click.UsageError(f"--device {device} is for a rehearsal: add --small")
    from benchmarks.speed import gpu_work as work  # slow: imported only where there is a device

    click.echo(f"tests: {(outcome := tests(chosen))}")
    ceilings = work.ceilings(chosen, small)
    click.echo("at most: " + ", ".join(f"{name} {rate / 1e12:.3g} T/s" for name, rate in ceilings.items()))
    rows: list[dict[str, Any]] = []
    for part in work.PARTS:
        for row in part(chosen, ceilings, small, find_movielens_1m(data)):
            rows.append(row)
            click.echo(line(row))
    click.echo("\n" + table(rows))
    if small:
        click.echo("a rehearsal: nothing was written")
        return
    click.echo(str(write("gpu", {"seed": 0, "tests": outcome, "ceilings": ceilings, "rows": rows})))


if __name__ == "__main__":
    main()
