"""Hyper-parameters, declared once: default, type, meaning, bounds and search range in the model's own field."""

from __future__ import annotations

import copy
import dataclasses
import inspect
import math
import textwrap
from dataclasses import dataclass
from numbers import Integral, Real
from types import UnionType
from typing import Any, Literal, Self, TypeVar, Union, dataclass_transform, get_args, get_origin, get_type_hints

import numpy as np

from recae._types import Csr
from recae.errors import DataError, ParameterError, Remedy

Values = Literal["binary", "ratings", "log"]
_Class = TypeVar("_Class")
_WIDTH = 110  # characters in a line of a generated docstring


def param(
    default: Any,
    help: str,
    *,
    choices: tuple[Any, ...] | None = None,
    low: float | None = None,
    high: float | None = None,
    tune: tuple[Any, ...] | list[Any] | None = None,
) -> Any:
    """Declare a hyper-parameter: a dataclass field that carries its meaning and the values that are allowed.

    Args:
        default: value when nothing is said.
        help: meaning, with its unit; docstrings, the command line and documentation take it from here.
        choices: the values that are allowed; None for any.
        low, high: the lowest and the highest number that is allowed; None for any. What a model that is served does
            so many times has a highest one: a file may come from anybody.
        tune: where a search looks by default: (low, high), (low, high, "log"), or a list of values; None for nowhere.
    """
    about = {"help": help, "choices": choices, "low": low, "high": high, "tune": tune}
    return dataclasses.field(default=default, metadata=about)


def seed(help: str = "seed of everything random") -> Any:
    """Declare the hyper-parameter `rng`, as `param` does: all models take the same seeds, from 0."""
    return param(0, help, low=0)


def default(default: Any, **changes: Any) -> Any:
    """Redeclare an inherited hyper-parameter with another default.

    Args:
        default: value when nothing is said.
        changes: arguments of `param` that change too; all others stay as the base class declares them.
    """
    return _Redeclared(default, changes)


def learned(*, init: Literal[False] = False) -> Any:
    """Declare an attribute that `fit` sets: no argument of the constructor, and absent before."""
    return dataclasses.field(init=init, repr=False)


@dataclass(frozen=True)
class _Redeclared:
    """What `default` was given, until `hyperparameters` knows the class and so the inherited declaration."""

    default: Any
    changes: dict[str, Any]


# `param` and `default` are no field specifiers: type checkers see their values, which are the defaults.
@dataclass_transform(kw_only_default=True, eq_default=False, field_specifiers=(learned,))
def hyperparameters(cls: type[_Class]) -> type[_Class]:
    """Make a keyword-only dataclass of a class whose fields are `param`, `default` and `learned`.

    Its docstring ends with the meaning, the default and the allowed values of each hyper-parameter, so that
    `help(cls)` and an editor show them.

    Raises:
        TypeError: `default` is given for a name that no base class declares.
    """
    inherited: dict[str, dataclasses.Field[Any]] = {}
    for base in reversed(cls.__mro__):
        inherited |= vars(base).get("__dataclass_fields__", {})
    for name, value in list(vars(cls).items()):
        if isinstance(value, _Redeclared):
            if name not in inherited:
                raise TypeError(f"{cls.__name__}.{name}: no base class declares it; use param(default, help)")
            setattr(cls, name, param(value.default, **{**inherited[name].metadata, **value.changes}))
    text = vars(cls).get("__doc__") or ""  # before `dataclass` puts the signature there
    made = dataclass(kw_only=True, eq=False, repr=False)(cls)
    made.__doc__ = _documented(inspect.cleandoc(text), _fields(made))
    return made


def _documented(text: str, fields: list[dataclasses.Field[Any]]) -> str:
    """A docstring followed by a section on the hyper-parameters."""
    entries = [
        textwrap.fill(f"{f.name}: {f.metadata['help']}. {_allowed(f)}", _WIDTH, initial_indent=" " * 4,
                      subsequent_indent=" " * 8, break_on_hyphens=False)
        for f in fields
    ]  # fmt: skip
    section = "\n".join(["Hyper-parameters:", *entries]) if entries else ""
    return "\n\n".join(filter(None, [text, section]))


