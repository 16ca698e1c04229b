"""Comparing models: one split for all, figures as `evaluate` has them, and tests of what differences mean."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from cli_helpers import done, inline
from linear_toys import ratings_of
from scipy import stats

import recae
from recae.comparison import compare, paired_test
from recae.comparison.memory_growth import MemoryGrowth
from recae.comparison.paired import correct_by_holm, pooled_test
from recae.comparison.table import Comparison
from recae.errors import DataError, ParameterError
from recae.evaluation.report import influence, ratio
from recae.models import EASE, Bias, BiasedMF, Popularity
from recae.plots.comparison_plot import accuracy_against_time


def groups(n_users: int = 150, seed: int = 0) -> Any:
    """Users x 24 items in three groups of tastes, stars 1 to 5: the own group's films are liked."""
    rng = np.random.default_rng(seed)
    own = rng.integers(0, 3, n_users)[:, None] == np.arange(24) % 3
    rated = rng.random((n_users, 24)) < np.where(own, 0.8, 0.15)
    return ratings_of(np.where(rated, np.where(own, 5, 1 + rng.integers(0, 2, (n_users, 24))), 0))


RATINGS = groups()


@pytest.fixture(scope="module")
def of_three() -> Comparison:
    """Three models on one split. It is made once, and not by processes that only collect tests."""
    return compare(RATINGS, ["popularity", "ease", "item-knn"], test=50, metrics=["ndcg@5", "recall@5", "coverage@5"])


def test_figures_are_those_of_evaluate_on_the_same_split(of_three: Comparison) -> None:
    """Each model's row is what fitting and evaluating it by hand on that split gives."""
    split = recae.split(RATINGS, "held-out-users", test=50, rng=0)
    for row in of_three.rows:
        report = recae.evaluate(
            recae.make_model(row["model"]).fit(split.train), split, ["ndcg@5", "recall@5", "coverage@5"]
        )
        assert {name: row[name] for name in report} == pytest.approx(dict(report))
        assert row["intervals"]["ndcg@5"] == pytest.approx(list(report.interval("ndcg@5") or ()))


def test_the_best_comes_first_and_is_what_the_data_say(of_three: Comparison) -> None:
    """Tastes beat popularity; rows descend by the first metric."""
    values = [row["ndcg@5"] for row in of_three.rows]
    assert values == sorted(values, reverse=True)
    assert of_three.rows[-1]["model"] == "popularity"
    assert of_three.best == of_three.rows[0]["model"]


def test_errors_are_ordered_upwards() -> None:
    """Of rmse the smallest is the best."""
    found = compare(RATINGS, ["bias", "biased-mf", "global-mean"], "random")
    assert found.metrics == ("rmse", "mae")
    values = [row["rmse"] for row in found.rows]
    assert values == sorted(values)
    assert found.best == "biased-mf"


def test_the_paired_test_is_scipys() -> None:
    """Mean, interval and p equal those of scipy.stats.ttest_rel over common users; NaN and strangers are left out."""
    rng = np.random.default_rng(0)
    a = pd.Series(rng.random(31), index=np.arange(31))
    b = pd.Series(rng.random(31) - 0.1, index=np.arange(31)).drop(30)
    a[3] = np.nan
    kept = [i for i in range(30) if i != 3]
    wanted = stats.ttest_rel(a[kept], b[kept])
    found = paired_test(a, b)
    interval = wanted.confidence_interval(0.95)
    assert found["p"] == pytest.approx(wanted.pvalue)
    assert (found["low"], found["high"]) == pytest.approx((interval.low, interval.high))
    assert found["n_users"] == 29
    other = pd.Series([1.0, 2.0, 4.0])  # one difference for all: there is no doubt, and of one user there is no test
    assert paired_test(other + 0.5, other) == {"mean": 0.5, "low": 0.5, "high": 0.5, "p": 0.0, "n_users": 3}
    assert paired_test(other, other) == {"mean": 0.0, "low": 0.0, "high": 0.0, "p": 1.0, "n_users": 3}
    assert paired_test(other[:1] + 0.5, other[:1]) == {"mean": 0.5, "low": 0.5, "high": 0.5, "p": 1.0, "n_users": 1}
    assert paired_test(other[:0], other[:0]) == {"mean": 0.0, "low": 0.0, "high": 0.0, "p": 1.0, "n_users": 0}


