"""Generated parts of a page: what is between `<!-- begin generated: NAME -->` and `<!-- end generated: NAME -->`."""

from __future__ import annotations

import re
from collections.abc import Mapping

import click

_PART = re.compile(
    r"(?P<begin><!-- begin generated: (?P<name>.+?) -->\n)(?P<text>.*?)(?P<end><!-- end generated: (?P=name) -->)", re.S
)
_MARK = re.compile(r"<!-- (?:begin|end) generated: (.+?) -->")


def current_parts(page: str) -> dict[str, str]:
    """Name to text of every part of `page`, without the blank lines around it.

    Raises:
        click.ClickException: a mark has no partner, or two parts have one name.
    """
    found = {part["name"]: part["text"].strip("\n") for part in _PART.finditer(page)}
    marks = _MARK.findall(page)
    for name in marks:
        if marks.count(name) != 2 or name not in found:
            raise click.ClickException(f"generated part {name!r} needs exactly one begin mark and one end mark")
    return found


def replace_parts(page: str, parts: Mapping[str, str]) -> str:
    """`page` with each part replaced by its text in `parts`; everything else is as before.

    Raises:
        click.ClickException: the marks of `page` are not those of `parts`, or a mark has no partner.
    """
    marked = current_parts(page).keys()
    if marked != parts.keys():
        missing = [f"no marks for {name!r}" for name in parts.keys() - marked]
        unknown = [f"nothing generates {name!r}" for name in marked - parts.keys()]
        raise click.ClickException("; ".join(sorted([*missing, *unknown])))

    def filled(part: re.Match[str]) -> str:
        text = parts[part["name"]].strip("\n")
        return part["begin"] + (f"\n{text}\n\n" if text else "") + part["end"]

    return _PART.sub(filled, page)


def changed_parts(before: str, after: str) -> list[str]:
    """Names of the parts whose text differs between two states of a page with the same marks."""
    new = current_parts(after)
    return [name for name, text in current_parts(before).items() if new[name] != text]
