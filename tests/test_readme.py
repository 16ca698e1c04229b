"""The README, run."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from test_documents import check_transcript

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()


def blocks(language: str) -> list[str]:
    """Fenced blocks of one language, in order."""
    return re.findall(rf"^```{language}\n(.*?)^```", README, flags=re.MULTILINE | re.DOTALL)


def test_every_block_is_of_a_kind_that_is_checked_here() -> None:
    """No code block stands in the README that no test runs."""
    languages = set(re.findall(r"^```(\w+)$", README, flags=re.MULTILINE))
    assert languages == {"console", "python"}


def test_python_blocks_run_one_after_another(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every Python block runs as written, in the order in which a reader would type them."""
    monkeypatch.chdir(tmp_path)
    namespace: dict[str, object] = {}
    for number, block in enumerate(blocks("python"), 1):
        exec(compile(block, f"README.md, Python block {number}", "exec"), namespace)
    assert (tmp_path / "m.recae").exists()


def test_the_two_commands_are_targets_of_the_makefile() -> None:
    """What the first screen promises, `make run` and `make test`, is there and makes the environment first."""
    makefile = (ROOT / "Makefile").read_text()
    promised = re.findall(r"^\$ make (\S+)", "\n".join(blocks("console")), flags=re.MULTILINE)
    assert promised == ["run", "test"]
    for target in promised:
        assert re.search(rf"^{target}: \$\(READY\)", makefile, flags=re.MULTILINE)
    tests = re.search(r"^test:.*\n((?:\t.*\n)+)", makefile, flags=re.MULTILINE)
    assert tests is not None
    for lint in ("ruff check .", "ruff format --check .", "mypy"):  # all that `make lint` does, which needs the same
        assert f"$(BIN)/{lint}" in tests[1]
    assert re.search(r"^lint: \$\(READY\)", makefile, flags=re.MULTILINE)


def test_files_that_the_documents_link_to_exist() -> None:
    """No relative link in the top-level documents and in docs/ leads nowhere."""
    documents = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "benchmarks").glob("*.md")]
    for document in documents:
        for target in re.findall(r"\]\((?!https?://|#)([^)#]+)", document.read_text()):
            assert (document.parent / target).exists(), f"{document.name} links to {target}"


def test_the_readme_is_short() -> None:
    """At most 120 lines: tables and rules stand on the pages of docs/."""
    assert len(README.splitlines()) <= 120


def test_the_transcript_is_what_the_commands_print(tmp_path: Path) -> None:
    """`recae train` and `recae recommend` print what the README shows."""
    (transcript,) = [block for block in blocks("console") if "$ recae" in block]
    check_transcript(transcript, tmp_path)
