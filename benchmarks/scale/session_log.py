"""A long log of events in a store: cut into sessions on disk, and learnt from in memory that does not grow with it.

\b
    python -m benchmarks.session_log                       # 1 and 5 million events
    python -m benchmarks.session_log --events 20000000

Events are generated in chunks of users into Parquet files, and prepared as a store. Then a process of its own opens it,
cuts sessions, finds where items' vectors start, and takes some steps of `session-rnn` without a hierarchy. The figures
are the peak of its anonymous memory (what is its own, maps of files left out: the system takes these back as it needs
to), less that after its imports; and processor time, each with one thread.
"""

from __future__ import annotations

import json
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click
import numpy as np
import pandas as pd

from benchmarks.common.child_processes import run_module
from benchmarks.common.record import commit, read, write

A_USER = 140  # events, on average, as in MovieLens-20M
ITEMS, GENRES, NEXT = 2000, 20, 0.7  # films; kinds of them; how often a film of the next kind follows
CHUNK = 5000  # users that are generated at once
START, A_SESSION = 1_000_000_000, 10
CHILD = "benchmarks.session_log"


def generate(folder: Path, events: int, seed: int = 0) -> Iterator[Path]:
    """Parquet files of whole users; within a session, kinds of films follow each other in a ring."""
    users = events // A_USER
    for number, first in enumerate(range(0, users, CHUNK)):
        rng = np.random.default_rng([seed, number])
        here = min(CHUNK, users - first)
        lengths = np.maximum(2, rng.poisson(A_USER, here))
        user, n = np.repeat(np.arange(first, first + here), lengths), int(lengths.sum())
        steps = np.where(rng.random(n) < NEXT, 1, rng.integers(0, GENRES, n))
        kind = np.cumsum(steps) % GENRES
        film = (ITEMS // GENRES * rng.random(n) ** 2).astype(np.int64) * GENRES + kind
        pause = np.where(rng.random(n) < 1 / A_SESSION, rng.integers(7200, 10**6, n), rng.integers(20, 300, n))
        passed = np.cumsum(pause)
        begun = np.repeat(passed[np.cumsum(lengths) - lengths], lengths)
        path = folder / f"part-{number:04d}.parquet"
        pd.DataFrame({
            "user": user, "item": film, "rating": rng.integers(1, 6, n).astype(np.float32),
            "timestamp": START + passed - begun,
        }).drop_duplicates(["user", "item"]).to_parquet(path)  # fmt: skip
        yield path


class Peak:
    """The highest anonymous memory of this process in MiB, while it is entered, looked at each 20 ms."""

    def __enter__(self) -> Peak:
        self.first = self.most = anonymous()
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()
        return self

    def _watch(self) -> None:
        while not self._done.wait(0.02):
            self.most = max(self.most, anonymous())

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()
        self.most = max(self.most, anonymous())


def anonymous() -> float:
    """Anonymous resident memory of this process, MiB."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("RssAnon")).split()[1]) / 1024


def measured(work: Callable[[], Any]) -> tuple[dict[str, float], Any]:
    """Memory that a piece of work needs beside what there was, its processor seconds, and what it gives."""
    start = time.process_time()
    with Peak() as peak:
        found = work()
    return {"mib": peak.most - peak.first, "processor_seconds": time.process_time() - start}, found


def learn(store: Path, users: int) -> dict[str, Any]:
    """Open the store, cut it, and take an epoch over a sample of its users' events: figures of each."""
    import torch

    import recae
    from recae.models.sessions.near_items import near_items

    torch.set_num_threads(1)
    small = recae.sessions(recae.load("sample").select(np.arange(80_000) < 4000)).to_ratings()
    recae.SessionRNN(hierarchy="none", epochs=1, device="cpu").fit(small, progress=False)  # libraries and kernels
    opened, ratings = measured(lambda: recae.load(store))
    cut, events = measured(lambda: recae.sessions(ratings))
    near, _ = measured(lambda: near_items(events, 32, 0))
    model: Any = recae.SessionRNN(hierarchy="none", epochs=1, device="cpu", hidden=32, embeddings="random")
    found: dict[str, Any] = {"n_events": events.n_events, "n_sessions": events.n_sessions, "open": opened, "cut": cut,
                             "near": near}  # fmt: skip
    users = min(users, events.n_users)
    model.cut = lambda _: _first_users(events, users)
    fit, _ = measured(lambda: model.fit(ratings, progress=False))
    return {**found, "fit": fit, "fit_users": users, "loss": model.history_.records[-1]["loss"]}


def _first_users(events: Any, users: int) -> Any:
    """All events, mapped as they are, of which those of the first users are learnt from."""
    starts = np.minimum(events.user_starts, events.user_starts[users])
    return type(events)(
        events.ratings, events.items, events.values, events.times, events.session_starts, starts, events.how
    )  # fmt: skip


@click.command(help=__doc__)
@click.option(
    "--events", multiple=True, type=click.IntRange(2 * CHUNK), default=[1_000_000, 5_000_000], show_default=True
)
@click.option(
    "--users",
    default=800,
    type=click.IntRange(8),
    show_default=True,
    help="Whose events an epoch is of; batches are of 8 users.",
)
@click.option("--child", type=click.Path(path_type=Path), hidden=True)
def main(events: tuple[int, ...], users: int, child: Path | None) -> None:
    if child is not None:
        click.echo(json.dumps(learn(child, users)))
        return
    import recae

    rows = [one for one in read("sessions-scale", {"rows": []})["rows"] if one["asked"] not in events]
    for many in events:
        with tempfile.TemporaryDirectory() as folder:
            files, store = Path(folder) / "files", Path(folder) / "store"
            files.mkdir()
            start = time.process_time()
            bytes_ = sum(path.stat().st_size for path in generate(files, many))
            generated = time.process_time() - start
            prepared, _ = measured(lambda: recae.prepare_store(files, store))  # noqa: B023
            found = run_module(CHILD, "--users", users, "--child", store)
        row = {"asked": many, "file_bytes": bytes_, "generate_processor_seconds": generated, "prepare": prepared,
               "commit": commit(), **found}  # fmt: skip
        click.echo(str(row))
        rows.append(row)
        write("sessions-scale", {"rows": sorted(rows, key=lambda one: one["asked"])})


if __name__ == "__main__":
    main()
