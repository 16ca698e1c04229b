"""All top-N models on MovieLens-1M with hidden users: the table of docs/topn.md.

\b
    python -m benchmarks.topn measure [--only ease,mult-vae]   # each model once (stochastic ones: five seeds)

Ratings of 4 and 5 are liked; users with 5 of them; 1,000 users to choose settings on and 1,000 to test on, who show
80 % of what they like (Liang et al. 2018). configs/topn-ml-1m.toml has the settings, chosen on the validation users by
a small budget a model: `python -m benchmarks.linear_vs_mf ml-1m --only ranking` and
`python -m benchmarks.choose_topn`. Models that learn by epochs are stopped by the validation users. The split is one
and the same for all seeds.
"""

from __future__ import annotations

import json
import statistics
import time
import tomllib
from typing import Any

import click
import pandas as pd

import recae
from benchmarks.common.paths import CONFIGS
from benchmarks.common.record import RESULTS, peak_mb, some_of, write
from recae.comparison import paired_test
from recae.models import Recommender, make_model
from recae.splitting import Split

CONFIG = CONFIGS / "topn-ml-1m.toml"
METRICS = ("ndcg@100", "recall@20", "recall@50", "coverage@20")
SEEDS = 5
Row = dict[str, Any]


def load(held_out: int = 1000) -> Split:
    liked = recae.load("ml-1m").binarize(4).filter(min_user=5)
    return recae.split(liked, "held-out-users", test=held_out, validation=held_out, rng=0)


def fitted(model: Recommender, parts: Split) -> Recommender:
    """Fitted on train; by epochs, stopped by the validation users."""
    if not model.iterative:
        return model.fit(parts.train, progress=False)
    return model.fit(parts.train, parts.validation, validation_input=parts.validation_input, progress=False)


def measured(name: str, settings: Row, parts: Split, seeds: int = SEEDS) -> tuple[Row, pd.Series]:
    """Figures of one model, mean over seeds, and NDCG@100 of each user, mean over seeds."""
    settings = {key: None if value == "none" else value for key, value in settings.items()}  # TOML has no null
    kind = settings.pop("model", name)
    stochastic = "rng" in make_model(kind).get_params()
    runs: list[Row] = []
    users: list[pd.Series] = []
    for seed in range(seeds if stochastic else 1):
        model = make_model(kind, **settings, **({"rng": seed} if stochastic else {}))
        start = time.perf_counter()
        fitted(model, parts)
        seconds = time.perf_counter() - start
        report = recae.evaluate(model, parts, METRICS)
        runs.append({**{metric: report[metric] for metric in METRICS}, "seed": seed, "fit_seconds": seconds})
        users.append(report.per_user[METRICS[0]])
    per_user = pd.concat(users, axis=1).mean(axis=1)
    row: Row = {"name": name, "model": kind, "settings": settings}
    row |= {metric: statistics.fmean(run[metric] for run in runs) for metric in METRICS}
    row["standard_error"] = float(per_user.sem())  # over users
    row["seed_deviation"] = statistics.stdev(run[METRICS[0]] for run in runs) if len(runs) > 1 else None
    row |= {"fit_seconds": statistics.median(run["fit_seconds"] for run in runs), "peak_mb": peak_mb(), "runs": runs}
    return row | {"per_user": [round(float(x), 5) for x in per_user]}, per_user


@click.group(help=__doc__)
def main() -> None:
    pass


@main.command()
@click.option("--only", default="", help="Some of the models of configs/topn-ml-1m.toml.")
@click.option("--seeds", default=SEEDS, show_default=True)
def measure(only: str, seeds: int) -> None:
    """Fit with the chosen settings, measure on the test users; the result file is written after each model."""
    chosen, parts = tomllib.loads(CONFIG.read_text()), load()
    for name in some_of(chosen, only):
        row, _ = measured(name, chosen[name], parts, seeds)
        click.echo(f"{name}: NDCG@100 {row['ndcg@100']:.4f} ± {row['standard_error']:.4f}, "
                   f"Recall@20 {row['recall@20']:.4f}, fit {row['fit_seconds']:.1f} s")  # fmt: skip
        rows = [other for other in previous() if other["name"] != name]  # read late: others may be writing too
        write("topn-ml-1m", {"data": repr(parts), "split_seed": 0, "rows": ordered([*rows, row])})


def previous() -> list[Row]:
    """Rows of the last table."""
    file = RESULTS / "topn-ml-1m.json"
    return json.loads(file.read_text())["rows"] if file.is_file() else []


def ordered(rows: list[Row]) -> list[Row]:
    """Best first, each with what the best is better by (paired t-test over users, not corrected)."""
    rows = sorted(rows, key=lambda row: -row[METRICS[0]])
    best = pd.Series(rows[0]["per_user"])
    for row in rows:
        row["better_by"] = paired_test(best, pd.Series(row["per_user"])) if row is not rows[0] else {}
    return rows


if __name__ == "__main__":
    main()
