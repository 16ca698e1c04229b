"""Ratings from standard input, a FIFO or `<(...)`: what comes is kept in a file, since readers look at it twice."""

from __future__ import annotations

import os
import shutil
import stat
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from recae.errors import DataError

STDIN = ("-", "/dev/stdin", "/dev/fd/0", "/proc/self/fd/0")


@contextmanager
def as_regular_file(path: Path) -> Iterator[Path]:
    """Within, a path that can be read more than once: `path` itself, or a copy of what came through it.

    Raises:
        DataError: it is a device, or standard input is a terminal or closed.
    """
    if str(path) in STDIN:
        if sys.stdin is None or sys.stdin.isatty():
            raise DataError(f"{path}: standard input is a terminal or closed: pipe a file into it")
        with _copied(sys.stdin.buffer, "standard input") as copy:
            yield copy
    elif path.exists() and not path.is_file() and not path.is_dir():
        if not stat.S_ISFIFO(path.stat().st_mode):
            raise DataError(f"{path} is a device or a socket, not a file")
        with path.open("rb") as pipe, _copied(pipe, path.name) as copy:
            yield copy
    else:
        yield path


@contextmanager
def _copied(pipe: IO[bytes], name: str) -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="recae-") as folder:
        copy = Path(folder) / name.replace(os.sep, "_")
        with copy.open("wb") as file:
            shutil.copyfileobj(pipe, file)
        yield copy
