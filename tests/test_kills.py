"""Work that is killed at random moments and begun again; `make kills` kills many more times."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import kill_programs
import pytest

ROOT = Path(__file__).parents[1]


@pytest.mark.slow
def test_nothing_is_lost_by_kills(tmp_path: Path) -> None:
    """Preparations, trainings and searches, killed and begun again, end as if nothing had happened."""
    command = [sys.executable, "-W", "ignore", "-m", "kill_programs", "--kills", "9", "--out", str(tmp_path / "k.json")]
    paths = os.pathsep.join([str(ROOT / "tests"), os.environ.get("PYTHONPATH", "")])
    environment = os.environ | {"PYTHONPATH": paths}
    ended = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT, env=environment)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    found = json.loads((tmp_path / "k.json").read_text())["work"]
    assert [one["kills"] for one in found] == [3, 3, 3]
    assert all(one["other"] == one["left"] == 0 for one in found)


def test_the_published_kills_are_those_of_the_run() -> None:
    """The table of SECURITY.md is made of the JSON that a run wrote: 200 kills, of which none lost anything."""
    found = json.loads((ROOT / "docs" / "figures" / "kills.json").read_text())["work"]
    assert sum(one["kills"] for one in found) >= 200
    assert all(one["other"] == one["left"] == 0 for one in found)
    assert kill_programs.table(found) in (ROOT / "SECURITY.md").read_text()
