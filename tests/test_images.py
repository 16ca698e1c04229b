"""Digits and documents: the idx format, MNIST, 20 Newsgroups, and what stands in where they are not."""

from __future__ import annotations

import gzip
import logging
import struct
from pathlib import Path

import numpy as np
import pytest

from recae.datasets import locations
from recae.datasets import newsgroups as documents
from recae.datasets.mnist import as_rows, read_idx, small_digits
from recae.errors import DataError
from recae.loaders import load_mnist, load_newsgroups


def idx(array: np.ndarray, code: int = 0x08) -> bytes:
    """The oracle: the format as its page describes it, written with struct."""
    return struct.pack(">BBBB", 0, 0, code, array.ndim) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()


@pytest.fixture
def no_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine without copies and without network."""
    monkeypatch.delenv("RECAE_DATA_DIR", raising=False)
    monkeypatch.setattr(locations, "cache_dir", lambda: tmp_path / "cache")
    monkeypatch.setenv("RECAE_MIRROR", "http://127.0.0.1:9")  # no server listens there
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("packed", [False, True])
def test_idx_files(tmp_path: Path, packed: bool) -> None:
    """An idx file, gzipped or not, gives back the array it was written from, of any type and shape."""
    for array, code in (
        (np.arange(24, dtype=np.uint8).reshape(2, 3, 4), 0x08),
        (np.array([1.5, -2.5], ">f4"), 0x0D),
        (np.zeros((0, 5), np.uint8), 0x08),
    ):
        path = tmp_path / "file"
        path.write_bytes(gzip.compress(idx(array, code)) if packed else idx(array, code))
        back = read_idx(path)
        assert back.dtype == array.dtype
        np.testing.assert_array_equal(back, array)


def test_idx_files_at_fault(tmp_path: Path) -> None:
    """Truncated, overlong, packed and cut, and foreign files each give an error that says so."""
    whole = idx(np.arange(24, dtype=np.uint8).reshape(2, 3, 4))
    path = tmp_path / "file"
    for content, message in (
        (whole[:-1], r"23 bytes of values, its header of 3 dimensions \(2, 3, 4\) asks for 24: truncated"),
        (whole + b"x", "more than 24 bytes of values, .* asks for 24"),
        (whole[:10], "truncated or damaged"),
        (gzip.compress(whole)[:-9], "not a whole gzip file"),
        (b"\x89PNG....", "not an idx file: it begins with 89 50 4e 47"),
        (b"\0\0\x07\1" + b"\0" * 9, "not an idx file"),
        (b"", "not an idx file: it begins with nothing"),
    ):
        path.write_bytes(content)
        with pytest.raises(DataError, match=message):
            read_idx(path)


def test_rows_in_0_to_1() -> None:
    """Images become float32 rows: black 0, white 1, pixels in reading order."""
    rows = as_rows(np.array([[[0, 255], [51, 0]]], np.uint8))
    assert rows.dtype == np.float32
    np.testing.assert_allclose(rows, [[0, 1, 0.2, 0]])


def test_mnist_of_the_wrong_size_is_refused(tmp_path: Path, no_data: None) -> None:
    """A copy whose files are not 60,000 + 10,000 of 28 x 28 is not taken for MNIST."""
    (tmp_path / "mnist").mkdir()
    for name in ("train-images-idx3", "train-labels-idx1", "t10k-images-idx3", "t10k-labels-idx1"):
        (tmp_path / "mnist" / f"{name}-ubyte").write_bytes(idx(np.zeros((2, 28, 28), np.uint8)))
    with pytest.raises(DataError, match=r"expected uint8 \(60000, 28, 28\): not MNIST's file"):
        load_mnist(tmp_path)


@pytest.mark.parametrize("download", [False, True])
def test_without_mnist(no_data: None, caplog: pytest.LogCaptureFixture, download: bool, tmp_path: Path) -> None:
    """Offline and without a copy the 8 x 8 digits stand in, a warning and the source say so, and nothing is left."""
    digits = load_mnist(download=download)
    assert "No copy of MNIST" in caplog.text
    assert "8 x 8 digits" in digits.source
    assert digits.image_shape == (8, 8)
    assert (len(digits.train_images), len(digits.test_images)) == (1437, 360)
    assert digits.train.shape == (1437, 64)
    assert (digits.train.min(), digits.train.max()) == (0, 1)
    assert list(tmp_path.iterdir()) == []


def test_small_digits_are_split_by_seed() -> None:
    """The same seed splits alike, and the two parts are the whole set."""
    one, two = small_digits(rng=5), small_digits(rng=5)
    np.testing.assert_array_equal(one.test_images, two.test_images)
    counts = np.bincount(one.train_labels) + np.bincount(one.test_labels)
    assert list(counts) == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]


@pytest.mark.data
def test_real_mnist(data_dir: Path) -> None:
    """The known class counts, mean and deviation of MNIST hold."""
    if not (data_dir / "mnist").is_dir():
        pytest.skip(f"{data_dir} has no mnist")
    digits = load_mnist(data_dir, download=False)
    assert digits.source == "MNIST"
    assert repr(digits) == "Images(MNIST: 60,000 + 10,000 of 28 x 28)"
    assert list(np.bincount(digits.train_labels)) == [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]
    assert list(np.bincount(digits.test_labels)) == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
    assert digits.train.mean() == pytest.approx(0.13066, abs=1e-5)
    assert digits.train.std() == pytest.approx(0.30811, abs=1e-5)


def write_corpus(folder: Path, **changes: object) -> None:
    """Two train documents and one test document of three words; the columns of a row out of order."""
    folder.mkdir()
    (folder / "vocab.txt").write_text("orbit\nnaïve\npuck\n", encoding="utf-8")
    (folder / "groups.txt").write_text("sci.space\nrec.hockey\n")
    train = {"indptr": [0, 2, 3], "indices": [2, 0, 1], "counts": [5, 7, 1], "shape": [2, 3], "label": [1, 0]}
    test = {"indptr": [0, 1], "indices": [2], "counts": [4], "shape": [1, 3], "label": [1]}
    np.savez(folder / "train.npz", **{name: np.asarray(array) for name, array in {**train, **changes}.items()})
    np.savez(folder / "test.npz", **{name: np.asarray(array) for name, array in test.items()})


def test_newsgroups_layout(tmp_path: Path) -> None:
    """The arrays become CSR rows with sorted columns; words and topics are read as UTF-8 lines."""
    write_corpus(tmp_path / "20newsgroups")
    corpus = load_newsgroups(tmp_path)
    assert corpus.train_rows.toarray().tolist() == [[7, 0, 5], [0, 1, 0]]
    assert corpus.test_rows.toarray().tolist() == [[0, 0, 4]]
    assert corpus.train_rows.dtype == np.float32
    assert corpus.train_rows.has_sorted_indices
    assert corpus.vocabulary == ("orbit", "naïve", "puck")
    assert [corpus.topics[label] for label in corpus.train_labels] == ["rec.hockey", "sci.space"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"label": [1, 2]}, "labels from 1 to 2; groups.txt has 2 topics"),
        ({"label": [1]}, "1 labels for 2 documents"),
        ({"shape": [2, 4]}, r"shape is \[2, 4\], and vocab.txt has 3 words"),
        ({"counts": np.array([object()] * 3)}, "'counts' holds Python objects"),
    ],
)
def test_a_corpus_at_fault(tmp_path: Path, changes: dict[str, object], message: str) -> None:
    """Labels, shapes and types that do not fit are refused; pickled arrays are never opened."""
    write_corpus(tmp_path / "20newsgroups", **changes)
    with pytest.raises(DataError, match=message):
        load_newsgroups(tmp_path)


def test_without_newsgroups(no_data: None, caplog: pytest.LogCaptureFixture) -> None:
    """Without a copy a generated corpus stands in, said plainly; words tell its topics apart."""
    with caplog.at_level(logging.WARNING, logger="recae"):
        corpus = load_newsgroups()
    assert "generated corpus" in caplog.text
    assert "generated" in corpus.source
    assert corpus.train_rows.shape == (1200, len(corpus.vocabulary))
    assert len(set(corpus.vocabulary)) == len(corpus.vocabulary)
    centres = np.stack([corpus.train_rows[corpus.train_labels == t].mean(axis=0) for t in range(len(corpus.topics))])
    centres /= np.linalg.norm(centres, axis=1, keepdims=True)
    guessed = np.argmax(corpus.test_rows @ centres.T, axis=1)
    assert np.mean(guessed == corpus.test_labels) > 0.9
    again = documents.small_corpus()
    assert (again.train_rows != corpus.train_rows).nnz == 0


@pytest.mark.data
def test_real_newsgroups(data_dir: Path) -> None:
    """The by-date split has its published sizes."""
    if not (data_dir / "20newsgroups").is_dir():
        pytest.skip(f"{data_dir} has no 20newsgroups")
    corpus = load_newsgroups(data_dir)
    assert corpus.train_rows.shape == (11_314, 10_000)
    assert corpus.test_rows.shape == (7_532, 10_000)
    assert list(np.bincount(corpus.train_labels))[:5] == [480, 584, 591, 590, 578]
