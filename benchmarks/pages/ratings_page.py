"""The tables of docs/ratings.md: accuracy results, logs of `benchmarks.choose`, and logs of `recae tune`."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from benchmarks.accuracy.cold import SETS
from benchmarks.common.markdown import gibibytes, table
from benchmarks.common.options import read_config
from benchmarks.common.paths import CONFIGS, DOCS
from benchmarks.common.record import read
from benchmarks.pages.accuracy_tables import SPLITS, Row, league_tables, rmse_with_interval, title

PAGE = DOCS / "ratings.md"
HEAD = ["model", "RMSE (95 % interval)", "MAE", "fit", "memory", "command"]
Result = dict[str, Any]


def parts() -> dict[str, str]:
    """The page's parts by name."""
    one, hundred = read("accuracy-ml-1m"), read("accuracy-ml-100k")
    return {
        "ml-1m": ml_1m(one), "ml-100k": ml_100k(hundred), "others-ml-1m": others(one, "ml-1m"),
        "others-ml-100k": others(hundred, "ml-100k"), "cold": cold({name: read(f"cold-{name}") for name in SETS}),
        "picked": picked(read("picked_epoch")),
        "ablations": ablations(), "searches": searches(),
    }  # fmt: skip


# ---------------------------------------------------------------- accuracy


def picked(found: Result) -> str:
    """What GLocal-K's row would be if the epoch were picked by the test part."""
    gain = found["chosen"] - found["lowest"]
    return (
        f"With the settings of its row GLocal-K has {found['chosen']:.4f} on {found['fold']} after "
        f"{found['chosen_epoch']} epochs under the convolution, a number that was chosen on train. The lowest error "
        f"after 1 to {len(found['rmse_after_epoch'])} epochs is {found['lowest']:.4f} (after {found['lowest_epoch']}): "
        f"picking it by the test part would be worth {gain:.4f} of the {found['chosen'] - found['published']:.4f} to "
        f"the published {found['published']:.4f}. It knows the test ratings, and stands in no table."
    )


def ml_1m(result: Result) -> str:
    """MovieLens-1M: a table for each league, its best row first."""
    rows = [row for row in result["rows"] if row["protocol"] == "random-90/10"]
    return league_tables(_by_rmse(rows), HEAD, _cells("ml-1m"))


def ml_100k(result: Result) -> str:
    """MovieLens-100K: u1, and the mean of u1 to u5."""

    def line(row: Row) -> list[str]:
        first = next((fit for fit in row["fits"] if fit["seed"] == 0), None)
        mean = f"{row['rmse']:.4f}" if len(row["fits"]) == SPLITS else ""
        return [
            title(row), f"{first['rmse']:.4f}" if first else "", f"{first['mae']:.4f}" if first else "", mean,
            f"{row['seconds']:.0f} s", gibibytes(row["peak_mb"]), command("ml-100k", row),
        ]  # fmt: skip

    rows = sorted((r for r in result["rows"] if r["protocol"] == "folds"), key=lambda row: row["fits"][0]["rmse"])
    return league_tables(
        rows, ["model", "RMSE on u1", "MAE on u1", "mean of u1 to u5", "fit", "memory", "command"], line
    )


def others(result: Result, dataset: str) -> str:
    """list[Row] of further protocols, such as users or items that were never trained on."""
    found = [row for row in result["rows"] if row["protocol"] not in ("random-90/10", "folds")]
    parts = []
    for protocol in dict.fromkeys(row["protocol"] for row in found):
        rows = _by_rmse([row for row in found if row["protocol"] == protocol])
        parts.append(f"*{protocol}*:\n\n" + league_tables(rows, HEAD, _cells(dataset)))
    return "\n\n".join(parts)


def cold(results: dict[str, Result]) -> str:
    """Users and items without a single training rating (`python -m benchmarks.cold`): RMSE by what is cold."""
    lines = [[name, row["row"], *_beside_biases(row)] for name, result in results.items() for row in result["rows"]]
    return table(["data", "model", *results["ml-100k"]["rows"][0]["rmse"]], lines)


