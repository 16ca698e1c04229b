"""Environments of other packages: one each, with exactly the versions that `scripts/PEER.txt` pins."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from benchmarks.common.paths import BUILD

SCRIPTS = Path(__file__).parent / "scripts"
CACHE = BUILD / "peers"
OURS = ("recae", "pandas", "torch")  # run in the Python that runs the benchmark


def names() -> list[str]:
    """The peers that need an environment."""
    return sorted(path.stem for path in SCRIPTS.glob("*.txt"))


def pins(peer: str) -> list[str]:
    """The requirements of `peer`, all of them with their versions; comments left out."""
    lines = (line.split("#")[0].strip() for line in (SCRIPTS / f"{peer}.txt").read_text().splitlines())
    return [line for line in lines if line]


def folder_of(peer: str, cache: Path) -> Path:
    """Where its environment is, or would be: other pins, or another Python, make another folder."""
    about = "\n".join([*pins(peer), sys.version])
    return cache / f"{peer}-{hashlib.sha256(about.encode()).hexdigest()[:10]}"


def python_of(peer: str, cache: Path) -> Path | None:
    """The Python that has `peer`; None where it has not been installed."""
    if peer in OURS:
        return Path(sys.executable)
    folder = folder_of(peer, cache)
    return _python(folder) if (folder / "installed").exists() else None


def install(peer: str, cache: Path, index: str = "", again: bool = False) -> str:
    """Make the environment of `peer` unless it is there; why it could not be made, or nothing.

    A failure is remembered, and tried anew where `again` is true. Pins are complete, so nothing is resolved
    (`--no-deps`): RecBole's own bounds, for one, exclude packages that it works with.

    Args:
        index: another package index to look at, such as PyTorch's own one of CPU wheels.
    """
    folder = folder_of(peer, cache)
    if (folder / "installed").exists():
        return ""
    failure = folder / "failed.txt"
    if failure.exists() and not again:
        return failure.read_text()
    folder.mkdir(parents=True, exist_ok=True)
    commands: list[list[str]] = [
        [sys.executable, "-m", "venv", "--clear", str(folder)],
        [str(_python(folder)), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps",
         *(["--extra-index-url", index] if index else []), *pins(peer)],
    ]  # fmt: skip
    for command in commands:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            reason = last_line(done.stderr) or f"exit code {done.returncode}"
            folder.mkdir(parents=True, exist_ok=True)
            failure.write_text(reason)
            return reason
    failure.unlink(missing_ok=True)
    (folder / "installed").touch()
    return ""


def versions(peer: str, cache: Path) -> dict[str, str]:
    """What is really installed, package by package."""
    python = python_of(peer, cache)
    if python is None or peer in OURS:
        return {}
    command = [str(python), "-m", "pip", "list", "--format=json", "--disable-pip-version-check"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    listed: list[dict[str, Any]] = json.loads(done.stdout) if done.returncode == 0 else []
    return {one["name"]: one["version"] for one in listed}


def last_line(text: str) -> str:
    """The last line that says something; pip's own notices and warnings do not."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    telling = [line for line in lines if not line.startswith(("WARNING", "[notice]", "USDT"))]
    return (telling or lines or [""])[-1]


def _python(folder: Path) -> Path:
    return folder / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
