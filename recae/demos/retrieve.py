"""Nearest images by code, groups of codes, and what a code saves."""

from __future__ import annotations

import numpy as np

from recae import plots
from recae._types import Array
from recae.demos.measures import codes, neighbours, pca, rounded
from recae.demos.recipes import Trained
from recae.demos.stage import Figures, Stage
from recae.demos.words import compared

K, FIRST = 10, 200  # neighbours; test images of a digit among which the hard query is looked for
HARD, ORDINARY = (4, 9), (5, 3)  # digits of the queries shown: hard for PCA, and as they come
BYTES = 4  # of a number of a code; a pixel is one byte


def look(figures: Figures) -> str:
    """What is to be seen."""
    rows = figures["spaces"]
    pixels, principal, ours = rows
    ahead = ours["precision_at_10"] > principal["precision_at_10"]
    places = ("the pixels", "PCA's numbers", "the code")
    best, where = max(zip(rows, places, strict=True), key=lambda one: one[0]["ari"])
    return (
        f"Of the ten nearest train images by {ours['numbers_an_image']} numbers of a deep autoencoder, "
        f"{ours['precision_at_10']:.3f} are of the query's digit, by all {pixels['numbers_an_image']} pixels "
        f"{pixels['precision_at_10']:.3f}, by as many numbers of PCA {principal['precision_at_10']:.3f}: the code is "
        f"{'ahead of PCA' if ahead else 'not ahead of PCA here'}, at {ours['bytes_an_image']} bytes an image instead "
        f"of {pixels['bytes_an_image']}. Ten groups found by k-means agree best with the digits in {where} "
        f"(adjusted Rand index {best['ari']:.2f}; pixels {pixels['ari']:.2f}); the code's is "
        f"{compared(ours['ari'], pixels['ari'])} the pixels'. Green frames: right; struck out: another digit. "
        f"Ordinary: the first test image of that digit; hard: of the first {FIRST} of that digit, the one "
        "with the fewest right neighbours by PCA."
    )


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
    rows = []
    for name, index in found.items():
        numbers = spaces[name][0].shape[1]
        rows.append(
            {
                "space": name, "numbers_an_image": numbers,
                "bytes_an_image": numbers * (1 if name == "pixels" else BYTES),
                "precision_at_10": rounded((labels[index] == wanted[:, None]).mean(), 4),
                "ari": rounded(grouped(spaces[name][1], wanted, stage.seed), 3),
            }
        )  # fmt: skip
    stage.table(rows)
    series = {"precision@10": [one["precision_at_10"] for one in rows], "k-means, ARI": [one["ari"] for one in rows]}
    figure = plots.bars(
        list(spaces), series, ylabel="precision@10; adjusted Rand index", digits=3,
        title=f"Neighbours and groups, {digits.noun} test images",
    )  # fmt: skip
    stage.save(figure, "retrieve-precision")
    _pictures(stage, found)
    return {"data": digits.source, "spaces": rows}


def grouped(rows: Array, labels: Array, seed: int) -> float:
    """Adjusted Rand index (Hubert and Arabie, 1985) of ten k-means groups of `rows` with their labels."""
    from sklearn.cluster import KMeans
    from sklearn.metrics import adjusted_rand_score

    groups = KMeans(10, n_init=4, random_state=seed).fit_predict(rows)
    return float(adjusted_rand_score(labels, groups))


def encoder(stage: Stage) -> Trained:
    """784-500-250-8 with a linear code, under cross-entropy."""

    def make() -> Trained:
        sizes = stage.digits.sizes("784-500-250-8")
        names = ["relu"] * (len(sizes) - 2) + ["identity"]
        model = stage.network(sizes, activations=names, output="sigmoid")
        return Trained(model, stage.train("retrieve", model, (8, 60), loss="cross-entropy"))

    return stage.once("retrieve", make)


def _pictures(stage: Stage, found: dict[str, Array]) -> None:
    """For each query a row by each space: the query first, then its neighbours, marked as right or wrong."""
    digits = stage.digits
    labels, wanted = digits.train_labels.numpy(), digits.test_labels.numpy()
    # Of hard digits the query whose neighbours by PCA are least of it; of ordinary ones the first.
    hits = (labels[list(found.values())[1]] == wanted[:, None]).sum(axis=1)
    queries = {"ordinary": [int(np.flatnonzero(wanted == digit)[0]) for digit in ORDINARY]}
    queries["hard"] = [
        int(min(np.flatnonzero(wanted == digit)[:FIRST], key=lambda query: hits[query])) for digit in HARD
    ]
    rows, marks = {}, {}
    for kind, chosen in queries.items():
        for query in chosen:
            for name, near in found.items():
                title = f"{wanted[query]}, {kind}: {name}"
                rows[title] = np.stack([digits.test[query].numpy(), *digits.train[near[query]].numpy()])
                marks[title] = [None, *(labels[near[query]] == wanted[query]).tolist()]
    captions = ["query", *(str(n) for n in range(1, K + 1))]
    title = "Test images and their nearest train images (struck out: another digit)"
    figure = plots.image_rows(rows, digits.shape, captions=captions, title=title, marks=marks)
    stage.save(figure, "retrieve-images")
