"""`RatingMatrix`: what goes in comes out, in one order, whatever the order it came in."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from property_examples import examples
from scipy import sparse

import recae
from recae.errors import DataError, ParameterError, UnknownIdError
from recae.ratings import RatingMatrix
from recae.ratings.csr import take_rows

SMALL = settings(max_examples=examples(60), deadline=None)
USERS = st.sampled_from(["007", "7", "ann", "Łódź", "a,b", "日本", ""])
ITEMS = st.integers(-3, 9)
RATINGS = st.sampled_from([-10.0, -0.5, 0.0, 1.0, 2.5, 5.0])


@st.composite
def tables(draw: st.DrawFn, unique: bool = True) -> pd.DataFrame:
    """Ratings of up to 7 users for up to 13 items, with timestamps; each pair once if `unique`."""
    pairs = draw(st.lists(st.tuples(USERS, ITEMS), min_size=1, max_size=40, unique=unique))
    n = len(pairs)
    frame = pd.DataFrame(pairs, columns=["user", "item"])
    frame["rating"] = draw(st.lists(RATINGS, min_size=n, max_size=n))
    frame["timestamp"] = draw(st.lists(st.integers(0, 50), min_size=n, max_size=n))
    return frame


@pytest.fixture
def frame() -> pd.DataFrame:
    """Three users, four items, seven ratings, out of order; 0 and -2 are ratings."""
    return pd.DataFrame(
        {
            "user": ["c", "a", "b", "a", "c", "b", "a"],
            "item": [40, 10, 30, 20, 10, 10, 40],
            "rating": [0.0, 1.0, -2.0, 3.0, 4.0, 5.0, 2.0],
            "timestamp": [7, 1, 3, 5, 2, 4, 6],
        }
    )


@pytest.fixture
def matrix(frame: pd.DataFrame) -> RatingMatrix:
    return RatingMatrix.from_frame(frame, timestamp="timestamp")


def dense(frame: pd.DataFrame, matrix: RatingMatrix) -> np.ndarray:
    """The oracle: a table with NaN for what is missing, built by pandas only."""
    table = frame.pivot(index="user", columns="item", values="rating")
    return table.reindex(index=matrix.user_ids, columns=matrix.item_ids).to_numpy()


def test_rows_hold_what_the_table_says(frame: pd.DataFrame, matrix: RatingMatrix) -> None:
    """Each stored entry is the table's rating of that pair, and nothing else is; 0 and -2 are stored."""
    expected = dense(frame, matrix)
    rows = matrix.rows("user")
    assert rows.nnz == 7
    assert rows.dtype == np.float32
    for u in range(3):
        stored = dict(zip(rows.indices[rows.indptr[u] : rows.indptr[u + 1]], rows.data[rows.indptr[u] :]))
        for i in range(4):
            assert (i in stored) == (not np.isnan(expected[u, i]))
            if i in stored:
                assert stored[i] == expected[u, i]


def test_counts_mean_density_and_repr(matrix: RatingMatrix) -> None:
    """The figures that describe a matrix are those counted by hand."""
    assert matrix.shape == (3, 4)
    assert list(matrix.counts("user")) == [3, 2, 2]
    assert list(matrix.counts("item")) == [3, 1, 1, 2]
    assert len(matrix) == matrix.n_ratings == 7
    assert matrix.mean == pytest.approx(13 / 7)
    assert matrix.density == pytest.approx(7 / 12)
    assert matrix.scale == (-2.0, 5.0)
    assert repr(matrix) == (
        "RatingMatrix('ratings': 3 users x 4 items, 7 ratings, 58.33% filled; ratings -2 to 5; mean 1.857; timestamps)"
    )


@given(tables())
@SMALL
def test_from_frame_and_back(frame: pd.DataFrame) -> None:
    """A table without duplicates comes back whole: same ids with their types, same ratings, same timestamps."""
    back = RatingMatrix.from_frame(frame, timestamp="timestamp").to_frame()
    expected = frame.sort_values(["user", "item"]).reset_index(drop=True)
    assert list(map(str, back["user"])) == list(expected["user"])
    assert list(back["item"]) == list(expected["item"])
    assert list(back["rating"]) == list(expected["rating"])
    assert list(back["timestamp"]) == list(expected["timestamp"])


