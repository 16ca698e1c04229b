"""--format and --out of the commands that list: each format holds the same rows, and ids keep their type."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from cli_helpers import TINY, done, inline, parsed

import recae

COMMANDS = {
    "recommend": ("--user", 42, "--user", 7, "-n", 3), "similar": ("--item", 1, "-n", 3),
    "explain": ("--user", 42, "--item", 1, "-n", 3),
}  # fmt: skip
each = pytest.mark.parametrize("name", COMMANDS)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("formats") / "m.recae"
    done(inline("train", "sample", *TINY, "--out", out))
    return out


def rows_of(text: str, form: str) -> list[dict[str, Any]]:
    """The rows of a result; those of csv are texts."""
    if form == "csv":
        return list(csv.DictReader(io.StringIO(text)))
    if form == "ndjson":
        return [json.loads(line) for line in text.splitlines()]
    found = json.loads(text)
    return found["contributions"] if isinstance(found, dict) else found


@each
def test_formats_hold_the_same_rows(name: str, model: Path, tmp_path: Path) -> None:
    """json, ndjson and csv, printed and saved; --json is --format json."""
    arguments = (name, model, *COMMANDS[name])
    expected = rows_of(done(inline(*arguments, "--json")), "json")
    assert len(expected) >= 3
    assert all(isinstance(row["item"], int) for row in expected)
    for form in ("json", "ndjson", "csv"):
        printed = done(inline(*arguments, "--format", form))
        assert inline(*arguments, "--out", tmp_path / f"x.{form}").exit_code == 0
        assert (tmp_path / f"x.{form}").read_text(encoding="utf-8") == printed
        rows = rows_of(printed, form)
        if form == "csv":
            assert [row["item"] for row in rows] == [str(row["item"]) for row in expected]
            assert list(rows[0]) == list(expected[0])
        else:
            assert rows == expected


@each
def test_excel_safe_changes_formulas_alone(name: str, tmp_path: Path) -> None:
    """Ids that are formulas become texts, in csv that is printed and saved; scores keep their digits."""
    ids = [(user, item) for user in ("=1+1", "ann", "bob") for item in ("@a", "-b", "c", "d")]
    frame = pd.DataFrame(ids, columns=["user", "item"]).assign(rating=[1, 2, 5, 4, 5, 3, 1, 2, 4, 4, 2, 1])
    ratings = recae.RatingMatrix.from_frame(frame.drop(index=[3, 4, 9]))
    model = recae.EASE(l2=1.0).fit(ratings).save(tmp_path / "m.recae")
    options = {
        "recommend": ("--user", "=1+1", "--user", "ann"),
        "similar": ("--item=-b",),
        "explain": ("--user", "=1+1", "--item", "d"),
    }
    arguments = (name, model, *options[name])
    plain = done(inline(*arguments, "--format", "csv"))
    safe = done(inline(*arguments, "--format", "csv", "--excel-safe"))
    cells = [
        ["'" + cell if cell in ("=1+1", "@a", "-b") else cell for cell in row] for row in csv.reader(io.StringIO(plain))
    ]
    assert list(csv.reader(io.StringIO(safe))) == cells
    assert safe != plain
    done(inline(*arguments, "--excel-safe", "--out", tmp_path / "x.csv"))
    assert (tmp_path / "x.csv").read_text(encoding="utf-8") == safe
    assert inline(*arguments, "--json", "--excel-safe").stdout == inline(*arguments, "--json").stdout


def test_a_formats_name_goes_before_a_suffix(model: Path, tmp_path: Path) -> None:
    """--format ndjson into any file; a suffix that says nothing is csv; the line of what was saved is on stderr."""
    arguments = ("similar", model, *COMMANDS["similar"])
    saved = inline(*arguments, "--format", "ndjson", "--out", tmp_path / "x.csv")
    assert (saved.stdout, saved.stderr) == ("", f"3 items saved to {tmp_path / 'x.csv'}.\n")
    assert len(rows_of((tmp_path / "x.csv").read_text(), "ndjson")) == 3
    done(inline(*arguments, "--out", tmp_path / "x.txt"))
    assert (tmp_path / "x.txt").read_text().startswith("item,similar,score,rank")


def test_predictions_have_the_models_ids(model: Path, tmp_path: Path) -> None:
    """A pair of a text file is a pair of numbers in JSON, as in the model; csv is the table as it was."""
    (tmp_path / "pairs.csv").write_text("user,item\n42,1\n7,2\n")
    rows = parsed("predict", model, tmp_path / "pairs.csv")
    assert [(row["user"], row["item"]) for row in rows] == [(42, 1), (7, 2)]
    lines = done(inline("predict", model, tmp_path / "pairs.csv", "--format", "ndjson"))
    assert rows_of(lines, "ndjson") == rows
    assert done(inline("predict", model, tmp_path / "pairs.csv")).splitlines()[1].startswith("42,1,")


def test_what_cannot_be_is_said(model: Path, tmp_path: Path) -> None:
    """A table in a file, two formats at once, a folder that is not there: before the model is read."""
    for options, said in (
        (("--format", "table", "--out", tmp_path / "x"), "choose --format csv, ndjson or json"),
        (("--format", "csv", "--json"), "--format csv is given"),
        (("--out", tmp_path / "none" / "x.csv"), "there is no folder"),
    ):
        found = inline("similar", "no-such-model.recae", "--item", 1, *options)
        assert found.exit_code in (1, 2)
        assert said in found.stderr
    assert list(tmp_path.iterdir()) == []
