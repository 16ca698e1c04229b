"""What is pinned installs on every Python that the project is for, not only on the newest."""

from __future__ import annotations

import importlib.metadata
import re
import tomllib
from pathlib import Path

from packaging.specifiers import SpecifierSet

ROOT = Path(__file__).parents[1]
PIN = re.compile(r"^([A-Za-z0-9_.-]+)==([^ ;]+)")


def pins() -> dict[str, str]:
    found = map(PIN.match, (ROOT / "constraints.txt").read_text().splitlines())
    return {match[1]: match[2] for match in found if match}


def test_pins_are_for_the_oldest_python() -> None:
    """No pinned package that is installed asks for a later Python than `requires-python` begins with."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    oldest = project["requires-python"].removeprefix(">=") + ".0"
    installed = {re.sub(r"[-_.]+", "-", one.name.lower()): one for one in importlib.metadata.distributions()}
    later = {}
    for name in pins():
        found = installed.get(re.sub(r"[-_.]+", "-", name.lower()))
        wanted = None if found is None else found.metadata["Requires-Python"]
        if wanted and not SpecifierSet(wanted).contains(oldest):
            later[name] = wanted
    assert later == {}
    assert len(pins()) > 50
