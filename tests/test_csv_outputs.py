"""csv that commands write: with --excel-safe no cell is a formula to a spreadsheet."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from cli_helpers import done, inline

import recae
from recae.cli.outputs import as_csv

CELLS = {
    "=1+1": "'=1+1", "+cmd|' /C calc'!A0": "'+cmd|' /C calc'!A0", "-x": "'-x", "@SUM(1)": "'@SUM(1)", "\tx": "'\tx",
    "\rx": "'\rx", "x=1": "x=1", "": "", "-5": "-5", "+3.5": "+3.5", "-5-3": "'-5-3", "é": "é",
}  # fmt: skip


@pytest.mark.parametrize("cell", CELLS, ids=repr)
def test_a_text_that_would_be_run_gets_an_apostrophe(cell: str) -> None:
    """What begins with = + - @, a tab or a carriage return is a text to a spreadsheet; numbers and others stay."""
    frame = pd.DataFrame({"a": [cell, "b"], "n": [-1.5, 2.0]}, dtype=object)
    assert as_csv(frame, excel_safe=True) == as_csv(frame.assign(a=[CELLS[cell], "b"]))


def test_a_column_s_name_is_a_cell_too() -> None:
    """The header line is read by a spreadsheet as any other."""
    assert as_csv(pd.DataFrame({"=x": [1]}), excel_safe=True) == "'=x\n1\n"


def test_predict_writes_no_formulas(tmp_path: Path) -> None:
    """Of ids that are formulas, `--excel-safe` makes texts, on stdout and in a file; without it they stay."""
    frame = pd.DataFrame({"user": ["=1+1", "b", "=1+1"], "item": ["x", "x", "y"], "rating": [1.0, 2.0, 3.0]})
    model = recae.Bias().fit(recae.RatingMatrix.from_frame(frame)).save(tmp_path / "m.recae")
    (tmp_path / "pairs.csv").write_text("user,item\n=1+1,x\nb,y\n")
    plain = done(inline("predict", model, tmp_path / "pairs.csv"))
    safe = done(inline("predict", model, tmp_path / "pairs.csv", "--excel-safe"))
    done(inline("predict", model, tmp_path / "pairs.csv", "--excel-safe", "--out", tmp_path / "out.csv"))
    assert plain.splitlines()[1].startswith("=1+1,x,")
    assert safe.splitlines()[1].startswith("'=1+1,x,")
    assert safe.splitlines()[2] == plain.splitlines()[2]
    assert (tmp_path / "out.csv").read_text() == safe
