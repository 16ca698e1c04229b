"""Accuracy tables: published figures, reproduced and beaten, with settings chosen on held-out training data.

\b
    python -m benchmarks.accuracy ml-1m                 # five random 90/10 splits
    python -m benchmarks.accuracy ml-100k               # the u1 split, the five folds, and unseen users
    python -m benchmarks.accuracy ml-1m --row deep      # one row
    python -m benchmarks.accuracy ml-20m                # where a copy is, or the network to download it
    python -m benchmarks.accuracy ml-20m --rehearse     # time and memory on generated ratings of that shape

Settings stand in `benchmarks/configs/`: written by hand from what `python -m benchmarks.choose` found on train, or read
from a file of `recae tune` that a row names (`settings = "tuned/NAME.toml"`). Every fit runs in a process of its own,
so that its time and its peak memory are its own. Each row is written when it is done; rows may run side by side.

A row belongs to a league: ratings only, side information, dates, blends. The tables of the pages separate the leagues.
"""

from __future__ import annotations

import fcntl
import json
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click
import numpy as np
from scipy import stats

from benchmarks.accuracy.fits import DRAWN, SHAPES, Row, league_of, one_fit
from benchmarks.common.child_processes import run_module
from benchmarks.common.options import read_config
from benchmarks.common.record import read, write


@click.command(help=__doc__)
@click.argument("dataset", type=click.Choice(["ml-1m", "ml-100k", "ml-10m", "ml-20m"]))
@click.option("--row", "only", help="One row of the table.")
@click.option("--seeds", default=5, show_default=True, help="Splits, or folds.")
@click.option("--missing", is_flag=True, help="Only the splits that the table lacks, of rows with the same settings.")
@click.option("--rehearse", is_flag=True, help="One split of generated ratings: its time and memory are the set's.")
@click.option("--seed", type=int, hidden=True)
def main(dataset: str, only: str | None, seeds: int, missing: bool, rehearse: bool, seed: int | None) -> None:
    rows = read_config(dataset)
    if rehearse and dataset not in SHAPES:
        raise click.BadParameter(f"no ratings are generated for {dataset}", param_hint="--rehearse")
    if rehearse:  # of random ratings, whose errors stand beside no figure
        dataset, seeds = f"{dataset}{DRAWN}", 1
        rows = {name: {**row, "published": None, "bar": None} for name, row in rows.items()}
    if only is not None and only not in rows:
        raise click.BadParameter(f"{only!r}: choose one of {', '.join(rows)}", param_hint="--row")
    if seed is not None and only is not None:
        click.echo(json.dumps(one_fit(dataset, rows[only], seed, only)))
        return
    for name in rows if only is None else [only]:
        measured = measured_fits(recorded_rows(dataset).get(name), rows[name]) if missing else {}
        for found in run_row(dataset, name, rows[name], seeds, measured):
            with write_lock(dataset):  # other rows may be running in other processes
                recorded = {**recorded_rows(dataset), name: found}
                write(f"accuracy-{dataset}", {"rows": [recorded[key] for key in rows if key in recorded]})
        click.echo(in_words(recorded_rows(dataset)[name]))


def run_row(dataset: str, name: str, row: Row, seeds: int, measured: dict[int, Row]) -> Iterator[Row]:
    """Fit every seed (or fold) of a row that is not measured yet, each in its own process: the row after each fit."""
    fits = dict(measured)
    wanted = range(min(seeds, row.get("runs", seeds)))
    for seed in wanted:
        if seed not in measured:
            plain = dataset.removesuffix(DRAWN)
            flags = ["--rehearse"] if plain != dataset else []
            fits[seed] = run_module("benchmarks.accuracy", plain, "--row", name, "--seed", seed, *flags)
            found = fits[seed]
            click.echo(f"  {name} run {seed + 1}: RMSE {found['rmse']:.4f} in {found['seconds']:.1f} s", err=True)
        yield summary(name, row, [fits[one] for one in wanted if one in fits])


def summary(name: str, row: Row, fits: list[Row]) -> Row:
    """Mean, 95 % interval over seeds (Student's t), time and memory."""
    rmse = np.array([fit["rmse"] for fit in fits])
    half = float(stats.t.ppf(0.975, len(rmse) - 1) * rmse.std(ddof=1) / np.sqrt(len(rmse))) if len(rmse) > 1 else 0.0
    keys = ("model", "params", "settings", "of", "weights", "chosen", "published", "bar", "title", "note")
    about = {key: row.get(key) for key in keys}
    return {
        "row": name, **about, "league": league_of(row), "protocol": row.get("protocol", "random-90/10"),
        "rmse": float(rmse.mean()), "half_interval": half, "mae": float(np.mean([fit["mae"] for fit in fits])),
        "seconds": float(np.median([f["seconds"] for f in fits])), "peak_mb": float(max(f["peak_mb"] for f in fits)),
        "fits": fits,
    }  # fmt: skip


def in_words(row: Row) -> str:
    """One line for the terminal."""
    bar = f"bar {row['bar']:.4f}" if row["bar"] else ""
    published = f"published {row['published']:.4f}" if row["published"] else ""
    return (
        f"{row['row']:<22} RMSE {row['rmse']:.4f} ± {row['half_interval']:.4f}  MAE {row['mae']:.4f}  "
        f"{row['seconds']:6.1f} s  {row['peak_mb']:6.0f} MB  {published}  {bar}"
    )


def measured_fits(recorded: Row | None, row: Row) -> dict[int, Row]:
    """Seed to fit of a recorded row; empty unless it was measured with the settings that `row` has now."""
    same = ("model", "params", "settings", "of", "weights")
    if recorded is None or any(recorded.get(key) != row.get(key) for key in same):
        return {}
    return {fit["seed"]: fit for fit in recorded["fits"]}


def recorded_rows(dataset: str) -> dict[str, Row]:
    """Rows of the result file by name."""
    return {row["row"]: row for row in read(f"accuracy-{dataset}", {"rows": []})["rows"]}


@contextmanager
def write_lock(dataset: str) -> Iterator[None]:
    """Within, no other process writes this table."""
    with open(Path(tempfile.gettempdir()) / f"recae-accuracy-{dataset}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


if __name__ == "__main__":
    main()
