"""Users never trained on are served from only their ratings: every registered model."""

from __future__ import annotations

from contextlib import nullcontext

import numpy as np
import pandas as pd
import pytest
from contract import N_A, SOLVED_FOR, USERS, N, fitted, frame_of, frames_agree

from recae.errors import DataError, DataWarning
from recae.models import MODELS
from recae.ratings import RatingMatrix
from recae.ratings.csr import make_csr

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
