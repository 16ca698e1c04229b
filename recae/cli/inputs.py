"""Files in, for the commands: ratings, pairs, lists of ids, models; ids get the type that the model has."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from recae.cli.failures import Failure
from recae.cli.options import COLUMN_OPTIONS, note, verbosity

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import pandas as pd

    from recae.models import Recommender
    from recae.ratings import RatingMatrix
    from recae.readers.sniffing import TextOptions


def load_model(path: str, device: str | None = None, *, for_few: bool = False) -> Recommender:
    """The model at `path`, on `device` where one is given; for a few lists, a linear one without importing PyTorch."""
    if for_few and device in (None, "cpu", "auto"):
        from recae.recommender.saved_linear import read_linear

        if (linear := read_linear(path)) is not None:
            note(f"{linear} on {linear.ratings_}", level=1)
            return linear
    from recae.models import load_model

    model = load_model(path, device=device)
    note(f"{model} on {model.ratings_}", level=1)
    return model


def load_ratings(source: str, like: Any = None, **table: Any) -> RatingMatrix:
    """What `recae.load` makes of a name or a path, with the options of `recae.cli.options.table`.

    `like` is what was stated of files of this form, see `recae.load`.
    """
    from recae.loaders import DATASETS, fetch, load

    given = {name: table[name] for name in COLUMN_OPTIONS if table.get(name) is not None}
    if source in DATASETS:
        if given:
            option = "--" + next(iter(given)).replace("_", "-")
            raise click.UsageError(f"{option} applies only to files; the columns and the scale of {source!r} are known")
        if verbosity() < 0 and DATASETS[source].files:
            fetch(source, table.get("data_dir"), progress=False)
    stated = {name.removesuffix("_column"): value for name, value in given.items()}
    unrated = bool(table.get("unrated"))
    ratings = load(source, data_dir=table.get("data_dir"), like=like, unrated=unrated, **stated)
    note(repr(ratings), level=1)
    return ratings


# ---------------------------------------------------------------- raw ids

PASS_OVER = "--unknown warn passes unknown ids over"
_SUFFIXES_OF_LISTS = (".txt", ".csv", ".tsv", ".lst", ".json", ".parquet")  # what a file of ids may be called


class KnownIds:
    """Raw ids that a model knows, found by their text: ids on a command line and in a file arrive as text.

    Args:
        known: the model's ids, of one kind.
        kind: user or item.
    """

    def __init__(self, known: Iterable[Any], kind: str) -> None:
        from recae.ratings.ids import plain

        self.kind = kind
        self.by_text = {str(plain(i)): plain(i) for i in known}

    def find(self, texts: Iterable[Any], *, unknown: str = "error", remedy: str = "") -> list[Any]:
        """The model's id for each text; for one it does not know, an error, or (`unknown="keep"`) the text itself.

        Raises:
            Failure: names it, shows what ids look like, and says the `remedy`.
        """
        found = [self.by_text.get(str(text), text) for text in texts]
        if unknown == "error":
            for text in map(str, found):
                if text not in self.by_text:
                    raise Failure(self.message(text, remedy))
        return found

    def among(self, texts: Sequence[str], unknown: str, left: str) -> list[str]:
        """The texts that are known; where `unknown` is "warn", the others are said, and what becomes of them."""
        known = [text for text in texts if text in self.by_text]
        if unknown == "warn" and len(known) < len(texts):
            odd = next(text for text in texts if text not in self.by_text)
            count = f"{len(texts) - len(known):,} of {len(texts):,} {self.kind}s are unknown"
            note(f"warning: {count}, such as {odd!r}: {left}")
        return known

    def message(self, text: str, remedy: str = "") -> str:
        if not self.by_text:
            return f"{self.kind} {text!r} is unknown: the model was saved without ratings and {self.kind}s; " + (
                remedy or "ask it about new users"
            )
        like = ", ".join(list(self.by_text)[:3])
        known = f"the {len(self.by_text):,} {self.kind}s that the model knows (such as {like})"
        parts = [part.strip() for part in text.split(",")]
        if len(parts) > 1 and all(part in self.by_text for part in parts):
            remedy = f"give each {self.kind} by itself: " + " ".join(f"--{self.kind} {part}" for part in parts[:3])
        return f"{self.kind} {text!r} is not among {known}" + (f"; {remedy}" if remedy else "")


def users_of(model: Recommender) -> KnownIds:
    return KnownIds(model.ratings_.user_ids, "user")


def items_of(model: Recommender) -> KnownIds:
    return KnownIds(model.ratings_.item_ids, "item")


def with_ids_of(ratings: RatingMatrix, model: Recommender) -> RatingMatrix:
    """`ratings` from a file, with ids of the type that the model has: a file of few ids may look like numbers only."""
    changed = {
        "user_ids": _as_known(ratings.user_ids, users_of(model)),
        "item_ids": _as_known(ratings.item_ids, items_of(model)),
    }
    return replace(ratings, **changed, _cache={})


def load_like(source: str, model: Recommender, **table: Any) -> RatingMatrix:
    """Ratings with ids of the type that `model` has, read as its training data was where nothing else is stated.

    A model that ranks needs no column of ratings: without one, every row counts 1.
    """
    from recae.readers.columns import RATING_IF_ANY

    known = model.ratings_
    if known.read_as:
        told = ", ".join(f"{name} {value}" for name, value in known.read_as.items())
        note(f"{source} is read as the training data was: {told}", level=1)
    if not model.predicts_ratings:
        known = replace(known, read_as={RATING_IF_ANY: True, **known.read_as})
    return with_ids_of(load_ratings(source, like=known, **table), model)


def _as_known(ids: Any, known: KnownIds) -> Any:
    from recae.ratings.ids import as_id_array, plain

    return as_id_array(known.find(map(plain, ids), unknown="keep"))


def ids_from(given: str, known: KnownIds, *, unknown: str = "error") -> list[Any]:
    """Ids from a file (one a line) where `given` is one, else from a list with commas.

    Raises:
        Failure: the file is empty, or a folder, or there is none, and `given` is neither an id nor several.
        Failure: the model does not know one of them, and `unknown` is "error".
    """
    keep = "error" if unknown == "error" else "keep"
    if given not in known.by_text and (os.path.isdir(given) or _names_no_file(given)):
        what = f"{given} is a folder" if os.path.isdir(given) else f"no file {given}"
        raise Failure(f"{what}; expected ids (1,2,3), or a file with one {known.kind} id per line")
    if os.path.isdir(given) or not os.path.exists(given):  # unlike those of Path, false for a text too long for a name
        return known.find((part.strip() for part in given.split(",") if part.strip()), unknown=keep, remedy=PASS_OVER)
    remedy = f"{given} must hold one {known.kind} id per line, and nothing else; {PASS_OVER}"
    return known.find(read_lines(given, known.kind), unknown=keep, remedy=remedy)


def _names_no_file(given: str) -> bool:
    """Whether a text looks like the path of a file, and there is none."""
    path_like = os.sep in given or given.lower().endswith(_SUFFIXES_OF_LISTS)
    return path_like and "," not in given and not os.path.exists(given)


def read_lines(file: str, kind: str) -> list[str]:
    """The ids in a file, one a line, as text.

    Raises:
        Failure: there is no such file, it is no text, or it holds none.
        DataError: it is a device.
    """
    from recae.readers.pipes import as_regular_file

    try:
        with as_regular_file(Path(file)) as regular:
            text = regular.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise Failure(f"no file {file}; expected a text file with one {kind} id per line") from None
    except IsADirectoryError:
        raise Failure(f"{file} is a folder; expected a text file with one {kind} id per line") from None
    except UnicodeDecodeError:
        raise Failure(f"{file} is not a text file in UTF-8; expected one {kind} id per line") from None
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if not lines:
        raise Failure(f"{file} holds no {kind} id; expected one per line")
    return lines


def title_of(model: Recommender, item: Any) -> str | None:
    """The item's title, where the model was trained on data with titles."""
    from recae.ratings.titles import titles_in

    titles = titles_in(model.ratings_.item_table)
    if titles is None or item not in titles.index:
        return None
    title = titles.loc[item]
    return title if isinstance(title, str) else None