def report_by_hand(total: list[float], count: list[int], *, name: str = "mae") -> recae.evaluation.Report:
    """The report of users with these summed errors of so many ratings each."""
    sums, counts, root = np.array(total), np.array(count), name == "rmse"
    users = pd.Index(["u", "v", "w"][: len(count)])
    own = pd.DataFrame({name: sums / counts}, index=users)
    moved = pd.DataFrame({name: influence(sums, counts, root=root)}, index=users)
    return recae.evaluation.Report({name: ratio(sums, counts, root=root)}, {}, own, "model", "data", moved=moved)


def test_errors_that_are_pooled_over_ratings_are_tested_as_they_are_pooled() -> None:
    """Of 1, 3 and 4 ratings MAE is 9/8 and 12/8: the difference is -3/8, and not the mean of 1, 0 and -1; users move it
    by (1.375, 1.125, -2.5) / 8, of which its standard error is made."""
    found = pooled_test(report_by_hand([2, 3, 4], [1, 3, 4]), report_by_hand([1, 3, 8], [1, 3, 4]), "mae")
    error = np.sqrt(3 / 2 * (1.375**2 + 1.125**2 + 2.5**2)) / 8
    assert found["mean"] == pytest.approx(-3 / 8)
    assert (found["low"], found["high"]) == pytest.approx((-3 / 8 - 4.302653 * error, -3 / 8 + 4.302653 * error))
    assert found["p"] == pytest.approx(2 * stats.t.sf(3 / 8 / error, 2))
    assert found["n_users"] == 3
    one = report_by_hand([2.0], [4]), report_by_hand([3.0], [4])
    assert pooled_test(*one, "mae") == {"mean": -0.25, "low": -0.25, "high": -0.25, "p": 1.0, "n_users": 1}
    level = report_by_hand([1, 3, 4], [1, 3, 4]), report_by_hand([2, 6, 8], [1, 3, 4])  # nobody moves either figure
    assert pooled_test(*level, "mae") == {"mean": -1.0, "low": -1.0, "high": -1.0, "p": 0.0, "n_users": 3}
    fewer = report_by_hand([2, 3], [1, 3]), report_by_hand([1, 3, 8], [1, 3, 4])  # w moves the second figure only
    apart = np.array([0.1875, -0.1875, 0]) - np.array([-0.0625, -0.1875, 0.25])
    half = stats.t.ppf(0.975, 2) * np.sqrt(3 / 2 * np.square(apart).sum())
    found = pooled_test(*fewer, "mae")
    assert (found["mean"], found["high"] - found["mean"]) == (pytest.approx(-0.25), pytest.approx(half))
    same = report_by_hand([2, 3, 4], [1, 3, 4], name="rmse")
    assert pooled_test(same, same, "rmse") == {"mean": 0.0, "low": 0.0, "high": 0.0, "p": 1.0, "n_users": 3}


def test_the_paired_test_of_errors_has_the_interval_of_a_bootstrap() -> None:
    """Where few users have most of the ratings, `better_by` is the difference of the figures that are shown, with the
    standard error that resampling users gives to a tenth; over several splits, too, it is that of the means."""
    rng = np.random.default_rng(0)
    rated = rng.random((400, 60)) < rng.choice([0.05, 0.7], (400, 1), p=[0.9, 0.1])
    data = ratings_of(np.where(rated, rng.integers(1, 6, rated.shape), 0))
    split = recae.split(data, "random", test=0.5, rng=0)
    models = {"few": Bias(user_l2=0.1, item_l2=0.1), "many": Bias(user_l2=50.0, item_l2=1.0)}
    found = compare(split, models, metrics=["rmse", "mae"])
    best, other = (found.rows[k]["model"] for k in (0, 1))
    test = found.rows[1]["better_by"]
    assert test["mean"] == pytest.approx(found.rows[0]["rmse"] - found.rows[1]["rmse"])
    users, items, truth = split.test.pairs()
    sums = {
        name: np.bincount(users, (truth - models[name].clone().fit(split.train).predict_pairs(users, items)) ** 2.0)
        for name in (best, other)
    }
    n = np.bincount(users)
    draws = rng.integers(0, len(n), (3000, len(n)))
    again = [np.sqrt(sums[name][draws].sum(1) / n[draws].sum(1)) for name in (best, other)]
    half = (test["high"] - test["low"]) / 2
    assert half / stats.t.ppf(0.975, test["n_users"] - 1) == pytest.approx((again[0] - again[1]).std(), rel=0.1)
    twice = compare(data, models, "random", ["rmse"], test=0.5, rng=[0, 1])
    assert twice.rows[1]["better_by"]["mean"] == pytest.approx(twice.rows[0]["rmse"] - twice.rows[1]["rmse"])
    assert 0.5 * half < twice.rows[1]["better_by"]["high"] - twice.rows[1]["better_by"]["mean"] < half


