"""The digit that a network never saw, found by how badly it comes back."""

from __future__ import annotations

from functools import partial

import numpy as np

from recae import plots
from recae._types import Array
from recae.demos.measures import reconstructed, rounded
from recae.demos.stage import Figures, Stage
from recae.training import Reconstruction

MOST = 20_000  # train images of the nine digits
LOOK = (
    "To be seen: each curve belongs to a network that never met one digit and has to tell it from the other nine "
    "by reconstruction error alone. Loops and crossings that it never drew stand out. On MNIST a one cannot be "
    "found by the bare error: it is so simple that any network draws it, seen or not. Dividing the error by the "
    "image's own variance makes up for that; a nine, nearly a four, stays hard."
)


def run(stage: Stage) -> Figures:
    digits = stage.digits
    rows, lines, at = [], {}, {}
    for digit in range(10):
        plain, normed = stage.once(f"anomaly {digit}", partial(_errors, stage, digit))
        strange = digits.test_labels.numpy() == digit
        rows.append(
            {
                "unseen": digit, "auc": rounded(_auc(strange, normed), 4),
                "auc_unnormalised": rounded(_auc(strange, plain), 4),
            }
        )  # fmt: skip
        at[digit], lines[digit] = _roc(strange, normed)
    means = {name: rounded(float(np.mean([row[name] for row in rows])), 4) for name in ("auc", "auc_unnormalised")}
    stage.table([*rows, {"unseen": "mean", **means}])
    _pictures(stage, rows, at, lines)
    return {"data": digits.source, "by_digit": rows, "mean_auc": means["auc"],
            "mean_auc_unnormalised": means["auc_unnormalised"]}  # fmt: skip


def _errors(stage: Stage, digit: int) -> tuple[Array, Array]:
    """Of each test image: squared error a pixel, and the same divided by the image's variance over its pixels."""
    digits = stage.digits
    rows = digits.train[digits.train_labels != digit][:MOST]
    known = digits.validation[digits.validation_labels != digit]
    model = stage.network(digits.sizes("784-256-64-32"), activations="relu", output="sigmoid")
    stage.train(
        f"without {digit}", model, (5, 40), loss="cross-entropy", rows=rows,
        validate=Reconstruction("cross-entropy").on(known),
    )  # fmt: skip
    error = (reconstructed(model, digits.test) - digits.test).square().mean(1)
    return error.numpy(), (error / digits.test.var(1)).numpy()


def _auc(strange: Array, error: Array) -> float:
    from sklearn.metrics import roc_auc_score

    return float(roc_auc_score(strange, error))


def _roc(strange: Array, error: Array) -> tuple[Array, Array]:
    from sklearn.metrics import roc_curve

    false, true, _ = roc_curve(strange, error)
    return false, true


def _pictures(stage: Stage, rows: list[Figures], at: dict[int, Array], lines: dict[int, Array]) -> None:
    noun = stage.digits.noun
    best = sorted(range(10), key=lambda digit: -rows[digit]["auc"])
    shown = [best[0], best[4], best[-2], best[-1]]
    grid = np.linspace(0, 1, 101)
    named = {f"{d} unseen, AUC {rows[d]['auc']:.2f}": np.interp(grid, at[d], lines[d]).tolist() for d in shown}
    named["by chance"] = grid.tolist()
    figure = plots.curves(
        grid.tolist(), named, xlabel="false alarms among the nine digits", ylabel="found of the unseen digit",
        title=f"Anomalies in {noun}: best, middle and worst digits",
    )  # fmt: skip
    stage.save(figure, "anomaly-roc")
    series = {
        "error over variance": [row["auc"] for row in rows], "error": [row["auc_unnormalised"] for row in rows],
    }  # fmt: skip
    figure = plots.bars([str(d) for d in range(10)], series, xlabel="digit never seen in training", ylabel="AUC")
    stage.save(figure, "anomaly-auc")
