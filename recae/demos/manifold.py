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
from recae.demos.words import row
from recae.nn import Autoencoder
from recae.plots import Codes

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SIDE, STEPS = 15, 10
PAIRS = 20  # of test images, for the distances
SHOWN, INNER = 3000, 0.02  # points drawn; share of the codes beyond each side of the grid's box
DRAWN = ((4, 0), (3, 8), (7, 2))  # digits at the ends of the ways that are drawn


def look(figures: Figures) -> str:
    """What is to be seen."""
    ways = figures["ways"]
    pixels = row(ways, "in pixels")["distance"]
    nearer = [(one["distance"], one["way"]) for one in ways[1:] if one["distance"] < pixels]
    found = f"no way through a code is nearer than mixed pixels here ({pixels:.2f})"
    if nearer:
        distance, way = min(nearer)
        against = f"mixed pixels {pixels:.2f}; {figures['pairs']} pairs"
        found = f"nearest are the images on the way {way} ({distance:.2f}; {against})"
    return (
        "Walking over the code turns one digit into another. The box marks the codes that the grid decodes: where no "
        "image lies a plain network's decoder improvises; a variational code is asked to be a normal distribution. "
        "Halfway in pixels lie two digits at once. Whether the images on the way could be real is measured by the "
        f"distance to the nearest train image: {found}."
    )


def run(stage: Stage) -> Figures:
    digits = stage.digits
    plain, flat = squeezed(stage, DEEP).model, variational(stage, "784-256-128-2").model
    full = variational(stage).model
    spread = codes(plain, digits.train)
    at = np.linspace(INNER, 1 - INNER, SIDE)
    axes = [np.quantile(spread[:, unit], at) for unit in (0, 1)]
    normal = torch.special.ndtri(torch.from_numpy(at)).numpy()
    stage.save(_grid(plain, axes, digits.shape, "Plain code, decoded at its quantiles"), "manifold-plain")
    figure = _grid(flat, [normal, normal], digits.shape, "Variational code, decoded at the normal's quantiles")
    stage.save(figure, "manifold-variational")
    _boxes(stage, plain, flat, axes, normal)
    networks = {"in the plain code, 2 units": plain, "in the variational code, 2": flat}
    networks[f"in the variational code, {full.decoder.code_width}"] = full
    _draw_ways(stage, networks)
    rows = [{"way": name, "distance": rounded(d, 3)} for name, d in _distances(stage, networks).items()]
    stage.table(rows)
    return {"data": digits.source, "pairs": PAIRS, "ways": rows}


@torch.no_grad()
def _grid(model: Autoencoder, axes: list[Array], shape: tuple[int, int], title: str) -> Axes:
    """Decoded codes; unit 1 grows to the right, unit 2 upwards."""
    points = [(x, y) for y in axes[1][::-1] for x in axes[0]]
    images = model.decode(torch.tensor(np.array(points), dtype=torch.float32))
    return plots.mosaic(1 - images.numpy(), shape, SIDE, title=title, labels=("code unit 1", "code unit 2"))


def _boxes(stage: Stage, plain: Autoencoder, flat: Autoencoder, axes: list[Array], normal: Array) -> None:
    """Where the codes of test images lie, and which part of the plane each grid was decoded from."""
    rows, labels = stage.digits.test[:SHOWN], stage.digits.test_labels[:SHOWN].numpy()
    panels = [
        Codes(codes(plain, rows), labels, "plain code", box=np.array([[a[0], a[-1]] for a in axes]).T),
        Codes(codes(flat, rows), labels, "variational code", box=np.array([[normal[0]] * 2, [normal[-1]] * 2])),
    ]
    names = [str(digit) for digit in range(10)]
    title = f"Codes of {stage.digits.noun} test images, and the box that each grid decodes"
    stage.save(plots.scatter(panels, names, title=title), "manifold-codes")


def _draw_ways(stage: Stage, networks: dict[str, Autoencoder]) -> None:
    digits = stage.digits
    first = digits.one_of_each()
    rows = {}
    for start, end in DRAWN:
        a, b = digits.test[first[start]], digits.test[first[end]]
        rows[f"{start} to {end}: in pixels"] = _between(a, b).numpy()
        rows |= {f"{start} to {end}: {name}": _walk(model, a, b) for name, model in networks.items()}
    stage.save(plots.image_rows(rows, digits.shape, title="Ways from one test image to another"), "manifold-ways")


def _distances(stage: Stage, networks: dict[str, Autoencoder]) -> dict[str, float]:
    """Mean distance to the nearest train image of the images in between, over pairs of test images."""
    draw = torch.Generator().manual_seed(stage.seed)
    pairs = stage.digits.test[torch.randperm(len(stage.digits.test), generator=draw)[: 2 * PAIRS]].reshape(PAIRS, 2, -1)
    ways = {"in pixels": [_between(a, b).numpy() for a, b in pairs]}
    ways |= {name: [_walk(model, a, b) for a, b in pairs] for name, model in networks.items()}
    return {name: _distance(stage, np.concatenate([way[1:-1] for way in found])) for name, found in ways.items()}


def _between(start: Tensor, end: Tensor) -> Tensor:
    return torch.stack([torch.lerp(start, end, share) for share in torch.linspace(0, 1, STEPS)])


@torch.no_grad()
def _walk(model: Autoencoder, start: Tensor, end: Tensor) -> Array:
    code = model.encode(torch.stack([start, end]))
    return model.decode(_between(code[0], code[1])).numpy()


def _distance(stage: Stage, images: Array) -> float:
    """Mean Euclidean distance to the nearest train image."""
    return float(torch.cdist(torch.from_numpy(images), stage.digits.train).min(1).values.mean())
