"""Splits by date and span, rolling windows, parts from files of their own, and splits that are saved."""

from __future__ import annotations

import datetime as dt
import os
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from cli_helpers import TINY, done, inline, parsed

import recae
from recae.comparison import compare
from recae.errors import DataError, DataWarning, ParameterError
from recae.evaluation import evaluate
from recae.models import AutoRec, Bias, Popularity
from recae.ratings import RatingMatrix
from recae.splitting import Split, own_split, rolling_windows, split, take_validation

DAY = 86_400
START = int(pd.Timestamp("2024-05-01").timestamp())


def daily(n_days: int = 20, users: int = 7, items: int = 23) -> RatingMatrix:
    """Every user rates an item a day, at noon of the days from 1 May 2024 on; user 6 begins on the 15th day."""
    rows = [(u, (u * 2 + day) % items, 1 + (u + day) % 5, START + day * DAY + DAY // 2)
            for day in range(n_days) for u in range(users) if u < 6 or day >= 14]  # fmt: skip
    frame = pd.DataFrame(rows, columns=["user", "item", "rating", "timestamp"])
    return RatingMatrix.from_frame(frame.drop_duplicates(["user", "item"], keep="last"), timestamp="timestamp")


RATINGS = daily()


def days(part: RatingMatrix | None) -> list[int]:
    """The days that a part has ratings of, from 0, in order."""
    assert part is not None
    assert part.timestamps is not None
    return np.unique((part.timestamps - START) // DAY).tolist()


@pytest.mark.parametrize(
    "cut",
    ["2024-05-14", "2024-05-14 00:00:00", dt.date(2024, 5, 14), dt.datetime(2024, 5, 14), np.datetime64("2024-05-14"),
     "2024-05-14T02:00+02:00", "2024/5/14", " 2024.05.14 ", "7D", "168h", "168H", "1W", "1w", dt.timedelta(days=7)],
)  # fmt: skip
def test_a_date_and_a_span_cut_where_they_say(cut: Any) -> None:
    """From midnight of 14 May, or the seven days up to the last rating (noon of 20 May); units in either case."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # of pandas, which gives up the cases of some units
        parts = split(RATINGS, "time", test=cut)
    assert days(parts.test)[0] == 13
    assert days(parts.train)[-1] == 12
    assert parts.test.n_ratings + parts.train.n_ratings == RATINGS.n_ratings
    assert parts.settings["test"] == str(cut)


def test_the_edge_of_a_span_is_outside() -> None:
    """Of ratings at 0 and 10 s a span of 10 s before the last one leaves the first in train; a date is its second."""
    frame = pd.DataFrame({"user": [1, 1], "item": [1, 2], "rating": [1, 2], "timestamp": [0, 10]})
    two = RatingMatrix.from_frame(frame, timestamp="timestamp")
    assert split(two, "time", test="10s").train.n_ratings == 1
    assert split(two, "time", test="1970-01-01 00:00:10").test.n_ratings == 1
    with pytest.raises(DataError, match=r"leaves the train part empty: .* 1970-01-01 00:00:00 to 1970-01-01 00:00:10"):
        split(two, "time", test="11s")
    with pytest.raises(DataError, match="leaves the test part empty"):
        split(two, "time", test="1970-01-01 00:00:11")


@pytest.mark.parametrize("cut", ["yesterday-ish", "7X", "0D", "2024-13-01", "", dt.timedelta(0)])
def test_what_is_neither_date_nor_span(cut: Any) -> None:
    """A wrong text is refused with an example of a right one."""
    with pytest.raises(ParameterError, match=r"such as (2024-05-01|7D)"):
        split(RATINGS, "time", test=cut)
    with pytest.raises(ParameterError, match=r"share|number"):
        split(RATINGS, "random", test="7D")


@pytest.mark.parametrize("cut", ["05/14/2024", "14/05/2024", "04.05.2024", "14 May 2024", "05-14-2024 10:00", "today"])
def test_a_date_whose_year_is_not_first_is_no_cut(cut: str) -> None:
    """04/05/2024 may be two days, and was always read month first: every such text is refused with what to write."""
    with pytest.raises(ParameterError, match="a date with the year first, such as 2024-05-01"):
        split(RATINGS, "time", test=cut)
    refused = inline("split", "sample", "--split", "time", "--day-first", "--test", cut, "--out", "never.npz")
    assert refused.exit_code == 2
    assert "a date with the year first, such as 2024-05-01" in " ".join(refused.stderr.split())
    assert not Path("never.npz").exists()


def test_validation_by_time_is_what_comes_before_the_test_part() -> None:
    """The last 7 days are tested, the 3 before them validated, and nothing is lost."""
    parts = split(RATINGS, "time", test="7D", validation="3D")
    assert days(parts.test) == list(range(13, 20))
    assert days(parts.validation) == [10, 11, 12]
    assert days(parts.train) == list(range(10))
    again, late = take_validation(parts.train, "1D", how="time")
    assert again.n_ratings + late.n_ratings == parts.train.n_ratings


def test_rolling_windows() -> None:
    """Three windows of two days: tests follow each other without a gap up to the end, and train is all before each."""
    windows = list(rolling_windows(RATINGS, 3, "2D"))
    assert [days(window.test) for window in windows] == [[14, 15], [16, 17], [18, 19]]
    assert [days(window.train)[-1] for window in windows] == [13, 15, 17]
    assert all(window.train.user_ids is RATINGS.user_ids for window in windows)
    short = next(rolling_windows(RATINGS, 2, "2D", step="1D", history="5D"))
    assert (days(short.test), days(short.train)) == ([17, 18], [12, 13, 14, 15, 16])
    with pytest.raises(DataError, match="leaves the train part empty"):
        list(rolling_windows(RATINGS, 20, "2D"))
    with pytest.raises(ParameterError, match="a span is needed"):
        rolling_windows(RATINGS, 2, "2024-05-01")
    with pytest.raises(ParameterError, match=r"windows=2\.5: expected a whole number"):
        rolling_windows(RATINGS, 2.5, "2D")  # type: ignore[arg-type]


def test_a_comparison_over_windows() -> None:
    """compare takes the windows as they are: one split each, figures by hand."""
    windows = list(rolling_windows(RATINGS, 3, "2D"))
    found = compare(windows, ["popularity"], metrics=["recall@3"])
    by_hand = [evaluate(Popularity().fit(w.train), w, "recall@3")["recall@3"] for w in windows]
    assert found.rows[0]["splits"]["recall@3"] == pytest.approx(by_hand)


def from_csv(part: RatingMatrix, path: Path) -> RatingMatrix:
    part.to_frame().to_csv(path, index=False)
    return recae.load(path)


def test_parts_from_files_are_the_split_they_came_from(tmp_path: Path) -> None:
    """A split by time written as two files and read back gives each model the same figures, new users included."""
    parts = split(RATINGS, "time", test="7D")
    own = own_split(from_csv(parts.train, tmp_path / "a.csv"), from_csv(parts.test, tmp_path / "b.csv"))
    assert 6 in parts.test.user_ids[parts.test.counts("user") > 0]
    assert parts.train.counts("user")[6] == 0
    for model, names in ((Popularity(), ["recall@3"]), (Bias(), ["rmse"])):
        one, other = (evaluate(model.clone().fit(p.train), p, names) for p in (parts, own))
        assert dict(one) == pytest.approx(dict(other))
        assert one.counts["new_users"] == other.counts["new_users"] == 1
    with pytest.raises(DataError, match="numbers in one part and texts in another"):
        own_split(parts.train, RatingMatrix.from_frame(parts.test.to_frame().astype({"user": str})))


def test_a_validation_file_is_matched_by_id(tmp_path: Path) -> None:
    """Two loaded files, ids in other positions: the fit is that of the split; a stranger is left out with a warning."""
    parts = split(RATINGS, "random", test=0.2, validation=0.2, rng=0)
    assert parts.validation is not None
    settings: dict[str, Any] = {"hidden": 4, "epochs": 5, "rng": 0, "device": "cpu"}
    wanted = AutoRec(**settings).fit(parts.train, parts.validation)
    train, validation = from_csv(parts.train, tmp_path / "a.csv"), from_csv(parts.validation, tmp_path / "b.csv")
    found = AutoRec(**settings).fit(train, validation)
    users, items, _ = parts.test.pairs()
    users, items = RATINGS.user_ids[users], RATINGS.item_ids[items]
    np.testing.assert_allclose(found.predict(users, items), wanted.predict(users, items), rtol=1e-5)
    more = pd.concat([validation.to_frame(), pd.DataFrame({"user": [99], "item": [1], "rating": [3.0]})])
    with pytest.warns(DataWarning, match=r"1 of the .* validation ratings"):
        AutoRec(**settings).fit(train, RatingMatrix.from_frame(more))
    strangers = RatingMatrix.from_frame(more[more["user"] == 99])
    with pytest.raises(DataError, match=r"none of the 1 validation ratings .*user 99 there, 0 here"):
        AutoRec(**settings).fit(train, strangers)


def test_equal_shapes_do_not_make_equal_ids() -> None:
    """A validation part of the same shape with ids in another order counts by id, not by position."""
    train = RATINGS
    order = np.arange(train.n_users)[::-1]
    turned = train.with_rows(train.user_rows[order], None, user_ids=train.user_ids[order])
    settings: dict[str, Any] = {"hidden": 4, "epochs": 5, "rng": 0, "device": "cpu"}
    one, other = (AutoRec(**settings).fit(train, part) for part in (train.with_rows(train.user_rows), turned))
    assert one.history_.best == pytest.approx(other.history_.best)


@pytest.mark.parametrize("how", ["random", "held-out-users"])
def test_a_saved_split_is_the_same_split(tmp_path: Path, how: Any) -> None:
    """Parts, ids, tables, times, scale and settings come back; so do the figures."""
    sample = recae.load("sample")
    parts = split(sample, how, test=0.2, validation=0.1, rng=0)
    back = Split.load(parts.save(tmp_path / "split.npz"))
    assert (back.how, back.settings) == (parts.how, parts.settings)
    assert list(back.parts()) == list(parts.parts())
    for name, part in parts.parts().items():
        other = back.parts()[name]
        pd.testing.assert_frame_equal(other.to_frame(), part.to_frame())
        assert (other.scale, other.name, other.shape) == (part.scale, part.name, part.shape)
        assert (other.item_ids is back.train.item_ids) == (part.item_ids is parts.train.item_ids)
        if part.item_table is not None and other.item_table is not None:
            assert other.item_table["title"].tolist() == part.item_table["title"].tolist()
            assert other.item_table.index.tolist() == part.item_table.index.tolist()
    one, other = (evaluate(Popularity().fit(p.train), p, "ndcg@5") for p in (parts, back))
    assert dict(one) == dict(other)


def test_text_ids_and_files_that_are_no_split(tmp_path: Path) -> None:
    """Ids of texts and mixed ids come back as they are; other files are refused by name."""
    frame = pd.DataFrame({"user": ["ü", "b", "ü", "b"], "item": ["1", "1", "2", "x y"], "rating": [1, 2, 3, 4]})
    parts = split(RatingMatrix.from_frame(frame), test=0.5, rng=0)
    back = Split.load(parts.save(tmp_path / "s.npz"))
    assert back.train.user_ids.tolist() == parts.train.user_ids.tolist()
    assert back.train.item_ids.tolist() == ["1", "2", "x y"]
    (tmp_path / "bad.npz").write_bytes((tmp_path / "s.npz").read_bytes()[:300])
    (tmp_path / "text.npz").write_text("no split")
    for name in ("bad.npz", "text.npz"):
        with pytest.raises(DataError, match=f"{name} is no split"):
            Split.load(tmp_path / name)
    with pytest.raises(DataError, match="no file"):
        Split.load(tmp_path / "nothing.npz")
    with pytest.raises(DataError, match="could not be written"):
        parts.save(tmp_path / "no folder" / "s.npz")
    if hasattr(os, "mkfifo"):  # a split takes the place of a file only
        os.mkfifo(tmp_path / "pipe")
        with pytest.raises(DataError, match=r"pipe could not be written .*is a pipe, not a file"):
            parts.save(tmp_path / "pipe")
        assert (tmp_path / "pipe").is_fifo()


def test_a_split_is_written_alike_by_older_numpy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """NumPy before 2.1 takes every named argument for an array: only arrays are given, none of Python objects, which it
    would pickle."""
    given: dict[str, np.ndarray[Any, Any]] = {}
    monkeypatch.setattr(np, "savez_compressed", lambda file, **arrays: given.update(arrays))
    frame = pd.DataFrame({"user": ["ü", "b", "ü", "b"], "item": ["1", "1", "2", "x y"], "rating": [1, 2, 3, 4]})
    split(RatingMatrix.from_frame(frame), test=0.5, rng=0).save(tmp_path / "s.npz")
    assert "about" in given
    assert [name for name, array in given.items() if not isinstance(array, np.ndarray) or array.dtype.hasobject] == []


# ---------------------------------------------------------------- the command line


def test_commands_cut_by_time_and_take_files(tmp_path: Path) -> None:
    """train and compare cut at a span, over windows, and take parts from files; figures are those of the API."""
    file, a, b = tmp_path / "r.csv", tmp_path / "a.csv", tmp_path / "b.csv"
    RATINGS.to_frame().to_csv(file, index=False)
    parts = split(RATINGS, "time", test="7D")
    parts.train.to_frame().to_csv(a, index=False)
    parts.test.to_frame().to_csv(b, index=False)
    wanted = evaluate(Bias().fit(parts.train), parts, "rmse")["rmse"]
    assert parsed("train", file, "--model", "bias", "--test", "7D")["rmse"] == pytest.approx(wanted)
    by_time = parsed("train", file, *TINY, "--test", "7D", "--validation", "3D")
    assert (by_time["split"]["how"], by_time["split"]["validation"]) == ("time", "3D")
    assert by_time["n_test"] == parts.test.n_ratings
    assert parsed("train", a, "--model", "bias", "--test", b)["rmse"] == pytest.approx(wanted)
    found = parsed("train", a, *TINY, "--test", b, "--validation", b)
    assert found["n_validation"] == parts.test.n_ratings
    table = parsed("compare", "--train", a, "--test", b, "--models", "bias")
    assert table["models"][0]["rmse"] == pytest.approx(wanted)
    windows = parsed("compare", file, "--models", "bias", "--split", "time", "--test", "2D", "--windows", "3")
    assert windows["n_splits"] == 3
    assert "span for --test" in inline("compare", file, "--models", "bias", "--windows", "3").stderr
    assert "such as 7D" in inline("train", file, "--test", "7X").stderr


def test_train_keeps_what_is_liked(tmp_path: Path) -> None:
    """--threshold 4 trains on the ratings of 4 and 5, each as 1, of users with five or more of them."""
    sample = recae.load("sample")
    kept = sample.binarize(4).filter(min_user=5)
    found = parsed("train", "sample", "--model", "popularity", "--threshold", "4")
    assert found["n_train"] + found["n_test"] == kept.n_ratings
    assert "--model ease" in inline("train", "sample", "--threshold", "4", *TINY).stderr
    assert "ranks" not in done(inline("train", "sample", "--model", "popularity", "--threshold", "4"))
