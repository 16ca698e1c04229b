"""Models of one's own on the command line: `--import MODULE`, whose classes register themselves, and MODULE:CLASS."""

from __future__ import annotations

import importlib
import os
import sys
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from recae.recommender.registry import Entry

imported: list[str] = []  # the modules that the command line named, for processes that it starts


def import_modules(_ctx: click.Context, _option: click.Parameter, modules: tuple[str, ...]) -> None:
    """Import modules that the user names, the working folder being searched too (`recae` alone does not search it)."""
    for module in modules:
        _module(module, "--import")
    imported[:] = modules


def registered() -> dict[str, Entry]:
    """What is in `recae.MODELS` beyond the models of the package; empty as long as nothing was imported."""
    registry: Any = sys.modules.get("recae.recommender.registry")
    if registry is None:
        return {}
    return {name: entry for name, entry in registry.MODELS.items() if _is_own(entry.model_class.__module__)}


def entry_of_class(name: str, hint: str) -> Entry:
    """The registry's entry of MODULE:CLASS, which it is given where the class has no name of its own.

    Raises:
        click.BadParameter: there is no such module or class, or it is no model.
    """
    module, _, class_name = name.partition(":")
    found: Any = getattr(_module(module, hint), class_name, None)
    from recae.models import MODELS, Recommender
    from recae.recommender.registry import register

    if not (isinstance(found, type) and issubclass(found, Recommender)):
        raise click.BadParameter(f"{name!r}: {module} has no class {class_name} that is a recae.Recommender",
                                 param_hint=hint)  # fmt: skip
    if name not in MODELS:
        about = (found.__doc__ or "a model of your own").strip().splitlines()[0].rstrip(".")
        register(name, about)(found)
    return MODELS[name]


def _module(name: str, hint: str) -> Any:
    if os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        raise click.BadParameter(f"{name!r}: {error.msg}; modules are looked for here and where Python does",
                                 param_hint=hint) from None  # fmt: skip
    except ValueError:  # an empty name
        raise click.BadParameter(f"{name!r} names no module", param_hint=hint) from None


def _is_own(module: str) -> bool:
    return module.split(".")[0] != "recae"
