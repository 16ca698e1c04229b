"""The pages of docs/: every block of code is run, and transcripts are what the commands print."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from cli_helpers import warm

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
NOTEBOOKS = DOCS / "notebooks"
RUN = ("python", "bash", "console")
SHOWN = ("text", "nginx", "ini", "toml", "json")  # for reading
NOT_RUN = {
    "serving.md": "a server that does not end, Docker, nginx",
    "scale.md": "several machines and downloads",
    "demos.md": "downloads MNIST",
    "protocols.md": "downloads MovieLens",
    "shop/README.md": "tests/test_shop.py runs it, from the folder of the repository",
}
FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", flags=re.MULTILINE | re.DOTALL)
NUMBER = re.compile(r"-?\d[\d,]*\.?\d*")


class Block(NamedTuple):
    """A fenced block: its language and its text."""

    language: str
    text: str


def blocks(page: Path) -> list[Block]:
    """The blocks of a page in the order in which a reader meets them."""
    return [Block(*found) for found in FENCE.findall(page.read_text(encoding="utf-8"))]


def pages() -> list[Path]:
    """Every page with a block that can be run."""
    made = [page for page in sorted(DOCS.rglob("*.md")) if page.relative_to(DOCS).as_posix() not in NOT_RUN]
    return [page for page in made if any(block.language in RUN for block in blocks(page))]


def shell(command: str, folder: Path) -> str:
    """What bash prints to stdout; it must end with 0 and without a traceback."""
    path = os.pathsep.join([str(warm()), str(Path(sys.executable).parent), os.environ["PATH"]])
    environment = {**os.environ, "PATH": path, "COLUMNS": "100"}
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", command], cwd=folder, env=environment, capture_output=True, text=True,
        timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 0, f"{command}\n{done.stderr}"
    assert "Traceback" not in done.stderr
    return done.stdout


def assert_same(shown: str, printed: str) -> None:
    """The same words, and numbers within 2 %: rounding differs from one processor to the next."""
    assert NUMBER.sub("#", shown).split() == NUMBER.sub("#", printed).split(), printed
    pairs = zip(NUMBER.findall(shown), NUMBER.findall(printed))
    for said, found in pairs:
        assert float(found.replace(",", "")) == pytest.approx(float(said.replace(",", "")), rel=0.02, abs=1e-3), printed


def check_transcript(text: str, folder: Path) -> None:
    """Each `$ command` is run, and its output compared with the lines below it."""
    for part in re.split(r"^\$ ", text, flags=re.MULTILINE)[1:]:
        command, _, shown = part.partition("\n")
        assert_same(shown, shell(command, folder))


@pytest.fixture(autouse=True)
def registry() -> Iterator[None]:
    """Models that a page registers are gone after it: other tests of this process know those of the package."""
    from recae.models import MODELS

    known = dict(MODELS)
    yield
    MODELS.clear()
    MODELS.update(known)


@pytest.mark.parametrize("page", pages(), ids=lambda page: page.relative_to(DOCS).as_posix())
def test_blocks_of_a_page_run_in_order(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A reader who types a page from its first block to its last in a fresh folder meets no error.

    In a notebook, what stands below a block of Python is what the block prints.
    """
    monkeypatch.chdir(tmp_path)
    namespace: dict[str, object] = {}
    for number, block in enumerate(blocks(page), 1):
        if block.language == "python":
            capsys.readouterr()
            exec(compile(block.text, f"{page.name}, block {number}", "exec", dont_inherit=True), namespace)
        elif block.language == "text" and page.parent == NOTEBOOKS:
            assert_same(block.text, capsys.readouterr().out)
        elif block.language == "bash":
            shell(block.text, tmp_path)
        elif block.language == "console":
            check_transcript(block.text, tmp_path)


def test_every_block_is_of_a_known_kind() -> None:
    """No block escapes by a language that nobody runs, and no page is excused that is not there."""
    for page in DOCS.rglob("*.md"):
        assert {block.language for block in blocks(page)} <= {*RUN, *SHOWN}, page.name
    assert all((DOCS / name).exists() for name in NOT_RUN)


def test_a_transcript_that_is_not_true_is_refused(tmp_path: Path) -> None:
    """Another word, or a number that is more than rounding away, fails; rounding passes."""
    check_transcript("$ echo item 2.01\nitem 2.00\n", tmp_path)
    for wrong in ("item 3.00", "user 2.01", "item 2.01 more"):
        with pytest.raises(AssertionError):
            check_transcript(f"$ echo item 2.01\n{wrong}\n", tmp_path)


def test_every_public_name_is_in_the_reference() -> None:
    """docs/reference/api.md lists what `import recae` gives; the models are listed from the registry."""
    import recae

    text = (DOCS / "reference" / "api.md").read_text(encoding="utf-8")
    assert re.findall(r"registered-models:: (\w+)", text) == ["ratings", "rankings"]
    named = set(re.findall(r"recae\.(\w+)", text)) | {entry.model_class.__name__ for entry in recae.MODELS.values()}
    assert set(recae.__all__) - named <= {"__version__"}
