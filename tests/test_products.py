"""Dense products by oneDNN: the same values and gradients as PyTorch's own, whatever the layout in memory."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from torch import Tensor

from recae.nn import Decode, Encode, products
from recae.nn.products import affine, product

needs_onednn = pytest.mark.skipif(
    not (torch.backends.mkldnn.is_available() and hasattr(torch.ops.mkldnn, "_linear_pointwise")),
    reason="PyTorch without oneDNN",
)


@pytest.fixture
def onednn(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int, int]]:
    """oneDNN for all products of three widths of 2 and more, whatever the processor; the shapes that it was given."""
    taken: list[tuple[int, int, int]] = []
    monkeypatch.setattr(products, "onednn_is_faster", lambda: True)
    monkeypatch.setattr(products, "WORK", 1)
    monkeypatch.setattr(products, "NARROWEST", 2)
    pays = products._pays

    def noted(a: Tensor, b: Tensor) -> bool:
        found = pays(a, b)
        if found:
            taken.append((*a.shape, b.shape[1]))
        return found

    monkeypatch.setattr(products, "_pays", noted)
    return taken


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def layouts(x: Tensor) -> dict[str, Tensor]:
    """`x` by rows, by columns, as a part of something larger, and (its first row's first value) expanded."""
    wide = torch.full((x.shape[0] + 3, x.shape[1] + 5), torch.nan)
    wide[1:-2, 2:-3] = x
    return {
        "rows": x.clone(), "columns": x.t().contiguous().t(), "part": wide[1:-2, 2:-3],
        "expanded": x[:1, :1].expand(x.shape), "every other": torch.stack([x, x], 2).flatten(1)[:, ::2],
    }  # fmt: skip


@needs_onednn
@pytest.mark.parametrize("left", ["rows", "columns", "part", "expanded", "every other"])
@pytest.mark.parametrize("right", ["rows", "columns", "part", "expanded", "every other"])
def test_a_product_does_not_depend_on_the_layout(onednn: list[tuple[int, int, int]], left: str, right: str) -> None:
    """Each layout of either side gives the product in double precision, and oneDNN made it."""
    a, b = layouts(normal(5, 7))[left], layouts(normal(7, 4, seed=1))[right]
    torch.testing.assert_close(product(a, b), (a.double() @ b.double()).float())
    assert onednn == [(5, 7, 4)]


@needs_onednn
@pytest.mark.parametrize("alpha", [1.0, -0.5])
def test_a_product_is_added_in_place(
    onednn: list[tuple[int, int, int]], monkeypatch: pytest.MonkeyPatch, alpha: float
) -> None:
    """Three columns at a time, the last time one, onto a part of a larger matrix, whose rest stays as it was."""
    monkeypatch.setattr(products, "COLUMNS", 3)
    monkeypatch.setattr(products, "NARROWEST", 1)
    whole = normal(9, 10, seed=2)
    wanted = whole.clone()
    a, b = layouts(normal(5, 6))["columns"], layouts(normal(6, 7, seed=1))["part"]
    wanted[2:7, 1:8] += alpha * (a @ b)
    products.add_product_(whole[2:7, 1:8], a, b, alpha=alpha)
    torch.testing.assert_close(whole, wanted)
    assert [shape[2] for shape in onednn] == [7, 3, 3, 1]


@needs_onednn
def test_no_part_of_a_larger_matrix_reaches_onednn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each operand is contiguous one way or the other: with a part, oneDNN takes its reference loop."""
    given: list[Tensor] = []
    plain = products._plain
    monkeypatch.setattr(products, "onednn_is_faster", lambda: True)
    monkeypatch.setattr(products, "_plain", lambda x: given.append(plain(x)) or given[-1])
    large = normal(300, 400)
    product(large[:200, 50:250], large[:200, 50:250])
    products.add_product_(torch.zeros(200, 200), large[:200, 50:250].t(), large[:200, 50:250])
    assert len(given) >= 4
    assert all(x.is_contiguous() or x.t().is_contiguous() for x in given)


@needs_onednn
def test_gradients_are_those_of_addmm(onednn: list[tuple[int, int, int]]) -> None:
    """Values, first gradients (with the parameter's layout, so that nothing is copied) and second ones agree."""
    found = []
    for formula in (affine, torch.addmm):
        bias, a, w = (normal(*shape, seed=3).requires_grad_() for shape in ((6,), (5, 7), (6, 7)))
        out = formula(bias, a, w.t())
        grads = torch.autograd.grad(out.tanh().sum(), (bias, a, w), create_graph=True)
        again = torch.autograd.grad(sum(g.square().sum() for g in grads), (bias, a, w))
        assert grads[2].is_contiguous()
        found.append([out, *grads, *again])
    for ours, theirs in zip(*found):
        torch.testing.assert_close(ours, theirs)
    assert len(onednn) > 3


@needs_onednn
@pytest.mark.parametrize("layer", [Encode(7, 6), Decode(7, 6)], ids=["encode", "decode"])
def test_layers_use_it_forwards_and_backwards(onednn: list[tuple[int, int, int]], layer: Encode | Decode) -> None:
    """A layer on dense rows asks oneDNN for its output, and then for the gradients of its rows and its weight."""
    x = normal(5, 7).requires_grad_()
    layer(x).sum().backward()
    assert onednn[0] == (5, 7, 6)
    assert {tuple(sorted(shape)) for shape in onednn} == {(5, 6, 7)}
    assert len(onednn) == 3


def test_small_ones_and_other_types_are_pytorchs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Products with little to do, or in double precision, stay where they were; wrong shapes are refused as ever."""
    monkeypatch.setattr(products, "onednn_is_faster", lambda: pytest.fail("asked for"))
    small, double = normal(16, 16), normal(200, 200).double()
    torch.testing.assert_close(product(small, small), small @ small)
    torch.testing.assert_close(product(double, double), double @ double)
    with pytest.raises(RuntimeError, match="cannot be multiplied"):
        affine(normal(9), normal(500, 600), normal(500, 700))


@pytest.mark.parametrize(("capability", "about", "wanted"), [
    ("AVX512", "vendor_id : AuthenticAMD", True),
    ("AVX512", "vendor_id : GenuineIntel", False),
    ("AVX2", "vendor_id : AuthenticAMD", False),
])  # fmt: skip
@needs_onednn
def test_who_multiplies_is_known_beforehand(
    monkeypatch: pytest.MonkeyPatch, capability: str, about: str, wanted: bool
) -> None:
    """The processor's maker and its instructions decide, so that the same machine always does the same."""
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: capability)
    monkeypatch.setattr(Path, "read_text", lambda self, **kwargs: about)
    assert products.onednn_is_faster.__wrapped__() is wanted


@pytest.mark.parametrize("age", ["before PyTorch 2.9", "since PyTorch 2.9"])
def test_products_are_exact_within_full_precision(monkeypatch: pytest.MonkeyPatch, age: str) -> None:
    """Old and new switches of PyTorch are set to exact products, and back; a library without a switch is no error."""
    if age == "since PyTorch 2.9":
        libraries = [SimpleNamespace(fp32_precision=kept) for kept in ("tf32", "bf16")]
        cuda, mkldnn = libraries[0], SimpleNamespace(matmul=libraries[1])
    else:
        libraries = [SimpleNamespace(allow_tf32=True)]
        cuda, mkldnn = libraries[0], SimpleNamespace()
    before = [vars(library).copy() for library in libraries]
    backends = SimpleNamespace(cuda=SimpleNamespace(matmul=cuda), mkldnn=mkldnn)
    monkeypatch.setattr(products, "torch", SimpleNamespace(backends=backends))
    with products.full_precision():
        assert {value for library in libraries for value in vars(library).values()} <= {"ieee", False}
    assert [vars(library) for library in libraries] == before
