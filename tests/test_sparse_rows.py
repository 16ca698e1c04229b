"""`SparseRows`: from SciPy, by index, dense, transposed; what is stored stays stored."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from property_examples import examples
from scipy import sparse

from recae.errors import ParameterError
from recae.sparse import SparseRows, reference


def small() -> SparseRows:
    """3 x 5: row 0 stores (1: 4, 3: 0), row 1 nothing, row 2 (0: -1, 3: 2, 4: 5)."""
    data, indices, indptr = [4.0, 0.0, -1.0, 2.0, 5.0], [1, 3, 0, 3, 4], [0, 2, 2, 5]
    return SparseRows.from_scipy(sparse.csr_array((data, indices, indptr), shape=(3, 5)))


DENSE = [[0.0, 4, 0, 0, 0], [0.0, 0, 0, 0, 0], [-1.0, 0, 0, 2, 5]]
MASK = [[0.0, 1, 0, 1, 0], [0.0, 0, 0, 0, 0], [1.0, 0, 0, 1, 1]]


def test_what_it_says_of_itself() -> None:
    """Length, shape, number stored, density, device, row lengths and row numbers are those of the example."""
    rows = small()
    assert (len(rows), rows.shape, rows.nnz, rows.device.type) == (3, (3, 5), 5, "cpu")
    assert rows.density == pytest.approx(5 / 15)
    assert rows.lengths().tolist() == [2, 0, 3]
    assert rows.row_of().tolist() == [0, 0, 2, 2, 2]
    assert repr(rows) == "SparseRows(3 x 5, 5 stored, cpu)"


def test_sums_of_rows_and_their_values_at_each_entry() -> None:
    """A row's sum, 0 of one that stores nothing, and what belongs to a row at each of its entries."""
    rows = small()
    assert rows.sums().tolist() == [4.0, 0.0, 6.0]
    assert rows.spread(rows.sums()).tolist() == [4.0, 4.0, 6.0, 6.0, 6.0]
    assert rows.spread(torch.tensor([True, False, False])).tolist() == [True, True, False, False, False]
    nothing = rows.take(torch.tensor([1]))
    assert nothing.sums().tolist() == [0.0]
    assert nothing.spread(torch.ones(1)).tolist() == []


def test_a_stored_zero_is_kept() -> None:
    """An explicit rating of 0 is stored, counted and in the mask, unlike a missing one."""
    rows = small()
    assert rows.to_dense().tolist() == DENSE
    assert rows.mask().tolist() == MASK


@pytest.mark.parametrize("form", ["csr", "csc", "coo", "lil", "matrix"])
def test_any_scipy_form_will_do(form: str) -> None:
    """CSR, CSC, COO and LIL, arrays and matrices, give the same rows."""
    dense = np.array(DENSE)
    given = sparse.csr_matrix(dense) if form == "matrix" else sparse.csr_array(dense).asformat(form)
    rows = SparseRows.from_scipy(given)
    assert rows.to_dense().tolist() == DENSE
    assert (rows.indptr.dtype, rows.indices.dtype, rows.values.dtype) == (torch.int64, torch.int32, torch.float32)


def test_unsorted_input_is_sorted_and_left_as_it_was() -> None:
    """Columns come out increasing with their own values, and the caller's matrix is not touched."""
    matrix = sparse.csr_array(([5.0, 1.0, 3.0, 2.0], [4, 0, 2, 1], [0, 3, 4]), shape=(2, 5))
    rows = SparseRows.from_scipy(matrix)
    assert rows.indices.tolist() == [0, 2, 4, 1]
    assert rows.values.tolist() == [1.0, 3.0, 5.0, 2.0]
    assert matrix.indices.tolist() == [4, 0, 2, 1]


def test_duplicates_are_summed_as_scipy_means_them() -> None:
    """An entry stored twice becomes one, so that dense and sparse products agree."""
    matrix = sparse.csr_array(([1.0, 2.0, 4.0], [3, 3, 0], [0, 3]), shape=(1, 4))
    rows = SparseRows.from_scipy(matrix)
    assert rows.indices.tolist() == [0, 3]
    assert rows.values.tolist() == [4.0, 3.0]
    assert matrix.nnz == 3


@settings(max_examples=examples(25), deadline=None)
@given(st.lists(st.integers(0, 7), max_size=20), st.integers(0, 99))
def test_rows_are_taken_in_the_order_asked_for(wanted: list[int], seed: int) -> None:
    """Any selection, repeats and none at all included, is the dense matrix's; kernel and reference agree."""
    rows = SparseRows.from_scipy(sparse.random_array((8, 5), density=0.4, format="csr", rng=seed))
    index = torch.tensor(wanted, dtype=torch.int64)
    taken = rows[index]
    assert taken.shape == (len(wanted), 5)
    assert torch.equal(taken.to_dense(), rows.to_dense()[index])
    for ours, plain in zip(
        (taken.indptr, taken.indices, taken.values), reference.take(rows.indptr, rows.indices, rows.values, index)
    ):
        assert torch.equal(ours, plain)


@pytest.mark.parametrize(
    "index", [torch.tensor([0.0]), torch.tensor([[0]]), torch.tensor(1), torch.tensor([True, False, True])]
)
def test_only_a_list_of_row_numbers_takes_rows(index: torch.Tensor) -> None:
    """Floats, masks and other shapes are refused by name of their type."""
    with pytest.raises(ParameterError, match="1-D int64 index"):
        small()[index]


@pytest.mark.parametrize("wanted", [[0, 3], [-1], [0, -1, 2]])
def test_rows_that_are_not_there_are_refused(wanted: list[int]) -> None:
    """A row number below 0 or past the end is an error, never somebody else's memory."""
    with pytest.raises(ParameterError, match="from 0 to 2"):
        small()[torch.tensor(wanted)]


def test_other_values_share_the_pattern() -> None:
    """`with_values` keeps the pattern, and what was computed from it is not computed again."""
    rows = small()
    transposed = rows.transposed()
    other = rows.with_values(torch.arange(5.0))
    assert other.transposed() is transposed
    assert other.to_dense()[2].tolist() == [2, 0, 0, 3, 4]
    assert rows.to_dense().tolist() == DENSE


def test_moving_to_the_same_place_copies_nothing() -> None:
    """`to` gives the very object back where nothing changes, and another dtype where asked."""
    rows = small()
    assert rows.to("cpu") is rows
    assert rows.to("cpu", torch.float64).values.dtype == torch.float64
    doubles: Any = SparseRows.from_scipy(sparse.csr_array(np.eye(2, 3)), dtype=torch.float64)
    assert doubles.values.dtype == torch.float64


def test_nothing_is_asked_of_a_device_that_could_know_it_later() -> None:
    """Rows taken by an index on the CPU, their transposed pattern and a dense copy need no answer from the device.

    Tensors of PyTorch's "meta" device have shapes and no contents: whoever asks for a number gets an error, where a GPU
    would be waited for.
    """
    rows = small().to("meta")
    taken = rows[torch.tensor([2, 0, 2])]
    assert (taken.shape, taken.nnz, taken.device.type) == ((3, 5), 8, "meta")
    assert [len(part) for part in taken.transposed()] == [6, 8, 8]
    assert taken.row_of().shape == (8,)
    assert taken.to_dense().shape == (3, 5)


def test_rows_on_a_device_that_are_not_there_are_refused() -> None:
    """An index on the CPU is looked at where the rows are on a GPU, too."""
    with pytest.raises(ParameterError, match="from 0 to 2"):
        small().to("meta")[torch.tensor([0, 3])]
