"""The quick benchmark fails where an operation has become slower; its stored ratios; texts of help."""

from __future__ import annotations

import re
from pathlib import Path

from benchmarks.suite import ratios

SUITE = Path(ratios.__file__).parent
MACHINE = {"processor": "P", "cores": 2}
BASELINE = {"ratios": {"spmm": 0.5}, "machine": {"processor": "P", "cores": 2, "memory_gib": 8.0}, "threads": 2}


def test_a_slower_operation_is_named_with_both_ratios() -> None:
    """Within what is allowed nothing is said; beyond it, what was measured, what is stored, and what is allowed."""
    assert ratios.slower("spmm", 0.79, BASELINE, 1.6) == ""
    assert ratios.slower("spmm", 0.05, BASELINE, 1.6) == ""
    assert ratios.slower("spmm", 1.0, BASELINE, 1.6) == (
        "spmm: 1 times the reference product, where 0.5 is stored: 2.0 times as much, and 1.6 is allowed"
    )


def test_an_operation_without_a_stored_ratio_fails() -> None:
    """What is new has to be stored, and the message says by which command."""
    assert "no ratio is stored; store it with `pytest benchmarks/suite --store`" in ratios.slower("x", 1, BASELINE, 9)


def test_another_machine_is_held_less_tightly() -> None:
    """Ratios of another processor, number of cores or of threads are compared with a wide tolerance."""
    assert ratios.tolerance(BASELINE, MACHINE, 2) == ratios.TOLERANCE
    for machine, threads in (({**MACHINE, "processor": "Q"}, 2), ({**MACHINE, "cores": 8}, 2), (MACHINE, 1)):
        assert ratios.tolerance(BASELINE, machine, threads) == ratios.ELSEWHERE > ratios.TOLERANCE


def test_a_crowded_machine_is_named_beside_a_slow_operation() -> None:
    """Where more runs than there are cores, the message says so, and what to do; elsewhere it says nothing more."""
    assert ratios.crowded(1.9, 2) == ""
    assert ratios.crowded(4.31, 2) == " (but 4.3 processes share 2 cores: run it again when the machine is quiet)"


def test_storing_keeps_what_was_not_run(tmp_path: Path) -> None:
    """A part of the suite stores its own ratios, and leaves the others."""
    file = tmp_path / "baseline.json"
    assert ratios.stored(file)["ratios"] == {}
    ratios.store({"a": 1.0, "b": 2.0}, 2, file)
    ratios.store({"b": 1 / 3}, 2, file)
    assert ratios.stored(file)["ratios"] == {"a": 1.0, "b": 0.3333}
    assert ratios.stored(file)["threads"] == 2


def test_every_operation_of_the_suite_is_stored() -> None:
    """The committed baseline has a ratio of each operation, and of nothing that is no longer one."""
    text = (SUITE / "test_operations.py").read_text()
    fixed = set(re.findall(r'held_to_baseline\(\s*"([^"]+)"', text))
    listed = {
        name
        for names in re.findall(r'parametrize\("name", \[([^\]]+)\]', text)
        for name in re.findall('"([^"]+)"', names)
    }
    names = fixed | {f"scores, {name}" if name in ("EASE", "factors") else name for name in listed}
    assert set(ratios.stored()["ratios"]) == names
    assert all(ratio > 0 for ratio in ratios.stored()["ratios"].values())


def test_the_commands_of_a_help_text_keep_their_lines() -> None:
    """Examples in the docstring of a command stand behind click's mark, without which they run into one paragraph."""
    commands = [path for path in SUITE.parent.rglob("*.py") if "help=__doc__" in path.read_text()]
    assert len(commands) > 20
    for path in commands:
        text = path.read_text().split('"""')[1]
        assert not re.search(r"\n\n {4}python -m", text), f"{path}: write \\b above the examples"
