"""Which column is which: names that are in use, guessed without regard to case, underscores and hyphens."""

from __future__ import annotations

import re
import warnings
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from recae.errors import DataError, DataWarning, Phrase, Remedy

ROLES = ("user", "item", "rating", "timestamp")

# best first; written without case and punctuation (see `_plain`)
USUAL: dict[str, tuple[str, ...]] = {
    "user": ("user", "userid", "uid", "username", "reviewerid", "customerid", "customer", "memberid", "visitorid",
             "visitor", "u"),
    "item": (
        "item", "itemid", "iid", "movieid", "movie", "filmid", "film", "bookid", "book", "isbn", "asin", "parentasin",
        "productid", "product", "songid", "artistid", "trackid", "gameid", "animeid", "businessid", "recipeid",
        "jokeid", "sku", "i",
    ),
    "rating": ("rating", "ratings", "stars", "star", "starrating", "score", "value", "overall", "bookrating",
               "weight", "r"),
    "timestamp": ("timestamp", "time", "ts", "unixreviewtime", "unixtime", "datetime", "date", "t"),
}  # fmt: skip

Choice = str | int | Literal[False] | None
RATING_IF_ANY = "rating_if_any"  # among what is expected: ratings may be missing, and every row counts 1 then


def is_position(choice: Choice) -> bool:
    """Whether a column is stated by its position."""
    return isinstance(choice, int) and not isinstance(choice, bool)


def _plain(name: Any) -> str:
    """'User-ID' and 'user_id:token' (RecBole) are both 'userid'."""
    return re.sub(r"[^a-z0-9]", "", str(name).split(":")[0].lower())


def known_roles(names: Sequence[str]) -> set[str]:
    """The roles that usual names among `names` stand for; a single letter may well be an id."""
    return {role for role, usual in USUAL.items() for name in names if len(_plain(name)) > 1 and _plain(name) in usual}


def is_number(text: str) -> bool:
    """Whether a field is a number, with a point or a comma."""
    try:
        float(text.strip().strip('"').replace(",", "."))
    except ValueError:
        return False
    return True


WIDEST = 20  # columns of a table of ratings; one with more is likely to have one for each item
MISSING = ("", "na", "n/a", "nan", "null", "none", "#n/a", "-")  # a missing number, and no name


def is_header(lines: Sequence[Sequence[str]], wanted: Sequence[Any], what: str, expected: bool | None = None) -> bool:
    """Whether the first of `lines` names the columns.

    A line with a column that the caller named is a header; one with a number is a row. Without numbers it is a header
    if usual names are in it, or if it has a word above a column of numbers.

    Args:
        lines: fields of the first lines.
        wanted: columns that the caller stated, by name or by position.
        what: the file, for messages.
        expected: what is so in files of this form, where it cannot be told from the line.

    Raises:
        DataError: it may be either; the message says how to state it.
    """
    first, rows = lines[0], [line for line in lines[1:] if len(line) == len(lines[0])]
    if any(field.strip() in wanted for field in first):
        return True
    known, by_position = known_roles(first), any(isinstance(one, int) for one in wanted)
    if any(is_number(field) for field in first):
        if len(known) > 1:
            raise _either(first, what)
        return False
    if len(known) > 1:
        return True
    if expected is not None:
        return expected
    if known and not by_position:
        return True
    contrast = any(
        first[j].strip().lower() not in MISSING and all(is_number(row[j]) for row in rows) for j in range(len(first))
    )
    if not wanted and len(first) > WIDEST:
        raise like_a_matrix(first, what)
    if rows and contrast:
        if by_position and not known:
            warnings.warn(
                f"{what}: the first line ({_shown(first)}) is taken for the names of the columns; if it is a rating, "
                "say header=False", DataWarning, stacklevel=2,
            )  # fmt: skip
        return True
    raise _either(first, what)


def like_a_matrix(names: Sequence[Any], what: str) -> DataError:
    """The refusal of a table that seems to have a column for each item: it has many, and none says what it is."""
    return DataError(
        f"{what}: {len(names)} columns ({_shown(names)}), and none is named as users, items or ratings usually are: it "
        "may be a table with a column for each item",
        remedy=(
            "make rows of user, item, rating (pandas.melt, and drop what is missing)",
            Remedy("pass it as {array}", array=Phrase("a scipy.sparse array of users by items")),
            Remedy("say which columns are which with {user} {item} {rating}", user=..., item=..., rating=...),
        ),
    )


def _either(first: Sequence[str], what: str) -> DataError:
    return DataError(
        f"{what}: the first line ({_shown(first)}) may be names of columns or a rating",
        remedy=(
            Remedy("say {header} if it is names", header=True),
            Remedy("say {header} if it is a rating", header=False),
        ),
    )


def _shown(fields: Sequence[Any]) -> str:
    return ", ".join(map(str, fields[:12])) + (", ..." if len(fields) > 12 else "")


