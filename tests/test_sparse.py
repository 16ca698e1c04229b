"""The sparse core: rows as tensors, and the two operations, held to the dense result."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from property_examples import examples
from scipy import sparse
from torch import Tensor

from recae.errors import ParameterError
from recae.sparse import SparseRows, cpu, reference, sddmm, spmm


def random_rows(
    n_rows: int = 7, n_cols: int = 11, density: float = 0.3, seed: int = 0, dtype: torch.dtype = torch.float32
) -> SparseRows:
    """Random rows, some of them empty where the density is small; non-square."""
    matrix = sparse.random_array(
        (n_rows, n_cols), density=density, format="csr", rng=seed, data_sampler=np.random.default_rng(seed).normal
    )
    return SparseRows.from_scipy(matrix, dtype=dtype)


def with_empty_rows() -> SparseRows:
    """5 x 4, rows 0, 2 and 4 empty, column 3 never stored."""
    dense = np.zeros((5, 4))
    dense[1], dense[3] = [1.0, 0.0, -2.0, 0.0], [0.5, 3.0, 0.0, 0.0]
    return SparseRows.from_scipy(sparse.csr_array(dense), dtype=torch.float64)


SHAPES = {
    "non-square": (7, 11, 0.3), "tall": (23, 3, 0.3), "one row": (1, 9, 0.3), "one column": (6, 1, 0.7),
    "nothing stored": (7, 11, 0.0), "full": (7, 11, 1.0), "many columns": (3, 700, 0.3),
}  # fmt: skip


@pytest.fixture(params=[*SHAPES, "no rows"])
def rows(request: pytest.FixtureRequest) -> SparseRows:
    if request.param == "no rows":
        return SparseRows.from_scipy(sparse.csr_array((0, 5)), dtype=torch.float64)
    return random_rows(*SHAPES[request.param], dtype=torch.float64)


def normal(*shape: int, seed: int = 1) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


# ---------------------------------------------------------------- the operations


@pytest.mark.parametrize("k", [1, 5])
@pytest.mark.parametrize("seed", [0, 1])
def test_spmm_is_the_dense_product(rows: SparseRows, k: int, seed: int) -> None:
    """`spmm` gives what the dense matrix product gives, whatever the shape."""
    weight = normal(rows.n_cols, k, seed=seed)
    torch.testing.assert_close(spmm(rows, weight), rows.to_dense() @ weight)


@pytest.mark.parametrize("k", [1, 5])
@pytest.mark.parametrize("biased", [True, False])
def test_sddmm_is_the_dense_product_at_the_stored_entries(rows: SparseRows, k: int, biased: bool) -> None:
    """`sddmm` gives those entries of the dense product (and bias) that are stored, row by row."""
    hidden, weight = normal(len(rows), k), normal(rows.n_cols, k, seed=2)
    bias = normal(rows.n_cols, seed=3) if biased else None
    full = hidden @ weight.T + (0 if bias is None else bias)
    torch.testing.assert_close(sddmm(rows, hidden, weight, bias), full[rows.row_of(), rows.indices.long()])


def test_empty_rows_give_zeros_and_no_entries() -> None:
    """An empty row's product is exactly 0, and other rows do not notice it."""
    rows = with_empty_rows()
    weight = torch.tensor([[1.0, 10.0], [2.0, 20.0], [3.0, 30.0], [4.0, 40.0]], dtype=torch.float64)
    expected = torch.tensor([[0, 0], [-5, -50], [0, 0], [6.5, 65], [0, 0]], dtype=torch.float64)
    torch.testing.assert_close(spmm(rows, weight), expected)
    hidden = torch.ones(5, 2, dtype=torch.float64)
    torch.testing.assert_close(sddmm(rows, hidden, weight), torch.tensor([11, 33, 11, 22], dtype=torch.float64))


@settings(max_examples=examples(20), deadline=None)
@given(st.data())
def test_both_operations_agree_with_the_dense_result_on_anything(data: Any) -> None:
    """Random shapes and fillings: kernel, reference and dense product agree, and the reference is no kernel."""
    n_rows, n_cols, k = (data.draw(st.integers(1, 40)) for _ in range(3))
    rows = random_rows(n_rows, n_cols, data.draw(st.floats(0, 1)), data.draw(st.integers(0, 99)), torch.float64)
    hidden, weight, bias = normal(n_rows, k), normal(n_cols, k, seed=2), normal(n_cols, seed=3)
    pattern = rows.indptr, rows.indices
    for kernels in (cpu, reference):
        torch.testing.assert_close(kernels.spmm(*pattern, rows.values, weight), rows.to_dense() @ weight)
        entries = (hidden @ weight.T + bias)[rows.row_of(), rows.indices.long()]
        torch.testing.assert_close(kernels.sddmm(*pattern, hidden, weight, bias), entries)
        transposed = kernels.transpose(*pattern, n_cols)
        product = kernels.spmm_transposed(*transposed, rows.values, hidden)
        torch.testing.assert_close(product, rows.to_dense().T @ hidden)


