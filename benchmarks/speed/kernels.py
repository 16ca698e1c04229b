"""Seconds of spmm, sddmm and a whole training step on the device at hand, against dense PyTorch.

\b
    python -m benchmarks.kernels                  # on cuda where there is one
    python -m benchmarks.kernels --device cpu

Needs torch, numpy, scipy, pandas, numba, click (and triton on CUDA): nothing else.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable
from typing import Any

import click
import numpy as np
import torch
from scipy import sparse

from benchmarks.common.record import write
from benchmarks.common.timing import seconds_of
from recae.distributed.ranks import choose_device
from recae.nn import Autoencoder
from recae.nn.losses import masked_squared_error
from recae.nn.products import product
from recae.sparse import SparseRows, sddmm, spmm
from recae.sparse.resources import kernel_threads
from recae.training import Batch
from recae.training.optimizers import make_optimizer

SHAPES = {"ml-1m": (512, 6_040, 0.0447), "ml-20m": (512, 138_493, 0.0054)}  # items a batch, users, density


def median_ms(work: Callable[[], Any], device: torch.device) -> float:
    """Median milliseconds of 15 runs of `work`."""
    return 1e3 * statistics.median(seconds_of(work, 15, device=device))


def measure(shape: tuple[int, int, float], hidden: int, device: torch.device) -> dict[str, float]:
    """Milliseconds of each operation on one batch."""
    n_rows, n_cols, density = shape
    matrix = sparse.random_array((n_rows, n_cols), density=density, format="csr", dtype=np.float32, rng=0)
    rows = SparseRows.from_scipy(matrix, device=device)
    weight = torch.randn(n_cols, hidden, device=device)
    code = torch.randn(n_rows, hidden, device=device)
    with kernel_threads(device.type == "cpu"), torch.no_grad():
        times = {
            "spmm": median_ms(lambda: spmm(rows, weight), device),
            "sddmm": median_ms(lambda: sddmm(rows, code, weight), device),
        }
    with kernel_threads(device.type == "cpu"):
        times["step"] = median_ms(training_step(rows, hidden, device), device)
    dense = rows.to_dense()
    times["dense_product"] = median_ms(lambda: dense @ weight, device)
    times["our_product"] = median_ms(lambda: product(dense, weight), device)
    return {**times, "entries": float(rows.nnz)}


def training_step(rows: SparseRows, hidden: int, device: torch.device) -> Callable[[], None]:
    """Forward, backward and Adam of an AutoRec on one batch."""
    model = Autoencoder.mirrored((rows.n_cols, hidden)).to(device)
    optimizer = make_optimizer("adam", model, 1e-3, 0.01, kernels=device.type == "cpu")
    batch = Batch(rows, rows)

    def step() -> None:
        optimizer.zero_grad()
        logits = model(batch.input, at=batch.target).logits
        masked_squared_error(logits, batch.target.values, len(rows)).backward()
        optimizer.step()

    return step


@click.command(help=__doc__)
@click.option("--device", default="auto", show_default=True)
@click.option("--hidden", default=500, show_default=True)
def main(device: str, hidden: int) -> None:
    chosen = choose_device(device)
    rows = {name: measure(shape, hidden, chosen) for name, shape in SHAPES.items()}
    for name, row in rows.items():
        click.echo(
            f"{name:<7} {chosen.type}: spmm {row['spmm']:.2f} ms, sddmm {row['sddmm']:.2f} ms, whole step "
            f"{row['step']:.2f} ms; one dense product {row['dense_product']:.2f} ms, by recae.nn.products "
            f"{row['our_product']:.2f} ms ({row['entries']:,.0f} entries)"
        )
    write(f"kernels-{chosen.type}", {"hidden": hidden, "rows": rows})


if __name__ == "__main__":
    main()
