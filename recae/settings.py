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

import json
import math
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from recae.errors import ModelFileError, ParameterError
from recae.models import MODELS, Recommender, make_model
from recae.recommender.params import check, declared

__all__ = ["load_settings", "name_of", "read_settings", "write_settings"]


def read_settings(path: str | Path) -> tuple[str, dict[str, Any]]:
    """The model's name in `MODELS`, and its hyper-parameters by name.

    Raises:
        ModelFileError: there is no such file, or it is not TOML.
        ParameterError: no model is named, or one that does not exist, or a hyper-parameter that it does not have.
    """
    path = Path(path)
    try:
        content = tomllib.loads(path.read_text())
    except OSError as error:
        raise ModelFileError(f"{path} could not be read ({error.strerror}): 'recae tune' writes one") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ModelFileError(f"{path} is not TOML ({error})") from None
    name, given = content.get("model"), content.get("params", {})
    if not isinstance(name, str) or name not in MODELS:
        raise ParameterError(f"{path}: model = {name!r}; choose one of {', '.join(MODELS)}")
    if not isinstance(given, dict):
        raise ParameterError(f"{path}: params = {given!r}; a table [params] is needed")
    known = [p.name for p in declared(MODELS[name].model_class)]
    for key in given:
        if key not in known:
            raise ParameterError(f"{path}: {name} has no hyper-parameter {key!r}; it has {', '.join(known)}")
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
    """Write a settings file; `found` says how the settings came about (plain values; None is left out)."""
    lines = [f"model = {_to_toml(name)}", "", "[params]", *_lines(params), "", "[found]", *_lines(found, skip=True)]
    path = Path(path)
    path.write_text("\n".join(lines) + "\n")
    return path


def name_of(model: Recommender) -> tuple[str, dict[str, Any]]:
    """A model's name in `MODELS`, and its hyper-parameters that differ from what that name stands for.

    Raises:
        ParameterError: its class is not registered.
    """
    params = model.get_params()
    fitting = [
        (name, entry) for name, entry in MODELS.items()
        if entry.model_class is type(model) and all(params[key] == value for key, value in entry.preset.items())
    ]  # fmt: skip
    if not fitting:
        raise ParameterError(f"{type(model).__name__} is not in recae.MODELS: register it first")
    name, entry = max(fitting, key=lambda pair: len(pair[1].preset))
    usual = entry.make().get_params()
    return name, {key: value for key, value in params.items() if value != usual[key] and key != "rng"}


def _lines(table: Mapping[str, Any], *, skip: bool = False) -> list[str]:
    return [f"{key} = {_to_toml(value)}" for key, value in table.items() if not (skip and value is None)]


def _to_toml(value: Any) -> str:
    """A plain value; floats to their last digit."""
    if value is None:
        return '"none"'
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        if not math.isfinite(value):
            return str(value)
        text = repr(value)
        return text if "." in text or "e" not in text else text.replace("e", ".0e")
    if isinstance(value, int):
        return str(value)
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, list | tuple):
        return "[" + ", ".join(_to_toml(part) for part in value) + "]"
    raise ParameterError(f"{value!r} cannot stand in a settings file: numbers, texts and lists of these can")


def _from_toml(value: Any) -> Any:
    if isinstance(value, list):
        return tuple(_from_toml(part) for part in value)
    return None if value == "none" else value
