"""The server within this process: every route answers what the library answers, and refuses in its words."""

from __future__ import annotations

import asyncio
import json
import socket
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import contract
import numpy as np
import pandas as pd
import pytest
from cli_helpers import inline, process
from contract import FILMS, USERS, fitted, frame_of, stars

import recae

pytest.importorskip("fastapi")
from fastapi.testclient import TestClient

from recae.serving.app import make_app
from recae.serving.desk import BusyError, Desk
from recae.serving.limits import Limits
from recae.serving.model_holder import ModelHolder
from recae.serving.title_search import TitleSearch

SMALL = Limits(body_bytes=4000, events=20, users=3, items=12, n=15, explained=12)
EVENTS = [{"item": FILMS[film], "rating": given} for film, given in stars(2).items()]


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("models")
    return {name: fitted(name).save(folder / f"{name}.recae") for name in ("i-autorec", "ease")}


@pytest.fixture(scope="module", params=["i-autorec", "ease"])
def served(request: pytest.FixtureRequest, files: dict[str, Path]) -> Iterator[tuple[str, TestClient]]:
    with TestClient(make_app(ModelHolder(files[request.param]), SMALL)) as client:
        yield request.param, client


@pytest.fixture(scope="module")
def client(files: dict[str, Path]) -> Iterator[TestClient]:
    with TestClient(make_app(ModelHolder(files["i-autorec"]), SMALL)) as client:
        yield client


def ask(client: TestClient, path: str, status: int = 200, **body: Any) -> Any:
    """The answer to a body, whose status is as it must be."""
    found = client.post(path, json=body)
    assert found.status_code == status, found.text
    return found.json()


def agrees(listed: list[dict[str, Any]], frame: pd.DataFrame) -> None:
    """A list of the server is that of a frame: items, titles, ranks, and scores to seven digits."""
    for name in ("item", "title", "rank"):
        assert [one[name] for one in listed] == frame[name].tolist()
    np.testing.assert_allclose([one["score"] for one in listed], frame["score"], rtol=1e-6)


# ---------------------------------------------------------------- what it answers


def test_lists_are_the_librarys(served: tuple[str, TestClient]) -> None:
    """Known users, several of them, and live ones, with candidates, exclusions, a condition and what was rated."""
    name, client = served
    model = fitted(name)
    agrees(ask(client, "/recommend", user=USERS[2], n=5)["items"], model.recommend(USERS[2], 5))
    agrees(ask(client, "/recommend", events=EVENTS, n=5)["items"], model.recommend_new(frame_of(2), 5))
    several = ask(client, "/recommend", users=USERS[2:4], n=4)["lists"]
    assert [one["user"] for one in several] == USERS[2:4]
    for one in several:
        agrees(one["items"], model.recommend(one["user"], 4))
    some = {"candidates": FILMS[:8], "exclude": FILMS[:2], "filter_seen": False}
    agrees(ask(client, "/recommend", user=USERS[2], n=9, **some)["items"], model.recommend(USERS[2], 9, **some))
    where = ask(client, "/recommend", user=USERS[2], n=9, where='"B" in title', filter_seen=False)["items"]
    assert {one["item"] for one in where} == {film for film in FILMS if film.startswith("B")}


def test_users_who_are_not_known_may_get_what_is_popular(client: TestClient) -> None:
    """By themselves, and between known ones."""
    popular = fitted("i-autorec").recommend(["nobody knows"], 3, unknown="popular")
    found = ask(client, "/recommend", users=[USERS[1], "nobody knows"], n=3, unknown="popular")["lists"]
    agrees(found[1]["items"], popular)
    agrees(found[0]["items"], fitted("i-autorec").recommend(USERS[1], 3))


def test_ratings_are_the_librarys(client: TestClient) -> None:
    """Of a known user and of a live one."""
    model = fitted("i-autorec")
    known = ask(client, "/predict", user=USERS[4], items=FILMS[3:6])["predictions"]
    np.testing.assert_allclose([one["rating"] for one in known], model.predict(USERS[4], FILMS[3:6]), rtol=1e-6)
    live = ask(client, "/predict", events=EVENTS, items=FILMS[3:6])["predictions"]
    pairs = pd.DataFrame({"user": "new one", "item": FILMS[3:6]})
    np.testing.assert_allclose([one["rating"] for one in live], model.predict_new(frame_of(2), pairs), rtol=1e-6)


