"""The server and models of sessions: times of a live user's events are read, in whatever order the events stand."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import recae
from recae.errors import ParameterError

pytest.importorskip("fastapi")
from fastapi.testclient import TestClient

from recae.serving.app import make_app
from recae.serving.limits import Limits
from recae.serving.model_holder import ModelHolder

DAY = 86_400


def log() -> pd.DataFrame:
    """12 users with 3 sittings of 3 events; each film is followed by the next one of a ring of 15."""
    user, step = np.divmod(np.arange(108), 9)
    return pd.DataFrame({
        "user": user, "item": (user + step) % 15, "rating": 1.0 + (user + step) % 5,
        "timestamp": user * 10**6 + step * 60 + step // 3 * DAY,
    })  # fmt: skip


def client_of(model: recae.Recommender, folder: Path) -> Iterator[TestClient]:
    with TestClient(make_app(ModelHolder(model.save(folder / "m.recae")), Limits())) as client:
        yield client


@pytest.fixture(scope="module")
def markov(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    data = recae.RatingMatrix.from_frame(log(), timestamp="timestamp")
    yield from client_of(recae.Markov().fit(data), tmp_path_factory.mktemp("markov"))


RATER = {"hidden": 4, "epochs": 1, "device": "cpu", "hierarchy": "all"}


@pytest.fixture(scope="module")
def rater(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[TestClient, Any]]:
    data = recae.RatingMatrix.from_frame(log(), timestamp="timestamp")
    model = recae.SessionRatingRNN(**RATER).fit(data, progress=False)
    for client in client_of(model, tmp_path_factory.mktemp("rater")):
        yield client, model


def ask(client: TestClient, path: str, status: int = 200, **body: Any) -> Any:
    found = client.post(path, json=body)
    assert found.status_code == status, found.text
    return found.json()


def test_the_last_event_in_time_decides(markov: TestClient) -> None:
    """The film after the latest one is first, however the events stand in the list and times are written."""
    events = [{"item": 7, "timestamp": 5000}, {"item": 2, "timestamp": 4000}, {"item": 9, "timestamp": 3000}]
    for some in (events, events[::-1]):
        assert ask(markov, "/recommend", events=some, n=1)["items"][0]["item"] == 8
    dated = [{"item": 2, "timestamp": "2026-05-01T10:00:00"}, {"item": 7, "timestamp": "2026-05-01T09:00:00Z"}]
    assert ask(markov, "/recommend", events=dated, n=1)["items"][0]["item"] == 3
    without = [{"item": each["item"]} for each in events]
    lists = [ask(markov, "/recommend", events=some, n=5)["items"] for some in (without, without[::-1])]
    assert lists[0] == lists[1]


def test_times_of_some_events_are_refused(markov: TestClient) -> None:
    """All events have a time or none has; what is no date is refused with the item's name."""
    mixed = [{"item": 7, "timestamp": 5000}, {"item": 2}]
    assert "item 2 has no timestamp" in ask(markov, "/recommend", 422, events=mixed)["message"]
    for wrong in ("yesterday", "now", 20050230, 1e300, 2**63):
        events = [{"item": 7, "timestamp": wrong}]
        assert "item 7" in ask(markov, "/recommend", 422, events=events)["message"]


def test_answers_are_the_librarys(rater: tuple[TestClient, Any]) -> None:
    """Lists, ratings at a moment, and explanations are those of frames with a column of times."""
    client, model = rater
    frame = log().query("user == 4").drop(columns="user")
    events = frame.sample(frac=1, random_state=1).to_dict("records")
    new = frame.assign(user="new")
    listed = ask(client, "/recommend", events=events, n=5)["items"]
    wanted = model.recommend_new(new, 5)
    assert [one["item"] for one in listed] == wanted["item"].tolist()
    np.testing.assert_allclose([one["score"] for one in listed], wanted["score"], rtol=1e-5)
    items, moment = [0, 9, 14], float(frame["timestamp"].median())
    for at in ({}, {"timestamp": moment}):
        pairs = pd.DataFrame({"user": "new", "item": items, **at})
        for who in ({"events": events}, {"user": 4}):
            found = [one["rating"] for one in ask(client, "/predict", items=items, **who, **at)["predictions"]]
            np.testing.assert_allclose(found, model.predict_new(new, pairs), rtol=1e-5)
    for who in ({"events": events}, {"user": 4}):
        found = ask(client, "/explain", items=[14], n=3, **who)["explanations"][0]
        expected = recae.explain(model, 4, 14, n=3)
        assert found["score"] == pytest.approx(expected.attrs["score"], rel=1e-5)
        parts = pd.DataFrame(found["contributions"])
        assert parts["timestamp"].tolist() == expected["timestamp"].tolist()
        assert parts["session"].tolist() == expected["session"].tolist()
        np.testing.assert_allclose(parts["contribution"], expected["contribution"], atol=1e-5)
    bare = [{"item": 1, "rating": 2}]
    assert "needs events that have" in ask(client, "/predict", 422, events=bare, items=[2], timestamp=5)["message"]


def test_an_item_that_occurs_twice_is_two_events() -> None:
    """In arrays too: of [3, 7, 3] at rising times, what follows 3 comes first, and the later rating counts."""
    data = recae.RatingMatrix.from_frame(log(), timestamp="timestamp")
    model = recae.Markov().fit(data)
    index, _ = model.recommend_row([3, 7, 3], [1, 2, 3], 1, timestamps=[10, 20, 30])
    assert data.item_ids[index[0]] == 4
    index, _ = model.recommend_row([3, 7, 3], [1, 2, 3], 1, timestamps=[10, 30, 20])
    assert data.item_ids[index[0]] == 8
    with pytest.raises(ParameterError, match="one each"):
        model.recommend_row([3, 7], None, 1, timestamps=[10])
    for bad in (np.nan, np.inf, 1e300):
        with pytest.raises(ParameterError, match="not a finite"):
            model.recommend_row([3, 7], None, 1, timestamps=[10, bad])
