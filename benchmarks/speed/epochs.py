"""Seconds per epoch: sparse against plain dense PyTorch, over growing sets, and the time to an RMSE.

    python -m benchmarks.speed                # everything; MovieLens-1M from RECAE_DATA_DIR, else generated
    python -m benchmarks.speed --only epoch   # one part: epoch, crossing, sweep or fit

Each figure is the median of several epochs; what is compared alternates within one process. Peak memory is of a
process of its own.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from typing import Any

import click
import numpy as np
from scipy import sparse

from benchmarks.common.paths import RESULTS
from benchmarks.common.record import peak_mb, write
from benchmarks.speed.plain_dense import epoch_seconds

SWEEP = [  # users, items, ratings: growing, and falling in density to MovieLens-20M's shape
    (943, 1_682, 100_000),
    (6_040, 3_706, 1_000_000),
    (20_000, 8_000, 3_000_000),
    (69_878, 10_677, 10_000_000),
    (138_493, 26_744, 20_000_000),
]


def movielens_1m() -> Any:
    """MovieLens-1M, or where it is absent a generated set of its shape."""
    import recae
    from recae.errors import RecaeError

    try:
        return recae.load("ml-1m", download=False)
    except RecaeError:
        click.echo("no copy of ml-1m: a generated set of its shape stands in", err=True)
        return generated(6_040, 3_706, 1_000_000)


def generated(n_users: int, n_items: int, n_ratings: int, seed: int = 0) -> Any:
    """Random ratings with long-tailed users and items; what they say does not matter for time."""
    import recae

    rng = np.random.default_rng(seed)
    user_share = rng.pareto(1.5, n_users) + 0.3
    item_share = rng.pareto(1.1, n_items) + 0.1
    keys = np.empty(0, np.int64)
    while len(keys) < n_ratings:
        users = rng.choice(n_users, n_ratings, p=user_share / user_share.sum())
        items = rng.choice(n_items, n_ratings, p=item_share / item_share.sum())
        keys = np.unique(np.concatenate([keys, users * np.int64(n_items) + items]))
    keys = rng.permutation(keys)[:n_ratings]
    stars = rng.integers(1, 6, n_ratings).astype(np.float32)
    rows = sparse.csr_array((stars, (keys // n_items, keys % n_items)), shape=(n_users, n_items))
    rows.sort_indices()
    return recae.RatingMatrix(rows, np.arange(n_users), np.arange(n_items), (1.0, 5.0), name=f"generated-{n_ratings}")


def ours(
    ratings: Any, *, by: str = "item", hidden: int = 500, batch_size: int = 512, epochs: int = 5, **options: Any
) -> Any:
    """Seconds of each epoch of our AutoRec; the first, which compiles, is left out."""
    import recae

    model = recae.AutoRec(by=by, hidden=hidden, batch_size=batch_size, epochs=epochs + 1, noise=0.0, **options)
    model.fit(ratings, progress=False)
    return model.history_.frame()["seconds"].to_numpy()[1:]


def part_epoch(repeats: int) -> dict[str, Any]:
    """MovieLens-1M, item-based, k = 500, 512 items a batch: ours and the plain dense one, in turn."""
    ratings = movielens_1m()
    sparse_times, dense_times = [], []
    for _ in range(repeats):
        sparse_times.append(np.median(ours(ratings, epochs=5, path="sparse")))
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
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.speed", "--peak-of", which], capture_output=True, text=True, check=True
    )
    return float(json.loads(done.stdout.splitlines()[-1]))


def part_crossing() -> list[dict[str, Any]]:
    """At which density dense products win: 4,000 x 4,000, k = 500, both of our own paths."""
    rows = []
    for density in (0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.6):
        ratings = uniform(4_000, 4_000, density)
        times = {path: float(np.median(ours(ratings, epochs=3, path=path))) for path in ("sparse", "dense")}
        rows.append({"density": density, **times, "dense_over_sparse": times["dense"] / times["sparse"]})
        click.echo(f"density {density:.0%}: sparse {times['sparse']:.3f} s, dense {times['dense']:.3f} s")
    return rows


def uniform(n_users: int, n_items: int, density: float) -> Any:
    """Ratings spread evenly, so that density is all that varies."""
    import recae

    rng = np.random.default_rng(0)
    rows = sparse.csr_array(np.where(rng.random((n_users, n_items)) < density, 3.0, 0.0).astype(np.float32))
    return recae.RatingMatrix(rows, np.arange(n_users), np.arange(n_items), (1.0, 5.0), name=f"uniform-{density}")


def part_sweep(largest: int) -> list[dict[str, Any]]:
    """Time per epoch as ratings grow: item-based, k = 500, 512 items a batch."""
    rows = []
    for n_users, n_items, n_ratings in [shape for shape in SWEEP if shape[2] <= largest]:
        ratings = generated(n_users, n_items, n_ratings)
        seconds = float(np.median(ours(ratings, epochs=2 if n_ratings > 5e6 else 4)))
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


def part_fit(target: float, repeats: int) -> dict[str, Any]:
    """Time of one `fit` of the paper's AutoRec on MovieLens-1M's train part, and the RMSE it reaches."""
    import recae

    split = recae.split(movielens_1m(), "random", test=0.1, rng=0)
    recae.AutoRec(epochs=1).fit(split.train, progress=False)  # compiles the kernels where no cache has them
    seconds, figures = [], []
    for _ in range(repeats):
        start = time.perf_counter()
        model = recae.AutoRec(by="item", noise=0.0).fit(split.train, progress=False)
        seconds.append(time.perf_counter() - start)
        figures.append(float(recae.evaluate(model, split.test)["rmse"]))
    row = {"seconds": float(np.median(seconds)), "all_seconds": seconds, "rmse": figures[0], "target": target}
    click.echo(f"fit: {row['seconds']:.1f} s to RMSE {row['rmse']:.4f} (wanted: at most {target} in 15 s)")
    return row


@click.command(help=__doc__)
@click.option("--only", type=click.Choice(["epoch", "crossing", "sweep", "fit"]), help="One part alone.")
@click.option("--repeats", default=3, show_default=True, help="Alternations of what is compared.")
@click.option("--largest", default=20_000_000, show_default=True, help="Ratings of the largest generated set.")
@click.option("--peak-of", type=click.Choice(["sparse", "dense"]), hidden=True)
def main(only: str | None, repeats: int, largest: int, peak_of: str | None) -> None:
    if peak_of is not None:
        ratings = movielens_1m()
        if peak_of == "sparse":
            ours(ratings, epochs=1, path="sparse")
        else:
            epoch_seconds(ratings.rows("item"), hidden=500, batch_size=512, epochs=2, l2=100.0)
        click.echo(json.dumps(peak_mb()))
        return
    parts = {
        "epoch": lambda: part_epoch(repeats), "crossing": part_crossing, "sweep": lambda: part_sweep(largest),
        "fit": lambda: part_fit(0.834, repeats),
    }  # fmt: skip
    path = RESULTS / "speed.json"
    kept = json.loads(path.read_text()) if path.exists() else {}
    for name, part in parts.items():
        if only in (None, name):
            kept[name] = part()
            write("speed", {key: kept[key] for key in parts if key in kept})


if __name__ == "__main__":
    main()