def test_the_latest_rating_of_an_item_counts(served: tuple[str, TestClient]) -> None:
    """Of a live user's ratings of one item the times say which is the last, wherever it stands in the list."""
    name, client = served
    once = [{**event, "timestamp": 200} for event in EVENTS]
    twice = [*once, {**once[0], "rating": 6 - once[0]["rating"], "timestamp": 100}]
    for path, body in (
        ("/recommend", {"n": 5}),
        ("/predict", {"items": FILMS[3:6]}),
        ("/explain", {"items": FILMS[:1]}),
    ):
        if path != "/predict" or name == "i-autorec":
            expected = ask(client, path, events=once, **body)
            assert ask(client, path, events=twice, **body) == ask(client, path, events=twice[::-1], **body) == expected


def test_similar_items_and_explanations_are_the_librarys(served: tuple[str, TestClient]) -> None:
    """Both, for a model that is linear and one that is not; several items are explained at once."""
    name, client = served
    model = fitted(name)
    frame = model.similar_items(FILMS[3], 4).drop(columns="item").rename(columns={"similar": "item"})
    agrees(ask(client, "/similar", item=FILMS[3], n=4)["items"], frame)
    for who in ({"user": USERS[2]}, {"events": EVENTS}):
        found = ask(client, "/explain", items=[FILMS[0], FILMS[5]], n=3, **who)
        assert found["exact"] == model.linear
        for one in found["explanations"]:
            user = USERS[2] if "user" in who else frame_of(2)
            expected = recae.explain(model, user, one["item"], n=3)
            assert [part["item"] for part in one["contributions"]] == expected["item"].tolist()
            np.testing.assert_allclose(
                [part["contribution"] for part in one["contributions"]], expected["contribution"], atol=2e-5
            )
            assert one["score"] == pytest.approx(expected.attrs["score"], abs=1e-5)


def test_items_are_found_by_words_of_their_titles(client: TestClient) -> None:
    """Whatever the case, in any order, and all where nothing is asked for; users by a part of their id."""
    found = client.get("/items", params={"q": "a3 THE"}).json()["items"]
    assert found == [{"item": FILMS[3], "title": f"The {FILMS[3]}"}]
    assert len(client.get("/items", params={"n": 100}).json()["items"]) == contract.N
    assert client.get("/users", params={"q": "A·03"}).json()["users"] == [USERS[3]]


def test_an_id_that_is_asked_for_comes_first() -> None:
    """Of 30 users, "2" finds 2 before 12, 20 and more, though they rated more; and item 1 whatever its title is."""
    users = TitleSearch([str(user) for user in range(30)], np.arange(30), range(30))
    assert users.find("2", 4) == [2, 29, 28, 27]
    assert users.find(" 2 ", 1) == [2]
    titles = ["Babe", "Amélie", "1", "10 Things", "Alien 1"]
    items = TitleSearch(titles, np.array([1, 1, 2, 5, 7]), [7, 1, 30, 4, 5])
    assert items.find("1", 9) == [1, 2, 3, 4]  # the id, the very title, what begins with it, what holds it
    assert items.find("babe", 9) == [0]


def test_the_card_says_what_serves(client: TestClient) -> None:
    """Model, settings and data; each answer names the same model."""
    card = client.get("/model").json()
    assert card["model"] == "i-autorec"
    assert card["data"]["n_items"] == contract.N
    assert card["settings"]["l2"] == 2.0
    health = client.get("/health").json()
    assert (health["status"], health["refused"]) == ("ok", None)
    assert card["fingerprint"] == health["fingerprint"] == ask(client, "/recommend", user=USERS[0])["fingerprint"]


def test_items_that_the_model_does_not_know_are_left_out(client: TestClient) -> None:
    """A live user's click on a product of today does not cost the list, and the answer says so."""
    found = ask(client, "/recommend", events=[*EVENTS, {"item": "of today", "rating": 4}], n=5)
    assert found["left_out"] == ["of today"]
    agrees(found["items"], fitted("i-autorec").recommend_new(frame_of(2), 5))
    nothing = ask(client, "/recommend", events=[{"item": "of today", "rating": 4}], n=3)["items"]
    agrees(nothing, fitted("i-autorec").recommend(["nobody knows"], 3, unknown="popular"))


# ---------------------------------------------------------------- what it refuses


def words(ask_library: Callable[[], Any]) -> str:
    """What the library says to it."""
    with pytest.raises(recae.errors.RecaeError) as error:
        ask_library()
    return str(error.value)


