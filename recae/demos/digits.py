"""What the demos learn from: digits as tensors, in three parts, and documents."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from recae.datasets.mnist import Images

VALIDATION = 5000  # at most; of small sets an eighth


@dataclass(frozen=True, eq=False)
class Digits:
    """Images as rows in [0, 1], float32 (n, pixels), with labels, int64 (n,).

    Attributes:
        train, train_labels: what is learned from.
        validation, validation_labels: a part of the original train set, for every choice and curve.
        test, test_labels: looked at once, for the figures.
        shape: height and width of an image.
        source: what the images are, for captions.
    """

    train: Tensor
    train_labels: Tensor
    validation: Tensor
    validation_labels: Tensor
    test: Tensor
    test_labels: Tensor
    shape: tuple[int, int]
    source: str

    @classmethod
    def of(cls, images: Images, seed: int = 0) -> Digits:
        """Three parts from two: `seed` chooses which train images are held out for validation."""
        rows, labels = torch.from_numpy(images.train), torch.from_numpy(images.train_labels.astype("int64"))
        order = torch.randperm(len(rows), generator=torch.Generator().manual_seed(seed))
        held, kept = order[: (n := min(VALIDATION, len(rows) // 8))], order[n:]
        test, test_labels = torch.from_numpy(images.test), torch.from_numpy(images.test_labels.astype("int64"))
        return cls(
            rows[kept], labels[kept], rows[held], labels[held], test, test_labels, images.image_shape, images.source
        )

    @property
    def pixels(self) -> int:
        """Values in a row."""
        return self.train.shape[1]

    @property
    def small(self) -> bool:
        """The 8 x 8 digits rather than MNIST: fewer images, so more epochs, and narrower layers."""
        return len(self.train) < 10_000

    @property
    def noun(self) -> str:
        """The name of the digits' source, for titles."""
        return "8x8 digits" if self.small else "MNIST"

    def sizes(self, text: str) -> list[int]:
        """Widths as for 784 pixels, fitted to images of this size: "784-392-28-10-2" gives 64-32-16-10-2 for 8 x 8.

        Hidden layers shrink as the image does, but to no less than 16 units; narrower ones stay.
        """
        _, *hidden = (int(width) for width in text.split("-"))
        return [self.pixels, *(max(min(width, 16), round(width * self.pixels / 784)) for width in hidden)]

    def one_of_each(self, per_class: int = 1) -> Tensor:
        """Places of the first `per_class` test images of every digit, in the digits' order."""
        found = [torch.nonzero(self.test_labels == digit).squeeze(1)[:per_class] for digit in range(10)]
        return torch.cat(found)
