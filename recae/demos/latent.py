"""A two-dimensional code of test images, beside PCA's and t-SNE's."""

from __future__ import annotations

import numpy as np

from recae import plots
from recae._types import Array
from recae.demos.measures import by_rank, codes, knn_accuracy, pca, rounded, silhouette
from recae.demos.recipes import DEEP, squeezed
from recae.demos.stage import Figures, Stage
from recae.demos.words import row
from recae.plots import Codes

SHOWN = 3000
DIGITS = [str(d) for d in range(10)]


def look(figures: Figures) -> str:
    """What is to be seen."""
    rows = figures["codes"]
    heap, two, three = row(rows, "PCA"), row(rows, "autoencoder, 2"), row(rows, "autoencoder, 3")
    apart = row(rows, "t-SNE")
    ahead = two["knn_accuracy"] > heap["knn_accuracy"]
    third = "further apart than" if apart["silhouette"] > two["silhouette"] else "no further apart than"
    return (
        f"In two principal components neighbours vote rightly {heap['knn_accuracy']:.2f} of the time; in the two units "
        f"of a deep autoencoder, which was shown no label, {two['knn_accuracy']:.2f}{'' if ahead else ' (no better)'}, "
        f"in three units {three['knn_accuracy']:.2f}, and that for images that it never saw. Its axes are drawn by "
        f"rank, because a few codes lie far outside. t-SNE lays digits {third} the two units (silhouette "
        f"{apart['silhouette']:.2f} and {two['silhouette']:.2f}), but it is no function: it cannot place a new image, "
        "and has no way back."
    )


def run(stage: Stage) -> Figures:
    digits = stage.digits
    deep, three = squeezed(stage, DEEP), squeezed(stage, "784-128-64-12-3")
    principal = pca(digits.train, 2, stage.seed)
    both_parts = {
        "PCA": (principal.transform(digits.train.numpy()), principal.transform(digits.test.numpy())),
        "autoencoder, 2 units": (codes(deep.model, digits.train), codes(deep.model, digits.test)),
        "autoencoder, 3 units": (codes(three.model, digits.train), codes(three.model, digits.test)),
    }
    rows = [_row(stage, name, *pair) for name, pair in both_parts.items()]
    embedded = tsne(digits.test[:SHOWN].numpy(), stage.seed)
    rows.append(_tsne_row(embedded, digits.test_labels[:SHOWN].numpy()))
    stage.table(rows)
    labels = digits.test_labels[:SHOWN].numpy()
    panels = [
        Codes(both_parts["PCA"][1][:SHOWN], labels, "PCA", "component"),
        Codes(by_rank(both_parts["autoencoder, 2 units"][1][:SHOWN]), labels, "deep autoencoder", "rank in code unit"),
        Codes(embedded, labels, "t-SNE (of these images only)", "t-SNE axis"),
    ]
    stage.save(plots.scatter(panels, DIGITS, title=f"{digits.noun} test images in two dimensions"), "latent-2d")
    ranks = by_rank(both_parts["autoencoder, 3 units"][1][:SHOWN])
    panels = [Codes(ranks, labels, f"{digits.noun} test images, 3 code units", "rank in unit")]
    panels += [
        Codes(
            ranks[:, [a, b]], labels, f"units {a + 1} and {b + 1} of these",
            (f"rank in unit {a + 1}", f"rank in unit {b + 1}"),
        )
        for a, b in ((0, 1), (0, 2))
    ]  # fmt: skip
    stage.save(plots.scatter(panels, DIGITS), "latent-3d")
    return {"data": digits.source, "codes": rows}


def tsne(rows: Array, seed: int) -> Array:
    """scikit-learn's t-SNE of PCA's 50 first components: (n, 2)."""
    from sklearn.decomposition import PCA
    from sklearn.manifold import TSNE

    reduced = PCA(min(50, *rows.shape), random_state=seed).fit_transform(rows)
    return np.asarray(TSNE(random_state=seed, init="pca").fit_transform(reduced))


def _row(stage: Stage, name: str, train: Array, test: Array) -> Figures:
    labels, test_labels = stage.digits.train_labels.numpy(), stage.digits.test_labels.numpy()
    return {
        "code": name, "knn_accuracy": rounded(knn_accuracy(train, labels, test, test_labels), 4),
        "silhouette": rounded(silhouette(test, test_labels), 3),
    }  # fmt: skip


def _tsne_row(embedded: Array, labels: Array) -> Figures:
    """t-SNE embeds no new images: half of those embedded vote for the other half."""
    half = len(embedded) // 2
    accuracy = knn_accuracy(embedded[:half], labels[:half], embedded[half:], labels[half:])
    return {
        "code": "t-SNE (half votes for half)", "knn_accuracy": rounded(accuracy, 4),
        "silhouette": rounded(silhouette(embedded, labels), 3),
    }  # fmt: skip
