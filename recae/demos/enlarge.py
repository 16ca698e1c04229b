"""How a small map becomes a large one: unpooling and transposed convolution in numbers, and three ways on one digit."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from recae import plots
from recae._types import Array
from recae.demos.measures import reconstructed, rounded
from recae.demos.stage import Figures, Stage
from recae.demos.words import row
from recae.nn import Autoencoder

if TYPE_CHECKING:
    from matplotlib.figure import Figure

WAYS = ("nearest", "transposed", "unpool")
ROWS, EPOCHS = 6_000, (3, 15)  # train images; epochs on MNIST and on the small digits
SMALLER = 0.5  # of its maximum: what the other three places of a window get, instead of 0
MAP = torch.tensor([[1.0, 5, 2, 0], [3, 2, 8, 1], [0, 4, 1, 6], [7, 2, 3, 3]])
KERNEL = torch.tensor([[1.0, 2, 1], [2, 4, 2], [1, 2, 1]]) / 4


def look(figures: Figures) -> str:
    """What is to be seen."""
    toy, ways = figures["toy"], figures["ways"]
    boards = {way: row(ways, way)["checkerboard"] for way in WAYS}
    worst = max(boards, key=lambda way: boards[way])
    best = min(ways, key=lambda one: one["test_mse"])
    filled = "less" if toy["error_smaller"] < toy["error_zero"] else "no less"
    return (
        "Pooling keeps each window's maximum and its place. Put back there, with 0 around it, the map errs by "
        f"{toy['error_zero']:.2f} a value; with half the maximum around it by {toy['error_smaller']:.2f}, {filled}; "
        f"repeated in all four places by {toy['error_nearest']:.2f}. A transposed convolution is the convolution of a "
        "map with zeros between its values by the turned kernel (largest difference "
        f"{toy['transposed_difference']:.0e}), and its kernels overlap unevenly: "
        f"{', '.join(str(n) for n in toy['overlaps'])} of them on a value. Untrained, the checkerboard of an even map "
        f"is strongest for {worst} ({boards[worst]:.2f} of the variance; nearest {boards['nearest']:.2f}). After "
        f"training the error is lowest for {best['way']} ({best['test_mse']:.4f}); unpooling is told the places of the "
        "maxima, which are no part of the code."
    )


def run(stage: Stage) -> Figures:
    toy = numbers(stage)
    digits = stage.digits
    models = {way: stage.once(f"enlarge {way}", lambda way=way: _trained(stage, way)) for way in WAYS}  # type: ignore[misc]
    ways = []
    for way, model in models.items():
        error = float((reconstructed(model, digits.test) - digits.test).square().mean())
        ways.append(
            {"way": way, "test_mse": rounded(error, 5), "checkerboard": rounded(checkerboard(_even(stage, way)), 3),
             "parameters": sum(p.numel() for p in model.parameters())}
        )  # fmt: skip
    stage.table(ways)
    _pictures(stage, models)
    return {"data": digits.source, "toy": toy, "ways": ways}


def numbers(stage: Stage) -> Figures:
    """The toy of numbers, with its picture; what each way back misses, and how often kernels overlap."""
    maps = toy_maps()
    whole = maps["a map"]
    overlap = functional.conv_transpose2d(torch.ones(1, 1, 4, 4), torch.ones(1, 1, 3, 3), stride=2, padding=1)[0, 0]
    by_transposed, by_convolution = transposed_twice(maps["pooled"])
    stage.save(
        _draw(maps | {"transposed convolution": by_transposed, "kernels on a value": overlap}), "enlarge-numbers"
    )
    names = {"error_zero": "unpooled, 0", "error_smaller": "unpooled, half", "error_nearest": "nearest"}
    errors = {key: rounded((maps[name] - whole).abs().mean(), 3) for key, name in names.items()}
    difference = float((by_transposed - by_convolution).abs().max())
    counts = sorted({int(value) for value in overlap.flatten().tolist()})
    return {**errors, "transposed_difference": rounded(difference, 9), "overlaps": counts}


def toy_maps() -> dict[str, Tensor]:
    """A 4 x 4 map, its 2 x 2 maxima, and three ways back: remembered places with 0, with half, and repeated."""
    pooled, places = functional.max_pool2d(MAP[None, None], 2, return_indices=True)
    zero = functional.max_unpool2d(pooled, places, [2, 2])[0, 0]
    repeated = functional.interpolate(pooled, scale_factor=2, mode="nearest")[0, 0]
    half = torch.where(zero > 0, zero, SMALLER * repeated)
    return {"a map": MAP, "pooled": pooled[0, 0], "unpooled, 0": zero, "unpooled, half": half, "nearest": repeated}


def transposed_twice(small: Tensor) -> tuple[Tensor, Tensor]:
    """The transposed convolution of a map, (4, 4), and the convolution of the map padded with zeros between and "
    "around."""
    options: Any = {"stride": 2, "padding": 1, "output_padding": 1}
    first = functional.conv_transpose2d(small[None, None], KERNEL[None, None], **options)[0, 0]
    height, width = small.shape
    padded = torch.zeros(2 * height + 2, 2 * width + 2)
    padded[1:-1:2, 1:-1:2] = small
    second = functional.conv2d(padded[None, None], KERNEL.flip(0, 1)[None, None])[0, 0]
    return first, second


