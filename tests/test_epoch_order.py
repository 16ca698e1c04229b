"""Batches cut out of an epoch's rows are those that are taken and transposed one by one."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from recae.sparse import SparseRows
from recae.sparse.epoch_order import cut, in_order
from recae.training import RowBatches
from recae.training.batches import _cut


def drawn(n_rows: int, n_cols: int, seed: int) -> SparseRows:
    rng = np.random.default_rng(seed)
    shown = rng.random((n_rows, n_cols)) < rng.random(n_rows)[:, None]
    return SparseRows.from_scipy(sparse.csr_array(rng.normal(size=(n_rows, n_cols)) * shown))


def check(rows: SparseRows, parts: list[torch.Tensor], device: str = "cpu") -> None:
    found = list(cut(rows.to(device), parts))
    assert len(found) == len(parts)
    for batch, part in zip(found, parts):
        alone = rows[part]
        for name in ("indptr", "indices", "values"):
            assert torch.equal(getattr(batch, name).cpu(), getattr(alone, name)), name
        for got, expected in zip(batch.transposed(), alone.transposed()):
            assert torch.equal(got.cpu(), expected.to(got.dtype))
        again = torch.arange(len(part)).flip(0)  # a cut batch is taken from as any other
        assert torch.equal(batch[again].to_dense().cpu(), alone[again].to_dense())


@settings(deadline=None)
@given(st.integers(1, 12), st.integers(1, 9), st.integers(1, 5), st.integers(0, 10**6))
def test_cut_batches_equal_taken_ones(n_rows: int, n_cols: int, size: int, seed: int) -> None:
    """Whatever the order and the batch's size: the same entries, and the same transposed pattern."""
    order = torch.randperm(n_rows, generator=torch.Generator().manual_seed(seed))
    check(drawn(n_rows, n_cols, seed), list(torch.split(order, size)))


def test_parts_of_different_sizes() -> None:
    """As several processes share a step's rows: parts need not be equally large, nor hold all rows."""
    rows = drawn(9, 5, 1)
    check(rows, [torch.tensor([8, 2, 3]), torch.tensor([0]), torch.tensor([7, 1, 4, 6])])
    ordered = in_order(rows, [torch.tensor([8, 2]), torch.tensor([0])])
    assert ordered.rows.shape == (3, 5)
    assert len(ordered.t_indptr) == 2 * 5 + 1


@pytest.mark.parametrize("kind", ["other values", "other rows", "dense", "none"])
def test_targets_of_cut_batches(kind: str) -> None:
    """Whether a target shares the rows' pattern, has its own, is dense or is the rows: what `take` gives."""
    rows, other = drawn(9, 5, 1), drawn(9, 5, 2)
    kinds = {"other values": rows.with_values(rows.values + 1), "other rows": other, "dense": other.to_dense()}
    batches, parts = RowBatches(rows, kinds.get(kind), batch_size=4), list(torch.randperm(9).split(4))
    for part, (read, target) in zip(parts, _cut(batches.rows, batches.target, parts), strict=True):
        for got, expected in zip((read, target), batches.take(part)):
            assert torch.equal(*(x.to_dense() if isinstance(x, SparseRows) else x for x in (got, expected)))
        if kind in ("other values", "none"):
            assert target.transposed() is read.transposed()


@pytest.mark.gpu
def test_cut_batches_on_a_gpu() -> None:
    """The same on a GPU."""
    if not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    check(
        drawn(40, 30, 2), list(torch.split(torch.randperm(40, generator=torch.Generator().manual_seed(0)), 7)), "cuda"
    )