def test_refusals_are_in_the_librarys_words(client: TestClient) -> None:
    """Unknown ids are 404, what is not possible 422; the message is the library's, in one line."""
    model = fitted("i-autorec")
    cases: list[tuple[str, dict[str, Any], int, Callable[[], Any]]] = [
        ("/recommend", {"user": "x"}, 404, lambda: model.recommend("x")),
        ("/recommend", {"user": USERS[0], "exclude": ["x"]}, 404, lambda: model.recommend(USERS[0], exclude=["x"])),
        ("/recommend", {"user": USERS[0], "n": 0}, 422, lambda: model.recommend(USERS[0], 0)),
        ("/predict", {"user": USERS[0], "items": ["x"]}, 404, lambda: model.predict(USERS[0], "x")),
        ("/similar", {"item": 1}, 404, lambda: model.similar_items(1)),
        ("/explain", {"user": USERS[0], "items": ["x"]}, 404, lambda: recae.explain(model, USERS[0], "x")),
    ]
    for path, body, status, same in cases:
        assert ask(client, path, status, **body)["message"] == words(same)
    found = ask(client, "/recommend", 422, events=[{"item": FILMS[0], "rating": 9}])
    assert "outside the scale 1 to 5" in found["message"]


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({}, "exactly one of user, users or events"), ({"user": USERS[0], "events": []}, "exactly one of"),
        ({"user": USERS[0], "nn": 3}, "nn: there is no such field; choose 'user', 'events', "),
        ({"user": USERS[0], "str": 3}, "str: there is no such field"),
        ({"user": USERS[0], "candidate": FILMS[:3]}, "; did you mean 'candidates'?"),
        ({"events": [{"item": FILMS[0], "ratng": 4}]},
         "events.0.ratng: there is no such field; choose 'item', 'rating' or 'timestamp'; did you mean 'rating'?"),
        ({"user": USERS[0], "n": "3"}, "n: "), ({"user": True}, "user"),
        ({"user": USERS[0], "n": 16}, "may have 15"), ({"users": USERS[:4]}, "one request may have 3"),
        ({"events": [{"item": FILMS[0]}]}, "has no rating"), ({"user": None}, "exactly one of"),
        ({"events": [{"item": FILMS[0], "rating": 4}] * 21}, "may have 20"),
        ({"user": USERS[0], "candidates": FILMS[:13]}, "may have 12"),
        ({"user": USERS[0], "where": "titel == 1"}, "no column 'titel'"),
        ({"user": USERS[0], "where": "__import__('os')"}, "a condition over columns"),
        ({"user": USERS[0], "where": "(" * 300}, "a condition over columns"),
    ],
)  # fmt: skip
def test_a_request_that_is_wrong_is_told_why(client: TestClient, body: dict[str, Any], said: str) -> None:
    """Misspelt names, wrong types, too much of something: 422, and one line that names it."""
    found = client.post("/recommend", json=body)
    assert found.status_code == 422
    assert any(part in found.json()["message"] for part in said.split("|")), found.text
    assert "\n" not in found.json()["message"]


def test_what_is_no_request_is_refused(client: TestClient) -> None:
    """Bad JSON, nested JSON, another type, too large a body, other paths and methods."""
    as_json = {"Content-Type": "application/json"}
    for content in (b"{", b"\xff", b"[" * 3000, b'{"user": ' + b"9" * 3900 + b"}"):
        found = client.post("/recommend", content=content, headers=as_json)
        assert found.status_code in (400, 404, 422), found.text
        assert set(found.json()) == {"error", "message"}
    assert client.post("/recommend", content=b"{}", headers={"Content-Type": "text/plain"}).status_code == 422
    for large in ({"content": b" " * 4001}, {"content": iter([b" " * 3000] * 2)}):
        found = client.post("/recommend", headers=as_json, **large)
        assert found.status_code == 413
        assert "4,000 bytes" in found.json()["message"]
    assert client.get("/nothing").json() == {"error": "RequestError", "message": "Not Found"}
    assert client.get("/recommend").status_code == 405
    assert client.post("/reload").status_code == 404  # it is not enabled
    assert client.get("/items", params={"q": "x" * 201}).status_code == 422


def test_a_model_that_ranks_predicts_no_ratings(files: dict[str, Path]) -> None:
    """EASE says so; it takes events without ratings, but not some with and some without."""
    with TestClient(make_app(ModelHolder(files["ease"]))) as client:
        assert "ranks items" in ask(client, "/predict", 422, user=USERS[0], items=FILMS[:1])["message"]
        bare = [{"item": one["item"]} for one in EVENTS]
        agrees(
            ask(client, "/recommend", events=bare, n=4)["items"],
            fitted("ease").recommend_new(frame_of(2).drop(columns="rating"), 4),
        )
        assert "has no rating" in ask(client, "/recommend", 422, events=[EVENTS[0], bare[1]])["message"]


