"""Purchases that repeat: a split by time cuts rows first, and then merges those of one pair in each part."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from cli_helpers import done, inline, parsed

import recae
from recae.comparison import compare
from recae.errors import DataError, DataWarning, ParameterError
from recae.evaluation import evaluate
from recae.ratings.merging import DUPLICATES
from recae.splitting import Split, rolling_windows, split, take_validation

DAY = 86_400
HOW = [how for how in DUPLICATES if how != "error"]


def purchases(seed: int = 0, n: int = 400) -> pd.DataFrame:
    """Rows of 12 users and 9 items over 40 days, most pairs several times; ratings are the number of pieces."""
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {"user": rng.integers(0, 12, n), "item": rng.integers(0, 9, n), "rating": rng.integers(1, 9, n)}
    )
    return frame.assign(timestamp=10**9 + rng.integers(0, 40, n) * DAY)


def load(frame: pd.DataFrame, how: Any = "last") -> recae.RatingMatrix:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DataWarning)
        return recae.load(frame, duplicates=how)


def rows_of(part: recae.RatingMatrix | None) -> list[tuple[Any, ...]]:
    assert part is not None
    return sorted(part.to_frame().itertuples(index=False, name=None))


def cut(data: recae.RatingMatrix, **options: Any) -> Split:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DataWarning)
        return split(data, "time", **options)


@pytest.mark.parametrize("how", HOW)
@pytest.mark.parametrize("again", [True, False])
def test_rows_are_cut_before_they_are_merged(how: Any, again: bool) -> None:
    """The parts are what is loaded from the rows before and after the moment: ratings, and times too."""
    frame = purchases()
    first = frame["timestamp"].max() - 10 * DAY + 1
    before, after = load(frame[frame["timestamp"] < first], how), load(frame[frame["timestamp"] >= first], how)
    parts = cut(load(frame, how), test="10D", again=again)
    assert rows_of(parts.train) == rows_of(before)
    known = {row[:2] for row in rows_of(before)}
    expected = [row for row in rows_of(after) if again or row[:2] not in known]
    assert rows_of(parts.test) == expected
    assert 0 < len(expected) < len(rows_of(after)) or again


@pytest.mark.parametrize("how", HOW)
def test_a_validation_part_is_cut_the_same_way(how: Any) -> None:
    """What is left of train is cut again, whether `split`, `take_validation` or a saved split does it."""
    frame = purchases(1)
    parts = cut(load(frame, how), test="10D", validation="10D", again=True)
    last = frame.loc[frame["timestamp"] < frame["timestamp"].max() - 10 * DAY + 1, "timestamp"].max()
    early, late = last - 10 * DAY + 1, last + 1
    assert rows_of(parts.train) == rows_of(load(frame[frame["timestamp"] < early], how))
    assert rows_of(parts.validation) == rows_of(
        load(frame[(frame["timestamp"] >= early) & (frame["timestamp"] < late)], how)
    )


def test_a_saved_split_can_be_cut_again(tmp_path: Path) -> None:
    """The rows of train are in the file of a split: a validation part of it is the same before and after."""
    parts = cut(load(purchases(2, n=150), "sum"), test="10D")
    again = Split.load(parts.save(tmp_path / "s.npz"))
    with pytest.warns(DataWarning, match="of the validation part occur before it, too"):
        ours = take_validation(parts.train, "5D", how="time")
    with pytest.warns(DataWarning):
        theirs = take_validation(again.train, "5D", how="time")
    for one, other in zip(ours, theirs):
        assert rows_of(one) == rows_of(other)


def test_a_share_is_one_of_the_rows() -> None:
    """A fifth of the rows, and not of the pairs, is behind the cut."""
    frame = purchases(3).drop_duplicates("timestamp").assign(user=1)
    frame = pd.concat([frame, frame.assign(timestamp=frame["timestamp"] - 50 * DAY)])
    data = load(frame, "count")
    parts = cut(data, test=0.2, again=True)
    assert parts.test.user_rows.data.sum() == round(0.2 * len(frame))
    assert parts.train.user_rows.data.sum() == len(frame) - round(0.2 * len(frame))


def test_what_is_left_out_is_said() -> None:
    """Pairs that are bought again are counted and said; where all are, the split is refused and names the option."""
    frame = pd.DataFrame({"user": [1, 1, 1, 2], "item": [1, 1, 2, 1], "rating": 1.0, "timestamp": [0, 9, 9, 0]})
    data = load(frame)
    with pytest.warns(DataWarning, match=r"1 pairs of user and item of the test part.*the setting `again` tests"):
        assert rows_of(split(data, "time", test="5s").test) == [(1, 2, 1.0, 9)]
    with pytest.raises(DataError, match="again=True"):
        split(load(frame[frame["item"] == 1]), "time", test="5s")


@pytest.mark.parametrize("again", [True, False])
def test_windows(again: bool) -> None:
    """Each window learns from the rows before it, and is tested on its own."""
    frame = purchases(4)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DataWarning)
        for parts in rolling_windows(load(frame, "count"), 3, "7D", again=again):
            first = int(pd.Timestamp(parts.settings["cut"]).timestamp())
            inside = (frame["timestamp"] >= first) & (frame["timestamp"] < first + 7 * DAY)
            assert rows_of(parts.train) == rows_of(load(frame[frame["timestamp"] < first], "count"))
            known = {row[:2] for row in rows_of(parts.train)}
            expected = rows_of(load(frame[inside], "count"))
            assert rows_of(parts.test) == [row for row in expected if again or row[:2] not in known]


def pieces() -> pd.DataFrame:
    """Bought early and brought back late; bought late, and some of it brought back; brought back that is not known."""
    rows = [("a", "x", 2, 0), ("a", "x", -2, 9), ("a", "y", 1, 0), ("b", "x", 1, 0), ("b", "y", 3, 8),
            ("b", "y", -1, 9), ("b", "z", -1, 9), ("a", "z", 1, 8), ("a", "z", -1, 9), ("b", "x", 4, 9)]  # fmt: skip
    return pd.DataFrame(rows, columns=["user", "item", "rating", "timestamp"])


@pytest.mark.parametrize("again", [True, False])
def test_what_was_brought_back_is_not_tested(again: bool) -> None:
    """Sums of a test part that are 0 or less are no purchase: they are left out and said, by a date and in windows."""
    data = load(pieces(), "sum")
    with pytest.warns(DataWarning, match=r"3 pairs of .* test part add up to 0 or less .* brought back"):
        parts = split(data, "time", test="3s", again=again)
    kept = [("b", "x", 4.0, 9), ("b", "y", 2.0, 9)]
    assert [row[:4] for row in rows_of(parts.test)] == (kept if again else kept[1:])
    with pytest.warns(DataWarning, match="brought back"):
        (window,) = rolling_windows(data, 1, "3s", again=again)
    assert rows_of(window.test) == rows_of(parts.test)
    with pytest.warns(DataWarning, match=r"3 pairs of .* validation part add up"):
        assert rows_of(take_validation(data, "3s", how="time", again=again)[1]) == rows_of(parts.test)


def test_a_part_of_returns_alone_is_refused() -> None:
    """The message says that all of it was brought back, and not that it occurs before."""
    with pytest.raises(DataError, match="1 pairs of user and item after it add up to 0 or less"):
        cut(load(pieces()[:3], "sum"), test="3s", again=True)
    assert len(cut(load(pieces(), "last"), test="3s", again=True).test) == 5  # of other values nothing is known


def test_a_return_is_no_one() -> None:
    """After binarize(1) of sums, rows that bring back are no purchases of a later part, and no latest time."""
    data = load(pieces(), "sum").binarize(1)
    assert rows_of(data) == [("a", "y", 1.0, 0), ("b", "x", 1.0, 9), ("b", "y", 1.0, 8)]
    late = load(pd.concat([pieces(), pieces()[:1].assign(rating=5)]), "sum").binarize(1)
    assert [row[:2] for row in rows_of(cut(late, test="3s", again=True).test)] == [("b", "x"), ("b", "y")]
    assert rows_of(late)[0] == ("a", "x", 1.0, 0)


def test_lists_that_find_returns_are_said() -> None:
    """Test ratings of 0 or less count as relevant unless `relevant_from` says so, and a warning tells it, once."""
    data = load(pieces(), "last")
    parts = cut(data, test="3s", again=True)
    model = recae.Popularity().fit(parts.train)
    with pytest.warns(DataWarning, match=r"4 of the 5 test ratings are 0 or less, and each .*relevant_from"):
        evaluate(model, parts, "recall@2", filter_seen=False)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        evaluate(model, parts, "recall@2", filter_seen=False)
        fresh = cut(data, test="3s", again=True)
        evaluate(model, fresh, "recall@2", filter_seen=False, relevant_from=1)


def test_filters_keep_the_rows() -> None:
    """After `select`, `filter` and `binarize`, a cut is still one of rows, of the pairs that are left."""
    frame = purchases(5)
    data = load(frame, "sum")
    merged = data.to_frame()
    for less in (data.select(data.user_rows.data > 9), data.binarize(9.5), data.filter(min_user=9, min_item=11)):
        kept = less.to_frame()[["user", "item"]].merge(frame, on=["user", "item"])
        assert 0 < len(less) < len(data)
        first = frame["timestamp"].max() - 10 * DAY + 1
        ones = less.scale == (0.0, 1.0)
        expected = load(
            kept[kept["timestamp"] < first].assign(**({"rating": 1.0} if ones else {})), "max" if ones else "sum"
        )
        assert rows_of(cut(less, test="10D", again=True).train) == rows_of(expected)
    assert len(merged) == len(data)


def test_buying_again_is_measured() -> None:
    """Users buy what they bought: with again=True and filter_seen=False a list of popular items finds it, else not."""
    rows = [(u, i, 1.0, t) for u in range(6) for i in (0, 1) for t in (0, 9)] + [(u, 2 + u, 1.0, 0) for u in range(6)]
    data = load(pd.DataFrame(rows, columns=["user", "item", "rating", "timestamp"]))
    parts = cut(data, test="5s", again=True)
    model = recae.Popularity().fit(parts.train)
    assert evaluate(model, parts, "recall@2", filter_seen=False)["recall@2"] == 1.0
    for more in ({}, {"filter_seen": False, "exclude": parts.train}):
        with pytest.raises(DataError, match="among those that the model was shown"):
            evaluate(model, parts, "recall@2", **more)
    found = compare(parts, ["popularity"], metrics=["recall@2"], filter_seen=False)
    assert found.rows[0]["recall@2"] == 1.0


def test_buying_again_on_the_command_line(tmp_path: Path) -> None:
    """--again for `train` and `compare` tests what is bought again; without, it is left out and said."""
    path = tmp_path / "p.csv"
    purchases(6).to_csv(path, index=False)
    ask = ("--split", "time", "--test", "10D", "--metrics", "recall@3")
    compared = parsed("compare", path, "--models", "popularity", *ask, "--again")
    trained = parsed("train", path, "--model", "popularity", *ask, "--again")
    assert trained["recall@3"] == pytest.approx(compared["models"][0]["recall@3"])
    result = inline("compare", path, "--models", "popularity", *ask)
    done(result)
    assert "occur before it, too, and are left out" in result.stderr
    assert inline("compare", path, "--models", "popularity", "--again").exit_code == 2


def test_an_own_metric_says_whether_lower_is_better() -> None:
    """A function with `lower_is_better` puts the lowest first, and the table says so."""

    def rank_of_first(items: list[Any], relevant: set[Any]) -> float:
        return float(next((n for n, item in enumerate(items, 1) if item in relevant), len(items) + 1))

    rank_of_first.k = 5  # type: ignore[attr-defined]
    data = recae.load("sample")
    higher = compare(data, ["popularity", "ease"], metrics=[rank_of_first, "ndcg@5"])
    assert str(higher).count("ordered by rank_of_first: higher is better") == 1
    rank_of_first.lower_is_better = True  # type: ignore[attr-defined]
    lower = compare(data, ["popularity", "ease"], metrics=[rank_of_first, "ndcg@5"])
    assert str(lower).count("ordered by rank_of_first: lower is better") == 1
    assert [row["model"] for row in lower.rows] == [row["model"] for row in higher.rows][::-1]
    assert lower.to_dict()["lower_is_better"] == {"rank_of_first": True, "ndcg@5": False}
    values = [row["rank_of_first"] for row in lower.rows]
    assert values == sorted(values)


def test_a_validation_part_by_time_may_keep_what_is_bought_again() -> None:
    """With again=True it has the pairs of the validation part that `split` makes; other ways refuse it."""
    data = load(purchases())
    made = cut(data, test="10D", validation="10D", again=True)
    train = cut(data, test="10D", again=True).train
    rest, validation = take_validation(train, "10D", how="time", again=True)
    assert (rows_of(rest), rows_of(validation)) == (rows_of(made.train), rows_of(made.validation))
    with pytest.raises(ParameterError, match="only a part by time"):
        take_validation(train, 0.1, again=True)


def test_a_store_says_that_its_rows_were_merged_before_the_cut(tmp_path: Path) -> None:
    """Once for each store that merged rows; a store of distinct pairs says nothing."""
    frame = purchases()
    for name, rows in (("twice", frame), ("once", frame.drop_duplicates(["user", "item"]))):
        rows.to_csv(tmp_path / f"{name}.csv", index=False)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DataWarning)
            recae.prepare_store([tmp_path / f"{name}.csv"], tmp_path / name, progress=False)
    store = recae.load(tmp_path / "twice")
    with pytest.warns(DataWarning, match=f"{len(frame) - store.n_ratings} rows that repeat a pair"):
        split(store, "time", test="10D", validation="10D")
    with warnings.catch_warnings():
        warnings.simplefilter("error", DataWarning)
        split(recae.load(tmp_path / "once"), "time", test="10D")
