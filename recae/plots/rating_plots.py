"""What ratings are like: their values, who gives and gets how many, when, and how full the matrix is."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from recae._types import Array, DoubleArray, IntArray
from recae.plots.canvas import LINES, Panels, dress, new_figure, one_axes, plain_ticks
from recae.ratings import RatingMatrix
from recae.ratings.known_times import timestamps_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes

CHUNK = 1 << 22  # ratings that are looked at together: a store may hold more than memory does
MOST_BARS = 25  # distinct values that have a bar each
BLOCKS = 60  # of users, and of items, in the picture of the matrix
BLUE, ORANGE = LINES[0][0], LINES[1][0]


def ratings_by_value(ratings: RatingMatrix, *, ax: Axes | None = None) -> Axes:
    """How many ratings each value has; above 25 different values, bars are ranges of them."""
    axes = one_axes(ax, 5, 3.4)
    at, counts, width = _by_value(ratings)
    axes.bar(at, counts, 0.86 * width, color=BLUE, alpha=0.8)
    if len(at) <= 10:
        axes.set_xticks(at, [f"{value:g}" for value in at])
    dress(axes, "rating", "ratings", f"mean {ratings.mean:.2f}")
    axes.grid(visible=False, axis="x")
    if len(at) == 1:
        axes.set_xlim(at[0] - 2 * width, at[0] + 2 * width)
    _thousands(axes.yaxis)
    return axes  # type: ignore[no-any-return]


def long_tail(ratings: RatingMatrix, by: Literal["user", "item"] = "item", *, ax: Axes | None = None) -> Axes:
    """How many ratings each user or item has, in falling order, both axes logarithmic; and which of them have half."""
    axes = one_axes(ax, 5, 3.4)
    counts = np.sort(ratings.counts(by))[::-1]
    n, known = len(counts), int((counts > 0).sum())
    half = 1 + int(np.searchsorted(np.cumsum(counts), counts.sum() / 2))
    axes.plot(np.arange(1, known + 1), counts[:known], color=BLUE)
    axes.axvline(half, color=ORANGE, linestyle="--", linewidth=1.2)
    axes.set_xscale("log")
    axes.set_yscale("log")
    plain_ticks(axes.xaxis, (1,))
    plain_ticks(axes.yaxis, (1,) if counts[0] > 300 * counts[known - 1] else (1, 2, 5))
    for axis in (axes.xaxis, axes.yaxis):
        _thousands(axis)
    without = f", {n - known:,} without a rating" if known < n else ""
    title = f"{n:,} {by}s{without}\ndashed: half of all ratings, {half:,} {by}s"
    dress(axes, f"{by}, most ratings first", "ratings", title)
    return axes  # type: ignore[no-any-return]


def ratings_by_month(ratings: RatingMatrix, *, ax: Axes | None = None) -> Axes:
    """How many ratings each month has, in UTC.

    Raises:
        DataError: ratings have no timestamps.
    """
    from matplotlib.dates import AutoDateLocator, ConciseDateFormatter

    times = timestamps_of(ratings, "by which months are counted")
    axes = one_axes(ax, 5, 3.4)
    first, counts = _by_month(times)
    months = first + np.arange(len(counts))
    edges = np.append(months, months[-1] + 1).astype("datetime64[D]").astype(np.float64)  # matplotlib's days of dates
    axes.stairs(counts, edges, fill=True, color=BLUE, alpha=0.8)
    axes.xaxis_date()
    locator = AutoDateLocator(minticks=3, maxticks=8)  # type: ignore[no-untyped-call]
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(ConciseDateFormatter(locator))  # type: ignore[no-untyped-call]
    dress(axes, "month", "ratings", f"{first} to {months[-1]}")
    axes.grid(visible=False, axis="x")
    _thousands(axes.yaxis)
    return axes  # type: ignore[no-any-return]


def fill(ratings: RatingMatrix, *, ax: Axes | None = None) -> Axes:
    """How full the matrix is: users by items, both in falling order of ratings, in blocks; dark where it is full."""
    from matplotlib.colors import LogNorm
    from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

    axes = one_axes(ax, 4.8, 4)
    shares = _filled(ratings)
    low = shares[shares > 0].min()
    shades = axes.imshow(
        np.where(shares > 0, shares, np.nan), cmap="Blues", aspect="auto", interpolation="nearest",
        norm=LogNorm(low, max(shares.max(), 1.01 * low)), extent=(0, ratings.n_items, ratings.n_users, 0),
    )  # fmt: skip
    title = f"{ratings.density:.2%} filled; white: no rating"
    dress(axes, "items, most ratings first", "users, most ratings first", title)
    axes.grid(visible=False)
    for axis in (axes.xaxis, axes.yaxis):
        _thousands(axis)
    axes.locator_params(axis="x", nbins=4)
    scale = axes.figure.colorbar(shades, ax=axes, label="of the pairs have a rating")
    scale.ax.yaxis.set_major_locator(LogLocator(10, subs=(1, 2, 5) if shares.max() < 100 * low else (1,)))
    scale.ax.yaxis.set_major_formatter(FuncFormatter(lambda share, _: f"{100 * share:g}%"))
    scale.ax.yaxis.set_minor_locator(NullLocator())
    return axes  # type: ignore[no-any-return]


def ratings_overview(ratings: RatingMatrix) -> Panels:
    """One figure: ratings by value and by month, the long tails of users and items, and the fill.

    Without timestamps there is no panel of months.
    """
    figure = new_figure(11.5, 7.2)
    dated = ratings.timestamps is not None
    places: Any = figure.subplot_mosaic([list("vvvmmm" if dated else "vvvvvv"), list("uuiiff")])
    drawn = [ratings_by_value(ratings, ax=places["v"])]
    drawn += [ratings_by_month(ratings, ax=places["m"])] if dated else []
    drawn += [long_tail(ratings, "user", ax=places["u"]), long_tail(ratings, "item", ax=places["i"])]
    drawn.append(fill(ratings, ax=places["f"]))
    figure.suptitle(
        f"{ratings.name}: {ratings.n_ratings:,} ratings, {ratings.n_users:,} users, {ratings.n_items:,} items"
    )
    return Panels(drawn)


def _thousands(axis: Any) -> None:
    from matplotlib.ticker import FuncFormatter

    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}" if value == int(value) else f"{value:g}"))


def _chunks(values: Array) -> Iterator[Array]:
    return (np.asarray(values[start : start + CHUNK]) for start in range(0, len(values), CHUNK))


def _by_value(ratings: RatingMatrix) -> tuple[DoubleArray, IntArray, float]:
    """Middles of the bars, how many ratings lie in each, and a bar's width."""
    found: dict[float, int] = {}
    for chunk in _chunks(ratings.user_rows.data):
        for value, count in zip(*np.unique(chunk, return_counts=True)):
            found[float(value)] = found.get(float(value), 0) + int(count)
        if len(found) > MOST_BARS:
            break
    if len(found) <= MOST_BARS:
        values = np.array(sorted(found))
        gap = float(np.diff(values).min()) if len(values) > 1 else 1.0
        return values, np.array([found[value] for value in values]), gap
    low, high = ratings.scale
    edges = np.linspace(low, high, MOST_BARS + 1)
    counts = sum(np.histogram(chunk, edges)[0] for chunk in _chunks(ratings.user_rows.data))
    return (edges[1:] + edges[:-1]) / 2, np.asarray(counts), float(edges[1] - edges[0])


