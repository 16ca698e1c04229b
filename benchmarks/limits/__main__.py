"""The share of this machine's ceilings that each hot operation reaches: the tables of benchmarks/limits.md.

\b
    python -m benchmarks.limits             # ceilings and operations, in one run; some five minutes
    python -m benchmarks.limits --quick     # a rehearsal on small shapes, which writes nothing

Ceilings are the fastest of their runs, operations the median of theirs, so that fractions are rather too low than too
high. Data are generated at MovieLens-1M's and MovieLens-20M's shapes.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any
from unittest import mock

import click
import numpy as np
import torch

from benchmarks.common.ratings import ML_1M, ML_20M, Shape, generated
from benchmarks.common.record import write
from benchmarks.common.timing import against_limits, seconds_of
from benchmarks.limits import ceilings, operations
from benchmarks.limits.ceilings import Ceilings
from benchmarks.limits.operations import Operation
from benchmarks.speed.epochs import our_epoch_seconds
from recae.jit import Kernel
from recae.ranking import top_n
from recae.recommender.scoring import blocks
from recae.sparse.resources import kernel_threads

K = 500
SMALL = (600, 300, 20_000)
Row = dict[str, Any]
GOALS = {"fraction": 0.6, "share": 0.7, "ratio": 1.3}


def hot_operations(shapes: list[Shape], csv_rows: int, inverse: int, folder: Path) -> Iterator[Operation]:
    """The operations one after another, so that only one holds its data."""
    from benchmarks.common.rating_files import write_csv

    for shape in shapes:
        yield from operations.sparse_products(operations.batch(*shape), K)
        yield operations.adam_step(shape[0], K)
    yield operations.gram_matrix(*shapes[0])
    yield operations.inversion(inverse)
    write_csv(folder / "ratings.csv", csv_rows, "by user and item", 0)
    yield operations.parsing(folder / "ratings.csv", csv_rows)


def measured(operation: Operation, rates: Ceilings, runs: int) -> Row:
    """The operation's seconds beside the least that the ceilings allow."""
    with kernel_threads() if operation.kernels else nullcontext(), torch.no_grad():
        seconds = statistics.median(seconds_of(operation.work, runs))
    return {
        "operation": operation.name, "shape": operation.shape, "flops": operation.flops,
        "gathered_bytes": operation.gathered, "moved_bytes": operation.moved, "seconds": seconds,
        **against_limits(seconds, operation.limits(rates)),
    }  # fmt: skip


@contextmanager
def kernel_seconds() -> Iterator[dict[str, float]]:
    """Seconds spent within in each numba kernel that Python calls, by name."""
    found: dict[str, float] = defaultdict(float)
    call = Kernel.__call__

    def timed_call(self: Any, *args: Any, **kwargs: Any) -> Any:
        start = time.perf_counter()
        try:
            return call(self, *args, **kwargs)
        finally:
            found[self.__name__.lstrip("_")] += time.perf_counter() - start

    with mock.patch.object(Kernel, "__call__", timed_call):
        yield found


def step_share(shape: Shape, epochs: int) -> Row:
    """Of an AutoRec's training, k = 500 and 512 items a step, the share spent in kernels and in the fused Adam."""
    ratings = generated(*shape)
    our_epoch_seconds(ratings, epochs=1, path="sparse", hidden=K)
    with kernel_seconds() as short:
        first = fit_seconds(ratings, 1)
    with kernel_seconds() as long:
        all_epochs = fit_seconds(ratings, 1 + epochs)
    seconds = all_epochs - first
    parts = {name: (long[name] - short[name]) / seconds for name in long}
    return {"seconds_an_epoch": seconds / epochs, "shares": parts, "share": sum(parts.values())}


def fit_seconds(ratings: Any, epochs: int) -> float:
    """Seconds of the epochs of one fit, the first included."""
    import recae

    model = recae.AutoRec(hidden=K, input="raw", batch_size=512, epochs=epochs, noise=0.0, path="sparse", device="cpu")
    return float(model.fit(ratings, progress=False).history_.frame()["seconds"].sum())


def lists(name: str, score: Callable[[Any], Any], ratings: Any, n_items: int, runs: int, n: int = 20) -> Row:
    """Scores and the n best unseen items of all users, and the scores without ranking, in turn, block by block."""
    users = np.arange(ratings.n_users)

    def product() -> None:
        for block in blocks(len(users), n_items):
            score(users[block])

    def ranked() -> None:
        for block in blocks(len(users), n_items):
            top_n(score(users[block]).numpy(), n, ratings.user_rows[users[block]])

    with torch.no_grad(), kernel_threads():
        pairs = [(seconds_of(product, 1)[0], seconds_of(ranked, 1)[0]) for _ in range(runs)]
    return {
        "model": name, "users": ratings.n_users, "items": n_items, "list": n,
        "product_seconds": statistics.median(one for one, _ in pairs),
        "seconds": statistics.median(both for _, both in pairs),
        "ratio": statistics.median(both / one for one, both in pairs),
    }  # fmt: skip


def run(quick: bool) -> Row:
    """Everything, in one process."""
    shapes, runs = ([SMALL], 3) if quick else ([ML_1M, ML_20M], 9)
    rates = ceilings.measured(K, 0.02 if quick else 1.0)
    click.echo(", ".join(f"{name} {rate / 1e9:.0f} G/s" for name, rate in rates.items()))
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for operation in hot_operations(shapes, 20_000 if quick else 2_000_000, 300 if quick else 6_000, Path(folder)):
            rows.append(measured(operation, rates, runs))
            click.echo(f"{operation.name:<28} {operation.shape:<50} {1e3 * rows[-1]['seconds']:9.2f} ms, "
                       f"{rows[-1]['fraction']:.0%} of {rows[-1]['bound_by']}")  # fmt: skip
    share = step_share(shapes[0], 1 if quick else 5)
    click.echo(f"an epoch: {share['seconds_an_epoch']:.3f} s, {share['share']:.0%} in kernels and Adam")
    ranked = [
        lists("EASE", *operations.ease_like(*shapes[0]), runs),
        lists("64 factors", *operations.factor_like(*shapes[0], 64), runs),
        lists("500 factors", *operations.factor_like(*shapes[0], 500), runs),
    ]
    for row in ranked:
        click.echo(f"top-{row['list']} of {row['users']:,}, {row['model']}: {row['ratio']:.2f} times its product")
    again = ceilings.measured(K, 0.02 if quick else 1.0)
    return {
        "k": K, "seed": 0, "threads": torch.get_num_threads(), "goals": GOALS, "ceilings": rates,
        "ceilings_afterwards": again, "rows": rows, "step": share, "lists": ranked,
    }  # fmt: skip


@click.command(help=__doc__)
@click.option("--quick", is_flag=True, help="Small shapes, a minute, and nothing is written.")
def main(quick: bool) -> None:
    found = run(quick)
    if not quick:
        click.echo(str(write("limits", found)))


if __name__ == "__main__":
    main()