# ---------------------------------------------------------------- pairs


@dataclass
class Pairs:
    """A table of pairs: every field as text, which columns hold users, items and dates, and the line of each row."""

    frame: pd.DataFrame
    user: str
    item: str
    time: str | None
    lines: list[int]
    file: str
    kind: str = "line"  # what `lines` counts: lines of a text file, rows of a Parquet file

    def dates(self, day_first: bool | None = None) -> npt.NDArray[np.int64] | None:
        """Seconds since 1970 of each row; None without a column of dates.

        `day_first` says what 03/04/2005 means, see `recae.load`.

        Raises:
            Failure: a field is neither a number of seconds nor a date; names the line of the file.
        """
        from recae.ratings.times import seconds

        if self.time is None:
            return None
        return seconds(
            self.frame[self.time], self.time, lambda row: f"{self.file}, {self.kind} {self.lines[row]}", day_first
        )

    def check(self, column: str, known: KnownIds, remedy: str = "") -> None:
        """Refuse an id that the model does not know.

        Raises:
            Failure: names the line of the file.
        """
        for line, one in zip(self.lines, self.frame[column]):
            if one not in known.by_text:
                raise Failure(f"{self.file}, {self.kind} {line}: {known.message(one, remedy)}")


def read_pairs(path: str, user_column: Any, item_column: Any, **text: Any) -> Pairs:
    """A table of pairs from a text file (`text`: its encoding, sep and header) or a Parquet file.

    Raises:
        Failure: there is no such file, it is empty, lacks a column, or a line has too few or too many fields.
    """
    from recae.readers.columns import assign
    from recae.readers.pipes import as_regular_file
    from recae.readers.sniffing import TextOptions
    from recae.readers.tables import PARQUET, kind_of

    with as_regular_file(Path(path)) as file:
        if not file.is_file():
            what = f"{path} is a folder" if file.is_dir() else f"no file {path}"
            raise Failure(f"{what}; expected a table with a column of users and a column of items")
        given = {"user": user_column, "item": item_column}
        if kind_of(file) in PARQUET:
            kind, (frame, lines) = "row", _parquet_pairs(file)
        else:
            kind, (frame, lines) = "line", _text_pairs(file, given, TextOptions(**text))
    if not len(frame):
        raise Failure(f"{file.name} has no pairs; expected at least one")
    chosen = assign(list(frame.columns), {**given, "rating": False}, file.name)
    for column in (chosen["user"], chosen["item"]):
        frame[column] = [str(plain_id) for plain_id in frame[column]] if kind == "row" else frame[column].str.strip()
    return Pairs(frame, chosen["user"], chosen["item"], chosen.get("timestamp"), lines, file.name, kind)


def _text_pairs(file: Path, given: dict[str, Any], options: TextOptions) -> tuple[pd.DataFrame, list[int]]:
    """Fields as texts, and the line of each row."""
    import pandas as pd

    from recae.readers.sniffing import sniff
    from recae.readers.text_layout import records

    layout = sniff(file, [choice for choice in given.values() if choice is not None], options)
    names, lines, rows = list(layout.names), [], []
    for line, fields in records(layout):
        if len(fields) != len(names):
            expected = f"expected {len(names)} ({', '.join(names)})"
            raise Failure(f"{file.name}, line {line}: {len(fields)} fields, {expected}")
        lines.append(line)
        rows.append(fields)
    return pd.DataFrame(rows, columns=names, dtype=object), lines


def _parquet_pairs(file: Path) -> tuple[pd.DataFrame, list[int]]:
    """The columns as they are, and the number of each row."""
    import pandas as pd

    try:
        frame = pd.read_parquet(file)
    except (OSError, ValueError) as error:
        raise Failure(f"{file.name} cannot be read as Parquet: {str(error).splitlines()[0]}") from None
    return frame, list(range(1, len(frame) + 1))
