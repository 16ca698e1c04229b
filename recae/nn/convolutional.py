"""Convolutional encoders and decoders for rows that are images, flattened.

Rows stay what they are everywhere else, (batch, n) and dense or sparse, so noise, codes, losses and the trainer
need not know that there are pictures. A pooling halves height and width, rounding up (28, 14, 7, 4), and each
decoder ends at the very size that the encoder began with.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

from torch import Tensor, nn
from torch.nn import functional

from recae.errors import DataError, ParameterError, Remedy
from recae.nn.layers import Decode, Encode, Rows
from recae.nn.layers import activation as activation_called
from recae.sparse import SparseRows

KERNEL = 3
Size = tuple[int, int]


class ConvEncoder(nn.Module):
    """Convolution (3x3), activation, 2x2 max-pooling, as often as there are `channels`; then perhaps a dense layer.

    Args:
        shape: of one image, (height, width) or (channels, height, width).
        channels: of each convolution, outermost first.
        units: width of a linear layer at the end; None leaves the last feature map, flattened.
        activation: after each convolution, by name.

    Raises:
        ParameterError: an image of that shape cannot be halved that often.
    """

    def __init__(
        self,
        shape: Sequence[int],
        channels: Sequence[int] = (32, 32, 16),
        *,
        units: int | None = None,
        activation: str = "relu",
    ) -> None:
        super().__init__()
        self.shape = image_shape(shape)
        self.sizes = halvings(self.shape[1:], len(channels))
        self.channels = [self.shape[0], *channels]
        self.convolutions = nn.ModuleList(
            nn.Conv2d(a, b, KERNEL, padding="same") for a, b in itertools.pairwise(self.channels)
        )
        self.activation = activation_called(activation)
        self.map_shape = (self.channels[-1], *self.sizes[-1])
        self.dense = None if units is None else Encode(math.prod(self.map_shape), units)
        self.pool_indices: list[Tensor] = []

    def forward(self, x: Rows) -> Tensor:
        """Rows (batch, n) to (batch, units), or to the last feature map, flattened.

        Raises:
            DataError: rows are not as wide as an image has pixels.
        """
        h, self.pool_indices = self.images(x), []
        for convolution in self.convolutions:
            h, indices = functional.max_pool2d(self.activation(convolution(h)), 2, ceil_mode=True, return_indices=True)
            self.pool_indices.append(indices)
        h = h.flatten(1)
        return h if self.dense is None else self.dense(h)

    def images(self, x: Rows) -> Tensor:
        """Rows (batch, n) as images (batch, channels, height, width); what a sparse row does not store is 0."""
        if isinstance(x, SparseRows):
            x = x.to_dense()
        if x.dim() != 2 or x.shape[1] != math.prod(self.shape):
            raise DataError(
                f"rows of shape {tuple(x.shape)} for images of {' x '.join(map(str, self.shape))}: each row must hold "
                f"{math.prod(self.shape)} values",
                remedy=("flatten the images", "build the model for their shape"),
            )
        return x.reshape(len(x), *self.shape)


class ConvDecoder(nn.Module):
    """The way back from a `ConvEncoder`'s code to logits (batch, n), step by step in mirror order.

    Args:
        encoder: whose geometry is mirrored.
        units: width of the code; None where the code is the last feature map.
        up: how a feature map gets twice as large.
            "nearest": each value is repeated, then a convolution (Odena et al., 2016: no checkerboards).
            "transposed": a transposed convolution with stride 2 (Zeiler et al., 2010).
            "unpool": each value returns to the index of its maximum, then a convolution (Zeiler and Fergus, 2014).
            The indices are those of the rows that were encoded last. They tell the decoder more than the code
            does. Without them the decoder cannot run (`decode` by itself, `sample`).

    Raises:
        ParameterError: `up` is unknown.
    """

    def __init__(self, encoder: ConvEncoder, *, units: int | None = None, up: str = "nearest") -> None:
        super().__init__()
        if up not in ("nearest", "transposed", "unpool"):
            raise ParameterError(name="up", value=up, expected=("nearest", "transposed", "unpool"))
        self.up, self.sizes, self.map_shape = up, encoder.sizes[::-1], encoder.map_shape
        self.code_width = units or math.prod(self.map_shape)
        self.dense = None if units is None else Decode(units, math.prod(self.map_shape))
        # A pooled map of c channels came from a convolution *to* c channels: unpooling keeps c and the convolution
        # that follows leads to the channels before it.
        back = encoder.channels[::-1]
        self.convolutions = nn.ModuleList(self._layer(a, b) for a, b in itertools.pairwise(back))
        self.activation = encoder.activation
        self._encoder = [encoder] if up == "unpool" else []  # in a list: a reference, not a submodule

    def forward(self, code: Tensor) -> Tensor:
        """Codes (batch, d) to logits (batch, n).

        Raises:
            DataError: codes are not as wide as this decoder's.
            ParameterError: unpooling, and the rows encoded last were others than these.
        """
        if code.dim() != 2 or code.shape[1] != self.code_width:
            raise DataError(f"codes of shape {tuple(code.shape)}: this decoder takes (batch, {self.code_width})")
        h = code if self.dense is None else self.activation(self.dense(code))
        h = h.reshape(len(h), *self.map_shape)
        indices = self._pool_indices(len(code))
        for step, convolution in enumerate(self.convolutions):
            h = self._enlarge(h, step, convolution, indices)
            if step < len(self.convolutions) - 1:
                h = self.activation(h)
        return h.flatten(1)

    def at(self, code: Tensor, pattern: SparseRows) -> Tensor:
        """The output at the stored entries of `pattern`, (nnz,); the whole output is computed."""
        logits: Tensor = self(code)
        return logits[pattern.row_of(), pattern.indices.long()]

    def _layer(self, a: int, b: int) -> nn.Module:
        if self.up == "transposed":
            return nn.ConvTranspose2d(a, b, KERNEL, stride=2, padding=1)
        return nn.Conv2d(a, b, KERNEL, padding="same")

    def _enlarge(self, h: Tensor, step: int, convolution: nn.Module, indices: list[Tensor]) -> Tensor:
        size = self.sizes[step + 1]
        if self.up == "transposed":
            return convolution(h, output_size=size)  # type: ignore[no-any-return]
        if self.up == "unpool":
            h = functional.max_unpool2d(h, indices[step], [2, 2], output_size=list(size))
        else:
            h = functional.interpolate(h, size=size, mode="nearest")
        return convolution(h)  # type: ignore[no-any-return]

    def _pool_indices(self, n_rows: int) -> list[Tensor]:
        if self.up != "unpool":
            return []
        indices = self._encoder[0].pool_indices[::-1]
        if not indices or len(indices[0]) != n_rows:
            raise ParameterError(
                "it puts values back where pooling found them, and the rows that were encoded last do not belong to "
                "these codes",
                name="up",
                value="unpool",
                remedy=("use reconstruct()", Remedy("set {up} to decode codes without their rows", up="nearest")),
            )
        return indices


def image_shape(shape: Sequence[int]) -> tuple[int, int, int]:
    """(channels, height, width) from that, or from (height, width) of grey images."""
    whole = (1, *shape) if len(shape) == 2 else tuple(shape)
    if len(whole) != 3 or any(int(s) < 1 for s in whole):
        raise ParameterError(name="shape", value=tuple(shape), expected="(height, width) or (channels, height, width)")
    return int(whole[0]), int(whole[1]), int(whole[2])


def halvings(size: Sequence[int], times: int) -> list[Size]:
    """(height, width) before and after each pooling, rounded up: (28, 28), (14, 14), (7, 7), (4, 4)."""
    sizes: list[Size] = [(int(size[0]), int(size[1]))]
    for _ in range(times):
        height, width = sizes[-1]
        if min(height, width) < 2:
            raise ParameterError(
                f"an image of {size[0]} x {size[1]} cannot be halved {times} times",
                remedy="give fewer channels",
            )
        sizes.append((math.ceil(height / 2), math.ceil(width / 2)))
    if not times:
        raise ParameterError(name="channels", value=(), expected="at least one convolution")
    return sizes
