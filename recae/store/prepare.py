"""Files of ratings, of any size, to a store on disk (`recae.store`)."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from recae.errors import DataError, ParameterError
from recae.ratings.csr import Duplicates, refuse_bad_values
from recae.ratings.ids import factorise_both, plain
from recae.readers.columns import Choice
from recae.readers.tables import checked
from recae.store import Manifest, Part, is_store, make_store
from recae.store.chunks import Cuttable, Piece, Rows, opened
from recae.store.vocabulary import checked_ids


def prepare_store(
    files: str | Path | Iterable[str | Path],
    out: str | Path,
    *,
    user: Choice = None,
    item: Choice = None,
    rating: Choice = None,
    timestamp: Choice = None,
    scale: tuple[float, float] | None = None,
    duplicates: Duplicates = "last",
    name: str | None = None,
    restart: bool = False,
    progress: bool | None = None,
) -> Manifest:
    """Ratings in files, more than memory holds, to a store in the folder `out`, which `recae.load(out)` opens.

    Memory is bounded by what the distinct ids need, and about 1.5 GB besides. On disk, about 20 bytes a rating are
    needed while the store is made (12 without timestamps), beside its own 24 (16). A process that was killed is
    gone on from by calling this again: steps that were done are not done again.

    Args:
        files: csv, tsv, '::' (.gz, .bz2, .zst or not) and Parquet files; a folder stands for those in it, by name.
        out: a new folder; or one in which a store of the same files is half made (or whole: then nothing is done).
        user, item, rating, timestamp, scale, duplicates: as for `recae.load`; with `duplicates="last"` and without
            timestamps, later rows and later files go over earlier ones. Ids are integers where all of them are.
        name: what `repr` and reports call the ratings; by default the name of `out`.
        restart: throw away what there is of a store in `out`, and begin afresh.
        progress: show a bar; None for "where stderr is a terminal".

    Raises:
        DataError: a file cannot be used (the message names file and line), or `out` holds something else.
        ParameterError: an option is out of range.
    """
    given = {"user": user, "item": item, "rating": rating, "timestamp": timestamp}
    if duplicates not in ("last", "mean", "error"):
        raise ParameterError(f"duplicates={duplicates!r}: choose 'last', 'mean' or 'error'")
    source = FileSource(files_of(files), given, scale, name or Path(out).resolve().name)
    with Bar(progress) as bar:
        return make_store(
            Path(out), source, given, scale=scale, duplicates=duplicates, restart=restart, report=bar.report
        )


def files_of(given: str | Path | Iterable[str | Path]) -> list[Path]:
    """Files as given; a folder's are those in it by name, hidden ones and `_SUCCESS` and the like left out.

    Raises:
        DataError: there is none.
    """
    found: list[Path] = []
    for one in [given] if isinstance(given, str | Path) else given:
        path = Path(one).expanduser()
        if path.is_dir() and is_store(path):
            raise DataError(f"{path} is a rating store already: name the files that it was made of")
        inside = sorted(file for file in path.iterdir() if file.is_file()) if path.is_dir() else [path]
        found += [file for file in inside if file is path or file.name[0] not in "._"]
    if not found:
        raise DataError("there are no files to prepare: name csv, tsv, '::' or Parquet files, or a folder of them")
    return found


class FileSource:
    """Files as parts for `recae.store.make_store`."""

    def __init__(
        self, paths: list[Path], given: dict[str, Choice], scale: tuple[float, float] | None, name: str
    ) -> None:
        self.name, self.scale = name, scale
        self._opened = [opened(path, given) for path in paths]
        self._refuse_mixture()
        self._pieces: list[tuple[Cuttable, Piece]] = [(file, piece) for file in self._opened for piece in file.pieces()]
        self.files: list[dict[str, Any]] = [
            {"name": path.name, "bytes": path.stat().st_size, "changed_ns": path.stat().st_mtime_ns} for path in paths
        ]

    def _refuse_mixture(self) -> None:
        """All files have timestamps, or none."""
        without = [file.path.name for file in self._opened if "timestamp" not in file.chosen]
        if without and len(without) < len(self._opened):
            raise DataError(f"{without[0]} has no timestamps, and others have: leave them out with timestamp=False")

    def sizes(self) -> list[int]:
        return [piece.size for _, piece in self._pieces]

    def read(self, number: int) -> Iterator[tuple[Part, int]]:
        file, piece = self._pieces[number]
        for rows in file.read(piece):
            yield self._part(file, rows), rows.so_far

    def _part(self, file: Cuttable, rows: Rows) -> Part:
        users, items, ratings, stamps = checked(rows.columns, file.chosen, rows.where)
        refuse_bad_values(ratings, self.scale, rows.where)
        user_codes, user_ids, item_codes, item_ids = factorise_both(users, items)
        return Part(
            user_codes, item_codes, ratings, stamps,
            checked_ids(user_ids, file.chosen["user"], file.path.name),
            checked_ids(item_ids, file.chosen["item"], file.path.name),
        )  # fmt: skip

    def second(self, user: Any, item: Any) -> str:
        """Found by reading the files again."""
        seen = 0
        for file, piece in self._pieces:
            for rows in file.read(piece):
                users, items, _, _ = checked(rows.columns, file.chosen, rows.where)
                places = np.flatnonzero(_equal(users, user) & _equal(items, item))
                if seen + len(places) > 1:
                    return rows.where(int(places[1 - seen]))
                seen += len(places)
        raise DataError(f"user {user!r} and item {item!r} are not in the files: they were changed meanwhile")


def _equal(column: Any, wanted: Any) -> Any:
    """Where a column of ids has this one; integers may have become texts since."""
    codes, ids = factorise_both(column, column)[:2]
    return np.array([plain(one) == wanted or str(plain(one)) == wanted for one in ids], dtype=bool)[codes]


class Bar:
    """Progress of a few passes, each with a bar of its own, on stderr."""

    def __init__(self, show: bool | None) -> None:
        self.show = sys.stderr.isatty() if show is None else show
        self._bar: Any = None
        self._what = ""

    def __enter__(self) -> Bar:
        return self

    def __exit__(self, *_: object) -> None:
        self._close()

    def report(self, what: str, done: int, total: int) -> None:
        if not self.show:
            return
        if what != self._what:
            from tqdm import tqdm

            self._close()
            in_bytes = {"unit": "B", "unit_scale": True} if what == "reading" else {"unit": "step"}
            self._bar, self._what = tqdm(total=total, desc=what, file=sys.stderr, leave=True, **in_bytes), what
        self._bar.update(done - self._bar.n)

    def _close(self) -> None:
        if self._bar is not None:
            self._bar.close()
        self._bar, self._what = None, ""
