"""The script for a GPU machine runs anywhere as a rehearsal, on few packages, and says so where there is no GPU."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from click.testing import CliRunner

from benchmarks.common.ratings import drawn
from benchmarks.speed.gpu import Log, main, run_parts

ROOT = Path(__file__).parents[1]
ABSENT = [
    "pyarrow",
    "sklearn",
    "implicit",
    "pooch",
    "platformdirs",
    "requests",
    "tqdm",
    "matplotlib",
    "optuna",
    "pytest",
]
_BARE = """
    import sys
    from importlib.machinery import PathFinder

    find = PathFinder.find_spec
    PathFinder.find_spec = lambda name, *rest: None if name.split(".")[0] in {absent} else find(name, *rest)
    from benchmarks.speed.gpu import main
    main(sys.argv[1:])
"""


def run(*arguments: str, code: str = _BARE, **variables: str) -> subprocess.CompletedProcess[str]:
    """The script, where only what it says that it needs is installed, and no data are."""
    program = textwrap.dedent(code).format(absent=set(ABSENT))
    env = {name: value for name, value in os.environ.items() if name not in ("RECAE_DATA_DIR", "OUT")}
    return subprocess.run(
        [sys.executable, "-c", program, *arguments], cwd=ROOT, env={**env, **variables}, capture_output=True, text=True
    )


SAYS = {
    "kernels": ["spmm, ml-20m", "sddmm, ml-1m", "torch.sparse", "profile: ", "the sweep's best", "batch taken"],
    "epochs": ["ml-20m, sparse, float32", "ml-1m, dense, float32", "Mult-VAE", "EASE", "harmless", "top-20", "crossing",
               "GLocal-K, RMSE", "not measured: no copy of ml-1m"],
    "steps": ["epoch, ml-1m, items, deep, by autograd", "epoch, ml-20m, items, recorded", "tilings, ml-1m"],
    "again": ["spmm, ml-20m", "ml-20m, sparse, float32", "Nsight Compute"],
}  # fmt: skip


@pytest.mark.parametrize("name", SAYS)
def test_a_rehearsal_goes_through_every_part_on_few_packages(name: str, tmp_path: Path) -> None:
    """On the CPU with tiny shapes every part of a run has something to say, none fails, and OUT has a line of each."""
    done = run(name, "--rehearse", OUT=str(tmp_path))
    assert done.returncode == 0, done.stderr
    rows = [json.loads(line) for line in (tmp_path / f"gpu-{name}.jsonl").read_text().splitlines()]
    assert [row for row in rows if "error" in row] == []
    for part in SAYS[name]:
        assert part in done.stdout
    if name == "kernels":
        assert "GPU tests: not run" in done.stdout or "not run: pytest is not installed" in done.stdout
        assert set(json.loads((tmp_path / "gpu-tilings.json").read_text())) == {"CHUNK", "LONG", "TILINGS"}
    timed = [row for row in rows if "seconds" in row]
    assert timed
    assert all(row["seconds"] > 0 for row in timed)
    assert all(row.get("met") is None for row in rows)  # tiny shapes meet no goal


def test_a_part_that_fails_or_comes_too_late_stops_nothing(tmp_path: Path) -> None:
    """What raises is told with its traceback, the next part is tried, and one that has no time left is named."""
    file = tmp_path / "out" / "rows.jsonl"

    def fails() -> Iterator[dict[str, Any]]:
        yield {"what": "before", "seconds": 1.0}
        raise RuntimeError("out of memory")

    def works() -> Iterator[dict[str, Any]]:
        yield {"what": "after", "seconds": 2.0}

    log = Log(file)
    run_parts([("a", fails), ("b", works)], 60.0, log)
    run_parts([("c", works)], -1.0, log)
    rows = [json.loads(line) for line in file.read_text().splitlines()]
    assert [row["what"] for row in rows] == ["before", "a", "(a took)", "after", "(b took)", "c"]
    assert rows[1]["error"] == "RuntimeError: out of memory"
    assert "in fails" in rows[1]["traceback"]
    assert rows[-1]["note"].startswith("not begun")
    shown = CliRunner().invoke(main, ["table", "--no-keep", str(file)])
    assert "FAILED: RuntimeError: out of memory" in shown.output
    assert shown.exit_code == 0


def test_tilings_are_read_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a sweep found best is what the kernels are launched with."""
    pytest.importorskip("triton")
    from benchmarks.speed.gpu_kernels import tilings, use_tilings
    from recae.sparse import cuda

    for name in ("CHUNK", "LONG"):
        monkeypatch.setattr(cuda, name, getattr(cuda, name))
    monkeypatch.setattr(cuda, "TILINGS", dict(cuda.TILINGS))
    best = {"CHUNK": 512, "LONG": 2048, "TILINGS": {**tilings()["TILINGS"], "sddmm": [2, 16]}}
    use_tilings(json.loads(json.dumps(best)))
    assert tilings() == best
    assert cuda.TILINGS["sddmm"] == cuda.Tiling(2, 16)


def test_drawn_ratings_are_of_the_shape_asked_for() -> None:
    """Every user has different items in order, at most half of them, and a few items have most ratings."""
    ratings = drawn(200, 90, 4000)
    assert ratings.shape == (200, 90)
    assert 0.7 * 4000 < ratings.n_ratings <= 4000
    assert ratings.counts("user").max() <= 45
    assert ratings.user_rows.has_canonical_format
    assert ratings.counts("item").max() > 4 * np.median(ratings.counts("item"))
    assert (drawn(200, 90, 4000).user_rows != ratings.user_rows).nnz == 0


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_without_a_gpu_it_says_so() -> None:
    """One line, a status that is not success, and no traceback."""
    done = run("kernels")
    assert done.returncode == 1
    assert done.stderr.startswith("Error: no CUDA device on this machine: nothing was measured")
    assert len(done.stderr.splitlines()) == 1
    assert done.stdout == ""
