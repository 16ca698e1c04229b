"""Figures, one function each. Nothing here touches pyplot: no global state, no window, any thread.

Every function gives a `matplotlib.figure.Figure`; `save` writes it. Lines differ by dash and marker as well as by
colour and classes are lettered, so that a figure can be read in greyscale too.
"""

from recae.plots.canvas import LINES, new_figure, save
from recae.plots.lines import bars, curves, heat, loss_curves
from recae.plots.named_points import beside, intervals, word_map
from recae.plots.pictures import image_rows, mosaic, tiles, weights
from recae.plots.scatters import Codes, scatter

__all__ = [
    "LINES", "Codes", "bars", "beside", "curves", "heat", "image_rows", "intervals", "loss_curves", "mosaic",
    "new_figure", "save", "scatter", "tiles", "weights", "word_map",
]  # fmt: skip
