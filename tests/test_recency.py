"""Recency: the weights of older entries, that new and known users are read alike, the choice of the power, refusals."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import recae
from recae import Recency
from recae.errors import DataError, ParameterError
from recae.models.ensemble.recency import recency_weights
from recae.models.sessions.next_scores import next_scores
from tests.contract import ratings

EASE = {"model": "ease", "l2": 50.0}


def test_weights_follow_the_number_of_newer_entries() -> None:
    """(1 + newer)^-p by hand, equal moments alike, mean 1 in each row, an empty row in between."""
    indptr = np.array([0, 4, 4, 6])
    stamps = np.array([30, 10, 20, 20, 7, 10])  # newer: 0, 3, 1, 1; 1, 0: a row begins where the last one ended
    raw = np.array([1, 1 / 4, 1 / 2, 1 / 2])
    expected = [*(raw * 4 / raw.sum()), 2 / 3, 4 / 3]
    np.testing.assert_allclose(recency_weights(indptr, stamps, 1.0), expected, rtol=1e-6)
    np.testing.assert_array_equal(recency_weights(indptr, stamps, 0.0), 1)
    assert recency_weights(np.array([0, 0]), np.array([], np.int64), 1.0).shape == (0,)


def test_scores_are_the_bases_of_a_weighted_row() -> None:
    """EASE's product with the weighted row, by hand; with power 0 the base's own scores."""
    data, alone = ratings(), recae.make_model(**EASE_ARGUMENTS).fit(ratings())
    users = np.array([7, 2])
    model = Recency(base=EASE, power=1.0).fit(data)
    rows = data.user_rows[users].toarray()
    weights = np.asarray(alone.weights_)
    for found, row, user in zip(model.score_users(users), rows, users, strict=True):
        start, stop = data.user_rows.indptr[user : user + 2]
        times = data.timestamps[start:stop]
        weight = 1 / (1 + (times[None, :] > times[:, None]).sum(1))
        read = np.zeros_like(row)
        read[data.user_rows.indices[start:stop]] = weight * len(weight) / weight.sum()
        expected = read @ weights + (0 if alone.offset_ is None else np.asarray(alone.offset_))
        np.testing.assert_allclose(found, expected, atol=1e-5)
    same = Recency(base=EASE, power=0.0).fit(data)
    np.testing.assert_allclose(same.score_users(users), alone.score_users(users), atol=1e-5)


EASE_ARGUMENTS = {"name": "ease", "l2": 50.0}


def test_unseen_users_with_times_get_what_known_ones_get(tmp_path: Path) -> None:
    """The same events under another name give the same list, from a file, too; rows without times are as they are."""
    data = ratings()
    model = recae.load_model(Recency(base=EASE, power=1.0).fit(data).save(tmp_path / "m.recae"))
    frame = data.to_frame()
    user = data.user_ids[3]
    own = frame[frame["user"] == user].assign(user="somebody")
    found = model.recommend_new(own, n=5)
    expected = model.recommend([user], n=5)
    assert found["item"].tolist() == expected["item"].tolist()
    np.testing.assert_allclose(found["score"], expected["score"], atol=1e-5)
    undated = model.recommend_new(own.drop(columns="timestamp"), n=5)
    assert undated["item"].tolist() == model.base_.recommend([user], n=5)["item"].tolist()


def test_the_power_is_above_0_only_where_the_last_items_say_more() -> None:
    """Where the next item follows from the last one, older entries lose weight; in a drawn order they do not."""
    rng = np.random.default_rng(0)
    n_users, n_items, length = 300, 40, 12
    drift = (rng.integers(0, n_items, (n_users, 1)) + 2 * np.arange(length)) % n_items  # each item two further on
    drawn = rng.permuted(drift, axis=1)
    noise = np.argsort(rng.random((n_users, n_items)), axis=1)[:, :length]  # of which some power is best by chance
    few = drift[:24]  # 48 last items, fewer than choose anything
    for items, moves in ((drift, True), (drawn, False), (noise, False), (few, False)):
        n_users = len(items)
        frame = pd.DataFrame({
            "user": np.repeat(np.arange(n_users), length), "item": items.ravel(),
            "timestamp": np.tile(np.arange(length), n_users),
        })  # fmt: skip
        data = recae.RatingMatrix.from_frame(frame, rating=None, timestamp="timestamp")
        assert (Recency(base=EASE).fit(data).power_ > 0) == moves


def test_no_order_and_bases_that_read_no_weights_are_refused() -> None:
    """Ratings without times, times that are all equal, a rating model, and a ranker of which items, not how much."""
    data = ratings()
    users, items, values = data.pairs()
    for stamps, words in ((None, "no timestamps, and recency reads"), (np.full(len(users), 5), "nothing of the order")):
        untimed = recae.RatingMatrix.from_columns(users, items, values, timestamps=stamps)
        with pytest.raises(DataError, match=words):
            Recency(base=EASE).fit(untimed)
    for base in ("bias", "popularity", "markov"):
        with pytest.raises(ParameterError):
            Recency(base=base, power=1.0).fit(data)


def test_explanations_are_of_the_weighted_row() -> None:
    """Contributions and the base sum to the score that lists are ranked by; ratings are shown as they were given."""
    data = ratings()
    model = Recency(base=EASE, power=1.0).fit(data)
    user, item = data.user_ids[3], data.item_ids[12]
    found = recae.explain(model, user, item)
    assert found.attrs["exact"]
    assert found.attrs["score"] == pytest.approx(model.score_users(np.array([3]))[0, 12], abs=1e-5)
    assert found["contribution"].sum() + found.attrs["base"] == pytest.approx(found.attrs["score"], abs=1e-4)
    own = data.to_frame().query("user == @user").set_index("item")["rating"]
    assert found.set_index("item")["rating"].to_dict() == own.to_dict()
    as_new = recae.explain(model, data.to_frame().query("user == @user").assign(user="x"), item)
    np.testing.assert_allclose(as_new["contribution"], found["contribution"], atol=1e-5)


@pytest.mark.parametrize("name", ["recency", "v-sknn"])
def test_hidden_users_are_measured_by_the_lists_that_they_are_served(name: str) -> None:
    """`evaluate` reads the times of what hidden users show, also in other orders of users and items; so figures are
    those of the lists of `recommend_new`, and not those of the same rows without times."""
    model = Recency(base=EASE, power=1.0) if name == "recency" else recae.make_model(name)
    parts = recae.split(ratings(), "held-out-users", test=9, fold_in=0.7, rng=1)
    model.fit(parts.train)
    assert parts.test_input is not None
    wanted = recae.evaluate_lists(model.recommend_new(parts.test_input, 6), parts, "ndcg@6")["ndcg@6"]
    assert recae.evaluate(model, parts, "ndcg@6")["ndcg@6"] == pytest.approx(wanted)
    untimed = replace(parts, test_input=parts.test_input.with_rows(parts.test_input.user_rows))
    assert recae.evaluate(model, untimed, "ndcg@6")["ndcg@6"] != pytest.approx(wanted)
    turned = parts.test_input.to_frame().iloc[::-1]
    other = recae.RatingMatrix.from_frame(turned, timestamp="timestamp", scale=parts.test_input.scale)
    assert recae.evaluate(model, replace(parts, test_input=other), "ndcg@6")["ndcg@6"] == pytest.approx(wanted)


def test_the_next_item_is_asked_with_the_times_of_what_was_before() -> None:
    """Scores of the next item are those of `recommend_new` of the same events in a frame, event by event."""
    events = recae.sessions(ratings())
    model = Recency(base=EASE, power=1.0).fit(ratings())
    users, stops = np.array([3, 1, 3]), events.event_starts[[3, 1, 3]] + [4, 5, 7]
    scores = next_scores(model, events)(users, stops)
    for user, stop, found in zip(users, stops, scores, strict=True):
        own = events.to_frame().iloc[events.event_starts[user] : stop]
        listed = model.recommend_new(own, n=model.ratings_.n_items, filter_seen=False).set_index("item")["score"]
        np.testing.assert_allclose(found, listed.loc[model.ratings_.item_ids], atol=1e-5)
