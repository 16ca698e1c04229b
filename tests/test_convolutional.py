"""Convolutional parts: geometry, the three ways up, and their limits."""

from __future__ import annotations

import copy
import math

import pytest
import torch
from scipy import sparse
from torch.nn import functional

from recae.errors import DataError, ParameterError
from recae.nn import Autoencoder, ConvDecoder, ConvEncoder, Gaussian, GaussianCode
from recae.nn.convolutional import halvings
from recae.sparse import SparseRows
from recae.training import Batch, Reconstruction, RowBatches, Trainer

WAYS = ("nearest", "transposed", "unpool")


def pictures(n: int = 40, height: int = 7, width: int = 10) -> torch.Tensor:
    """Rows (n, 70): one bright 3 x 3 square a picture, at another position each; pictures are not square."""
    rng = torch.Generator().manual_seed(0)
    images = torch.zeros(n, height, width)
    for image in images:
        top, left = torch.randint(height - 2, (), generator=rng), torch.randint(width - 2, (), generator=rng)
        image[top : top + 3, left : left + 3] = 1
    return images.flatten(1)


@pytest.mark.parametrize("up", WAYS)
@pytest.mark.parametrize(("shape", "channels"), [((28, 28), (32, 32, 16)), ((7, 10), (4, 3)), ((3, 9, 5), (6, 2))])
def test_every_way_up_ends_where_it_began(up: str, shape: tuple[int, ...], channels: tuple[int, ...]) -> None:
    """Rows come back as wide as they went in, for even and odd sizes and for colour, with values in [0, 1]."""
    model = Autoencoder.convolutional(shape, channels, up=up).eval()
    rows = torch.rand(2, math.prod(shape))
    output = model.reconstruct(rows).detach()
    assert output.shape == rows.shape
    assert 0 <= float(output.min()) <= float(output.max()) <= 1


def test_the_tutorials_encoder_has_the_tutorials_code() -> None:
    """Convolutions to 32, 32 and 16 channels with pooling make 16 maps of 4 x 4 from a digit: 256 numbers."""
    encoder = ConvEncoder((28, 28))
    assert encoder(torch.rand(3, 784)).shape == (3, 16 * 4 * 4)
    assert halvings((28, 28), 3) == [(28, 28), (14, 14), (7, 7), (4, 4)]


def test_the_encoder_is_convolution_activation_pooling() -> None:
    """Against the same steps written out with PyTorch's functions."""
    torch.manual_seed(0)
    encoder = ConvEncoder((6, 4), (3,), activation="relu")
    rows = torch.rand(5, 24)
    layer = encoder.convolutions[0]
    h = functional.conv2d(rows.reshape(5, 1, 6, 4), layer.weight, layer.bias, padding=1)
    expected = functional.max_pool2d(torch.relu(h), 2).flatten(1)
    torch.testing.assert_close(encoder(rows), expected)


@pytest.mark.parametrize("up", WAYS)
def test_dense_and_sparse_pictures_are_the_same(up: str) -> None:
    """What a sparse row does not store is black, so both forms give one output, whole and at stored entries."""
    torch.manual_seed(0)
    model = Autoencoder.convolutional((7, 10), (4, 3), up=up).eval()
    rows = pictures(6)
    stored = SparseRows.from_scipy(sparse.csr_array(rows.numpy()))
    torch.testing.assert_close(model(stored).logits, model(rows).logits)
    at = model(stored, at=stored).logits
    torch.testing.assert_close(at, model(rows).logits[rows > 0])


@pytest.mark.parametrize("form", ["dense", "sparse"])
@pytest.mark.parametrize("up", WAYS)
def test_each_learns_to_denoise(up: str, form: str) -> None:
    """With noise 0.5 in training, output for noisy pictures comes nearer to the clean ones than the noisy are."""
    clean = pictures()
    noise = Gaussian(0.5, 0, 1)
    torch.manual_seed(1)
    noisy = noise.corrupt(clean)
    model = Autoencoder.convolutional((7, 10), (8, 8), up=up, noise=noise)
    rows = clean if form == "dense" else SparseRows.from_scipy(sparse.csr_array(clean.numpy()))
    trainer = Trainer(epochs=25, lr=1e-2, device="cpu", progress=False)
    trainer.fit(model, RowBatches(rows, batch_size=20), Reconstruction("cross-entropy"))
    given = noisy if form == "dense" else clean  # noise on sparse rows touches only what is stored
    after = functional.mse_loss(model.reconstruct(given), clean)
    assert after < functional.mse_loss(noisy, clean)


