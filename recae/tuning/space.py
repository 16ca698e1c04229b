"""Where a search looks: a range or a list of values for each hyper-parameter."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, get_args

from recae.errors import ParameterError, Phrase, Remedy
from recae.models import Recommender
from recae.recommender.params import declared

if TYPE_CHECKING:
    import optuna

Space = dict[str, "Values | Range"]


@dataclass(frozen=True)
class Range:
    """Numbers from `low` to `high`, both included; whole ones where both ends are; evenly, or evenly in logarithm."""

    low: float
    high: float
    log: bool = False

    def draw(self, trial: optuna.Trial, name: str) -> Any:
        """A value for this trial."""
        if isinstance(self.low, int) and isinstance(self.high, int):
            return trial.suggest_int(name, self.low, self.high, log=self.log)
        return trial.suggest_float(name, self.low, self.high, log=self.log)

    def start(self, value: Any) -> Any:
        """`value` as the search writes it; None where it lies outside."""
        return value if isinstance(value, int | float) and self.low <= value <= self.high else None

    def plain(self) -> list[Any]:
        return [self.low, self.high, *(["log"] if self.log else [])]


@dataclass(frozen=True)
class Values:
    """One of several values, of any kind."""

    values: tuple[Any, ...]

    def draw(self, trial: optuna.Trial, name: str) -> Any:
        """A value for this trial. It is searched by its text, for a study's file holds no tuples."""
        texts = [repr(value) for value in self.values]
        return self.values[texts.index(trial.suggest_categorical(name, texts))]

    def start(self, value: Any) -> Any:
        """`value` as the search writes it; None where it is none of these."""
        return repr(value) if value in self.values else None

    def plain(self) -> dict[str, Any]:
        return {"one of": list(self.values)}


def space_of(model: Recommender, given: Mapping[str, Any] | None, fixed: tuple[str, ...] = ()) -> Space:
    """The space given, or what the model declares (`param(..., tune=...)`) less what is `fixed`.

    Args:
        given: hyper-parameter to (low, high), (low, high, "log"), or a list of values.

    Raises:
        ParameterError: a name that the model does not have, a range that is none, or nothing to search.
    """
    params = {p.name: p for p in declared(type(model))}
    if given is None:
        given = {name: p.tune for name, p in params.items() if p.tune is not None and name not in fixed}
    for name in given:
        if name not in params:
            raise ParameterError(
                f"{type(model).__name__} has no hyper-parameter {name!r}; it has {', '.join(params)}", name="space"
            )
    if not given:
        numbers = [
            p.name for p in params.values() if {int, float} & {p.type, *get_args(p.type)} and p.name not in fixed
        ]
        numbers = [name for name in numbers if name != "rng"]
        raise ParameterError(
            f"{type(model).__name__} declares no search space of its own",
            remedy=(
                "tune another model, as this one has no number to search for" if not numbers
                else Remedy("say what to search with {where}", where=Phrase(f'space={{"{numbers[0]}": [...]}}'))
            ),
        )  # fmt: skip
    return {name: _of_kind(read(name, where), params[name].type) for name, where in given.items()}


def _of_kind(where: Range | Values, hint: Any) -> Range | Values:
    """A range of whole numbers of a hyper-parameter that need not be whole, as a range of any."""
    if isinstance(where, Range) and float in (get_args(hint) or (hint,)):
        return Range(float(where.low), float(where.high), where.log)
    return where


def read(name: str, where: Any) -> Range | Values:
    """A declaration as what it means.

    Raises:
        ParameterError: it means nothing.
    """
    if isinstance(where, Range | Values):
        return where
    if isinstance(where, list) and where:
        return Values(tuple(tuple(v) if isinstance(v, list) else v for v in where))
    if isinstance(where, tuple) and len(where) in (2, 3) and where[2:] in ((), ("log",)):
        low, high = where[:2]
        numbers = all(isinstance(end, int | float) and not isinstance(end, bool) for end in (low, high))
        if numbers and low < high and (len(where) == 2 or low > 0):
            return Range(low, high, len(where) == 3)
    raise ParameterError(
        name="space",
        value={name: where},
        expected="(low, high) or (low, high, 'log') with low < high (above 0 for 'log'), or a list of values",
    )
