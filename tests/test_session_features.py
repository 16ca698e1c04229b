"""Session models that read the table of users: known users, unseen ones with a row of a table, and without one."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from test_session_rnn import each_head, each_hierarchy, small
from test_side_information import COLUMNS

import recae
from recae.errors import DataWarning
from recae.models.autorec.feature_tables import encode_rows, encode_table, learn_columns

ITEMS = [f"i{item:02d}" for item in range(12)]


@functools.cache
def told_apart() -> recae.RatingMatrix:
    """Users of two groups, each with its half of the items; the last user has no rating, but a row of the table."""
    rng = np.random.default_rng(0)
    rows: list[tuple[str, str, float, int]] = []
    for user in range(60):
        own = rng.permutation(6)[:4] + 6 * (user % 2)
        for place, item in enumerate(own):
            moment = 10**6 * user + 600 * place + 90_000 * (place > 1)
            rows.append((f"u{user:02d}", ITEMS[item], float(4 + rng.integers(2) - 3 * (item % 2)), moment))
    rows.append(("u60", "i00", 3.0, 5))
    frame = pd.DataFrame(rows, columns=["user", "item", "rating", "timestamp"])
    ids = sorted(set(frame["user"]))
    table = pd.DataFrame({"group": ["a", "b"] * 30 + ["b"], "age": [30.0, np.nan, 40.0] * 20 + [35.0]}, index=ids)
    data = recae.RatingMatrix.from_frame(frame, timestamp="timestamp", scale=(1, 5), user_table=table)
    return data.select(data.user_ids[data.pairs()[0]] != "u60")


def new_user(group: str | None, **times: Any) -> recae.RatingMatrix:
    """One rating of an unseen user, of whom a table says the group, or nothing."""
    frame = pd.DataFrame({"user": ["new"], "item": ["i03"], "rating": [3.0], **times})
    table = None if group is None else pd.DataFrame({"other": ["?"], "group": [group]}, index=["new"])
    stamp = "timestamp" if times else None
    return recae.RatingMatrix.from_frame(frame, timestamp=stamp, scale=(1, 5), user_table=table)


@each_hierarchy
def test_the_table_says_what_comes_first(hierarchy: str, tmp_path) -> None:
    """Users without an event get their group's items, known ones and unseen ones; a file keeps it."""
    data = told_apart()
    model = small("next-item", hierarchy, features="user", lr=0.02, epochs=30, batch_size=20).fit(data)
    again = recae.load_model(model.save(tmp_path / "m.recae"))
    assert set(again.recommend("u60", n=6)["item"]) == set(ITEMS[6:])
    elsewhere = new_user("a", timestamp=[7])
    frame = pd.DataFrame({"user": ["new"], "item": ["zzz"], "rating": [3.0]})
    unknown = recae.RatingMatrix.from_frame(frame, user_table=elsewhere.user_table)
    with pytest.warns(DataWarning, match="left out"):
        found = again.recommend_new(unknown, n=6)
    assert set(found["item"]) == set(ITEMS[:6])
    plain = small("next-item", hierarchy, lr=0.02, epochs=1, batch_size=20).fit(data)
    popular = np.argsort(-data.counts("item"), kind="stable")[:6]
    assert plain.recommend("u60", n=6)["item"].tolist() == data.item_ids[popular].tolist()


@each_head
def test_unseen_users_with_a_row_of_a_table_and_without(head: str) -> None:
    """A stranger with a known user's events and row gets that user's scores; without a row, those of all zeros."""
    data = told_apart()
    model = small(head, "all", features="both", lr=0.02, epochs=5, batch_size=20).fit(data)
    own = data.to_frame().query("user == 'u07'")
    told = recae.RatingMatrix.from_frame(own, timestamp="timestamp", scale=(1, 5), user_table=data.user_table)
    known = model.recommend("u07", n=12).set_index("item")["score"]
    same = model.recommend_new(told, n=12).set_index("item")["score"]
    pd.testing.assert_series_equal(same, known, rtol=1e-4)
    silent = model.recommend_new(own, n=12).set_index("item")["score"]
    assert not np.allclose(silent.sort_index(), known.sort_index(), atol=1e-4)
    untold = told.with_rows(told.user_rows, told.timestamps, user_table=None)
    again = model.recommend_new(untold, n=12).set_index("item")["score"]
    pd.testing.assert_series_equal(again, silent, rtol=1e-5)