def checkerboard(image: Array) -> float:
    """Share of an image's variance that lies between its four classes of odd and even rows and columns, inside it."""
    inner = image[2:-2, 2:-2]
    means = np.array([[inner[a::2, b::2].mean() for b in (0, 1)] for a in (0, 1)])
    total = inner.var()
    return float(means.var() / total) if total > 1e-12 else 0.0


def _network(stage: Stage, way: str) -> Autoencoder:
    return stage.seeded(lambda: Autoencoder.convolutional(stage.digits.shape, (16, 16), up=way))


def _trained(stage: Stage, way: str) -> Autoencoder:
    model = _network(stage, way)
    stage.train(f"enlarging by {way}", model, EPOCHS, loss="cross-entropy", lr=5e-3, rows=stage.digits.train[:ROWS])
    return model


@torch.no_grad()
def _even(stage: Stage, way: str) -> Array:
    """What an untrained network makes of an even grey image: an image (height, width)."""
    grey = torch.full((1, stage.digits.pixels), 0.5)
    return _network(stage, way).reconstruct(grey).reshape(stage.digits.shape).numpy()


def _pictures(stage: Stage, models: dict[str, Autoencoder]) -> None:
    digits = stage.digits
    index = digits.one_of_each()
    rows = {"original": digits.test[index].numpy()}
    rows |= {way: reconstructed(model, digits.test[index]).numpy() for way, model in models.items()}
    title = f"{digits.noun} test images, enlarged in three ways"
    stage.save(plots.image_rows(rows, digits.shape, title=title), "enlarge-images")
    stage.save(_draw_boards({way: _even(stage, way) for way in WAYS}), "enlarge-checkerboard")


def _draw_boards(images: dict[str, Array]) -> Figure:
    figure = plots.new_figure(2.6 * len(images), 3)
    grid: Any = figure.subplots(1, len(images))
    for axes, (name, image) in zip(grid, images.items()):
        axes.imshow(image, cmap="gray", interpolation="nearest")
        axes.set_xticks([])
        axes.set_yticks([])
        axes.set_title(name, fontsize="small")
    figure.suptitle("An even grey image, through untrained networks (each on its own scale)", fontsize="medium")
    return figure


def _draw(maps: dict[str, Tensor]) -> Figure:
    """Small maps of numbers side by side."""
    figure = plots.new_figure(1.95 * len(maps), 2.5)
    grid: Any = figure.subplots(1, len(maps))
    for axes, (name, values) in zip(grid, maps.items()):
        axes.imshow(values.numpy(), cmap="Blues", vmin=0, vmax=1.6 * float(values.max()))
        for (line, column), value in np.ndenumerate(values.numpy()):
            axes.text(column, line, f"{value:g}", ha="center", va="center", fontsize=9)
        axes.set_xticks([])
        axes.set_yticks([])
        axes.set_title(name, fontsize="small")
    return figure
