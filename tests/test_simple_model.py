"""Where the biases or popularity do better, one line says so; where they do not, nothing is said."""

from __future__ import annotations

import logging
from typing import Any

import numpy as np
import pytest
from cli_helpers import inline, parsed
from linear_toys import ratings_of
from rating_toys import low_rank, parted

from recae.comparison import compare
from recae.evaluation import evaluate
from recae.models import EASE, Bias, Popularity, make_model
from recae.ratings import RatingMatrix
from recae.recommender.simple_model import say_if_worse
from recae.splitting import Split, split
from recae.training.reporting import telling


def levels(users: int = 40, items: int = 30) -> RatingMatrix:
    """3 + b_u + b_i, half of it known: what the biases say."""
    rng = np.random.default_rng(3)
    truth = 3 + rng.normal(size=(users, 1)) / 2 + rng.normal(size=items) / 2
    u, i = np.nonzero(rng.random(truth.shape) < 0.5)
    return RatingMatrix.from_columns(u, i, np.clip(truth[u, i], 1, 5), scale=(1.0, 5.0))


def said(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.name == "recae"]


def test_a_rating_model_that_is_worse_than_the_biases(caplog: pytest.LogCaptureFixture) -> None:
    """Steps that are far too small leave biased MF behind; the figures are the RMSE of both on the validation part."""
    train, validation = parted(low_rank())
    settings: dict[str, Any] = {"hidden": 8, "epochs": 80, "lr": 0.02, "batch_size": 8, "device": "cpu", "rng": 0}
    with caplog.at_level(logging.WARNING, "recae"):
        good = make_model("u-autorec", l2=2.0, **settings).fit(train, validation)
        bias = Bias().fit(train, validation)
        say_if_worse(good, validation, None)
        say_if_worse(bias, validation, None)
    errors = [evaluate(model, validation, "rmse")["rmse"] for model in (good, bias)]
    assert errors[0] < errors[1]
    assert said(caplog) == []
    level, held_out = parted(levels())
    with caplog.at_level(logging.WARNING, "recae"):
        model = make_model("u-autorec", l2=0.0, shrink="never", **{**settings, "epochs": 1}).fit(level, held_out)
        say_if_worse(model, held_out, None)
    lines = said(caplog)
    assert len(lines) == 1
    assert lines[0].startswith("On the validation part mu + b_u + b_i does better than AutoRec: rmse ")
    own = evaluate(model, held_out, "rmse")["rmse"]
    assert f"against {own:.4f}" in lines[0]


def test_a_ranker_that_is_worse_than_popularity(caplog: pytest.LogCaptureFixture) -> None:
    """EASE that learnt nothing but noise; popularity itself says nothing, nor do trials of a search."""
    rng = np.random.default_rng(0)
    likely = np.linspace(0.9, 0.02, 30)  # popularity is all there is to know
    data = ratings_of((rng.random((60, 30)) < likely).astype(float))
    parts = split(data, "per-user", test=0.3, rng=0)
    with caplog.at_level(logging.WARNING, "recae"):
        say_if_worse(Popularity().fit(parts.train), parts.test, None)
        with telling(trial=True):
            say_if_worse(EASE(l2=0.001).fit(parts.train), parts.test, None)
    assert said(caplog) == []
    with caplog.at_level(logging.WARNING, "recae"):
        model = EASE(l2=0.001).fit(parts.train)
        say_if_worse(model, parts.test, None)
    own, popular = (evaluate(m, parts, "ndcg@30")["ndcg@30"] for m in (model, Popularity().fit(parts.train)))
    assert own < popular
    assert said(caplog) == [
        (
            f"On the validation part popularity does better than EASE: ndcg@100 {popular:.4f} against {own:.4f}. "
            "Try other settings or another model."
        )
    ]


def test_compare_names_models_that_do_worse() -> None:
    """global-mean is worse than the biases, which are not in the table; the line has their figure."""
    train, test = parted(levels())
    parts = Split(train, test, how="by hand")
    found = compare(parts, ["global-mean"])
    error = evaluate(Bias().fit(train), test, "rmse")["rmse"]
    assert found.simple == {"bias": pytest.approx(error)}
    assert f"bias does better (rmse {error:.4f}) than global-mean" in str(found)
    assert "does better" not in str(compare(parts, ["bias"]))
    assert compare(parts, ["bias"], metrics=["coverage@5", "rmse"]).simple == {}


def test_train_says_that_the_biases_do_better(tmp_path: Any) -> None:
    """recae train --model global-mean: a line on stderr, and the figure in the JSON."""
    file = tmp_path / "r.csv"
    levels().to_frame().to_csv(file, index=False)
    result = inline("train", file, "--model", "global-mean")
    found = parsed("train", file, "--model", "global-mean")
    simple = found["simple_model"]
    assert (simple["model"], simple["metric"]) == ("bias", "rmse")
    assert simple["value"] < found["rmse"]
    assert f"--model bias does better: rmse {simple['value']:.4f} against {found['rmse']:.4f}" in result.stderr
    assert "does better" not in inline("train", file, "--model", "bias").stderr
