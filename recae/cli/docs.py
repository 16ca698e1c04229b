"""The page `docs/cli.md`, from the commands themselves: `python -m recae.cli.docs > docs/cli.md`."""

from __future__ import annotations

from collections.abc import Iterator

import click

from recae.cli import recae

INTRODUCTION = """\
# The command line

This page is made from the commands (`python -m recae.cli.docs > docs/cli.md`); a test holds the two together.

Results go to stdout; progress, notes and errors to stderr. `--json` prints the result, and nothing else, as JSON.

| exit code | means |
|---|---|
| 0 | done |
| 1 | it failed: one line on stderr says what, where and what to do; with `-vv` also where in the code |
| 2 | it was asked for something that does not exist or is out of range |
| 130, 143, 129 | it was interrupted: by Ctrl-C, by SIGTERM, by SIGHUP (a terminal that closes) |

**Ids** are written as they are in the data. `007` and `7` are two ids if the data has both; a list of ids is separated
by commas, and an id that has a comma itself goes into a file, one a line.

**Hyper-parameters** are options of `recae train`, and are those of its `--model`: `recae train --model u-autorec -h`
shows them with defaults and meaning, `recae models u-autorec` as a table. Several layers are written `500,250,500`,
"nothing" is written `none`. They come from the model's own declaration, so they are never out of date.

**Interrupted training.** A model that trains in epochs keeps its state in `OUT.ckpt` once a minute and on Ctrl-C, and
removes it when the model is saved. `--resume` goes on from it exactly: the weights come out bit for bit as if nothing
had happened (on the CPU). Where there is such a file and neither `--resume` nor `--restart` is said, nothing is done,
so that no work is lost by a forgotten option. `--resume` without a checkpoint starts from the beginning.

**The validation part.** Models that train in epochs put 5 % of the training ratings aside and keep the epoch that
predicts these best. On data that is sparser than what a model's defaults were chosen on, this decides between a good
and a useless model; where the defaults fit, it costs a little accuracy (fewer ratings to learn from), and
`--validation 0` takes it back.
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