def test_transposing_twice_gives_the_pattern_back() -> None:
    """`transposed` lists entries by column, in row order, with their positions; both ways of making it agree."""
    rows = random_rows(13, 6)
    by_kernel, by_reference = (m.transpose(rows.indptr, rows.indices, 6) for m in (cpu, reference))
    for a, b in zip(by_kernel, by_reference):
        assert torch.equal(a, b)
    t_indptr, t_indices, position = rows.transposed()
    transposed = SparseRows(t_indptr, t_indices, rows.values[position], 13)
    assert torch.equal(transposed.to_dense(), rows.to_dense().T)
    back = cpu.transpose(t_indptr, t_indices, 13)
    assert torch.equal(back[0], rows.indptr)
    assert torch.equal(back[1], rows.indices)


def test_dense_arguments_need_not_be_contiguous() -> None:
    """A transposed or strided weight, hidden or bias gives what its contiguous copy gives."""
    rows = random_rows(dtype=torch.float64)
    weight, hidden, bias = normal(4, 11).T, normal(4, 7).T, normal(22)[::2]
    torch.testing.assert_close(spmm(rows, weight), rows.to_dense() @ weight)
    expected = (hidden @ weight.T + bias)[rows.row_of(), rows.indices.long()]
    torch.testing.assert_close(sddmm(rows, hidden, weight, bias), expected)


def test_half_precision_takes_the_plain_way() -> None:
    """bf16 has no CPU kernel; the reference computes it, to bf16's three digits."""
    rows = random_rows()
    weight = normal(11, 3).float()
    torch.testing.assert_close(
        spmm(rows, weight.bfloat16()).float(), rows.to_dense() @ weight, rtol=0.05, atol=0.05, check_dtype=False
    )


# ---------------------------------------------------------------- gradients


def leaves(rows: SparseRows, k: int = 3) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    tensors = rows.values.clone(), normal(len(rows), k), normal(rows.n_cols, k, seed=2), normal(rows.n_cols, seed=3)
    return tuple(t.requires_grad_() for t in tensors)


def test_gradients_and_second_gradients_are_right() -> None:
    """Finite differences confirm first and second derivatives by values, weight, hidden and bias."""
    rows = with_empty_rows()
    values, hidden, weight, bias = leaves(rows, k=2)

    def product(v: Tensor, w: Tensor) -> Tensor:
        return spmm(rows.with_values(v), w)

    def entries(h: Tensor, w: Tensor, b: Tensor) -> Tensor:
        return sddmm(rows, h, w, b)

    for check in (torch.autograd.gradcheck, torch.autograd.gradgradcheck):
        assert check(product, (values, weight))
        assert check(entries, (hidden, weight, bias))


def test_the_gradient_of_a_bias_alone() -> None:
    """With hidden and weight fixed, the bias' gradient is the column sum of what flows back."""
    rows = with_empty_rows()
    bias = torch.zeros(4, dtype=torch.float64, requires_grad=True)
    sddmm(rows, normal(5, 3), normal(4, 3), bias).backward(torch.tensor([1.0, 2.0, 4.0, 8.0], dtype=torch.float64))
    assert bias.grad is not None
    assert bias.grad.tolist() == [5.0, 8.0, 2.0, 0.0]


def test_gradients_are_those_of_the_dense_path() -> None:
    """A small encoder-decoder loss: sparse and dense products give the same gradients."""
    rows = random_rows(9, 5, 0.5, dtype=torch.float64)
    gradients = []
    for dense in (False, True):
        _, _, weight, bias = leaves(rows)
        hidden = torch.sigmoid(rows.to_dense() @ weight if dense else spmm(rows, weight))
        full = (hidden @ weight.T + bias)[rows.row_of(), rows.indices.long()]
        out = full if dense else sddmm(rows, hidden, weight, bias)
        gradients.append(torch.autograd.grad((out - rows.values).square().sum(), (weight, bias)))
    for sparse_one, dense_one in zip(*gradients):
        torch.testing.assert_close(sparse_one, dense_one)


@pytest.mark.parametrize("kept", [True, False], ids=["pattern kept", "pattern worked out"])
def test_opcheck(kept: bool) -> None:
    """PyTorch's own examination of schema, fake tensors, autograd registration and dynamic compilation passes."""
    rows = with_empty_rows()
    values, hidden, weight, bias = leaves(rows)
    transposed = rows.transposed() if kept else (None, None, None)
    pattern = rows.indptr, rows.indices
    torch.library.opcheck(torch.ops.recae.spmm.default, (*pattern, values, weight, *transposed))
    for b in (bias, None):
        torch.library.opcheck(torch.ops.recae.sddmm.default, (*pattern, hidden, weight, b, *transposed))
    torch.library.opcheck(torch.ops.recae.spmm_transposed.default, (*rows.transposed(), values, hidden))
    torch.library.opcheck(torch.ops.recae.transpose.default, (*pattern, rows.n_cols))