def names_without_header(rows: Sequence[Sequence[str]], wanted: Sequence[Any], what: str) -> list[str]:
    """Names for the columns of a file without a header: user, item, rating, timestamp, in this order.

    Raises:
        DataError: there are more columns, or what stands in them is no user, item or timestamp, and the caller did not
            state columns by position.
    """
    width = len(rows[0])
    if sum(isinstance(one, int) for one in wanted) > 1:
        return list(ROLES[:width]) if width <= len(ROLES) else [f"column {n}" for n in range(width)]
    if width > WIDEST:
        raise like_a_matrix(rows[0], what)
    if width > len(ROLES):
        reason = f"{width} columns and no header"
    elif any(_is_fraction(row[j]) for row in rows for j in (0, 1, 3) if j < width):
        reason = "no header, and fractions where users, items and timestamps are expected"
    else:
        if width == len(ROLES) and all(_is_small(row[3]) for row in rows):
            warnings.warn(
                f"{what} has no header: its columns are taken for user, item, rating and timestamp, although the last "
                f"one holds numbers such as {rows[0][3]}", DataWarning, stacklevel=2,
            )  # fmt: skip
        return list(ROLES[:width])
    raise DataError(
        f"{what} has {reason}",
        remedy=(
            Remedy(
                "say which columns are which, by position from 0, with {user} {item} {rating}", user=0, item=1, rating=2
            ),
            Remedy("pass a matrix of users by items as {array}", array=Phrase("a scipy.sparse array")),
        ),
    )


def _is_small(text: str) -> bool:
    """Whether it is a number, and as a time in seconds within the first days of 1970."""
    try:
        return abs(float(text)) < 1e6
    except ValueError:
        return False


def _is_fraction(text: str) -> bool:
    try:
        return not float(text).is_integer()
    except (ValueError, OverflowError):
        return False


def assign(
    names: Sequence[Any], given: Mapping[str, Choice], what: str, expected: Mapping[str, Choice] | None = None
) -> dict[str, Any]:
    """Role -> column name, from what the caller `given` says (name, position from 0, False for none), from what is
    `expected` of files of this form, and from the usual names where both are silent. A timestamp is taken if there is
    one; a rating is needed unless it is False.

    Raises:
        DataError: a role has no column, or two roles have the same; the message lists the columns of `what`.
    """
    chosen: dict[str, Any] = {}
    other: dict[str, Any] = {}
    expected = expected or {}
    for role in ROLES:
        choice, like = given.get(role), expected.get(role)
        if role in ("rating", "timestamp") and (choice is False or (choice is None and like is False)):
            continue
        taken = list(chosen.values())
        if choice is not None:
            column = _stated(names, choice)
        else:
            column = _expected(names, like, taken)
            column = _guess(names, role, taken) if column is None else column
        if column is not None:
            chosen[role] = column
            if choice is None and isinstance(like, str) and like != column:
                other[like] = column
        elif role == "rating" and choice is None and expected.get(RATING_IF_ANY):
            warnings.warn(f"{what} has no column of ratings: every row counts 1", DataWarning, stacklevel=3)
        elif role != "timestamp" or choice is not None:
            raise _no_column(names, role, choice, what, like)
    if other:
        found = ", ".join(f"{column!r} for {like!r}" for like, column in other.items())
        warnings.warn(f"{what} lacks columns of the training data; taken are {found}", DataWarning, stacklevel=3)
    for role, column in chosen.items():
        if list(names).count(column) > 1:
            raise DataError(f"{what}: column {column!r} occurs more than once", remedy="rename or drop one of them")
        if list(chosen.values()).count(column) > 1:
            raise DataError(
                f"{what}: column {column!r} was given for more than one of {', '.join(ROLES)}, as {role} too"
            )
    return chosen


def _expected(names: Sequence[Any], like: Choice, taken: list[Any]) -> Any:
    """The column that is expected to have a role, where it is there; a position says nothing of usual names."""
    if like is None or (is_position(like) and len(known_roles(list(map(str, names)))) > 1):
        return None
    column = _stated(names, like)
    return None if column in taken else column


def id_column_of(names: Sequence[Any], kind: str) -> Any:
    """The column of ids of a table of items or users: one with a usual name, or the first."""
    found = _guess(names, kind, taken=[])
    return names[0] if found is None else found


def _stated(names: Sequence[Any], choice: Any) -> Any:
    if choice in list(names):
        return choice
    if is_position(choice) and 0 <= choice < len(names):
        return names[choice]
    return None


def _guess(names: Sequence[Any], role: str, taken: list[Any]) -> Any:
    for usual in USUAL[role]:
        for name in names:
            if _plain(name) == usual and name not in taken:
                return name
    return None


def _no_column(names: Sequence[Any], role: str, choice: Choice, what: str, like: Choice = None) -> DataError:
    seen = ", ".join(repr(name) for name in names[:12]) + (f" and {len(names) - 12} more" if len(names) > 12 else "")
    wrong = f"no column {choice!r} for the {role}" if choice is not None else f"no column found for the {role}"
    if choice is None and isinstance(like, str):
        wrong += f" (in the training data it was {like!r})"
    remedies = [Remedy(f"name it with {{{role}}}", **{role: ...})]
    if role == "rating" and choice is None:
        remedies.append(Remedy("say {rating} if there are no ratings, and every row counts 1", rating=False))
    if role != "rating" and choice is None and len(names) > 2 and _guess(names, "rating", []) is None:
        remedies.append(Remedy("of a table with a column for each item, make rows of user, item, rating (pandas.melt)"))
    return DataError(f"{what}: {wrong}; its columns are {seen}", remedy=remedies)
