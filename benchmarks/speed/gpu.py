"""What a GPU takes: prepared runs, made for a machine that is lent for minutes.

\b
    python -m benchmarks.gpu kernels               # 240 s: GPU tests, the card's rates, kernels, a sweep, a profile
    python -m benchmarks.gpu epochs                # 240 s: epochs, whole fits, lists, where dense products win
    python -m benchmarks.gpu again --tilings FILE  # 150 s: kernels and an epoch with the sweep's best, Nsight Compute
    python -m benchmarks.gpu steps                 # 100 s: AutoRec's fused steps beside autograd's, and their tilings
    python -m benchmarks.gpu epochs --rehearse     # anywhere, on the CPU: the same code on tiny shapes
    python -m benchmarks.gpu table FILE...         # what the runs found, as a table and as results/gpu.json

Each part is tried by itself, and each line of JSON is written as soon as there is something to say: to the folder that
the variable OUT names, or to benchmarks/results. A part that has no time left is named and left out.

Needs torch, triton, numpy, scipy, pandas, numba, click and safetensors (and pytest for the tests). Ratings are drawn at
MovieLens-20M's shape; the time to an RMSE needs MovieLens-1M itself (RECAE_DATA_DIR, --ml-1m, or build/ml-1m). "Of
roofline" is the least time that the work can take at the device's measured rates, over the time that it took.
"""

from __future__ import annotations

import json
import os
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click
import torch

from benchmarks.common.paths import BUILD, RESULTS
from benchmarks.common.record import context, write

ABSENT = "no CUDA device on this machine: nothing was measured. --rehearse runs the script anywhere"
SECONDS = {"kernels": 240.0, "epochs": 240.0, "again": 150.0, "steps": 100.0}
Row = dict[str, Any]


class Log:
    """Rows as they come: on the screen, and as lines of JSON in a file."""

    def __init__(self, path: Path | None) -> None:
        self.path = path
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("")

    def write(self, row: Row) -> None:
        click.echo(line(row))
        if self.path is not None:
            with self.path.open("a") as file:
                file.write(json.dumps(row) + "\n")
                file.flush()
                os.fsync(file.fileno())


def run_parts(parts: list[tuple[str, Callable[[], Iterator[Row]]]], seconds: float, log: Log) -> None:
    """Each part in its own try; none is begun once the time is over."""
    start = time.monotonic()
    for name, part in parts:
        begun = time.monotonic()
        if begun - start > seconds:
            log.write({"part": name, "what": name, "note": f"not begun: {seconds:g} s were over"})
            continue
        try:
            for row in part():
                log.write({"part": name, **row})
        except Exception as error:  # the next part may do better
            log.write({"part": name, "what": name, "error": f"{type(error).__name__}: {error}",
                       "traceback": traceback.format_exc()})  # fmt: skip
        log.write({"part": name, "what": f"({name} took)", "wall_seconds": time.monotonic() - begun})


def find_movielens_1m(given: str | None) -> Path | None:
    """ratings.dat of MovieLens-1M, where there is one."""
    folders = [given, os.environ.get("RECAE_DATA_DIR"), str(BUILD)]
    names = ("", "ratings.dat", "ml-1m/ratings.dat", "ml-1m/ml-1m/ratings.dat")
    for folder in filter(None, folders):
        for name in names:
            if (path := Path(folder, name)).is_file():
                return path
    return None


def line(row: Row) -> str:
    """One line; what was not measured says why."""
    if "error" in row:
        return f"{row['what']:<58}FAILED: {row['error'].splitlines()[0][:200]}"
    if "wall_seconds" in row:
        return f"{row['what']:<58}{row['wall_seconds']:>10.1f} s"
    if "seconds" not in row:
        return f"{row['what']:<58}{row.get('note', '')}"
    goal = f"<= {row['goal']:g}" if "goal" in row else ""
    verdict = {True: "met", False: "missed", None: ""}[row.get("met")]
    of_roofline = f"{row['fraction']:.0%}, {row['bound_by']}" if "fraction" in row else ""
    figures = f"{row['what']:<58}{row['seconds']:>10.5f}{goal:>10}{verdict:>8}{of_roofline:>14}"
    return f"{figures}  {row.get('note', '')}".rstrip()


