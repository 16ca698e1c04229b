"""What an operator meets: files that cannot be read for a while, the log, odd requests, a prefix, addresses."""

from __future__ import annotations

import json
import logging
import os
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import pytest
from contract import FILMS, USERS, fitted

pytest.importorskip("fastapi")
from fastapi.testclient import TestClient
from starlette.applications import Starlette
from starlette.routing import Mount

from recae.recommender import base, frames
from recae.serving import model_holder
from recae.serving.app import FEW, LONGEST, make_app
from recae.serving.desk import Desk
from recae.serving.model_holder import ModelHolder
from recae.serving.processes import ServeSettings, _listen, log_to_stderr

LINE = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[+-]\d{4} \d+ (INFO|WARNING|ERROR) "


@pytest.fixture
def files(tmp_path: Path) -> dict[str, Path]:
    return {name: fitted(name).save(tmp_path / f"{name}.recae") for name in ("ease", "item-knn", "i-autorec")}


@pytest.fixture
def loggers() -> Iterator[None]:
    """The loggers of a server are afterwards as they were."""
    kept = [logging.getLogger(name) for name in ("recae.serving", "uvicorn")]
    before = [(list(log.handlers), log.level, log.propagate) for log in kept]
    yield
    for log, (log.handlers, level, log.propagate) in zip(kept, before):
        log.setLevel(level)


def put(source: Path, target: Path) -> None:
    other = target.with_suffix(".new")
    shutil.copy(source, other)
    os.replace(other, target)


