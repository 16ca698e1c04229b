"""What a request costs follows whom it asks about, and not how many users and events a model has learnt from.

Work is counted here, not timed.
"""

from __future__ import annotations

import gc
import sys
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pandas as pd
import pytest
from test_session_rnn import each_head, each_hierarchy, ratings, small, with_tables

import recae
from recae.models.sessions import markov, recurrent, session_ratings
from recae.models.sessions.session_model import SessionModel
from recae.recommender import frames, nearest
from recae.recommender.scoring import most_similar
from recae.serving import served_model

NEW = pd.DataFrame({"user": "new", "item": ["i03", "i05"], "rating": [3.0, 4.5], "timestamp": [60, 120]})
ROW = (np.array([3, 5]), np.array([3.0, 4.5]))


def counted(monkeypatch: pytest.MonkeyPatch, where: Any, name: str, size: Callable[..., int]) -> list[int]:
    """The sizes that a function is asked about from now on, as `size` reads them from its arguments."""
    found, plain = list[int](), getattr(where, name)

    def counting(*args: Any, **more: Any) -> Any:
        found.append(size(*args))
        return plain(*args, **more)

    monkeypatch.setattr(where, name, counting)
    return found


def requests(model: Any) -> Iterator[Callable[[], Any]]:
    """One list, one row, one pair, and what answers them."""
    yield lambda: model.recommend("u4", n=3)
    yield lambda: model.recommend_row(*ROW, 3, timestamps=[60, 120])
    if model.predicts_ratings:
        yield lambda: model.predict("u4", "i06")
        yield lambda: model.predict("u4", "i06", timestamps=5e5)
        yield lambda: model.predict_new(NEW, NEW[["user", "item", "timestamp"]])