def test_equal_models_do_not_differ() -> None:
    """A model against itself under another label: p is 1."""
    found = compare(RATINGS, {"one": EASE(l2=5.0), "other": EASE(l2=5.0)}, metrics=["ndcg@5"])
    assert found.rows[1]["better_by"] == {"mean": 0.0, "low": 0.0, "high": 0.0, "p": 1.0, "n_users": 15}


def test_p_values_are_corrected_by_holm() -> None:
    """Holm (1979): the smallest of m is multiplied by m, the next by m - 1, never falling, never above 1."""
    tests = [{"p": 0.04}, {"p": 0.01}, {"p": 0.6}, {"p": 0.011}]
    correct_by_holm(tests)
    assert [test["p"] for test in tests] == pytest.approx([0.08, 0.04, 0.6, 0.04])


def test_a_threshold_keeps_what_is_liked() -> None:
    """threshold=4 compares on the fives only, each as 1."""
    found = compare(RATINGS, ["popularity"], threshold=4, metrics=["ndcg@5"])
    assert set(found.split.train.user_rows.data) == {1.0}
    kept = found.split.train.n_ratings + found.split.test.n_ratings + found.split.test_input.n_ratings
    fives = RATINGS.binarize(4).filter(min_user=5).n_ratings
    assert kept + found.split.settings["dropped_ratings"] == fives


def test_models_of_the_caller_stay_as_they_are() -> None:
    """Models are cloned: what was not fitted is not fitted afterwards."""
    model = EASE(l2=7.0)
    found = compare(RATINGS, [model], metrics=["ndcg@5"])
    assert found.rows[0]["model"] == "EASE(l2=7.0)"
    assert not hasattr(model, "ratings_")


def test_a_split_made_already_is_taken() -> None:
    """Known users: default metrics rank, for not all models predict ratings."""
    split = recae.split(RATINGS, "per-user", test=0.2, rng=3)
    found = compare(split, [Bias(), Popularity()])
    assert found.split is split
    assert found.metrics == ("recall@20", "coverage@20", "novelty@20", "diversity@20")


def test_one_that_fails_does_not_stop_the_others() -> None:
    """A model too large for memory is reported with its message; if all fail, that is an error."""
    found = compare(RATINGS, {"large": EASE(memory_limit=1e-9), "small": Popularity()}, metrics=["ndcg@5"])
    assert [row["model"] for row in found.rows] == ["small"]
    assert "GiB" in found.failed["large"]
    assert "large failed: EASE needs" in str(found)
    assert "large failed: EASE needs" in found._repr_html_()
    assert "paired t-test" not in str(found)  # one model has nothing to be tested against
    assert "p" not in str(found).splitlines()[1].split()
    with pytest.raises(DataError, match=r"no model could be measured: large: EASE needs"):
        compare(RATINGS, {"large": EASE(memory_limit=1e-9)})


@pytest.mark.parametrize(
    ("models", "metrics", "message"),
    [
        (["ease", "ease"], None, "two models are called 'ease'"), ([], None, "no model to compare"),
        (["no such"], None, "model='no such': choose"), (["ease"], ["no such@5"], "metrics='no such@5': choose"),
    ],
)  # fmt: skip
def test_what_cannot_be_compared_is_refused(models: Any, metrics: Any, message: str) -> None:
    """Twice the same label, nothing, names that do not exist: refused before anything is fitted."""
    with pytest.raises(ParameterError, match=message):
        compare(RATINGS, models, metrics=metrics)


def test_growth_of_memory_is_seen() -> None:
    """64 MB that are taken and given back count as a peak of about 64 MB, where the system tells."""
    growth = MemoryGrowth()
    if growth.before is None:
        pytest.skip("this system does not tell a process's peak")
    np.ones(2**23).sum()
    assert 55 < (growth.peak_mb() or 0) < 120


def test_the_table_says_everything(of_three: Comparison, tmp_path: Path) -> None:
    """The text names models, metrics and the test; JSON holds the same figures, and settings."""
    text = str(of_three)
    for word in ("ease", "item-knn", "popularity", "ndcg@5", "coverage@5", "fit s", "list s", "Holm"):
        assert word in text
    of_three.to_json(tmp_path / "found.json")
    read = json.loads((tmp_path / "found.json").read_text())
    assert [row["model"] for row in read["models"]] == [row["model"] for row in of_three.rows]
    assert read["models"][0]["ndcg@5"] == of_three.rows[0]["ndcg@5"]
    assert read["n_test_users"] == 50
    assert of_three.to_frame().loc["popularity", "p"] < 0.05


