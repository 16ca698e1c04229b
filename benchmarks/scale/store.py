"""A rating store on disk: preparing it in bounded memory, and training from it beside training from memory.

python -m benchmarks.store                                 # 2 million rows: a few minutes
python -m benchmarks.store --rows 20000000                 # MovieLens-20M's shape
python -m benchmarks.store --rows 200000000 --only prepare

Rows are drawn with a long tail of items, in random order, into files of 5 million rows each: csv, Parquet and csv.gz in
turn. Preparing runs in a process of its own, whose peak of resident memory is the figure; the goal is 4 GiB at 200
million rows. Training (I-AutoRec, k = 500) runs from the store and from a copy in memory, in turn, in one process;
the goal is 0.8 of the speed in memory. Another process opens the store with its pages out of the cache and trains: its
first epoch reads the disk, and its peak of resident memory less that of the model and its optimiser has to stay under
2 GiB at 20 million. Each figure has the cores that the process was allowed and the machine's load around it.
"""

from __future__ import annotations

import json
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click
import numpy as np
from pyarrow import parquet

from benchmarks.common.child_processes import run_module
from benchmarks.common.rating_files import rating_table, save_csv
from benchmarks.common.ratings import ML_20M
from benchmarks.common.record import peak_mb, read, usable_cores, write
from benchmarks.common.timing import timed

FILE_ROWS = 5_000_000
KINDS = ("csv", "parquet", "csv.gz")
GOALS = {"prepare_peak_gib": 4.0, "train_speed": 0.8, "train_beyond_model_gib": 2.0}
HIDDEN, EPOCHS = 500, 3
CHILD = "benchmarks.store"


def shape(rows: int) -> tuple[int, int]:
    """Users in proportion to rows, items to their square root."""
    n_users, n_items, n_ratings = ML_20M
    share = rows / n_ratings
    return max(10, int(n_users * share)), max(10, int(n_items * share**0.5))


def generate(folder: Path, rows: int, seed: int) -> Iterator[Path]:
    """Files of `FILE_ROWS` rows, one in memory at a time."""
    n_users, n_items = shape(rows)
    for number, start in enumerate(range(0, rows, FILE_ROWS)):
        rng, n = np.random.default_rng([seed, number]), min(FILE_ROWS, rows - start)
        users = rng.integers(1, n_users + 1, n)
        items = (n_items * rng.random(n) ** 2).astype(np.int64) * 5 + 1
        table = rating_table(users, items, rng)
        path = folder / f"part-{number:04d}.{KINDS[number % len(KINDS)]}"
        parquet.write_table(table, path) if path.suffix == ".parquet" else save_csv(table, path)
        yield path


# ---------------------------------------------------------------- in processes of their own


def prepare(files: Path, store: Path) -> dict[str, Any]:
    import recae

    seconds, made = timed(lambda: recae.prepare_store(files, store, timestamp=None))
    return {
        "seconds": seconds, "rows_a_second": made.n_rows / seconds, "n_rows": made.n_rows,
        "n_ratings": made.n_ratings, "n_users": made.n_users, "n_items": made.n_items, "peak_gib": peak_mb() / 1024,
    }  # fmt: skip


def model(epochs: int) -> Any:
    import recae

    return recae.AutoRec(by="item", hidden=HIDDEN, epochs=epochs, path="sparse", device="cpu")


def compile_kernels() -> None:
    import recae

    model(1).fit(recae.load("sample"), progress=False)


def train(store: Path) -> dict[str, Any]:
    """One training from the store, its pages out of the cache: seconds of each epoch, and memory."""
    import recae

    compile_kernels()
    before = peak_mb()
    for file in store.glob("*.npy"):
        descriptor = os.open(file, os.O_RDONLY)
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
        os.close(descriptor)
    opened, ratings = timed(lambda: recae.load(store))
    fitted = model(EPOCHS).fit(ratings, progress=False)
    weights = sum(array.nbytes for array in fitted._arrays().values()) / 2**30
    peak = peak_mb() / 1024
    return {
        "open_seconds": opened, "epoch_seconds": fitted.history_.frame()["seconds"].tolist(), "peak_gib": peak,
        "libraries_gib": before / 1024, "weights_gib": weights,
        "beyond_model_gib": peak - 4 * weights,  # weights, their gradients, and Adam's two means of these
    }  # fmt: skip


