"""Decoders as generators: what lies between the codes of real images."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from recae import plots
from recae._types import Array
from recae.demos.measures import codes, rounded
from recae.demos.recipes import DEEP, squeezed, variational
from recae.demos.stage import Figures, Stage
from recae.nn import Autoencoder

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SIDE, STEPS = 15, 10
LOOK = (
    "To be seen: walking over the code turns one digit into another through shapes that one could have written. The "
    "plain network's code has empty quarters, where its decoder improvises; the variational one's is filled to the "
    "normal distribution. Halfway in pixels lie two digits at once; halfway in the code lies one."
)


def run(stage: Stage) -> Figures:
    digits = stage.digits
    plain, gaussian = squeezed(stage, DEEP).model, variational(stage, "784-256-128-2").model
    spread = codes(plain, digits.train)
    axes = [np.quantile(spread[:, unit], np.linspace(0.02, 0.98, SIDE)) for unit in (0, 1)]
    stage.save(_grid(plain, axes, digits.shape, "Plain code: its quantiles"), "manifold-plain")
    normal = torch.special.ndtri(torch.linspace(0.03, 0.97, SIDE)).numpy()
    figure = _grid(gaussian, [normal, normal], digits.shape, "Variational code: the normal's quantiles")
    stage.save(figure, "manifold-variational")
    start, end = _pair(stage)
    ways = {
        "in pixels": _between(start, end).numpy(), "in the plain code": _walk(plain, start, end),
        "in the variational code": _walk(gaussian, start, end),
    }  # fmt: skip
    stage.save(plots.image_rows(ways, digits.shape, title="Ways from one test image to another"), "manifold-ways")
    off = {
        "in pixels": _distance(stage, _between(start, end).numpy()),
        "plain code": _distance(stage, ways["in the plain code"]),
        "variational code": _distance(stage, ways["in the variational code"]),
    }
    rows = [{"way": name, "mean_distance_to_nearest_train_image": rounded(d, 3)} for name, d in off.items()]
    stage.table(rows)
    return {"data": digits.source, "ways": rows}


@torch.no_grad()
def _grid(model: Autoencoder, axes: list[Array], shape: tuple[int, int], title: str) -> Figure:
    """Decoded codes; unit 1 grows to the right, unit 2 upwards."""
    points = [(x, y) for y in axes[1][::-1] for x in axes[0]]
    images = model.decode(torch.tensor(np.array(points), dtype=torch.float32))
    return plots.mosaic(1 - images.numpy(), shape, SIDE, title=title)


def _pair(stage: Stage) -> tuple[Tensor, Tensor]:
    """A three and an eight of the test set... or whatever digits are there: the first of each."""
    index = stage.digits.one_of_each()
    return stage.digits.test[index[4]], stage.digits.test[index[0]]


def _between(start: Tensor, end: Tensor) -> Tensor:
    return torch.stack([torch.lerp(start, end, share) for share in torch.linspace(0, 1, STEPS)])


@torch.no_grad()
def _walk(model: Autoencoder, start: Tensor, end: Tensor) -> Array:
    code = model.encode(torch.stack([start, end]))
    return model.decode(_between(code[0], code[1])).numpy()


def _distance(stage: Stage, images: Array) -> float:
    """How far the images in between are from the nearest train image (Euclidean), on average."""
    return float(torch.cdist(torch.from_numpy(images[1:-1]), stage.digits.train).min(1).values.mean())
