"""Seconds per epoch: sparse against plain dense PyTorch, over growing sets, and the time to an RMSE.

\b
    python -m benchmarks.speed                # everything; MovieLens-1M from RECAE_DATA_DIR, else generated
    python -m benchmarks.speed --only epoch   # one part: epoch, crossing, sweep, fit or factors

Each figure is the median of several epochs; what is compared alternates within one process. Peak memory is of a
process of its own.
"""

from __future__ import annotations

import json
from typing import Any

import click
import numpy as np

from benchmarks.common.child_processes import run_module
from benchmarks.common.ratings import ML_1M, ML_20M, drawn, generated, movielens_1m, uniform
from benchmarks.common.record import context, peak_mb, read, write
from benchmarks.common.timing import timed
from benchmarks.speed.epochs import gradients_as_factors, our_epoch_seconds
from benchmarks.speed.plain_dense import epoch_seconds

QUICK: dict[str, Any] = {"by": "item", "noise": 0.0, "l2": 130.0, "lr": 3e-3, "epochs": 10, "schedule": "one-cycle"}
SWEEP = [  # users, items, ratings: growing, and falling in density to MovieLens-20M's shape
    (943, 1_682, 100_000), ML_1M, (20_000, 8_000, 3_000_000), (69_878, 10_677, 10_000_000), ML_20M,
]  # fmt: skip


def part_epoch(repeats: int) -> dict[str, Any]:
    """MovieLens-1M, item-based, k = 500, 512 items a batch: ours and the plain dense one, in turn."""
    ratings = movielens_1m()
    sparse_times, dense_times = [], []
    for _ in range(repeats):
        sparse_times.append(np.median(our_epoch_seconds(ratings, epochs=5, path="sparse")))
        dense_times.append(
            np.median(epoch_seconds(ratings.rows("item"), hidden=500, batch_size=512, epochs=3, l2=100.0))
        )
    ratios = np.array(dense_times) / np.array(sparse_times)
    row = {
        "data": ratings.name, "sparse_seconds": float(np.median(sparse_times)),
        "dense_seconds": float(np.median(dense_times)), "times_faster": float(np.median(ratios)),
        "times_faster_range": [float(ratios.min()), float(ratios.max())],
        "sparse_peak_mb": peak("sparse"), "dense_peak_mb": peak("dense"),
    }  # fmt: skip
    click.echo(
        f"epoch of {row['data']}: sparse {row['sparse_seconds']:.3f} s ({row['sparse_peak_mb']:.0f} MB), plain dense "
        f"{row['dense_seconds']:.3f} s ({row['dense_peak_mb']:.0f} MB): {row['times_faster']:.1f} times faster "
        f"({ratios.min():.1f} to {ratios.max():.1f})"
    )
    return row


def peak(which: str) -> float:
    """Peak memory in MB of a process that trains two epochs one way or the other."""
    return float(run_module("benchmarks.speed", "--peak-of", which))


def part_crossing() -> list[dict[str, Any]]:
    """At which density dense products win: 4,000 x 4,000, k = 500, both of our own paths."""
    rows = []
    for density in (0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.6):
        ratings = uniform(4_000, 4_000, density)
        times = {
            path: float(np.median(our_epoch_seconds(ratings, epochs=3, path=path))) for path in ("sparse", "dense")
        }
        rows.append({"density": density, **times, "dense_over_sparse": times["dense"] / times["sparse"]})
        click.echo(f"density {density:.0%}: sparse {times['sparse']:.3f} s, dense {times['dense']:.3f} s")
    return rows


def part_sweep(largest: int) -> list[dict[str, Any]]:
    """Time per epoch as ratings grow: item-based, k = 500, 512 items a batch."""
    rows = []
    for n_users, n_items, n_ratings in [shape for shape in SWEEP if shape[2] <= largest]:
        ratings = generated(n_users, n_items, n_ratings)
        seconds = float(np.median(our_epoch_seconds(ratings, epochs=2 if n_ratings > 5e6 else 4)))
        rows.append(
            {
                "users": n_users, "items": n_items, "ratings": n_ratings, "density": n_ratings / n_users / n_items,
                "seconds": seconds, "microseconds_a_rating": 1e6 * seconds / n_ratings,
                "nanoseconds_a_cell": 1e9 * seconds / n_users / n_items,
            }
        )  # fmt: skip
        click.echo(
            f"{n_users:>8,} x {n_items:>6,}, {n_ratings:>10,} ratings ({rows[-1]['density']:.2%}): {seconds:8.3f} s, "
            f"{rows[-1]['microseconds_a_rating']:.3f} us a rating, {rows[-1]['nanoseconds_a_cell']:.3f} ns a cell"
        )
    return rows


