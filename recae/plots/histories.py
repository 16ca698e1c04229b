"""One user's history in time: what attention weighs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from recae.plots.canvas import LINES, Panels, dress, room_for

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def attention(
    sessions: Sequence[tuple[str, float]], events: Sequence[tuple[str, float]], *, title: str = "",
    ax: Axes | None = None,
) -> Panels:  # fmt: skip
    """A panel of earlier sessions, and one of the events of the last one: names and weights, from first to last.

    The dotted line in either panel is the weight that each would have if all weighed alike ("equal weights").

    Args:
        sessions: of the user before the last one; there may be none.
        events: of the last session, in the order of time.
        title: of the figure.
        ax: axes of a grid in whose place the panels are drawn; without it, a new figure.
    """
    panels = [("sessions before", sessions), ("events of the last session", events)]
    panels = [panel for panel in panels if panel[1]]
    figure = room_for(ax, 7.5, 1.4 + 0.27 * sum(2 + len(lines) for _, lines in panels))
    grid: Any = figure.subplots(len(panels), 1, squeeze=False, height_ratios=[len(lines) + 1 for _, lines in panels])
    for axes, (name, lines), (colour, *_) in zip(grid[:, 0], panels, LINES):
        axes.barh(range(len(lines)), [weight for _, weight in lines], color=colour, height=0.7)
        axes.axvline(1 / len(lines), color="black", linewidth=0.9, linestyle=(0, (1, 2)), label="equal weights")
        axes.set_yticks(range(len(lines)), [label for label, _ in lines], fontsize="small")
        axes.set_ylim(len(lines) - 0.4, -0.6)
        dress(axes, "weight of attention", "", name)
    grid[0, 0].legend(frameon=False, fontsize="small", loc="lower right", bbox_to_anchor=(1.0, 1.0))
    figure.suptitle(title, fontsize="medium")
    return Panels(grid[:, 0])
