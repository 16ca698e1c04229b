"""Markov and V-SKNN: counts and votes that are worked out by hand, and what both read of time."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import recae
from recae.errors import DataError, DataWarning
from recae.events.cutting import sessions
from recae.models.sessions.markov import Markov
from recae.models.sessions.vsknn import VSKNN

HOUR = 3600


def log(**users: list[str]) -> pd.DataFrame:
    """Each user's sessions, a day apart, as texts of items of a letter, a minute apart."""
    rows = [
        (user, item, 86_400 * day + 60 * place)
        for user, visits in users.items() for day, visit in enumerate(visits) for place, item in enumerate(visit)
    ]  # fmt: skip
    return pd.DataFrame(rows, columns=["user", "item", "timestamp"]).assign(rating=1.0)


def matrix(frame: pd.DataFrame) -> recae.RatingMatrix:
    return recae.RatingMatrix.from_frame(frame, timestamp="timestamp")


DATA = log(u=["abc", "d"], v=["abd", "ca"], w=["bc"], x=["e"])


@pytest.mark.filterwarnings("ignore::recae.errors.DataWarning")
def test_followers_are_counted_within_sessions() -> None:
    """After b came c twice and d once; after a came b twice; after a session's last item nothing came."""
    model = Markov(prior=0.5).fit(matrix(DATA))
    np.testing.assert_array_equal(
        model.counts_.toarray(),
        [[0, 2, 0, 0, 0], [0, 0, 2, 1, 0], [1, 0, 0, 0, 0], [0, 0, 0, 0, 0], [0, 0, 0, 0, 0]],
    )
    new = pd.DataFrame({"user": "n", "item": ["a", "b"], "timestamp": [5, 9]})
    found = model.recommend_new(new, n=5, filter_seen=False).set_index("item")["score"]
    share = pd.Series({"a": 2, "b": 3, "c": 3, "d": 2, "e": 1}) / 11
    counts = pd.Series({"a": 0, "b": 0, "c": 2, "d": 1, "e": 0})
    expected = (counts + 0.5 * share) / 3.5
    pd.testing.assert_series_equal(found.sort_index(), expected, check_names=False, check_dtype=False, rtol=1e-5)


@pytest.mark.filterwarnings("ignore::recae.errors.DataWarning")
def test_earlier_moments_count_less_and_one_moment_counts_alike() -> None:
    """With decay 0.5, a before b weighs half of b; of one moment, or without times, both weigh the same."""
    model = Markov(prior=0.0, decay=0.5).fit(matrix(DATA))

    def score(item: str, **times) -> float:
        new = pd.DataFrame({"user": "n", "item": ["a", "b"], **times})
        found = model.recommend_new(new, n=5, filter_seen=False).set_index("item")["score"]
        return float(found[item])

    assert score("b", timestamp=[0, 60]) == pytest.approx(0.5 / 1.5)
    assert score("c", timestamp=[0, 60]) == pytest.approx(2 / 3 / 1.5)
    assert score("b", timestamp=[60, 60]) == score("b") == pytest.approx(1 / 2)
    assert score("c", timestamp=[0, 2 * HOUR]) == pytest.approx(2 / 3)  # another session: a does not count
    once = pd.DataFrame({"user": "n", "item": ["c"]})
    assert model.recommend_new(once, n=1)["score"].tolist() == [1.0]  # after c came a, once


def plain_votes(events, users, stops, model) -> np.ndarray:
    """V-SKNN with dictionaries, session by session."""
    past = model.sessions_
    rows = [set(past.items[a:b]) for a, b in zip(past.session_starts, past.session_starts[1:])]
    order = np.argsort(past.times[past.session_starts[1:] - 1], kind="stable")
    rows = [rows[k] for k in order]
    n = events.ratings.n_items
    having = np.array([sum(item in row for row in rows) for item in range(n)])
    out = np.zeros((len(users), n))
    for q, (user, stop) in enumerate(zip(users, stops)):
        start = max(events.event_starts[user], stop - model.length)
        times, weight = events.times[start:stop], {}
        for at in range(start, stop):
            age = len({t for t in times if t > events.times[at]})
            item = events.items[at]
            weight[item] = weight.get(item, 0.0) + model.decay**age
        length = np.sqrt(sum(w * w for w in weight.values()))
        near = []
        for p, row in enumerate(rows):
            shared = row & set(weight)
            if shared:
                likeness = sum(weight[i] for i in shared) / (length * np.sqrt(len(row)))
                near.append((likeness, p, max(weight[i] for i in shared)))
        near.sort(key=lambda one: (-one[0], -one[1]))
        for likeness, p, match in near[: model.k]:
            for item in rows[p]:
                out[q, item] += likeness * match * (1 + model.idf * np.log(len(rows) / having[item]))
    return out


@pytest.mark.filterwarnings("ignore::recae.errors.DataWarning")
@pytest.mark.parametrize("settings", [{}, {"k": 3}, {"decay": 1.0, "idf": 0.0}, {"length": 2, "decay": 0.4}])
def test_votes_are_those_of_dictionaries(settings) -> None:
    """The kernel over an index gives what plain Python gives session by session, at every event of random logs."""
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({
        "user": rng.integers(0, 12, 300), "item": rng.integers(0, 25, 300),
        "timestamp": rng.integers(0, 60, 300) * 500, "rating": 1.0,
    })  # fmt: skip
    data = matrix(frame)
    model = VSKNN(**settings).fit(data)
    events, stops = model.sessions_, np.arange(model.sessions_.n_events)
    users = events.users
    found = model.scores_before(events, users, stops)
    np.testing.assert_allclose(found, plain_votes(events, users, stops, model), rtol=1e-4, atol=1e-6)


@pytest.mark.filterwarnings("ignore::recae.errors.DataWarning")
def test_the_index_keeps_the_latest_sessions() -> None:
    """With sample=1, an item votes through the latest session that has it."""
    frame = log(u=["ab"], v=["", "ac"], w=["d"])
    model = VSKNN(sample=1).fit(matrix(frame))
    new = pd.DataFrame({"user": "n", "item": ["a"], "timestamp": [5]})
    found = model.recommend_new(new, n=4).set_index("item")["score"]
    assert found["c"] > 0
    assert found["b"] == 0
    frame.loc[frame["user"] == "v", "timestamp"] = [-60, 0]
    frame.loc[frame["user"] == "u", "timestamp"] = [-120, 60]  # begins before the other, and ends after it
    found = VSKNN(sample=1).fit(matrix(frame)).recommend_new(new, n=4).set_index("item")["score"]
    assert found["b"] > 0
    assert found["c"] == 0


@pytest.mark.parametrize("model", [Markov(), VSKNN()])
def test_repeats_and_files(model, tmp_path) -> None:
    """Each play of an item is an event, before a file and after it; without times nothing is learnt."""
    frame = log(u=["aba", "ab"], v=["abc"], w=["cab", "a"])
    with pytest.warns(DataWarning, match="repeat a pair"):
        data = matrix(frame)
    fitted = model.clone().fit(data)
    assert fitted.sessions_.n_events == 12
    again = recae.load_model(fitted.save(tmp_path / "m.recae"))
    assert again.sessions_.n_events == 12
    everybody = np.arange(3)
    np.testing.assert_array_equal(again.score_users(everybody), fitted.score_users(everybody))
    np.testing.assert_array_equal(sessions(again.ratings_).items, sessions(data).items)
    with pytest.raises(DataError, match="no timestamps"):
        model.clone().fit(recae.RatingMatrix.from_frame(frame.drop_duplicates(["user", "item"])))