@given(tables(), st.randoms(use_true_random=False))
@SMALL
def test_order_of_the_table_does_not_matter(frame: pd.DataFrame, random) -> None:
    """A shuffled table gives the same matrix, bit by bit."""
    order = list(range(len(frame)))
    random.shuffle(order)
    one = RatingMatrix.from_frame(frame, timestamp="timestamp")
    two = RatingMatrix.from_frame(frame.iloc[order], timestamp="timestamp")
    assert_same(one, two)


def assert_same(one: RatingMatrix, two: RatingMatrix) -> None:
    assert list(one.user_ids) == list(two.user_ids)
    assert list(one.item_ids) == list(two.item_ids)
    for part in ("indptr", "indices", "data"):
        np.testing.assert_array_equal(getattr(one.user_rows, part), getattr(two.user_rows, part))
    np.testing.assert_array_equal(one.timestamps, two.timestamps)
    assert one.scale == two.scale


@given(tables())
@SMALL
def test_item_rows_are_the_transpose(frame: pd.DataFrame) -> None:
    """rows("item") is rows("user") transposed, sorted, and made once."""
    matrix = RatingMatrix.from_frame(frame)
    by_item = matrix.rows("item")
    assert by_item.shape == matrix.shape[::-1]
    users, items, ratings = matrix.pairs()
    for i in range(matrix.n_items):
        part = slice(by_item.indptr[i], by_item.indptr[i + 1])
        np.testing.assert_array_equal(by_item.indices[part], users[items == i])
        np.testing.assert_array_equal(by_item.data[part], ratings[items == i])
    assert matrix.rows("item") is by_item


@given(tables(unique=False), st.sampled_from(["last", "mean"]), st.booleans())
@SMALL
def test_duplicates_follow_the_policy(frame: pd.DataFrame, how: str, timed: bool) -> None:
    """'last' keeps the latest row (later rows win ties; by order without timestamps), 'mean' the mean of all."""
    matrix = RatingMatrix.from_frame(frame, timestamp="timestamp" if timed else None, duplicates=how)
    ordered = frame.sort_values("timestamp", kind="stable") if timed else frame
    groups = ordered.groupby(["user", "item"])["rating"]
    expected = (groups.last() if how == "last" else groups.mean()).sort_index()
    back = matrix.to_frame()
    assert list(zip(back["user"], back["item"])) == list(expected.index)
    np.testing.assert_allclose(back["rating"], expected.to_numpy(), rtol=1e-6)
    if timed:
        latest = frame.groupby(["user", "item"])["timestamp"].max().sort_index()
        assert list(back["timestamp"]) == list(latest)


def test_duplicates_as_an_error_name_the_second_row(frame: pd.DataFrame) -> None:
    """With duplicates='error' the message names the row and the pair."""
    twice = pd.concat([frame, pd.DataFrame({"user": ["b"], "item": [30], "rating": [1.0], "timestamp": [9]})])
    with pytest.raises(DataError, match=r"row 8: a second rating for user 'b', item 30; merge .* duplicates="):
        RatingMatrix.from_frame(twice, duplicates="error")
    with pytest.raises(ParameterError, match="duplicates='newest'"):
        RatingMatrix.from_frame(twice, duplicates="newest")


@given(tables(), st.integers(0, 4), st.integers(0, 4))
@SMALL
def test_filter_is_the_k_core(frame: pd.DataFrame, min_user: int, min_item: int) -> None:
    """What is left has enough ratings everywhere, and is the largest such part (found by brute repetition)."""
    left = frame
    while True:
        users, items = left["user"].value_counts(), left["item"].value_counts()
        keep = (left["user"].map(users) >= min_user) & (left["item"].map(items) >= min_item)
        if keep.all():
            break
        left = left[keep]
    matrix = RatingMatrix.from_frame(frame, timestamp="timestamp")
    if left.empty:
        with pytest.raises(DataError, match="no rating is left"):
            matrix.filter(min_user=min_user, min_item=min_item)
        return
    core = matrix.filter(min_user=min_user, min_item=min_item)
    assert core.counts("user").min() >= min_user
    assert core.counts("item").min() >= min_item
    expected = RatingMatrix.from_frame(left, timestamp="timestamp").to_frame()
    pd.testing.assert_frame_equal(core.to_frame(), expected)


def test_filter_in_one_pass(matrix: RatingMatrix) -> None:
    """With until_stable=False users and items are counted once: item 10 stays with fewer ratings than asked."""
    once = matrix.filter(min_user=3, min_item=2, until_stable=False)
    assert list(once.user_ids) == ["a"]
    assert list(once.item_ids) == [10, 40]  # two users rated item 40, and only one of them is left
    with pytest.raises(DataError, match="users have at most 3 ratings, items at most 3"):
        matrix.filter(min_user=3, min_item=2)


