"""The model of a running server is replaced: no request fails, none has half of each, damaged files change nothing."""

from __future__ import annotations

import http.client
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from contract import FILMS, USERS, fitted

from recae.storage import fingerprint

pytest.importorskip("fastapi")
from fastapi.testclient import TestClient

from recae.serving import model_holder
from recae.serving.app import make_app
from recae.serving.model_holder import ModelHolder

ROOT = Path(__file__).parents[1]
BODY = {"events": [{"item": FILMS[0], "rating": 5}, {"item": FILMS[9], "rating": 2}], "n": 8}


@pytest.fixture
def files(tmp_path: Path) -> dict[str, Path]:
    return {name: fitted(name).save(tmp_path / f"{name}.recae") for name in ("ease", "item-knn")}


def put(source: Path, target: Path) -> None:
    """Write a file anew, at once, as `save` does."""
    other = target.with_suffix(".new")
    shutil.copy(source, other)
    os.replace(other, target)


def damage(path: Path) -> None:
    """Flip a bit in the middle of a file, in a new one of its name."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 4
    other = path.with_suffix(".new")
    other.write_bytes(content)
    os.replace(other, path)


def test_a_new_file_takes_over_and_a_damaged_one_does_not(files: dict[str, Path], tmp_path: Path) -> None:
    """POST /reload: the list is the new model's; damaged or missing it is 409, /health says why, the list stays."""
    target = tmp_path / "served.recae"
    put(files["ease"], target)
    with TestClient(make_app(ModelHolder(target), allow_reload=True, watch_seconds=0)) as client:

        def items() -> list[Any]:
            return [one["item"] for one in client.post("/recommend", json=BODY).json()["items"]]

        first = items()
        put(files["item-knn"], target)
        assert items() == first  # nothing looks at the file
        assert client.post("/reload").json()["model"] == "item-knn"
        second = items()
        assert second != first
        damage(target)
        refused = client.post("/reload")
        assert refused.status_code == 409
        assert "has been changed" in refused.json()["message"]
        assert "has been changed" in client.get("/health").json()["refused"]
        assert items() == second
        target.unlink()
        assert client.post("/reload").status_code == 409
        put(files["ease"], target)
        assert client.post("/reload").json()["model"] == "ease"
        assert items() == first
        assert client.get("/health").json()["refused"] is None


