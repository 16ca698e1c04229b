"""A rating network with side information: features of rows and columns, and a learnt vector for each row."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from recae.models.autorec.rating_network import Given, RatingNetwork, RowNoise
from recae.models.autorec.side_rows import SideRows
from recae.nn.layers import Beside, glorot_uniform
from recae.sparse import SparseRows


class Linear(nn.Module):
    """x W, no bias: (batch, n_in) to (batch, n_out). Weight (n_in, n_out), with an L2 weight of its own."""

    def __init__(self, n_in: int, n_out: int, l2: float, *, zero: bool = False) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(n_in, n_out))
        self.weight.decay_factor = l2  # type: ignore[attr-defined]
        if not zero and self.weight.numel():
            glorot_uniform(self.weight)

    def forward(self, x: Tensor) -> Tensor:
        return x @ self.weight


class SideNetwork(RatingNetwork):
    """A `RatingNetwork` whose rows have a side vector x: features and, where asked for, a learnt vector.

    Layer l becomes g(W h + U_l x + b), the first one or all. The output of column j is
    (w_j + M y_j)·[h, x] + b_j + m·y_j, where y_j are the features of the column. All columns share M and m; w_j and b_j
    are what is particular to one. A column without ratings has the mean w and b of the others, and its own M y_j and
    m·y_j.

    Args:
        n_cols, hidden: as for `RatingNetwork`, as are all others that are not named here.
        columns: features of the columns, (n_cols, f_c).
        counts: ratings of each column, (n_cols,).
        n_features: width of the rows' features.
        n_rows, vector: rows with a learnt vector, and its width; 0 for none.
        everywhere: x goes to every hidden layer, not only to the first.
        hide_rows: share of rows that lose all their ratings in training, to be predicted from features only.
        shown_weight, hidden_weight: weight in the loss of a rating that was shown, and of one that noise hid.
        side_l2: L2 weight on U_l.
        column_l2: L2 weight on M and m.
        vector_l2: L2 weight on the rows' vectors.
    """

    columns: Tensor
    counts: Tensor

    def __init__(
        self, n_cols: int, hidden: tuple[int, ...], *, columns: Tensor, counts: Tensor, n_features: int,
        n_rows: int = 0, vector: int = 0, everywhere: bool = True, hide_rows: float = 0.0,
        shown_weight: float = 1.0, hidden_weight: float = 1.0, side_l2: float = 1.0, column_l2: float = 1.0,
        vector_l2: float = 1.0,
        l2: float = 0.0, noise: float = 0.0, start: Tensor | None = None, centred: bool = False, **more: Any,
    ) -> None:  # fmt: skip
        super().__init__(n_cols, hidden, l2=l2, start=start, centred=centred, **more)
        before: Any = self.core.noise
        self.core.noise = RowNoise(
            noise, before.means, hide_rows, unit=before.unit, centred=before.centred, levelled=before.levelled
        )
        self.register_buffer("columns", columns.clone(), persistent=False)
        self.shown_weight, self.hidden_weight = shown_weight, hidden_weight
        width = n_features + vector
        self.vectors = Linear(n_rows, vector, vector_l2, zero=True) if vector else None
        self.side = nn.ModuleList(Linear(width, h, side_l2) for h in (hidden if everywhere else hidden[:1]))
        self.wide = Linear(n_cols, width, l2, zero=True)
        self.unit = Linear(columns.shape[1], hidden[-1] + width, column_l2, zero=True)
        self.shift = Linear(columns.shape[1], 1, column_l2, zero=True)
        self.register_buffer("counts", counts.double(), persistent=False)

    def ratings_of(self, rows: Any) -> SparseRows:
        return rows.rows if isinstance(rows, SideRows) else rows

    def side_of(self, rows: SideRows) -> Tensor:
        """x of each row, (batch, n_features + vector); a row that was not in training has the mean vector."""
        if self.vectors is None:
            return rows.features
        table = self.vectors.weight
        known = table[rows.index.clamp(min=0)]
        vector = torch.where((rows.index >= 0)[:, None], known, table.mean(0))
        return torch.cat([rows.features, vector], 1)

    def beside(self, rows: Any, given: SparseRows, shown: Tensor | None) -> Beside:
        terms = list(super().beside(rows, given, shown))
        x = self.side_of(rows)
        for number, layer in enumerate(self.side):
            before = terms[number]
            terms[number] = layer(x) if before is None else before + layer(x)
        return terms

    def read(self, rows: Any) -> tuple[Tensor, Given]:
        hidden, given = super().read(rows)
        if given.shown is None and self.training:
            given = given._replace(shown=torch.ones_like(self.ratings_of(rows).values, dtype=torch.bool))
        return torch.cat([hidden, self.side_of(rows)], 1), given

    def output_layer(self) -> tuple[Tensor, Tensor]:
        weight = torch.cat([self.last.weight, self.wide.weight], 1)
        bias: Tensor = self.last.bias
        if not self.training and not bool(self.counts.all()):
            rated = (self.counts > 0).to(bias.dtype)
            share = rated / rated.sum()
            weight = torch.where(self.counts[:, None] > 0, weight, share @ weight)
            bias = torch.where(self.counts > 0, bias, share @ bias)
        return weight + self.unit(self.columns), bias + self.shift(self.columns)[:, 0]

    def entry_weights(self, shown: Tensor | None) -> Tensor | None:
        if shown is None or self.shown_weight == self.hidden_weight == 1.0:
            return None
        return torch.where(shown, self.shown_weight, self.hidden_weight).to(self.last.weight.dtype)
