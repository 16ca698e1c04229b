"""Documents as word counts: 20 Newsgroups where there is a copy, else a small corpus generated from known topics."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from recae._types import Csr, IntArray
from recae.archives import read_npz
from recae.datasets.locations import find
from recae.datasets.newsgroup_topics import generated_corpus
from recae.errors import DataError
from recae.ratings.csr import make_csr
from recae.ratings.seeds import generator_of
from recae.schemas import check_csr, refusing, require

log = logging.getLogger("recae")


@dataclass(frozen=True, eq=False, repr=False)
class Documents:
    """Bags of words with a topic each, in a train and a test part.

    Attributes:
        train_rows: word counts, CSR float32, shape (n_train, n_words).
        train_labels: index into `topics`, shape (n_train,).
        test_rows: word counts, CSR float32, shape (n_test, n_words).
        test_labels: index into `topics`, shape (n_test,).
        vocabulary: the word of each column.
        topics: the name of each label.
        source: what they are, in words for a caption.
    """

    train_rows: Csr
    train_labels: IntArray
    test_rows: Csr
    test_labels: IntArray
    vocabulary: tuple[str, ...]
    topics: tuple[str, ...]
    source: str

    def __repr__(self) -> str:
        return (
            f"Documents({self.source}: {self.train_rows.shape[0]:,} + {self.test_rows.shape[0]:,} documents, "
            f"{len(self.vocabulary):,} words, {len(self.topics)} topics)"
        )


def load_newsgroups(data_dir: str | Path | None = None) -> Documents:
    """20 Newsgroups, split by date (11,314 + 7,532 posts), from the folder `20newsgroups` of a data folder.

    The folder has train.npz and test.npz (the CSR arrays indptr, indices, counts, shape; label), vocab.txt and
    groups.txt. Without a copy: `small_corpus()`, and a warning and `source` say so.

    Raises:
        DataError: a file that was found is not what it should be.
    """
    folder = find("20newsgroups", data_dir)
    if folder is None:
        log.warning("20 Newsgroups is not here (recae cannot download it). Using a small generated corpus instead.")
        return small_corpus()
    vocabulary, topics = _words(folder / "vocab.txt"), _words(folder / "groups.txt")
    train_rows, train_labels = _part(folder / "train.npz", len(vocabulary), len(topics))
    test_rows, test_labels = _part(folder / "test.npz", len(vocabulary), len(topics))
    return Documents(train_rows, train_labels, test_rows, test_labels, vocabulary, topics, "20 Newsgroups")


def small_corpus(train: int = 1200, test: int = 400, rng: int = 0) -> Documents:
    """Documents generated from eight topics (see `newsgroup_topics`); the same seed gives the same corpus."""
    rows, labels, vocabulary, topics = generated_corpus(train + test, generator_of(rng))
    source = "generated from 8 topics (20 Newsgroups was not here)"
    return Documents(rows[:train], labels[:train], rows[train:], labels[train:], vocabulary, topics, source)


def _words(path: Path) -> tuple[str, ...]:
    try:
        return tuple(path.read_text(encoding="utf-8").split())
    except UnicodeDecodeError:
        raise DataError(f"{path} is not a text in UTF-8", remedy="replace it") from None


def _part(path: Path, n_words: int, n_topics: int) -> tuple[Csr, IntArray]:
    try:
        with refusing(DataError, path, "replace it"):
            return _read(path, n_words, n_topics)
    except OSError as error:
        raise DataError(f"{path} could not be read ({error.strerror})", remedy="replace it") from None


def _read(path: Path, n_words: int, n_topics: int) -> tuple[Csr, IntArray]:
    arrays = read_npz(path, ("counts", "indices", "indptr", "shape", "label"))
    for name, array in arrays.items():
        require(array.ndim == 1 and array.dtype.kind in "iu", f"{name} is not a list of integers")
    shape, labels = arrays["shape"].tolist(), arrays["label"]
    require(len(shape) == 2 and shape[1] == n_words, f"its shape is {shape}, and vocab.txt has {n_words} words")
    require(len(labels) == shape[0], f"it has {len(labels)} labels for {shape[0]} documents")
    low, high = int(labels.min(initial=labels.max(initial=0))), int(labels.max(initial=0))
    require(0 <= low <= high < n_topics, f"it has labels from {low} to {high}; groups.txt has {n_topics} topics")
    counts, indptr = arrays["counts"].astype(np.float32), arrays["indptr"].astype(np.int64)
    indices = arrays["indices"].astype(np.int64)
    require(bool((counts >= 0).all()), "a count is negative")
    check_csr(counts, indices, indptr, (shape[0], n_words), "the counts", rising=False)
    rows = make_csr(counts, indices.astype(np.int32), indptr, (shape[0], n_words))
    rows.has_sorted_indices = False  # not promised by the file
    rows.has_canonical_format = False
    rows.sum_duplicates()
    return rows, labels.astype(np.int64)
