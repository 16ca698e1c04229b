"""GLocal-K's global stage: a convolution over the rating matrix, computed where a rating is near."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from scipy import sparse
from torch import Tensor, nn

from recae._types import IntArray
from recae.errors import ParameterError, Phrase, Remedy
from recae.models.item_codes.kernel_network import KernelNetwork
from recae.nn.losses import masked_squared_error
from recae.ratings import RatingMatrix
from recae.recommender.memory import GIB, available_bytes
from recae.sparse import SparseRows, sddmm
from recae.training import Batch

ORDERS: tuple[str, ...] = ("given", "popularity", "singular")
DENSE_FROM = 0.05  # share of entries with a rating near: above it a dense product is faster than the sparse loops
WIDTH = 3  # of the convolution's kernel, and its height
CENTRE = WIDTH * WIDTH // 2


class Neighbourhoods(NamedTuple):
    """The input of a 3 x 3 convolution: an entry for each item and user with at least one rating near.

    Attributes:
        pattern: sparse rows (n_items, n_users) of those entries.
        around: (nnz, 9), the ratings around each entry, row by row of the kernel; 0 where there is none.
    """

    pattern: SparseRows
    around: Tensor

    def convolved(self, kernel: Tensor) -> SparseRows:
        """ReLU of the SAME convolution by `kernel` (9,), which is not mirrored, as in PyTorch and TensorFlow.

        It is 0 outside of `pattern`.
        """
        return self.pattern.with_values(torch.relu(self.around @ kernel))


def neighbourhoods(rows: SparseRows, device: torch.device) -> Neighbourhoods:
    """The neighbourhoods of ratings `rows` (n_items, n_users); they depend on the order of items and users.

    Raises:
        ParameterError: they would not fit into memory.
    """
    _refuse_too_many(rows.nnz, device)
    item, user = rows.row_of().cpu().numpy(), rows.indices.cpu().numpy().astype(np.int64)
    ratings = rows.values.cpu().numpy()
    keys, kept = [], []
    for down in range(WIDTH):
        for right in range(WIDTH):  # a rating at (p, q) is seen through kernel[a, b] from (p - a + 1, q - b + 1)
            i, u = item - down + 1, user - right + 1
            inside = (i >= 0) & (i < rows.shape[0]) & (u >= 0) & (u < rows.shape[1])
            keys.append(i[inside] * rows.shape[1] + u[inside])
            kept.append(inside)
    entries = np.unique(np.concatenate(keys))
    around = np.zeros((len(entries), WIDTH * WIDTH), np.float32)
    for column, (key, inside) in enumerate(zip(keys, kept)):
        around[np.searchsorted(entries, key), column] = ratings[inside]
    pattern = sparse.csr_array(
        (np.ones(len(entries), np.float32), np.divmod(entries, rows.shape[1])), shape=rows.shape
    )  # fmt: skip
    return Neighbourhoods(SparseRows.from_scipy(pattern, device=device), torch.from_numpy(around).to(device))


def _refuse_too_many(n_ratings: int, device: torch.device) -> None:
    reached = n_ratings * WIDTH * WIDTH
    needed = reached * (4 * WIDTH * WIDTH + 40)  # at most, none of the neighbourhoods overlapping; keys and pattern
    free = available_bytes(device)
    if free is not None and needed > free:
        raise ParameterError(
            f"GLocalK's convolution over {n_ratings:,} ratings may need {needed / GIB:.1f} GiB, and {free / GIB:.1f} "
            f"GiB are free on {device}",
            remedy=(
                "use SparseFC (sparse-fc), which is its first stage",
                Remedy(
                    "drop rare users and items with {filter}",
                    filter=Phrase("ratings.filter(min_user=..., min_item=...)"),
                ),
            ),
        )


class GlobalNetwork(KernelNetwork):
    """A `KernelNetwork` that reads the convolved rating matrix; its own output makes the convolution's kernel.

    The output for item i, averaged over all users, is p_i; the 3 x 3 kernel is dot_scale Σ_i p_i C_i with C learnt.
    The network reads ReLU of the training matrix convolved by it (Han et al., CIKM 2021, section 3.3).

    Args:
        n_items: rows of the training matrix.
        dot_scale: factor of the kernel.
        more: as of `KernelNetwork`.
    """

    def __init__(self, n_cols: int, hidden: tuple[int, ...], *, n_items: int, dot_scale: float, **more: Any) -> None:
        super().__init__(n_cols, hidden, **more)
        self.dot_scale = dot_scale
        self.mixture = nn.Parameter(torch.empty(n_items, WIDTH * WIDTH))
        nn.init.trunc_normal_(self.mixture, std=0.1, a=-0.2, b=0.2)

    def kernel(self, rows: SparseRows, weights: list[Tensor]) -> Tensor:
        """The convolution's kernel, (9,), from the mean output of every item."""
        mean_weight, mean_bias = weights[-1].mean(0), self.biases[-1].mean()
        mean_output = self.hidden(rows, weights) @ mean_weight + mean_bias
        return self.dot_scale * torch.mv(self.mixture.t(), mean_output)

    @torch.no_grad()
    def open_(self, rows: SparseRows) -> None:
        """Negate C where the weight of a rating itself in the kernel is negative.

        C and -C are equally likely draws. With a negative weight ReLU gives 0 nearly everywhere, and the gradient is 0.
        """
        weights, _ = self.weights()
        if self.kernel(rows, weights)[CENTRE] < 0:
            self.mixture.neg_()

    def global_hidden(self, rows: SparseRows, around: Neighbourhoods, weights: list[Tensor]) -> Tensor:
        """Input of the output layer for the convolved matrix, (n_items, dm)."""
        convolved = around.convolved(self.kernel(rows, weights))
        return self.hidden(convolved.to_dense() if convolved.density >= DENSE_FROM else convolved, weights)

    def global_at(self, rows: SparseRows, around: Neighbourhoods, pattern: SparseRows) -> Tensor:
        """Predictions at the stored entries of `pattern`, (nnz,), unclipped."""
        weights, _ = self.weights()
        return sddmm(pattern, self.global_hidden(rows, around, weights), weights[-1], self.biases[-1])