def _by_month(timestamps: IntArray) -> tuple[np.datetime64, IntArray]:
    """The first month, and the ratings of it and of each later one until the last."""
    low, high = (np.datetime64(int(end), "s").astype("datetime64[M]") for end in (timestamps.min(), timestamps.max()))
    counts = np.zeros(int((high - low).astype(int)) + 1, np.int64)
    for chunk in _chunks(timestamps):
        months = chunk.astype("datetime64[s]").astype("datetime64[M]")
        counts += np.bincount((months - low).astype(np.int64), minlength=len(counts))
    return low, counts


def _filled(ratings: RatingMatrix) -> DoubleArray:
    """The share of pairs that have a rating, in each block of users and items, (blocks, blocks)."""
    rows = ratings.user_rows
    blocks = {by: min(BLOCKS, n) for by, n in (("user", ratings.n_users), ("item", ratings.n_items))}
    block_of: dict[str, IntArray] = {}
    for by, n in (("user", ratings.n_users), ("item", ratings.n_items)):
        block_of[by] = np.empty(n, np.int64)
        block_of[by][np.argsort(-ratings.counts(by), kind="stable")] = np.arange(n) * blocks[by] // n  # type: ignore[arg-type]
    counts = np.zeros(blocks["user"] * blocks["item"], np.int64)
    for start in range(0, rows.nnz, CHUNK):
        entries = np.arange(start, min(rows.nnz, start + CHUNK))
        user = np.searchsorted(rows.indptr, entries, side="right") - 1
        at = block_of["user"][user] * blocks["item"] + block_of["item"][rows.indices[entries[0] : entries[-1] + 1]]
        counts += np.bincount(at, minlength=len(counts))
    pairs = np.outer(*(np.bincount(block_of[by], minlength=blocks[by]) for by in ("user", "item")))
    filled: DoubleArray = counts.reshape(pairs.shape) / pairs
    return filled
