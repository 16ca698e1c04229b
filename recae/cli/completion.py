"""What the shell completes beside commands and options: models, data sets, demos. PyTorch is not imported for it."""

from __future__ import annotations

from collections.abc import Iterable

import click
from click.shell_completion import CompletionItem


def models(_ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Names of models, each with what it is."""
    from recae.cli.model_list import listed_models

    return _beginning({model.name: model.about for model in listed_models()}, incomplete)


def several_models(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """The last of the names with commas between them."""
    done, comma, last = incomplete.rpartition(",")
    return [CompletionItem(done + comma + item.value, help=item.help) for item in models(ctx, param, last)]


def datasets(_ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Names of data sets of ratings, and files, which the shell itself looks for."""
    from recae.datasets.catalogue import datasets as known

    named = {entry.name: entry.description for entry in known("ratings")}
    return [CompletionItem(incomplete, type="file"), *_beginning(named, incomplete)]


def demos(_ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Names of demos, and `all` and `list`."""
    from recae.demos import DEMOS

    return _beginning({**DEMOS, "all": "all of them", "list": "list the demos"}, incomplete)


def _beginning(about: dict[str, str], incomplete: str) -> list[CompletionItem]:
    found: Iterable[str] = (name for name in about if name.startswith(incomplete))
    return [CompletionItem(name, help=about[name]) for name in found]