def compare(store: Path, repeats: int) -> dict[str, Any]:
    """Seconds of an epoch from the store and from memory, in turn; the first of each is left out."""
    import recae

    compile_kernels()
    mapped = recae.load(store)
    users = mapped.user_rows
    data, indices, indptr = (np.array(array) for array in (users.data, users.indices, users.indptr))
    from recae.ratings.csr import make_csr

    memory = mapped.with_rows(make_csr(data, indices, indptr, users.shape))
    memory.rows("item")
    seconds: dict[str, list[float]] = {"store": [], "memory": []}
    cpu = {"store": 0.0, "memory": 0.0}  # whole fits: what a busy machine does not change
    for turn in range(repeats):
        for name in ("store", "memory") if turn % 2 else ("memory", "store"):
            start = time.process_time()
            fitted = model(2).fit(mapped if name == "store" else memory, progress=False)
            cpu[name] += time.process_time() - start
            seconds[name].append(float(fitted.history_.frame()["seconds"].iloc[1]))
    medians = {name: float(np.median(times)) for name, times in seconds.items()}
    ratios = np.array(seconds["memory"]) / np.array(seconds["store"])
    return {
        "cpu_speed": cpu["memory"] / cpu["store"],
        "store_seconds": medians["store"], "memory_seconds": medians["memory"],
        "speed": float(np.median(ratios)), "all_seconds": seconds,
    }  # fmt: skip


CHILDREN: dict[str, Callable[..., dict[str, Any]]] = {"prepare": prepare, "train": train, "compare": compare}


@click.command(help=__doc__)
@click.option("--rows", default=2_000_000, show_default=True, help="Rows to generate.")
@click.option("--only", type=click.Choice(["prepare", "train"]), help="One of the parts (train: prepares first).")
@click.option("--repeats", default=3, show_default=True, help="Trainings of each kind that are compared.")
@click.option("--seed", default=0, show_default=True)
@click.option("--folder", type=click.Path(path_type=Path), help="For temporary files.  [default: the system's folder]")
@click.option("--child", "arguments", nargs=3, hidden=True)
def main(
    rows: int, only: str | None, repeats: int, seed: int, folder: Path | None, arguments: tuple[str, ...] | None
) -> None:
    if arguments:
        what, one, two = arguments
        given: list[Any] = [Path(one)] + ([Path(two)] if what == "prepare" else [int(two)] if what == "compare" else [])
        busy = {"cores": usable_cores(), "load_before": os.getloadavg()[0]}
        click.echo(json.dumps(CHILDREN[what](*given) | busy | {"load_after": os.getloadavg()[0]}))
        return
    with tempfile.TemporaryDirectory(dir=folder) as temporary:
        row = measured(Path(temporary), rows, only, repeats, seed)
    rows_so_far = read("store", {"rows": {}})["rows"]
    rows_so_far[str(rows)] = rows_so_far.get(str(rows), {}) | row
    in_order = {key: rows_so_far[key] for key in sorted(rows_so_far, key=int)}
    print(write("store", {"seed": seed, "goals": GOALS, "rows": in_order}))


def measured(folder: Path, rows: int, only: str | None, repeats: int, seed: int) -> dict[str, Any]:
    files, store = folder / "files", folder / "store"
    files.mkdir()
    for path in generate(files, rows, seed):
        click.echo(f"generated {path.name}", err=True)
    size = sum(path.stat().st_size for path in files.iterdir())
    found: dict[str, Any] = {
        "prepare": run_module(CHILD, "--child", "prepare", files, store) | {"input_gib": size / 2**30}
    }
    found["prepare"]["store_gib"] = sum(path.stat().st_size for path in store.iterdir()) / 2**30
    click.echo("prepared: {seconds:.0f} s, peak {peak_gib:.2f} GiB".format(**found["prepare"]))
    if only != "prepare":
        found["train"] = run_module(CHILD, "--child", "train", store, "-")
        found["train"]["speed"] = run_module(CHILD, "--child", "compare", store, repeats)
        click.echo(
            f"trained: {found['train']['beyond_model_gib']:.2f} GiB beyond the model; "
            f"{found['train']['speed']['speed']:.2f} of the speed in memory"
        )
    return found


if __name__ == "__main__":
    main()