def global_loss(network: GlobalNetwork, batch: Batch) -> Tensor:
    """As `kernel_loss`, of predictions from the convolved matrix; a batch is ((rows, neighbourhoods), rows)."""
    (rows, around), target = batch
    weights, squares = network.weights()
    predicted = sddmm(target, network.global_hidden(rows, around, weights), weights[-1], network.biases[-1])
    return masked_squared_error(predicted, target.values, len(target)) + network.kernel_pull * squares


class WholeMatrix:
    """All rows and their neighbourhoods as one batch: a convolution cannot be divided into batches."""

    def __init__(self, rows: SparseRows, around: Neighbourhoods) -> None:
        self.rows, self.around = rows, around
        self.n_examples = self.batch_size = len(rows)

    def take(self, index: Tensor) -> Batch:
        return Batch((self.rows, self.around), self.rows)

    def to(self, device: torch.device) -> WholeMatrix:
        around = Neighbourhoods(self.around.pattern.to(device), self.around.around.to(device))
        return WholeMatrix(self.rows.to(device), around)


def ordering(ratings: RatingMatrix, order: str) -> tuple[IntArray, IntArray]:
    """Users (n_users,) and items (n_items,) in the order in which the convolution reads them: indices by position.

    given: as the ids are sorted. popularity: the most rated first. singular: along the first singular vectors of the
    ratings less their mean, so that neighbours are alike; their sign makes the larger sum positive.
    """
    by: list[npt.NDArray[Any]]
    if order == "popularity":
        by = [-ratings.counts("user"), -ratings.counts("item")]
    elif order == "singular" and min(ratings.shape) > 1:
        by = list(_leading(ratings))
    else:
        by = [np.zeros(n) for n in ratings.shape]
    users, items = (np.argsort(key, kind="stable") for key in by)
    return users, items


def _leading(ratings: RatingMatrix) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    from scipy.sparse import linalg

    centred = ratings.user_rows.astype(np.float64)
    centred.data = centred.data - ratings.mean
    if not centred.data.any():  # all ratings are equal: the order stays as given
        return np.zeros(ratings.n_users), np.zeros(ratings.n_items)
    start = np.random.default_rng(0).standard_normal(min(ratings.shape))
    left, _, right = linalg.svds(centred, k=1, v0=start)
    sign = 1.0 if left.sum() + right.sum() >= 0 else -1.0
    return -sign * left[:, 0], -sign * right[0]
