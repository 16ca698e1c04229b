"""The hot operations at their usual shapes, with the work that each must do at least.

A product of sparse rows reads one row of `k` floats for every stored entry. Where it runs in blocks, these come
from a second-level cache. Its least time is the longest of three: those reads at the measured gather rate, its
arithmetic at the rate of a dense product, and the bytes that must come from memory once at the rate of a copy.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from benchmarks.common.ratings import generated
from benchmarks.limits.ceilings import Ceilings
from recae.models.linear.gram import gram, invert_
from recae.sparse import SparseRows, cpu, sddmm, spmm

FLOAT = 4


@dataclass(frozen=True)
class Operation:
    """One operation, and the least it can cost.

    Attributes:
        name: of the operation.
        shape: its size in words.
        work: runs it once.
        flops: floating-point operations.
        gathered: bytes of rows that are read at stored indices, from whichever memory holds them.
        moved: the fewest bytes that must be read or written once.
        kernels: numba's kernels do the work, not PyTorch.
    """

    name: str
    shape: str
    work: Callable[[], Any]
    flops: float
    gathered: float
    moved: float
    kernels: bool = True

    def limits(self, ceilings: Ceilings) -> dict[str, float]:
        """Seconds that each ceiling asks for at least."""
        return {
            "gather": self.gathered / ceilings["gather"],
            "product": self.flops / ceilings["product"],
            "copy": self.moved / ceilings["copy"],
        }


def batch(n_users: int, n_items: int, n_ratings: int, n_rows: int = 512) -> SparseRows:
    """A training batch of an item-based AutoRec: the ratings of some items, on as many columns as there are users."""
    rows = SparseRows.from_scipy(generated(n_users, n_items, n_ratings).rows("item"))
    chosen = torch.randperm(len(rows), generator=torch.Generator().manual_seed(0))[:n_rows]
    return rows[chosen]


def sparse_products(rows: SparseRows, k: int) -> Iterator[Operation]:
    """spmm, sddmm and their gradients: three loops, four uses."""
    made = torch.Generator().manual_seed(0)
    weight, hidden = (torch.randn(n, k, generator=made) for n in (rows.n_cols, len(rows)))
    transposed = rows.transposed()
    shape = f"{len(rows)} x {rows.n_cols:,}, {rows.nnz:,} stored, k = {k}"
    flops, gathered = 2.0 * rows.nnz * k, FLOAT * float(rows.nnz) * k
    touched = FLOAT * k * len(torch.unique(rows.indices))
    narrow, wide, pattern = FLOAT * len(rows) * k, FLOAT * rows.n_cols * k, 4.0 * rows.nnz + 8 * len(rows)
    values = FLOAT * float(rows.nnz)

    def one(name: str, work: Callable[[], Any], moved: float) -> Operation:
        return Operation(name, shape, work, flops, gathered, moved)

    yield one("spmm: S W", lambda: spmm(rows, weight), touched + pattern + values + narrow)
    yield one("sddmm: H Wᵀ at S", lambda: sddmm(rows, hidden, weight), touched + narrow + pattern + values)
    yield one(
        "gradient of a weight: Sᵀ H",
        lambda: cpu.spmm_transposed(*transposed, rows.values, hidden),
        narrow + wide + pattern + 8 * rows.nnz + values,
    )
    yield Operation(
        "transposed pattern", shape, lambda: cpu.transpose(rows.indptr, rows.indices, rows.n_cols), 0, 0,
        2 * pattern + 8 * rows.nnz + 8 * rows.n_cols,
    )  # fmt: skip


def adam_step(n_rows: int, k: int) -> Operation:
    """One step of the fused Adam on a weight: four arrays read, three written."""
    from recae.training.optimizers import KernelAdam

    weight = torch.nn.Parameter(torch.randn(n_rows, k))
    weight.grad = torch.randn(n_rows, k)
    optimizer = KernelAdam([weight], lr=1e-3, weight_decay=1e-3)
    return Operation("Adam", f"{n_rows:,} x {k}", optimizer.step, 14.0 * n_rows * k, 0, 7.0 * FLOAT * n_rows * k)


def inversion(n: int) -> Operation:
    """The closed forms' inverse, in place: n³ operations (a third each: factor, its inverse, their product)."""
    a = torch.randn(n, n) / n**0.5
    spd = a @ a.T + torch.eye(n)
    to = torch.empty_like(spd)
    return Operation(
        "closed form: inverse", f"{n:,} x {n:,}", lambda: invert_(to.copy_(spd)), float(n) ** 3, 0,
        2.0 * FLOAT * n * n, kernels=False,
    )  # fmt: skip


def gram_matrix(n_users: int, n_items: int, n_ratings: int) -> Operation:
    """The closed forms' XᵀX, lower half: for each pair of a user's items one product is added."""
    rows = generated(n_users, n_items, n_ratings).user_rows
    each = np.diff(rows.indptr).astype(np.float64)
    pairs = float((each * (each + 1) / 2).sum())
    ones, on_cpu = np.ones(n_users, np.float32), torch.device("cpu")
    shape = f"{n_users:,} x {n_items:,}, {n_ratings:,} stored"
    return Operation(
        "closed form: XᵀX", shape, lambda: gram(rows, ones, device=on_cpu), 2 * pairs, (4 + FLOAT) * pairs,
        FLOAT * n_items**2 + 16.0 * rows.nnz,
    )  # fmt: skip


def parsing(path: Path, rows: int) -> Operation:
    """A CSV of ratings to a `RatingMatrix`: the file is read; ids, ratings and indices are written by user and item."""
    from recae.loaders import load

    moved = path.stat().st_size + rows * (4.0 + 4.0 + 8.0)
    return Operation("parsing a CSV", f"{rows:,} rows", lambda: load(path), 0, 0, moved, kernels=False)


# ---------------------------------------------------------------- scores and lists


def ease_like(n_users: int, n_items: int, n_ratings: int) -> tuple[Callable[[Any], Tensor], Any, int]:
    """Users to scores X B, ratings, and how many items there are."""
    ratings = generated(n_users, n_items, n_ratings)
    weights = torch.randn(n_items, n_items, generator=torch.Generator().manual_seed(0)) / n_items

    def score(users: Any) -> Tensor:
        return spmm(SparseRows.from_scipy(ratings.user_rows[users]), weights)

    return score, ratings, n_items


def factor_like(n_users: int, n_items: int, n_ratings: int, k: int) -> tuple[Callable[[Any], Tensor], Any, int]:
    """Users to scores U Vᵀ, ratings, and how many items there are."""
    ratings = generated(n_users, n_items, n_ratings)
    made = torch.Generator().manual_seed(0)
    users_of, items_of = (torch.randn(n, k, generator=made).numpy() for n in (n_users, n_items))

    def score(users: Any) -> Tensor:
        return torch.from_numpy(users_of[users] @ items_of.T)

    return score, ratings, n_items
