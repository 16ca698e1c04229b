"""Files out: whether one can be written is found out before the work, not after."""

from __future__ import annotations

import tempfile
from pathlib import Path

from recae.errors import ModelFileError


def check_writable(file: str | Path | None) -> None:
    """Find out before training, not after.

    Raises:
        ModelFileError: the file is a folder, or its folder is missing or cannot be written.
    """
    if file is None:
        return
    path = Path(file)
    if path.is_dir():
        raise ModelFileError(f"{path} is a folder: name a file in it, such as {path / 'm.recae'}")
    if not path.parent.is_dir():
        raise ModelFileError(f"{path} cannot be written: there is no folder {path.parent}; make it, or choose another")
    try:
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=".recae-"):
            pass
    except OSError as error:
        raise ModelFileError(f"{path} cannot be written ({error.strerror}): choose another folder") from None
