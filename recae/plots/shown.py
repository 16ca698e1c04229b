"""A figure and axes that a notebook shows as a picture: pyplot shows only figures that it made itself."""

from __future__ import annotations

import io

from matplotlib.axes import Axes
from matplotlib.figure import Figure


class ShownFigure(Figure):
    """A figure that needs no pyplot, and no window, to be seen in a notebook."""

    def _repr_png_(self) -> bytes:
        picture = io.BytesIO()
        self.savefig(picture, format="png")
        return picture.getvalue()


class ShownAxes(Axes):
    """The axes of a `ShownFigure`, which show all of it."""

    def _repr_png_(self) -> bytes:
        figure = self.figure.figure
        assert isinstance(figure, ShownFigure)
        return figure._repr_png_()
