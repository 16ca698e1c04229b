"""AutoRec whose outer layers are cut by columns over processes: for weights that one device cannot hold.

\b
    python -m benchmarks.column_shards                 # 2 processes on gloo beside one, on generated ratings
    python -m benchmarks.column_shards --processes 4

The weights are DTensors, `Shard(0)`; all processes take the same rows, each with the columns it holds. A step sends the
hidden units of the batch forward and their gradients back, (batch, k) each, whatever the number of columns: a sum of
partial products (`Partial` to `Replicate`) on the way in, and one of partial gradients on the way back.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click
import numpy as np
import torch
from torch import Tensor, nn

from benchmarks.common.child_processes import run_ranks
from benchmarks.common.ratings import generated
from benchmarks.common.record import write
from recae.distributed.ranks import current
from recae.sparse import SparseRows, sddmm, spmm

ROWS, COLUMNS, RATINGS, HIDDEN, BATCH, STEPS = 2_000, 5_000, 60_000, 32, 128, 20


class ColumnShards(nn.Module):
    """r̂ = W g(V r + c) + b, with V, W (n_cols, k) and b (n_cols,) cut over the processes of `mesh` by columns.

    Args:
        first, last, bias: V, W and b, whole and the same in every process; each process stores its part.
        mesh: the processes, in one dimension.
    """

    def __init__(self, first: Tensor, last: Tensor, bias: Tensor, mesh: Any) -> None:
        from torch.distributed.tensor import Shard, distribute_tensor

        super().__init__()
        self.mesh, self.n_cols = mesh, len(first)
        self.first, self.last, self.bias = (
            nn.Parameter(distribute_tensor(whole, mesh, [Shard(0)])) for whole in (first, last, bias)
        )
        self.offset = nn.Parameter(torch.zeros(first.shape[1]))

    def own_columns(self) -> slice:
        """The columns that this process holds: `Shard(0)` cuts into parts of equal length, the last ones shorter."""
        size = -(-self.n_cols // self.mesh.size())
        start = min(self.n_cols, self.mesh.get_local_rank() * size)
        return slice(start, min(self.n_cols, start + size))

    def forward(self, rows: SparseRows) -> Tensor:
        """Predictions at the stored entries of `rows`, which has this process's columns: (nnz,)."""
        from torch.distributed.tensor import DTensor, Partial, Replicate

        partial = DTensor.from_local(spmm(rows, _local(self.first)), self.mesh, [Partial()])
        hidden = torch.sigmoid(partial.redistribute(placements=[Replicate()]).to_local() + self.offset)
        shared = DTensor.from_local(hidden, self.mesh, [Replicate()]).to_local(grad_placements=[Partial()])
        return sddmm(rows, shared, _local(self.last), _local(self.bias))


def _local(parameter: Any) -> Tensor:
    """This process's part of a distributed parameter."""
    part: Tensor = parameter.to_local()
    return part


def losses(mesh: Any, matrix: Any) -> list[float]:
    """The losses of some steps of Adam, per row; `mesh` None: one process, with the same model in plain tensors."""
    generator = torch.Generator().manual_seed(0)
    n_cols = matrix.shape[1]
    first, last = (0.05 * torch.randn(n_cols, HIDDEN, generator=generator) for _ in range(2))
    bias = torch.full((n_cols,), 3.0)
    model: Whole | ColumnShards
    if mesh is None:
        model, own = Whole(first, last, bias), matrix
    else:
        model = ColumnShards(first, last, bias, mesh)
        own = matrix[:, model.own_columns()]
    rows = SparseRows.from_scipy(own)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    found = []
    for _ in range(STEPS):
        batch = rows[torch.randint(len(rows), (BATCH,), generator=generator)]
        optimizer.zero_grad()
        loss = (model(batch) - batch.values).square().sum() / BATCH
        loss.backward()
        optimizer.step()
        found.append(current().total(loss.item())[0])
    return found


class Whole(nn.Module):
    """The same model in one process."""

    def __init__(self, first: Tensor, last: Tensor, bias: Tensor) -> None:
        super().__init__()
        self.first, self.last, self.bias = (nn.Parameter(whole.clone()) for whole in (first, last, bias))
        self.offset = nn.Parameter(torch.zeros(first.shape[1]))

    def forward(self, rows: SparseRows) -> Tensor:
        return sddmm(rows, torch.sigmoid(spmm(rows, self.first) + self.offset), self.last, self.bias)


def worker(file: Path) -> None:
    from torch.distributed.device_mesh import init_device_mesh

    ranks = current()
    matrix = generated(ROWS, COLUMNS, RATINGS).user_rows
    mesh = init_device_mesh("cpu", (ranks.size,)) if ranks.size > 1 else None
    found = losses(mesh, matrix)
    if ranks.is_first:
        held = -(-COLUMNS // ranks.size) * (2 * HIDDEN + 1)
        file.write_text(json.dumps({"losses": found, "outer_weights_held": held}))


@click.command(help=__doc__)
@click.option("--processes", default=2, show_default=True, type=click.IntRange(2))
@click.option("--worker", "inside", type=click.Path(path_type=Path), hidden=True)
def main(processes: int, inside: Path | None) -> None:
    if inside is not None:
        worker(inside)
        return
    one, several = (run_ranks("benchmarks.column_shards", n, "--worker") for n in (1, processes))
    apart = float(np.max(np.abs(np.array(several["losses"]) / np.array(one["losses"]) - 1)))
    row = {
        "processes": processes, "rows": ROWS, "columns": COLUMNS, "ratings": RATINGS, "hidden": HIDDEN, "batch": BATCH,
        "steps": STEPS, "losses": one["losses"], "loss_difference": apart, "outer_weights": one["outer_weights_held"],
        "outer_weights_held": several["outer_weights_held"], "seed": 0,
    }  # fmt: skip
    click.echo(
        f"{STEPS} steps, loss {one['losses'][0]:.3f} to {one['losses'][-1]:.3f}: with {processes} processes "
        f"{apart:.1e} apart; each holds {several['outer_weights_held']:,} of {one['outer_weights_held']:,} weights"
    )
    write("column_shards", row)


if __name__ == "__main__":
    main()
