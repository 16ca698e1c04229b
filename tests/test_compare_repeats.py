"""Comparisons over several splits: means, intervals and paired tests, against scipy and by hand."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pandas as pd
import pytest
from cli_helpers import done, inline
from scipy import stats
from test_compare import RATINGS

import recae
from recae.comparison import compare, paired_test
from recae.comparison.repeats import merge_reports, merge_rows
from recae.comparison.table import Comparison
from recae.errors import ParameterError
from recae.evaluation.report import Figure, Report
from recae.models import EASE

NAMES = ["ndcg@5", "coverage@5"]
SEEDS = [3, 1, 4]


@pytest.fixture(scope="module")
def over_seeds() -> Comparison:
    """Two models on three splits. It is made once, and not by processes that only collect tests."""
    return compare(RATINGS, ["ease", "popularity"], test=50, metrics=NAMES, rng=SEEDS)


def reports(name: str) -> list[Any]:
    splits = [recae.split(RATINGS, "held-out-users", test=50, rng=seed) for seed in SEEDS]
    return [recae.evaluate(recae.make_model(name).fit(parts.train), parts, NAMES) for parts in splits]


def test_figures_are_means_over_the_splits_of_all_seeds(over_seeds: Comparison) -> None:
    """Each row is the mean of what every seed's split gives by hand; the figures of each are kept."""
    for row in over_seeds.rows:
        for name in NAMES:
            values = [report[name] for report in reports(row["model"])]
            assert row["splits"][name] == pytest.approx(values)
            assert row[name] == pytest.approx(np.mean(values))
    assert over_seeds.n_splits == 3
    assert over_seeds.to_dict()["n_splits"] == 3


def test_intervals_are_nadeaus_and_bengios(over_seeds: Comparison) -> None:
    """Student's t with 2 degrees of freedom times s sqrt(1/3 + 50/100): 50 users tested, 100 trained on."""
    values = np.array([report["ndcg@5"] for report in reports("ease")])
    half = stats.t.ppf(0.975, 2) * values.std(ddof=1) * np.sqrt(1 / 3 + 50 / 100)
    low, high = next(row for row in over_seeds.rows if row["model"] == "ease")["intervals"]["ndcg@5"]
    assert (low, high) == pytest.approx((values.mean() - half, values.mean() + half))
    assert f"means over 3 splits, the first of which is shown; 95 % of ndcg@5: ease {low:.4f} to" in str(over_seeds)


def test_the_paired_test_is_over_users_not_over_users_and_splits(over_seeds: Comparison) -> None:
    """Each user counts once, with the mean over the splits that test them: scipy's test on these means."""
    tables = {}
    for name in ("ease", "popularity"):
        seen: dict[Any, list[float]] = {}
        for report in reports(name):
            for user, value in report.per_user["ndcg@5"].items():
                seen.setdefault(user, []).append(value)
        tables[name] = {user: np.mean(values) for user, values in seen.items()}
    users = sorted(tables["ease"])
    wanted = stats.ttest_rel(*([tables[name][user] for user in users] for name in ("ease", "popularity")))
    found = over_seeds.rows[1]["better_by"]
    assert found["n_users"] == len(users) < 150
    assert found["p"] == pytest.approx(wanted.pvalue)
    assert paired_test(*(over_seeds.reports[name].per_user["ndcg@5"] for name in ("ease", "popularity"))) == found


def test_one_seed_in_a_list_is_that_seed() -> None:
    """rng=[5] gives what rng=5 gives, with its interval over users."""
    one, other = (compare(RATINGS, ["ease"], test=50, metrics=["ndcg@5"], rng=rng) for rng in (5, [5]))
    assert one.rows[0]["intervals"] == other.rows[0]["intervals"]
    assert other.n_splits == 1
    with pytest.raises(ParameterError, match="at least one seed"):
        compare(RATINGS, ["ease"], rng=[])


def test_all_folds_of_a_k_fold() -> None:
    """Without `fold` every fold is measured; pooled squared errors show that each rating is tested once."""
    found = compare(RATINGS, ["bias"], "k-fold", metrics=["rmse"], folds=4)
    tested = found.reports["bias"].counts["n_ratings"]
    assert (found.n_splits, tested) == (4, RATINGS.n_ratings)
    assert compare(RATINGS, ["bias"], "k-fold", metrics=["rmse"], folds=4, fold=1).n_splits == 1


