"""Seconds from a file to a `RatingMatrix`, beside those of `pandas.read_csv` on the same file.

python -m benchmarks.loading                    # 20 million rows, as MovieLens-20M, in order and shuffled
python -m benchmarks.loading --rows 1000000     # quicker

The file has MovieLens-20M's columns and proportions (fewer users and items where fewer rows are asked for). Both
readers run alternately in one process, so that both meet the same load of the machine; the figures are medians. pandas
is asked for typed columns by its C engine. The goal is a ratio of at most 2.5, and at most 0.3 s for MovieLens-1M.
"""

from __future__ import annotations

import argparse
import gc
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd

from benchmarks.common.rating_files import COLUMN_TYPES, write_csv
from benchmarks.common.record import peak_mb, write
from recae.errors import RecaeError
from recae.loaders import load

GOAL_RATIO, GOAL_ML_1M = 2.5, 0.3


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=20_000_000, help="rows of the file (default: 20,000,000)")
    parser.add_argument("--repeats", type=int, default=5, help="runs of each reader; the median counts (default: 5)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--data-dir", help="the folder that has ml-1m; left out where there is no copy")
    arguments = parser.parse_args()
    results = [movielens_1m(arguments.data_dir, arguments.repeats)]
    with tempfile.TemporaryDirectory() as folder:
        for order in ("by user and item", "shuffled"):
            path = Path(folder) / "ratings.csv"
            write_csv(path, arguments.rows, order, arguments.seed)
            results.append(csv_file(path, order, arguments.repeats))
    results = [row for row in results if row]
    columns = ["what", "rows", "load_s", "pandas_s", "ratio", "peak_gib"]
    print(pd.DataFrame(results).reindex(columns=columns).round(2).to_string(index=False, na_rep=""))
    payload = {"seed": arguments.seed, "rows": arguments.rows, "repeats": arguments.repeats, "results": results}
    print(write("loading", payload))


def movielens_1m(data_dir: str | None, repeats: int) -> dict[str, Any]:
    """MovieLens-1M with its tables of films and users; empty where there is no copy."""
    try:
        load("ml-1m", data_dir=data_dir, download=False)
    except RecaeError:
        return {}
    seconds = [timed(lambda: load("ml-1m", data_dir=data_dir, download=False)) for _ in range(repeats)]
    return {"what": "ml-1m", "rows": 1_000_209, "load_s": statistics.median(seconds), "goal_s": GOAL_ML_1M}


def csv_file(path: Path, order: str, repeats: int) -> dict[str, Any]:
    """The two readers, alternately, after one unmeasured run of each."""
    readers: dict[str, Callable[[], Any]] = {
        "pandas": lambda: pd.read_csv(path, dtype=COLUMN_TYPES, engine="c"),
        "load": lambda: load(path),
    }
    seconds: dict[str, list[float]] = {name: [] for name in readers}
    for turn in range(repeats + 1):
        for name, read in readers.items():
            took = timed(read)
            if turn:
                seconds[name].append(took)
    ours, theirs = statistics.median(seconds["load"]), statistics.median(seconds["pandas"])
    return {
        "what": f"csv, {order}", "rows": sum(1 for _ in path.open("rb")) - 1, "load_s": ours, "pandas_s": theirs,
        "ratio": ours / theirs, "goal_ratio": GOAL_RATIO,
        "all_load_s": seconds["load"], "all_pandas_s": seconds["pandas"],
        "peak_gib": peak_mb() / 1024,
    }  # fmt: skip


def timed(action: Callable[[], Any]) -> float:
    """Seconds of one run, without the time to collect garbage or to free the result."""
    gc.collect()
    start = time.perf_counter()
    result = action()
    seconds = time.perf_counter() - start
    del result
    return seconds


if __name__ == "__main__":
    main()
