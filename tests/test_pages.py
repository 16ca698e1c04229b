"""The pages of figures: every generated part is what the result files say, and each part has its marks."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from benchmarks.common.markdown import p_value, table
from benchmarks.common.paths import BENCHMARKS, ROOT
from benchmarks.pages import __main__ as pages
from benchmarks.pages.marks import changed_parts, current_parts, replace_parts

PAGE = """Text.

<!-- begin generated: one -->

old

<!-- end generated: one -->
More.
<!-- begin generated: two -->
<!-- end generated: two -->
"""


def test_every_page_is_what_the_results_say() -> None:
    """No figure in a generated part was typed or is stale; if this fails: python -m benchmarks.pages."""
    outcome = CliRunner().invoke(pages.main, ["--check"])
    assert outcome.exit_code == 0, outcome.output


def test_check_names_the_page_and_the_part_that_differ(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A stale part makes the check fail by page and part and is not written; without --check it is written."""
    page, same = tmp_path / "page.md", tmp_path / "same.md"
    page.write_text(PAGE)
    same.write_text("Nothing generated.\n")
    monkeypatch.setattr(pages, "ROOT", tmp_path)
    monkeypatch.setattr(pages, "all_pages", lambda: [page, same])
    monkeypatch.setattr(pages, "WRITERS", {page: lambda: {"one": "new", "two": ""}})
    outcome = CliRunner().invoke(pages.main, ["--check"])
    assert outcome.exit_code == 1
    assert "page.md: one\n" in outcome.output
    assert page.read_text() == PAGE
    assert CliRunner().invoke(pages.main).exit_code == 0
    assert page.read_text() == PAGE.replace("old", "new")
    assert CliRunner().invoke(pages.main, ["--check"]).exit_code == 0


def test_parts_are_replaced_and_the_rest_stays() -> None:
    """A part gets a blank line on either side, an empty one gets none; text outside the marks is not touched."""
    assert current_parts(PAGE) == {"one": "old", "two": ""}
    made = replace_parts(PAGE, {"one": "\\1 | new", "two": "b\n"})
    assert current_parts(made) == {"one": "\\1 | new", "two": "b"}
    assert changed_parts(PAGE, made) == ["one", "two"]
    assert replace_parts(made, {"one": "old", "two": ""}) == PAGE


@pytest.mark.parametrize(("text", "parts", "said"), [
    ("nothing here", {"one": "x"}, "no marks for 'one'"),
    (PAGE, {"one": "x"}, "nothing generates 'two'"),
    (PAGE.replace("<!-- end generated: one -->", ""), {"one": "x", "two": ""}, "'one' needs exactly one"),
    (PAGE + PAGE, {"one": "x", "two": ""}, "'one' needs exactly one"),
])  # fmt: skip
def test_marks_that_do_not_fit_are_refused(text: str, parts: dict[str, str], said: str) -> None:
    """A part cannot get lost: it has one pair of marks on its page, and each pair of marks has a part."""
    with pytest.raises(click.ClickException) as error:
        replace_parts(text, parts)
    assert said in error.value.message


def test_a_missing_result_is_named_with_its_page(tmp_path: Path) -> None:
    """Without a result file the page's name and the file's are said, and nothing is made."""
    page = tmp_path / "page.md"
    page.write_text(PAGE)

    def without_result() -> dict[str, str]:
        return {"one": (tmp_path / "gone.json").read_text()}

    with pytest.raises(click.ClickException, match=r"page.md: there is no .*gone.json"):
        pages.generate([page], {page: without_result})


def test_one_table_writer_and_one_p_value() -> None:
    """Head, rule and rows; a p-value has three digits, or says that it is below a thousandth."""
    assert table(["a", "b"], [["1", "2"]]).splitlines() == ["| a | b |", "| --- | --- |", "| 1 | 2 |"]
    assert [p_value(test) for test in ({}, {"p": 0.0004}, {"p": 0.05})] == ["", "< 0.001", "0.050"]


def test_every_documented_program_is_there() -> None:
    """Each `python -m benchmarks.NAME` in the documents, the Makefile, the programs and the results can be run."""
    documents = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), ROOT / "Makefile"]
    documents += [path for kind in ("md", "py", "toml", "json") for path in BENCHMARKS.rglob(f"*.{kind}")]
    named = {name for path in documents for name in re.findall(r"-m benchmarks\.([a-z_.]*[a-z])", path.read_text())}
    assert len(named) > 20
    for name in named:
        spec = importlib.util.find_spec(f"benchmarks.{name}")
        assert spec is not None, name
        if spec.submodule_search_locations:
            assert importlib.util.find_spec(f"benchmarks.{name}.__main__"), name
