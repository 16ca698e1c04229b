"""Images: rows of them, mosaics, weights."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from recae._types import Array
from recae.plots.canvas import Panels, one_axes, room_for

if TYPE_CHECKING:
    from matplotlib.axes import Axes

RIGHT, WRONG = "#009E73", "#D55E00"  # frames; a wrong image is crossed out as well, for readers without colours
LETTER = 0.072  # inches of a letter of a row's name
BRIGHTEST = 99.5  # per cent of all weights lie within the scale; the few beyond take its ends


def image_rows(
    rows: Mapping[str, Array],
    shape: tuple[int, int],
    *,
    title: str = "",
    captions: Any = None,
    marks: Mapping[str, Sequence[bool | None]] | None = None,
    ax: Axes | None = None,
) -> Panels:
    """Named rows of images, each (n, pixels) with values in [0, 1].

    Args:
        rows: name of a row to its images.
        shape: height and width of an image.
        title: above all.
        captions: above the first row's images.
        marks: name of a row to which of its images are right (True: a green frame) or wrong (False: an orange frame
            and a stroke); None leaves an image as it is.
        ax: axes of a grid in whose place all are drawn; by default a new figure.
    """
    n = max(len(images) for images in rows.values())
    names = 0.3 + LETTER * max(len(line) for name in rows for line in name.split("\n"))
    figure = room_for(ax, names + 0.62 * n, 0.3 + 0.64 * len(rows) + (0.3 if title else 0))
    grid = figure.subplots(len(rows), n, squeeze=False)
    for line, (name, images) in zip(grid, rows.items()):
        right = (marks or {}).get(name, ())
        for axes, image, mark in itertools.zip_longest(line, images, right):
            _image(axes, image, shape, mark)
        line[0].set_ylabel(name, rotation=0, ha="right", va="center", fontsize="small")
    for axes, caption in zip(grid[0], captions if captions is not None else []):
        axes.set_title(str(caption), fontsize="small")
    figure.suptitle(title, fontsize="medium")
    return Panels(grid.flat)


def mosaic(
    images: Array, shape: tuple[int, int], columns: int, *, title: str = "", labels: Any = None, ax: Axes | None = None
) -> Axes:
    """Images (n, pixels) with values in [0, 1] in one grid, row by row; `labels`: what grows to the right, upwards."""
    lines = math.ceil(len(images) / columns)
    scale = 0.5 if max(columns, lines) < 14 else 0.38
    axes = one_axes(ax, scale * columns + 0.3, scale * lines * shape[0] / shape[1] + 0.5)
    axes.imshow(tiles(images, shape, columns), cmap="gray", vmin=0, vmax=1, interpolation="nearest")
    axes.set_xticks([])
    axes.set_yticks([])
    axes.spines[:].set_visible(False)
    if labels is not None:
        axes.set_xlabel(f"{labels[0]} →", fontsize="small")
        axes.set_ylabel(f"{labels[1]} →", fontsize="small")
    axes.set_title(title, fontsize="medium")
    return axes  # type: ignore[no-any-return]


def weights(
    panels: Mapping[str, Array], shape: tuple[int, int], columns: int, *, title: str = "", ax: Axes | None = None
) -> Panels:
    """Mosaics of units' weights (n, pixels) side by side, on one scale: white for, black against, grey nothing."""
    lines = max(math.ceil(len(units) / columns) for units in panels.values())
    largest = float(np.percentile(np.abs(np.concatenate([units.ravel() for units in panels.values()])), BRIGHTEST))
    wide = 0.4 * columns
    figure = room_for(ax, len(panels) * wide + 1.1, 0.4 * lines * shape[0] / shape[1] + 0.8)
    grid = figure.subplots(1, len(panels), squeeze=False)[0]
    for axes, (name, units) in zip(grid, panels.items()):
        picture = tiles(units, shape, columns, between=largest)
        drawn = axes.imshow(picture, cmap="gray", vmin=-largest, vmax=largest, interpolation="nearest")
        axes.set_axis_off()
        axes.set_title(name, fontsize="medium")
    figure.colorbar(drawn, ax=list(grid), label="weight", fraction=0.03, pad=0.02)
    figure.suptitle(title, fontsize="medium")
    return Panels(grid)


def tiles(images: Array, shape: tuple[int, int], columns: int, *, between: float = 1.0, gap: int = 1) -> Array:
    """One picture of all images (n, pixels), row by row, with lines of the value `between` between them."""
    images = np.asarray(images, dtype=np.float64).reshape(len(images), *shape)
    height, width = shape[0] + gap, shape[1] + gap
    lines = math.ceil(len(images) / columns)
    picture = np.full((lines * height - gap, columns * width - gap), between)
    for number, image in enumerate(images):
        top, left = height * (number // columns), width * (number % columns)
        picture[top : top + shape[0], left : left + shape[1]] = image
    return picture


def _image(axes: Any, image: Array | None, shape: tuple[int, int], mark: bool | None = None) -> None:
    axes.set_xticks([])
    axes.set_yticks([])
    for spine in axes.spines.values():
        spine.set_visible(image is not None)
        spine.set_color("0.8" if mark is None else RIGHT if mark else WRONG)
        spine.set_linewidth(0.8 if mark is None else 2)
    if image is not None:
        axes.imshow(np.asarray(image).reshape(shape), cmap="gray_r", vmin=0, vmax=1, interpolation="nearest")
        if mark is False:
            axes.plot([0, 1], [0, 1], color=WRONG, linewidth=1.2, transform=axes.transAxes)
