"""`Reading`: what was stated of a file, which files of the same form need not be told again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from recae.errors import ParameterError
from recae.readers.columns import RATING_IF_ANY, ROLES, Choice
from recae.readers.sniffing import TextOptions

TEXT = ("encoding", "sep", "header")


@dataclass(frozen=True)
class Reading:
    """What was stated of one file, or is expected of another one of the same form.

    Attributes:
        columns: role to column: a name, or a position in files without a header; False for none.
        text: of a text file.
        duplicates: how ratings of the same user and item are merged; None where it was not stated.
        day_first: whether the day comes first in dates such as 03/04/2005; None where it was not stated.
        lists: whether it is no table but lists, "user item item ..." a line.
    """

    columns: Mapping[str, Choice] = field(default_factory=dict)
    text: TextOptions = TextOptions()
    duplicates: str | None = None
    day_first: bool | None = None
    lists: bool | None = None

    @classmethod
    def of(cls, plain: Mapping[str, Any]) -> Reading:
        """What `plain` gave."""
        columns: dict[str, Choice] = {role: plain[role] for role in (*ROLES, RATING_IF_ANY) if role in plain}
        try:
            text = TextOptions(**{name: plain.get(name) for name in TEXT})
        except ParameterError:  # an encoding that this Python does not have: it is found anew
            text = TextOptions(sep=plain.get("sep"), header=plain.get("header"))
        return cls(columns, text, plain.get("duplicates"), plain.get("day_first"), plain.get("lists"))

    def plain(self) -> dict[str, Any]:
        """The same as plain values by name, without what was not stated."""
        more = {"duplicates": self.duplicates, "day_first": self.day_first, "lists": self.lists}
        stated = {name: value for name, value in more.items() if value is not None}
        return dict(self.columns) | self.text.stated() | stated


def stated_of(given: Mapping[str, Choice], chosen: Mapping[str, Any], *, header: bool) -> dict[str, Choice]:
    """The columns that were stated, as files of the same form have them: by name where there are names."""
    found: dict[str, Choice] = {}
    for role, choice in given.items():
        if choice is False:
            found[role] = False
        elif choice is not None and (isinstance(chosen[role], str) or not header):
            found[role] = chosen[role] if header else choice
    return found
