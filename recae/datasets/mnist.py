"""Digits: MNIST from its idx files, or, without network and copy, the small 8 x 8 digits that scikit-learn carries.

Y. LeCun, L. Bottou, Y. Bengio, P. Haffner, Gradient-based learning applied to document recognition, Proc. IEEE
86(11), 1998.
"""

from __future__ import annotations

import gzip
import logging
import math
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import IO, cast

import numpy as np
import numpy.typing as npt

from recae._types import ByteArray, FloatArray
from recae.archives import is_plausible
from recae.datasets.locations import load_folder
from recae.errors import DataError, DatasetNotFoundError
from recae.ratings.seeds import generator_of

log = logging.getLogger("recae")

TYPES = {0x08: "uint8", 0x09: "int8", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
MOST_AXES = 8  # more than any data set has, and few enough for NumPy
BLOCK = 1 << 20  # bytes


@dataclass(frozen=True, eq=False, repr=False)
class Images:
    """Grey images with labels, in a train and a test part.

    Attributes:
        train_images: uint8, shape (n_train, height, width), 0 black to 255 white.
        train_labels: uint8, shape (n_train,).
        test_images: uint8, shape (n_test, height, width).
        test_labels: uint8, shape (n_test,).
        source: what they are, in words for a caption.
    """

    train_images: ByteArray
    train_labels: ByteArray
    test_images: ByteArray
    test_labels: ByteArray
    source: str

    @property
    def train(self) -> FloatArray:
        """The train images as rows, float32 in [0, 1], shape (n_train, height * width)."""
        return as_rows(self.train_images)

    @property
    def test(self) -> FloatArray:
        """The test images as rows, float32 in [0, 1], shape (n_test, height * width)."""
        return as_rows(self.test_images)

    @property
    def image_shape(self) -> tuple[int, int]:
        """Height and width in pixels."""
        return self.train_images.shape[1], self.train_images.shape[2]

    def __repr__(self) -> str:
        height, width = self.image_shape
        return f"Images({self.source}: {len(self.train_images):,} + {len(self.test_images):,} of {height} x {width})"


def as_rows(images: ByteArray) -> FloatArray:
    """Images of shape (n, height, width), 0..255, as float32 rows in [0, 1], shape (n, height * width)."""
    return images.reshape(len(images), -1).astype(np.float32) / np.float32(255)


def load_mnist(data_dir: str | Path | None = None, download: bool = True) -> Images:
    """MNIST: 60,000 + 10,000 images of 28 x 28, found (gzipped or not) or downloaded and verified.

    Without network and copy: scikit-learn's 1,797 digits of 8 x 8, and a warning and `source` say so.

    Raises:
        DataError: a file that was found is not what it should be.
        DownloadError: what came is wrong, or the folder for it cannot be written.
    """
    try:
        folder = load_folder("mnist", data_dir, download)
    except DatasetNotFoundError as error:
        log.warning("No copy of MNIST, and no download: using scikit-learn's 8 x 8 digits instead")
        log.info("%s", error)
        return small_digits()
    return Images(
        _part(folder, "train-images-idx3-ubyte", (60_000, 28, 28)),
        _part(folder, "train-labels-idx1-ubyte", (60_000,)),
        _part(folder, "t10k-images-idx3-ubyte", (10_000, 28, 28)),
        _part(folder, "t10k-labels-idx1-ubyte", (10_000,)),
        "MNIST",
    )


def small_digits(test: int = 360, rng: int = 0) -> Images:
    """scikit-learn's handwritten digits, 8 x 8, grey values 0..16 stretched to 0..255; a seeded split."""
    from sklearn.datasets import load_digits

    digits = load_digits()
    images = np.rint(digits.images * (255 / 16)).astype(np.uint8)
    labels = digits.target.astype(np.uint8)
    order = generator_of(rng).permutation(len(images))
    held, kept = order[:test], order[test:]
    source = "scikit-learn's 8 x 8 digits (MNIST was not to be had)"
    return Images(images[kept], labels[kept], images[held], labels[held], source)


def _part(folder: Path, name: str, shape: tuple[int, ...]) -> ByteArray:
    path = next(p for p in (folder / name, folder / f"{name}.gz") if p.is_file())
    array = read_idx(path)
    if array.shape != shape or array.dtype != np.uint8:
        raise DataError(f"{path} holds {array.dtype} of shape {array.shape}, expected uint8 {shape}: not MNIST's file")
    return np.asarray(array, dtype=np.uint8)


def read_idx(path: str | Path) -> npt.NDArray[np.generic]:
    """An idx file, gzipped or not, as an array of the shape and type that its header says.

    The format: two zero bytes, a type code, the number of dimensions, each dimension as a big-endian
    uint32, then the values in C order.

    Raises:
        DataError: another kind of file, or a truncated one.
    """
    path = Path(path)
    try:
        with _opened(path) as file:
            return _array(path, file)
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(
            f"{path} cannot be read, or is not a whole gzip file ({error}): delete it and fetch again"
        ) from None


def _opened(path: Path) -> IO[bytes]:
    with path.open("rb") as file:
        packed = file.read(2) == b"\x1f\x8b"
    return cast("IO[bytes]", gzip.open(path)) if packed else path.open("rb")


def _array(path: Path, file: IO[bytes]) -> npt.NDArray[np.generic]:
    """The header first, and then as many bytes as it asks for: no more memory than the file has."""
    head = file.read(4)
    if len(head) < 4 or head[:2] != b"\0\0" or head[2] not in TYPES or head[3] > MOST_AXES:
        raise DataError(f"{path} is not an idx file: it begins with {head.hex(' ') or 'nothing'}, not 00 00 08 ..")
    dtype, axes = np.dtype(TYPES[head[2]]), file.read(4 * head[3])
    shape = struct.unpack(f">{len(axes) // 4}I", axes[: len(axes) // 4 * 4])
    expected = math.prod(shape) * dtype.itemsize
    if not is_plausible(expected, path.stat().st_size):
        raise DataError(f"{path} has {path.stat().st_size:,} bytes, its header asks for {expected:,}: damaged")
    data = bytearray()
    while len(data) <= expected and (block := file.read(min(BLOCK, expected + 1 - len(data)))):
        data += block
    if len(shape) < head[3] or len(data) != expected or math.prod(n for n in shape if n) >= 1 << 60:
        found = f"{len(data):,}" if len(data) <= expected else f"more than {expected:,}"
        raise DataError(
            f"{path} has {found} bytes of values, its header of {head[3]} dimensions {shape} asks for {expected:,}: "
            "truncated or damaged; delete it and fetch again"
        )
    return np.frombuffer(data, dtype).reshape(shape)
