"""Which column is which: names that are in use, guessed without regard to case, underscores and hyphens."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Literal

from recae.errors import DataError

ROLES = ("user", "item", "rating", "timestamp")

# best first; written without case and punctuation (see `_plain`)
USUAL: dict[str, tuple[str, ...]] = {
    "user": ("user", "userid", "uid", "username", "reviewerid", "customerid", "memberid", "visitorid", "u"),
    "item": (
        "item", "itemid", "iid", "movieid", "movie", "filmid", "film", "bookid", "book", "isbn", "asin", "parentasin",
        "productid", "product", "songid", "artistid", "trackid", "gameid", "animeid", "businessid", "recipeid",
        "jokeid", "i",
    ),
    "rating": ("rating", "ratings", "stars", "star", "starrating", "score", "value", "overall", "bookrating",
               "weight", "r"),
    "timestamp": ("timestamp", "time", "ts", "unixreviewtime", "unixtime", "datetime", "date", "t"),
}  # fmt: skip

Choice = str | int | Literal[False] | None


def _plain(name: Any) -> str:
    """'User-ID' and 'user_id:token' (RecBole) are both 'userid'."""
    return re.sub(r"[^a-z0-9]", "", str(name).split(":")[0].lower())


def looks_like_header(first: Sequence[str], wanted: Sequence[str] = ()) -> bool:
    """Whether the first line of a file names the columns: it has a known name, or no number at all."""
    usual = {name for names in USUAL.values() for name in names if len(name) > 1}  # 'u' may well be an id
    known = any(_plain(field) in usual for field in first)
    return known or any(field in wanted for field in first) or not any(_is_number(field) for field in first)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def assign(names: Sequence[Any], given: dict[str, Choice], what: str) -> dict[str, Any]:
    """Role -> column name, from what the caller `given` says (name, position from 0, False for none) and from the
    usual names where the caller is silent. A timestamp is taken if there is one; a rating is needed unless it is False.

    Raises:
        DataError: a role has no column, or two roles have the same; the message lists the columns of `what`.
    """
    chosen: dict[str, Any] = {}
    for role in ROLES:
        choice = given.get(role)
        if choice is False and role in ("rating", "timestamp"):
            continue
        column = _guess(names, role, taken=list(chosen.values())) if choice is None else _stated(names, choice)
        if column is not None:
            chosen[role] = column
        elif role != "timestamp" or choice is not None:
            raise DataError(_message(names, role, choice, what))
    for role, column in chosen.items():
        if list(names).count(column) > 1:
            raise DataError(f"{what}: column {column!r} occurs more than once: rename or drop one of them")
        if list(chosen.values()).count(column) > 1:
            raise DataError(
                f"{what}: column {column!r} was given for more than one of {', '.join(ROLES)}, as {role} too"
            )
    return chosen


def _stated(names: Sequence[Any], choice: Any) -> Any:
    if choice in list(names):
        return choice
    if isinstance(choice, int) and not isinstance(choice, bool) and 0 <= choice < len(names):
        return names[choice]
    return None


def _guess(names: Sequence[Any], role: str, taken: list[Any]) -> Any:
    for usual in USUAL[role]:
        for name in names:
            if _plain(name) == usual and name not in taken:
                return name
    return None


def _message(names: Sequence[Any], role: str, choice: Choice, what: str) -> str:
    seen = ", ".join(repr(name) for name in names)
    wrong = f"no column {choice!r} for the {role}" if choice is not None else f"no column found for the {role}"
    remedy = f"say which it is with {role}='...'"
    if role == "rating" and choice is None:
        remedy += " (rating=False: there are none, every row counts 1)"
    return f"{what}: {wrong}; its columns are {seen}; {remedy}"
