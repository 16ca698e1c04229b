"""The data sets that recae knows by name: where they come from, how they are checked, on which terms."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from typing import Literal

from recae.errors import DatasetNotFoundError

GROUPLENS = "https://files.grouplens.org/datasets/movielens"
MNIST_MIRRORS = ("https://ossci-datasets.s3.amazonaws.com/mnist", "https://storage.googleapis.com/cvdf-datasets/mnist")
RESEARCH = "research use only; no redistribution without permission; no commercial use"
SHARE_ALIKE = "research use; redistribution under the same terms; no commercial use"


@dataclass(frozen=True)
class Remote:
    """A file to download: its name, its addresses (the first is tried first), and the MD5 that it must have.

    `md5=None`: the file changes with each release, and its MD5 is published beside it as `<url>.md5`.
    """

    name: str
    urls: tuple[str, ...]
    md5: str | None


@dataclass(frozen=True)
class Dataset:
    """One entry of the catalogue.

    Attributes:
        name: what `recae.load` and `recae data fetch` call it.
        description: one line.
        kind: ratings, images or documents.
        files: what is downloaded; empty for what is embedded or cannot be downloaded.
        folder: the folder that the archive unpacks to.
        needs: files of that folder without which a copy is not complete.
        n_ratings: ratings (images, documents) in it; None where it changes with each release.
        megabytes: about how much is downloaded.
        licence: the terms, in short.
    """

    name: str
    description: str
    kind: Literal["ratings", "images", "documents"]
    files: tuple[Remote, ...] = ()
    folder: str = ""
    needs: tuple[str, ...] = ()
    n_ratings: int | None = None
    megabytes: float = 0.0
    licence: str = ""

    @property
    def is_archive(self) -> bool:
        return len(self.files) == 1 and self.files[0].name.endswith(".zip")

    @property
    def md5(self) -> str | None:
        """MD5 of the archive, where there is one archive and its hash is pinned."""
        return self.files[0].md5 if self.is_archive else None

    @property
    def url(self) -> str | None:
        return self.files[0].urls[0] if self.files else None


def _movielens(
    name: str, description: str, md5: str | None, n_ratings: int | None, megabytes: float,
    *, folder: str = "", needs: tuple[str, ...] = ("ratings.csv", "movies.csv"), licence: str = SHARE_ALIKE,
) -> Dataset:  # fmt: skip
    archive = f"{name}.zip"
    return Dataset(
        name, description, "ratings", (Remote(archive, (f"{GROUPLENS}/{archive}",), md5),), folder or name, needs,
        n_ratings, megabytes, licence,
    )  # fmt: skip


def _mnist(name: str, md5: str) -> Remote:
    return Remote(name, tuple(f"{mirror}/{name}" for mirror in MNIST_MIRRORS), md5)


_DAT = ("ratings.dat", "movies.dat")

DATASETS: dict[str, Dataset] = {
    entry.name: entry
    for entry in (
        Dataset(
            "sample", "embedded: generated from a known model with MovieLens' shape", "ratings",
            n_ratings=80_000, licence="MIT, as recae",
        ),
        _movielens(
            "ml-100k", "MovieLens 100K (1998): 943 users, 1,682 films, stars 1 to 5; the folds u1 to u5, ua, ub",
            "0e33842e24a9c977be4e0107933c0723", 100_000, 4.9, needs=("u.data", "u.item"), licence=RESEARCH,
        ),
        _movielens(
            "ml-1m", "MovieLens 1M (2000): 6,040 users, 3,706 films, stars 1 to 5",
            "c4d9eecfca2ab87c1945afe126590906", 1_000_209, 5.9, needs=_DAT, licence=RESEARCH,
        ),
        _movielens(
            "ml-10m", "MovieLens 10M (2009): 69,878 users, 10,677 films, half stars",
            "ce571fd55effeba0271552578f2648bd", 10_000_054, 65.6, folder="ml-10M100K", needs=_DAT, licence=RESEARCH,
        ),
        _movielens(
            "ml-20m", "MovieLens 20M (2015): 138,493 users, 26,744 films, half stars",
            "cd245b17a1ae2cc31bb14903e1204af3", 20_000_263, 198.7,
        ),
        _movielens(
            "ml-25m", "MovieLens 25M (2019): 162,541 users, 59,047 films, half stars",
            "6b51fb2759a8657d3bfcbfc42b592ada", 25_000_095, 262.0, licence=RESEARCH,
        ),
        _movielens(
            "ml-32m", "MovieLens 32M (2023): 200,948 users, 84,432 films, half stars",
            "d472be332d4daa821edc399621853b57", 32_000_204, 239.0,
        ),
        _movielens(
            "ml-latest-small", "MovieLens latest, small: about 600 users and 9,700 films, half stars", None, None, 1.0,
        ),
        _movielens("ml-latest", "MovieLens latest, full: about 330,000 users, half stars", None, None, 350.0),
        Dataset(
            "mnist", "MNIST: 60,000 + 10,000 handwritten digits of 28 x 28 (images)", "images",
            (
                _mnist("train-images-idx3-ubyte.gz", "f68b3c2dcbeaaa9fbdd348bbdeb94873"),
                _mnist("train-labels-idx1-ubyte.gz", "d53e105ee54ea40749a09fcbcd1e9432"),
                _mnist("t10k-images-idx3-ubyte.gz", "9fb629c4189551a2d022fa330f9573f3"),
                _mnist("t10k-labels-idx1-ubyte.gz", "ec29112dd5afa0611ce80d1b7f02629c"),
            ),
            "mnist",
            ("train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"),
            70_000, 11.6, "CC BY-SA 3.0",
        ),
        Dataset(
            "20newsgroups", "20 Newsgroups, by date: 18,846 posts as word counts (documents)",
            "documents", folder="20newsgroups", needs=("train.npz", "test.npz", "vocab.txt", "groups.txt"),
            n_ratings=18_846, licence="educational use, with attribution",
        ),
    )
}  # fmt: skip


def datasets(kind: Literal["ratings", "images", "documents"] | None = None) -> tuple[Dataset, ...]:
    """The catalogue, or the part of one kind."""
    return tuple(entry for entry in DATASETS.values() if kind in (None, entry.kind))


def info(name: str) -> Dataset:
    """The entry of that name.

    Raises:
        DatasetNotFoundError: there is none; the message lists the names and the close ones.
    """
    if name in DATASETS:
        return DATASETS[name]
    raise DatasetNotFoundError(f"{name!r} is not a data set that recae knows{close_names(name)}")


def close_names(name: str) -> str:
    """The end of a message about an unknown name: what was perhaps meant, and what there is."""
    close = difflib.get_close_matches(name.lower(), DATASETS, n=3, cutoff=0.5)
    hint = f"; did you mean {' or '.join(close)}?" if close else "."
    return f"{hint} Known names: {', '.join(DATASETS)}"