def test_unpooling_puts_values_where_they_were() -> None:
    """With a convolution that changes nothing, the largest value of each 2 x 2 field comes back at its own index."""
    encoder = ConvEncoder((4, 6), (1,), activation="identity")
    decoder = ConvDecoder(encoder, up="unpool")
    for layer in (encoder.convolutions[0], decoder.convolutions[0]):
        torch.nn.init.dirac_(layer.weight)
        torch.nn.init.zeros_(layer.bias)
    rows = torch.rand(3, 24, generator=torch.Generator().manual_seed(0))
    fields = rows.reshape(3, 2, 2, 3, 2)  # rows, field, row in it, field, column in it
    largest = fields.amax((2, 4), keepdim=True)
    expected = torch.where(fields == largest, fields, torch.zeros(())).reshape(3, 24)
    torch.testing.assert_close(decoder(encoder(rows)), expected)


def test_unpooling_knows_no_way_back_from_a_code_alone() -> None:
    """Codes of rows that were not encoded last are refused with the remedy, not decoded at wrong indices."""
    model = Autoencoder.convolutional((7, 10), (4,), up="unpool").eval()
    code = model.encode(pictures(5))
    with pytest.raises(ParameterError, match="reconstruct"):
        model.decode(code[:3])


def test_a_copy_unpools_at_its_own_indices() -> None:
    """A deep copy's decoder looks at the copied encoder, not at the original."""
    model = Autoencoder.convolutional((7, 10), (4,), up="unpool").eval()
    twin, rows = copy.deepcopy(model), pictures(5)
    model.encode(rows[:2])
    torch.testing.assert_close(twin.reconstruct(rows), model.reconstruct(rows))


def test_a_dense_code_and_a_variational_one() -> None:
    """units= gives a code of that width; with a gaussian code the model can be sampled."""
    model = Autoencoder.convolutional((7, 10), (4, 3), units=5, code=GaussianCode()).eval()
    assert model.encode(pictures(3)).shape == (3, 5)
    drawn = model.sample(4, rng=0)
    assert drawn.shape == (4, 70)
    assert 0 <= float(drawn.min()) <= float(drawn.max()) <= 1


def test_a_convolutional_network_has_fewer_numbers_than_a_dense_one() -> None:
    """The nearest-neighbour decoder mirrors the encoder's channels: the parameters are those of six convolutions."""
    model = Autoencoder.convolutional((28, 28))
    sizes = [(1, 32), (32, 32), (32, 16), (16, 32), (32, 32), (32, 1)]
    assert sum(p.numel() for p in model.parameters()) == sum(9 * a * b + b for a, b in sizes)


@pytest.mark.parametrize("width", [64, 69])
def test_pictures_of_the_wrong_size_are_refused(width: int) -> None:
    """The error names the picture's shape and the rows' width."""
    with pytest.raises(DataError, match=rf"{width}.*1 x 7 x 10.*70 values"):
        Autoencoder.convolutional((7, 10), (4,)).encode(torch.zeros(2, width))


def test_codes_of_the_wrong_width_are_refused() -> None:
    """A code that is not the decoder's meets an error that says what it takes."""
    model = Autoencoder.convolutional((7, 10), (4,), units=3)
    with pytest.raises(DataError, match=r"\(batch, 3\)"):
        model.decode(torch.zeros(2, 4))


def test_values_outside_the_unit_interval_are_refused() -> None:
    """Cross-entropy refuses grey values of 0 to 255 and says to divide."""
    model = Autoencoder.convolutional((7, 10), (4,))
    with pytest.raises(DataError, match="divide by the highest"):
        Reconstruction("cross-entropy")(model, Batch(255 * pictures(3), 255 * pictures(3)))


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: Autoencoder.convolutional((8, 8), (4, 4, 4, 4)),
        lambda: Autoencoder.convolutional((8, 8), ()),
        lambda: Autoencoder.convolutional((8, 8), (4,), up="bilinear"),
        lambda: Autoencoder.convolutional((8,), (4,)),
        lambda: Autoencoder.convolutional((8, 0), (4,)),
        lambda: Autoencoder.convolutional((8, 8), (4,), activation="sine"),
        lambda: Autoencoder.convolutional((8, 8), (4,), code=GaussianCode()),
    ],
)
def test_geometry_that_cannot_be_is_refused(wrong: object) -> None:
    """Too many poolings, no convolution, an unknown way up or activation: a ParameterError at once."""
    with pytest.raises(ParameterError):
        wrong()
