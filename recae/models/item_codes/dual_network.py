"""The network of `DualAutoRec`: item rows through an autoencoder whose output units are encoded from user rows."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from recae.nn import Autoencoder, Decoder, Encoder, Masking
from recae.nn.activations import activation
from recae.nn.layers import glorot_uniform
from recae.nn.losses import masked_squared_error
from recae.sparse import SparseRows, sddmm, spmm
from recae.training import Batch


class UserRows(NamedTuple):
    """What users gave, as their side reads it.

    Attributes:
        above: rows (n_users, n_items) of ratings less the item's mean.
        shown: 1 for an entry that is shown, 0 for one that is not, (nnz,).
        boost: what stands for entries that are not shown: sums are multiplied by it.
        scale: 1 / sqrt(entries) of each user, (n_users, 1).
    """

    above: SparseRows
    shown: Tensor
    boost: float
    scale: Tensor

    @classmethod
    def of(cls, rows: SparseRows, item_means: Tensor) -> UserRows:
        """All that `rows` (n_users, n_items) hold."""
        above = rows.with_values(rows.values - item_means[rows.indices.long()])
        scale = rows.lengths().clamp(min=1).to(rows.values.dtype).rsqrt()[:, None]
        return cls(above, torch.ones_like(rows.values), 1.0, scale)

    def without(self, items: Tensor) -> UserRows:
        """Nothing that the items of index `items` (m,) received is shown."""
        kept = torch.ones(self.above.n_cols, dtype=self.shown.dtype, device=self.shown.device)
        kept[items] = 0
        left = self.above.n_cols - len(items)
        boost = self.above.n_cols / left if left else 1.0
        return self._replace(shown=self.shown * kept[self.above.indices.long()], boost=boost)

    def to(self, device: torch.device) -> UserRows:
        return UserRows(self.above.to(device), self.shown.to(device), self.boost, self.scale.to(device))


class Side(NamedTuple):
    """A batch's input: item rows, their index (batch,) among the items, and what the users gave to others."""

    rows: SparseRows
    items: Tensor
    users: UserRows


class DualBatches:
    """Batches of item rows, each with user rows from which the batch's own items are left out.

    A rating is then never part of what its user is known by when it is predicted, just as a test rating is not.
    With all items in one batch nothing would be left of the users: they are then shown whole.
    """

    def __init__(self, rows: SparseRows, users: UserRows, *, batch_size: int) -> None:
        self.rows, self.users, self.n_examples = rows, users, len(rows)
        self.batch_size = batch_size or self.n_examples

    def take(self, index: Tensor) -> Batch:
        rows = self.rows[index]
        items = index.to(rows.device, non_blocking=True)
        users = self.users if len(index) == self.n_examples else self.users.without(items)
        return Batch(Side(rows, items, users), rows)

    def to(self, device: torch.device) -> DualBatches:
        return DualBatches(self.rows.to(device), self.users.to(device), batch_size=self.batch_size)


class Table(nn.Module):
    """A matrix of learnt numbers; its parameter is called `weight`, so that L2 regularisation finds it."""

    def __init__(self, n: int, width: int, spread: float, l2: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(spread * torch.randn(n, width))
        self.weight.decay_factor = l2  # type: ignore[attr-defined]


class DualNetwork(nn.Module):
    """h = g(V r_i + V' m_i + c) from item i's ratings r_i and which they are m_i, through more layers in a deep one;
    p = tanh(s (X r_u + Y m_u) + e) from user u's; the prediction is w_u · h + b_u + p · (A h + q_i).

    Args:
        n_users, n_items: of training.
        hidden: widths of the hidden layers, the last being that of h.
        side: width of p.
        start: users' mean ratings, (n_users,), which b starts from.
        act: activation g.
        noise, side_noise: fractions of an item's, respectively a user's, ratings hidden in training.
        l2, inner_l2, side_l2: L2 weights of V, V' and w, of the layers between, and of X, Y, A and q, against the
            summed squared error: the optimiser's decay is to be 1 / rows.
    """

    def __init__(
        self, n_users: int, n_items: int, *, hidden: tuple[int, ...], side: int, start: Tensor, act: str,
        noise: float, side_noise: float, l2: float, inner_l2: float, side_l2: float,
    ) -> None:  # fmt: skip
        super().__init__()
        middle, width = (len(hidden) + 1) // 2, hidden[-1]
        self.core = Autoencoder(
            Encoder([n_users, *hidden[:middle]], act), Decoder([*hidden[middle - 1 :], n_users], act),
            noise=Masking(noise),
        )  # fmt: skip
        self.rated = Table(n_users, hidden[0], 0.0, l2)
        glorot_uniform(self.rated.weight)
        for layer in (self.first, self.last):
            layer.weight.decay_factor = l2
        with torch.no_grad():
            for layer in self.inner:
                layer.weight.decay_factor = inner_l2
                if act == "sigmoid":  # whose slope at 0 is a quarter; see `RatingNetwork`
                    layer.weight.mul_(4)
            bound = 0.1 / math.sqrt(width)
            nn.init.uniform_(self.last.weight, -bound, bound)
            self.last.bias.copy_(start)
        self.taste, self.presence = Table(n_items, side, 0.01, side_l2), Table(n_items, side, 0.01, side_l2)
        self.mix, self.own = Table(width, side, 0.1 / math.sqrt(width), side_l2), Table(n_items, side, 0.01, side_l2)
        self.offset = nn.Parameter(torch.zeros(side))
        self.activation, self.side_noise = activation(act), Masking(side_noise)

    @property
    def first(self) -> Any:
        """The encoder's first layer: weight V, (n_users, d1), and bias c."""
        return self.core.encoder.layers[0]  # type: ignore[index]

    @property
    def inner(self) -> list[Any]:
        """The layers between the first and the last."""
        return [*self.core.encoder.layers[1:], *self.core.decoder.layers[:-1]]  # type: ignore[index]

    @property
    def last(self) -> Any:
        """The output layer: weight w, (n_users, k), and bias b."""
        return self.core.decoder.layers[-1]  # type: ignore[index]

    def objective(self, model: nn.Module, batch: Batch) -> Tensor:
        """Squared error at the stored places, summed, per row."""
        given, target = batch
        return masked_squared_error(self.at(given, target), target.values, len(target))

    def at(self, given: Side, places: SparseRows) -> Tensor:
        """Predictions at the stored places of `places` (rows of the batch, n_users), (nnz,), unclipped."""
        units = torch.cat([self.last.weight, self.user_side(given.users)], 1)
        return sddmm(places, self.codes(given.rows, given.items), units, self.last.bias)

    def codes(self, rows: SparseRows, items: Tensor) -> Tensor:
        """[h, A h + q] of item rows, (batch, width of h and of p)."""
        kept = self.core.noise(torch.ones_like(rows.values))
        total = self.first(rows.with_values(rows.values * kept)) + spmm(rows.with_values(kept), self.rated.weight)
        h = self.activation(total)
        for layer in self.inner:
            h = self.activation(layer(h))
        return torch.cat([h, h @ self.mix.weight + self.own.weight[items]], 1)

    def user_side(self, users: UserRows) -> Tensor:
        """p of user rows, (n_users, side)."""
        hidden = 1 - self.side_noise.fraction if self.training else 1.0
        kept = self.side_noise(users.shown) * (users.boost / hidden)
        total = spmm(users.above.with_values(users.above.values * kept), self.taste.weight)
        total = total + spmm(users.above.with_values(kept), self.presence.weight)
        return torch.tanh(users.scale * total + self.offset)
