"""The shared core: what an autoencoder is built of, and that dense and sparse rows mean the same."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
import torch
from scipy import sparse
from torch import Tensor, nn

from recae.errors import ParameterError
from recae.nn import (
    Autoencoder,
    Decode,
    Decoder,
    Dropout,
    Encode,
    Encoder,
    Gaussian,
    GaussianCode,
    KLSparse,
    KSparse,
    L1Sparse,
    Masking,
    SaltAndPepper,
    Uniform,
)  # fmt: skip
from recae.nn.layers import ACTIVATIONS, activation
from recae.nn.noise import NOISES, noise
from recae.sparse import SparseRows

VARIANTS: dict[str, dict[str, Any]] = {
    "plain": {}, "tied": {"tied": True}, "deep": {"sizes": "9-6-4-3"}, "deep tied": {"sizes": "9-6-4", "tied": True},
    "sigmoid output": {"output": "sigmoid"}, "tanh": {"activations": "tanh"}, "kl": {"code": KLSparse()},
    "l1": {"code": L1Sparse(0.1)}, "k-sparse": {"code": KSparse(2)}, "variational": {"code": GaussianCode()},
    "deep variational": {"sizes": "9-6-3", "code": GaussianCode(0.2)},
}  # fmt: skip


def build(variant: str, **more: Any) -> Autoencoder:
    torch.manual_seed(0)
    settings = {"sizes": "9-4", **VARIANTS[variant], **more}
    return Autoencoder.mirrored(settings.pop("sizes"), **settings).double()


def some_rows(n_rows: int = 5, n_cols: int = 9) -> SparseRows:
    matrix = sparse.random_array((n_rows, n_cols), density=0.4, format="csr", rng=3)
    return SparseRows.from_scipy(matrix, dtype=torch.float64)


# ---------------------------------------------------------------- how it is built


def test_one_line_builds_a_deep_autoencoder() -> None:
    """ "784-128-64-10-2" is four layers down, four layers up, with the widths it says."""
    model = Autoencoder.mirrored("784-128-64-10-2")
    down = [tuple(layer.weight.shape) for layer in model.encoder.layers]
    up = [tuple(layer.weight.shape) for layer in model.decoder.layers]
    assert down == [(784, 128), (128, 64), (64, 10), (10, 2)]
    assert up == down[::-1]  # (wide, narrow) on both sides
    x = torch.rand(3, 784)
    assert model.encode(x).shape == (3, 2)
    assert model.reconstruct(x).shape == model(x).logits.shape == (3, 784)


def test_numbers_and_text_build_the_same() -> None:
    """Widths as a list or joined by hyphens give layers of the same shapes."""
    shapes = [[p.shape for p in Autoencoder.mirrored(s).parameters()] for s in ("7-3", [7, 3], (np.int64(7), 3))]
    assert shapes[0] == shapes[1] == shapes[2]


def test_activations_are_mirrored() -> None:
    """Each inner decoder layer has the activation of the encoder layer it mirrors, the last one none."""
    model = Autoencoder.mirrored("8-6-4-2", activations=["relu", "tanh", "sigmoid"])
    assert model.encoder.activations == [torch.relu, torch.tanh, torch.sigmoid]
    assert model.decoder.activations == [torch.tanh, torch.relu]


def test_the_forward_pass_is_the_formula() -> None:
    """sigmoid(x V + mu) W + b, worked out in NumPy."""
    model, x = build("plain"), np.random.default_rng(0).random((5, 9))
    v, mu = (p.detach().numpy() for p in model.encoder.parameters())
    w, b = (p.detach().numpy() for p in model.decoder.parameters())
    b[:] = np.arange(9)
    expected = 1 / (1 + np.exp(-(x @ v + mu))) @ w.T + b
    np.testing.assert_allclose(model.reconstruct(torch.from_numpy(x)).detach().numpy(), expected, rtol=1e-12)


def test_tied_weights_are_one_and_the_same() -> None:
    """Tying halves the weights, shares their memory, and a gradient step moves both ends."""
    free, tied = build("deep", sizes="9-6-4"), build("deep tied")

    def weights(model: nn.Module) -> int:
        return sum(p.numel() for name, p in model.named_parameters() if name.endswith("weight"))

    assert weights(free) == 2 * weights(tied)
    for down, up in zip(tied.encoder.layers, list(tied.decoder.layers)[::-1]):
        assert down.weight is up.weight
        assert down.weight.data_ptr() == up.weight.data_ptr()
        assert down.bias is not up.bias


def test_first_weights_are_glorot_and_biases_zero() -> None:
    """Weights lie within ±sqrt(6 / (n_in + n_out)) with the variance of that uniform, biases at 0."""
    torch.manual_seed(0)
    layer = Encode(300, 100)
    bound = np.sqrt(6 / 400)
    assert layer.weight.abs().max() <= bound
    assert float(layer.weight.detach().var()) == pytest.approx(bound**2 / 3, rel=0.03)
    assert not layer.bias.any()


# ---------------------------------------------------------------- dense and sparse


@pytest.mark.parametrize("variant", VARIANTS)
def test_dense_and_sparse_rows_give_the_same(variant: str) -> None:
    """Output, penalty and every gradient agree, whole and at the stored entries only."""
    rows, results = some_rows(), []
    for dense in (True, False):
        model = build(variant).eval()
        full, penalty = model(rows.to_dense() if dense else rows)
        at = full[rows.row_of(), rows.indices.long()] if dense else model(rows, at=rows).logits
        loss = (at - rows.values).square().sum() + full.sum() + penalty
        parameters = list(model.parameters())
        results.append([full, at, penalty, *torch.autograd.grad(loss, parameters)])
    for dense_one, sparse_one in zip(*results):
        torch.testing.assert_close(dense_one, sparse_one)


@pytest.mark.parametrize("name", ["masking", "dropout", "gaussian", "salt-and-pepper", "uniform"])
def test_noise_is_for_training_only(name: str) -> None:
    """In training the input is changed, in evaluation it is the very same; sparse rows keep their pattern."""
    part, rows = noise(name, 0.4), some_rows()
    dense = rows.to_dense() + 0.5
    torch.manual_seed(0)
    assert not torch.equal(part(dense), dense)
    noisy = part(rows)
    assert torch.equal(noisy.indices, rows.indices)
    assert not torch.equal(noisy.values, rows.values)
    part.eval()
    assert part(dense) is dense
    assert part(rows) is rows


@pytest.mark.parametrize("variant", VARIANTS)
def test_evaluation_is_deterministic_and_clean(variant: str) -> None:
    """With noise, dropout and a random code, evaluation still gives the same output twice, training does not."""
    model, x = build(variant, dropout=0.3, noise=Masking(0.3)), some_rows().to_dense()
    assert not torch.equal(model(x).logits, model(x).logits)
    model.eval()
    assert torch.equal(model(x).logits, model(x).logits)


def test_uniform_noise_is_mixed_in() -> None:
    """0.7 x + 0.3 U(0, 2) on 100,000 ones: from 0.7 to 1.3, 1 on average, spread evenly."""
    torch.manual_seed(0)
    mixed = Uniform(0.3, 2.0)(torch.ones(100_000))
    assert 0.7 <= float(mixed.min()) < 0.701
    assert 1.299 < float(mixed.max()) <= 1.3
    assert float(mixed.mean()) == pytest.approx(1, abs=0.005)
    assert float(mixed.std()) == pytest.approx(0.6 / 12**0.5, rel=0.02)
    with pytest.raises(ParameterError, match="high"):
        Uniform(0.3, 0)


def test_what_each_noise_does() -> None:
    """Shares, sizes and moments of each noise on 100,000 ones are those of its definition."""
    torch.manual_seed(0)
    x = torch.ones(100_000)
    masked = Masking(0.3)(x)
    assert masked.unique().tolist() == [0.0, 1.0]
    assert float(masked.mean()) == pytest.approx(0.7, abs=0.01)
    dropped = Dropout(0.3)(x)
    torch.testing.assert_close(dropped.unique(), torch.tensor([0.0, 1 / 0.7]))
    assert float(dropped.mean()) == pytest.approx(1.0, abs=0.01)
    blurred = Gaussian(0.5)(x)
    assert float(blurred.mean()) == pytest.approx(1.0, abs=0.01)
    assert float(blurred.std()) == pytest.approx(0.5, abs=0.01)
    clipped = Gaussian(0.5, 0.0, 1.0)(x)
    assert (float(clipped.min()), float(clipped.max())) == (0.0, 1.0)
    peppered = SaltAndPepper(0.4, low=-1.0, high=2.0)(x)
    shares = [float((peppered == v).float().mean()) for v in (-1.0, 1.0, 2.0)]
    assert shares == pytest.approx([0.2, 0.6, 0.2], abs=0.01)


# ---------------------------------------------------------------- generating


def test_sampling_a_variational_autoencoder() -> None:
    """Samples are decoded standard normal codes, the same for the same seed, through the output head."""
    model = build("deep variational", output="sigmoid").eval()
    rows = model.sample(6, rng=1)
    assert rows.shape == (6, 9)
    assert torch.equal(rows, model.sample(6, rng=torch.Generator().manual_seed(1)))
    assert not torch.equal(rows, model.sample(6, rng=2))
    codes = torch.randn(6, 3, generator=torch.Generator().manual_seed(1)).double()
    torch.testing.assert_close(rows, model.decode(codes))
    assert 0 < float(rows.min()) <= float(rows.max()) < 1


def test_only_a_variational_autoencoder_can_be_sampled() -> None:
    """Without a gaussian code nothing is known of how codes lie, and the message says what to do."""
    with pytest.raises(ParameterError, match="GaussianCode"):
        build("plain").sample(3)


# ---------------------------------------------------------------- what is refused


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Autoencoder.mirrored("784"), "two positive widths"),
        (lambda: Autoencoder.mirrored("784-0-2"), "two positive widths"),
        (lambda: Autoencoder.mirrored("784x128"), "hyphens"),
        (lambda: Autoencoder.mirrored("9-4", activations="sigmoidd"), "choose 'identity'"),
        (lambda: Autoencoder.mirrored("9-4", output="none"), "choose 'identity'"),
        (lambda: Autoencoder.mirrored("9-4-2", activations=["relu"]), "for each of 2 layers"),
        (lambda: Autoencoder.mirrored("9-4", dropout=1.0), "dropout=1.0"),
        (lambda: Autoencoder.mirrored("9-4", tied=True, code=GaussianCode()), "tied"),
        (lambda: Decode(4, 9, tied_to=Encode(8, 4)), "cannot be tied"),
        (lambda: noise("fog", 0.1), "choose 'gaussian'"),
        (lambda: Gaussian(-1), "sigma=-1"), (lambda: Masking(1.0), "fraction=1.0"),
        (lambda: Dropout(-0.1), "fraction=-0.1"), (lambda: SaltAndPepper(2), "fraction=2"),
        (lambda: KLSparse(rho=1.0), "rho=1.0"), (lambda: KSparse(0), "k=0"),
        (lambda: KSparse(5)(torch.zeros(2, 4)), "k=5"),
    ],
)  # fmt: skip
def test_what_cannot_be_built_is_refused_by_name(make: Any, message: str) -> None:
    """A width, name, fraction or tie that cannot be raises ParameterError that names it."""
    with pytest.raises(ParameterError, match=message):
        make()


def test_every_name_in_the_tables_works() -> None:
    """Each activation maps finite to finite values, each noise can be made by its name."""
    x = torch.linspace(-3, 3, 12).reshape(3, 4)
    for name in ACTIVATIONS:
        out: Tensor = activation(name)(x)
        assert out.shape == x.shape
        assert bool(torch.isfinite(out).all())
    assert torch.equal(activation("identity")(x), x)
    torch.testing.assert_close(activation("softmax")(x).sum(1), torch.ones(3))
    torch.testing.assert_close(activation("swish")(x), x * torch.sigmoid(x))
    for (name, kind), level in itertools.product(NOISES.items(), [0.2]):
        assert isinstance(noise(name, level), kind)


def test_stacks_around_existing_layers_share_them() -> None:
    """`Encoder.of` and `Decoder.of` compute with the very layers they are given."""
    model = build("deep", sizes="9-6-4")
    x = some_rows().to_dense()
    outer = Encoder.of(list(model.encoder.layers)[:1], [torch.sigmoid])
    inner = Decoder.of(list(model.decoder.layers)[-1:], [])
    assert next(iter(outer.parameters())) is model.encoder.layers[0].weight
    pair = Autoencoder(outer, inner)
    first, last = model.encoder.layers[0], model.decoder.layers[1]
    torch.testing.assert_close(pair(x).logits, last(torch.sigmoid(first(x))))