def _allowed(field: dataclasses.Field[Any]) -> str:
    """The default of a hyper-parameter and the values it may have, as docstrings say it."""
    choices, low, high = (field.metadata[name] for name in ("choices", "low", "high"))
    parts = [f"Default {field.default!r}"]
    if choices is not None:
        parts.append("one of " + ", ".join(map(repr, choices)))
    if low is not None:
        parts.append(f"at least {low:g}")
    if high is not None:
        parts.append(f"at most {high:g}")
    return "; ".join(parts) + "."


@dataclass(frozen=True)
class Param:
    """A declared hyper-parameter, as listings and the command line want it."""

    name: str
    default: Any
    type: Any
    help: str
    choices: tuple[Any, ...] | None
    low: float | None
    high: float | None = None
    tune: tuple[Any, ...] | list[Any] | None = None


def declared(model_class: type) -> list[Param]:
    """The hyper-parameters of a model class: what it declares itself first, then what its base classes declare."""
    hints = get_type_hints(model_class)
    return [Param(f.name, f.default, hints[f.name], **f.metadata) for f in _fields(model_class)]


def _fields(model_class: type) -> list[dataclasses.Field[Any]]:
    """The fields that are hyper-parameters, in the order of `declared`."""
    classes = [vars(c).get("__dataclass_fields__", {}) for c in model_class.__mro__]

    def first_declared(field: dataclasses.Field[Any]) -> int:
        return max(depth for depth, known in enumerate(classes) if field.name in known)

    fields: Any = getattr(model_class, "__dataclass_fields__", {}).values()
    return sorted((f for f in fields if "help" in f.metadata), key=first_declared)


def check(model: Any, *, of_file: bool = False) -> None:
    """Refuse hyper-parameters outside what they may be.

    Args:
        of_file: the model is fitted, and nothing random is left: its seed may be below 0, as before 0 was the lowest.

    Raises:
        ParameterError: names the value and what it may be.
    """
    hints = get_type_hints(type(model))
    for field in _fields(type(model)):
        value, about = getattr(model, field.name), field.metadata
        if about["choices"] is not None and value not in about["choices"]:
            raise ParameterError(name=field.name, value=value, expected=about["choices"])
        if not _conforms(value, hints[field.name]):
            raise ParameterError(name=field.name, value=value, expected=_wanted(hints[field.name]))
        numbers = value if isinstance(value, tuple | list) else (value,)
        low = None if of_file and field.name == "rng" else about["low"]
        for number in numbers:
            if low is not None and isinstance(number, Real) and not number >= low:
                raise ParameterError(name=field.name, value=value, expected=f"at least {low:g}")
            if about["high"] is not None and isinstance(number, Real) and not number <= about["high"]:
                raise ParameterError(name=field.name, value=value, expected=f"at most {about['high']:g}")


def _conforms(value: Any, hint: Any) -> bool:
    """Whether a value is of a declared type; numbers are finite and fit 64 bits, NumPy's are numbers like any other."""
    arguments = get_args(hint)
    if hint is Any:
        return True
    if get_origin(hint) in (Union, UnionType):
        return any(_conforms(value, choice) for choice in arguments)
    if get_origin(hint) is Literal:
        return isinstance(value, str) and value in arguments
    if get_origin(hint) is tuple:
        return isinstance(value, tuple | list) and all(_conforms(part, arguments[0]) for part in value)
    if hint is type(None):
        return value is None
    is_bool = isinstance(value, bool | np.bool_)
    if hint is bool:
        return is_bool
    if hint is int:
        return isinstance(value, Integral) and not is_bool and abs(int(value)) < 2**63
    if hint is float:
        return not is_bool and _is_finite(value)
    return isinstance(value, hint)


def _is_finite(value: Any) -> bool:
    if isinstance(value, Integral):
        return abs(int(value)) < 2**63
    return isinstance(value, Real) and math.isfinite(value)


