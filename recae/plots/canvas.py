"""What all figures share: an empty figure, colours, labels, and how one is written."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from matplotlib.figure import Figure

DPI = 110
# Okabe and Ito's colours, told apart by colour-blind readers, with a dash and a marker each.
LINES = (
    ("#0072B2", "-", "o"), ("#D55E00", "--", "s"), ("#009E73", "-.", "^"), ("#555555", ":", "D"),
    ("#CC79A7", (0, (5, 1)), "v"), ("#E69F00", (0, (3, 1, 1, 1)), "P"), ("#56B4E9", (0, (1, 1)), "X"),
)  # fmt: skip
VISIBLE, RARE = 24, 1e-4  # of 255: a change of colour that one sees; the share of pixels that may have it


def new_figure(width: float, height: float) -> Figure:
    """An empty figure, in inches, that lays itself out."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")


def save(figure: Figure, path: str | Path) -> Path:
    """Write `figure` as a PNG: with a palette of 256 colours where the eye sees no difference, else with all colours.

    A palette takes a third of the bytes. It is made for the commonest colours, though, so that classes of few points
    can lose theirs.
    """
    import io

    from PIL import Image

    from recae.atomic import write_bytes

    raw, small = io.BytesIO(), io.BytesIO()
    figure.savefig(raw, format="png", dpi=DPI)
    whole = Image.open(raw).convert("RGB")
    fewer = whole.quantize(256)
    change = np.abs(np.asarray(whole, np.int16) - np.asarray(fewer.convert("RGB"), np.int16)).max(axis=2)
    kept = fewer if np.mean(change > VISIBLE) <= RARE else whole
    kept.save(small, format="png", optimize=True)
    return write_bytes(path, small.getvalue())


def dress(axes: Any, xlabel: str, ylabel: str, title: str) -> None:
    """Labels, a title and a light grid."""
    axes.set_xlabel(xlabel)
    axes.set_ylabel(ylabel)
    axes.set_title(title, fontsize="medium")
    axes.grid(visible=True, color="0.9", linewidth=0.6)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)


def plain_ticks(axis: Any, subs: tuple[int, ...] = (1, 2, 5)) -> None:
    """Numbers as one writes them, 0.02 and not 2 x 10^-2, also between powers of ten."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

    axis.set_major_locator(LogLocator(base=10, subs=subs))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.set_minor_locator(NullLocator())
