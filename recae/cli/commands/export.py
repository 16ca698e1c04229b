"""`recae export`."""

from __future__ import annotations

from typing import Any

import click

from recae.cli import options
from recae.cli.click_classes import RecaeCommand

_EXAMPLES = """\b
Examples:
  recae export m.recae --to onnx --out m.onnx
  recae export m.recae --to vectors --out items.parquet
  recae export m.recae --to vectors --of users --out users.npy
"""


@click.command(cls=RecaeCommand, epilog=_EXAMPLES, short_help="Write a model as ONNX, or its vectors.")
@click.argument("model", type=click.Path())
@click.option("--to", type=click.Choice(["onnx", "vectors"]), required=True, help="What to write.")
@click.option(
    "--of", type=click.Choice(["items", "users"]), default="items", show_default=True,
    help="Whose vectors; users' are the output weights or factors of a model such as i-autorec or als.",
)  # fmt: skip
@click.option("--lists", is_flag=True, help="Vectors whose products rank lists: with biases, where there are any.")
@click.option(
    "-o", "--out", type=click.Path(), metavar="FILE", required=True,
    help="The file: .onnx; for vectors .parquet, or .npy with the ids beside it.",
)  # fmt: skip
@options.loudness
def export(model: str, to: str, of: Any, lists: bool, out: str) -> None:
    """Write MODEL as an ONNX graph from rows of ratings to scores, or the vectors of its items or users.

    The graph has a column an item, in the order of the ids in its metadata, and 0 for what is missing. It needs onnx
    and onnxruntime: pip install 'recae[onnx]'.
    """
    from recae.cli.inputs import load_model
    from recae.cli.outputs import check_writable
    from recae.export import export_onnx, export_vectors

    check_writable(out, inputs=(model,))
    if to == "onnx":
        if of != "items" or lists:
            raise click.UsageError("--of and --lists are about --to vectors")
        export_onnx(load_model(model, "cpu"), out)
        options.note(f"{out} is the graph of {model}, compared with it to 1e-5.")
        return
    export_vectors(load_model(model), out, of=of, lists=lists)
    options.note(f"The {of}' vectors of {model} are in {out}.")
