"""`Autoencoder`: encoder, decoder, and the parts that make it denoising, sparse or variational."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from recae.errors import ParameterError
from recae.nn.activations import activation
from recae.nn.codes import Deterministic, GaussianCode
from recae.nn.layers import Decoder, Encoder, Rows, per_layer
from recae.sparse import SparseRows


class Output(NamedTuple):
    """What `forward` gives: logits (batch, n) or, at stored places, (nnz,); and the code's penalty, a scalar."""

    logits: Tensor
    penalty: Tensor


class Autoencoder(nn.Module):
    """x → noise → encoder → code → decoder → output head.

    Variants are parts: hand in a noise (`recae.nn.noise`), a code (`recae.nn.codes`), tied layers, another
    encoder or decoder (convolutional ones too). `forward` is the same for all of them.

    Args:
        encoder: module from rows (batch, n) to (batch, width).
        decoder: module from codes (batch, d) to logits (batch, n). For training on stored places only it
            has a method `at(code, places)` as `recae.nn.layers.Decoder` has.
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
            raise ParameterError("a variational code's encoder is wider than its decoder: tied=True cannot be had")
        names = per_layer(activations, len(widths) - 1)
        inner = list(names[:-1])
        if isinstance(code, GaussianCode):
            names = [*inner, "identity"]
        encoder = Encoder([*widths[:-1], widths[-1] * factor], names, dropout)
        decoder = Decoder(widths[::-1], inner[::-1], encoder if tied else None, dropout)
        return cls(encoder, decoder, noise=noise, code=code, output=output)

    def forward(self, x: Rows, at: SparseRows | None = None) -> Output:
        """Logits for rows `x` (batch, n): all of them, or only at the stored places of `at`."""
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
            raise ParameterError("only a variational autoencoder can be sampled: give it code=GaussianCode()")
        if isinstance(rng, int):
            rng = torch.Generator().manual_seed(rng)
        bias = next(p for p in self.decoder.parameters())
        width = self.decoder.layers[0].weight.shape[1]  # type: ignore[union-attr,index]
        return self.decode(torch.randn(n, int(width), generator=rng).to(bias))


def parse_sizes(sizes: Sequence[int] | str) -> list[int]:
    """Widths from numbers, or from a text such as "784-128-64-10-2"."""
    if not isinstance(sizes, str):
        return [int(s) for s in sizes]
    try:
        return [int(part) for part in sizes.split("-")]
    except ValueError:
        raise ParameterError(f"sizes {sizes!r}: widths joined by hyphens are needed, such as '784-128-2'") from None