def test_the_figure_has_a_point_and_a_name_a_model() -> None:
    """Models stand in the order given, figures with intervals to the left, seconds to the right."""
    left, right = accuracy_against_time(
        ["b", "a"], [10.0, 0.0], [0.2, 0.1], [None, (0.05, 0.15)], ylabel="ndcg@5", title="t"
    )
    assert [tick.get_text() for tick in left.get_yticklabels()] == ["b", "a"]
    assert left.get_ylim()[0] > left.get_ylim()[1]  # the first line is the upper one
    assert (left.get_xlabel(), right.get_xscale()) == ("ndcg@5", "log")
    points = [line.get_xydata().tolist() for line in left.lines]
    assert points == [[[0.2, 0]], [[0.05, 1], [0.15, 1]], [[0.1, 1]]]
    assert [line.get_xydata().tolist() for line in right.lines] == [[[10.0, 0]], [[0.001, 1]]]


def test_the_command_prints_and_writes_what_the_call_finds(tmp_path: Path) -> None:
    """recae compare: a table on stdout, JSON on request and in a file, and a PNG."""
    file, figure = tmp_path / "c.json", tmp_path / "c.png"
    given = ("compare", "sample", "--models", "popularity,bias", "--split", "random", "--metrics", "ndcg@10")
    shown = done(inline(*given, "--out", file, "--figure", figure))
    assert "popularity" in shown
    assert figure.read_bytes().startswith(b"\x89PNG")
    printed = json.loads(done(inline(*given, "--json", "-q")))
    wanted = compare(recae.load("sample"), ["popularity", "bias"], "random", ["ndcg@10"])
    for read in (printed, json.loads(file.read_text())):
        assert [row["ndcg@10"] for row in read["models"]] == [row["ndcg@10"] for row in wanted.rows]


def test_the_command_says_what_is_wrong() -> None:
    """A model that does not exist is a matter of one line and exit code 2."""
    result = inline("compare", "sample", "--models", "ease,nope")
    assert result.exit_code == 2
    assert "model nope: choose" in result.stderr


def test_a_picture_has_a_suffix_of_pictures() -> None:
    """Another one is refused before the work, by the name of the option, here and of `recae data info`."""
    for arguments in (("compare", "sample", "--models", "bias", "--figure"), ("data", "info", "sample", "--plot")):
        result = inline(*arguments, "c.gif")
        assert result.exit_code == 2
        assert result.stderr == f"Error: {arguments[-1]} c.gif: expected a file with the suffix .png, .svg, .pdf\n"


def test_the_command_says_that_a_model_failed() -> None:
    """What could be measured is shown, and the exit code says that it is not everything."""
    result = inline("compare", "sample", "--models", "popularity,bias", "--split", "random", "--metrics", "rmse")
    assert result.exit_code == 1
    assert "bias" in result.stdout
    assert "1 of 2 models failed: popularity" in result.stderr.splitlines()[-1]


def test_random_seeds_reach_models_given_by_name() -> None:
    """The seed of `compare` is the seed of its models."""
    found = compare(RATINGS, ["biased-mf"], "random", rng=5)
    assert found.rows[0]["settings"]["rng"] == 5
    assert BiasedMF().rng == 0


@pytest.mark.parametrize(("how", "name"), [("held-out-users", "mult-vae"), ("per-user", "linear-ae")])
def test_models_that_learn_by_epochs_are_stopped_by_the_validation_part(how: Any, name: str) -> None:
    """The trained model of a comparison is that of a fit with validation: hidden users' or known ones'."""
    ratings = recae.load("sample").binarize(4).filter(min_user=5)
    size = 100 if how == "held-out-users" else 0.2
    parts = recae.split(ratings, how, test=size, validation=size, rng=0)
    model = recae.models.make_model(name, hidden=8, epochs=3, lr=0.01)
    by_itself = model.clone().fit(
        parts.train, parts.validation, validation_input=parts.validation_input, progress=False
    )
    found = recae.compare(parts, {name: model}, metrics=["ndcg@20"])
    assert found.rows[0]["ndcg@20"] == recae.evaluate(by_itself, parts, "ndcg@20")["ndcg@20"]
    assert by_itself.history_.records[-1]["validation"] is not None
