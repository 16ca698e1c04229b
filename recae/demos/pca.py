"""A linear autoencoder under squared error spans the subspace that PCA finds (Baldi and Hornik, 1989)."""

from __future__ import annotations

import torch
from torch import Tensor

from recae import plots
from recae.demos.measures import largest_angle, pca, pca_error, reconstructed, reconstruction_error, rounded
from recae.demos.stage import Figures, Stage
from recae.nn import Autoencoder
from recae.training import Reconstruction, RowBatches

DIMENSIONS = (1, 2, 4, 8, 16, 32, 64)
ROWS = 10_000  # L-BFGS takes all rows at every step
LOOK = (
    "To be seen: trained by gradients and told nothing of eigenvectors, the linear autoencoder's errors lie on "
    "PCA's at every number of dimensions, and the angle between the subspaces is small. It finds the subspace, not "
    "its axes: any rotation of the code gives the same output."
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
    return {"data": digits.source, "rows": len(rows), "by_dimension": found}


def _compare(stage: Stage, rows: Tensor, k: int) -> Figures:
    linear, principal = linear_autoencoder(stage, rows, k), pca(rows, k)
    ours, theirs = reconstruction_error(linear, stage.digits.test), pca_error(principal, stage.digits.test)
    angle = largest_angle(linear.decoder.layers[-1].weight.detach().numpy(), principal.components_.T)  # type: ignore[union-attr,index]
    return {
        "dimensions": k, "pca": rounded(theirs, 6), "linear_ae": rounded(ours, 6),
        "excess_percent": rounded(100 * (ours / theirs - 1), 3), "largest_angle_rad": rounded(angle, 5),
    }  # fmt: skip


def linear_autoencoder(stage: Stage, rows: Tensor, k: int) -> Autoencoder:
    """n-k-n without activations, trained with L-BFGS on all rows at once, from their mean."""

    def make() -> Autoencoder:
        model = stage.network([rows.shape[1], k], activations="identity")
        with torch.no_grad():
            model.decoder.layers[-1].bias.copy_(rows.mean(0))  # type: ignore[union-attr,index]
        trainer = stage.trainer(f"linear, {k}", 15, lr=1.0, schedule="constant", optimizer="lbfgs")
        trainer.fit(model, RowBatches(rows, batch_size=0), Reconstruction("summed-squared-error"))
        return model.cpu()

    return stage.once(f"linear {k}", make)


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
    stage.save(plots.image_rows(pictures, digits.shape, title=f"{k} dimensions"), "pca-images")
