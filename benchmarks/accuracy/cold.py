"""RMSE of models with features on users and items without a single rating: MovieLens-100K, a tenth of each hidden.

\b
    python -m benchmarks.cold                 # five draws
    python -m benchmarks.cold --draws 1

For each draw, 10 % of the users and 10 % of the items lose all ratings. Three parts are predicted by a model that
learnt from the rest: cold users with known items, known users with cold items, and cold users with cold items. It is
compared with mu + b_u + b_i, where the deviation of a cold user or item is 0: this is what models without features
predict. Settings are the models' defaults, except those named here. Draw 0 was used while the features were developed
(the mean output weights of cold columns, the default of `column_l2`, how weights of features are estimated), so it is
left out: draws start at 1. Draws 100 to 102, of the same users and items, were looked at, too, while the weights of
features were made. Each row's figure of "cold users" and "cold items" stands beside that of the biases with the
standard error of their difference, over the draws.
"""

from __future__ import annotations

from typing import Any

import click
import numpy as np

from benchmarks.common.record import write
from benchmarks.common.timing import timed

PARTS = ("cold users", "cold items", "both cold")
ROWS: dict[str, tuple[str, dict[str, Any]]] = {
    "bias": ("bias", {}),
    "cfn, item-based": ("cfn", {"by": "item", "hide_rows": 0.1, "beta": 1.0, "mask_input": True}),
    "cfn, user-based": ("cfn", {"by": "user", "hide_rows": 0.1, "beta": 1.0, "mask_input": True}),
    "wide-deep, item-based": ("wide-deep", {"by": "item", "hide_rows": 0.1, "mask_input": True}),
}


def hidden(data: Any, seed: int) -> tuple[Any, dict[str, Any]]:
    """The ratings learnt from, and for each part which ratings belong to it."""
    rng, (users, items, _) = np.random.default_rng(seed), data.pairs()
    cold_user = np.isin(users, rng.choice(data.n_users, data.n_users // 10, replace=False))
    cold_item = np.isin(items, rng.choice(data.n_items, data.n_items // 10, replace=False))
    masks = (cold_user & ~cold_item, ~cold_user & cold_item, cold_user & cold_item)
    return data.select(~cold_user & ~cold_item), dict(zip(PARTS, masks))


def one_fit(data: Any, seed: int, model_name: str, params: dict[str, Any]) -> dict[str, Any]:
    """RMSE on each part, and the seconds of the fit."""
    import recae
    from recae.metrics import rmse

    train, parts = hidden(data, seed)
    model = recae.make_model(model_name, **params)
    seconds, _ = timed(lambda: model.fit(train))
    figures: dict[str, Any] = {"seed": seed, "seconds": seconds}
    users, items, ratings = data.pairs()
    for part, mask in parts.items():
        figures[part] = rmse(ratings[mask], model.predict_pairs(users[mask], items[mask]))
    return figures


def compared(part: str, fits: list[dict[str, Any]], biases: list[dict[str, Any]]) -> list[float]:
    """Mean over draws of the difference from the biases, and its standard error (0 of a single draw)."""
    differences = np.array([fit[part] - bias[part] for fit, bias in zip(fits, biases)])
    error = differences.std(ddof=1) / np.sqrt(len(differences)) if len(differences) > 1 else 0.0
    return [float(differences.mean()), float(error)]


@click.command(help=__doc__)
@click.option("--draws", default=5, show_default=True, help="How often users and items are drawn.")
def main(draws: int) -> None:
    import recae

    rows: list[dict[str, Any]] = []
    data = recae.load("ml-100k")
    for name, (model, params) in ROWS.items():
        fits = [one_fit(data, seed, model, params) for seed in range(1, draws + 1)]
        means = {part: float(np.mean([fit[part] for fit in fits])) for part in PARTS}
        rows.append({"row": name, "model": model, "params": params, "rmse": means, "fits": fits})
        rows[-1]["less the biases"] = {part: compared(part, fits, rows[0]["fits"]) for part in PARTS}
        click.echo(f"{name:<24}" + "  ".join(f"{part} {means[part]:.4f}" for part in PARTS))
        write("cold-ml-100k", {"rows": rows})


if __name__ == "__main__":
    main()
