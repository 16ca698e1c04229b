"""A linear autoencoder under squared error spans the subspace that PCA finds (Baldi and Hornik, 1989)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from recae import plots
from recae.demos.measures import largest_angle, pca, pca_error, reconstructed, reconstruction_error, rounded
from recae.demos.stage import Figures, Stage
from recae.demos.words import listed
from recae.nn import Autoencoder
from recae.training import Reconstruction, RowBatches

if TYPE_CHECKING:
    from matplotlib.figure import Figure

DIMENSIONS = (1, 2, 4, 8, 16, 32, 64)
ROWS = 6_000  # L-BFGS takes all rows at every step
ON, SMALL = 1.0, 0.1  # per cent of error above PCA's that one does not see; a small angle, in radians


def look(figures: Figures) -> str:
    """What is to be seen."""
    rows = figures["by_dimension"]
    on = [str(row["dimensions"]) for row in rows if row["excess_percent"] <= ON]
    worst = max(rows, key=lambda row: row["excess_percent"])
    near = [str(row["dimensions"]) for row in rows if row["largest_angle_rad"] <= SMALL]
    wide = [row for row in rows if row["largest_angle_rad"] > SMALL]
    errors = f"errors lie on PCA's at k = {listed(on)}" if on else "errors are not yet PCA's at any k"
    rest = f" (at most {worst['excess_percent']:,.1f} % above, at k = {worst['dimensions']})"
    angles = (
        f"The angle between the subspaces is small at k = {listed(near)}" if near else "No angle between them is small"
    )
    if wide:
        angles += (
            f"; at k = {listed([str(row['dimensions']) for row in wide])} it reaches "
            f"{max(row['largest_angle_rad'] for row in wide):.2f} rad: of directions with nearly equal variance, which "
            "cost nearly the same, it has not yet found PCA's"
        )
    plane = "small" if figures["angle_of_the_planes_rad"] <= SMALL else "not small"
    return (
        f"Trained by gradients and told nothing of eigenvectors, the linear autoencoder's {errors}{rest}. {angles}. It "
        "looks for the subspace, not for its axes: in the toy of three dimensions the angle of the two planes is "
        f"{plane} ({figures['angle_of_the_planes_rad']:.4f} rad), and the two codes are rotated against each other."
    )


def run(stage: Stage) -> Figures:
    digits = stage.digits
    rows = digits.train[:ROWS]
    found = [_compare(stage, rows, k) for k in DIMENSIONS if k < digits.pixels]
    stage.table(found)
    lines = {name: [row[key] for row in found] for name, key in (("PCA", "pca"), ("linear autoencoder", "linear_ae"))}
    figure = plots.curves(
        [row["dimensions"] for row in found], lines, xlabel="dimensions of the code",
        ylabel="squared error a pixel, test images", log_x=True, log_y=True,
        title=f"A linear autoencoder and PCA on {digits.noun}",
    )  # fmt: skip
    stage.save(figure, "pca-error")
    _pictures(stage, rows)
    plane = _plane(stage)
    return {"data": digits.source, "rows": len(rows), "by_dimension": found, "angle_of_the_planes_rad": plane}


def _compare(stage: Stage, rows: Tensor, k: int) -> Figures:
    linear, principal = linear_autoencoder(stage, rows, k), pca(rows, k)
    ours, theirs = reconstruction_error(linear, stage.digits.test), pca_error(principal, stage.digits.test)
    return {
        "dimensions": k, "pca": rounded(theirs, 6), "linear_ae": rounded(ours, 6),
        "excess_percent": rounded(100 * (ours / theirs - 1), 3),
        "largest_angle_rad": rounded(largest_angle(_spanned(linear), principal.components_.T), 5),
    }  # fmt: skip


def _spanned(linear: Autoencoder) -> np.ndarray:
    """The decoder's columns, which span what the autoencoder can say: (n, k)."""
    weight: np.ndarray = linear.decoder.layers[-1].weight.detach().numpy()  # type: ignore[union-attr,index]
    return weight


