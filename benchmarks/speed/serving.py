"""Lists of 20 for a live user of three events: processor time in this process, and requests a second over HTTP.

\b
    python -m benchmarks.serving [--data ml-1m] [--seconds 8] [--rounds 3] [--workers 2]

In this process: `recommend_new` (a frame) and `recommend_row` (arrays) of I-AutoRec and EASE. Over HTTP: `recae serve`
beside a bare FastAPI "hello" with as many workers, each loaded by `wrk` with 16 connections, in turn; the middle round
counts. wrk runs on the same cores (Debian: apt-get install wrk). The machine's load before each round is written down:
a machine that does other things gives lower rates, and lower ratios too: it takes turns from whoever works longest.
The processor's time for each request, which is counted of the server's processes, depends on that least.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any

import click
import numpy as np
import pandas as pd
import psutil  # type: ignore[import-untyped,unused-ignore]

import recae
from benchmarks.common.paths import ROOT
from benchmarks.common.record import write
from recae.models import Recommender

CONNECTIONS, LIST = 16, 20
MODELS = {"i-autorec": {"epochs": 5}, "ease": {}}  # times do not depend on how well a model has learnt
GOALS = {"requests_per_second": 800.0, "p99_ms": 50.0, "ratio": 0.4, "row_ms": 1.0}
HELLO_PORT, PORT = 8781, 8782
ONE_THREAD = {"OMP_NUM_THREADS": "1", "NUMBA_NUM_THREADS": "1"}
_SCRIPT = """
wrk.method, wrk.body = %s, %s
wrk.headers["Content-Type"] = "application/json"
done = function(summary, latency, requests)
  local failed = summary.errors
  io.write(string.format('RESULT {"requests": %%d, "seconds": %%f, "p50_ms": %%f, "p99_ms": %%f, "failed": %%d}\\n',
    summary.requests, summary.duration / 1e6, latency:percentile(50) / 1e3, latency:percentile(99) / 1e3,
    failed.connect + failed.read + failed.write + failed.status + failed.timeout))