def test_an_explanation_that_would_take_long_is_refused(files: dict[str, Path]) -> None:
    """A model that is not linear is asked once for each rating; more ratings than the limit are refused."""
    with TestClient(make_app(ModelHolder(files["i-autorec"]), replace(SMALL, explained=3))) as client:
        assert "one request may have 3" in ask(client, "/explain", 422, events=EVENTS, items=FILMS[:1])["message"]


def test_an_error_that_nobody_foresaw_is_one_line(files: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    """500 without a traceback, and the next request is answered."""
    app = make_app(ModelHolder(files["ease"]))
    with TestClient(app, raise_server_exceptions=False) as client:
        with monkeypatch.context() as broken:
            broken.setattr("recae.serving.answers.similar", lambda *_: 1 / 0)
            found = client.post("/similar", json={"item": FILMS[0]})
        assert found.status_code == 500
        assert found.json()["error"] == "InternalError"
        assert "Traceback" not in found.text
        assert ask(client, "/similar", item=FILMS[0])["items"]


def test_a_job_that_takes_too_long_is_given_up() -> None:
    """The request is told to come back, the next ones while too many wait, and afterwards there is room again."""
    import threading

    async def scene() -> None:
        desk, go_on = Desk(Limits(seconds=0.05, waiting=1), threads=1), threading.Event()
        with pytest.raises(BusyError, match="longer than"):
            await desk.run(go_on.wait, quick=False)
        with pytest.raises(BusyError, match="wait already"):
            await desk.run(lambda: 1, quick=False)
        go_on.set()
        for _ in range(1000):
            try:
                assert await desk.run(lambda: 2, quick=False) == 2
                break
            except BusyError:
                await asyncio.sleep(0.01)
        else:
            raise AssertionError("the desk stays full")
        desk.close()

    asyncio.run(scene())


# ---------------------------------------------------------------- pages


def test_pages_fetch_nothing_from_elsewhere(client: TestClient) -> None:
    """/ and /docs, and all that they name, are this server's; the header tells browsers so."""
    import re

    names = set()
    for path in ("/", "/docs"):
        found = client.get(path)
        assert found.status_code == 200
        assert found.headers["content-type"].startswith("text/html")
        assert "default-src 'self'" in found.headers["content-security-policy"]
        names |= set(re.findall(r'(?:src|href)="([^"#]+)"', found.text))
    for name in names:
        assert not name.startswith(("/", "http")), name
        assert client.get(f"/{name}").status_code == 200, name
    for file in (Path(recae.__file__).parent / "serving" / "static").iterdir():
        assert not re.search(r"https?://(?!www\.w3\.org/)", file.read_text(encoding="utf-8")), file


def test_the_page_may_be_left_out(files: dict[str, Path]) -> None:
    """Without it / is 404, and the routes answer."""
    with TestClient(make_app(ModelHolder(files["ease"]), page=False)) as client:
        assert client.get("/").status_code == 404
        assert client.get("/docs").status_code == 200


def test_openapi_describes_every_route(client: TestClient) -> None:
    """Bodies, answers and errors have schemas, and each example is answered or is about ids that are not here."""
    described = client.get("/openapi.json").json()
    assert {"/recommend", "/predict", "/similar", "/explain", "/items", "/users", "/model", "/health"} == set(
        described["paths"]
    )
    schemas = described["components"]["schemas"]
    for path in ("/recommend", "/predict", "/similar", "/explain"):
        route = described["paths"][path]["post"]
        name = route["requestBody"]["content"]["application/json"]["schema"]["$ref"].rsplit("/", 1)[1]
        for example in schemas[name]["examples"]:
            assert client.post(path, json=example).status_code in (200, 404)
        assert route["responses"]["404"]["content"]["application/json"]["schema"]["$ref"].endswith("Failure")
    assert json.dumps(described)


# ---------------------------------------------------------------- the command


def test_without_the_extra_a_sentence_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """`recae serve` without uvicorn says what to install."""
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    found = inline("serve", "m.recae")
    assert (found.exit_code, found.stdout) == (1, "")
    assert "pip install 'recae[serve]'" in found.stderr


def test_an_address_that_cannot_be_had_is_said(files: dict[str, Path]) -> None:
    """A port in use, and no such model file: one line each."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        found = inline("serve", files["ease"], "--port", taken.getsockname()[1])
    assert found.exit_code == 2
    assert "cannot be listened on (address already in use); choose another host or port" in found.stderr
    for workers in (1, 2):
        missing = process("serve", "nothing.recae", "--port", 0, "--workers", workers)
        assert missing.returncode == 1
        assert missing.stderr.startswith("Error: ")
        assert "nothing.recae" in missing.stderr
        assert missing.stderr.count("\n") == 1
