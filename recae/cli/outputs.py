"""Files that commands write: commands check before the work that they can write them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

FORMULA = tuple("=+-@\t\r")  # what a cell that a spreadsheet runs begins with
NUMBER = re.compile(r"[+-]?[0-9]+([.][0-9]+)?")


def check_writable(*files: str | Path | None) -> None:
    """Check, before the work, that each file can be written; None is a file that is not wanted.

    Raises:
        ModelFileError: one cannot, see `recae.atomic.check_writable`.
    """
    from recae.atomic import check_writable as check

    for file in files:
        if file is not None:
            check(file)


def as_csv(frame: pd.DataFrame, *, excel_safe: bool = False) -> str:
    """A frame as csv; with `excel_safe`, no text in it is a formula to a spreadsheet (see OWASP, CSV injection)."""
    if excel_safe:
        frame = frame.map(_no_formula).rename(columns=_no_formula)
    return frame.to_csv(index=False)


def _no_formula(cell: Any) -> Any:
    """The cell, with an apostrophe before a text that would be run; numbers stay as they are."""
    if isinstance(cell, str) and cell[:1] in FORMULA and not NUMBER.fullmatch(cell):
        return f"'{cell}"
    return cell


def write_text(file: str | Path, text: str) -> None:
    """Write a text, all or nothing, see `recae.atomic.write_bytes`."""
    from recae.atomic import write_text as write

    write(file, text)
