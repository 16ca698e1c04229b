"""How tests run the command line: in this process (quick), or as a process of its own (real)."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from click.testing import CliRunner, Result

from recae.cli import recae

TINY = ("--hidden", "8", "--epochs", "2")  # of an AutoRec on the sample: a third of a second
LIMITS = {"OMP_NUM_THREADS": "1", "NUMBA_NUM_THREADS": "1", "PYTHONIOENCODING": "utf-8"}


def command() -> list[str]:
    return [sys.executable, "-m", "recae"]


def process(*args: Any, cwd: Path | None = None, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
    """`python -m recae ...` as a process."""
    return subprocess.run(
        [*command(), *map(str, args)], cwd=cwd, env=os.environ | LIMITS, input=stdin, capture_output=True,
        encoding="utf-8", timeout=120, check=False,
    )  # fmt: skip


def inline(*args: Any) -> Result:
    """The same in this process: stdout, stderr and exit code apart."""
    return CliRunner().invoke(recae, [str(arg) for arg in args], prog_name="recae")


def done(result: Result) -> str:
    """stdout of a run that must have gone well."""
    assert result.exit_code == 0, result.stderr
    return result.stdout


def parsed(*args: Any) -> Any:
    """What a command prints with --json."""
    return json.loads(done(inline(*args, "--json")))
