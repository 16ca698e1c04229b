"""What `evaluate` refuses, and what a `Report` says."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from evaluation_toys import COLD, SPLIT, TESTED, Ranker, Rater, ratings_of

from recae.errors import DataError, DivergenceError, NotFittedError, ParameterError
from recae.evaluation import METRICS, Report, evaluate
from recae.evaluation.report import mean, ratio
from recae.ratings import RatingMatrix
from recae.splitting import split


def test_the_training_part_is_no_test() -> None:
    """Ranking the training part is refused; its rating error is measured, and the report says what it is."""
    model = Rater(SPLIT.train)
    with pytest.raises(DataError, match="is this the training part"):
        evaluate(model, SPLIT.train, "recall@5")
    report = evaluate(model, SPLIT.train)
    assert report.counts["seen_ratings"] == SPLIT.train.n_ratings
    assert f"{SPLIT.train.n_ratings} of the ratings were shown to the model" in str(report)


def test_two_users_have_an_interval_and_one_has_none() -> None:
    """1 and 3 have the standard error s / sqrt(2) = 1, as a mean and as a ratio; without errors it is 0."""
    one, two = np.ones(1), np.array([1.0, 3.0])
    assert (mean(two).value, mean(two).error, mean(one).error) == (2, pytest.approx(1), None)
    assert mean(np.append(two, np.nan)) == mean(two)
    found = ratio(two, np.ones(2, np.int64), root=False)
    assert (found.value, found.error) == (2, pytest.approx(1))
    assert ratio(one, np.ones(1, np.int64), root=False).error is None
    rooted = ratio(two, np.ones(2, np.int64), root=True)
    assert (rooted.value, rooted.error) == (pytest.approx(2**0.5), pytest.approx(1 / 8**0.5))
    perfect = ratio(np.zeros(3), np.ones(3, np.int64), root=True)
    assert (perfect.value, perfect.error) == (0, 0)


def test_defaults() -> None:
    """Rating models give rmse and mae, rankers the ranking figures that the catalogue is large enough for."""
    assert list(evaluate(Rater(SPLIT.train), SPLIT)) == ["rmse", "mae"]
    assert list(evaluate(Ranker(SPLIT.train), SPLIT)) == ["recall@20", "ndcg@20", "coverage@20"]
    made = split(ratings_of(10, 8), test=0.3, rng=0)
    assert list(evaluate(Ranker(made.train), made)) == ["recall@8", "ndcg@8"]


@pytest.mark.parametrize(
    ("metric", "message"),
    [
        ("accuracy", "metrics='accuracy': choose 'rmse', 'mae', 'recall@k'"),
        ("ndgc@10", "did you mean 'ndcg@k'"),
        ("ndcg", "'ndcg'.*such as ndcg@20"),
        ("recall@0", "'recall@0'.*such as recall@20"),
        ("recall@ten", "'recall@ten'.*such as recall@20"),
        ("rmse@5", "rmse has no cut-off"),
        ("recall@26", "at most 25 items"),
        ("rmse", "Ranker ranks items and predicts no ratings"),
        ((), "no metric is named"),
    ],
)
def test_wrong_metrics_are_refused(metric: Any, message: str) -> None:
    """A name that is unknown, incomplete or out of reach is refused before anything is scored."""
    model = Ranker(SPLIT.train)
    with pytest.raises(ParameterError, match=message):
        evaluate(model, SPLIT, metric)
    assert model.asked == []


def test_every_metric_by_its_name() -> None:
    """Every name in METRICS can be measured, and is a finite number."""
    names = [name.replace("@k", "@7") for name in METRICS]
    genres = pd.DataFrame({"genres": ["War", "Love"] * 12 + ["War|Love"]}, index=pd.Index(SPLIT.train.item_ids))
    train = SPLIT.train.with_rows(SPLIT.train.user_rows, item_table=genres)
    report = evaluate(Rater(train), SPLIT, names)
    assert list(report) == names
    assert np.isfinite(list(report.values())).all()


def test_wrong_input_is_refused() -> None:
    """No fit, no split, no such part, no such users, no block and not-a-number each have their own message."""
    model: Any = Rater(SPLIT.train)
    unfitted: Any = object.__new__(Rater)
    with pytest.raises(NotFittedError, match="Rater has learnt nothing"):
        evaluate(unfitted, SPLIT)
    with pytest.raises(DataError, match="not DataFrame"):
        evaluate(model, SPLIT.test.to_frame())
    with pytest.raises(DataError, match="no validation part"):
        evaluate(model, split(ratings_of(), rng=0), part="validation")
    with pytest.raises(ParameterError, match="part='train'"):
        evaluate(model, SPLIT, part="train")
    with pytest.raises(ParameterError, match="pass that part itself"):
        evaluate(model, SPLIT.test, part="validation")
    with pytest.raises(ParameterError, match="block=0"):
        evaluate(model, SPLIT, block=0)
    with pytest.raises(DataError, match="holds no rating"):
        evaluate(model, SPLIT.test.select(np.zeros(SPLIT.test.n_ratings, bool)))
    strangers = RatingMatrix.from_frame(COLD.assign(user=["x", "y", "z"]))
    with pytest.raises(DataError, match="of 3 users the model knows 0, and of 2 items 1"):
        evaluate(model, strangers, "recall@5")
    with pytest.raises(DataError, match="relevant_from"):
        evaluate(model, SPLIT, "recall@5", relevant_from=6)


def test_a_model_that_diverged_is_no_zero() -> None:
    """NaN predictions and NaN scores are errors, not figures."""
    model: Any = Rater(SPLIT.train)
    model.item[3] = np.nan
    with pytest.raises(DivergenceError, match="Rater predicts nan for user 'u"):
        evaluate(model, SPLIT)
    model.known = np.full_like(model.known, np.nan)
    with pytest.raises(DivergenceError, match="scores items as NaN"):
        evaluate(model, SPLIT, "recall@5")


def test_report_to_read_print_and_keep(tmp_path: Path) -> None:
    """A report is a mapping, a frame, JSON (also in a file) and a small table, all with the same figures."""
    report = evaluate(Rater(SPLIT.train), SPLIT, ["rmse", "recall@5", "coverage@5"])
    assert isinstance(report, Report)
    assert len(report) == 3
    assert report.get("mae") is None
    with pytest.raises(KeyError, match="mae was not measured; there are rmse, recall@5, coverage@5"):
        report["mae"]
    with pytest.raises(KeyError, match="mae"):
        report.interval("mae")
    frame = report.to_frame()
    assert list(frame.columns) == ["value", "low", "high"]
    assert frame.loc["rmse", "low"] < report["rmse"] < frame.loc["rmse", "high"]
    assert np.isnan(frame.loc["coverage@5", "low"])
    text = report.to_json(tmp_path / "report.json")
    kept = json.loads((tmp_path / "report.json").read_text())
    assert kept == json.loads(text) == report.to_dict()
    assert kept["rmse"] == report["rmse"]
    assert kept["intervals"]["rmse"] == list(frame.loc["rmse", ["low", "high"]])
    assert kept["n_users"] == TESTED
    low, high = report.interval("rmse") or (0, 0)
    lines = str(report).splitlines()
    assert lines[0] == f"Rater on toy, random split: {TESTED} users, {SPLIT.test.n_ratings} ratings"
    assert lines[2] == f"  rmse          {report['rmse']:.4f}  {low:.4f} to {high:.4f}"
    assert lines[4] == f"  coverage@5    {report['coverage@5']:.4f}"
    assert len({line.index(".") for line in lines[2:5]}) == 1


def test_one_user_has_a_figure_and_no_interval() -> None:
    """With a single test user there is no spread to tell: a value, no interval, valid JSON."""
    model = Rater(SPLIT.train)
    one = SPLIT.test.select(SPLIT.test.pairs()[0] == 0)
    report = evaluate(model, one, ["rmse", "recall@5"])
    assert report.interval("rmse") is None
    assert report.interval("recall@5") is None
    assert json.loads(report.to_json())["intervals"] == {}