def test_one_split_and_several_seeds_of_the_models() -> None:
    """A split that is made already stays; a model without a seed gives one and the same figure, an interval of 0."""
    parts = recae.split(RATINGS, "held-out-users", test=50, rng=0)
    found = compare(parts, {"ease": EASE(l2=5.0)}, metrics=["ndcg@5"], rng=[0, 1])
    low, high = found.rows[0]["intervals"]["ndcg@5"]
    assert low == pytest.approx(high)


def test_of_one_split_the_interval_is_over_seeds_alone() -> None:
    """No train parts overlap: Student's t with 2 degrees of freedom times s / sqrt(3)."""
    parts = recae.split(RATINGS, "random", test=0.3, rng=0)
    row = compare(parts, ["biased-mf"], metrics=["rmse"], rng=SEEDS).rows[0]
    low, high = row["intervals"]["rmse"]
    deviation = np.std(row["splits"]["rmse"], ddof=1)
    assert deviation > 0
    assert high - low == pytest.approx(2 * stats.t.ppf(0.975, 2) * deviation / np.sqrt(3))


def test_reports_of_two_splits_are_merged() -> None:
    """By hand: figures are means; a user's own are of the splits that test them, and moves are shared by all splits;
    groups count by their users; of the growth of memory the largest is kept."""
    both = []
    for users, value, known in ((["u", "v"], 1.0, 1), (["v", "w"], 3.0, 3)):
        own = pd.DataFrame({"mae": [value, value + 1]}, index=users)
        moved = pd.DataFrame({"mae": [0.5, -0.5]}, index=users)
        groups = {"known": {"mae": Figure(value)}, "new": {"mae": Figure(2 * value)}}
        counts = {"n_users": 2, "known_users": known, "new_users": 1, "n_ratings": 5}
        both.append(Report({"mae": Figure(value)}, counts, own, "model", "data", groups, moved=moved))
    found = merge_reports(both, 0.25)
    assert found["mae"] == 2
    assert found.figures["mae"].error == pytest.approx(np.sqrt(2) * np.sqrt(1 / 2 + 0.25))
    assert found.per_user["mae"].to_dict() == {"u": 1, "v": 2.5, "w": 4}
    assert found.moved["mae"].to_dict() == {"u": 0.25, "v": 0, "w": -0.25}
    assert found.group_values() == {"known": {"n_users": 4, "mae": 2.5}, "new": {"n_users": 2, "mae": 4}}
    assert (found.counts["n_users"], found.counts["n_ratings"]) == (3, 10)
    times = {"model": "m", "settings": {}, "league": "ratings", "recommend_seconds": 2.0}
    rows = [times | {"mae": one["mae"], "fit_seconds": 1.0 + k, "peak_mb": peak}
            for k, (one, peak) in enumerate(zip([*both, both[0]], [3.0, 7.0, None]))]  # fmt: skip
    row = merge_rows(rows, found)
    assert (row["mae"], row["fit_seconds"], row["peak_mb"], row["splits"]) == (2, 2, 7, {"mae": [1, 3, 1]})


def test_a_model_that_fails_on_a_split_is_left_out() -> None:
    """Its message is kept, and it is not tried again."""
    said: list[str] = []
    models = {"large": EASE(memory_limit=1e-9), "small": EASE(l2=5.0)}
    found = compare(RATINGS, models, metrics=["ndcg@5"], rng=[0, 1], progress=said.append)
    assert list(found.failed) == ["large"]
    assert [line.split()[0].strip(":") for line in said] == ["large", "small", "small"]


def test_seeds_on_the_command_line() -> None:
    """--seeds 0,1 is rng=[0, 1]; what is no number is refused."""
    args = ["compare", "sample", "--models", "popularity", "--split", "per-user", "--test", "0.2", "--json"]
    found = json.loads(done(inline(*args, "--seeds", "0,1")))
    wanted = compare(recae.load("sample"), ["popularity"], "per-user", test=0.2, rng=[0, 1])
    assert found["models"][0]["splits"] == wanted.rows[0]["splits"]
    assert "expected whole numbers" in inline(*args, "--seeds", "0,one").stderr