@click.group(help=__doc__)
def main() -> None: ...


def _run(name: str, rehearse: bool, device: str, data: str | None, seconds: float | None, tilings: str | None) -> None:
    chosen = torch.device("cpu" if rehearse and device == "cuda" else device)
    if chosen.type == "cuda" and not torch.cuda.is_available():
        raise click.ClickException(ABSENT)
    from benchmarks.speed import (  # slow: imported only where there is a device
        gpu_fits,
        gpu_kernels,
        gpu_setting,
        gpu_steps,
    )

    setting = gpu_setting.Setting(chosen, rehearse or chosen.type != "cuda", find_movielens_1m(data))
    kept = None if setting.small and "OUT" not in os.environ else Path(os.environ.get("OUT", RESULTS))
    log = Log(None if kept is None else kept / f"gpu-{name}.jsonl")
    log.write({"part": "context", "what": f"{name} on {setting.card()}", **context(), "rehearsal": setting.small})
    if tilings is not None:
        gpu_kernels.use_tilings(json.loads(Path(tilings).read_text()))
    rates = ("rates", lambda: gpu_kernels.rates(setting))
    found = {
        "kernels": gpu_kernels.parts(setting, kept), "epochs": [rates, *gpu_fits.parts(setting)],
        "steps": gpu_steps.parts(setting),
        "again": [*gpu_kernels.parts_again(setting), *gpu_fits.parts_again(setting)],
    }[name]  # fmt: skip
    run_parts(found, SECONDS[name] if seconds is None else seconds, log)
    if kept is None:
        click.echo("a rehearsal: nothing was written")


def _command(name: str, said: str) -> None:
    options: list[Callable[[Any], Any]] = [
        click.option("--rehearse", is_flag=True, help="Tiny shapes, on the CPU; nothing is written but to OUT."),
        click.option("--device", default="cuda", show_default=True, help="cuda or cuda:N."),
        click.option("--ml-1m", "data", help="Folder or file of MovieLens-1M's ratings.dat."),
        click.option("--seconds", type=float, help="Parts begin within so many."),
        click.option("--tilings", type=click.Path(exists=True), help="What a sweep found best (gpu-tilings.json)."),
    ]

    def run(**given: Any) -> None:
        _run(name, **given)

    for option in options:
        run = option(run)
    main.command(name, help=said)(run)


_command("kernels", "GPU tests, the card's rates, kernels beside torch.sparse, a sweep of tilings, a profile.")
_command("epochs", "Epochs by path and precision, whole fits, lists, and where dense products win.")
_command("steps", "AutoRec's fused steps recorded, launched and by autograd, and how they are divided.")
_command("again", "Kernels and an epoch with the sweep's best, and Nsight Compute on one product.")


@main.command("table")
@click.argument("files", nargs=-1, type=click.Path(exists=True), required=True)
@click.option("--keep/--no-keep", default=True, show_default=True, help="Write results/gpu.json.")
def table(files: tuple[str, ...], keep: bool) -> None:
    """What the runs found, of their files: as a table, and as results/gpu.json."""
    try:
        rows = [json.loads(text) for file in files for text in Path(file).read_text().splitlines()]
    except ValueError as error:
        raise click.ClickException(f"{', '.join(files)}: not lines of JSON, as the runs write them ({error})") from None
    click.echo(f"{'what':<58}{'seconds':>10}{'goal':>10}{'':>8}{'of roofline':>14}")
    for row in rows:
        click.echo(line(row))
    if keep:
        click.echo(str(write("gpu", {"rows": rows})))


if __name__ == "__main__":
    main()