@given(tables(), st.data())
@SMALL
def test_select_keeps_indices(frame: pd.DataFrame, data: st.DataObject) -> None:
    """select(mask) and select(~mask) share the vocabularies and together are the whole."""
    matrix = RatingMatrix.from_frame(frame, timestamp="timestamp")
    mask = np.array(data.draw(st.lists(st.booleans(), min_size=len(matrix), max_size=len(matrix))))
    one, two = matrix.select(mask), matrix.select(~mask)
    assert one.shape == two.shape == matrix.shape
    assert one.user_ids is matrix.user_ids
    assert (one.user_rows + two.user_rows != matrix.user_rows).nnz == 0
    assert len(one) + len(two) == len(matrix)
    np.testing.assert_array_equal(one.timestamps, matrix.timestamps[mask])
    np.testing.assert_array_equal(one.user_rows.data, matrix.user_rows.data[mask])


def test_select_wants_one_bool_a_rating(matrix: RatingMatrix) -> None:
    """A mask of another length, or positions instead of bools, are refused rather than misread."""
    for wrong in (np.ones(6, bool), np.arange(7)):
        with pytest.raises(ParameterError, match="one bool for each rating"):
            matrix.select(wrong)


def test_binarize(matrix: RatingMatrix) -> None:
    """Ratings from the threshold on become 1, the others go, users and items stay."""
    ones = matrix.binarize(3)
    assert list(ones.user_rows.data) == [1, 1, 1]
    assert ones.shape == matrix.shape
    assert list(ones.timestamps) == [5, 4, 2]
    assert ones.scale == (0.0, 1.0)
    with pytest.raises(DataError, match="no rating is >= 6: the scale is -2 to 5"):
        matrix.binarize(6)


def test_ids_to_indices(matrix: RatingMatrix) -> None:
    """Raw ids give their indices; unknown ones an error that tells a wrong type from a wrong id, or -1 on request."""
    assert list(matrix.user_index(["c", "a"])) == [2, 0]
    assert list(matrix.item_index(40)) == [3]
    assert list(matrix.item_index([10, 99], missing="-1")) == [0, -1]
    with pytest.raises(UnknownIdError, match="user 'z' is not among the 3 known users"):
        matrix.user_index(["a", "z"])
    with pytest.raises(
        UnknownIdError, match=r"item '40' is not among .*; 40 is known: pass ids with the type they have"
    ):
        matrix.item_index(["40"])


@pytest.mark.parametrize(
    "ids",
    [
        pytest.param([("x", 1), ("y", 2), ("x", 1)], id="tuples"),
        pytest.param(pd.Series([3, 1, 3], dtype="Int64"), id="nullable integers"),
        pytest.param(np.array([127, -128, 127], dtype=np.int8), id="small integers over their whole range"),
        pytest.param(np.array([2**63 + 5, 2**63 + 1, 2**63 + 5], dtype=np.uint64), id="large unsigned integers"),
        pytest.param(np.array([10**17, -5, 10**17]), id="integers far apart"),
        pytest.param(pd.Categorical(["b", "a", "b"], categories=["z", "b", "a"]), id="categories, one unused"),
        pytest.param(pd.to_datetime(["2020-01-02", "2020-01-01", "2020-01-02"]), id="dates"),
        pytest.param([1, "1", 1], id="mixed types"),
    ],
)
def test_ids_of_any_type_are_kept(ids) -> None:
    """Ids of every hashable type come back equal, and find their rows."""
    frame = pd.DataFrame({"user": ids, "item": [1, 1, 2], "rating": [1.0, 2.0, 3.0]})
    matrix = RatingMatrix.from_frame(frame)
    assert matrix.n_users == 2
    back = {(user, item): rating for user, item, rating in matrix.to_frame().itertuples(index=False)}
    assert back == {(user, item): rating for user, item, rating in frame.itertuples(index=False)}
    assert matrix.user_index([frame["user"].iloc[0]]) == matrix.user_index([frame["user"].iloc[2]])


def test_datetimes_become_seconds() -> None:
    """Datetimes, with a zone or without (UTC), become seconds since 1970."""
    for stamps in (pd.to_datetime(["1970-01-02"]), pd.to_datetime(["1970-01-02T02:00+02:00"])):
        frame = pd.DataFrame({"user": [1], "item": [1], "rating": [1], "when": stamps})
        assert list(RatingMatrix.from_frame(frame, timestamp="when").timestamps) == [86_400]


