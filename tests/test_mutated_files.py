"""Files that somebody has changed: read and used, or refused in one line; `make fuzz` tries many more."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from fuzz import pool
from fuzz.family import FAMILIES
from fuzz.figures import BAD, figures, table
from fuzz.pool import Ending

import recae
from recae.cli import recae as command_line
from recae.errors import ModelFileError
from recae.settings import read_settings

ROOT = Path(__file__).parents[1]
CASES = 40 * len(FAMILIES)


@pytest.mark.slow
def test_changed_files_of_every_family_are_refused_or_work(tmp_path: Path) -> None:
    """Seeded changes end in an error or in finite results; of each family some are refused, and some are read."""
    command = [sys.executable, "-m", "fuzz", "--cases", str(CASES), "--seed", "0", "--out", str(tmp_path / "f.json")]
    paths = os.pathsep.join([str(ROOT), str(ROOT / "tests"), os.environ.get("PYTHONPATH", "")])
    ended = subprocess.run(command, env=os.environ | {"PYTHONPATH": paths}, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    found = json.loads((tmp_path / "f.json").read_text())
    assert found["cases"] == CASES
    assert all(sum(counts[how] for how in BAD) == 0 for counts in found["families"].values())
    assert all(counts["clean"] and counts["accepted"] for counts in found["families"].values()), found["families"]


class Toy:
    """A family whose cases end as their number says."""

    def prepare(self, base: Path) -> None: ...

    def write(self, rng: random.Random, base: Path, work: Path) -> str:
        number = int((base / "next").read_text())
        (base / "next").write_text(str(number + 1))
        (work / "number").write_text(str(number))
        return f"number {number}"

    def read(self, work: Path) -> Any:
        def end() -> Any:
            match int((work / "number").read_text()):
                case 0:
                    raise recae.errors.DataError("no")
                case 1:
                    yield "something"
                case 2:
                    raise KeyError("x")
                case 3:
                    bytearray(8 << 30)
                case 4:
                    os.kill(os.getpid(), 11)
                case 5:
                    time.sleep(600)

        return end()


def test_each_way_to_end_is_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An error of recae's, something wrong, another exception, memory, a crash, a hang, and none: each by its name."""
    monkeypatch.setattr(pool, "family", lambda name: Toy())
    monkeypatch.setattr(pool, "SECONDS", 8)  # a new process on a busy machine needs some, too
    (tmp_path / "toy").mkdir()
    (tmp_path / "toy" / "next").write_text("0")
    endings = list(pool.run([("toy", case) for case in range(7)], 0, tmp_path, 1))
    assert [one.how for one in endings] == ["clean", "wrong", "foreign", "memory", "crash", "hang", "accepted"]
    assert "-11" in endings[4].what
    found = figures(endings, 0, ["toy"])
    assert found["families"] == {"toy": dict.fromkeys(("clean", "accepted", *BAD), 1)}
    assert len(found["failures"]) == len(BAD)
    assert table(found).splitlines()[-1] == "| all | 7 | 1 | 1 | 1 | 1 | 1 | 1 | 1 |"


def test_the_published_figures_are_those_of_the_run() -> None:
    """The table of SECURITY.md is made of the JSON that a run wrote; no case of it went wrong."""
    found = json.loads((ROOT / "docs" / "figures" / "fuzz.json").read_text())
    assert found["cases"] >= 5000
    assert found["failures"] == []
    assert set(found["families"]) == set(FAMILIES)
    assert table(found) in (ROOT / "SECURITY.md").read_text()


def test_figures_of_several_families() -> None:
    """Each family has its own counts; the longest case and what went wrong are over all."""
    endings = [Ending("a", 0, "clean", "", 0.1), Ending("b", 1, "wrong", "why", 0.5)]
    found = figures(endings, 3, ["a", "b"])
    assert (found["cases"], found["longest_case_seconds"]) == (2, 0.5)
    assert found["failures"] == ["b 1: wrong: why"]
    assert [found["families"][name]["wrong"] for name in "ab"] == [0, 1]


def test_the_command_line_checks_a_file(tmp_path: Path) -> None:
    """`recae check` says that a file is whole, or what of it was changed, with exit status 1."""
    path = recae.EASE(device="cpu").fit(recae.load("sample")).save(tmp_path / "ease.recae")
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    (tmp_path / "changed.recae").write_bytes(data)
    assert CliRunner().invoke(command_line, ["check", str(path)]).exit_code == 0
    refused = CliRunner().invoke(command_line, ["check", str(tmp_path / "changed.recae")])
    assert refused.exit_code == 1
    assert "checksum of array" in refused.output


@pytest.mark.parametrize("text", ["a = " + "[" * 100_000, "a = " + "1" * 5000, "a = ", 'a = "'])
def test_settings_that_are_no_toml_are_refused(text: str, tmp_path: Path) -> None:
    """Nested too deep, a number of too many digits, or cut short: one error that names the file."""
    path = tmp_path / "settings.toml"
    path.write_text(text)
    with pytest.raises(ModelFileError, match=r"settings\.toml is not TOML"):
        read_settings(path)