def test_ratings_of_unseen_users_read_their_row() -> None:
    """`predict_new` reads the row with times and without; a row of scores, which is of nobody, does not."""
    data = told_apart()
    model = small("rating", "init", features="user", lr=0.05, epochs=20, batch_size=20).fit(data)
    pairs = pd.DataFrame({"user": ["new"] * 12, "item": ITEMS})
    for times in ({}, {"timestamp": [7]}):
        told = [model.predict_new(new_user(group, **times), pairs) for group in ("a", "b", None)]
        assert not np.allclose(told[0], told[1], atol=1e-3)
        assert not np.allclose(told[0], told[2], atol=1e-3)
    row = sparse.csr_array(np.where(np.arange(12) == 3, np.float32(3), np.float32(0))[None])
    silent = model.predict_pairs_new(row, np.zeros(12, int), np.arange(12))
    np.testing.assert_allclose(silent, model.predict_new(new_user(None), pairs), atol=1e-5)


@each_head
def test_explanations_keep_the_row(head: str) -> None:
    """The score that is explained is the user's own, whose table is read with each event left out."""
    data = told_apart()
    model = small(head, "init", features="user", lr=0.02, epochs=5, batch_size=20).fit(data)
    frame = recae.explain(model, "u07", "i02")
    expected = model.score_users(data.user_index(["u07"]))[0, data.item_index(["i02"])[0]]
    assert frame.attrs["score"] == pytest.approx(float(expected), abs=1e-5)


def test_new_rows_are_read_as_those_that_were_learnt_from() -> None:
    """Means, values and columns are those of the first table; others, and cells of another kind, are 0."""
    ids = np.arange(10)
    table = pd.DataFrame({"age": np.arange(10.0), "group": ["a"] * 5 + ["b"] * 5, "same": 1}, index=ids)
    columns = learn_columns(table, ids)
    assert encode_table(table, ids).names == ["age", "group=a", "group=b"]
    np.testing.assert_array_equal(encode_rows(table, ids, columns).matrix, encode_table(table, ids).matrix)
    new = pd.DataFrame({"group": ["b", "z", None, "a"], "age": ["9", "old", None, 4.5], "more": 1}, index=list("wxyz"))
    found = encode_rows(new, np.array(list("wxyz")), columns).matrix
    deviation = np.arange(10.0).std()
    np.testing.assert_allclose(
        found, [[4.5 / deviation, -0.5, 0.5], [0, -0.5, -0.5], [0, 0, 0], [0, 0.5, -0.5]], atol=1e-6
    )
    assert encode_rows(None, ids, columns).matrix.shape == (10, 3)
    assert not encode_rows(None, ids, columns).matrix.any()


@pytest.mark.parametrize(
    "name", ["category of integers", "with missing ones", "objects, integers", "datetime", "Int64"]
)
def test_user_columns_of_any_type_are_read_alike_after_loading(name: str, tmp_path) -> None:
    """A stranger's row of a table, of the type that the column had in training, means the same before and after."""
    data = told_apart()
    table = pd.DataFrame({"group": COLUMNS[name].iloc[:41].to_numpy()}, index=data.user_ids[:41])
    table["group"] = table["group"].astype(COLUMNS[name].dtype)
    told = data.with_rows(data.user_rows, data.timestamps, user_table=table)
    model = small("next-item", "none", features="user", lr=0.02, epochs=2, batch_size=20).fit(told)
    again = recae.load_model(model.save(tmp_path / "m.recae"))
    assert len(again._user_columns) == 1
    known = pd.DataFrame({"user": ["n0", "n1"], "item": ["i03", "i03"], "rating": [3.0, 3.0], "timestamp": [7, 7]})
    rows = table.iloc[[0, 3]].set_axis(["n0", "n1"])
    new = recae.RatingMatrix.from_frame(known, timestamp="timestamp", scale=(1, 5), user_table=rows)
    lists = model.recommend_new(new, n=12)
    assert not np.allclose(*(one["score"].sort_values() for _, one in lists.groupby("user")))
    pd.testing.assert_frame_equal(again.recommend_new(new, n=12), lists)