def _wanted(hint: Any) -> str:
    """A declared type in words."""
    words = {int: "a whole number", float: "a number", str: "a text", bool: "True or False", type(None): "None"}
    if get_origin(hint) in (Union, UnionType):
        return " or ".join(map(_wanted, get_args(hint)))
    if get_origin(hint) is tuple:
        return f"a tuple, each part {_wanted(get_args(hint)[0])}"
    if get_origin(hint) is Literal:
        return "one of " + ", ".join(map(repr, get_args(hint)))
    return words.get(hint, "another value")


class Parameters:
    """scikit-learn's convention for hyper-parameters: stored untouched; read, set and cloned by name."""

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Hyper-parameters by name (scikit-learn's convention)."""
        return {field.name: getattr(self, field.name) for field in _fields(type(self))}

    def set_params(self, **params: Any) -> Self:
        """Set hyper-parameters by name (scikit-learn's convention).

        Raises:
            ParameterError: there is no hyper-parameter of that name.
        """
        known = self.get_params()
        for name, value in params.items():
            if name not in known:
                message = f"{type(self).__name__} has no hyper-parameter {name!r}"
                raise ParameterError(message, value=name, expected=tuple(known))
            setattr(self, name, value)
        return self

    def __sklearn_tags__(self) -> Any:
        """What scikit-learn asks before it fits an estimator to rows of X: a recommender is none.

        Raises:
            ParameterError: always; it says what to use.
        """
        raise ParameterError(
            f"{type(self).__name__} learns from a RatingMatrix, and scikit-learn cuts rows of X into folds",
            remedy=("search for settings with recae.tune", "measure with recae.evaluate or recae.compare"),
        )

    def clone(self) -> Self:
        """The same hyper-parameters, nothing learnt."""
        return type(self)(**self.get_params())

    def __repr__(self) -> str:
        """The class with the hyper-parameters that differ from their defaults."""
        fields = [(field, getattr(self, field.name)) for field in _fields(type(self))]
        changed = [f"{field.name}={value!r}" for field, value in fields if value != field.default]
        return f"{type(self).__name__}({', '.join(changed)})"


# ---------------------------------------------------------------- what several families declare


@hyperparameters
class ReadsValues(Parameters):
    """What models that read rows as ones, as ratings or as their logarithms declare."""

    values: Values = param(
        "binary",
        "what a row holds: 1 for each rating given, the ratings as they are, or log(1 + rating), for counts",
        choices=get_args(Values),
    )


@hyperparameters
class DrawnToBiases(Parameters):
    """What rating models declare whose answers are drawn towards the biases where little is known."""

    shrink: Literal["auto", "always", "never"] = param(
        "auto",
        "draw predictions towards the biases by a weight that held-out ratings give, a tenth of them where there is no "
        "validation part (a second fit); auto: where users or items have fewer than 50 ratings on average (100 for "
        "models whose settings are a paper's), and, of models that read features, for users and items without ratings",
        choices=("auto", "always", "never"),
    )


def as_input(user_rows: Csr, values: Values) -> Csr:
    """Rows as a model reads them, of the same sparsity pattern: ones, the ratings, or the logarithms of 1 + rating.

    "binary" makes even a rating of 1 star a 1: who dislikes a film has still chosen to see it. To learn from what
    people liked only, fit on `ratings.binarize(4)`. "log" is for counts, of which a few are far larger than the others.

    Raises:
        DataError: values of 0 or less are to be read as logarithms: no count is, and log(1 + -1) is no number.
    """
    if values == "ratings":
        return user_rows
    read = copy.copy(user_rows)  # indices and row starts are shared
    if values == "binary":
        read.data = np.ones(user_rows.nnz, np.float32)
        return read
    if (low := float(user_rows.data.min(initial=1))) <= 0:
        raise DataError(
            f"values='log' reads counts, which are above 0, and the lowest value is {low:g}",
            remedy=("leave such pairs out", Remedy("use {values}", values="binary")),
        )
    read.data = np.log1p(user_rows.data, dtype=np.float32)
    return read
