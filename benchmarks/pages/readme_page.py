"""Put the measured figures into the README: between its two marks, from the JSON files in `results/` alone.

python -m benchmarks.tables           # rewrites the README's tables
python -m benchmarks.tables --check   # exit code 1 where they are not what the files say
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

import click

from benchmarks.common.paths import RESULTS, ROOT
from benchmarks.pages.marks import table

START, END = "<!-- figures: python -m benchmarks.tables -->", "<!-- end of figures -->"
NAMES = {
    "bias": "mean + user + item deviation", "i-autorec": "I-AutoRec, k = 500", "u-autorec": "U-AutoRec, k = 500",
    "deep": "deep I-AutoRec 500-250-500", "unseen-users-bias": "mean + user + item deviation",
    "unseen-users-i-autorec": "I-AutoRec, their output units solved for",
    "unseen-users-u-autorec": "U-AutoRec, their rows encoded",
}  # fmt: skip


def load(name: str) -> dict[str, Any] | None:
    """A result file, or None where it has not been made."""
    path = RESULTS / f"{name}.json"
    return json.loads(path.read_text()) if path.exists() else None


Rows = list[dict[str, Any]]


def title(row: dict[str, Any]) -> str:
    """What a row is called in tables."""
    return row.get("title") or NAMES.get(row["row"], row["row"])


def by_league(rows: Rows) -> dict[str, Rows]:
    """Rows by league, in the leagues' order; those that have none rows are left out."""
    from recae.comparison.leagues import LEAGUES

    found = {words: [r for r in rows if r.get("league", "ratings") == key] for key, words in LEAGUES.items()}
    return {words: rows for words, rows in found.items() if rows}


def apart(rows: Rows, head: list[str], line: Callable[[dict[str, Any]], list[str]]) -> str:
    """A table for each league, which the first column's head names; figures of two leagues never share one."""
    leagues = by_league(rows)
    return "\n\n".join(
        table([head[0] + (f": {words}" if len(leagues) > 1 else ""), *head[1:]], [line(row) for row in part])
        for words, part in leagues.items()
    )


def with_interval(row: dict[str, Any]) -> str:
    """A mean and its 95 % interval; a single run has none."""
    return f"{row['rmse']:.4f} ± {row['half_interval']:.4f}" if len(row["fits"]) > 1 else f"{row['rmse']:.4f} (one run)"


def accuracy_1m(result: dict[str, Any]) -> str:
    def line(row: dict[str, Any]) -> list[str]:
        published = f"{row['published']:.3f}" if row["published"] else ""
        few = "" if len(row["fits"]) == 5 or len(row["fits"]) == 1 else f" ({len(row['fits'])} splits)"
        fit = f"{row['seconds']:.0f} s"
        return [title(row), with_interval(row) + few, published, fit, f"{row['peak_mb'] / 1024:.1f} GiB"]

    rows = [row for row in result["rows"] if row["protocol"] == "random-90/10"]
    head = ["MovieLens-1M, five random 90/10 splits", "RMSE (95 % interval)", "published", "fit", "peak memory"]
    return apart(rows, head, line)


def accuracy_100k(result: dict[str, Any]) -> str:
    def fold(row: dict[str, Any]) -> list[str]:
        mean = f"{row['rmse']:.4f}" if len(row["fits"]) == 5 else ""
        return [title(row), f"{row['fits'][0]['rmse']:.4f}", mean]

    folds = [row for row in result["rows"] if row["protocol"] == "folds"]
    unseen = [row for row in result["rows"] if row["protocol"] == "unseen-users"]
    return (
        apart(folds, ["MovieLens-100K, published folds", "RMSE on u1", "mean of u1 to u5"], fold)
        + "\n\n"
        + apart(
            unseen,
            ["MovieLens-100K, 100 users never trained on, 80 % of their ratings shown", "RMSE on the rest"],
            lambda row: [title(row), with_interval(row)],
        )
    )


def speed(result: dict[str, Any]) -> str:
    epoch, fit = result["epoch"], result["fit"]
    first, last = result["sweep"][0], result["sweep"][-1]
    return f"""\
- An epoch of I-AutoRec (k = 500) on MovieLens-1M takes {epoch["sparse_seconds"]:.2f} s, and in plain dense PyTorch
  {epoch["dense_seconds"]:.2f} s: **{epoch["times_faster"]:.1f} times faster**, with {epoch["sparse_peak_mb"]:.0f} MB
  in all instead of {epoch["dense_peak_mb"]:.0f} MB.
- A whole `fit` takes {fit["seconds"]:.1f} s, to a test RMSE of {fit["rmse"]:.4f} (split 0).
- Time follows the ratings, not users x items: from {first["ratings"]:,} ratings ({first["density"]:.1%} filled) to
  {last["ratings"]:,} ({last["density"]:.2%} filled, MovieLens-20M's shape) an epoch goes from
  {first["microseconds_a_rating"]:.2f} to {last["microseconds_a_rating"]:.2f} µs a rating, and from
  {first["nanoseconds_a_cell"]:.1f} to {last["nanoseconds_a_cell"]:.1f} ns a cell of the matrix."""


def store(result: dict[str, Any]) -> str:
    """The largest store that was prepared, and the largest that was trained from."""
    rows = [result["rows"][size] for size in sorted(result["rows"], key=int)]
    made, trained = rows[-1]["prepare"], [row["prepare"] | row["train"] for row in rows if "train" in row]
    text = f"""\
- A store of {made["n_rows"] / 1e6:.0f} million rows, {made["input_gib"]:.1f} GiB of csv, csv.gz and Parquet, is
  prepared by a process that never holds more than {made["peak_gib"]:.1f} GiB."""
    if trained:
        last = trained[-1]
        text += f"""
- From a store of {last["n_ratings"] / 1e6:.0f} million ratings, I-AutoRec (k = 500) trains at
  {last["speed"]["speed"]:.0%} of its speed from memory. Beside weights, gradients and the optimiser it takes
  {last["beyond_model_gib"]:.1f} GiB, libraries included."""
    return text


def figures() -> str:
    """What stands between the marks."""
    about = f"On {_machine()}. Settings were chosen on held-out training data, never on the test part;"
    parts = [f"{about}\n[benchmarks/README.md](benchmarks/README.md) has the protocol and the command of each table."]
    writers: dict[str, Callable[[dict[str, Any]], str]] = {
        "accuracy-ml-1m": accuracy_1m, "accuracy-ml-100k": accuracy_100k, "speed": speed, "store": store,
    }  # fmt: skip
    for name, write in writers.items():
        result = load(name)
        if result is not None:
            parts.append(write(result))
    return "\n\n".join(parts)


def _machine() -> str:
    machine = (load("speed") or load("accuracy-ml-1m") or {"machine": {}})["machine"]
    return f"{machine.get('cores')} cores of an {machine.get('processor')} with {machine.get('memory_gib'):.0f} GiB"


def filled(readme: str) -> str:
    """The README with its figures as the result files have them."""
    return re.sub(
        re.escape(START) + ".*?" + re.escape(END), lambda _: f"{START}\n\n{figures()}\n\n{END}", readme, flags=re.DOTALL
    )


@click.command(help=__doc__)
@click.option("--check", is_flag=True, help="Change nothing; say whether anything would be.")
def main(check: bool) -> None:
    path = ROOT / "README.md"
    before = path.read_text()
    after = filled(before)
    if check and before != after:
        raise click.ClickException(
            "the README's figures are not those of benchmarks/results: python -m benchmarks.tables"
        )
    path.write_text(after)


if __name__ == "__main__":
    main()
