"""RMSE on users and items without a single rating, by features and without: a tenth of each hidden.

\b
    python -m benchmarks.cold                          # ml-100k, ml-latest-small and ml-1m, five draws each
    python -m benchmarks.cold --data ml-100k --draws 1

For each draw, 10 % of the users and 10 % of the items lose all ratings. Three parts are predicted by a model that
learnt from the rest: cold users with known items, known users with cold items, and cold users with cold items. Rows
are mu + b_u + b_i with deviations of 0 for who has no ratings, as most programs have it; `bias`, which expects of an
item what the items have that the user rated, and likewise of a user; and CFN and Hybrid, with the features of
both. Who has no ratings is answered for by their regressions, in which a network has no part, so it is trained for one
epoch; WideDeep answers as CFN. Settings are defaults. How cold ones are answered for was developed on draws 0 and 100
to 107, so draws start at 1. Each figure stands beside that of `bias` with the standard error of their difference, over
the draws.
"""

from __future__ import annotations

from typing import Any

import click
import numpy as np

from benchmarks.common.record import write
from benchmarks.common.timing import timed

PARTS = ("cold users", "cold items", "both cold")
SETS = ("ml-100k", "ml-latest-small", "ml-1m")
ZERO = "mu + b_u + b_i, 0 for the cold"
ROWS: dict[str, tuple[str, dict[str, Any]]] = {
    "bias": ("bias", {}),
    ZERO: ("bias", {}),
    "cfn": ("cfn", {"epochs": 1}),
    "hybrid": ("hybrid", {"base": {"model": "dual-autorec", "epochs": 1}}),
}


def hidden(data: Any, seed: int) -> tuple[Any, dict[str, Any]]:
    """The ratings learnt from, and for each part which ratings belong to it."""
    rng, (users, items, _) = np.random.default_rng(seed), data.pairs()
    cold_user = np.isin(users, rng.choice(data.n_users, data.n_users // 10, replace=False))
    cold_item = np.isin(items, rng.choice(data.n_items, data.n_items // 10, replace=False))
    masks = (cold_user & ~cold_item, ~cold_user & cold_item, cold_user & cold_item)
    return data.select(~cold_user & ~cold_item), dict(zip(PARTS, masks))


def one_fit(data: Any, seed: int, row: str) -> dict[str, Any]:
    """RMSE on each part, and the seconds of the fit."""
    import recae
    from recae.metrics import rmse

    train, parts = hidden(data, seed)
    model: Any = recae.make_model(ROWS[row][0], **ROWS[row][1])
    seconds, _ = timed(lambda: model.fit(train))
    figures: dict[str, Any] = {"seed": seed, "seconds": seconds}
    users, items, ratings = data.pairs()
    for part, mask in parts.items():
        pairs = users[mask], items[mask]
        said = model._baseline().at(*pairs) if row == ZERO else model.predict_pairs(*pairs)
        figures[part] = rmse(ratings[mask], np.clip(said, *data.scale))
    return figures


def compared(part: str, fits: list[dict[str, Any]], biases: list[dict[str, Any]]) -> list[float]:
    """Mean over draws of the difference from the biases, and its standard error (0 of a single draw)."""
    differences = np.array([fit[part] - bias[part] for fit, bias in zip(fits, biases)])
    error = differences.std(ddof=1) / np.sqrt(len(differences)) if len(differences) > 1 else 0.0
    return [float(differences.mean()), float(error)]


@click.command(help=__doc__)
@click.option("--data", "names", multiple=True, default=SETS, type=click.Choice(SETS), help="Of these data sets alone.")
@click.option("--draws", type=click.IntRange(1), default=5, show_default=True, help="How often who is cold is drawn.")
def main(names: tuple[str, ...], draws: int) -> None:
    import recae

    for name in names:
        data, rows = recae.load(name), list[dict[str, Any]]()
        for row, (model, params) in ROWS.items():
            fits = [one_fit(data, seed, row) for seed in range(1, draws + 1)]
            means = {part: float(np.mean([fit[part] for fit in fits])) for part in PARTS}
            rows.append({"row": row, "model": model, "params": params, "rmse": means, "fits": fits})
            rows[-1]["less the biases"] = {part: compared(part, fits, rows[0]["fits"]) for part in PARTS}
            click.echo(f"{name:<16}{row:<32}" + "  ".join(f"{part} {means[part]:.4f}" for part in PARTS))
            write(f"cold-{name}", {"rows": rows})


if __name__ == "__main__":
    main()