def test_a_file_is_watched(files: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a request for it, a new file serves soon; a damaged one is refused once, not at every look."""
    target = tmp_path / "served.recae"
    put(files["ease"], target)
    holder = ModelHolder(target)
    with TestClient(make_app(holder, watch_seconds=0.02)) as client:
        put(files["item-knn"], target)
        wait_for(lambda: client.get("/model").json()["model"] == "item-knn")
        monkeypatch.setattr(model_holder, "AGAIN", 0)  # for what the system keeps from being read
        damage(target)
        wait_for(lambda: client.get("/health").json()["refused"] is not None)
        before = holder.current
        monkeypatch.setattr(model_holder, "read_served", None)
        monkeypatch.setattr(holder, "refused", "once")
        time.sleep(0.1)
        assert (holder.current, holder.refused) == (before, "once")
        monkeypatch.undo()
        put(files["ease"], target)
        wait_for(lambda: client.get("/model").json()["model"] == "ease")


def wait_for(condition: Any, seconds: float = 60) -> None:
    """Until it is so."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it does not become true"
        time.sleep(0.02)


# ---------------------------------------------------------------- real processes


@contextmanager
def serving(
    *arguments: object, command: Sequence[str] = (sys.executable, "-m", "recae", "serve"), cwd: Path = ROOT
) -> Iterator[tuple[str, int, subprocess.Popen[str]]]:
    """`recae serve` on a free port of this machine: host, port and process."""
    path = {name: value for name, value in os.environ.items() if name != "PYTHONPATH" or cwd == ROOT}
    whole = [*command, *map(str, arguments), "--port", "0"]
    process = subprocess.Popen(whole, cwd=cwd, env=path, stderr=subprocess.PIPE, text=True)
    try:
        assert process.stderr is not None
        line = process.stderr.readline()
        assert "http://" in line, line + process.stderr.read()
        host, _, port = line.partition("http://")[2].split()[0].rpartition(":")
        threading.Thread(target=process.stderr.read, daemon=True).start()
        wait_for(lambda: answered(host, int(port)), 300)  # two workers on a busy machine
        yield host, int(port), process
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(30)


def answered(host: str, port: int) -> bool:
    try:
        connection = http.client.HTTPConnection(host, port, timeout=30)
        connection.request("GET", "/health")
        return connection.getresponse().status == 200
    except OSError:
        return False


class Client(threading.Thread):
    """Asks for one list again and again over one connection, until it is told to stop."""

    def __init__(self, host: str, port: int, stop: threading.Event) -> None:
        super().__init__(daemon=True)
        self.connection, self.stop = http.client.HTTPConnection(host, port, timeout=60), stop
        self.seen: set[tuple[int, str, tuple[Any, ...]]] = set()
        self.failed: list[str] = []

    def run(self) -> None:
        while not self.stop.is_set():
            try:
                self.connection.request("POST", "/recommend", json.dumps(BODY), {"Content-Type": "application/json"})
                response = self.connection.getresponse()
                found = json.loads(response.read())
                items = tuple((one["item"], one["score"]) for one in found["items"])
                self.seen.add((response.status, found["fingerprint"], items))
            except Exception as error:
                self.failed.append(repr(error))
                return


@pytest.mark.slow
def test_a_model_is_swapped_under_load(files: dict[str, Path], tmp_path: Path) -> None:
    """Six swaps and two damaged files under four clients: every answer is wholly the model's that it names."""
    target = tmp_path / "served.recae"
    put(files["ease"], target)
    stop = threading.Event()
    with serving(target, "--watch", 0.05, "--allow-reload") as (host, port, _):
        clients = [Client(host, port, stop) for _ in range(4)]
        for client in clients:
            client.start()
        for turn in range(6):
            name = ("item-knn", "ease")[turn % 2]
            put(files[name], target)
            wait_for(lambda name=name: model_of(host, port) == name)
            if turn % 3 == 1:
                damage(target)
                time.sleep(0.3)
                assert model_of(host, port) == name
        stop.set()
        for client in clients:
            client.join(60)
    assert [client.failed for client in clients] == [[]] * 4
    seen = set.union(*(client.seen for client in clients))
    expected = {fingerprint(files[name]): list_of(name) for name in files}
    assert {one for _, one, _ in seen} == set(expected)
    for status, one, items in seen:
        assert status == 200
        assert [item for item, _ in items] == [item for item, _ in expected[one]]
        assert [score for _, score in items] == pytest.approx([score for _, score in expected[one]], rel=1e-6)


def model_of(host: str, port: int) -> str:
    connection = http.client.HTTPConnection(host, port, timeout=60)
    connection.request("GET", "/model")
    return str(json.loads(connection.getresponse().read())["model"])


def list_of(name: str) -> list[tuple[Any, float]]:
    """What the library lists for the body."""
    model = fitted(name)
    items = model.ratings_.item_index([one["item"] for one in BODY["events"]])  # type: ignore[index]
    index, scores = model.recommend_row(items, [one["rating"] for one in BODY["events"]], BODY["n"])  # type: ignore
    return list(zip(model.ratings_.item_ids[index].tolist(), scores.tolist()))


@pytest.mark.slow
def test_several_workers_serve_one_port(files: dict[str, Path]) -> None:
    """Two workers answer what the library answers, and a signal ends all of them."""
    with serving(files["ease"], "--workers", 2) as (host, port, process):
        for user in USERS[:6]:
            connection = http.client.HTTPConnection(host, port, timeout=60)
            connection.request(
                "POST", "/recommend", json.dumps({"user": user, "n": 3}), {"Content-Type": "application/json"}
            )
            found = json.loads(connection.getresponse().read())["items"]
            assert [one["item"] for one in found] == fitted("ease").recommend(user, 3)["item"].tolist()
    assert process.returncode is not None
    assert not answered(host, port)
