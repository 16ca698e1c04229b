"""Comparisons over several splits: which splits, and what the figures of one model on all of them come to."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from recae.evaluation import Report
from recae.evaluation.report import Figure
from recae.ratings import RatingMatrix
from recae.splitting import HOW, Split, split


def splits_of(
    given: RatingMatrix | Split | Sequence[Split], how: str, seeds: Sequence[int], options: Mapping[str, Any]
) -> Iterator[tuple[int, Split]]:
    """(seed of the models, split), one after the other: of each seed, and of each fold where none is named."""
    made = [given] if isinstance(given, Split) else None if isinstance(given, RatingMatrix) else list(given)
    for seed in seeds:
        if isinstance(given, RatingMatrix):
            for more in _folds(how, options):
                yield seed, split(given, how, rng=seed, **{**options, **more})  # type: ignore[arg-type]
        for parts in made or ():
            yield seed, parts


def _folds(how: str, options: Mapping[str, Any]) -> list[dict[str, int]]:
    if how != "k-fold" or options.get("fold") is not None:
        return [{}]
    return [{"fold": fold} for fold in range(options.get("folds") or HOW["k-fold"]["folds"])]


def merge_reports(reports: Sequence[Report], tested: float) -> Report:
    """One report of one model on several splits: means over the splits, and 95 % intervals of these means.

    Train parts of the splits overlap, so their figures vary less than those of independent data would. The standard
    error is s sqrt(1/n + tested) with the standard deviation s over n splits, and the interval Student's with n - 1
    degrees of freedom (Nadeau and Bengio, "Inference for the generalization error", Machine Learning 52, 2003, the
    corrected resampled t-test). `per_user` has each user's mean over the splits that test it, and `moved` how far the
    user moves the mean over all splits.

    Args:
        tested: size of a test part over that of its train part; 0 where all reports are of one split.
    """
    from scipy import stats

    n, first = len(reports), reports[0]
    if n == 1:
        return first
    t = float(stats.t.ppf(0.975, n - 1))
    figures = {}
    for name in first:
        values = np.array([report[name] for report in reports])
        figures[name] = Figure(float(values.mean()), float(values.std(ddof=1) * np.sqrt(1 / n + tested)), t)
    per_user = pd.concat([report.per_user for report in reports]).groupby(level=0).mean()
    moved = pd.concat([report.moved for report in reports]).groupby(level=0).sum() / n
    counts = {name: sum(report.counts[name] for report in reports) for name in first.counts}
    counts |= {"n_users": len(per_user)}
    data, groups = f"{first.data}, {n} splits", _merge_groups(reports)
    return Report(figures, counts, per_user, first.model, data, groups, "splits", moved=moved)


def _merge_groups(reports: Sequence[Report]) -> dict[str, dict[str, Figure]]:
    """Means over the users of all splits; a user counts once for each split."""
    merged: dict[str, dict[str, Figure]] = {}
    for group in ("known", "new"):
        theirs = [report for report in reports if report.groups.get(group)]
        weights = [report.counts[f"{group}_users"] for report in theirs]
        for name in theirs[0].groups[group] if theirs else ():
            values = [report.groups[group][name].value for report in theirs]
            merged.setdefault(group, {})[name] = Figure(float(np.average(values, weights=weights)))
    return merged


def merge_rows(rows: Sequence[dict[str, Any]], report: Report) -> dict[str, Any]:
    """One row of the table from those of each split: figures of `report`, mean times, the largest growth of memory."""
    first = rows[0]
    if len(rows) == 1:
        return first
    grown = [row["peak_mb"] for row in rows if row["peak_mb"] is not None]
    row = {name: first[name] for name in ("model", "settings", "league")} | dict(report)
    row["intervals"] = {name: list(i) for name in report if (i := report.interval(name)) is not None}
    row["groups"] = report.group_values()
    row["splits"] = {name: [one[name] for one in rows] for name in report}
    row |= {name: float(np.mean([one[name] for one in rows])) for name in ("fit_seconds", "recommend_seconds")}
    return row | {"peak_mb": max(grown, default=None)}
