"""`Autoencoder`: encoder, decoder, and the parts that make it denoising, sparse or variational."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from recae.errors import ParameterError, Phrase, Remedy
from recae.nn.codes import Deterministic, GaussianCode
from recae.nn.convolutional import ConvDecoder, ConvEncoder
from recae.nn.layers import Decoder, Encoder, Rows, activation, per_layer
from recae.sparse import SparseRows


class Output(NamedTuple):
    """The result of `forward`: logits (batch, n), or (nnz,) at stored entries; and the code's penalty, a scalar."""

    logits: Tensor
    penalty: Tensor


class Autoencoder(nn.Module):
    """x → noise → encoder → code → decoder → output head.

    Variants are parts: hand in a noise (`recae.nn.noise`), a code (`recae.nn.codes`), tied layers, another
    encoder or decoder (convolutional ones too). `forward` is the same for all of them.

    Args:
        encoder: module from rows (batch, n) to (batch, width).
        decoder: module from codes (batch, d) to logits (batch, n). To train on stored entries only, it
            needs a method `at(code, pattern)` as `recae.nn.layers.Decoder` has.
        noise: corrupts the input in training.
        code: turns the encoder's output into a code and a penalty; its `width_factor` says how much wider
            than the code the encoder's output has to be (2 for the variational one).
        output: activation of the output head, by name.
    """

    def __init__(
        self,
        encoder: nn.Module,
        decoder: nn.Module,
        *,
        noise: nn.Module | None = None,
        code: nn.Module | None = None,
        output: str = "identity",
    ) -> None:
        super().__init__()
        self.encoder, self.decoder = encoder, decoder
        self.noise = nn.Identity() if noise is None else noise
        self.code = Deterministic() if code is None else code
        self.output = activation(output)

    @classmethod
    def mirrored(
        cls,
        sizes: Sequence[int] | str,
        *,
        activations: str | Sequence[str] = "sigmoid",
        output: str = "identity",
        tied: bool = False,
        dropout: float = 0.0,
        noise: nn.Module | None = None,
        code: nn.Module | None = None,
    ) -> Autoencoder:
        """Widths from the row to the code, and back in reverse: `mirrored("784-128-64-10-2")`.

        Args:
            sizes: widths, as numbers or as one text with hyphens.
            activations: of the encoder's layers (the last one's is the code's); the decoder's inner layers
                mirror them. A gaussian code's layer is always linear.
            output: activation of the output head.
            tied: the decoder uses the encoder's weights, transposed.
            dropout: fraction of hidden units dropped in training.
            noise, code: parts, as in the constructor.

        Raises:
            ParameterError: a width is not positive, or the number of activations is not that of the layers.
        """
        widths = parse_sizes(sizes)
        factor = getattr(code, "width_factor", 1)
        if tied and factor != 1:
            raise ParameterError(
                "the encoder of a variational code is wider than its decoder, so they cannot share weights",
                name="tied", value=tied,
            )  # fmt: skip
        names = per_layer(activations, len(widths) - 1)
        inner = list(names[:-1])
        if isinstance(code, GaussianCode):
            names = [*inner, "identity"]
        encoder = Encoder([*widths[:-1], widths[-1] * factor], names, dropout)
        decoder = Decoder(widths[::-1], inner[::-1], encoder if tied else None, dropout)
        return cls(encoder, decoder, noise=noise, code=code, output=output)

    @classmethod
    def convolutional(
        cls,
        shape: Sequence[int],
        channels: Sequence[int] = (32, 32, 16),
        *,
        units: int | None = None,
        up: str = "nearest",
        activation: str = "relu",
        output: str = "sigmoid",
        noise: nn.Module | None = None,
        code: nn.Module | None = None,
    ) -> Autoencoder:
        """Convolution and max-pooling down, and back up in mirror order (see `recae.nn.convolutional`).

        Args:
            shape: of one image, (height, width) or (channels, height, width); rows are images flattened.
            channels: of each convolution, outermost first; each is followed by a pooling that halves the image.
            units: width of a dense code behind the convolutions; None makes the last feature map the code.
            up: "nearest" (upsampling, then convolution), "transposed" (convolution) or "unpool" (to the indices
                that pooling kept).
            activation, output: of the layers, and of the output head.
            noise, code: parts, as in the constructor; a gaussian code needs `units`.

        Raises:
            ParameterError: the shape is too small for so many poolings, or a name is unknown.
        """
        factor = getattr(code, "width_factor", 1)
        if factor != 1 and units is None:
            raise ParameterError(
                "a variational code is dense", name="units", value=units, expected="the width of the code"
            )
        encoder = ConvEncoder(shape, channels, units=units and units * factor, activation=activation)
        decoder = ConvDecoder(encoder, units=units, up=up)
        return cls(encoder, decoder, noise=noise, code=code, output=output)

    def forward(self, x: Rows, at: SparseRows | None = None) -> Output:
        """Logits for rows `x` (batch, n): all of them, or only at the stored entries of `at`."""
        code, penalty = self.code(self.encoder(self.noise(x)))
        logits = self.decoder(code) if at is None else self.decoder.at(code, at)  # type: ignore[operator]
        return Output(logits, penalty)

    def encode(self, x: Rows) -> Tensor:
        """The code of each row, (batch, d); in evaluation mode it is deterministic."""
        code: Tensor = self.code(self.encoder(self.noise(x)))[0]
        return code

    def decode(self, code: Tensor) -> Tensor:
        """Rows from codes: (batch, d) to (batch, n), through the output head."""
        return self.output(self.decoder(code))

    def reconstruct(self, x: Rows) -> Tensor:
        """decode(encode(x)): (batch, n)."""
        return self.decode(self.encode(x))

    @torch.no_grad()
    def sample(self, n: int, *, rng: torch.Generator | int | None = None) -> Tensor:
        """`n` new rows from codes drawn from N(0, 1): what a variational autoencoder is for.

        Raises:
            ParameterError: the code is not variational, so that nothing is known of how codes lie.
        """
        if not isinstance(self.code, GaussianCode):
            raise ParameterError(
                "only a variational autoencoder can be sampled",
                remedy=Remedy("build it with {code}", code=Phrase("code=GaussianCode()")),
            )
        if isinstance(rng, int):
            rng = torch.Generator().manual_seed(rng)
        width: Any = self.decoder.code_width
        like = next(p for p in self.decoder.parameters())
        return self.decode(torch.randn(n, width, generator=rng).to(like))

    @torch.no_grad()
    def mean_activation(self, x: Rows, *, block: int = 4096) -> Tensor:
        """The mean of each code unit over rows `x`, (d,): what a sparse code's rho asked for, as it came out.

        Worked out `block` rows at a time, without noise, whatever mode the model is in.
        """
        training = self.training
        self.eval()
        try:
            parts = torch.split(torch.arange(len(x)), block)
            return torch.stack([self.encode(x[part]).sum(0) for part in parts]).sum(0) / len(x)
        finally:
            self.train(training)


def parse_sizes(sizes: Sequence[int] | str) -> list[int]:
    """Widths from numbers, or from a text such as "784-128-64-10-2"."""
    if not isinstance(sizes, str):
        return [int(s) for s in sizes]
    try:
        return [int(part) for part in sizes.split("-")]
    except ValueError:
        raise ParameterError(
            name="sizes", value=sizes, expected="widths joined by hyphens, such as '784-128-2'"
        ) from None
