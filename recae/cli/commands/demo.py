"""`recae demo`."""

from __future__ import annotations

import click

from recae.cli import completion, options
from recae.cli.click_classes import RecaeCommand
from recae.cli.failures import Misuse

_EXAMPLES = """\b
Examples:
  recae demo list
  recae demo reconstruct --out figures/
  recae demo denoise --out figures/ --epochs 2 --seed 1
  recae demo documents --query "goalie in the playoff game"
  recae demo all --out figures/ --json > figures.json
"""


@click.command(cls=RecaeCommand, epilog=_EXAMPLES, short_help="Run demos, which write pictures.")
@click.argument("name", metavar="NAME|all|list", shell_complete=completion.demos)
@click.option(
    "-o", "--out", default="figures", show_default=True, metavar="FOLDER", help="Folder for pictures and JSON files."
)
@click.option("--epochs", type=click.IntRange(min=1), help="Epochs of each training.  [default: the demo's own]")
@click.option(
    "--device",
    default="auto",
    show_default=True,
    metavar="DEVICE",
    help="Device to train on: auto, cpu, cuda, cuda:N, mps.",
)
@click.option("--query", metavar="WORDS", help="Words for which 'documents' finds the nearest documents.")
@click.option("--seed", type=int, default=0, show_default=True, help="Random seed.")
@options.data_dir
@options.as_json
@options.loudness
def demo(
    name: str,
    out: str,
    epochs: int | None,
    device: str,
    query: str | None,
    seed: int,
    data_dir: str | None,
    as_json: bool,
) -> None:
    """Run the demo NAME, or all demos; `list` lists them.

    A demo trains for seconds to minutes, prints its figures and an explanation, and writes pictures (PNG) and a JSON
    file of its figures into --out. Images are from MNIST, documents from 20 Newsgroups, ratings from MovieLens-100K.
    MNIST is downloaded when there is no copy, the other two are not: for 20 Newsgroups see data/README.md, for
    MovieLens-100K `recae data fetch ml-100k`. Without them a demo uses small built-in sets, and says so.
    """
    from pathlib import Path

    from recae.cli.printing import print_json
    from recae.demos import DEMOS, run, run_all
    from recae.demos import demo as find

    if name == "list":
        _list(DEMOS, as_json)
        return
    if query is not None and name not in ("documents", "all"):
        raise Misuse("--query is for the demo 'documents'")
    if name != "all":
        find(name)  # a wrong name fails before anything is written
    from recae.demos.stage import Stage

    quiet = options.verbosity() < 0
    stage = Stage(
        out=Path(out), epochs=epochs, device=device, seed=seed, query=query,
        data_dir=Path(data_dir) if data_dir else None,
        say=options.note if as_json else click.echo, progress=False if quiet else None,
    )  # fmt: skip
    found = run_all(stage) if name == "all" else run(name, stage)
    if as_json:
        print_json(found)


def _list(demos: dict[str, str], as_json: bool) -> None:
    from recae.cli.printing import print_json, print_table

    if as_json:
        print_json([{"demo": name, "shows": text} for name, text in demos.items()])
    else:
        print_table(list(demos.items()), ["demo", "shows"], "ll")
