"""Errors in the words of the command line: which option sets which parameter of the API.

Most options bear the name of their parameter, and `OptionWording` finds them among the options of the command that
runs. The tables here are all that differs.
"""

from __future__ import annotations

from typing import Any

import click

from recae.cli.param_types import Column, shown
from recae.errors import Phrase, Wording

# Parameters whose option has another name in click.
OTHER_NAMES = {
    "user": "user_column",
    "item": "item_column",
    "rating": "rating_column",
    "timestamp": "timestamp_column",
    "rng": "seed",
    "space": "tries",
    "path": "out",
    "boost": "boosts",
}

# Phrases of remedies (`recae.errors.Phrase`), for which the library has words of the API.
PHRASES = {
    "save": "'{recae} train DATASET --out FILE'",
    "tune": "'{recae} tune DATASET --out FILE'",
    "prepare": "'{recae} data prepare FILES --out FOLDER'",
    "prepare_anew": "'{recae} data prepare FILES --out FOLDER --restart'",
    "check": "'{recae} data check STORE'",
    "discard": "add --restart",
    "module": "'{recae} --import MODULE ...', the module that registers it",
    "ranker": "--model ease, for example",
    "where": "--try NAME=LOW:HIGH",
}


class OptionWording(Wording):
    """Writes parameters as the options of one command; what the command has no option for, it does not name."""

    def __init__(self, ctx: click.Context) -> None:
        self.ctx = ctx
        self.params = {p.name: p for p in ctx.command.get_params(ctx)}

    def setting(self, name: str, value: Any) -> str | None:
        if isinstance(value, Phrase):
            return PHRASES[name].format(recae=self.ctx.find_root().info_name) if name in PHRASES else None
        param = self.params.get(OTHER_NAMES.get(name, name)) or self.params.get(name)
        if not isinstance(param, click.Option):
            return None
        flag = preferred(param)
        if param.is_flag:
            return flag if value is True else next(iter(param.secondary_opts), None)
        if value is ...:
            return f"{flag} {param.make_metavar(self.ctx)}"
        if isinstance(param.type, Column) and value is False:
            return f"{flag} none"
        return f"{flag} {shown(value)}"

    def subject(self, name: str, value: Any) -> str:
        words = self.setting(name, value)
        if words is not None:
            return words
        param = self.params.get(name)
        label = param.human_readable_name if isinstance(param, click.Argument) else name.replace("_", " ")
        return label if value is ... else f"{label} {shown(value)}"

    def value(self, value: Any) -> str:
        return shown(value)


def preferred(option: click.Option) -> str:
    """The spelling that is the option's name (-n), else the longest (--split)."""
    for spelling in option.opts:
        if spelling.lstrip("-").replace("-", "_") == option.name:
            return spelling
    return max(option.opts, key=len)
