"""Nearest images by code."""

from __future__ import annotations

import numpy as np

from recae import plots
from recae._types import Array
from recae.demos.measures import codes, neighbours, pca, rounded
from recae.demos.recipes import Trained
from recae.demos.stage import Figures, Stage

K = 10
LOOK = (
    "To be seen: eight numbers by a deep autoencoder find neighbours of the same digit nearly as often as all "
    "pixels do, at a small part of the memory and time; on MNIST, PCA's eight mix digits that look alike on "
    "average (8 x 8 digits are so small that PCA is enough). Queries are test images, answers are train images."
)
QUERIES = (4, 9, 5, 3)


def run(stage: Stage) -> Figures:
    digits = stage.digits
    trained, units = encoder(stage), digits.sizes("784-500-250-8")[-1]
    principal = pca(digits.train, units, stage.seed)
    spaces = {
        "pixels": (digits.train.numpy(), digits.test.numpy()),
        f"PCA, {units}": (principal.transform(digits.train.numpy()), principal.transform(digits.test.numpy())),
        f"autoencoder, {units}": (codes(trained.model, digits.train), codes(trained.model, digits.test)),
    }
    found = {name: neighbours(train, test, K) for name, (train, test) in spaces.items()}
    labels, wanted = digits.train_labels.numpy(), digits.test_labels.numpy()
    rows = [
        {
            "space": name, "numbers_an_image": spaces[name][0].shape[1],
            "precision_at_10": rounded((labels[index] == wanted[:, None]).mean(), 4),
        }
        for name, index in found.items()
    ]  # fmt: skip
    stage.table(rows)
    series = {"precision@10": [row["precision_at_10"] for row in rows]}
    figure = plots.bars(
        list(spaces), series, ylabel="precision@10", digits=3, title=f"Neighbours of {digits.noun} test images"
    )
    stage.save(figure, "retrieve-precision")
    _pictures(stage, {name: found[name] for name in list(spaces)[1:]})
    return {"data": digits.source, "spaces": rows}


def encoder(stage: Stage) -> Trained:
    """784-500-250-8 with a linear code, under cross-entropy."""

    def make() -> Trained:
        sizes = stage.digits.sizes("784-500-250-8")
        names = ["relu"] * (len(sizes) - 2) + ["identity"]
        model = stage.network(sizes, activations=names, output="sigmoid")
        return Trained(model, stage.train("retrieve", model, (15, 100), loss="cross-entropy"))

    return stage.once("retrieve", make)


def _pictures(stage: Stage, found: dict[str, Array]) -> None:
    """For each query a row by each space: the query first, then its neighbours."""
    digits = stage.digits
    labels, wanted = digits.train_labels.numpy(), digits.test_labels.numpy()
    # Of each digit the query whose neighbours in the first space (PCA) are least of it.
    hits = (labels[next(iter(found.values()))] == wanted[:, None]).sum(axis=1)
    queries = [min(np.flatnonzero(wanted == digit)[:200], key=lambda query: hits[query]) for digit in QUERIES]
    rows = {}
    for query in queries:
        for name, near in found.items():
            images = [digits.test[query].numpy(), *digits.train[near[query]].numpy()]
            rows[f"{digits.test_labels[query]}: {name}"] = np.stack(images)
    captions = ["query", *(str(n) for n in range(1, K + 1))]
    title = "Queries that PCA finds hard, and their nearest train images"
    stage.save(plots.image_rows(rows, digits.shape, captions=captions, title=title), "retrieve-images")
