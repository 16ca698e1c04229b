"""`prepare_store`: files of ratings, of any size, to a store on disk."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from recae.errors import DataError
from recae.ratings.merging import Duplicates, check_duplicates, say_merged
from recae.readers.columns import Choice
from recae.readers.sniffing import TextOptions
from recae.store.layout import Manifest, is_store
from recae.store.making import make_store
from recae.store.sources import Source


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
    encoding: str | None = None,
    sep: str | None = None,
    header: bool | None = None,
    day_first: bool | None = None,
    name: str | None = None,
    restart: bool = False,
    progress: bool | None = None,
) -> Manifest:
    """Ratings in files, more than memory holds, to a store in the folder `out`, which `recae.load(out)` opens.

    Memory is bounded by what the distinct ids need, and about 1.5 GB besides. On disk, about 20 bytes a rating are
    needed while the store is made (12 without timestamps), beside its own 24 (16). After a kill,
    the same call resumes: steps that were done are not done again.

    Args:
        files: csv, tsv, '::' (.gz, .bz2, .xz, .zst, .zip or not) and Parquet files; a folder stands for those in it, by
            name.
        out: a new folder; or one in which a store of the same files is half made (or whole: then nothing is done).
        user, item, rating, timestamp, scale, duplicates, encoding, sep, header, day_first: as for `recae.load`. With
            `duplicates="last"` and without timestamps, later rows and later files replace earlier ones. Ids are
            integers where all of them are.
        name: what `repr` and reports call the ratings; by default the name of `out`.
        restart: throw away what there is of a store in `out`, and begin afresh.
        progress: show a bar; None for "where stderr is a terminal".

    Raises:
        DataError: a file cannot be used (the message names file and line), `out` holds something else, or there
            is no room for it; then the same call resumes, once there is.
        ParameterError: an option is out of range.
    """
    given = {"user": user, "item": item, "rating": rating, "timestamp": timestamp}
    check_duplicates(duplicates)
    options = TextOptions(encoding, sep, header)
    source = Source(files_of(files), given, options, scale, name or Path(out).resolve().name, day_first)
    stated = given | options.stated() | ({} if day_first is None else {"day_first": day_first})
    with Bar(progress) as bar:
        made = make_store(
            Path(out), source, stated, scale=scale, duplicates=duplicates, restart=restart, report=bar.report
        )
    say_merged(made.name, made.n_rows, made.n_ratings, duplicates)
    return made


def files_of(given: str | Path | Iterable[str | Path]) -> list[Path]:
    """Files as given; a folder's are those in it by name, hidden ones and `_SUCCESS` and the like left out.

    Raises:
        DataError: there is none.
    """
    found: list[Path] = []
    for one in [given] if isinstance(given, str | Path) else given:
        path = Path(one).expanduser()
        if path.is_dir() and is_store(path):
            raise DataError(f"{path} is a rating store already", remedy="name the files that it was made of")
        inside = sorted(file for file in path.iterdir() if file.is_file()) if path.is_dir() else [path]
        found += [file for file in inside if file is path or file.name[0] not in "._"]
    if not found:
        raise DataError(
            "there are no files to prepare", remedy=("name csv, tsv, '::' or Parquet files", "name a folder of them")
        )
    return found


class Bar:
    """Shows progress on stderr, with a bar for each pass."""

    def __init__(self, show: bool | None) -> None:
        self.hide = None if show is None else not show  # None: where stderr is no terminal
        self._bar: Any = None
        self._what = ""

    def __enter__(self) -> Bar:
        return self

    def __exit__(self, *_: object) -> None:
        self._close()

    def report(self, what: str, done: int, total: int) -> None:
        if self.hide:
            return
        if what != self._what:
            from tqdm.auto import tqdm

            self._close()
            in_bytes = {"unit": "B", "unit_scale": True} if what == "reading" else {"unit": "step"}
            self._bar, self._what = tqdm(total=total, desc=what, disable=self.hide, **in_bytes), what
        self._bar.update(done - self._bar.n)

    def _close(self) -> None:
        if self._bar is not None:
            self._bar.close()
        self._bar, self._what = None, ""
