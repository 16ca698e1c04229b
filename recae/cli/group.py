"""The group `recae`: commands are imported when they are asked for, and whatever they raise is translated."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any

import click

from recae.cli.failures import translated
from recae.cli.together import refuse_alone


class RecaeGroup(click.Group):
    """A group that knows its commands by their place, `module:function`."""

    def __init__(self, *args: Any, homes: Mapping[str, str], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.homes = homes

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.homes)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in self.homes:
            return None
        module, name = self.homes[cmd_name].split(":")
        command: click.Command = getattr(importlib.import_module(module), name)
        return command

    def invoke(self, ctx: click.Context) -> Any:
        with translated(ctx):
            return super().invoke(ctx)

    def resolve_command(self, ctx: click.Context, args: list[str]) -> Any:
        found = super().resolve_command(ctx, args)
        refuse_alone(found[0])
        return found
