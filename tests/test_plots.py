"""Figures: what is drawn, and that it can be read."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from recae import plots
from recae.errors import ParameterError
from recae.plots import Codes
from recae.plots.scatters import apart
from recae.training import History


def images(n: int = 6) -> np.ndarray:
    return np.random.default_rng(0).random((n, 12))


def test_a_figure_is_written_small(tmp_path: Path) -> None:
    """save() writes a plain figure with a palette."""
    from PIL import Image

    axes = plots.curves([1, 2, 3], {"a": [1, 2, 3], "b": [3, 2, 1]}, xlabel="x", ylabel="y")
    path = plots.save(axes, tmp_path / "a.png")
    picture = Image.open(path)
    assert picture.mode == "P"
    assert picture.width > 400
    assert path.stat().st_size < 50_000


def test_pyplot_is_not_imported(tmp_path: Path) -> None:
    """A process that draws and writes has no pyplot, with its global state; another test of this one may have it."""
    lines = (
        "import sys; from recae import plots",
        "axes = plots.curves([1, 2], {'a': [1, 2]}, xlabel='x', ylabel='y')",
        f"plots.save(axes, {str(tmp_path / 'a.png')!r})",
        "assert 'matplotlib.figure' in sys.modules and 'matplotlib.pyplot' not in sys.modules",
    )
    subprocess.run([sys.executable, "-c", "\n".join(lines)], check=True)


@pytest.mark.parametrize("width", [2, 3])
def test_classes_keep_their_colours(width: int, tmp_path: Path) -> None:
    """Ten classes of a scatter, rare ones among thousands of points, are written in the colours they were given."""
    from matplotlib import colormaps
    from PIL import Image

    rng = np.random.default_rng(0)
    labels = np.where(rng.random(3000) < 0.9, rng.integers(0, 3, 3000), rng.integers(0, 10, 3000))
    panel = Codes(rng.normal(size=(3000, width)) + labels[:, None], labels, "codes")
    path = plots.save(plots.scatter([panel], [str(d) for d in range(10)]), tmp_path / "a.png")
    written = np.asarray(Image.open(path).convert("RGB")).reshape(-1, 3).astype(int)
    for label in range(10):
        colour = 255 * np.array(colormaps["tab10"](label)[:3])
        half = (colour + 255) / 2  # points are drawn half transparent, on white
        assert min(np.abs(written - colour).max(axis=1).min(), np.abs(written - half).max(axis=1).min()) < 12


def test_labels_are_moved_apart() -> None:
    """Names that would cover each other stand side by side afterwards, inside; one that is free stays."""
    at = np.array([[0.5, 0.5], [0.5, 0.51], [0.51, 0.5], [0.999, 0.1]])
    sizes = np.full((4, 2), 0.06)
    moved = apart(at, sizes)
    for i in range(4):
        for j in range(i):
            assert (np.abs(moved[i] - moved[j]) >= 0.06 - 1e-6).any()
    np.testing.assert_allclose(moved[3], [0.97, 0.1])
    assert np.abs(moved[:3] - 0.5).max() < 0.12


def test_right_and_wrong_images_are_marked() -> None:
    """A wrong image is crossed out, a right one is framed, in different colours; others stay as they were."""
    drawn = plots.image_rows({"a": images(3)}, (3, 4), marks={"a": [None, True, False]})
    colours = [axes.spines["left"].get_edgecolor() for axes in drawn]
    assert len(set(colours)) == 3
    assert [len(axes.lines) for axes in drawn] == [0, 0, 1]


def test_weights_share_one_scale() -> None:
    """Both mosaics are drawn between the same ends, the percentile of both together, with a labelled scale."""
    drawn = plots.weights({"small": images(6) - 0.5, "large": 9 * (images(6) - 0.5)}, (3, 4), columns=3)
    limits = {axes.images[0].get_clim() for axes in drawn}
    assert len(limits) == 1
    low, high = limits.pop()
    assert low == -high
    assert 3 < high <= 4.5
    assert drawn.figure.axes[2].get_ylabel() == "weight"


def test_bars_may_have_a_level() -> None:
    """A horizontal that chance would give is drawn and named."""
    axes = plots.bars(["x"], {"a": [0.7]}, ylabel="AUC", level=(0.5, "by chance"))
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["by chance", "a"]


def test_curves_are_labelled_and_told_apart_without_colour() -> None:
    """Axes have names, lines have a legend, and each line has a dash or a marker of its own."""
    axes = plots.curves([1, 2, 4], {"a": [3, 2, 1], "b": [1, 2, 3]}, xlabel="units", ylabel="error", log_x=True,
                        log_y=True, level=(0.5, "bar"))  # fmt: skip
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("units", "error")
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["a", "b", "bar"]
    looks = {(line.get_linestyle(), line.get_marker()) for line in axes.lines[:2]}
    assert len(looks) == 2


def test_loss_curves_show_train_and_validation() -> None:
    """A history with validation gives two lines, one without gives one."""
    records = [{"epoch": e, "loss": 1 / e, "validation": 2 / e} for e in (1, 2, 3)]
    without = [{**r, "validation": None} for r in records]
    axes = plots.loss_curves({"a": History(records), "b": History(without)}, ylabel="loss")
    assert [line.get_label() for line in axes.lines] == ["a, train", "a, validation", "b, train"]


def test_image_rows_are_named_and_captioned() -> None:
    """A row of images for each name, captions above the first, and an empty cell where a row is shorter."""
    drawn = plots.image_rows({"original": images(3), "copy": images(2)}, (3, 4), captions="xyz", title="t")
    assert len(drawn) == 6
    assert drawn[0].get_ylabel() == "original"
    assert drawn[1].get_title() == "y"
    assert len(drawn[5].images) == 0


def test_tiles_stand_where_they_should() -> None:
    """The picture of all images holds each unchanged, row by row, with lines of the value asked for between."""
    three = images(3)
    picture = plots.tiles(three, (3, 4), columns=2)
    assert picture.shape == (3 + 1 + 3, 4 + 1 + 4)
    np.testing.assert_allclose(picture[4:7, :4], three[2].reshape(3, 4))
    assert (picture[:, 4] == 1).all()
    assert (plots.tiles(three, (3, 4), columns=2, between=7.0)[:, 4] == 7).all()


@pytest.mark.parametrize("width", [2, 3])
def test_scatters_letter_their_classes(width: int) -> None:
    """In two and three dimensions every class that occurs is named at its median."""
    rng = np.random.default_rng(0)
    panel = Codes(rng.normal(size=(30, width)), np.arange(30) % 3, "codes")
    axes = plots.scatter([panel], ["a", "b", "c", "absent"])[0]
    assert [text.get_text() for text in axes.texts] == ["a", "b", "c"]
    assert axes.get_xlabel() == "code unit 1"


def test_codes_of_four_units_cannot_be_drawn() -> None:
    """A scatter of four dimensions is refused."""
    with pytest.raises(ParameterError, match="4 units"):
        plots.scatter([Codes(np.zeros((3, 4)), np.zeros(3), "t")], ["a"])


def test_bars_say_their_values() -> None:
    """Each bar carries its value, series have a legend, and whiskers are drawn where given."""
    axes = plots.bars(["x", "y"], {"a": [0.25, 0.5], "b": [1, 0.75]}, ylabel="share",
                      spread={"a": [0.1, 0.1], "b": [0, 0]})  # fmt: skip
    assert {"0.25", "0.50", "1.00", "0.75"} <= {text.get_text() for text in axes.texts}
    assert len(axes.get_legend().get_texts()) == 2


def test_heat_has_a_scale() -> None:
    """A table of shades has a labelled scale beside it and its columns' names below."""
    axes = plots.heat(np.eye(3, 4), columns=list("abcd"), xlabel="digit", ylabel="unit", label="activation")
    assert [tick.get_text() for tick in axes.get_xticklabels()] == list("abcd")
    assert axes.figure.axes[1].get_ylabel() == "activation"


def test_attention_has_a_bar_for_each_weight() -> None:
    """Bars are as long as the weights, in the order given; the dotted line is at equal weights; no panel is empty."""
    above, below = plots.attention([("one", 0.7), ("two", 0.3)], [("a", 0.5), ("b", 0.25), ("c", 0.25)])
    assert [bar.get_width() for bar in above.patches] == [0.7, 0.3]
    assert [text.get_text() for text in below.get_yticklabels()] == ["a", "b", "c"]
    assert below.lines[0].get_xdata()[0] == pytest.approx(1 / 3)
    assert above.get_ylim()[0] > above.get_ylim()[1]  # the first one is at the top
    assert [text.get_text() for text in above.get_legend().get_texts()] == ["equal weights"]
    assert len(plots.attention([], [("a", 1.0)])) == 1
