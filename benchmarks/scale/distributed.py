"""The price of sharing a fit among processes: the same fits by one process and by several, on the same cores.

\b
    python -m benchmarks.distributed                  # 2 processes; MovieLens-1M from RECAE_DATA_DIR, else generated
    python -m benchmarks.distributed --processes 4

Each fit runs in processes of its own (torchrun, gloo), one and several in turn. Where processes share cores, wall time
says little. So the processor's seconds of all processes are added up: the seconds that sharing adds are its price.
Bytes are those that each process sends in a step.
"""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any
from unittest import mock

import click
import numpy as np

from benchmarks.common.child_processes import run_ranks
from benchmarks.common.ratings import generated, movielens_1m
from benchmarks.common.record import usable_cores, write

EPOCHS = 3
CASES = ("i-autorec", "u-autorec, wide", "ease")
TITLES = {
    "i-autorec": "I-AutoRec, k = 500, MovieLens-1M, 512 items a step",
    "u-autorec, wide": "U-AutoRec, k = 50, 4,000 users x 40,000 items, 100,000 ratings, 64 users a step",
    "ease": "EASE, MovieLens-1M",
}


# ---------------------------------------------------------------- in each process


def worker(name: str, file: Path) -> None:
    """One fit, after a short one that compiles; the first process writes what all of them spent."""
    import torch

    from recae.distributed.ranks import current

    ranks = current()
    ratings = generated(4_000, 40_000, 100_000) if "wide" in name else movielens_1m()
    fit(name, ratings, 1)
    ranks.barrier()
    wall, cpu = time.perf_counter(), time.process_time()
    found = fit(name, ratings, EPOCHS)
    spent = torch.tensor([time.perf_counter() - wall, time.process_time() - cpu, found.pop("cpu_in_sums", 0.0)])
    everyone = ranks.gather(spent).tolist()
    if ranks.is_first:
        walls, cpus, sums = zip(*everyone)
        file.write_text(json.dumps({"wall": max(walls), "cpu": sum(cpus), "cpu_in_sums": sum(sums), **found}))


def fit(name: str, ratings: Any, epochs: int) -> dict[str, Any]:
    """The model's fit; its losses, and what its sums of gradients sent and took."""
    import recae
    from recae.distributed.gradients import GradientSum

    made: list[Any] = []

    class Timed(GradientSum):
        """Counts its own processor time."""

        cpu, calls = 0.0, 0

        def __init__(self, *args: Any) -> None:
            super().__init__(*args)
            made.append(self)

        def __call__(self, *args: Any) -> Any:
            start = time.process_time()
            try:
                return super().__call__(*args)
            finally:
                self.cpu += time.process_time() - start
                self.calls += 1

    with mock.patch("recae.distributed.data_parallel.GradientSum", Timed):
        if name == "ease":
            model: Any = recae.EASE(l2=500.0).fit(ratings)
            return {"checksum": float(model.weights_.double().abs().sum())}
        wide = "wide" in name
        model = recae.AutoRec(
            by="user" if wide else "item", hidden=50 if wide else 500, batch_size=64 if wide else 512, noise=0.0,
            epochs=epochs, path="sparse",
        ).fit(ratings, progress=False)  # fmt: skip
    found = {"losses": [r["loss"] for r in model.history_.records], "parameters": _parameters(model)}
    for counted in made:
        found |= {"cpu_in_sums": counted.cpu, "steps": counted.calls}
        found |= {f"entries_{kind}_a_step": n / counted.calls for kind, n in counted.sent.items()}
    return found


def _parameters(model: Any) -> int:
    return sum(p.numel() for p in model.network_.parameters())


# ---------------------------------------------------------------- the command


def measured(name: str, processes: int) -> dict[str, Any]:
    """What `worker` finds, in processes of their own."""
    return run_ranks("benchmarks.distributed", processes, "--worker", name)


def compared(name: str, processes: int, repeats: int) -> dict[str, Any]:
    """One process and several in turn: medians, and how far the losses are apart."""
    pairs = [(measured(name, 1), measured(name, processes)) for _ in range(repeats)]
    row: dict[str, Any] = {"case": name, "title": TITLES[name], "epochs": 1 if name == "ease" else EPOCHS}
    for which, runs in (("one", [one for one, _ in pairs]), ("several", [several for _, several in pairs])):
        for kind in ("cpu", "wall"):
            row[f"{kind}_seconds_{which}"] = float(np.median([run[kind] for run in runs]))
    row["cpu_ratio"] = float(np.median([several["cpu"] / one["cpu"] for one, several in pairs]))
    row["cpu_share_of_sums"] = float(np.median([several["cpu_in_sums"] / several["cpu"] for _, several in pairs]))
    one, several = pairs[0]
    if "losses" in one:
        row["loss_difference"] = float(np.max(np.abs(np.array(several["losses"]) / np.array(one["losses"]) - 1)))
        row |= {key: several[key] for key in several if key in ("parameters", "steps") or "a_step" in key}
        row["bytes_a_step"] = 4 * sum(n for key, n in several.items() if "a_step" in key)
        row["dense_bytes_a_step"] = 4 * several["parameters"]
    else:
        row["checksum_difference"] = abs(several["checksum"] / one["checksum"] - 1)
    return row


@click.command(help=__doc__)
@click.option("--processes", default=2, show_default=True, type=click.IntRange(2))
@click.option("--repeats", default=3, show_default=True, help="Alternations of one process and several.")
@click.option("--worker", "inside", nargs=2, hidden=True)
def main(processes: int, repeats: int, inside: tuple[str, str] | None) -> None:
    if inside:
        worker(inside[0], Path(inside[1]))
        return
    rows = []
    for name in CASES:
        row = compared(name, processes, repeats)
        rows.append(row)
        click.echo(
            f"{row['title']}: {row['cpu_seconds_one']:.2f} processor seconds by one process, "
            f"{row['cpu_seconds_several']:.2f} by {processes} ({row['cpu_ratio']:.2f} times, "
            f"{row['cpu_share_of_sums']:.0%} of them in sums)"
        )
        if "bytes_a_step" in row:
            click.echo(
                f"  losses are {row['loss_difference']:.1e} apart; {row['bytes_a_step'] / 1e6:.2f} MB a step, "
                f"{row['dense_bytes_a_step'] / 1e6:.2f} MB if dense"
            )
    write("distributed", {"processes": processes, "usable_cores": usable_cores(), "repeats": repeats, "rows": rows})


if __name__ == "__main__":
    main()