def wait_for(condition: Callable[[], bool], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it does not become true"
        time.sleep(0.02)


# ---------------------------------------------------------------- files


def test_a_file_that_may_be_read_later_takes_over_then(
    files: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file without the right to read it is refused in these words, and serves when it has it, not written anew."""
    target, whole = tmp_path / "served.recae", Path.open
    put(files["ease"], target)

    def refused(path: Path, *args: Any, **kwargs: Any) -> Any:
        if path == target:
            raise PermissionError(13, "Permission denied", str(path))
        return whole(path, *args, **kwargs)

    with TestClient(make_app(ModelHolder(target), watch_seconds=0.02)) as client:
        monkeypatch.setattr(model_holder, "AGAIN", 0.05)
        monkeypatch.setattr(Path, "open", refused)
        put(files["item-knn"], target)
        wait_for(lambda: client.get("/health").json()["refused"] is not None)
        assert "is not to be read (permission denied)" in client.get("/health").json()["refused"]
        monkeypatch.setattr(Path, "open", whole)
        wait_for(lambda: client.get("/model").json()["model"] == "item-knn")
        assert client.get("/health").json()["refused"] is None


def test_whatever_a_file_breaks_the_next_one_takes_over(
    files: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An error that nobody foresaw, or too little memory, ends neither the old model nor the looks at the file."""
    target, whole = tmp_path / "served.recae", model_holder.read_served
    put(files["ease"], target)
    with TestClient(make_app(ModelHolder(target), watch_seconds=0.02)) as client:
        for error, said in (
            (ZeroDivisionError("by what?"), "ZeroDivisionError by what?"),
            (MemoryError(), "MemoryError"),
        ):

            def broken(*_: Any, error: BaseException = error) -> Any:
                raise error

            monkeypatch.setattr(model_holder, "read_served", broken)
            put(files["item-knn"], target)
            wait_for(lambda said=said: said in (client.get("/health").json()["refused"] or ""))
            assert client.get("/model").json()["model"] == "ease"
        monkeypatch.setattr(model_holder, "read_served", whole)
        put(files["item-knn"], target)
        wait_for(lambda: client.get("/model").json()["model"] == "item-knn")


def test_a_file_that_is_gone_is_said_once(
    files: dict[str, Path], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The log says that the file is not there, at the first look and not at every one; and then what serves."""
    target = tmp_path / "served.recae"
    put(files["ease"], target)
    with (
        caplog.at_level("INFO", "recae.serving"),
        TestClient(make_app(ModelHolder(target), watch_seconds=0.02)) as client,
    ):
        target.unlink()
        wait_for(lambda: client.get("/health").json()["refused"] is not None)
        time.sleep(0.2)
        assert sum("no file" in line for line in caplog.messages) == 1
        put(files["item-knn"], target)
        wait_for(lambda: client.get("/model").json()["model"] == "item-knn")
    serving = [line for line in caplog.messages if line.endswith("served.recae serves")]
    assert len(serving) == 1


# ---------------------------------------------------------------- the first requests


def test_what_requests_need_is_there_before_the_first(files: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither items' vectors nor the biases of predictions are made while somebody waits for an answer."""
    with TestClient(make_app(ModelHolder(files["i-autorec"]))) as client:
        for module, name in ((frames, "normalised"), (base, "fit_baseline")):
            monkeypatch.setattr(module, name, lambda *_: 1 / 0)
        events = [{"item": FILMS[0], "rating": 5}]
        for path, body in (
            ("/similar", {"item": FILMS[0]}), ("/predict", {"user": USERS[0], "items": FILMS[:2]}),
            ("/predict", {"events": events, "items": FILMS[:2]}), ("/recommend", {"events": events}),
        ):  # fmt: skip
            found = client.post(path, json=body)
            assert found.status_code == 200, found.text


def test_a_file_without_ratings_lists_though_it_has_no_vectors(tmp_path: Path) -> None:
    """A lean file of EASE, whose items are compared by who rated them, serves lists; /similar says what is missing."""
    lean = fitted("ease").save(tmp_path / "lean.recae", ratings=False)
    with TestClient(make_app(ModelHolder(lean))) as client:
        assert client.post("/recommend", json={"events": [{"item": FILMS[0]}]}).json()["items"]
        found = client.post("/similar", json={"item": FILMS[0]})
        assert found.status_code == 422
        assert "saved without them" in found.json()["message"]


def test_many_events_do_not_hold_up_others(files: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    """The list of a few events is made at once; of many, which takes longer than was measured, in a thread."""
    quick, whole = [], Desk.run

    async def run(desk: Desk, job: Any, **how: bool) -> Any:
        quick.append(how["quick"])
        return await whole(desk, job, **how)

    monkeypatch.setattr(Desk, "run", run)
    monkeypatch.setattr("recae.serving.app.QUICK", 60)
    with TestClient(make_app(ModelHolder(files["ease"]))) as client:
        for n in (1, FEW, FEW + 1):
            assert client.post("/recommend", json={"events": [{"item": FILMS[0]}] * n}).status_code == 200
    assert quick == [True, True, False]


# ---------------------------------------------------------------- odd requests


def strict(text: str) -> Any:
    """JSON, in which NaN and Infinity are none."""

    def refused(name: str) -> None:
        raise AssertionError(f"{name} in {text}")

    return json.loads(text, parse_constant=refused)


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999"])
def test_what_is_no_number_is_no_id(files: dict[str, Path], number: str) -> None:
    """As an item or a user it is refused: an answer that names it would be no JSON."""
    bodies = {
        "/recommend": ['{"user": X}', '{"users": [X], "unknown": "popular"}', '{"events": [{"item": X}]}'],
        "/similar": ['{"item": X}'],
        "/explain": ['{"events": [{"item": X}], "items": [1]}'],
    }  # fmt: skip
    with TestClient(make_app(ModelHolder(files["ease"]))) as client:
        for path, texts in bodies.items():
            for text in texts:
                found = client.post(
                    path, content=text.replace("X", number), headers={"Content-Type": "application/json"}
                )
                assert found.status_code == 422, found.text
                assert "finite number" in strict(found.text)["message"]


def test_an_error_is_not_as_long_as_its_request(files: dict[str, Path]) -> None:
    """Thousands of mistakes, or an id of many letters, are answered by the beginning of what is said of them."""
    with TestClient(make_app(ModelHolder(files["ease"]))) as client:
        for body in ({"events": [{"item": 1, "x": 1}] * 3000}, {"user": "a" * 200_000}):
            message = client.post("/recommend", json=body).json()["message"]
            assert len(message) == LONGEST + 3
            assert message.endswith("...")


def test_ten_thousand_long_ids_fit_into_a_body(files: dict[str, Path]) -> None:
    """As many candidates as a request may have are read, with ids as long as UUIDs."""
    ids = [*FILMS[:3], *(f"{number:036}" for number in range(9997))]
    with TestClient(make_app(ModelHolder(files["ease"]))) as client:
        found = client.post("/recommend", json={"user": USERS[0], "candidates": ids, "unknown": "popular"})
        assert found.status_code == 200, found.text


# ---------------------------------------------------------------- addresses


def test_pages_work_behind_a_prefix(files: dict[str, Path]) -> None:
    """Under another path than /, all that the pages name is found, and scripts ask what lies beside the page."""
    inner = make_app(ModelHolder(files["ease"]), watch_seconds=0)
    with TestClient(Starlette(routes=[Mount("/lists", inner)])) as client:
        for path in ("/lists/", "/lists/docs"):
            for name in re.findall(r'(?:src|href)="([^"#]+)"', client.get(path).text):
                assert client.get(urljoin(path, name)).status_code == 200, name
        for script in ("page.js", "docs.js", "combobox.js", "ask.js"):
            text = client.get(f"/lists/static/{script}").text
            assert not re.search(r"(ask|fetch|search|from)[ (][\"'`]/", text), script


def test_the_address_of_all_is_that_of_both_protocols() -> None:
    """What listens on :: is reached by IPv4, too, as it is where several workers listen."""
    if not socket.has_dualstack_ipv6():
        pytest.skip("needs IPv6")
    with _listen("::", 0) as listening:
        port = listening.getsockname()[1]
        for host in ("127.0.0.1", "::1"):
            socket.create_connection((host, port), timeout=10).close()


# ---------------------------------------------------------------- the log


def test_lines_of_the_log_have_a_time(loggers: None, capsys: pytest.CaptureFixture[str]) -> None:
    """What serves is said by default and not under --quiet; what is refused always; a line is said once."""
    for quiet in (False, True):
        log_to_stderr(ServeSettings("m.recae", quiet=quiet))
        logging.getLogger("recae.serving").info("model x serves")
        logging.getLogger("recae.serving").warning("refused")
        lines = capsys.readouterr().err.splitlines()
        assert [re.sub(LINE, "", line) for line in lines] == ["model x serves", "refused"][quiet:]


@pytest.mark.slow
def test_each_request_is_logged_where_that_is_asked_for(files: dict[str, Path]) -> None:
    """With -v, a line with the time for each request, of one process as of several."""
    for workers in (1, 2):
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        command = [sys.executable, "-m", "recae", "serve", files["ease"], "-v", "--port", port, "--workers", workers]
        process = subprocess.Popen(list(map(str, command)), stderr=subprocess.PIPE, text=True)
        try:
            wait_for(lambda port=port: answered(port), 300)
        finally:
            process.terminate()
            said = process.communicate(timeout=60)[1]
        assert re.search(LINE + r'127\.0\.0\.1:\d+ - "GET /health HTTP/1\.1" 200', said), said


def answered(port: int) -> bool:
    try:
        return bool(urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=60).status == 200)
    except OSError:
        return False
