"""Requests that nobody would write: none of them is answered by 5xx, and each answer is JSON."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from contract import FILMS, USERS, fitted
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from property_examples import examples

pytest.importorskip("fastapi")
from fastapi.testclient import TestClient

from recae.serving.app import make_app
from recae.serving.limits import Limits
from recae.serving.model_holder import ModelHolder

ids = st.sampled_from([*FILMS[:3], *USERS[:3]]) | st.text(max_size=5) | st.integers() | st.floats() | st.none()
anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | ids,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)
event = st.fixed_dictionaries({"item": ids}, optional={"rating": st.floats(1, 5) | st.floats() | anything})
words = st.sampled_from([
    "title", "'A' in title", "title == 1", "title < 'B'", "1 < 2", "not title", "title in ['x']", "-title", "1", "''",
    "title and title or not (title != title)", "3 in title", "1 in [1]", "-'a' == title", "title == -1", "title[0]",
])  # fmt: skip
field = {
    "user": ids | anything, "users": st.lists(ids, max_size=4), "events": st.lists(event, max_size=5) | anything,
    "n": st.integers(-2, 20) | st.integers() | anything, "candidates": st.lists(ids, max_size=4) | anything,
    "exclude": st.lists(ids, max_size=4), "where": words | st.text(max_size=20),
    "filter_seen": st.booleans() | anything,
    "unknown": st.sampled_from(["error", "popular"]) | anything, "items": st.lists(ids, max_size=4) | anything,
    "item": ids, "other": anything,
}  # fmt: skip
bodies = st.sets(st.sampled_from(sorted(field)), max_size=6).flatmap(
    lambda names: st.fixed_dictionaries({name: field[name] for name in sorted(names)})
)


@pytest.fixture(scope="module", params=["i-autorec", "ease"])
def client(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    file: Path = fitted(request.param).save(tmp_path_factory.mktemp("fuzz") / "m.recae")
    app = make_app(ModelHolder(file), Limits(body_bytes=20_000), allow_reload=True)
    with TestClient(app, raise_server_exceptions=False) as client:
        yield client


@settings(deadline=None, max_examples=examples(200), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(path=st.sampled_from(["/recommend", "/predict", "/similar", "/explain", "/reload"]), body=bodies | anything)
def test_no_body_breaks_the_server(client: TestClient, path: str, body: Any) -> None:
    """Fields of right and wrong types, ids known and unknown, numbers of any size: 2xx or 4xx, as JSON."""
    import json

    content = json.dumps(body).encode("utf-8", "surrogatepass")
    found = client.post(path, content=content, headers={"Content-Type": "application/json"})
    assert found.status_code < 500, found.text
    answer = found.json()
    assert "fingerprint" in answer if found.status_code == 200 else set(answer) == {"error", "message"}


@settings(deadline=None, max_examples=examples(100), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=st.binary(max_size=200), path=st.sampled_from(["/recommend", "/explain", "/model", "/docs", "/x"]))
def test_no_bytes_break_the_server(client: TestClient, content: bytes, path: str) -> None:
    """Bodies that are no JSON at all."""
    for kind in ("application/json", "text/plain", "multipart/form-data", ""):
        assert client.post(path, content=content, headers={"Content-Type": kind}).status_code in range(400, 500)


@settings(deadline=None, max_examples=examples(100), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(query=st.text(max_size=30), n=st.integers(-1, 200) | st.text(max_size=3))
def test_no_search_breaks_the_server(client: TestClient, query: str, n: Any) -> None:
    """Any text is searched for, and any number is a number of results or refused."""
    for path in ("/items", "/users"):
        query = query.encode("utf-8", "ignore").decode()
        assert client.get(path, params={"q": query, "n": n}).status_code in (200, 422)
