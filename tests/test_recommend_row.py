"""`recommend_row`: one unseen user's list, arrays in and arrays out, is that of `recommend_new`: every model."""

from __future__ import annotations

import numpy as np
import pytest
from contract import FILMS, MODELS, N, fitted, frame_of, stars

import recae
from recae.errors import DataError, NotFittedError, ParameterError

each = pytest.mark.parametrize("name", MODELS)
USER = 2


def arrays_of(name: str) -> tuple[np.ndarray, np.ndarray]:
    """The user's ratings as columns of the model and stars."""
    given = stars(USER)
    return fitted(name).ratings_.item_index([FILMS[film] for film in given]), np.array(list(given.values()))


@each
def test_a_row_gets_the_list_of_a_frame(name: str) -> None:
    """Items and scores are those of `recommend_new`, to the bit, with and without what was rated."""
    model, (items, ratings) = fitted(name), arrays_of(name)
    for filter_seen in (True, False):
        index, scores = model.recommend_row(items, ratings, 5, filter_seen=filter_seen)
        undated = frame_of(USER).drop(columns="timestamp")  # a row has no times
        expected = model.recommend_new(undated, 5, filter_seen=filter_seen)
        assert model.ratings_.item_ids[index].tolist() == expected["item"].tolist()
        assert scores.tolist() == expected["score"].tolist()


@each
def test_order_and_repeats_of_a_row(name: str) -> None:
    """The order of ratings is no matter, and of an item that is rated twice the last rating counts."""
    model, (items, ratings) = fitted(name), arrays_of(name)
    expected = model.recommend_row(items, ratings, 5)
    wrong_first = np.append(items[:1], items[::-1]), np.append(6 - ratings[:1], ratings[::-1])
    for found, wanted in zip(model.recommend_row(*wrong_first, 5), expected):
        np.testing.assert_array_equal(found, wanted)


def test_what_may_be_listed() -> None:
    """Only `allowed` items are listed, fewer than n where fewer are left; nothing rated lists what is popular."""
    model, (items, ratings) = fitted("ease"), arrays_of("ease")
    allowed = np.zeros(N, bool)
    allowed[[items[0], 16, 17]] = True
    assert set(model.recommend_row(items, ratings, 5, allowed=allowed)[0].tolist()) == {16, 17}
    index, scores = model.recommend_row([], [], 3)
    counts = model.ratings_.counts("item")
    assert scores.tolist() == sorted(counts.tolist(), reverse=True)[:3]
    assert counts[index].tolist() == scores.tolist()


def test_ratings_may_be_missing_where_a_model_ranks() -> None:
    """None is 1 each for EASE; AutoRec asks for ratings."""
    items, _ = arrays_of("ease")
    ones = fitted("ease").recommend_row(items, np.ones(len(items)), 4)
    for found, wanted in zip(fitted("ease").recommend_row(items, n=4), ones):
        np.testing.assert_array_equal(found, wanted)
    with pytest.raises(DataError, match="ratings"):
        fitted("i-autorec").recommend_row(items, n=4)


@pytest.mark.parametrize(
    ("items", "ratings", "error"),
    [
        ([0, N], [5, 5], ParameterError), ([-1], [5], ParameterError), ([0.5], [5], ParameterError),
        ([[0]], [[5]], ParameterError), ([0, 1], [5], ParameterError), ([0], [6], DataError),
        ([0], [float("nan")], DataError), ([0], [1e300], DataError),
    ],
)  # fmt: skip
def test_what_is_no_row_is_refused(items: list, ratings: list, error: type[Exception]) -> None:
    """Items that are none, shapes that differ, ratings that are not finite or outside the scale."""
    with pytest.raises(error):
        fitted("i-autorec").recommend_row(items, ratings)


def test_lengths_and_unfitted_models_are_refused() -> None:
    """n is 1 or more, as for `recommend`; of more than there are, all are listed."""
    for n in (0, True, 2.5):
        with pytest.raises(ParameterError, match="1 or more"):
            fitted("ease").recommend_row([0], [5], n)
    assert len(fitted("ease").recommend_row([0], [5], 10 * N)[0]) == N - 1
    with pytest.raises(NotFittedError):
        recae.EASE().recommend_row([0], [5])


def test_a_row_is_no_table(monkeypatch: pytest.MonkeyPatch) -> None:
    """No data frame and no rating matrix is made for a row, which is what makes it fast."""
    import pandas as pd

    model, (items, ratings) = fitted("i-autorec"), arrays_of("i-autorec")
    model.recommend_row(items, ratings, 3)

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a table is made")

    monkeypatch.setattr(pd.DataFrame, "__init__", refuse)
    monkeypatch.setattr("recae.ratings.RatingMatrix.__post_init__", refuse)
    assert len(model.recommend_row(items, ratings, 3)[0]) == 3
