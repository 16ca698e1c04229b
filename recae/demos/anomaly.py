"""The digit that a network never saw, found by how badly it comes back."""

from __future__ import annotations

from functools import partial

import numpy as np

from recae import plots
from recae._types import Array
from recae.demos.measures import reconstructed, rounded
from recae.demos.stage import Figures, Stage
from recae.demos.words import listed
from recae.training import Reconstruction

MOST = 20_000  # train images of the nine digits


def look(figures: Figures) -> str:
    """What is to be seen."""
    rows = sorted(figures["by_digit"], key=lambda one: -one["auc"])
    bare = min(figures["by_digit"], key=lambda one: one["auc_unnormalised"])
    best, worst = rows[0], rows[-1]
    below = "below chance" if bare["auc_unnormalised"] < 0.5 else "hardest to find"
    found = [str(one["unseen"]) for one in rows if one["auc"] <= 0.5]
    why = ": an image with little ink has little to get wrong" if bare["unseen"] == 1 else ""
    none = f" Not found even so: {listed(found)}." if found else ""
    return (
        "Each network never met one digit and has to tell it from the other nine by its reconstruction error. By the "
        f"bare error a {bare['unseen']} is {below} (AUC {bare['auc_unnormalised']:.2f}){why}. Divided by the image's "
        f"own variance, the error's AUC for it is {bare['auc']:.2f}. Best found is the {best['unseen']} "
        f"({best['auc']:.2f}), worst the {worst['unseen']} ({worst['auc']:.2f}); mean {figures['mean_auc']:.2f}, bare "
        f"{figures['mean_auc_unnormalised']:.2f}; 0.5 is chance.{none}"
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
        f"without {digit}", model, (5, 25), loss="cross-entropy", rows=rows,
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
        title=f"A digit of {noun} that the network never saw: best to worst",
    )  # fmt: skip
    stage.save(figure, "anomaly-roc")
    series = {
        "error over variance": [row["auc"] for row in rows], "error": [row["auc_unnormalised"] for row in rows],
    }  # fmt: skip
    figure = plots.bars(
        [str(d) for d in range(10)], series, xlabel="digit never seen in training", ylabel="AUC",
        title=f"A digit of {noun} that the network never saw", level=(0.5, "by chance"),
    )  # fmt: skip
    stage.save(figure, "anomaly-auc")
