"""The measured figures of docs/results/figures.md, in full."""

from __future__ import annotations

from typing import Any

from benchmarks.common.markdown import gibibytes
from benchmarks.common.paths import DOCS
from benchmarks.common.record import read
from benchmarks.pages.accuracy_tables import SPLITS, Row, league_tables, rmse_with_interval, title

PAGE = DOCS / "results" / "figures.md"
Result = dict[str, Any]


def parts() -> dict[str, str]:
    """The page's parts by name."""
    speed = read("speed")
    figures = [
        about(speed), accuracy_1m(read("accuracy-ml-1m")), accuracy_100k(read("accuracy-ml-100k")), epochs(speed),
        store(read("store")),
    ]  # fmt: skip
    return {"figures": "\n\n".join(figures)}


def about(result: Result) -> str:
    """The machine, and where the protocol is described."""
    machine = result["machine"]
    return (
        f"On {machine['cores']} cores of an {machine['processor']} with {machine['memory_gib']:.0f} GiB. Settings were "
        "chosen on held-out training data, never on the test part;\n[benchmarks/README.md](../../benchmarks/README.md) "
        "has the protocol and the command of each table."
    )


def accuracy_1m(result: Result) -> str:
    """RMSE on MovieLens-1M."""

    def cells(row: Row) -> list[str]:
        published = f"{row['published']:.3f}" if row["published"] else ""
        fit = f"{row['seconds']:.0f} s"
        return [title(row), rmse_with_interval(row), published, fit, gibibytes(row["peak_mb"])]

    rows = [row for row in result["rows"] if row["protocol"] == "random-90/10"]
    head = ["MovieLens-1M, five random 90/10 splits", "RMSE (95 % interval)", "published", "fit", "peak memory"]
    return league_tables(rows, head, cells)


def accuracy_100k(result: Result) -> str:
    """RMSE on MovieLens-100K: the published folds, and users that were never trained on."""

    def fold(row: Row) -> list[str]:
        mean = f"{row['rmse']:.4f}" if len(row["fits"]) == SPLITS else ""
        return [title(row), f"{row['fits'][0]['rmse']:.4f}", mean]

    folds = [row for row in result["rows"] if row["protocol"] == "folds"]
    unseen = [row for row in result["rows"] if row["protocol"] == "unseen-users"]
    unseen_head = ["MovieLens-100K, 100 users never trained on, 80 % of their ratings shown", "RMSE on the rest"]
    return "\n\n".join([
        league_tables(folds, ["MovieLens-100K, published folds", "RMSE on u1", "mean of u1 to u5"], fold),
        league_tables(unseen, unseen_head, lambda row: [title(row), rmse_with_interval(row)]),
    ])  # fmt: skip


def epochs(result: Result) -> str:
    """Seconds of an epoch and of a fit, and how they grow with the ratings."""
    epoch, fit = result["epoch"], result["fit"]
    later = result.get("alone", {}).get("fit")  # measured by itself since
    where = f", on an {later['machine']['processor']}" if later else ""
    first, last = result["sweep"][0], result["sweep"][-1]
    return f"""\
- An epoch of I-AutoRec (k = 500) on MovieLens-1M takes {epoch["sparse_seconds"]:.2f} s, and in plain dense PyTorch
  {epoch["dense_seconds"]:.2f} s: **{epoch["times_faster"]:.1f} times faster**, with {epoch["sparse_peak_mb"]:.0f} MB
  in all instead of {epoch["dense_peak_mb"]:.0f} MB.
- A whole `fit` takes {fit["seconds"]:.1f} s, to a test RMSE of {fit["rmse"]:.4f} (split 0{where}).
- Time follows the ratings, not users x items: from {first["ratings"]:,} ratings ({first["density"]:.1%} filled) to
  {last["ratings"]:,} ({last["density"]:.2%} filled, MovieLens-20M's shape) an epoch goes from
  {first["microseconds_a_rating"]:.2f} to {last["microseconds_a_rating"]:.2f} µs a rating, and from
  {first["nanoseconds_a_cell"]:.1f} to {last["nanoseconds_a_cell"]:.1f} ns a cell of the matrix."""


def store(result: Result) -> str:
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
