"""The Dockerfile, without Docker: its files, its installation and its command, in an environment made for it."""

from __future__ import annotations

import http.client
import http.server
import json
import os
import shutil
import socketserver
import subprocess
import sys
import sysconfig
import threading
import venv
from pathlib import Path

import pytest
from contract import USERS, fitted
from test_serving_swap import serving

ROOT = Path(__file__).parents[1]
pytestmark = pytest.mark.slow


def instructions() -> list[tuple[str, str]]:
    """Name and argument of each instruction."""
    lines = (ROOT / "Dockerfile").read_text().splitlines()
    return [(line.split(" ", 1)[0], line.split(" ", 1)[1]) for line in lines if line and not line.startswith("#")]


def test_its_steps_serve_a_model(tmp_path: Path) -> None:
    """What it copies is enough to install the package, and its command serves /models/m.recae.

    Packages that are here already stand in for those that it would fetch: pip installs only recae itself.
    """
    source, environment, models = tmp_path / "src", tmp_path / "venv", tmp_path / "models"
    source.mkdir()
    models.mkdir()
    for name, argument in instructions():
        if name == "COPY":
            *files, target = argument.split()
            for file in files:
                copy = source / file if target in (".", "./") else source / target
                (shutil.copytree if (ROOT / file).is_dir() else shutil.copy)(ROOT / file, copy)
    venv.create(environment, with_pip=False)
    libraries = sysconfig.get_path("purelib", vars={"base": str(environment)})
    (Path(libraries) / "borrowed.pth").write_text(sysconfig.get_path("purelib") + "\n")
    (run,) = [argument for name, argument in instructions() if name == "RUN"]
    assert run.startswith("pip install ")
    assert "'.[serve]'" in run or '".[serve]"' in run
    python = environment / "bin" / "python"
    install = ["-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation", "."]
    done = subprocess.run([python, *install], cwd=source, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    fitted("ease").save(models / "m.recae")
    ((_, command),) = [one for one in instructions() if one[0] == "CMD"]
    program, subcommand, model, *options = json.loads(command)
    assert (program, subcommand, model) == ("recae", "serve", "/models/m.recae")
    assert options == ["--host", "0.0.0.0", "--port", "8000"]
    script = Path(environment, "bin", program).read_text()
    assert script.startswith(f"#!{environment}")
    found = subprocess.run(
        [python, "-c", "import recae; print(recae.__file__)"], cwd=models, capture_output=True, text=True, check=True,
        env={name: value for name, value in os.environ.items() if name != "PYTHONPATH"},
    )  # fmt: skip
    assert found.stdout.startswith(str(environment))
    recae_there = [str(environment / "bin" / program), subcommand, "m.recae", "--host", "0.0.0.0"]
    with serving(command=recae_there, cwd=models) as (_, port, _):
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        connection.request("GET", "/")
        assert b"<title>recae</title>" in connection.getresponse().read()
        connection.request(
            "POST", "/recommend", json.dumps({"user": USERS[0], "n": 3}), {"Content-Type": "application/json"}
        )
        items = json.loads(connection.getresponse().read())["items"]
        assert [one["item"] for one in items] == fitted("ease").recommend(USERS[0], 3)["item"].tolist()


def test_it_ignores_what_it_does_not_copy() -> None:
    """Each file that is copied is let through by .dockerignore, which refuses all else."""
    rules = (ROOT / ".dockerignore").read_text().split()
    copied = {file for name, argument in instructions() if name == "COPY" for file in argument.split()[:-1]}
    assert rules[0] == "*"
    assert {rule.removeprefix("!") for rule in rules if rule.startswith("!")} == copied


def test_its_health_check_goes_by_no_proxy() -> None:
    """Where the container has a proxy in its environment, the check asks the server itself, and fails without one."""
    ((_, argument),) = [one for one in instructions() if one[0] == "HEALTHCHECK"]
    python, *rest = json.loads(argument.removeprefix("CMD "))
    assert python == "python"
    with socketserver.TCPServer(("127.0.0.1", 0), Healthy) as server:
        port = server.server_address[1]
        check = [sys.executable, *(part.replace(":8000/", f":{port}/") for part in rest)]
        threading.Thread(target=server.serve_forever, daemon=True).start()
        proxy = os.environ | {"http_proxy": "http://127.0.0.1:9", "no_proxy": ""}
        assert subprocess.run(check, env=proxy, check=False, timeout=60).returncode == 0
        server.shutdown()
    assert subprocess.run(check, env=proxy, check=False, timeout=60, stderr=subprocess.DEVNULL).returncode != 0


class Healthy(http.server.BaseHTTPRequestHandler):
    """Answers /health alone."""

    def do_GET(self) -> None:
        self.send_response(200 if self.path == "/health" else 404)
        self.end_headers()
