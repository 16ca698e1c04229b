"""What all figures share: an empty figure, colours, labels, and how one is written."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from recae.errors import ParameterError

if TYPE_CHECKING:
    from typing import TypeAlias

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure, SubFigure

    Drawn: TypeAlias = "Axes | Figure | Panels"  # what can be saved

DPI = 110
FORMS = (".png", ".svg", ".pdf")
# Okabe and Ito's colours, told apart by colour-blind readers, with a dash and a marker each.
LINES = (
    ("#0072B2", "-", "o"), ("#D55E00", "--", "s"), ("#009E73", "-.", "^"), ("#555555", ":", "D"),
    ("#CC79A7", (0, (5, 1)), "v"), ("#E69F00", (0, (3, 1, 1, 1)), "P"), ("#56B4E9", (0, (1, 1)), "X"),
)  # fmt: skip
VISIBLE, RARE = 24, 1e-4  # of 255: a change of colour that one sees; the share of pixels that may have it


class Panels(tuple[Any, ...]):
    """The axes of a plot of several panels, in the order of reading. In a notebook they show their figure."""

    __slots__ = ()

    @property
    def figure(self) -> Figure:
        """The figure that they are in."""
        figure: Figure = self[0].figure.figure
        return figure

    def _repr_png_(self) -> bytes | None:
        show = getattr(self.figure, "_repr_png_", None)  # a figure of pyplot shows itself
        return None if show is None else show()


def new_figure(width: float, height: float) -> Figure:
    """An empty figure, in inches, that lays itself out; a notebook shows it."""
    from recae.plots.shown import ShownFigure

    return ShownFigure(figsize=(width, height), layout="constrained")


def one_axes(ax: Axes | None, width: float, height: float) -> Any:
    """`ax`, or the axes of a new figure of so many inches."""
    if ax is not None:
        return ax
    from recae.plots.shown import ShownAxes

    return new_figure(width, height).add_subplot(axes_class=ShownAxes)


def room_for(ax: Axes | None, width: float, height: float) -> Figure | SubFigure:
    """A new figure of so many inches for several panels; or, with `ax`, a part of its figure, in the place of `ax`.

    Raises:
        ParameterError: `ax` has no place in a grid, as those of `plt.subplots` have.
    """
    if ax is None:
        return new_figure(width, height)
    place = ax.get_subplotspec()
    if place is None:
        raise ParameterError("several panels are drawn in its place of a grid, and it has none", name="ax",
                             value=repr(ax), remedy="make it with plt.subplots()")  # fmt: skip
    ax.set_axis_off()
    return ax.figure.add_subfigure(place)


def save(drawn: Drawn, path: str | Path) -> Path:
    """Write a figure, or that of some axes, as .png, .svg or .pdf.

    A PNG has a palette of 256 colours where the eye sees no difference, else all colours. A palette takes a third of
    the bytes. It is made for the commonest colours, though, so that classes of few points can lose theirs.

    Raises:
        ParameterError: the suffix is another one.
    """
    import io

    from PIL import Image

    from recae.atomic import write_bytes

    raw, small, form = io.BytesIO(), io.BytesIO(), Path(path).suffix.lower()
    if form not in FORMS:
        raise ParameterError(name="path", value=str(path), expected=f"a file with the suffix {', '.join(FORMS)}")
    figure: Any = drawn.figure
    figure.figure.savefig(raw, format=form[1:], dpi=DPI)
    if form != ".png":
        return write_bytes(path, raw.getvalue())
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
