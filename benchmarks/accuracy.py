"""Accuracy tables: published figures, reproduced and beaten, with settings chosen on held-out training data.

    python -m benchmarks.accuracy ml-1m                 # five random 90/10 splits
    python -m benchmarks.accuracy ml-100k               # the u1 split, the five folds, and unseen users
    python -m benchmarks.accuracy ml-1m --row deep      # one row

Settings stand in `benchmarks/configs/`, written by hand from what `python -m benchmarks.choose` found on train. Every
fit runs in a process of its own, so that its time and its peak memory are its own. Results are written as they come.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
import tomllib
from pathlib import Path
from typing import Any

import click
import numpy as np
from scipy import stats

from benchmarks._record import peak_mb, write

CONFIGS = Path(__file__).parent / "configs"
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


def one_fit(dataset: str, row: dict[str, Any], seed: int) -> dict[str, Any]:
    """One fit and its figures on the test part."""
    import recae

    train, test, revealed = parts(dataset, row.get("protocol", "random-90/10"), seed)
    params = {key: tuple(v) if isinstance(v, list) else v for key, v in row.get("params", {}).items()}
    model = recae.make_model(row["model"], **params)
    if "rng" in model.get_params():
        model.set_params(rng=seed)
    start = time.perf_counter()
    model.fit(train, progress=False)
    seconds = time.perf_counter() - start
    users, items, ratings = test.pairs()
    if revealed is None:
        predicted = model.predict_pairs(users, items)
    else:
        predicted = model.predict_pairs_new(revealed.user_rows, users, items)
    error = predicted.astype(np.float64) - ratings
    return {
        "seed": seed, "rmse": float(np.sqrt(np.mean(error**2))), "mae": float(np.abs(error).mean()), "seconds": seconds,
        "peak_mb": peak_mb(), "n_train": train.n_ratings,
        "n_test": test.n_ratings,
    }  # fmt: skip


def summary(name: str, row: dict[str, Any], fits: list[dict[str, Any]]) -> dict[str, Any]:
    """Mean, 95 % interval over seeds (Student's t), time and memory."""
    rmse = np.array([fit["rmse"] for fit in fits])
    half = float(stats.t.ppf(0.975, len(rmse) - 1) * rmse.std(ddof=1) / np.sqrt(len(rmse))) if len(rmse) > 1 else 0.0
    about = {key: row.get(key) for key in ("model", "params", "chosen", "published", "bar")}
    return {
        "row": name, **about, "protocol": row.get("protocol", "random-90/10"),
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


def run_row(dataset: str, name: str, row: dict[str, Any], seeds: int) -> dict[str, Any]:
    """All seeds (or folds) of a row, each in its own process."""
    fits = []
    for seed in range(min(seeds, row.get("runs", seeds))):
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
@click.option("--seed", type=int, hidden=True)
def main(dataset: str, only: str | None, seeds: int, seed: int | None) -> None:
    rows = config(dataset)
    if only is not None and only not in rows:
        raise click.BadParameter(f"{only!r}: choose one of {', '.join(rows)}", param_hint="--row")
    if seed is not None and only is not None:
        click.echo(json.dumps(one_fit(dataset, rows[only], seed)))
        return
    kept = {} if only is None else previous(dataset)
    for name in rows if only is None else [only]:
        kept[name] = run_row(dataset, name, rows[name], seeds)
        click.echo(show(kept[name]))
        write(f"accuracy-{dataset}", {"rows": [kept[key] for key in rows if key in kept]})


def previous(dataset: str) -> dict[str, Any]:
    """Rows of the last table, by name."""
    path = Path(__file__).parent / "results" / f"accuracy-{dataset}.json"
    if not path.exists():
        return {}
    content = json.loads(path.read_text())
    return {row["row"]: row for row in content.get("rows", [])}


if __name__ == "__main__":
    main()
