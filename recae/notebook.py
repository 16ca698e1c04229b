"""How results show themselves in a notebook: tables of HTML, for `_repr_html_`. No package of notebooks is needed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from typing import Any


def html_table(caption: str, rows: Iterable[Sequence[Any]], head: Sequence[str] = (), notes: Iterable[str] = ()) -> str:
    """A caption, a table whose first column is its rows' names, and notes below; every text is escaped."""
    lines = [f"<caption>{_text(caption)}</caption>"]
    if head:
        lines.append(f"<thead><tr>{''.join(f'<th>{_text(one)}</th>' for one in head)}</tr></thead>")
    body = "".join(
        f"<tr><th>{_text(name)}</th>{''.join(f'<td>{_text(cell)}</td>' for cell in cells)}</tr>"
        for name, *cells in rows
    )
    lines.append(f"<tbody>{body}</tbody>")
    below = "".join(f"<p>{_text(note)}</p>" for note in notes)
    return f"<table>{''.join(lines)}</table>{below}"


def _text(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:.4g}" if abs(value) >= 1000 else f"{value:.4f}".rstrip("0").rstrip(".")
    return escape(f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value))
