"""Accuracy tables: published figures, reproduced and beaten, with settings chosen on held-out training data.

    python -m benchmarks.accuracy ml-1m                 # five random 90/10 splits
    python -m benchmarks.accuracy ml-100k               # the u1 split, the five folds, and unseen users
    python -m benchmarks.accuracy ml-1m --row deep      # one row

Settings stand in `benchmarks/configs/`, written by hand from what `python -m benchmarks.choose` found on train, or in a
file of `recae tune` that a row names (`settings = "tuned/NAME.toml"`). Every fit runs in a process of its own, so that
its time and its peak memory are its own. Results are written as they come; rows may run side by side.

A row belongs to a league: ratings only, side information, dates, blends; the tables keep them apart.
"""

from __future__ import annotations

import fcntl
import json
import subprocess
import sys
import tempfile
import time
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
import numpy as np
from scipy import stats

from benchmarks.accuracy.saved_predictions import blended, keep, kept
from benchmarks.common.paths import CONFIGS, RESULTS
from benchmarks.common.record import peak_mb, write

FOLDS = ("u1", "u2", "u3", "u4", "u5")


def config(dataset: str) -> dict[str, dict[str, Any]]:
    """Rows of a table: name to {model, params, published, protocol}."""
    return tomllib.loads((CONFIGS / f"{dataset}.toml").read_text())


def parts(dataset: str, protocol: str, seed: int) -> tuple[Any, Any, Any]:
    """Train, test, and for unseen users the ratings they reveal."""
    import recae
    from recae.loaders import load_fold

    if protocol == "random-90/10":
        split = recae.split(recae.load(dataset), "random", test=0.1, rng=seed)
        return split.train, split.test, None
    if protocol == "folds":
        train, test = load_fold(dataset, FOLDS[seed])
        return train, test, None
    split = recae.split(recae.load(dataset), "held-out-users", test=100, fold_in=0.8, rng=seed)
    return split.train, split.test, split.test_input


def one_fit(dataset: str, row: dict[str, Any], seed: int, name: str | None = None) -> dict[str, Any]:
    """One fit and its figures on the test part; with a name, its predictions are kept."""
    train, test, revealed = parts(dataset, row.get("protocol", "random-90/10"), seed)
    members = [kept(f"{dataset}-{member}-{seed}", rows_of(dataset)[member]) for member in row.get("of", ())]
    sizes = {"seed": seed, "n_train": train.n_ratings, "n_test": test.n_ratings}
    if members and "weights" in row and all(member is not None for member in members):
        return {**sizes, **blended(members, row["weights"], train, test)}
    model = model_of(row, dataset)
    if "rng" in model.get_params():
        model.set_params(rng=seed)
    start = time.perf_counter()
    model.fit(train, progress=False)
    seconds = time.perf_counter() - start
    users, items, ratings = test.pairs()
    if revealed is None:
        dates = {"timestamps": test.timestamps} if model.reads_dates else {}
        predicted = model.predict_pairs(users, items, **dates)
    else:
        predicted = model.predict_pairs_new(revealed.user_rows, users, items)
    error = predicted.astype(np.float64) - ratings
    found = {
        **sizes, "rmse": float(np.sqrt(np.mean(error**2))), "mae": float(np.abs(error).mean()), "seconds": seconds,
        "peak_mb": peak_mb(), **learned_weights(model),
    }  # fmt: skip
    if name is not None and revealed is None and not model.reads_dates:
        keep(f"{dataset}-{name}-{seed}", row, model, test, found)
    return found


def model_of(row: dict[str, Any], dataset: str | None = None) -> Any:
    """The row's model with its settings, nothing learnt: from `settings`, a file, and `params`, which go over it.

    A blend of rows names them (`of`), and may give a weight for each (`weights`).
    """
    import recae
    from recae.settings import read_settings

    if "of" in row:
        assert dataset is not None
        members = tuple(model_of(rows_of(dataset)[name], dataset) for name in row["of"])
        return recae.Blend(members=members, weights=tupled(row.get("weights", "stacked")))
    name, params = row["model"], {}
    if "settings" in row:
        name, params = read_settings(CONFIGS / row["settings"])
    return recae.make_model(name, **{**params, **{k: tupled(v) for k, v in row.get("params", {}).items()}})


def rows_of(dataset: str) -> dict[str, dict[str, Any]]:
    """The rows that a blend may name."""
    return config(dataset)


def tupled(value: Any) -> Any:
    """TOML's lists as the models' tuples."""
    return tuple(tupled(v) for v in value) if isinstance(value, list) else value


def league_of(row: dict[str, Any]) -> str:
    """The league that the row, or else its model, says it is in."""
    from recae.comparison.leagues import league_of as league_of_model

    if "of" in row:
        return "blends"
    return row.get("league") or league_of_model(model_of(row))