def test_a_compiled_function_uses_the_operations() -> None:
    """`torch.compile` traces through both operations without a break and gives eager's values and gradient."""
    rows = random_rows(dtype=torch.float64)

    def loss(weight: Tensor) -> Tensor:
        return (sddmm(rows, torch.tanh(spmm(rows, weight)), weight) - rows.values).square().sum()

    compiled = torch.compile(loss, backend="aot_eager", fullgraph=True)
    _, _, weight, _ = leaves(rows)
    torch.testing.assert_close(compiled(weight), loss(weight))
    torch.testing.assert_close(*(torch.autograd.grad(f(weight), weight)[0] for f in (compiled, loss)))


# ---------------------------------------------------------------- threads


@pytest.fixture
def two_threads() -> Iterator[Any]:
    import numba

    if numba.config.NUMBA_NUM_THREADS < 2:
        pytest.skip("numba was started with one thread")
    before = numba.get_num_threads()
    yield numba.set_num_threads
    numba.set_num_threads(before)


def test_results_do_not_depend_on_the_number_of_threads(two_threads: Any) -> None:
    """One thread and two give the same bits, forwards and backwards."""
    rows = random_rows(300, 170, 0.2)
    results = []
    for n in (1, 2):
        two_threads(n)
        weight, bias = normal(170, 33).float().requires_grad_(), normal(170).float().requires_grad_()
        hidden = torch.sigmoid(spmm(rows, weight))
        out = sddmm(rows, hidden, weight, bias)
        results.append([hidden, out, *torch.autograd.grad(out.square().sum(), (weight, bias))])
    for one, two in zip(*results):
        assert torch.equal(one, two)


@pytest.mark.parametrize("tile", [1, 16, 33, 100])
def test_wide_rows_are_taken_a_tile_at_a_time(tile: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Tiles that divide the width, that do not, and one that exceeds it give the dense product."""
    monkeypatch.setattr(cpu, "_TILE", tile)
    rows, weight = random_rows(12, 70, 0.4, dtype=torch.float64), normal(70, 33)
    torch.testing.assert_close(spmm(rows, weight), rows.to_dense() @ weight)
    assert spmm(rows, torch.zeros(70, 0, dtype=torch.float64)).shape == (12, 0)


@pytest.mark.parametrize("n_chunks", [2, 3, 50])
def test_results_do_not_depend_on_how_rows_are_shared_out(n_chunks: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """One chunk of rows and several give the same bits, in columns walked in one block and in many, wide or narrow."""
    rows, weight, hidden = random_rows(60, 170, 0.2), normal(170, 33).float(), normal(60, 33).float()
    results = []
    for chunks, cache in ((1, 2**20), (n_chunks, 2**20), (1, 2048), (n_chunks, 2048)):
        monkeypatch.setattr(cpu, "_n_chunks", lambda _, chunks=chunks: chunks)
        monkeypatch.setattr(cpu, "_CACHE_BYTES", cache)
        results.append((spmm(rows, weight), sddmm(rows, hidden, weight)))
    for one, several in ((0, 1), (2, 3)):
        assert torch.equal(results[one][0], results[several][0])
        assert torch.equal(results[one][1], results[several][1])


# ---------------------------------------------------------------- shapes that do not fit


@pytest.mark.parametrize(
    ("hidden", "weight", "bias"),
    [((7, 3), (10, 3), (10,)), ((6, 3), (11, 3), None), ((7, 3), (11, 4), None), ((7, 3), (11, 3), (10,)),
     ((7, 3), (11,), None), ((7,), (11, 3), None), ((7, 3), (11, 3), (11, 1))],
)  # fmt: skip
def test_sddmm_refuses_shapes_that_do_not_fit(hidden: Any, weight: Any, bias: Any) -> None:
    """Hidden, weight and bias of a wrong shape are refused before a kernel reads past their end."""
    tensors = [None if shape is None else torch.zeros(shape) for shape in (hidden, weight, bias)]
    with pytest.raises(ParameterError, match=r"7 rows|11 columns"):
        sddmm(random_rows(), *tensors)


@pytest.mark.parametrize("shape", [(10, 3), (11,), (11, 3, 1)])
def test_spmm_refuses_shapes_that_do_not_fit(shape: tuple[int, ...]) -> None:
    """A weight of a wrong shape is refused, and the message names what is needed."""
    with pytest.raises(ParameterError, match=r"need \(11, k\)"):
        spmm(random_rows(), torch.zeros(shape))
