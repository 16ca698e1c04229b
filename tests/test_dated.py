"""Dated: a rating model corrected by what it left over of ratings near in time."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from cli_helpers import done, inline, parsed, process

import recae
from recae.comparison.leagues import league_of
from recae.errors import DataError, ParameterError
from recae.models import Dated, make_model
from recae.models.ensemble.time_kernel import near_counts, near_means
from recae.ratings import RatingMatrix

HOUR, DAY = 3600, 86_400


def moody(users: int = 60, items: int = 45, seed: int = 0) -> RatingMatrix:
    """Every user rates on three days, in a mood of that day, which is worth a whole star either way."""
    rng = np.random.default_rng(seed)
    rows = []
    for user in range(users):
        for visit in range(3):
            mood, start = rng.choice([-1.0, 1.0]), int(rng.integers(0, 900)) * DAY + visit * 1000 * DAY
            for index, item in enumerate(rng.choice(np.arange(visit, items, 3), 10, replace=False)):
                rows.append((user, item, np.clip(3 + mood + rng.normal(0, 0.3), 1, 5), start + 30 * index))
    user, item, rating, time = (np.array(column) for column in zip(*rows))
    return RatingMatrix.from_columns(user, item, rating.astype(np.float32), time.astype(np.int64), scale=(1.0, 5.0))


@pytest.fixture(scope="module")
def parts() -> recae.Split:
    return recae.split(moody(), "random", test=0.2, rng=0)


@pytest.fixture(scope="module")
def model(parts: recae.Split) -> Dated:
    return Dated(base="bias").fit(parts.train)


def test_moods_of_a_day_are_read_from_the_other_ratings_of_that_day(model: Dated, parts: recae.Split) -> None:
    """Where each visit has a mood of one star, the base errs by most of a star, the dated model by half of that."""
    users, items, truth = parts.test.pairs()
    base = np.abs(model.predict_pairs(users, items) - truth).mean()
    dated = np.abs(model.predict_pairs(users, items, parts.test.timestamps) - truth).mean()
    assert base > 0.6
    assert dated < 0.5 * base


def test_dates_that_say_nothing_change_little() -> None:
    """With dates shuffled among the ratings the figure is the base's to within 2 %."""
    rng, parts = np.random.default_rng(1), recae.split(moody(400), "random", test=0.2, rng=0)
    mixed = parts.train.with_rows(parts.train.user_rows, rng.permutation(parts.train.timestamps))
    model = Dated(base="bias").fit(mixed)
    users, items, truth = parts.test.pairs()
    base = np.sqrt(np.mean((model.predict_pairs(users, items) - truth) ** 2))
    dated = np.sqrt(np.mean((model.predict_pairs(users, items, rng.permutation(parts.test.timestamps)) - truth) ** 2))
    assert dated < 1.02 * base


def test_without_a_date_the_base_answers(model: Dated, parts: recae.Split) -> None:
    """No timestamps: predictions, lists and unseen users are the base model's, fitted on the same ratings."""
    base = make_model("bias").fit(parts.train)
    users, items, _ = parts.test.pairs()
    np.testing.assert_array_equal(model.predict_pairs(users, items), base.predict_pairs(users, items))
    assert model.recommend([3, 5], n=4).equals(base.recommend([3, 5], n=4))


def test_evaluation_hands_the_dates_over(model: Dated, parts: recae.Split) -> None:
    """`recae.evaluate` gives the figure of predictions with the test ratings' own dates."""
    users, items, truth = parts.test.pairs()
    error = model.predict_pairs(users, items, parts.test.timestamps).astype(np.float64) - truth
    assert recae.evaluate(model, parts.test)["rmse"] == pytest.approx(np.sqrt(np.mean(error**2)), rel=1e-6)


def test_ids_and_dates_go_together(model: Dated, parts: recae.Split) -> None:
    """`predict` with raw ids and one date for all is `predict_pairs` with that date for each."""
    users, items, _ = parts.test.pairs()
    raw = parts.train.user_ids[users[:7]], parts.train.item_ids[items[:7]]
    expected = model.predict_pairs(users[:7], items[:7], np.full(7, 5.0 * DAY))
    np.testing.assert_array_equal(model.predict(*raw, timestamps=5 * DAY), expected)


def test_a_file_keeps_the_correction(model: Dated, parts: recae.Split, tmp_path: Path) -> None:
    """Saved and read back, the model predicts the same with dates, and a base given as settings is kept."""
    users, items, _ = parts.test.pairs()
    again = recae.load_model(model.save(tmp_path / "dated.recae"))
    assert isinstance(again, Dated)
    np.testing.assert_allclose(
        again.predict_pairs(users, items, parts.test.timestamps),
        model.predict_pairs(users, items, parts.test.timestamps), rtol=1e-6,
    )  # fmt: skip


