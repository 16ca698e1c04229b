"""All top-N models on MovieLens-1M with hidden users: the table of docs/topn.md.

\b
    python -m benchmarks.topn measure [--only ease,mult-vae]   # each model once (stochastic ones: five seeds)

`benchmarks/topn/protocol.py` describes the protocol. configs/topn-ml-1m.toml has the settings, chosen on the validation
users with a small budget for each model: `python -m benchmarks.linear_vs_mf ml-1m --only ranking` and
`python -m benchmarks.choose_topn`.
"""

from __future__ import annotations

import click

from benchmarks.common.options import choose_names, read_config
from benchmarks.common.record import read, write
from benchmarks.topn.protocol import SEEDS, hidden_users, measured, ordered


@click.group(help=__doc__)
def main() -> None:
    pass


@main.command()
@click.option("--only", default="", help="Some of the models of configs/topn-ml-1m.toml.")
@click.option("--seeds", default=SEEDS, show_default=True)
def measure(only: str, seeds: int) -> None:
    """Fit with the chosen settings, measure on the test users; the result file is written after each model."""
    chosen, parts = read_config("topn-ml-1m"), hidden_users()
    for name in choose_names(chosen, only):
        row = measured(name, chosen[name], parts, seeds)
        click.echo(f"{name}: NDCG@100 {row['ndcg@100']:.4f} ± {row['standard_error']:.4f}, "
                   f"Recall@20 {row['recall@20']:.4f}, fit {row['fit_seconds']:.1f} s")  # fmt: skip
        recorded = read("topn-ml-1m", {"rows": []})["rows"]  # read late: other processes may be writing too
        rows = [other for other in recorded if other["name"] != name]
        write("topn-ml-1m", {"data": repr(parts), "split_seed": 0, "rows": ordered([*rows, row])})


if __name__ == "__main__":
    main()