def test_tables_of_items_and_users_are_indexed() -> None:
    """An item table is indexed by raw id; two rows for one id are refused."""
    frame = pd.DataFrame({"user": [1], "item": [5], "rating": [1]})
    titles = pd.DataFrame({"item": [5], "title": ["x"]})
    assert RatingMatrix.from_frame(frame, item_table=titles).item_table.loc[5, "title"] == "x"
    with pytest.raises(DataError, match="more than one row for item 5"):
        RatingMatrix.from_frame(frame, item_table=pd.concat([titles, titles]))


@pytest.mark.parametrize("names", [["item", "a", "a"], ["item", 1, "1"], ["item", "item", "a"]])
def test_two_columns_of_one_name_are_refused(names: list[Any]) -> None:
    """A table in which a name, as a text, occurs twice is refused however it is given; one of each name is taken."""
    frame = pd.DataFrame({"user": [1, 1], "item": [5, 6], "rating": [1, 2]})
    table = pd.DataFrame([[5, 0, 1], [6, 2, 3]], columns=names)
    matrix = RatingMatrix.from_frame(frame)
    twice = f"item table has more than one column '{names[1]}'.*rename or drop"
    with pytest.raises(DataError, match=twice):
        RatingMatrix.from_frame(frame, item_table=table)
    with pytest.raises(DataError, match=twice):
        recae.load(frame, items=table)
    with pytest.raises(DataError, match=twice.replace("item table", "user table")):
        replace(matrix, user_table=table)
    assert list(replace(matrix, item_table=table.iloc[:, 1:2]).item_table.columns) == names[1:2]


def test_parts_that_do_not_fit_are_refused(matrix: RatingMatrix) -> None:
    """A matrix whose ids or timestamps do not fit its rows is not made."""
    rows = sparse.csr_array((2, 4), dtype=np.float32)
    with pytest.raises(DataError, match=r"shape \(2, 4\), but there are 3 user ids and 4 item ids"):
        matrix.with_rows(rows)
    with pytest.raises(DataError, match="6 timestamps for 7 ratings"):
        matrix.with_rows(matrix.user_rows, np.zeros(6, np.int64))
    for call in (matrix.rows, matrix.counts):
        with pytest.raises(ParameterError, match="by='row': choose 'user' or 'item'"):
            call("row")


def test_no_ratings_in_a_part_is_allowed(matrix: RatingMatrix) -> None:
    """A part of a matrix may be empty: its counts are 0 and its mean is NaN."""
    nothing = matrix.select(np.zeros(7, bool))
    assert list(nothing.counts("user")) == [0, 0, 0]
    assert np.isnan(nothing.mean)
    assert "0 ratings" in repr(nothing)


@pytest.mark.parametrize(
    ("users", "items", "message"),
    [
        ([1, np.nan, 2], [1, 2, 3], "row 2: the id of the user is missing"),
        (["a", "b", "c"], ["x", "y", None], "row 3: the id of the item is missing"),
        ([1, 2], [1, 2, 3], "columns of 2, 3, 3 rows"),
        ([1, 2, 3], [1, 2, 3, 4], "columns of 3, 4, 3 rows"),
    ],
)
def test_columns_that_do_not_fit_each_other_are_refused(users: list[Any], items: list[Any], message: str) -> None:
    """A missing id has no code, and a short column no row: both are named before compiled code counts with them."""
    with pytest.raises(DataError, match=message):
        RatingMatrix.from_columns(users, items, np.array([1.0, 2.0, 3.0]))


@pytest.mark.parametrize("index", [[1, 2, 3], [0, 1, 2, 3, 4], [4], [3, 1, 1], [], [-1, 0]], ids=str)
def test_taken_rows_are_indexed_rows(index: list[int]) -> None:
    """Neighbours, of which entries are not copied, and any other rows: what indexing gives, and canonical."""
    rows = sparse.random_array((5, 7), density=0.8, format="csr", rng=0, dtype=np.float32)
    taken = take_rows(rows, np.array(index, np.int64))
    assert taken.shape == (len(index), 7)
    np.testing.assert_array_equal(taken.toarray(), rows.toarray()[index])
    assert taken.has_canonical_format
    assert np.shares_memory(taken.data, rows.data) == (index in ([1, 2, 3], [0, 1, 2, 3, 4], [4]))
