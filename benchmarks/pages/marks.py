"""Pages that are made from results: what stands between `<!-- NAME -->` and `<!-- /NAME -->` is theirs."""

from __future__ import annotations

import re
from collections.abc import Mapping


def put(page: str, parts: Mapping[str, str]) -> str:
    """`page` with the text of each part between its marks; all else stays.

    Raises:
        SystemExit: a part has not exactly one pair of marks.
    """
    for name, text in parts.items():
        pattern = rf"(<!-- {re.escape(name)} -->\n).*?(<!-- /{re.escape(name)} -->)"
        page, times = re.subn(pattern, lambda m, text=text: f"{m[1]}{text}{m[2]}", page, flags=re.DOTALL)
        if times != 1:
            raise SystemExit(f"the page has {times} places marked {name}; one is needed")
    return page


def table(head: list[str], rows: list[list[str]]) -> str:
    """A Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)
