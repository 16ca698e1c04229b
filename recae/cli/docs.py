"""The page `docs/cli.md`, from the commands themselves: `python -m recae.cli.docs > docs/cli.md`."""

from __future__ import annotations

from collections.abc import Iterator

import click

from recae.cli import recae

INTRODUCTION = """\
# The command line

This page is made from the commands (`python -m recae.cli.docs > docs/cli.md`); a test checks that it is current.

Results go to stdout; progress, notes and errors go to stderr. `--json` prints only the result, as JSON.

| exit code | meaning |
|---|---|
| 0 | success |
| 1 | failure: one line on stderr says what failed, where, and what to do; `-vv` adds the traceback |
| 2 | wrong use: something that does not exist, or a value out of range |
| 130, 143, 129 | interrupted by Ctrl-C, by SIGTERM, by SIGHUP (the terminal closed) |

**Ids** are written as in the data. `007` and `7` are two ids if the data has both. Commas separate the ids of a list.
If an id contains a comma, write the ids to a file, one per line, and give the file.

**Hyper-parameters** of the chosen `--model` are options of `recae train`. `recae train --model u-autorec -h` lists
them with defaults and meaning; `recae models u-autorec` prints them as a table. The hidden units of several layers are
written `500,250,500`, and Python's None is written `none`. Both lists come from the model's declaration.

**Completion.** The shell completes commands, options, models, data sets, demos and files, once it is told to:

| shell | a line in | |
|---|---|---|
| bash (4.4 or later) | `~/.bashrc` | `eval "$(_RECAE_COMPLETE=bash_source recae)"` |
| zsh | `~/.zshrc` | `eval "$(_RECAE_COMPLETE=zsh_source recae)"` |
| fish | `~/.config/fish/completions/recae.fish` | `_RECAE_COMPLETE=fish_source recae \\| source` |

**Interrupted training.** For a model that trains in epochs, `recae train` writes a checkpoint, `OUT.ckpt`, once a
minute and on Ctrl-C. It deletes the checkpoint when it has saved the model. `--resume` resumes training from the
checkpoint. On the CPU the resumed training gives the same weights, bit for bit, as training without an interruption.
If a checkpoint exists, the command asks for `--resume` or `--restart` and stops, so that a forgotten option loses no
work. If no checkpoint exists, `--resume` starts from the beginning.

**The validation part.** For a model that trains in epochs, `recae train` holds out 5 % of the training ratings and
keeps the epoch that predicts them best. This matters most on data that is sparser than the data that the defaults were
chosen on: without it, a model can overfit and become useless. Where the defaults fit, it costs a little accuracy,
because the model has fewer ratings to learn from; `--validation 0` turns it off.
"""


def page() -> str:
    """The whole page, as Markdown."""
    parts = [INTRODUCTION]
    for ctx in commands():
        parts.append(f"## {ctx.command_path}\n\n```text\n{ctx.get_help().rstrip()}\n```\n")
    return "\n".join(parts)


def commands(parent: click.Context | None = None) -> Iterator[click.Context]:
    """A context of every command, parents first; its `command` is the command."""
    ctx = parent or click.Context(recae, info_name="recae", **recae.context_settings, terminal_width=100)
    if parent is None:
        yield ctx
    assert isinstance(ctx.command, click.Group)
    for name in ctx.command.list_commands(ctx):
        command = ctx.command.get_command(ctx, name)
        assert command is not None
        child = click.Context(command, parent=ctx, info_name=name)
        yield child
        if isinstance(command, click.Group):
            yield from commands(child)


if __name__ == "__main__":
    click.echo(page(), nl=False)
