"""Types of options: text to a hyper-parameter by its declared type, to a column, to a share; and values to text."""

from __future__ import annotations

import types
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Union, get_args, get_origin

import click

if TYPE_CHECKING:
    from recae.recommender.params import Param

_TRUE, _FALSE = ("true", "yes", "on"), ("false", "no", "off")


class Value(click.ParamType):
    """Text to a hyper-parameter's value, by its declared type: 500; 500,250,500; 0.1; none; a name."""

    name = "value"

    def __init__(self, param: Param) -> None:
        self.choices = param.choices
        self.kinds = kinds_of(param.type)

    def get_metavar(self, param: click.Parameter, ctx: click.Context) -> str:
        return expected(self.kinds, self.choices)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        text = str(value).strip()
        if self.choices is not None:
            for choice in self.choices:
                if str(choice).lower() == text.lower():
                    return choice
        else:
            for kind in self.kinds:
                try:
                    return _read(text, kind)
                except ValueError:
                    continue
        wanted = expected(self.kinds, self.choices).replace("|", " or ")
        return self.fail(f"{text!r}, expected {wanted}", param, ctx)


class Column(click.ParamType):
    """A column by name, by position from 0, or none."""

    name = "column"

    def __init__(self, *, optional: bool) -> None:
        self.optional = optional

    def get_metavar(self, param: click.Parameter, ctx: click.Context) -> str:
        return "NAME"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if not isinstance(value, str):
            return value
        if self.optional and value == "none":
            return False
        return int(value) if value.isdecimal() else value


class Separator(click.ParamType):
    """The delimiter between fields; a tab is written \\t."""

    name = "text"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        return value.replace("\\t", "\t") if isinstance(value, str) else value


class Share(click.ParamType):
    """A share in [0, 1), a whole number of users, a date or a span of time (a text), or a file (a `Path`)."""

    name = "share"

    def __init__(self, *, files: bool = True) -> None:
        self.files = files

    def get_metavar(self, param: click.Parameter, ctx: click.Context) -> str:
        return "SHARE|DATE|SPAN" + "|FILE" * self.files

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float | int | str | Path:
        try:
            number = float(value)
        except ValueError:
            if self.files and Path(value).exists():
                return Path(value)
            self._check_cut(value, param, ctx)
            return str(value)
        if 0 <= number < 1:
            return number
        if number < 0 or not number.is_integer():
            self.fail(f"{value}; expected a share from 0 to below 1, such as 0.1, or 0 for none", param, ctx)
        return int(number)

    def _check_cut(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> None:
        """Refuse what is neither a date nor a span."""
        from recae.errors import ParameterError
        from recae.splitting.cuts import first_moment

        try:
            first_moment(value, 0)
        except ParameterError as error:
            file = ", or an existing file" if self.files else ""
            self.fail(f"{error}{file}; expected a share such as 0.1, or 0 for none", param, ctx)


class Seeds(click.ParamType):
    """Whole numbers with commas between them."""

    name = "seeds"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> list[int]:
        try:
            return [int(part) for part in str(value).split(",")]
        except ValueError:
            self.fail(f"{value!r}; expected whole numbers such as 0 or 0,1,2", param, ctx)


# ---------------------------------------------------------------- values and texts


def kinds_of(hint: Any) -> list[Any]:
    """The plain types of a type hint: int | tuple[int, ...] | None to [None, int, tuple[int, ...]]."""
    parts = get_args(hint) if get_origin(hint) in (Union, types.UnionType) else (hint,)
    flat = [type(choice) for part in parts if get_origin(part) is Literal for choice in get_args(part)]
    flat += [str if part is Any else part for part in parts if get_origin(part) is not Literal]
    order = (
        type(None),
        bool,
        int,
        float,
        tuple,
        str,
    )  # a text is tried as each type in this order; every text is a str
    return sorted(set(flat), key=lambda kind: order.index(get_origin(kind) or kind))


def expected(kinds: Sequence[Any], choices: Sequence[Any] | None) -> str:
    """How a value may look, as help and errors say it."""
    if choices is not None:
        return "|".join(str(choice) for choice in choices)
    words = {bool: "true|false", int: "INTEGER", float: "NUMBER", str: "TEXT", type(None): "none"}
    texts = [words.get(kind) or ",".join([words.get(get_args(kind)[0], "TEXT")] * 2) + ",..." for kind in kinds]
    return "|".join(sorted(texts, key=lambda text: text == "none"))


def _read(text: str, kind: Any) -> Any:
    if kind is type(None):
        return _none(text)
    if kind is bool:
        return _truth(text)
    if get_origin(kind) is tuple:
        of = get_args(kind)[0]
        return tuple(part.strip() if of is Any else of(part) for part in text.split(","))
    return kind(text)


def _none(text: str) -> None:
    if text.lower() != "none":
        raise ValueError


def _truth(text: str) -> bool:
    if text.lower() not in _TRUE + _FALSE:
        raise ValueError
    return text.lower() in _TRUE


def shown(value: Any) -> str:
    """A value as it is written on the command line: what `Value` reads back."""
    if isinstance(value, tuple | list):
        return ",".join(map(str, value))
    return str(value).lower() if value is None or isinstance(value, bool) else str(value)
