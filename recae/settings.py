"""A model's settings as a TOML file: what a search writes, what `recae train --settings` and Python read.

    model = "i-autorec"

    [params]
    hidden = 500
    l2 = 85.3

    [found]                 # how they came about; for people
    metric = "rmse"

Lists are tuples, and the text "none" is None, which TOML has no word for.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from recae.atomic import write_text
from recae.errors import MissingExtraError, ModelFileError, ParameterError, Phrase, Remedy
from recae.models import MODELS, Recommender, make_model
from recae.recommender.params import check, declared

__all__ = ["load_settings", "read_settings", "write_settings"]

_MAKE = Remedy("{tune} writes a settings file", tune=Phrase("recae.tune(...).save(path)"))


def read_settings(path: str | Path) -> tuple[str, dict[str, Any]]:
    """The model's name in `MODELS`, and its hyper-parameters by name.

    Raises:
        ModelFileError: there is no such file, or it is not TOML.
        ParameterError: no model is named, or one that does not exist, or a hyper-parameter that it does not have.
    """
    path = Path(path)
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ModelFileError(
            f"{path} could not be read ({error.strerror})",
            remedy=_MAKE,
        ) from None
    except RecursionError:
        raise ModelFileError(f"{path} is not TOML (it is nested too deep)", remedy=_MAKE) from None
    except ValueError as error:  # no TOML, no UTF-8, or an integer of thousands of digits
        raise ModelFileError(f"{path} is not TOML ({error})", remedy=_MAKE) from None
    name, given = content.get("model"), content.get("params", {})
    if not isinstance(name, str) or name not in MODELS:
        raise ParameterError(f"in {path}", name="model", value=name, expected=tuple(MODELS))
    if not isinstance(given, dict):
        raise ParameterError(f"in {path}", name="params", value=given, expected="a table [params]")
    known = [p.name for p in declared(MODELS[name].model_class)]
    for key in given:
        if key not in known:
            raise ParameterError(f"{path}: {name} has no hyper-parameter {key!r}", value=key, expected=known)
    return name, {key: _from_toml(value) for key, value in given.items()}


def load_settings(path: str | Path, **params: Any) -> Recommender:
    """The model that a settings file describes, with nothing learnt; `params` go over the file's.

    Raises:
        ModelFileError, ParameterError: as `read_settings`; or a value is out of range.
    """
    name, given = read_settings(path)
    model = make_model(name, **{**given, **params})
    check(model)
    return model


def write_settings(path: str | Path, name: str, params: Mapping[str, Any], found: Mapping[str, Any]) -> Path:
    """Write a settings file; `found` says how the settings came about (plain values; None is left out).

    Raises:
        MissingExtraError: tomli-w is not installed.
        ParameterError: a value is neither a number nor a text nor a list of these.
    """
    try:
        import tomli_w
    except ImportError:
        raise MissingExtraError("writing settings needs tomli-w: pip install 'recae[tune]'") from None

    content = {
        "model": name,
        "params": {key: _to_toml(key, value) for key, value in params.items()},
        "found": {key: _to_toml(key, value) for key, value in found.items() if value is not None},
    }
    return write_text(path, tomli_w.dumps(content))


def _to_toml(name: str, value: Any) -> Any:
    """A value as TOML has it: lists for tuples, "none" for None.

    Raises:
        ParameterError: it is neither a number nor a text nor a list or table of these.
    """
    if isinstance(value, list | tuple):
        return [_to_toml(name, part) for part in value]
    if isinstance(value, Mapping):
        return {str(key): _to_toml(f"{name}.{key}", part) for key, part in value.items()}
    if not isinstance(value, bool | int | float | str | None):
        raise ParameterError(
            "a settings file cannot hold it",
            name=name,
            value=value,
            expected="numbers, texts, or lists or tables of these",
        )
    return "none" if value is None else value


def _from_toml(value: Any) -> Any:
    if isinstance(value, list):
        return tuple(_from_toml(part) for part in value)
    return None if value == "none" else value