def _beside_biases(row: Row) -> list[str]:
    """RMSE of each part, and the difference from the biases."""
    cells = []
    for part, found in row["rmse"].items():
        apart, error = row["less the biases"][part]
        cells.append(f"{found:.4f}" + (f" ({apart:+.4f} ± {error:.4f})" if apart or error else ""))
    return cells


def _cells(dataset: str) -> Callable[[Row], list[str]]:
    def cells(row: Row) -> list[str]:
        return [
            title(row), rmse_with_interval(row), f"{row['mae']:.4f}", f"{row['seconds']:.0f} s",
            gibibytes(row["peak_mb"]), command(dataset, row),
        ]  # fmt: skip

    return cells


def command(dataset: str, row: Row) -> str:
    """What makes the row again; without it being in the settings any more, nothing does."""
    known = row["row"] in read_config(dataset)
    return f"`python -m benchmarks.accuracy {dataset} --row {row['row']}`" if known else ""


def _by_rmse(rows: list[Row]) -> list[Row]:
    return sorted(rows, key=lambda row: row["rmse"])


# ---------------------------------------------------------------- what helped and what did not


def ablations() -> str:
    """Every candidate that `benchmarks.choose` measured beside the settings it varied, on held-out training data."""
    parts = []
    for dataset in ("ml-1m", "ml-100k"):
        for name, row in read_config(dataset).items():
            log = read(f"choose-{dataset}-{name}", {}).get("log", [])
            lines = _changes(log, row.get("params", {}))
            if lines:
                head = [f"{dataset}, `{name}`: what was changed", "validation RMSE", "difference", "fit"]
                parts.append(table(head, lines))
    return "\n\n".join(parts)


def _changes(log: list[Row], base: dict[str, Any]) -> list[list[str]]:
    """The base first, then one line a candidate, the most harmful change last; empty without the base in the log."""
    start = next((entry for entry in log if entry["settings"] == base), None)
    if start is None:
        return []
    lines = [["as in the table", _figure(start["validation_rmse"]), "", _seconds(start)]]
    rest = [entry for entry in log if entry is not start and entry["validation_rmse"] is not None]
    for entry in sorted(rest, key=lambda entry: entry["validation_rmse"]):
        difference = entry["validation_rmse"] - start["validation_rmse"]
        lines.append(
            [_words(entry["settings"], base), _figure(entry["validation_rmse"]), f"{difference:+.4f}", _seconds(entry)]
        )
    return lines


def _words(settings: dict[str, Any], base: dict[str, Any]) -> str:
    """What differs: `noise` 0.2 instead of 0."""
    names = [key for key in {**base, **settings} if settings.get(key) != base.get(key)]
    return "; ".join(
        f"`{key}` {_value(settings.get(key))}" + (f" instead of {_value(base[key])}" if key in base else "")
        for key in names
    )


def _value(value: Any) -> str:
    if isinstance(value, list):
        return "-".join(map(_value, value))
    return "default" if value is None else f"{value:g}" if isinstance(value, float) else str(value)


def _figure(value: float | None) -> str:
    return "" if value is None else f"{value:.4f}"


def _seconds(entry: Row) -> str:
    return f"{entry['seconds']:.0f} s" if entry.get("seconds") else ""


def searches() -> str:
    """Searches of `recae tune`, whose logs stand beside the settings they found."""
    rows = []
    for path in sorted((CONFIGS / "tuned").glob("*.json")):
        log = json.loads(path.read_text())
        settings = ", ".join(f"{key} {_value(value)}" for key, value in log["settings"].items())
        ended = sum(trial["value"] is not None for trial in log["trials"])
        size = f"{log['n_train']:,} / {log['n_validation']:,}"
        rows.append(
            [f"`{path.with_suffix('.toml').name}`", log["model"], f"{len(log['trials'])} ({ended} to the end)", size,
             f"{log['seconds']:.0f} s", f"{log['metric']} {log['value']:.4f}", settings]
        )  # fmt: skip
    head = ["settings", "model", "trials", "learnt from / measured on", "time", "best on validation", "found"]
    return table(head, rows)
