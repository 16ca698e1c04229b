"""Users never trained on are served from only their ratings: every registered model."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from contract import N_A, SOLVED_FOR, USERS, N, fitted, frame_of, frames_agree

import recae
from recae.errors import DataError, DataWarning
from recae.models import MODELS, make_model
from recae.ratings import RatingMatrix
from recae.ratings.csr import make_csr
from recae.recommender.frames import new_users
from recae.recommender.row import dated_row, row_of

each = pytest.mark.parametrize("name", MODELS)


@each
def test_unseen_users_are_served_without_retraining(name: str) -> None:
    """Somebody new with a known user's ratings gets that user's list: exactly, or nearly where it is solved for."""
    model = fitted(name)
    for user in (2, N_A + 3):
        known, new = model.recommend(USERS[user], n=4), model.recommend_new(frame_of(user), n=4)
        assert new["user"].unique().tolist() == ["new one"]
        if name in SOLVED_FOR:
            assert set(new["item"][:2]) == set(known["item"][:2])
            np.testing.assert_allclose(new["score"], known["score"], atol=0.5)
        else:
            frames_agree(known, new, 1e-5)


@each
def test_what_new_users_may_bring(name: str) -> None:
    """A RatingMatrix, ratings in any order, unknown films (left out, with a warning), candidates, nothing seen."""
    model = fitted(name)
    frame, expected = frame_of(2), model.recommend_new(frame_of(2), n=4)
    frames_agree(model.recommend_new(frame[::-1], n=4), expected, 1e-5)
    more = pd.concat(
        [frame, pd.DataFrame({"user": ["new one"], "item": ["no such film"], "rating": [4.0], "timestamp": [0]})]
    )
    with pytest.warns(UserWarning, match="no such film"):
        frames_agree(model.recommend_new(more, n=4), expected, 1e-5)
    few = model.recommend_new(frame, n=9, candidates=expected["item"][:2])
    assert few["item"].tolist() == expected["item"][:2].tolist()
    assert len(model.recommend_new(frame, n=N, filter_seen=False)) == N
    with pytest.raises(DataError, match="user, item"):
        model.recommend_new(frame.drop(columns="item"))


@pytest.mark.parametrize("name", ["i-autorec", "session-rnn-ratings", "ease"])
def test_new_ratings_are_on_the_scale_in_a_frame_and_in_a_matrix(name: str) -> None:
    """A rating outside the scale of training is refused however it comes, also of a row that a later one replaced."""
    model, frame = fitted(name), frame_of(2)
    off = frame.assign(rating=[90.0, *frame["rating"][1:]])
    twice = pd.concat([off[:1].assign(timestamp=0), frame[:1].assign(timestamp=9), frame[1:]])
    pair = f"user 'new one', item {frame['item'].iloc[0]!r}: rating 90 is outside the scale 1 to 5"
    for bad in (off, twice):
        with pytest.raises(DataError, match="rating 90 is outside the scale 1 to 5"):
            model.recommend_new(bad)
        with pytest.warns(DataWarning) if bad is twice else nullcontext():
            matrix = RatingMatrix.from_frame(bad, timestamp="timestamp")
        with pytest.raises(DataError, match=pair):
            model.recommend_new(matrix)
        if model.predicts_ratings:
            with pytest.raises(DataError, match=pair):
                model.predict_new(matrix, frame[:1])


@each
def test_ratings_may_be_missing_only_where_they_are_not_needed(name: str) -> None:
    """New users without stars: what ranks takes them as seen, what predicts ratings asks for the column."""
    bare = frame_of(2)[["user", "item"]]
    if MODELS[name].model_class.predicts_ratings:
        with pytest.raises(DataError, match="rating"):
            fitted(name).recommend_new(bare)
    else:
        assert not set(bare["item"]) & set(fitted(name).recommend_new(bare, n=N)["item"])


@each
def test_a_new_user_with_nothing_to_say(name: str) -> None:
    """An empty row gets finite scores."""
    empty = make_csr(np.zeros(0, np.float32), np.zeros(0, np.int32), np.zeros(3, np.int64), (2, N))
    assert np.isfinite(fitted(name).score(empty)).all()


@pytest.mark.parametrize(
    ("how", "of_47"), [("last", 5.0), ("first", 1.0), ("mean", 3.0), ("max", 5.0), ("sum", 6.0), ("count", 6.0)]
)
@pytest.mark.parametrize("model", ["bias", "ease"])
def test_an_item_that_occurs_twice_is_merged_as_in_training(how: Any, of_47: float, model: str) -> None:
    """By the times, and by the rule the ratings were read with: a frame, a row and what `load` reads are alike."""
    training = pd.DataFrame({"user": [1, 1, 2, 2, 3], "item": [47, 146, 47, 8, 9], "rating": [1.0, 2, 3, 4, 6]})
    known = replace(RatingMatrix.from_frame(training, scale=(1, 6)), read_as={"duplicates": how})
    fitted_model = make_model(model).fit(known)
    frame = pd.DataFrame({"user": "n", "item": [47, 47, 146], "rating": [5.0, 1.0, 3.0], "timestamp": [200, 100, 50]})
    with pytest.warns(DataWarning, match="repeat a pair"):
        new = new_users(frame, fitted_model)
    assert dict(zip(new.item_ids[new.user_rows.indices].tolist(), new.user_rows.data)) == {47: of_47, 146: 3.0}
    assert new.timestamps is None  # neither model reads dates
    columns, times = known.item_index(frame["item"]), frame["timestamp"]
    row = row_of(columns, frame["rating"], known, needs_rating=True, timestamps=times)
    dated = dated_row(columns, frame["rating"], times, known, needs_rating=True)
    for one in (row, dated.user_rows):
        np.testing.assert_array_equal(one.toarray(), new.user_rows.toarray())
    with pytest.warns(DataWarning, match="repeat a pair"):
        listed = fitted_model.recommend_new(frame, 3)
    index, scores = fitted_model.recommend_row(columns, frame["rating"], 3, timestamps=times)
    assert (known.item_ids[index].tolist(), scores.tolist()) == (listed["item"].tolist(), listed["score"].tolist())


def test_a_frame_with_other_columns_is_refused_with_what_reads_it() -> None:
    """The message names the columns there are, and the call that finds which is which does."""
    frame = pd.DataFrame({"customer": ["n"], "sku": ["a"], "rating": [5.0]})
    training = pd.DataFrame({"customer": ["u", "v", "v"], "sku": ["a", "b", "c"], "rating": [1.0, 5.0, 4.0]})
    known = recae.load(training, user="customer", item="sku")
    model = make_model("bias").fit(known)
    with pytest.raises(DataError, match=r"customer, sku, rating; .*recae.load\(frame, like=model.ratings_\)"):
        model.recommend_new(frame)
    assert len(model.recommend_new(recae.load(frame, like=known))) == 2


def test_rows_that_may_not_repeat_or_add_up_to_too_much_are_refused() -> None:
    """`duplicates="error"` holds for new users, too; a sum has to be on the scale, and what is added up need not be."""
    training = pd.DataFrame({"user": [1, 1, 2], "item": ["a", "b", "c"], "rating": [2.0, 4.0, 6.0]})
    once = replace(RatingMatrix.from_frame(training), read_as={"duplicates": "error"})
    added = replace(once, read_as={"duplicates": "sum"})
    frame = pd.DataFrame({"user": "n", "item": ["a", "a"], "rating": [1.0, 2.0]})
    for known, ratings, message in ((once, [2, 3], "second rating"), (added, [4, 3], "merged rating 1: rating 7 is")):
        model = make_model("bias").fit(known)
        with pytest.raises(DataError, match=message):
            model.recommend_new(frame.assign(rating=ratings))
        with pytest.raises(DataError, match=message):
            model.recommend_row([0, 0], ratings)
    with pytest.warns(DataWarning, match="added up"):
        assert new_users(frame, make_model("bias").fit(added)).user_rows.data.tolist() == [3.0]