def learned_weights(model: Any) -> dict[str, Any]:
    """What a blend has chosen, and its members' RMSE out of sample, for the record."""
    if getattr(model, "weights_", None) is None:
        return {}
    rmse = model.member_rmse_
    return {"weights": model.weights_.tolist(), "member_rmse": None if rmse is None else rmse.tolist()}


def summary(name: str, row: dict[str, Any], fits: list[dict[str, Any]]) -> dict[str, Any]:
    """Mean, 95 % interval over seeds (Student's t), time and memory."""
    rmse = np.array([fit["rmse"] for fit in fits])
    half = float(stats.t.ppf(0.975, len(rmse) - 1) * rmse.std(ddof=1) / np.sqrt(len(rmse))) if len(rmse) > 1 else 0.0
    keys = ("model", "params", "settings", "of", "weights", "chosen", "published", "bar", "title", "note")
    about = {key: row.get(key) for key in keys}
    return {
        "row": name, **about, "league": league_of(row), "protocol": row.get("protocol", "random-90/10"),
        "rmse": float(rmse.mean()), "half_interval": half, "mae": float(np.mean([fit["mae"] for fit in fits])),
        "seconds": float(np.median([f["seconds"] for f in fits])), "peak_mb": float(max(f["peak_mb"] for f in fits)),
        "fits": fits,
    }  # fmt: skip


def show(row: dict[str, Any]) -> str:
    """One line of the table."""
    bar = f"bar {row['bar']:.4f}" if row["bar"] else ""
    published = f"published {row['published']:.4f}" if row["published"] else ""
    return (
        f"{row['row']:<22} RMSE {row['rmse']:.4f} ± {row['half_interval']:.4f}  MAE {row['mae']:.4f}  "
        f"{row['seconds']:6.1f} s  {row['peak_mb']:6.0f} MB  {published}  {bar}"
    )


def run_row(
    dataset: str, name: str, row: dict[str, Any], seeds: int, have: dict[int, dict[str, Any]] | None = None
) -> dict[str, Any]:  # fmt: skip
    """All seeds (or folds) of a row, each in its own process, but for those that there are already."""
    fits = []
    for seed in range(min(seeds, row.get("runs", seeds))):
        if have and seed in have:
            fits.append(have[seed])
            continue
        command = [sys.executable, "-m", "benchmarks.accuracy", dataset, "--row", name, "--seed", str(seed)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise click.ClickException(done.stderr.strip())
        fits.append(json.loads(done.stdout.splitlines()[-1]))
        click.echo(f"  {name} run {seed + 1}: RMSE {fits[-1]['rmse']:.4f} in {fits[-1]['seconds']:.1f} s", err=True)
    return summary(name, row, fits)


@click.command(help=__doc__)
@click.argument("dataset", type=click.Choice(["ml-1m", "ml-100k"]))
@click.option("--row", "only", help="One row of the table.")
@click.option("--seeds", default=5, show_default=True, help="Splits, or folds.")
@click.option("--missing", is_flag=True, help="Only the splits that the table lacks, of rows with the same settings.")
@click.option("--seed", type=int, hidden=True)
def main(dataset: str, only: str | None, seeds: int, missing: bool, seed: int | None) -> None:
    rows = config(dataset)
    if only is not None and only not in rows:
        raise click.BadParameter(f"{only!r}: choose one of {', '.join(rows)}", param_hint="--row")
    if seed is not None and only is not None:
        click.echo(json.dumps(one_fit(dataset, rows[only], seed, only)))
        return
    for name in rows if only is None else [only]:
        have = fits_of(previous(dataset).get(name), rows[name]) if missing else None
        found = run_row(dataset, name, rows[name], seeds, have)
        click.echo(show(found))
        with alone(dataset):  # other rows may be running in other processes
            kept = {**previous(dataset), name: found}
            write(f"accuracy-{dataset}", {"rows": [kept[key] for key in config(dataset) if key in kept]})


def fits_of(found: dict[str, Any] | None, row: dict[str, Any]) -> dict[int, dict[str, Any]]:
    """The fits of a row of the table by seed, where they were made with the settings that `row` has now."""
    same = ("model", "params", "settings", "of", "weights")
    if found is None or any(found.get(key) != row.get(key) for key in same):
        return {}
    return {fit["seed"]: fit for fit in found["fits"]}


@contextmanager
def alone(dataset: str) -> Iterator[None]:
    """Within, no other process writes this table."""
    with open(Path(tempfile.gettempdir()) / f"recae-accuracy-{dataset}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def previous(dataset: str) -> dict[str, Any]:
    """Rows of the last table, by name."""
    path = RESULTS / f"accuracy-{dataset}.json"
    if not path.exists():
        return {}
    content = json.loads(path.read_text())
    return {row["row"]: row for row in content.get("rows", [])}


if __name__ == "__main__":
    main()
