"""Changes and their predictions: the package as it was before and after each, measured in turn by today's benchmark."""

from __future__ import annotations

import io
import os
import statistics
import subprocess
import sys
import tarfile
import tempfile
import tomllib
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import click
import torch

from benchmarks.common.paths import CONFIGS, ROOT
from benchmarks.limits import operations as _operations
from benchmarks.limits.ceilings import seconds_of
from recae.sparse.resources import kernel_threads

CONFIG = CONFIGS / "limits.toml"
SHAPES = {"ml-1m": (6_040, 3_706, 1_000_000), "ml-20m": (138_493, 26_744, 20_000_000)}
Row = dict[str, Any]


def spmm_like(which: str) -> Callable[[str], float]:
    """Milliseconds of one of the sparse products, by the start of its name."""

    def measure(shape: str) -> float:
        rows = _operations.batch(*SHAPES[shape])
        work = next(one.work for one in _operations.sparse_products(rows, 500) if one.name.startswith(which))
        with kernel_threads(), torch.no_grad():
            return 1e3 * statistics.median(seconds_of(work, 15))

    return measure


def list_like(which: str) -> Callable[[str], float]:
    """Milliseconds of the top-20 of all users, by a model's name."""

    def measure(shape: str) -> float:
        from benchmarks.limits.measuring import lists

        made = _operations.ease_like(*SHAPES[shape]) if which == "EASE" else _operations.factor_like(*SHAPES[shape], 64)
        return 1e3 * float(lists(which, *made, runs=5)["seconds"])

    return measure


def epoch(shape: str) -> float:
    """Milliseconds of an epoch of AutoRec, k = 500."""
    from benchmarks.speed.epochs import generated, ours

    return 1e3 * statistics.median(ours(generated(*SHAPES[shape]), epochs=5, path="sparse"))


def inverse(shape: str) -> float:
    """Milliseconds of the closed forms' inverse."""
    return 1e3 * statistics.median(seconds_of(_operations.inversion(SHAPES[shape][1]).work, 5))


MEASURES: dict[str, Callable[[str], float]] = {
    "spmm": spmm_like("spmm"), "sddmm": spmm_like("sddmm"), "gradient": spmm_like("gradient"),
    "epoch": epoch, "inverse": inverse,
    "top-20, EASE": list_like("EASE"), "top-20, 64 factors": list_like("64 factors"),
}  # fmt: skip


def outcomes(repeats: int) -> list[Row]:
    """Each change of the list with the milliseconds before and after it, and how many times faster that is."""
    return [outcome(change, repeats) for change in tomllib.loads(CONFIG.read_text()).get("change", [])]


def outcome(change: Row, repeats: int) -> Row:
    """One change; medians of `repeats` processes a side, alternately."""
    with ExitStack() as stack:
        trees = [tree(change[side], stack) for side in ("before", "after")]
        pairs = [[in_process(path, change["measure"], change["shape"]) for path in trees] for _ in range(repeats)]
    before, after = (statistics.median(side) for side in zip(*pairs))
    faster = statistics.median(one / other for one, other in pairs)
    click.echo(
        f"{change['what']}: {before:.2f} to {after:.2f} ms, {faster:.2f} times ({change['predicted']} predicted)"
    )
    return {**change, "before_ms": before, "after_ms": after, "faster": faster, "pairs_ms": pairs}


def tree(commit: str, stack: ExitStack) -> Path:
    """A folder with the package as it was at `commit`, and the benchmarks of now.

    Raises:
        click.ClickException: the commit is not there, as in a shallow clone.
    """
    done = subprocess.run(["git", "archive", commit, "recae"], cwd=ROOT, capture_output=True)
    if done.returncode:
        raise click.ClickException(f"commit {commit} is not in this clone: fetch the whole history first")
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
    with tarfile.open(fileobj=io.BytesIO(done.stdout)) as archive:
        archive.extractall(folder, filter="data")
    (folder / "benchmarks").symlink_to(ROOT / "benchmarks", target_is_directory=True)
    return folder


def in_process(folder: Path, measure: str, shape: str) -> float:
    """Milliseconds, measured in a process that has the package of `folder`."""
    command = [sys.executable, "-m", "benchmarks.limits.changes", measure, shape]
    env = {**os.environ, "PYTHONPATH": str(folder)}
    done = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True)
    if done.returncode:
        raise click.ClickException(f"{measure} at {shape} failed in {folder}:\n{done.stderr}")
    return float(done.stdout.split()[-1])


if __name__ == "__main__":
    print(MEASURES[sys.argv[1]](sys.argv[2]))
