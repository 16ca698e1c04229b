"""What single units look for: first-layer weights as images, which units fire for which digit, and what rest costs."""

from __future__ import annotations

import numpy as np
import torch

from recae import plots
from recae._types import Array
from recae.demos.measures import codes, rounded
from recae.demos.recipes import RHO, Trained, plain, sparse
from recae.demos.stage import Figures, Stage
from recae.demos.words import percent, row
from recae.nn.losses import bernoulli_kl

SHOWN = 64
TARGETS = (0.05, RHO, 0.3)


def look(figures: Figures) -> str:
    """What is to be seen."""
    usual, rest = row(figures["networks"], "plain"), row(figures["networks"], "sparse")
    larger = usual["weight_spread"] > rest["weight_spread"]
    choosy = rest["choosiness"] > usual["choosiness"]
    return (
        "A unit's weights, as an image, are the pattern that it answers to: grey is no opinion, white for, black "
        "against. Both networks are drawn on one scale: the plain network's weights are "
        f"{'larger' if larger else 'no larger'} (standard deviation {usual['weight_spread']:.3f}, the sparse one's "
        f"{rest['weight_spread']:.3f}). The mean activation of sparse units is "
        f"{rest['mean_activation']:.2f}, that of plain ones {usual['mean_activation']:.2f}; above one half are "
        f"{percent(rest['active_above_half'])} and {percent(usual['active_above_half'])} of their activations. A "
        f"sparse unit's favourite digit makes it {rest['choosiness']:.2f} times as active as the mean digit, a plain "
        f"unit's {usual['choosiness']:.2f} times{': sparse units are the choosier ones' if choosy else ''}. The "
        "penalty that asks for rest, KL(rho || mean activation), is nothing at rho, and rises without bound towards 0 "
        "and 1."
    )


def run(stage: Stage) -> Figures:
    digits = stage.digits
    networks = {"plain": plain(stage), "sparse": sparse(stage)}
    tables = {name: _by_digit(stage, trained) for name, trained in networks.items()}
    panels = {name: _favourites(_weights(trained), tables[name])[:SHOWN] for name, trained in networks.items()}
    columns = 8 if all(len(units) >= SHOWN for units in panels.values()) else 7
    title = f"Weights of {len(panels['plain'])} units each, those that a digit makes most active"
    stage.save(plots.weights(panels, digits.shape, columns, title=title), "features-weights")
    darkest = max(float(table.max()) for table in tables.values())  # one scale for both
    for name, table in tables.items():
        _heat(stage, name, table, darkest)
    _penalty(stage)
    rows = [_row(stage, name, trained, tables[name]) for name, trained in networks.items()]
    stage.table(rows)
    return {"data": digits.source, "networks": rows}


def _weights(trained: Trained) -> Array:
    """(units, pixels)."""
    weights: Array = trained.model.encoder.layers[0].weight.detach().numpy().T  # type: ignore[union-attr,index]
    return weights


def _favourites(weights: Array, table: Array) -> Array:
    """The units' weights in the order of their highest mean activation."""
    ordered: Array = weights[np.argsort(-table.max(axis=1), kind="stable")]
    return ordered


@torch.no_grad()
def _by_digit(stage: Stage, trained: Trained) -> Array:
    """Mean activation of each unit on test images of each digit: (units, 10)."""
    active, labels = codes(trained.model, stage.digits.test), stage.digits.test_labels.numpy()
    return np.stack([active[labels == digit].mean(axis=0) for digit in range(10)], axis=1)


def _heat(stage: Stage, name: str, table: Array, darkest: float) -> None:
    """The units in the order of the digit they answer to most."""
    favourite = table.argmax(axis=1)
    order = np.lexsort((-table.max(axis=1), favourite))
    figure = plots.heat(
        table[order], columns=[str(d) for d in range(10)], xlabel="digit",
        ylabel="unit, by the digit it answers to most",
        label="mean activation, test images", top=darkest, title=f"{name}: which units fire for which digit",
    )  # fmt: skip
    stage.save(figure, f"features-{name}-digits")


def _penalty(stage: Stage) -> None:
    """The penalty of one unit against its mean activation, for several targets."""
    at = torch.linspace(0.005, 0.995, 199)
    lines = {f"rho = {rho:g}": bernoulli_kl(rho, at).tolist() for rho in TARGETS}
    figure = plots.curves(
        at.tolist(), lines, xlabel="mean activation of a unit over the batch", ylabel="KL(rho || mean activation)",
        title="What the sparse penalty asks for",
    )  # fmt: skip
    stage.save(figure, "features-penalty")


def _row(stage: Stage, name: str, trained: Trained, table: Array) -> Figures:
    """How active units are, how choosy (highest mean over mean), how large and how local their weights."""
    active, weights = codes(trained.model, stage.digits.test), _weights(trained)
    power = np.sort(weights**2, axis=1)[:, ::-1].cumsum(axis=1)
    local = (power / power[:, -1:] < 0.5).mean()
    return {
        "network": name, "mean_activation": rounded(active.mean(), 4),
        "active_above_half": rounded((active > 0.5).mean(), 4),
        "choosiness": rounded((table.max(axis=1) / np.maximum(table.mean(axis=1), 1e-6)).mean(), 2),
        "weight_spread": rounded(weights.std(), 4), "pixels_with_half_the_weight": rounded(local, 3),
    }  # fmt: skip
