"""Processes killed at random moments, and begun again: `make kills KILLS=200 SEED=0`.

Three kinds of work that resume: preparations of a store, trainings with a checkpoint, searches with a study. Each runs
in a forked child that gets SIGKILL after a random part of the time that the whole takes, up to eight times; then it
runs to its end. What it made is compared with that of an uninterrupted run, byte by byte where bytes do not depend on
the clock, and so are the names of the files that are there.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import random
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from safetensors.numpy import load_file

import recae
from benchmarks.common.record import context
from recae.jit import run_serially
from recae.models import make_model
from recae.store import chunks, making

MOST_KILLS = 8  # of one piece of work, which then runs to its end
SECONDS = 300  # within which an end must come
HEADINGS = ("work", "pieces", "kills", "other than uninterrupted", "files left")


@dataclass(frozen=True)
class Work:
    """Work in a folder that, begun again, resumes; and what it has made, to be compared."""

    run: Callable[[Path, Path], None]
    made: Callable[[Path], Any]


def write_inputs(base: Path) -> None:
    rng = random.Random(0)
    for number in range(3):
        numbers = [
            (rng.randrange(50), rng.randrange(80), rng.randrange(1, 6), rng.randrange(10**6)) for _ in range(400)
        ]
        rows = [f"u{user},{item},{rating},{stamp}" for user, item, rating, stamp in numbers]
        (base / f"r{number}.csv").write_text("\n".join(["user,item,rating,timestamp", *rows]) + "\n")


def prepare(base: Path, folder: Path) -> None:
    chunks.CHUNK_BYTES, chunks.PART_ROWS, making.BIN = 2000, 150, 200
    recae.prepare_store(sorted(base.glob("*.csv")), folder / "store", progress=False)


def files_of_store(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (folder / "store").iterdir()}


def toy_ratings() -> recae.RatingMatrix:
    rng = np.random.default_rng(0)
    columns = {"user": rng.integers(0, 60, 2000), "item": rng.integers(0, 50, 2000), "rating": rng.integers(1, 6, 2000)}
    return recae.RatingMatrix.from_frame(pd.DataFrame(columns))


def train(base: Path, folder: Path) -> None:
    parts = recae.split(toy_ratings(), validation=0.1, rng=0)
    model = make_model("i-autorec", hidden=8, epochs=12, batch_size=16, dropout=0.2, ema=0.9, device="cpu", rng=1)
    checkpoint = folder / "checkpoint"
    model.fit(parts.train, parts.validation, checkpoint=checkpoint, checkpoint_seconds=0.0, resume=True, progress=False)
    model.save(folder / "m.recae")
    checkpoint.unlink()


def weights_of(folder: Path) -> dict[str, bytes]:
    return {name: array.tobytes() for name, array in load_file(folder / "m.recae").items()}


def tune(base: Path, folder: Path) -> None:
    model = make_model("i-autorec", hidden=4, epochs=2, device="cpu")
    space = {"l2": (5.0, 100.0, "log"), "lr": (0.001, 0.01, "log")}
    recae.tune(model, toy_ratings(), space, budget=5, study=folder / "study").save(folder / "found.toml")


def trials_of(folder: Path) -> Any:
    found = json.loads((folder / "found.json").read_text())
    return found["value"], found["settings"], [(one["value"], one["settings"]) for one in found["trials"]]


WORK = {
    "preparations": Work(prepare, files_of_store),
    "trainings": Work(train, weights_of),
    "searches": Work(tune, trials_of),
}


def finished(work: Work, base: Path, folder: Path, after: float | None = None) -> bool | None:
    """Run the work in a child, killed `after` so many seconds; None if it was killed, else whether it ended well."""
    child = multiprocessing.get_context("fork").Process(target=_quietly, args=(work, base, folder))
    child.start()
    child.join(SECONDS if after is None else after)
    alive = child.is_alive()
    if alive:
        child.kill()
        child.join()
    return None if alive and after is not None else child.exitcode == 0


def _quietly(work: Work, base: Path, folder: Path) -> None:
    warnings.simplefilter("ignore")
    work.run(base, folder)


def names(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def run(kills: int, seed: int, base: Path) -> Iterator[dict[str, Any]]:
    """For each kind of work: its pieces, its kills, and how many pieces ended otherwise or left a file."""
    write_inputs(base)
    run_serially()  # as forked processes do
    for number, (kind, work) in enumerate(WORK.items()):
        rng, whole = random.Random(f"{kind}/{seed}"), base / f"{kind} whole"
        whole.mkdir()
        work.run(base, whole)  # in this process: children find imported and compiled what it needs
        again = base / f"{kind} timed"
        again.mkdir()
        start = time.monotonic()
        assert finished(work, base, again)
        duration, expected = time.monotonic() - start, work.made(whole)
        counts = {"work": kind, "pieces": 0, "kills": 0, "other": 0, "left": 0}
        wanted = kills // len(WORK) + (number < kills % len(WORK))
        while counts["kills"] < wanted:
            folder = base / f"{kind} {counts['pieces']}"
            folder.mkdir()
            ended: bool | None = None
            for _ in range(min(MOST_KILLS, wanted - counts["kills"])):
                ended = finished(work, base, folder, rng.uniform(0, duration))
                if ended is not None:
                    break
                counts["kills"] += 1
            if ended is None:
                ended = finished(work, base, folder)
            counts["pieces"] += 1
            counts["other"] += not (ended and work.made(folder) == expected)
            counts["left"] += names(folder) != names(whole)
            if counts["other"] or counts["left"]:
                print(f"{kind}, piece {counts['pieces']}: {names(folder)}", file=sys.stderr)
        yield counts


def table(found: list[dict[str, Any]]) -> str:
    """The counts as a Markdown table."""
    rows = [[str(one[key]) for key in ("work", "pieces", "kills", "other", "left")] for one in found]
    return "\n".join(f"| {' | '.join(row)} |" for row in [HEADINGS, ["---"] * len(HEADINGS), *rows])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--kills", type=int, default=200, help="over all kinds of work (default 200)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, help="write the counts to this JSON file")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="kills-") as folder:
        found = list(run(given.kills, given.seed, Path(folder)))
    if given.out:
        figures = {**context(), "seed": given.seed, "work": found}
        given.out.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
    print(table(found))
    return int(any(one["other"] or one["left"] for one in found))


if __name__ == "__main__":
    sys.exit(main())
