"""Lists of 20 for a million users of 50,000 items, in one file: peak memory, and the rate beside the score product.

\b
    python -m benchmarks.bulk_lists [--users 1000000] [--items 50000] [--asked 1000000] [--product 20000]

A factor model of 128 (ImplicitALS with random factors: times do not depend on what was learnt) of 20 ratings a user is
saved. A process of its own reads the file and writes the lists with `recae.write_lists`, as `recae recommend FILE
--users all -n 20 --out lists.parquet` does, what users have rated being left out. `--asked` are the users who get a
list; the model has all. The product is that of the factors, in blocks of the same size, without ranking, for
`--product` users before and as many after the lists. Rates are of processor time, which other work on the machine
changes least; peak memory is the process's, libraries included.
"""

from __future__ import annotations

import json
import tempfile
import time
from pathlib import Path
from typing import Any

import click
import numpy as np

import recae
from benchmarks.common.child_processes import run_module
from benchmarks.common.ratings import drawn
from benchmarks.common.record import peak_mb, usable_cores, write
from recae.models.classic.implicit_mf import ImplicitALS
from recae.recommender.scoring import blocks

LIST, FACTORS, A_USER = 20, 128, 20
GOAL_GIB = 2.0


def random_model(n_users: int, n_items: int) -> ImplicitALS:
    """A factor model with random factors, in which no user is without a rating."""
    rng = np.random.default_rng(0)
    model = ImplicitALS(factors=FACTORS, alpha=1.0, popularity=0.0)
    model._set_ratings(drawn(n_users, n_items, A_USER * n_users))
    model.alpha_ = 1.0
    model.user_factors_ = rng.standard_normal((n_users, FACTORS), np.float32)
    model.item_factors_ = rng.standard_normal((n_items, FACTORS), np.float32)
    return model


def product_seconds(model: Any, users: int) -> float:
    """Processor seconds of the scores of so many users, block by block."""
    start = time.process_time()
    for block in blocks(users, model.ratings_.n_items):
        model.score_users(np.arange(block.start, block.stop))
    return time.process_time() - start


def part(file: str, asked: int, product: int) -> dict[str, Any]:
    """What one process measures; times are of its processor, in seconds."""
    model: Any = recae.load_model(file)
    read_mb, ids = peak_mb(), model.ratings_.user_ids
    users = None if asked >= len(ids) else ids[np.linspace(0, len(ids) - 1, asked).astype(np.int64)]
    product_seconds(model, 2_000)  # what is compiled or read at first does not count
    recae.write_lists(model, Path(file).with_name("first.parquet"), LIST, users=ids[:2_000])
    before, out = product_seconds(model, product), Path(file).with_name("lists.parquet")
    start, clock = time.process_time(), time.perf_counter()
    recae.write_lists(model, out, LIST, users=users)
    lists, wall = time.process_time() - start, time.perf_counter() - clock
    spent = (before + product_seconds(model, product)) / (2 * product)
    asked = min(asked, len(ids))
    return {
        "asked": asked, "product_users": 2 * product, "lists_seconds": lists, "wall_seconds": wall,
        "lists_ms_a_user": 1e3 * lists / asked, "product_ms_a_user": 1e3 * spent, "share": spent * asked / lists,
        "read_mb": read_mb, "peak_mb": peak_mb(), "file_mb": out.stat().st_size / 2**20,
    }  # fmt: skip


@click.command(help=__doc__)
@click.option("--users", default=1_000_000, show_default=True)
@click.option("--items", default=50_000, show_default=True)
@click.option("--asked", default=1_000_000, show_default=True, help="Users who get a list.")
@click.option("--product", default=20_000, show_default=True, help="Users of each of the two products.")
@click.option("--part", "file", default=None, hidden=True)
@click.option("--record/--no-record", default=True, help="Write results/bulk_lists.json.")
def main(users: int, items: int, asked: int, product: int, file: str | None, record: bool) -> None:
    if file is not None:
        click.echo(json.dumps(part(file, asked, product)))
        return
    with tempfile.TemporaryDirectory() as folder:
        path = random_model(users, items).save(Path(folder) / "m.recae")
        found = run_module("benchmarks.bulk_lists", "--part", path, "--asked", asked, "--product", product)
    click.echo(
        f"{found['asked']:,} lists of {LIST} among {items:,} items: {found['lists_seconds']:,.0f} s of the processor, "
        f"{found['share']:.2f} of the score product's rate; peak {found['peak_mb'] / 1024:.2f} GiB"
    )
    if record:
        about = {"users": users, "items": items, "factors": FACTORS, "list": LIST, "ratings": A_USER * users}
        write("bulk_lists", {**about, "usable_cores": usable_cores(), "goal_gib": GOAL_GIB, **found})


if __name__ == "__main__":
    main()