end
"""


def in_process(model: Recommender, runs: int = 300) -> dict[str, float]:
    """Milliseconds of the processor for one list, by a frame and by arrays: the middle of five rounds."""
    columns = np.array([10, 500, 1000])
    given = np.array([5.0, 4.0, 3.0], np.float32)
    frame = pd.DataFrame({"user": "me", "item": model.ratings_.item_ids[columns], "rating": given})
    ways = {
        "recommend_new": lambda: model.recommend_new(frame, LIST),
        "recommend_row": lambda: model.recommend_row(columns, given, LIST),
    }
    found: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(5):
        for name, work in ways.items():
            work()
            start = time.process_time()
            for _ in range(runs // 5):
                work()
            found[name].append((time.process_time() - start) / (runs // 5) * 1e3)
    return {name: median(values) for name, values in found.items()}


@contextmanager
def process(command: list[str], url: str) -> Iterator[subprocess.Popen[bytes]]:
    """A server, from its first answer until the block ends."""
    started = subprocess.Popen(command, cwd=ROOT, env=os.environ | ONE_THREAD)
    try:
        end = time.monotonic() + 300
        while not answers(url):
            if started.poll() is not None or time.monotonic() > end:
                raise click.ClickException(f"{' '.join(command)} does not answer")
            time.sleep(0.1)
        time.sleep(3)  # all workers are there
        yield started
    finally:
        started.terminate()
        started.wait(30)


def processor_seconds(pid: int) -> float:
    """What a process and its children have used until now."""
    parent = psutil.Process(pid)
    seconds: float = sum(
        one.cpu_times().user + one.cpu_times().system for one in [parent, *parent.children(recursive=True)]
    )
    return seconds


def answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5) as response:
            return bool(response.status == 200)
    except OSError:
        return False


def load(url: str, method: str, body: str, seconds: int) -> dict[str, float]:
    """What wrk finds in so many seconds."""
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
        script.write(_SCRIPT % (json.dumps(method), json.dumps(body)))
        script.flush()
        command = ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s", "-s", script.name, url]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
    line = next(line for line in done.stdout.splitlines() if line.startswith("RESULT "))
    found: dict[str, float] = json.loads(line.removeprefix("RESULT "))
    return {"requests_per_second": found["requests"] / found["seconds"], **found}


def over_http(files: dict[str, Path], body: str, seconds: int, rounds: int, workers: int) -> dict[str, Any]:
    """Every server in turn, `rounds` times; of each the round with the middle rate, and its ratio to "hello"."""
    hello = [sys.executable, "-m", "uvicorn", "benchmarks.speed.hello_app:app", "--port", str(HELLO_PORT)]
    commands = {"hello": [*hello, "--workers", str(workers), "--no-access-log", "--log-level", "warning"]}
    for name, file in files.items():
        serve = [sys.executable, "-m", "recae", "-q", "serve", str(file), "--port", str(PORT)]
        commands[name] = [*serve, "--workers", str(workers)]
    found: dict[str, list[dict[str, float]]] = {name: [] for name in commands}
    for turn in range(rounds):
        for name, command in commands.items():
            base = f"http://127.0.0.1:{HELLO_PORT if name == 'hello' else PORT}"
            url, method = (f"{base}/", "GET") if name == "hello" else (f"{base}/recommend", "POST")
            with process(command, url if name == "hello" else f"{base}/health") as server:
                load(url, method, body, 2)  # warm
                before, used = os.getloadavg()[0], processor_seconds(server.pid)
                one = load(url, method, body, seconds)
                one |= {"processor_ms": 1e3 * (processor_seconds(server.pid) - used) / one["requests"], "load": before}
            found[name].append(one)
            click.echo(
                f"round {turn + 1}, {name:<10} {one['requests_per_second']:8,.0f} requests/s, "
                f"{one['processor_ms']:.2f} ms of the processor each, p50 {one['p50_ms']:.1f} ms, "
                f"p99 {one['p99_ms']:.1f} ms, {one['failed']:.0f} failed, load {before:.1f}"
            )
    ratios = {
        name: median(a["requests_per_second"] / b["requests_per_second"] for a, b in zip(rows, found["hello"]))
        for name, rows in found.items()
    }
    return {name: {**middle(rows), "ratio": ratios[name], "rounds": rows} for name, rows in found.items()}


def middle(rows: list[dict[str, float]]) -> dict[str, float]:
    """The round with the middle rate."""
    return sorted(rows, key=lambda row: row["requests_per_second"])[len(rows) // 2]


@click.command(help=__doc__)
@click.option("--data", default="ml-1m", show_default=True)
@click.option("--seconds", default=8, show_default=True, help="Of each round.")
@click.option("--rounds", default=3, show_default=True)
@click.option("--workers", default=2, show_default=True, help="Processes of each server.")
@click.option("--record/--no-record", default=True, help="Write results/serving.json.")
def main(data: str, seconds: int, rounds: int, workers: int, record: bool) -> None:
    if shutil.which("wrk") is None:
        raise click.ClickException("wrk is not installed; Debian: apt-get install wrk")
    ratings = recae.load(data)
    with tempfile.TemporaryDirectory() as folder:
        files, rows = {}, {}
        for name, settings in MODELS.items():
            model = recae.make_model(name, **settings).fit(ratings, progress=False)
            files[name], rows[name] = model.save(Path(folder) / f"{name}.recae"), in_process(model)
            click.echo(f"{name}: {', '.join(f'{way} {ms:.2f} ms' for way, ms in rows[name].items())} of the processor")
        events = [{"item": item, "rating": 5 - i} for i, item in enumerate(ratings.item_ids[[10, 500, 1000]].tolist())]
        http = over_http(files, json.dumps({"events": events, "n": LIST}), seconds, rounds, workers)
    if record:
        about = {"data": data, "list": LIST, "connections": CONNECTIONS, "seconds": seconds, "workers": workers}
        write("serving", {**about, "goals": GOALS, "in_process_ms": rows, "http": http})


if __name__ == "__main__":
    main()
