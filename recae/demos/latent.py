"""A two-dimensional code of test images, beside PCA's and t-SNE's."""

from __future__ import annotations

import numpy as np

from recae import plots
from recae._types import Array
from recae.demos.measures import codes, knn_accuracy, pca, rounded, silhouette
from recae.demos.recipes import DEEP, squeezed
from recae.demos.stage import Figures, Stage
from recae.plots import Codes

SHOWN = 3000
DIGITS = [str(d) for d in range(10)]
LOOK = (
    "To be seen: two principal components leave the digits in one heap; the two units of a deep autoencoder, which "
    "was shown no label, lay them out in separate streets, also for images it never saw. t-SNE separates more, but "
    "it is no function: it cannot place a new image, and has no way back."
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
        Codes(both_parts["autoencoder, 2 units"][1][:SHOWN], labels, "deep autoencoder"),
        Codes(embedded, labels, "t-SNE (of these images only)", "t-SNE axis"),
    ]
    stage.save(plots.scatter(panels, DIGITS, title=f"{digits.noun} test images in two dimensions"), "latent-2d")
    deep_panel = Codes(
        both_parts["autoencoder, 3 units"][1][:SHOWN], labels, f"{digits.noun} test images, 3 code units"
    )
    stage.save(plots.scatter([deep_panel], DIGITS), "latent-3d")
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
