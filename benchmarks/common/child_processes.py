"""Parts of a benchmark that run in processes of their own, so that their memory and threads are their own."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import click


def run_module(module: str, *arguments: object) -> Any:
    """What `python -m module ARGUMENTS` prints as JSON in its last line.

    Raises:
        click.ClickException: it fails; the message is its standard error.
    """
    command = [sys.executable, "-m", module, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise click.ClickException(f"{' '.join(command[1:])} failed:\n{done.stderr.strip()}")
    return json.loads(done.stdout.splitlines()[-1])


def run_ranks(module: str, processes: int, *arguments: object) -> dict[str, Any]:
    """The JSON that `processes` processes of a module (torchrun where there are several) leave in a file.

    The file's name is the last argument they get; the first process writes it.
    """
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "found.json"
        torchrun = ["torch.distributed.run", "--standalone", f"--nproc-per-node={processes}", "-m"]
        command = [sys.executable, "-m", *(torchrun if processes > 1 else []), module, *map(str, arguments), str(file)]
        subprocess.run(command, check=True)
        found: dict[str, Any] = json.loads(file.read_text())
        return found
