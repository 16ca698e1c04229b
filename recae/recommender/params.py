"""Hyper-parameters, declared once: default, type and meaning in the model's own field."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any, Self, get_type_hints

from recae.errors import ParameterError


def param(
    default: Any,
    help: str,
    *,
    choices: tuple[Any, ...] | None = None,
    low: float | None = None,
    tune: tuple[Any, ...] | list[Any] | None = None,
) -> Any:
    """A hyper-parameter: a dataclass field that carries its meaning, and what it may be.

    Args:
        default: value when nothing is said.
        help: what it means, with its unit; CLI help and documentation take it from here.
        choices: the values it may have.
        low: the lowest number it may be.
        tune: where a search looks by default: (low, high), (low, high, "log"), or a list of values; None for nowhere.
    """
    about = {"help": help, "choices": choices, "low": low, "tune": tune}
    return dataclasses.field(default=default, metadata=about)


def learned() -> Any:
    """An attribute that `fit` sets: no argument of the constructor, and absent before."""
    return dataclasses.field(init=False, repr=False)


@dataclass(frozen=True)
class Param:
    """A declared hyper-parameter, as listings and the command line want it."""

    name: str
    default: Any
    type: Any
    help: str
    choices: tuple[Any, ...] | None
    low: float | None
    tune: tuple[Any, ...] | list[Any] | None = None


def declared(model_class: type) -> list[Param]:
    """The hyper-parameters of a model class, in the order of their declaration."""
    hints = get_type_hints(model_class)
    return [
        Param(f.name, f.default, hints[f.name], **f.metadata)
        for f in dataclasses.fields(model_class)
        if "help" in f.metadata
    ]


def check(model: Any) -> None:
    """Refuse hyper-parameters outside what they may be.

    Raises:
        ParameterError: names the value and what it may be.
    """
    for p in declared(type(model)):
        value = getattr(model, p.name)
        if p.choices is not None and value not in p.choices:
            raise ParameterError(f"{p.name}={value!r}: choose one of {', '.join(map(repr, p.choices))}")
        numbers = value if isinstance(value, tuple | list) else (value,)
        for number in numbers:
            if p.low is not None and isinstance(number, int | float) and not number >= p.low:
                raise ParameterError(f"{p.name}={value!r}: at least {p.low:g} is needed")


class Parameters:
    """What scikit-learn expects of an estimator's hyper-parameters: stored untouched, got, set and cloned by name."""

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Hyper-parameters by name (scikit-learn's convention)."""
        return {p.name: getattr(self, p.name) for p in declared(type(self))}

    def set_params(self, **params: Any) -> Self:
        """Set hyper-parameters by name (scikit-learn's convention).

        Raises:
            ParameterError: there is no hyper-parameter of that name.
        """
        known = self.get_params()
        for name, value in params.items():
            if name not in known:
                raise ParameterError(f"{type(self).__name__} has no {name!r}; it has {', '.join(known)}")
            setattr(self, name, value)
        return self

    def clone(self) -> Self:
        """The same hyper-parameters, nothing learnt."""
        return type(self)(**self.get_params())

    def __repr__(self) -> str:
        """The class with the hyper-parameters that differ from their defaults."""
        changed = [
            f"{p.name}={getattr(self, p.name)!r}" for p in declared(type(self)) if getattr(self, p.name) != p.default
        ]
        return f"{type(self).__name__}({', '.join(changed)})"