def part_factors(repeats: int) -> list[dict[str, Any]]:
    """An epoch where Adam takes gradients of weights as factors, and where it is given their product, in turn."""
    rows = []
    for shape in (ML_1M, ML_20M):
        ratings = drawn(*shape)
        both: dict[bool, list[float]] = {True: [], False: []}
        for _ in range(repeats):
            for factored, seconds in both.items():
                with gradients_as_factors(factored):
                    seconds.append(float(np.median(our_epoch_seconds(ratings, epochs=1 if shape == ML_20M else 8))))
        ratios = np.array(both[False]) / np.array(both[True])
        rows.append({
            "ratings": shape[2], "factors": float(np.median(both[True])), "product": float(np.median(both[False])),
            "times_faster": float(np.median(ratios)), "times_faster_range": [float(ratios.min()), float(ratios.max())],
        })  # fmt: skip
        click.echo(
            f"{shape[2]:>10,} ratings: factors {rows[-1]['factors']:.3f} s, product {rows[-1]['product']:.3f} s: "
            f"{rows[-1]['times_faster']:.2f} times faster ({ratios.min():.2f} to {ratios.max():.2f})"
        )
    return rows


def part_fit(target: float, repeats: int) -> dict[str, Any]:
    """Time of one `fit` of I-AutoRec on MovieLens-1M's train part, and the RMSE it reaches.

    Ten epochs of one cycle of the learning rate, on held-out training data as good as 30 of a cosine with raw rows.
    """
    import recae

    split = recae.split(movielens_1m(), "random", test=0.1, rng=0)
    recae.AutoRec(epochs=1).fit(split.train, progress=False)  # compiles the kernels where no cache has them
    seconds, figures = [], []
    for _ in range(repeats):
        took, model = timed(lambda: recae.AutoRec(**QUICK).fit(split.train, progress=False))
        seconds.append(took)
        figures.append(float(recae.evaluate(model, split.test)["rmse"]))
    row = {"seconds": float(np.median(seconds)), "all_seconds": seconds, "rmse": figures[0], "target": target}
    click.echo(f"fit: {row['seconds']:.1f} s to RMSE {row['rmse']:.4f} (wanted: at most {target} in 15 s)")
    return row


@click.command(help=__doc__)
@click.option("--only", type=click.Choice(["epoch", "crossing", "sweep", "fit", "factors"]), help="One of the parts.")
@click.option("--repeats", default=3, show_default=True, help="Alternations of what is compared.")
@click.option("--largest", default=20_000_000, show_default=True, help="Ratings of the largest generated set.")
@click.option("--peak-of", type=click.Choice(["sparse", "dense"]), hidden=True)
def main(only: str | None, repeats: int, largest: int, peak_of: str | None) -> None:
    if peak_of is not None:
        ratings = movielens_1m()
        if peak_of == "sparse":
            our_epoch_seconds(ratings, epochs=1, path="sparse")
        else:
            epoch_seconds(ratings.rows("item"), hidden=500, batch_size=512, epochs=2, l2=100.0)
        click.echo(json.dumps(peak_mb()))
        return
    parts = {
        "epoch": lambda: part_epoch(repeats), "crossing": part_crossing, "sweep": lambda: part_sweep(largest),
        "fit": lambda: part_fit(0.834, repeats), "factors": lambda: part_factors(repeats),
    }  # fmt: skip
    measured = read("speed", {}) if only else {}
    whole = {key: measured[key] for key in context() if key in measured}  # when and where all was measured at once
    alone = measured.get("alone", {})
    for name, part in parts.items():
        if only in (None, name):
            measured[name] = part()
            alone |= {name: context()} if whole else {}
            write("speed", {**whole, **{key: measured[key] for key in parts if key in measured}, "alone": alone})


if __name__ == "__main__":
    main()
