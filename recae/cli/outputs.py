"""Where results go: stdout or a file, as a table, csv, lines of JSON or JSON. Files are checked before the work."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from recae.cli.failures import Misuse
from recae.cli.options import note

if TYPE_CHECKING:
    import pandas as pd

FORMULA = tuple("=+-@\t\r")  # what a cell that a spreadsheet runs begins with
NUMBER = re.compile(r"[+-]?[0-9]+([.][0-9]+)?")
_SUFFIXES = {".csv": "csv", ".json": "json", ".ndjson": "ndjson", ".jsonl": "ndjson"}
_OTHERS = {".xlsx", ".xls", ".ods", ".parquet", ".pq", ".feather", ".arrow", ".tsv", ".gz", ".zip"}  # not written here


def check_writable(*files: str | Path | None, inputs: Iterable[Any] = ()) -> None:
    """Check, before the work, that each file can be written, and that nothing is lost by it.

    Args:
        files: the command's outputs; None is a file that is not wanted.
        inputs: the command's inputs; what names no file, such as None, is passed over.

    Raises:
        Misuse: an output is an input, or two outputs are one file.
        ModelFileError: one cannot be written, see `recae.atomic.check_writable`.
    """
    from recae.atomic import check_writable as check

    wanted = [str(file) for file in files if file is not None]
    read = [str(file) for file in inputs if file is not None]
    for index, file in enumerate(wanted):
        if any(_same_file(file, one) for one in read):
            raise Misuse(f"{file} is a file that this command reads, and would be overwritten; name another output")
        if any(os.path.realpath(file) == os.path.realpath(one) for one in wanted[:index]):
            raise Misuse(f"{file} is named for two outputs; name a file for each")
        check(file)


def _same_file(one: str, other: str) -> bool:
    return os.path.exists(one) and os.path.exists(other) and os.path.samefile(one, other)


def files_read(given: Mapping[str, Any]) -> list[Any]:
    """The files of ratings and of items and users that options of a command name, for `check_writable`."""
    from recae.datasets.movielens import PUBLISHED
    from recae.loaders import DATASETS

    source = Path(given["dataset"]).expanduser()
    data = [] if given["dataset"] in DATASETS else [source, *(source / name for name in PUBLISHED)]
    parts = [given[name] for name in ("test", "validation") if isinstance(given.get(name), Path)]
    return [*data, *parts, given.get("items"), given.get("users")]


def check_picture(option: str, file: str | Path | None, inputs: Iterable[Any] = ()) -> None:
    """As `check_writable`, of a figure that `option` names.

    Raises:
        Misuse: the suffix is none of those of figures.
    """
    from recae.plots.canvas import FORMS

    if file is None:
        return
    if Path(file).suffix.lower() not in FORMS:
        raise Misuse(f"{option} {file}: expected a file with the suffix {', '.join(FORMS)}")
    check_writable(file, inputs=inputs)


def as_csv(frame: pd.DataFrame, *, excel_safe: bool = False) -> str:
    """A frame as csv; with `excel_safe`, no text in it is a formula to a spreadsheet (see OWASP, CSV injection)."""
    if excel_safe:
        frame = frame.apply(_no_formulas).rename(columns=_no_formula)
    return frame.to_csv(index=False)


def _no_formulas(column: pd.Series) -> pd.Series:
    """The column without formulas; one of numbers keeps its type, and so its digits."""
    return column if column.dtype.kind in "biuf" else column.map(_no_formula)


def _no_formula(cell: Any) -> Any:
    """The cell, with an apostrophe before a text that would be run; numbers stay as they are."""
    if isinstance(cell, str) and cell[:1] in FORMULA and not NUMBER.fullmatch(cell):
        return f"'{cell}"
    return cell


def write_text(file: str | Path, text: str) -> None:
    """Write a text, all or nothing, see `recae.atomic.write_bytes`."""
    from recae.atomic import write_text as write

    write(file, text)


@dataclass(frozen=True)
class Output:
    """What `recae.cli.options.output` was given.

    Attributes:
        form: table, csv, ndjson or json.
        file: where to write it; None for stdout.
        excel_safe: no text in csv is a formula to a spreadsheet.
    """

    form: str
    file: str | None
    excel_safe: bool = False

    @classmethod
    def of(
        cls,
        form: str | None,
        as_json: bool,
        file: str | None,
        usual: str = "table",
        *,
        excel_safe: bool = False,
        inputs: Iterable[Any] = (),
    ) -> Output:
        """The form that was asked for, or the file's suffix says; `usual` where neither does. The file is checked.

        Raises:
            UsageError: --json beside another form, a table in a file, or a suffix of another kind of file.
            Misuse: the file is one of the `inputs`.
            ModelFileError: the file cannot be written.
        """
        if as_json and form not in (None, "json"):
            raise click.UsageError(f"--json is --format json, and --format {form} is given")
        if file is not None and form == "table":
            raise click.UsageError("a table is for the terminal: choose --format csv, ndjson or json for a file")
        suffix = "" if file is None else Path(file).suffix.lower()
        if suffix in _OTHERS and form is None and not as_json:
            raise click.UsageError(
                f"--out {file}: a {suffix} file is not written here; name a .csv, .ndjson or .json file"
            )
        by_suffix = None if file is None else _SUFFIXES.get(suffix, "csv")
        check_writable(file, inputs=inputs)
        return cls("json" if as_json else form or by_suffix or usual, file, excel_safe)

    def write(
        self, frame: pd.DataFrame, what: str, table: Callable[[], None] | None = None, document: Any = None
    ) -> None:
        """Print or save a result.

        Args:
            frame: a row an entry: the rows of csv and the lines of ndjson.
            what: what its rows are, for the line that says that they are saved.
            table: prints it for people.
            document: the JSON; by default a list of the frame's rows.
        """
        from recae.cli.console import echo_data
        from recae.cli.printing import json_text, print_json, records

        if self.form == "table" and table is not None:
            table()
            return
        if self.form == "json":
            found = records(frame) if document is None else document
            if self.file is None:
                print_json(found)
                return
            text = json_text(found, indent=2) + "\n"
        elif self.form == "ndjson":
            text = "".join(json_text(row) + "\n" for row in records(frame))
        else:
            text = as_csv(frame, excel_safe=self.excel_safe)
        if self.file is None:
            echo_data(text)
            return
        write_text(self.file, text)
        note(f"{len(frame):,} {what} saved to {self.file}.")
