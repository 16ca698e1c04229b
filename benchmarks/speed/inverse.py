"""Fitting EASE beside the bare factor-and-invert of its matrix in torch, and beside numpy.linalg.inv in float64.

python -m benchmarks.inverse --items 20000                   # seconds and peak memory, each in its own process
python -m benchmarks.inverse --items 20000 --device cuda
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import click
import numpy as np
import torch

from benchmarks.common.child_processes import run_module
from benchmarks.common.ratings import generated_likes
from benchmarks.common.record import peak_mb, write
from benchmarks.common.timing import timed

WAYS = ("recae", "torch", "numpy-float64")


def one(way: str, items: int, device: str) -> dict[str, Any]:
    """Seconds and peak memory of one way, in this process; memory in copies of the float32 matrix."""
    from recae.models.linear.closed_form import EASE
    from recae.models.linear.gram import gram, mirror_

    ratings = generated_likes(3 * items, items, 60)
    EASE(device=device).fit(generated_likes(200, 600, 20))  # kernels are compiled
    on = torch.device(device)
    if way == "recae":
        seconds, before = clock(lambda: EASE(device=device, l2=500.0).fit(ratings), on)
    else:
        matrix = gram(ratings.user_rows, np.ones(ratings.n_users, np.float32), device=on)
        mirror_(matrix)
        matrix.diagonal().add_(500.0)
        if way == "torch":
            seconds, before = clock(lambda: torch.cholesky_inverse(torch.linalg.cholesky_ex(matrix)[0]), on)
        else:
            dense = matrix.double().cpu().numpy()
            del matrix
            seconds, before = clock(lambda: np.linalg.inv(dense), on)
    copy = 4 * items**2
    peak = torch.cuda.max_memory_allocated() if on.type == "cuda" else peak_bytes()
    return {"way": way, "seconds": seconds, "peak_copies": peak / copy, "added_copies": (peak - before) / copy}


def clock(work: Callable[[], Any], device: torch.device) -> tuple[float, int]:
    """Seconds of `work`, and the bytes held before it."""
    before = torch.cuda.memory_allocated() if device.type == "cuda" else peak_bytes()
    return timed(work, device)[0], before


def peak_bytes() -> int:
    """Peak memory of this process."""
    return int(2**20 * peak_mb())


@click.command(help=__doc__)
@click.option("--items", default=20000, show_default=True)
@click.option("--device", default="cpu", show_default=True)
@click.option("--repeats", default=3, show_default=True, help="Rounds, alternately; medians count.")
@click.option("--way", type=click.Choice(WAYS), hidden=True)
@click.option("--skip", multiple=True, type=click.Choice(WAYS), help="Ways to leave out.")
def main(items: int, device: str, repeats: int, way: str | None, skip: tuple[str, ...]) -> None:
    if way is not None:
        click.echo(json.dumps(one(way, items, device)))
        return
    rows: dict[str, list[dict[str, Any]]] = {name: [] for name in WAYS if name not in skip}
    for _ in range(repeats):
        for name, found in rows.items():
            found.append(run_module("benchmarks.inverse", "--items", items, "--device", device, "--way", name))
            click.echo(f"{name}: {found[-1]['seconds']:.2f} s, peak {found[-1]['peak_copies']:.2f} copies", err=True)
    medians = {name: float(np.median([one["seconds"] for one in found])) for name, found in rows.items()}
    ratio = {name: medians["recae"] / seconds for name, seconds in medians.items() if "recae" in medians}
    write(f"inverse-{items}-{device}", {"items": items, "seconds": medians, "recae_over": ratio, "runs": rows})
    click.echo(json.dumps({"items": items, "seconds": medians, "recae_over": ratio}))


if __name__ == "__main__":
    main()
