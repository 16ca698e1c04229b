"""Whether the best model of a table is better than the others: paired tests over users."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from recae.evaluation import Report
from recae.evaluation.report import error_of


def order_rows(
    rows: list[dict[str, Any]], reports: dict[str, Report], name: str, *, lower_is_better: bool
) -> list[dict[str, Any]]:
    """Rows ordered by the metric `name`, the best first; each gets `better_by`, the paired test against the best."""
    sign = 1 if lower_is_better else -1
    rows = sorted(rows, key=lambda row: sign * row[name])
    best = reports[rows[0]["model"]]
    for row in rows:
        row["better_by"] = {}
    if name in best.per_user:
        for row in rows[1:]:
            other = reports[row["model"]]
            if name in best.moved:
                row["better_by"] = pooled_test(best, other, name)
            else:
                row["better_by"] = paired_test(best.per_user[name], other.per_user[name])
        correct_by_holm([row["better_by"] for row in rows[1:]])
    return rows


def paired_test(best: pd.Series, other: pd.Series) -> dict[str, Any]:
    """Mean over common users of best - other, its 95 % interval, and p of Student's paired t-test (two-sided)."""
    from scipy import stats

    both = pd.concat([best, other], axis=1).dropna().to_numpy()
    rest = both[:, 0] - both[:, 1]
    n, mean = len(rest), float(rest.mean()) if len(rest) else 0.0
    if n < 2 or np.ptp(rest) == 0:  # a single user, or the same difference for all: there is no variance to test by
        return {"mean": mean, "low": mean, "high": mean, "p": 1.0 if n < 2 or mean == 0 else 0.0, "n_users": n}
    test = stats.ttest_rel(both[:, 0], both[:, 1])
    low, high = test.confidence_interval(0.95)
    return {"mean": mean, "low": float(low), "high": float(high), "p": float(test.pvalue), "n_users": n}


def pooled_test(best: Report, other: Report, name: str) -> dict[str, Any]:
    """As `paired_test`, of a metric that is pooled over ratings (rmse, mae): best - other of the figures themselves.

    Users with many ratings count for more in such a figure, so that the mean over users of their own ones is another
    quantity. The standard error is the delta method's, over users of what each moves the one figure by less the other.
    """
    from scipy import stats

    both = pd.concat([best.moved[name], other.moved[name]], axis=1).fillna(0.0).to_numpy()
    moved, n, difference = both[:, 0] - both[:, 1], len(both), best[name] - other[name]
    error = error_of(moved) if n > 1 else 0.0
    if error == 0:
        p = 1.0 if n < 2 or difference == 0 else 0.0
        return {"mean": difference, "low": difference, "high": difference, "p": p, "n_users": n}
    half = float(stats.t.ppf(0.975, n - 1)) * error
    p = float(2 * stats.t.sf(abs(difference) / error, n - 1))
    return {"mean": difference, "low": difference - half, "high": difference + half, "p": p, "n_users": n}


def correct_by_holm(tests: list[dict[str, Any]]) -> None:
    """Replace the p-values by those of Holm's step-down correction: the chance of any wrong finding stays at 5 %."""
    least = 0.0
    for rank, test in enumerate(sorted(tests, key=lambda test: test["p"])):
        least = max(least, min(1.0, (len(tests) - rank) * test["p"]))
        test["p"] = least
