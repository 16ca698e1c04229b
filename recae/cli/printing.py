"""Results on stdout: tables, or JSON."""

from __future__ import annotations

import json
import math
import shutil
import sys
import textwrap
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from recae.cli.console import echo, printable_json, printable_line, writes_unicode

if TYPE_CHECKING:
    import pandas as pd

NARROWEST = 24  # minimum width of a wrapped last column, in characters


def print_json(value: Any) -> None:
    """Print `value` as JSON on stdout. NaN and infinities, which JSON does not have, become null."""
    echo(printable_json(json_text(value, indent=2, ensure_ascii=not writes_unicode())))


def json_text(value: Any, *, indent: int | None = None, ensure_ascii: bool = False) -> str:
    """`value` as JSON. NaN and infinities, which JSON does not have, become null; ids keep their type."""
    return json.dumps(plain(value), indent=indent, ensure_ascii=ensure_ascii, allow_nan=False)


def plain(value: Any) -> Any:
    """NumPy's values, tuples and mappings as JSON's types."""
    if hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, dict):
        return {str(name): plain(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [plain(one) for one in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value if value is None or isinstance(value, bool | int | float | str) else str(value)


def records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """The rows of a frame, each a mapping; missing texts (a film without a title) are None."""
    columns = {str(name): frame[name].astype(object).where(frame[name].notna(), None) for name in frame}
    return [dict(zip(columns, row)) for row in zip(*columns.values())]


def print_table(rows: Sequence[Sequence[Any]], header: Sequence[str], align: str, *, indent: int = 0) -> None:
    """Aligned columns on stdout.

    Nothing is ever cut off. On a terminal the last column is wrapped under itself.

    Args:
        rows: one sequence of values each; None is printed as "-".
        header: the columns' names.
        align: a letter a column, "l" for left, "r" for right.
        indent: spaces before each line.
    """
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
    for line in table_lines(rows, header, align, indent=indent, width=width):
        echo(line)


def table_lines(
    rows: Sequence[Sequence[Any]], header: Sequence[str], align: str, *, indent: int = 0, width: int | None = None
) -> Iterator[str]:
    """The lines of `print_table`; `width` is where the last column wraps, None for nowhere."""
    table = [list(header), *([_text(one) for one in row] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*table)]
    start = indent + sum(widths[:-1]) + 2 * (len(header) - 1)
    for row in table:
        cells = [one.rjust(w) if way == "r" else one.ljust(w) for one, w, way in zip(row, widths, align)]
        lines = wrapped(row[-1], max(NARROWEST, width - start)) if width and align[-1] == "l" else cells[-1:]
        yield (" " * indent + "  ".join([*cells[:-1], *lines[:1]])).rstrip()
        yield from (" " * start + line for line in lines[1:])


def wrapped(text: str, width: int) -> list[str]:
    """The lines of a text; a word is broken only where it is longer than a line."""
    return textwrap.wrap(text, width, break_on_hyphens=False)


def print_facts(facts: dict[str, Any]) -> None:
    """Print a line per name and value; unknown values are left out."""
    rows = [[name.replace("_", " "), _fact(value)] for name, value in facts.items() if value not in (None, "", [])]
    width = max(len(name) for name, _ in rows)
    for name, value in rows:
        echo(printable_line(f"{name:<{width}}  {value}"))


def _fact(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {_fact(one)}" for name, one in value.items())
    if isinstance(value, list):
        return ", ".join(map(_fact, value))
    return f"{value:.4g}" if isinstance(value, float) else _text(value)


def _text(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:,}" if isinstance(value, int) else printable_line(str(value))


# ---------------------------------------------------------------- lists of items


def print_lists(frame: pd.DataFrame, of: str, found: str, name: Any = None) -> None:
    """Ranked lists as the API gives them, a heading each: rank, item, score, and title where there is one.

    Args:
        frame: columns `of`, `found`, score, rank, and perhaps title.
        of: column of the id that a list belongs to (user, item).
        found: column of the listed items (item, similar).
        name: function from an id of `of` to a text printed beside it, or None.
    """
    titled = "title" in frame.columns
    header = ["rank", "item", "score", *(["title"] if titled else [])]
    for index, (one, part) in enumerate(frame.groupby(of, sort=False)):
        if index:
            echo()
        words = name(one) if name is not None else None
        echo(printable_line(f"{of} {one}" + (f"  {words}" if words else "")))
        columns = [part["rank"], part[found].map(str), score_texts(part["score"].tolist())]
        if titled:
            columns.append(part["title"].where(part["title"].notna(), None))
        print_table(list(zip(*columns)), header, "rlrl"[: len(header)], indent=2)


def score_texts(scores: Sequence[float]) -> list[str]:
    """Scores with as many digits as tell them apart: counts as whole numbers, small ones with four figures."""
    if all(float(score).is_integer() for score in scores):
        return [f"{score:.0f}" for score in scores]
    if max(abs(score) for score in scores) < 0.01:
        return [f"{score:.4g}" for score in scores]
    return [f"{score:.4f}" for score in scores]