@each_head
@each_hierarchy
def test_a_request_reads_the_events_of_whom_it_asks_about(
    head: str, hierarchy: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A network's facts, running sums and packed events are of the one user of a list, a row or a pair."""
    data = ratings()
    model = small(head, hierarchy, attention=True).fit(data)
    most = max(int(data.counts("user")[4]), len(NEW))
    packed = counted(monkeypatch, recurrent, "pack", lambda events, *_: events.n_events)
    facts = counted(monkeypatch, type(model), "_facts", lambda _, events: events.n_events)
    sums = counted(monkeypatch, session_ratings, "_running", lambda _, events: events.n_events)
    for ask in requests(model):
        ask()
    assert len(packed) == len(facts) == (6 if model.predicts_ratings else 2)  # at a moment: without it, too
    assert max(packed + facts + sums) <= most < data.n_ratings
    recae.explain(model, "u4", "i06")
    n = int(data.counts("user")[4])
    assert max(packed + facts + sums) <= n * n  # a history without each of its events


@each_head
@each_hierarchy
def test_one_user_is_answered_as_among_all(head: str, hierarchy: str) -> None:
    """Facts of some users' events are those of all events, to the bit; so are answers, up to a product's rounding."""
    data = ratings()
    model = small(head, hierarchy).fit(data)
    events, users = model.sessions_, np.array([7, 2, 4])
    some = events.of_users(users)
    at = np.concatenate([np.arange(*(int(k[0]) for k in events.spans(np.array([user])))) for user in users])
    for own, whole in zip(model._facts(some), model._facts(events)):
        np.testing.assert_array_equal(own, whole if whole is None else whole[at])
    together = model.recommend(data.user_ids, n=5).set_index("user")
    for user in data.user_ids[:3]:
        alone = model.recommend(user, n=5)
        np.testing.assert_array_equal(alone["item"], together.loc[[user], "item"])
        np.testing.assert_allclose(alone["score"], together.loc[[user], "score"], rtol=1e-5)


def test_some_users_keep_their_sessions() -> None:
    """Of users alone, in any order, events and sessions are what they were, and who they are is said."""
    events = small("next-item", "init", epochs=0).fit(ratings()).sessions_
    part = events.of_users(np.array([8, 0, 3]))
    assert part.known_as is not None
    assert part.known_as.tolist() == [8, 0, 3]
    frame = events.to_frame()
    for place, user in enumerate((8, 0, 3)):
        own = part.of_users(np.array([place]))
        assert own.known_as is not None
        assert own.known_as.tolist() == [user]
        expected = frame[frame["user"] == f"u{user}"]
        np.testing.assert_array_equal(own.ratings.item_ids[own.items], expected["item"])
        np.testing.assert_array_equal(own.times, expected["timestamp"])
        np.testing.assert_array_equal(own.session_of + 1, expected["session"])
        start, stop = part.spans(np.array([place]))
        np.testing.assert_array_equal(part.times[start[0] : stop[0]], own.times)
    assert events.of_users(np.empty(0, np.int64)).n_events == 0


@each_head
def test_a_stranger_does_not_cost_the_table_of_all_users(head: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the table says of users learnt from is read once, however these alternate with strangers."""
    data = with_tables(ratings())
    model = small(head, "init", features="user").fit(data)
    before = model.recommend("u4", n=5)
    read = counted(monkeypatch, recurrent, "encode_rows", lambda table, ids, *_: len(ids))
    apart = model.recommend_row(*ROW, 5, timestamps=[60, 120])
    for _ in range(3):
        again = model.recommend_row(*ROW, 5, timestamps=[60, 120])
        pd.testing.assert_frame_equal(model.recommend("u4", n=5), before)
        np.testing.assert_array_equal(again[0], apart[0])
        np.testing.assert_array_equal(again[1], apart[1])
    assert read
    assert set(read) == {1}


MODELS = {
    "session-rnn": lambda: small("next-item", "init", features="user"),
    "session-rnn-ratings": lambda: small("rating", "init", features="user"),
    "markov": recae.Markov,
    "v-sknn": recae.VSKNN,
    "recency": lambda: recae.Recency(base="ease", power=0.5),
    "ranking-blend": lambda: recae.RankingBlend(members=("markov", "v-sknn")),
}


@pytest.mark.parametrize("name", MODELS)
def test_nothing_of_a_request_stays(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A stranger's ratings are gone after the answer: the requests of a server's threads share no slot of the model."""
    model = MODELS[name]().fit(with_tables(ratings()))
    made = list[weakref.ref[recae.RatingMatrix]]()
    plain = frames.new_users

    def noting(*args: Any, **more: Any) -> recae.RatingMatrix:
        new = plain(*args, **more)
        made.append(weakref.ref(new))
        return new

    monkeypatch.setattr(frames, "new_users", noting)
    model.recommend_new(NEW, n=3)
    if model.predicts_ratings:
        model.predict_new(NEW, NEW[["user", "item", "timestamp"]])
    recae.explain(model, NEW, "i06")
    gc.collect()
    assert made
    assert [one() for one in made] == [None] * len(made)


@pytest.mark.parametrize("kind", [recae.Markov, recae.VSKNN])
def test_counts_of_all_events_are_made_once(kind: type[SessionModel], monkeypatch: pytest.MonkeyPatch) -> None:
    """After the first request, models of counts and of neighbours sum and index nothing of all events."""
    model = kind().fit(ratings())
    first = model.recommend("u4", n=5)
    summed = counted(monkeypatch, markov.sparse.csr_array, "sum", lambda rows: rows.shape[0])
    indexed = counted(monkeypatch, recae.models.sessions.vsknn, "_index", lambda *_: 1)
    cut = counted(monkeypatch, SessionModel, "cut", lambda *_: 1)
    pd.testing.assert_frame_equal(model.recommend("u4", n=5), first)
    assert indexed == cut == []
    assert set(summed) <= {1}  # rows: the user's own


def test_a_query_takes_no_room_for_all_sessions(monkeypatch: pytest.MonkeyPatch) -> None:
    """V-SKNN's table has room for the sessions that share an item with the query, whatever the number of sessions."""
    vote = recae.models.sessions.vsknn._vote.python
    sizes = list[int]()

    class Noted:
        """NumPy, whose new arrays are measured."""

        def __getattr__(self, name: str) -> Any:
            found = getattr(np, name)
            if name not in ("zeros", "empty", "full"):
                return found
            return lambda size, *more: sizes.append(int(size)) or found(size, *more)

    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"user": np.arange(400), "item": rng.integers(1, 100, 400), "timestamp": np.arange(400) * 5})
    frame.loc[:2, "item"] = 0  # three of 400 sessions have the item
    model = recae.VSKNN().fit(recae.RatingMatrix.from_frame(frame, rating=None, timestamp="timestamp"))
    past = model._past()
    monkeypatch.setattr(recae.models.sessions.vsknn, "np", Noted())
    out = np.zeros((1, 100), np.float32)
    vote(
        np.array([0, 1]), np.array([0]), np.ones(1, np.float32), past["item_starts"], past["item_sessions"],
        past["starts"], past["items"], np.ones(100, np.float32), 100, out,
    )  # fmt: skip
    assert max(sizes) == 8  # slots of at most half as many sessions
    assert out[0, 0] == 3
    assert out[0, 1:].max() == 0


