"""The network of `DualAutoRec`: item rows through an autoencoder, and output weights encoded from user rows."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from recae.models.outputs.heads import STEEPNESS, Head, OrdinalHead
from recae.nn import Autoencoder, Decoder, Encoder, Masking
from recae.nn.layers import activation, glorot_uniform, row_levels
from recae.recommender.biases import LEVEL_L2
from recae.sparse import SparseRows, sddmm, spmm
from recae.training import Batch


class UserRows(NamedTuple):
    """The ratings of users, as the user encoder reads them.

    Attributes:
        centred: rows (n_users, n_items) of ratings less the item's mean.
        shown: 1 for an entry that is shown, 0 for a hidden one, (nnz,).
        boost: factor of sums over shown entries, which stands for the hidden ones.
        scale: 1 / sqrt(entries) of each user, (n_users, 1).
    """

    centred: SparseRows
    shown: Tensor
    boost: float
    scale: Tensor

    @classmethod
    def of(cls, rows: SparseRows, item_means: Tensor) -> UserRows:
        """All entries of `rows` (n_users, n_items), shown."""
        centred = rows.with_values(rows.values - item_means[rows.indices.long()])
        scale = rows.lengths().clamp(min=1).to(rows.values.dtype).rsqrt()[:, None]
        return cls(centred, torch.ones_like(rows.values), 1.0, scale)

    def without(self, items: Tensor) -> UserRows:
        """The same rows with the ratings of the items of index `items` (m,) hidden."""
        kept = torch.ones(self.centred.n_cols, dtype=self.shown.dtype, device=self.shown.device)
        kept[items] = 0
        left = self.centred.n_cols - len(items)
        boost = self.centred.n_cols / left if left else 1.0
        return self._replace(shown=self.shown * kept[self.centred.indices.long()], boost=boost)

    def to(self, device: torch.device) -> UserRows:
        return UserRows(self.centred.to(device), self.shown.to(device), self.boost, self.scale.to(device))


class DualInput(NamedTuple):
    """A batch's input: item rows, their index (batch,) among the items, and the users' ratings of other items."""

    rows: SparseRows
    items: Tensor
    users: UserRows


class DualBatches:
    """Batches of item rows, each with user rows in which the batch's own items are hidden.

    So a rating to be predicted is never part of its user's row, as a test rating is not. Where one batch has all items,
    nothing would be left of the users' rows: then nothing is hidden.
    """

    def __init__(self, rows: SparseRows, users: UserRows, *, batch_size: int) -> None:
        self.rows, self.users, self.n_examples = rows, users, len(rows)
        self.batch_size = batch_size or self.n_examples

    def take(self, index: Tensor) -> Batch:
        rows = self.rows[index]
        items = index.to(rows.device, non_blocking=True)
        users = self.users if len(index) == self.n_examples else self.users.without(items)
        return Batch(DualInput(rows, items, users), rows)

    def to(self, device: torch.device) -> DualBatches:
        return DualBatches(self.rows.to(device), self.users.to(device), batch_size=self.batch_size)


class ItemRows(NamedTuple):
    """Item rows as the item encoder reads them.

    Attributes:
        rows: ratings, less the row's level in a levelled network; hidden ones are 0.
        shown: 1 for a rating that is shown, 0 for a hidden one, (nnz,).
        level: of each row, as it is added to the outputs, (batch,); None where it stays in the rows.
    """

    rows: SparseRows
    shown: Tensor
    level: Tensor | None


class Table(nn.Module):
    """A learnt matrix; its parameter is called `weight`, which L2 regularisation applies to."""

    def __init__(self, n: int, width: int, spread: float, l2: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(spread * torch.randn(n, width))
        self.weight.decay_factor = l2  # type: ignore[attr-defined]


class DualNetwork(nn.Module):
    """h = g(V r_i + V' m_i + c) from item i's ratings r_i and which they are m_i, through more layers in a deep one;
    p = tanh(s (X r_u + Y m_u) + e) from user u's; the output is w_u · h + b_u + p · (A h + q_i), and where rows are
    levelled the item's level, which r_i then lacks, times `steepness` where the output is a score of ordered levels.

    Args:
        head: from outputs to ratings.
        n_users, n_items: of training.
        hidden: widths of the hidden layers, the last being that of h.
        side: width of p.
        start: users' mean ratings, (n_users,): b before training, and what levels are above; None for 0.
        levelled: item rows are read less their level, which is added to the outputs.
        act: activation g.
        noise, side_noise: shares of an item's, respectively a user's, ratings hidden in training.
        l2, inner_l2, side_l2: L2 weights of V, V' and w, of the layers between, and of X, Y, A and q, against the
            summed squared error: the optimiser's decay is to be 1 / rows.
    """

    means: Tensor | None

    def __init__(
        self, n_users: int, n_items: int, *, hidden: tuple[int, ...], side: int, act: str, noise: float,
        side_noise: float, l2: float, inner_l2: float, side_l2: float, start: Tensor | None = None,
        levelled: bool = False, head: Head | None = None,
    ) -> None:  # fmt: skip
        super().__init__()
        self.head = Head() if head is None else head
        start = torch.zeros(n_users) if start is None else start
        self.register_buffer("means", start.clone() if levelled else None)
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
            if not start.is_meta:  # as in `RatingNetwork`
                self.last.bias.copy_(self.head.to_logits(self.head.unit.outside(start)))
        ordinal = levelled and isinstance(self.head, OrdinalHead)
        self.steepness = nn.Parameter(torch.tensor(STEEPNESS)) if ordinal else None
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

    def at(self, given: DualInput, pattern: SparseRows) -> Tensor:
        """Ratings predicted at the stored entries of `pattern` (rows of the batch, n_users), (nnz,), unclipped."""
        return self.head.finish(self.logits_at(given, pattern), pattern.indices)

    def logits_at(self, given: DualInput, pattern: SparseRows) -> Tensor:
        """Outputs at the stored entries of `pattern`, (nnz,)."""
        weights = torch.cat([self.last.weight, self.user_codes(given.users)], 1)
        read = self.read(given.rows)
        outputs = sddmm(pattern, self.codes(read, given.items), weights, self.last.bias)
        return outputs if read.level is None else outputs + pattern.spread(read.level)

    def read(self, rows: SparseRows) -> ItemRows:
        """Item rows as the encoder reads them."""
        shown, level, values = self.core.noise(torch.ones_like(rows.values)), None, rows.values
        if self.means is not None:
            level = row_levels(rows, self.means.index_select(0, rows.indices), shown, LEVEL_L2)
            values = values - rows.spread(level)
            level = level if self.steepness is None else level * self.steepness
        return ItemRows(rows.with_values(values * shown), shown, level)

    def codes(self, read: ItemRows, items: Tensor) -> Tensor:
        """[h, A h + q] of items of index `items` (batch,), (batch, width of h and of p)."""
        h = self.activation(self.first(read.rows) + spmm(read.rows.with_values(read.shown), self.rated.weight))
        for layer in self.inner:
            h = self.activation(layer(h))
        return torch.cat([h, h @ self.mix.weight + self.own.weight[items]], 1)

    def user_codes(self, users: UserRows) -> Tensor:
        """p of user rows, (n_users, side)."""
        hidden = 1 - self.side_noise.fraction if self.training else 1.0
        kept = self.side_noise(users.shown) * (users.boost / hidden)
        total = spmm(users.centred.with_values(users.centred.values * kept), self.taste.weight)
        total = total + spmm(users.centred.with_values(kept), self.presence.weight)
        return torch.tanh(users.scale * total + self.offset)


def dual_loss(network: DualNetwork, batch: Batch) -> Tensor:
    """The head's loss at the stored ratings, summed, divided by the number of rows."""
    given, target = batch
    return network.head.loss(network.logits_at(given, target), _as_ratings(network, target))


def _as_ratings(network: DualNetwork, rows: SparseRows) -> SparseRows:
    """Rows in the model's unit as ratings, which heads compare with."""
    return rows.with_values(network.head.unit.outside(rows.values))


def outermost_loss(network: DualNetwork) -> Callable[[Any, Batch], Tensor]:
    """`dual_loss` of only the outermost layers of the item side of `network`, which form an autoencoder."""

    def loss(pair: Any, batch: Batch) -> Tensor:
        read, target = network.read(batch.input), batch.target
        weight, bias = pair.decoder.layers[-1].parameters()
        outputs = sddmm(target, pair.encoder(read.rows), weight, bias)
        outputs = outputs if read.level is None else outputs + target.spread(read.level)
        return network.head.loss(outputs, _as_ratings(network, target))

    return loss
