"""Figures of ratings, where figures are drawn, and how a notebook shows them."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from cli_helpers import inline
from matplotlib.axes import Axes
from matplotlib.figure import Figure

import recae
from recae import plots
from recae.errors import DataError, ParameterError
from recae.ratings import RatingMatrix
from recae.training import History

HELPERS = {"save", "tiles", "new_figure", "ratings_overview"}  # no plot, or a whole figure


def table(dated: bool = True) -> pd.DataFrame:
    """60 ratings of 7 users and 11 items, between January and April 2021."""
    rng = np.random.default_rng(2)
    pairs = rng.permutation(77)[:60]
    frame = pd.DataFrame({"user": pairs // 11, "item": pairs % 11, "rating": rng.choice([1, 2.5, 4], 60)})
    if dated:
        frame["timestamp"] = 1_609_459_200 + rng.integers(0, 100 * 86_400, 60)
    return frame


def ratings(dated: bool = True) -> RatingMatrix:
    return recae.load(table(dated))


def drawings(ax: Axes | None = None) -> dict[str, Any]:
    """What each plot returns."""
    rng, data, lines = np.random.default_rng(0), ratings(), [("a", 1.0, 2.0), ("b", 2.0, 3.0)]
    images = rng.random((4, 12))
    history = History([{"epoch": 1, "loss": 1.0, "validation": 2.0}, {"epoch": 2, "loss": 0.5, "validation": 1.0}])
    return {
        "attention": lambda: plots.attention([("a", 1.0)], [("b", 0.5), ("c", 0.5)], ax=ax),
        "bars": lambda: plots.bars(["x"], {"a": [0.7]}, ylabel="y", ax=ax),
        "beside": lambda: plots.beside({"p": lines, "q": lines}, names=("m", "n"), xlabel="x", ax=ax),
        "curves": lambda: plots.curves([1, 2], {"a": [1, 2]}, xlabel="x", ylabel="y", ax=ax),
        "fill": lambda: plots.fill(data, ax=ax),
        "heat": lambda: plots.heat(np.eye(3), columns="abc", xlabel="x", ylabel="y", label="l", ax=ax),
        "image_rows": lambda: plots.image_rows({"a": images, "b": images}, (3, 4), ax=ax),
        "intervals": lambda: plots.intervals({"p": [("a", 1.0, None)], "q": [("b", 2.0, (1, 3))]}, xlabel="x", ax=ax),
        "long_tail": lambda: plots.long_tail(data, ax=ax),
        "loss_curves": lambda: plots.loss_curves({"a": history}, ylabel="loss", ax=ax),
        "mosaic": lambda: plots.mosaic(images, (3, 4), 2, ax=ax),
        "ratings_by_month": lambda: plots.ratings_by_month(data, ax=ax),
        "ratings_by_value": lambda: plots.ratings_by_value(data, ax=ax),
        "scatter": lambda: plots.scatter([plots.Codes(rng.random((9, w)), np.arange(9) % 2, "t") for w in (2, 3)],
                                         ["a", "b"], ax=ax),
        "weights": lambda: plots.weights({"a": images, "b": images}, (3, 4), 2, ax=ax),
        "word_map": lambda: plots.word_map(rng.random((3, 2)), ["a", "b", "c"], np.array([0, 0, -1]), ["k"], [], ax=ax),
    }  # fmt: skip


def test_every_plot_takes_axes() -> None:
    """Each function of `recae.plots` that draws has `ax`, and is among those that the next test calls."""
    functions = {name for name in plots.__all__ if inspect.isfunction(getattr(plots, name))} - HELPERS
    assert {name for name in functions if "ax" in inspect.signature(getattr(plots, name)).parameters} == functions
    assert functions == set(drawings())


@pytest.mark.parametrize("name", drawings())
def test_a_plot_stays_in_its_place(name: str) -> None:
    """With the right one of two axes, everything is drawn in the right half of that figure, and axes come back."""
    figure = Figure(figsize=(12, 5), layout="constrained")
    left, right = figure.subplots(1, 2)
    drawn = drawings(right)[name]()
    assert drawn is right or isinstance(drawn, plots.Panels)
    panels = drawn if isinstance(drawn, plots.Panels) else [drawn]
    assert len(panels) == len(set(map(id, panels)))
    figure.canvas.draw()
    assert not left.has_data()
    assert all(axes.has_data() or axes.texts or name == "image_rows" for axes in panels)
    assert min(axes.get_window_extent().x0 for axes in panels) > 5.8 * figure.dpi
    if isinstance(drawn, plots.Panels):
        assert drawn.figure is figure
        assert drawn._repr_png_() is None  # the figure is somebody else's, who shows it


@pytest.mark.parametrize("name", ["long_tail", "beside", "weights"])
def test_a_new_figure_shows_itself(name: str, tmp_path: Path) -> None:
    """Without `ax`, what a plot returns is a PNG to a notebook, and the same whether axes or figure are saved."""
    drawn = drawings()[name]()
    assert drawn._repr_png_().startswith(b"\x89PNG")
    assert drawn.figure._repr_png_().startswith(b"\x89PNG")
    written = [plots.save(one, tmp_path / "a.png").read_bytes() for one in (drawn, drawn.figure)]
    assert written[0] == written[1]


def test_panels_need_a_grid() -> None:
    """Axes at a place of their own, in no grid, cannot be divided."""
    with pytest.raises(ParameterError, match="subplots"):
        drawings(Figure().add_axes((0.1, 0.1, 0.8, 0.8)))["beside"]()


def test_figures_are_written_by_suffix(tmp_path: Path) -> None:
    """SVG and PDF are what they say; another suffix is refused."""
    axes = drawings()["bars"]()
    assert b"<svg" in plots.save(axes, tmp_path / "a.svg").read_bytes()
    assert plots.save(axes, tmp_path / "a.pdf").read_bytes().startswith(b"%PDF")
    with pytest.raises(ParameterError, match=r"\.png, \.svg, \.pdf"):
        plots.save(axes, tmp_path / "a.jpg")


def test_bars_count_values() -> None:
    """A bar a value, as pandas counts them; of 400 different values, 25 ranges that hold all ratings."""
    axes = plots.ratings_by_value(ratings())
    heights = {round(bar.get_x() + bar.get_width() / 2, 6): int(bar.get_height()) for bar in axes.patches}
    assert heights == table()["rating"].value_counts().to_dict()
    many = recae.load(pd.DataFrame({"user": range(400), "item": 0, "rating": np.arange(400) ** 2}))
    axes = plots.ratings_by_value(many)
    assert sum(bar.get_height() for bar in axes.patches) == 400
    assert len(axes.patches) == 25


def test_the_tail_is_that_of_the_counts() -> None:
    """Counts in falling order, and the line where half of all ratings is reached."""
    axes = plots.long_tail(ratings(), "item")
    counts = table()["item"].value_counts().to_numpy()
    tail, half = axes.lines
    assert tail.get_ydata().tolist() == counts.tolist()
    reached = int(half.get_xdata()[0])
    assert counts[: reached - 1].sum() < 30 <= counts[:reached].sum()


def test_months_are_those_of_the_calendar() -> None:
    """Ratings a month as pandas counts them, a month without one included; without times it is refused."""
    frame = table()
    frame = frame[pd.to_datetime(frame["timestamp"], unit="s").dt.month != 2]
    (steps,) = plots.ratings_by_month(recae.load(frame)).patches
    values, edges, _ = steps.get_data()
    by_month = pd.to_datetime(frame["timestamp"], unit="s").dt.month.value_counts()
    assert [int(value) for value in values] == [int(by_month.get(month, 0)) for month in (1, 2, 3, 4)]
    assert edges[0] == np.datetime64("2021-01-01").astype(int)
    with pytest.raises(DataError, match="no times"):
        plots.ratings_by_month(ratings(dated=False))


def test_the_fill_is_the_matrix_in_order() -> None:
    """Of few users and items, each cell is a pair, by falling counts; of many, blocks hold all ratings."""
    data = ratings()
    cells = np.nan_to_num(np.asarray(plots.fill(data).images[0].get_array().filled(np.nan)))
    rows, columns = (np.argsort(-data.counts(by), kind="stable") for by in ("user", "item"))
    np.testing.assert_array_equal(cells, (data.user_rows.toarray() != 0)[np.ix_(rows, columns)])
    rng = np.random.default_rng(0)
    user, item = np.nonzero(rng.random((130, 90)) < rng.random(90) / 2)
    many = recae.load(pd.DataFrame({"user": user, "item": item, "rating": 1.0}))
    shares = np.nan_to_num(np.asarray(plots.fill(many).images[0].get_array().filled(np.nan)))
    sizes = [np.bincount(np.arange(n) * 60 // n) for n in (many.n_users, many.n_items)]
    np.testing.assert_allclose((shares * np.outer(*sizes)).sum(), many.n_ratings)
    assert shares[:, :5].mean() > shares[:, -5:].mean()


@pytest.mark.parametrize(("dated", "panels"), [(True, 5), (False, 4)])
def test_the_overview_has_all(dated: bool, panels: int) -> None:
    """Five panels, four where there are no times."""
    assert len(plots.ratings_overview(ratings(dated))) == panels


def test_the_command_draws_the_data(tmp_path: Path) -> None:
    """`recae data info --plot` writes the figure beside the facts; a wrong suffix, and no ratings, are refused."""
    done = inline("data", "info", "sample", "--plot", tmp_path / "sample.png")
    assert done.exit_code == 0
    assert "80,000" in done.stdout
    assert (tmp_path / "sample.png").read_bytes().startswith(b"\x89PNG")
    assert "suffix .png" in inline("data", "info", "sample", "--plot", tmp_path / "sample.jpg").stderr
    assert "no ratings of 'mnist'" in inline("data", "info", "mnist", "--plot", tmp_path / "mnist.png").stderr


def test_a_store_is_drawn_as_its_ratings_are(tmp_path: Path) -> None:
    """The figure of a store, which is read in chunks, is the one of the same ratings in memory."""
    file = tmp_path / "r.csv"
    table().to_csv(file, index=False)
    recae.prepare_store([file], tmp_path / "store", progress=False)
    stored, plain = recae.load(tmp_path / "store"), recae.load(file)
    found = [plots.long_tail(one, "user").lines[0].get_ydata().tolist() for one in (stored, plain)]
    assert found[0] == found[1]
    values = [[bar.get_height() for bar in plots.ratings_by_value(one).patches] for one in (stored, plain)]
    assert values[0] == values[1]
