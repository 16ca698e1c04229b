"""`recae models`: the registry's models, and the hyper-parameters that each declares."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from recae.cli import completion, options
from recae.cli.click_classes import RecaeCommand

if TYPE_CHECKING:
    from recae.recommender.registry import Entry

_EXAMPLES = """\b
Examples:
  recae models
  recae models i-autorec
  recae models --json
"""


@click.command(cls=RecaeCommand, epilog=_EXAMPLES, short_help="List the models and their hyper-parameters.")
@click.argument("name", required=False, shell_complete=completion.models)
@options.as_json
@options.loudness
@click.pass_context
def models(ctx: click.Context, name: str | None, as_json: bool) -> None:
    """List the models; with NAME, list the hyper-parameters of that model: option, default, values, meaning."""
    from recae.cli.hyperparameters import entry_of
    from recae.cli.model_list import listed_models
    from recae.cli.own_models import registered
    from recae.cli.printing import print_json, print_table

    if name is not None:
        entry = entry_of(name, ctx, "NAME")
        if as_json:
            print_json(described(name, entry))
        else:
            _print_model(name, entry)
    elif as_json:
        from recae.models import MODELS

        print_json([described(name, entry) for name, entry in MODELS.items()])
    else:
        rows = [[model.name, model.gives, model.about] for model in listed_models()]
        rows += [[name, _predicts(entry), entry.about] for name, entry in registered().items()]
        print_table(rows, ["model", "gives", "description"], "lll")
        options.note(f"\n'{ctx.command_path} NAME' lists the hyper-parameters of a model.")


def described(name: str, entry: Entry) -> dict[str, Any]:
    """A model as JSON has it."""
    from recae.cli.hyperparameters import free_params, option_name
    from recae.cli.param_types import expected, kinds_of

    return {
        "name": name,
        "class": entry.model_class.__name__,
        "about": entry.about,
        "gives": _predicts(entry),
        "iterative": entry.model_class.iterative,
        "preset": entry.preset,
        "hyper_parameters": [
            {
                "name": p.name, "option": option_name(p.name), "default": p.default, "lowest": p.low, "highest": p.high,
                "values": expected(kinds_of(p.type), p.choices), "meaning": p.help,
            }
            for p in free_params(entry)
        ],
    }  # fmt: skip


def _print_model(name: str, entry: Entry) -> None:
    from recae.cli.console import echo
    from recae.cli.param_types import shown
    from recae.cli.printing import print_table

    model = described(name, entry)
    echo(f"{name}: {entry.about}")
    preset = "".join(f", {key}={value!r}" for key, value in entry.preset.items())
    home = "recae" if entry.model_class.__module__.startswith("recae.") else entry.model_class.__module__
    echo(f"class {home}.{model['class']}{preset}; gives {model['gives']}\n")
    rows = [[p["option"], shown(p["default"]), p["values"], p["meaning"]] for p in model["hyper_parameters"]]
    if rows:
        print_table(rows, ["option", "default", "values", "meaning"], "llll")
    else:
        echo("This model has no hyper-parameters.")


def _predicts(entry: Entry) -> str:
    return "ratings" if entry.model_class.predicts_ratings else "rankings"