def test_a_validation_part_takes_the_place_of_the_part_put_aside(parts: recae.Split) -> None:
    """With a validation part the correction is found on it, and helps as much."""
    made = recae.split(moody(seed=2), "random", test=0.2, validation=0.2, rng=0)
    model = Dated(base="bias").fit(made.train, made.validation)
    users, items, truth = made.test.pairs()
    dated = np.abs(model.predict_pairs(users, items, made.test.timestamps) - truth).mean()
    assert dated < 0.6 * np.abs(model.predict_pairs(users, items) - truth).mean()


def test_bad_input_is_refused(parts: recae.Split) -> None:
    """Ratings without dates, wrong numbers of dates, dates that are none, and a base that reads dates: clear errors."""
    bare = parts.train.with_rows(parts.train.user_rows)
    with pytest.raises(DataError, match="timestamps"):
        Dated(base="bias").fit(bare)
    with pytest.raises(ParameterError, match="base"):
        Dated(base=Dated(base="bias")).fit(parts.train)
    with pytest.raises(ParameterError, match="holdout"):
        Dated(base="bias", holdout=1.0).fit(parts.train)
    model = Dated(base="bias").fit(parts.train)
    users, items, _ = parts.test.pairs()
    with pytest.raises(ParameterError, match="one each"):
        model.predict_pairs(users, items, [1.0, 2.0])
    with pytest.raises(ParameterError, match="finite"):
        model.predict_pairs(users[:2], items[:2], [1.0, np.nan])


def test_its_league_is_that_of_dates() -> None:
    """Whatever the base reads, figures with dates stand apart."""
    assert league_of(Dated(base="wide-deep")) == "dates"


def test_means_near_in_time_are_what_numpy_says() -> None:
    """Kernel means and counts of three rows, one of them empty, by the formula."""
    starts, values = np.array([0, 2, 2, 5]), np.array([1.0, -1.0, 2.0, 0.5, -3.0])
    times, row, at = np.array([0.0, 10.0, 5.0, 6.0, 100.0]), np.array([0, 1, 2, 2]), np.array([1.0, 3.0, 6.0, 90.0])
    found = near_means(starts, values, times, row, at, (2.0, 50.0), 3.0)
    for n, (r, t) in enumerate(zip(row, at)):
        part = slice(starts[r], starts[r + 1])
        for s, span in enumerate((2.0, 50.0)):
            kernel = np.exp(-np.abs(times[part] - t) / span)
            assert found[n, s] == pytest.approx((kernel * values[part]).sum() / (kernel.sum() + 3.0))
    assert near_counts(starts, times, row, at, 9.0).tolist() == [2, 0, 2, 0]


def test_the_command_line_takes_dates_from_a_column(tmp_path: Path) -> None:
    """`recae predict` hands a column of seconds or of dates to a model that reads them; a bad one is named."""
    data = recae.split(moody(), "random", test=0.2, rng=0)
    data.train.to_frame().to_csv(tmp_path / "train.csv", index=False)
    train = ("train", tmp_path / "train.csv", "--model", "dated", "--base", "bias", "--test", 0)
    done(inline(*train, "--out", tmp_path / "m.recae"))
    frame = data.test.to_frame().head(20)
    frame.drop(columns="rating").to_csv(tmp_path / "pairs.csv", index=False)
    model = recae.load_model(tmp_path / "m.recae")
    assert isinstance(model, Dated)
    expected = model.predict(frame["user"], frame["item"], timestamps=frame["timestamp"])
    told = parsed("predict", tmp_path / "m.recae", tmp_path / "pairs.csv")
    np.testing.assert_allclose([row["rating"] for row in told], expected, atol=1e-4)

    days = pd.to_datetime(frame["timestamp"], unit="s").dt.strftime("%Y-%m-%d %H:%M:%S")
    frame.assign(timestamp=days).drop(columns="rating").to_csv(tmp_path / "days.csv", index=False)
    again = parsed("predict", tmp_path / "m.recae", tmp_path / "days.csv")
    assert [row["rating"] for row in again] == [row["rating"] for row in told]

    pairs = (tmp_path / "pairs.csv").read_text().rstrip()
    (tmp_path / "bad.csv").write_text(pairs.rsplit(",", 1)[0] + ",soon\n")
    refused = process("predict", "m.recae", "bad.csv", cwd=tmp_path)
    assert refused.returncode != 0
    assert "bad.csv, line 21" in refused.stderr
    assert "Traceback" not in refused.stderr
