"""Models by name: for the command line, files, settings, and models that are made of other models.

`register` puts a model into `MODELS`; `recae.models` imports all of them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from recae.errors import DataError, ModelFileError, ParameterError, Phrase, Remedy
from recae.recommender.base import Recommender
from recae.recommender.files import ModelParts, read_model
from recae.recommender.params import check
from recae.schemas import Invalid, refusing
from recae.storage import REMEDY

_IMPORTED = "its module imported, or load_model(path, Class)"
_Model = TypeVar("_Model", bound=Recommender)


@dataclass(frozen=True)
class Entry:
    """A model's class, a sentence about it, and the hyper-parameters that its name stands for."""

    model_class: type[Recommender]
    about: str
    preset: dict[str, Any]

    def make(self, **params: Any) -> Recommender:
        """A new model; `params` go over the preset."""
        return self.model_class(**{**self.preset, **params})


MODELS: dict[str, Entry] = {}


def register(name: str, about: str, **preset: Any) -> Callable[[type[_Model]], type[_Model]]:
    """Give a model class a name in `MODELS`.

    Args:
        name: lower case, with hyphens.
        about: what the model is, without a full stop, for lists of models.
        preset: hyper-parameters that the name stands for; a class may have several names.

    Raises:
        ValueError: another class has that name, or a class of the same name has another one: files name the class.
    """

    def enter(model_class: type[_Model]) -> type[_Model]:
        for other, entry in MODELS.items():
            same = entry.model_class.__qualname__ == model_class.__qualname__ and (
                entry.model_class.__module__ == model_class.__module__
            )  # a notebook's cell defines its class anew
            if other == name and not same:
                raise ValueError(f"{name!r} names {entry.model_class.__name__} already")
            if entry.model_class.__name__ == model_class.__name__ and not same:
                raise ValueError(f"a class {model_class.__name__} is {other!r} already, and files name the class")
        MODELS[name] = Entry(model_class, about, preset)
        return model_class

    return enter


def make_model(name: str, **params: Any) -> Recommender:
    """A new model by its name in `MODELS`.

    Raises:
        ParameterError: there is none of that name.
    """
    if name not in MODELS:
        raise ParameterError(name="model", value=name, expected=tuple(MODELS))
    return MODELS[name].make(**params)


def load_model(
    path: str | Path, model_class: type[Recommender] | None = None, *, device: str | None = None, verify: bool = True
) -> Recommender:
    """A fitted model from the file that its `save` wrote.

    Args:
        path: the file. It names a class, and no module: nothing is imported or run because a file says so.
        model_class: the class that the file is to hold, for one of your own that is not registered.
        device: where it is to compute, for models that have a `device`; by default as it was made with. A model
            made with device="cuda" is read elsewhere with device="auto".
        verify: compare the checksums of the arrays with the file's. Shapes and numbers are checked in any case.

    Raises:
        ParameterError: that device is not on this machine.
        ModelFileError: the file is missing, foreign, truncated, tampered with, or from a newer version; or a part of
            it is not what the model has.
    """
    parts = read_model(path, verify=verify)
    class_name, params = parts.class_name, parts.params
    classes = {entry.model_class.__name__: entry.model_class for entry in MODELS.values()}
    if model_class is not None:
        classes = {model_class.__name__: model_class}
    if class_name not in classes:
        if model_class is not None:
            raise ModelFileError(f"{path} holds the class {class_name}, not {model_class.__name__}")
        raise ModelFileError(
            f"{path} holds the class {class_name}, which this version of recae does not know",
            remedy=(
                Remedy("a model of your own needs {module}", module=Phrase(_IMPORTED)), "upgrade recae",
            ),
        )  # fmt: skip
    if device is not None and "device" in params:
        params = {**params, "device": device}
    try:
        with refusing(ModelFileError, path, REMEDY):
            return _restored(classes[class_name], params, parts)
    except DataError as error:
        raise ModelFileError(f"{path}: {error}", remedy=REMEDY) from None


def _restored(model_class: type[Recommender], params: dict[str, Any], parts: ModelParts) -> Recommender:
    try:
        model = model_class().set_params(**params)
        check(model, of_file=True)
    except ParameterError as error:
        raise Invalid(f"its hyper-parameters: {error}") from None
    model._set_ratings(parts.ratings)
    model._about, model._baseline_ = parts.about, parts.baseline
    model._restore_saved(parts.learned)
    parts.learned.finish()
    return model


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
        raise ParameterError(f"{type(model).__name__} is not in recae.MODELS", remedy="register it first")
    name, entry = max(fitting, key=lambda pair: len(pair[1].preset))
    usual = entry.make().get_params()
    return name, {key: value for key, value in params.items() if value != usual[key] and key != "rng"}
