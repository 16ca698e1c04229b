"""Documents as word counts: 20 Newsgroups where there is a copy, else a small corpus generated from known topics."""

from __future__ import annotations

import logging
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from recae._types import Csr, IntArray
from recae.datasets.locations import find
from recae.datasets.newsgroup_topics import generated_corpus
from recae.errors import DataError
from recae.ratings.csr import make_csr

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
    rows, labels, vocabulary, topics = generated_corpus(train + test, np.random.default_rng(rng))
    source = "generated from 8 topics (20 Newsgroups was not here)"
    return Documents(rows[:train], labels[:train], rows[train:], labels[train:], vocabulary, topics, source)


def _words(path: Path) -> tuple[str, ...]:
    return tuple(path.read_text(encoding="utf-8").split())


def _part(path: Path, n_words: int, n_topics: int) -> tuple[Csr, IntArray]:
    try:
        with np.load(path, allow_pickle=False) as arrays:
            rows = make_csr(
                arrays["counts"].astype(np.float32), arrays["indices"].astype(np.int32), arrays["indptr"],
                (int(arrays["shape"][0]), int(arrays["shape"][1])),
            )  # fmt: skip
            labels = arrays["label"].astype(np.int64)
    except (KeyError, ValueError, OSError, zipfile.BadZipFile) as error:
        raise DataError(f"{path} is not one of the corpus' files ({error}): replace it") from None
    rows.has_sorted_indices = False  # not promised by the file
    rows.has_canonical_format = False
    rows.sum_duplicates()
    _check(path, rows, labels, n_words, n_topics)
    return rows, labels


def _check(path: Path, rows: Csr, labels: Any, n_words: int, n_topics: int) -> None:
    if rows.shape[1] != n_words or len(labels) != rows.shape[0]:
        raise DataError(
            f"{path} has {rows.shape[0]} documents of {rows.shape[1]} words and {len(labels)} labels; "
            f"vocab.txt has {n_words} words"
        )
    if len(labels) and not 0 <= labels.min() <= labels.max() < n_topics:
        raise DataError(f"{path} has labels from {labels.min()} to {labels.max()}; groups.txt has {n_topics} topics")
