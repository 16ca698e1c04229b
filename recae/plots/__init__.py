"""Figures, one function each. Nothing here touches pyplot: no global state, no window, any thread.

Every function draws in `ax`, matplotlib's axes, and returns them; without `ax`, in a new figure, which a notebook
shows. A plot of several panels draws them in the place of `ax`, and returns the axes of all (`Panels`). `save` writes
the figure. Lines differ by dash and marker as well as by colour and classes are lettered, so that a figure can be read
in greyscale too.
"""

from recae.plots.canvas import LINES, Panels, new_figure, save
from recae.plots.histories import attention
from recae.plots.lines import bars, curves, heat, loss_curves
from recae.plots.named_points import beside, intervals, word_map
from recae.plots.pictures import image_rows, mosaic, tiles, weights
from recae.plots.rating_plots import fill, long_tail, ratings_by_month, ratings_by_value, ratings_overview
from recae.plots.scatters import Codes, scatter

__all__ = [
    "LINES", "Codes", "Panels", "attention", "bars", "beside", "curves", "fill", "heat", "image_rows", "intervals",
    "long_tail", "loss_curves", "mosaic", "new_figure", "ratings_by_month", "ratings_by_value", "ratings_overview",
    "save", "scatter", "tiles", "weights", "word_map",
]  # fmt: skip
