"""Measures that several demos use: of reconstructions, of codes, of neighbours."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from recae._types import Array
from recae.nn import Autoencoder
from recae.nn.layers import Rows


@torch.no_grad()
def codes(model: Autoencoder, rows: Rows, block: int = 2000) -> Array:
    """The code of each row, (n, d)."""
    parts = torch.split(torch.arange(len(rows)), block)
    return torch.cat([model.encode(rows[part]) for part in parts]).numpy()


@torch.no_grad()
def reconstructed(model: Autoencoder, rows: Tensor, block: int = 2000) -> Tensor:
    """Each row's reconstruction, (n, pixels)."""
    return torch.cat([model.reconstruct(part) for part in torch.split(rows, block)])


def reconstruction_error(model: Autoencoder, rows: Tensor) -> float:
    """Squared error a pixel, mean over rows."""
    return float(functional.mse_loss(reconstructed(model, rows), rows))


def psnr(images: Tensor, clean: Tensor) -> float:
    """Peak signal-to-noise ratio in dB, 10 log10(1 / mse) of each image with values in [0, 1], mean over images."""
    mse = (images - clean).square().mean(1).clamp(min=1e-12)
    return float((-10 * torch.log10(mse)).mean())


def knn_accuracy(train: Array, train_labels: Array, test: Array, test_labels: Array, k: int = 10) -> float:
    """Share of test codes whose k nearest train codes vote for their class."""
    from sklearn.neighbors import KNeighborsClassifier

    return float(KNeighborsClassifier(k).fit(train, train_labels).score(test, test_labels))


def taken_for(train: Array, train_labels: Array, test: Array, test_labels: Array, pair: tuple[int, int]) -> float:
    """Share of the test codes of either class of `pair` that their 10 nearest train codes take for the other one."""
    from sklearn.neighbors import KNeighborsClassifier

    either = np.isin(test_labels, pair)
    voted = KNeighborsClassifier(10).fit(train, train_labels).predict(test[either])
    return float((voted == np.where(test_labels[either] == pair[0], pair[1], pair[0])).mean())


def by_rank(values: Array) -> Array:
    """Each column's values replaced by their ranks, from 0 to 1: the order is kept, far points come near."""
    order = values.argsort(axis=0, kind="stable").argsort(axis=0, kind="stable")
    ranks: Array = order / max(1, len(values) - 1)
    return ranks


def precision_at(train: Array, train_labels: Array, test: Array, test_labels: Array, k: int = 10) -> float:
    """Share of the k nearest train rows (Euclidean) that are of the query's class, mean over test rows."""
    return float((train_labels[neighbours(train, test, k)] == test_labels[:, None]).mean())


def neighbours(train: Array, test: Array, k: int = 10, block: int = 500) -> Array:
    """Places of the k nearest train rows of each test row, nearest first: (n_test, k)."""
    t = torch.from_numpy(np.asarray(train, np.float32))
    squares = t.square().sum(1)
    found = []
    for part in torch.split(torch.from_numpy(np.asarray(test, np.float32)), block):
        distance = squares - 2 * part @ t.T  # the query's own square changes no order
        found.append(distance.topk(min(k, len(t)), largest=False).indices)
    return torch.cat(found).numpy()


def silhouette(codes_: Array, labels: Array, most: int = 2000) -> float:
    """Mean silhouette of the first `most` rows (Rousseeuw, 1987): 1 for classes apart, 0 for classes mixed."""
    from sklearn.metrics import silhouette_score

    return float(silhouette_score(codes_[:most], labels[:most]))


def pca(rows: Tensor, k: int, seed: int = 0) -> Any:
    """scikit-learn's PCA with k components, fitted to `rows`."""
    from sklearn.decomposition import PCA

    return PCA(k, svd_solver="covariance_eigh", random_state=seed).fit(rows.numpy())


def pca_error(fitted: Any, rows: Tensor) -> float:
    """Squared error a pixel of PCA's reconstruction."""
    x = rows.numpy()
    return float(np.mean((fitted.inverse_transform(fitted.transform(x)) - x) ** 2))


def largest_angle(a: Array, b: Array) -> float:
    """The largest principal angle between the column spaces of a and b, (n, k) each, in radians."""
    from scipy.linalg import subspace_angles

    return float(subspace_angles(a, b).max())


def rounded(value: float | Tensor, digits: int = 5) -> float:
    """A float for JSON; not finite becomes an error here rather than in a reader."""
    number = float(value)
    if not math.isfinite(number):
        raise ArithmeticError(f"a figure is {number}")
    return round(number, digits)
