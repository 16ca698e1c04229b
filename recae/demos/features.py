"""What single units look for: first-layer weights as images, and which units fire for which digit."""

from __future__ import annotations

import numpy as np
import torch

from recae import plots
from recae._types import Array
from recae.demos.measures import codes, rounded
from recae.demos.recipes import Trained, plain, sparse
from recae.demos.stage import Figures, Stage

SHOWN = 100
LOOK = (
    "To be seen: a unit's weights, as an image, are the pattern that it answers to: grey is no opinion, white for, "
    "black against. Plain units mix strokes from everywhere; sparse ones, which may speak only one time in ten, "
    "settle on single strokes, and most of them answer to some digits and are silent at others."
)


def run(stage: Stage) -> Figures:
    digits = stage.digits
    figures: Figures = {"data": digits.source, "networks": []}
    for name, trained in {"plain": plain(stage), "sparse": sparse(stage)}.items():
        weights = trained.model.encoder.layers[0].weight.detach().numpy().T  # type: ignore[union-attr,index]
        table = _by_digit(stage, trained)
        best = np.argsort(-table.max(axis=1), kind="stable")
        columns = 10 if len(weights) >= SHOWN else 7
        figure = plots.mosaic(
            weights[best[:SHOWN]], digits.shape, columns, signed=True, title=f"{name}: weights of {SHOWN} units"
            if len(weights) > SHOWN else f"{name}: weights of all units",
        )  # fmt: skip
        stage.save(figure, f"features-{name}")
        _heat(stage, name, table)
        figures["networks"].append(_row(stage, name, trained, table))
    stage.table(figures["networks"])
    return figures


@torch.no_grad()
def _by_digit(stage: Stage, trained: Trained) -> Array:
    """Mean activation of each unit on test images of each digit: (units, 10)."""
    active, labels = codes(trained.model, stage.digits.test), stage.digits.test_labels.numpy()
    return np.stack([active[labels == digit].mean(axis=0) for digit in range(10)], axis=1)


def _heat(stage: Stage, name: str, table: Array) -> None:
    """The units in the order of the digit they answer to most."""
    favourite = table.argmax(axis=1)
    order = np.lexsort((-table.max(axis=1), favourite))
    figure = plots.heat(
        table[order], columns=[str(d) for d in range(10)], xlabel="digit",
        ylabel="unit, by the digit it answers to most",
        label="mean activation, test images", title=f"{name}: which units fire for which digit",
    )  # fmt: skip
    stage.save(figure, f"features-{name}-digits")


def _row(stage: Stage, name: str, trained: Trained, table: Array) -> Figures:
    """How active units are, how choosy (highest mean over mean), and how local their weights."""
    active = codes(trained.model, stage.digits.test)
    weights = trained.model.encoder.layers[0].weight.detach().numpy()  # type: ignore[union-attr,index]
    power = np.sort(weights**2, axis=0)[::-1].cumsum(axis=0)
    local = (power / power[-1] < 0.5).mean()
    return {
        "network": name, "mean_activation": rounded(active.mean(), 4),
        "active_above_half": rounded((active > 0.5).mean(), 4),
        "choosiness": rounded((table.max(axis=1) / np.maximum(table.mean(axis=1), 1e-6)).mean(), 2),
        "pixels_with_half_the_weight": rounded(local, 3),
    }  # fmt: skip
