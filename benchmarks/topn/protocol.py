"""Top-N models on hidden users of MovieLens-1M: the split, the fit, and the figures of one model.

Ratings of 4 and 5 are liked; users with 5 of them; 1,000 users to choose settings on and 1,000 to test on, who show
80 % of what they like (Liang et al. 2018). Models that learn in epochs are stopped by the validation users. The split
is the same for all seeds.
"""

from __future__ import annotations

import statistics
from functools import partial
from typing import Any

import pandas as pd
from scipy import stats

import recae
from benchmarks.common.record import peak_mb
from benchmarks.common.timing import timed
from recae.comparison import paired_test
from recae.models import Recommender, make_model
from recae.splitting import Split

METRICS = ("ndcg@100", "recall@20", "recall@50", "coverage@20")
SEEDS = 5
Row = dict[str, Any]


def hidden_users(held_out: int = 1000) -> Split:
    """MovieLens-1M's likes, with `held_out` validation users and as many test users."""
    liked = recae.load("ml-1m").binarize(4).filter(min_user=5)
    return recae.split(liked, "held-out-users", test=held_out, validation=held_out, rng=0)


def fitted(model: Recommender, parts: Split, progress: bool = False) -> Recommender:
    """`model` fitted on train; one that learns in epochs is stopped by the validation users."""
    if not model.iterative:
        return model.fit(parts.train, progress=progress)
    return model.fit(parts.train, parts.validation, validation_input=parts.validation_input, progress=progress)


def measured(name: str, settings: Row, parts: Split, seeds: int = SEEDS) -> Row:
    """Figures of one model, mean over seeds; `per_user` is NDCG@100 of each test user, mean over seeds."""
    settings = {key: None if value == "none" else value for key, value in settings.items()}  # TOML has no null
    kind = settings.pop("model", name)
    stochastic = "rng" in make_model(kind).get_params()
    runs: list[Row] = []
    users: list[pd.Series] = []
    for seed in range(seeds if stochastic else 1):
        model = make_model(kind, **settings, **({"rng": seed} if stochastic else {}))
        seconds, _ = timed(partial(fitted, model, parts))
        report = recae.evaluate(model, parts, METRICS)
        runs.append({**{metric: report[metric] for metric in METRICS}, "seed": seed, "fit_seconds": seconds})
        users.append(report.per_user[METRICS[0]])
    per_user = pd.concat(users, axis=1).mean(axis=1)
    row: Row = {"name": name, "model": kind, "settings": settings}
    row |= {metric: statistics.fmean(run[metric] for run in runs) for metric in METRICS}
    row["standard_error"] = float(stats.sem(per_user))  # over users
    row["seed_deviation"] = statistics.stdev(run[METRICS[0]] for run in runs) if len(runs) > 1 else None
    row |= {"fit_seconds": statistics.median(run["fit_seconds"] for run in runs), "peak_mb": peak_mb(), "runs": runs}
    return row | {"per_user": [round(float(x), 5) for x in per_user]}


def ordered(rows: list[Row]) -> list[Row]:
    """Best model first, each with the paired t-test of the best against it (over users, not corrected)."""
    rows = sorted(rows, key=lambda row: -row[METRICS[0]])
    best = pd.Series(rows[0]["per_user"])
    for row in rows:
        row["better_by"] = paired_test(best, pd.Series(row["per_user"])) if row is not rows[0] else {}
    return rows
