"""How tests run the command line: in this process (quick), or as a process of its own (real)."""

from __future__ import annotations

import atexit
import functools
import json
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import warm as warm_program
from click.testing import CliRunner, Result

from recae.cli import recae

TINY = ("--hidden", "8", "--epochs", "2")  # of an AutoRec on the sample: a third of a second
# One thread; and streams that are buffered as users' are, whatever this process was started with.
LIMITS = {"OMP_NUM_THREADS": "1", "NUMBA_NUM_THREADS": "1", "PYTHONIOENCODING": "utf-8", "PYTHONUNBUFFERED": ""}


def command() -> list[str]:
    return [sys.executable, "-m", "recae"]


def process(*args: Any, cwd: Path | None = None, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
    """`python -m recae ...` as a process."""
    return subprocess.run(
        [*command(), *map(str, args)], cwd=cwd, env=os.environ | LIMITS, input=stdin, capture_output=True,
        encoding="utf-8", timeout=120, check=False,
    )  # fmt: skip


@functools.cache
def warm() -> Path:
    """A folder for PATH with `recae`, which starts without importing what takes seconds (see warm.py)."""
    folder = Path(tempfile.mkdtemp())
    program, here = [*command()], str(Path(warm_program.__file__))
    if warm_program.SUPPORTED:
        path = os.pathsep.join(filter(None, [str(Path(here).parents[1]), os.environ.get("PYTHONPATH")]))
        server = subprocess.Popen(
            [sys.executable, here], env=os.environ | LIMITS | {"PYTHONPATH": path}, stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert server.stdin is not None
        assert server.stdout is not None
        program = [sys.executable, "-IS", here, server.stdout.readline().strip()]
        atexit.register(server.wait)
        atexit.register(server.stdin.close)  # which ends it; what was registered last comes first
    (folder / "recae").write_text(f'#!/bin/sh\nexec {shlex.join(program)} "$@"\n')
    (folder / "recae").chmod(0o755)
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def warmly(*args: Any, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    """`recae ...` in a process that starts quickly, where it is only a means."""
    return subprocess.run(
        [warm() / "recae", *map(str, args)], cwd=cwd, env=os.environ | LIMITS, stdin=subprocess.DEVNULL,
        capture_output=True, encoding="utf-8", timeout=120, check=False,
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
