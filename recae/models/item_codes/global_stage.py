"""GLocal-K's global stage: a convolution over the rating matrix, kept to the places it can reach."""

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

ORDERS = ("given", "popularity", "singular")
DENSE_FROM = 0.05  # of places reached: from here on a dense product is faster than the sparse loops
SIDE = 3  # of the convolution's kernel
CENTRE = SIDE * SIDE // 2


class Neighbourhoods(NamedTuple):
    """What a 3 x 3 convolution sees: an entry for each place with at least one rating in its neighbourhood.

    Attributes:
        places: sparse rows (n_items, n_users) of those places.
        around: (nnz, 9), the ratings around each one, row by row of the kernel; 0 where there is none.
    """

    places: SparseRows
    around: Tensor

    def convolved(self, kernel: Tensor) -> SparseRows:
        """ReLU of the SAME convolution by `kernel` (9,), as PyTorch and TensorFlow mean it (not mirrored).

        All that it is not stored at is 0.
        """
        return self.places.with_values(torch.relu(self.around @ kernel))


def neighbourhoods(rows: SparseRows, device: torch.device) -> Neighbourhoods:
    """The neighbourhoods of ratings `rows` (n_items, n_users), whose order of items and users is what makes them.

    Raises:
        ParameterError: they would not fit into memory.
    """
    _refuse_too_many(rows.nnz, device)
    item, user = rows.row_of().cpu().numpy(), rows.indices.cpu().numpy().astype(np.int64)
    ratings = rows.values.cpu().numpy()
    keys, kept = [], []
    for down in range(SIDE):
        for right in range(SIDE):  # a rating at (p, q) is seen through kernel[a, b] from (p - a + 1, q - b + 1)
            i, u = item - down + 1, user - right + 1
            inside = (i >= 0) & (i < rows.shape[0]) & (u >= 0) & (u < rows.shape[1])
            keys.append(i[inside] * rows.shape[1] + u[inside])
            kept.append(inside)
    places = np.unique(np.concatenate(keys))
    around = np.zeros((len(places), SIDE * SIDE), np.float32)
    for column, (key, inside) in enumerate(zip(keys, kept)):
        around[np.searchsorted(places, key), column] = ratings[inside]
    pattern = sparse.csr_array(
        (np.ones(len(places), np.float32), np.divmod(places, rows.shape[1])), shape=rows.shape
    )  # fmt: skip
    return Neighbourhoods(SparseRows.from_scipy(pattern, device=device), torch.from_numpy(around).to(device))


def _refuse_too_many(n_ratings: int, device: torch.device) -> None:
    reached = n_ratings * SIDE * SIDE
    needed = reached * (4 * SIDE * SIDE + 40)  # at most, none of the neighbourhoods overlapping; keys and pattern
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
    """`KernelNetwork`, and the convolution in front of it that its own output makes.

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
        self.mixture = nn.Parameter(torch.empty(n_items, SIDE * SIDE))
        nn.init.trunc_normal_(self.mixture, std=0.1, a=-0.2, b=0.2)

    def kernel(self, rows: SparseRows, weights: list[Tensor]) -> Tensor:
        """The convolution's kernel, (9,), from the mean output of every item."""
        mean_unit, mean_bias = weights[-1].mean(0), self.biases[-1].mean()
        mean_output = self.hidden(rows, weights) @ mean_unit + mean_bias
        return self.dot_scale * torch.mv(self.mixture.t(), mean_output)

    @torch.no_grad()
    def open_(self, rows: SparseRows) -> None:
        """Negate C where the kernel would hide every rating's own place.

        C and -C are equally likely draws, but from a kernel that is negative where it matters ReLU lets nothing
        through, and no gradient ever comes back.
        """
        weights, _ = self.weights()
        if self.kernel(rows, weights)[CENTRE] < 0:
            self.mixture.neg_()

    def global_hidden(self, rows: SparseRows, around: Neighbourhoods, weights: list[Tensor]) -> Tensor:
        """What the output layer is given for the convolved matrix, (n_items, dm)."""
        seen = around.convolved(self.kernel(rows, weights))
        return self.hidden(seen.to_dense() if seen.density >= DENSE_FROM else seen, weights)

    def global_at(self, rows: SparseRows, around: Neighbourhoods, places: SparseRows) -> Tensor:
        """Predictions at the stored places of `places`, (nnz,), unclipped."""
        weights, _ = self.weights()
        return sddmm(places, self.global_hidden(rows, around, weights), weights[-1], self.biases[-1])

    def global_objective(self, model: nn.Module, batch: Batch) -> Tensor:
        """As `objective`, of the prediction from the convolved matrix; a batch is ((rows, neighbourhoods), rows)."""
        (rows, around), target = batch
        weights, squares = self.weights()
        predicted = sddmm(target, self.global_hidden(rows, around, weights), weights[-1], self.biases[-1])
        return masked_squared_error(predicted, target.values, len(target)) + self.kernel_pull * squares


class WholeMatrix:
    """All rows and their neighbourhoods as the one batch there is: a convolution cannot be cut into batches."""

    def __init__(self, rows: SparseRows, around: Neighbourhoods) -> None:
        self.rows, self.around = rows, around
        self.n_examples = self.batch_size = len(rows)

    def take(self, index: Tensor) -> Batch:
        return Batch((self.rows, self.around), self.rows)

    def to(self, device: torch.device) -> WholeMatrix:
        around = Neighbourhoods(self.around.places.to(device), self.around.around.to(device))
        return WholeMatrix(self.rows.to(device), around)


def ordering(ratings: RatingMatrix, order: str) -> tuple[IntArray, IntArray]:
    """Users and items in the order in which the convolution meets them: positions to indices, (n_users,), (n_items,).

    given: as they come, so as their ids happen to sort. popularity: the most rated first. singular: along the first
    singular vectors of the ratings less their mean, so that neighbours are alike; the sign is that of the larger sum.
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
    if not centred.data.any():  # all ratings are equal: nothing to order by: what was given stays
        return np.zeros(ratings.n_users), np.zeros(ratings.n_items)
    start = np.random.default_rng(0).standard_normal(min(ratings.shape))
    left, _, right = linalg.svds(centred, k=1, v0=start)
    sign = 1.0 if left.sum() + right.sum() >= 0 else -1.0
    return -sign * left[:, 0], -sign * right[0]
