"""Lists, one user a line and then that user's items, as published data sets and logs of sessions have them."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np

from recae.errors import DataError, DataWarning
from recae.ratings.times import Where
from recae.readers.delimiters import delimiter_of
from recae.readers.id_columns import id_column
from recae.readers.sniffing import TextOptions, text_of
from recae.readers.text_layout import Layout, records


def read_lists(path: Path, options: TextOptions, *, stated: bool) -> tuple[dict[str, Any], Where]:
    """Users and items of the pairs, aligned, and how messages name a pair.

    Args:
        path: a text file of lines "user item item ...", with blanks or `options.sep` between.
        options: what was stated of the file.
        stated: whether the caller says that it is lists; else it was found, which is said.

    Raises:
        DataError: an id is missing, or no line has an item.
    """
    import pyarrow as pa

    encoding, returns = text_of(path, options.encoding)
    layout = Layout(path, delimiter_of(options.sep or " "), (), 0, encoding=encoding, returns=returns)
    lines, users, items, counts = [], [], [], []
    for line, fields in records(layout):
        ids = [field.strip() for field in fields]
        if not all(ids):
            raise DataError(f"{path.name}, line {line}: an id is missing between two delimiters")
        lines.append(line)
        users.append(ids[0])
        items += ids[1:]
        counts.append(len(ids) - 1)
    if not items:
        raise DataError(f"{path.name}: no line has a user and an item")
    _say(path.name, counts, stated)
    line_of_pair = np.repeat(lines, counts)
    columns = {"user": pa.array(np.repeat(np.array(users, object), counts), pa.string()), "item": pa.array(items)}
    return (
        {role: id_column(pa.chunked_array([ids]).dictionary_encode(), role) for role, ids in columns.items()},
        lambda pair: f"{path.name}, line {line_of_pair[pair]}",
    )


def _say(name: str, counts: list[int], stated: bool) -> None:
    empty = counts.count(0)
    parts = (
        [] if stated else [f"{len(counts):,} lines are read as lists, 'user item item ...', each item a rating of 1"]
    )
    parts += [f"{empty:,} users without an item have no rating"] * (empty > 0)
    if parts:
        warnings.warn(f"{name}: {'; '.join(parts)}", DataWarning, stacklevel=4)
