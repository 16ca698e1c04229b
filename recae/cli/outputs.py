"""Files that commands write: commands check before the work that they can write them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd


def check_writable(*files: str | Path | None) -> None:
    """Check, before the work, that each file can be written; None is a file that is not wanted.

    Raises:
        ModelFileError: one cannot, see `recae.storage.check_writable`.
    """
    from recae.storage import check_writable as check

    for file in files:
        if file is not None:
            check(file)


def write_csv(frame: pd.DataFrame, file: str | Path) -> None:
    """Write a frame as csv, all or nothing, see `recae.storage.write_bytes`."""
    from recae.storage import write_text

    write_text(file, frame.to_csv(index=False))