@pytest.mark.parametrize("model", [recae.ItemKNN(shrink=1.0, popularity=0.0), recae.EASE(l2=5.0), recae.Markov()])
@pytest.mark.parametrize("by", ["item", "user"])
def test_vectors_of_who_rated_what_are_made_once(model: Any, by: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Sparse vectors, which are as long as the ratings, are divided by their lengths once; lists stay as they were."""
    data = ratings()
    model = model.clone().fit(data)
    ids = data.item_ids if by == "item" else data.user_ids
    divided = counted(monkeypatch, nearest.frames, "normalised", lambda vectors: vectors.nnz)
    lists = [getattr(model, f"similar_{by}s")(ids[:4], n=3) for _ in range(3)]
    assert divided == [data.n_ratings]
    vectors = (model.item_vectors() if by == "item" else model.user_vectors()).toarray()
    unit = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
    expected = most_similar(unit, unit.T, np.arange(4), 3)
    np.testing.assert_allclose(lists[2]["score"], expected[1].ravel(), atol=1e-6)
    pd.testing.assert_frame_equal(lists[2], lists[0])
    model.fit(data.select(np.arange(data.n_ratings) % 2 == 0))
    getattr(model, f"similar_{by}s")(ids[:1], n=3)
    assert len(divided) == 2


def test_sparse_vectors_are_divided_without_scikit_learn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sparse rows get length 1 as dense ones do, empty ones stay, and no library is imported while a request waits."""
    import scipy.sparse as sp

    monkeypatch.setitem(sys.modules, "sklearn.preprocessing", None)
    dense = np.array([[3, 0, 4], [0, 0, 0], [0, -2, 0]], np.float32)
    found = nearest.frames.normalised(sp.csr_matrix(dense))
    assert found.dtype == np.float32
    np.testing.assert_allclose(found.toarray(), nearest.frames.normalised(dense), rtol=1e-6)


def test_who_has_ratings_is_asked_of_some_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether users have ratings is looked up where it is asked: nothing is copied of all; -1 has none."""
    model = recae.Popularity().fit(ratings())
    monkeypatch.setattr(np, "append", None)
    for by in ("user", "item"):
        assert model._has_ratings(by, np.array([2, -1, 0])).tolist() == [True, False, True]


def test_a_condition_is_answered_while_another_thread_clears() -> None:
    """What a condition allows is the request's own: remembered ones may be cleared at any moment."""

    class Cleared(dict[str, Any]):
        def __setitem__(self, key: str, value: Any) -> None:  # another thread, right after
            super().clear()

    model = recae.Popularity().fit(with_tables(ratings()))
    served = served_model.ServedModel(model, "f", "m", (0, 0, 0), "now", [], {}, [], 0.0, Cleared())
    assert served.where('genre == "a"').sum() == 7
