"""The script for a GPU machine runs anywhere as a rehearsal, on few packages, and says so where there is no GPU."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
import torch

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


def run(*arguments: str, code: str = _BARE) -> subprocess.CompletedProcess[str]:
    """The script, where only what it says that it needs is installed, and no data are."""
    program = textwrap.dedent(code).format(absent=set(ABSENT))
    env = {name: value for name, value in os.environ.items() if name != "RECAE_DATA_DIR"}
    return subprocess.run(
        [sys.executable, "-c", program, *arguments], cwd=ROOT, env=env, capture_output=True, text=True
    )


def test_a_rehearsal_goes_through_every_part_on_few_packages() -> None:
    """On the CPU with tiny shapes each part is timed, what cannot be is said, goals stand beside, nothing written."""
    file = ROOT / "benchmarks" / "results" / "gpu.json"
    before = file.read_bytes() if file.exists() else None
    done = run("--device", "cpu", "--small")
    assert done.returncode == 0, done.stderr
    for part in ("spmm", "batch assembled", "sparse, float32", "dense, tf32", "Mult-VAE", "EASE", "harmless"):
        assert part in done.stdout
    assert "tests: not run: pytest is not installed" in done.stdout
    assert "not measured: no copy of ml-1m" in done.stdout
    assert "<= 0.15" in done.stdout
    assert "met" not in done.stdout.split()  # tiny shapes meet no goal
    assert (file.read_bytes() if file.exists() else None) == before


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_without_a_gpu_it_says_so() -> None:
    """One line, a status that is not success, and no traceback."""
    done = run()
    assert done.returncode == 1
    assert done.stderr.startswith("Error: no CUDA device on this machine: nothing was measured")
    assert len(done.stderr.splitlines()) == 1
    assert done.stdout == ""