def linear_autoencoder(stage: Stage, rows: Tensor, k: int) -> Autoencoder:
    """n-k-n without activations, trained with L-BFGS on all rows at once, from their mean."""

    def make() -> Autoencoder:
        model = stage.network([rows.shape[1], k], activations="identity")
        with torch.no_grad():
            model.decoder.layers[-1].bias.copy_(rows.mean(0))  # type: ignore[union-attr,index]
        trainer = stage.trainer(f"linear, {k}", 15, lr=1.0, schedule="constant", optimizer="lbfgs")
        trainer.fit(model, RowBatches(rows, batch_size=0), Reconstruction("summed-squared-error"))
        return model.cpu()

    return stage.once(f"linear {k} of {tuple(rows.shape)}", make)


def _pictures(stage: Stage, rows: Tensor) -> None:
    digits = stage.digits
    k = 32 if digits.pixels > 100 else 16
    shown = digits.test[digits.one_of_each()]
    principal = pca(rows, k)
    pictures = {
        "original": shown.numpy(),
        f"PCA, {k}": principal.inverse_transform(principal.transform(shown.numpy())),
        f"linear, {k}": reconstructed(linear_autoencoder(stage, rows, k), shown).numpy(),
    }
    title = f"{digits.noun} test images from {k} numbers: PCA and a linear autoencoder"
    stage.save(plots.image_rows(pictures, digits.shape, title=title), "pca-images")


def _plane(stage: Stage) -> float:
    """Points in space near a plane, and the planes that both find; their angle in radians."""
    draw = np.random.default_rng(stage.seed)
    flat = draw.normal(size=(200, 2)) * (2.0, 1.0)
    space = flat @ np.array([[0.8, 0.3, 0.5], [-0.4, 0.9, 0.1]]) + 0.15 * draw.normal(size=(200, 3))
    rows = torch.from_numpy(space).float()
    linear, principal = linear_autoencoder(stage, rows, 2), pca(rows, 2)
    with torch.no_grad():
        ours = linear.encode(rows).numpy()
    colours = np.arctan2(flat[:, 1], flat[:, 0])
    back = linear.reconstruct(rows).detach().numpy()
    stage.save(_draw_plane(space, back, principal.transform(space), ours, colours), "pca-plane")
    return rounded(largest_angle(_spanned(linear), principal.components_.T), 5)


def _draw_plane(
    space: np.ndarray, back: np.ndarray, theirs: np.ndarray, ours: np.ndarray, colours: np.ndarray
) -> Figure:  # fmt: skip
    """The points with lines to their reconstructions, and both codes, coloured by the place in the plane."""
    figure = plots.new_figure(11, 3.8)
    axes: Any = figure.add_subplot(1, 3, 1, projection="3d")
    axes.scatter(*space.T, c=colours, cmap="hsv", s=10, depthshade=False)
    for point, found in zip(space, back):
        axes.plot(*np.stack([point, found]).T, color="0.6", linewidth=0.6)
    corners = np.array([[a, b] for a in (-1, 1) for b in (-1, 1)]) * np.abs(theirs).max(axis=0)
    axes_of = np.linalg.lstsq(np.c_[theirs, np.ones(len(theirs))], back, rcond=None)[0]
    surface = (np.c_[corners, np.ones(4)] @ axes_of).reshape(2, 2, 3)
    axes.plot_surface(*surface.transpose(2, 0, 1), color="0.7", alpha=0.25)
    axes.set_title("three dimensions, and the plane found", fontsize="medium")
    axes.set_box_aspect(None, zoom=0.85)
    axes.tick_params(labelsize="x-small")
    for place, (name, code) in enumerate({"PCA": theirs, "linear autoencoder": ours}.items(), 2):
        flat = figure.add_subplot(1, 3, place)
        flat.scatter(code[:, 0], code[:, 1], c=colours, cmap="hsv", s=10)
        flat.set_aspect("equal", adjustable="datalim")
        flat.set_title(f"code of {name}", fontsize="medium")
        flat.set_xlabel("component 1" if name == "PCA" else "code unit 1")
        flat.set_ylabel("component 2" if name == "PCA" else "code unit 2")
        flat.tick_params(labelsize="x-small")
    return figure
