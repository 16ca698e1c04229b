"""click's group and command as recae uses them: commands are imported when they are asked for, an unknown name is
answered with the nearest one, and every error is translated."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any

import click

from recae.cli.failures import translated
from recae.cli.torchrun import refuse_unshared
from recae.cli.wording import OptionWording
from recae.errors import choose


class RecaeCommand(click.Command):
    """A command whose errors speak of its own options."""

    def invoke(self, ctx: click.Context) -> Any:
        with translated(ctx):
            return super().invoke(ctx)


class SuggestingGroup(click.Group):
    """A group that suggests a command for an unknown name."""

    command_class = RecaeCommand

    def resolve_command(self, ctx: click.Context, args: list[str]) -> Any:
        name = str(args[0])
        if self.get_command(ctx, name) is None and not name.startswith("-"):
            hint = choose(name, self.list_commands(ctx), OptionWording(ctx))
            raise click.UsageError(f"No such command {name!r}: {hint}", ctx)
        return super().resolve_command(ctx, args)


class RecaeGroup(SuggestingGroup):
    """The group `recae`, which knows where its commands stand, as `module:function`."""

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
        refuse_unshared(found[0])
        return found
