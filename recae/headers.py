"""What stands at the beginning of a recae file, read without NumPy and without the arrays: in a few milliseconds."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from recae.errors import ModelFileError, Phrase, Remedy

LARGEST = 100_000_000  # bytes of a header, as safetensors has it


@dataclass(frozen=True)
class Header:
    """Attributes:
    kind: of the file, such as "model".
    format: the format's version.
    content: what the writer handed in.
    fingerprint: twelve digits that tell contents of files apart.
    shapes: of the arrays, by name.
    """

    kind: str
    format: int
    content: dict[str, Any]
    fingerprint: str
    shapes: dict[str, list[int]]


def read_header(path: str | Path) -> Header:
    """The header of a file that `recae.storage.write_file` wrote. Its arrays are neither read nor compared.

    Raises:
        ModelFileError: there is no such file, it is not to be read or foreign, or the header has been changed.
    """
    path = Path(path)
    with open_to_read(path) as file:
        size = int.from_bytes(file.read(8), "little")
        text = file.read(size) if size <= min(LARGEST, path.stat().st_size) else b""
    try:
        found = json.loads(text)
        abouts = {name: about for name, about in found.items() if name != "__metadata__"}
        arrays = {name: about["shape"] for name, about in abouts.items()}
        end = 8 + size + max((about["data_offsets"][1] for about in abouts.values()), default=0)
        body = json.loads(found["__metadata__"]["recae"])
        kind, form, content, checksum = (body[name] for name in ("kind", "format", "content", "checksum"))
        whole = isinstance(kind, str) and isinstance(form, int) and isinstance(content, dict)
        whole = whole and path.stat().st_size >= end
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        whole = False
    if not whole:
        raise ModelFileError(f"{path} is not a recae file, or it is cut short")
    if form > 1 and checksum_of(body) != checksum:
        raise ModelFileError(f"{path} has been changed since it was written", remedy="fetch or save it anew")
    return Header(kind, form, content, str(checksum)[:12], arrays)


def open_to_read(path: Path) -> IO[bytes]:
    """A file, open.

    Raises:
        ModelFileError: there is no such file, it is no regular one, or the system does not let it be read.
    """
    try:
        if path.is_file():
            return path.open("rb")
        if path.is_dir():
            raise ModelFileError(f"{path} is a folder; name a file in it")
        raise ModelFileError(f"{path} is no file") if path.exists() else no_such_file(path)
    except ModelFileError:  # which is an OSError, too
        raise
    except OSError as error:
        raise not_to_be_read(path, error) from None


def not_to_be_read(path: str | Path, error: OSError) -> ModelFileError:
    """The error of a file that the system does not let be read."""
    return ModelFileError(f"{path} is not to be read ({(error.strerror or str(error)).lower()})")


def no_such_file(path: str | Path) -> ModelFileError:
    """The error of a file that is not there."""
    return ModelFileError(f"no file {path}", remedy=Remedy("{save} writes one", save=Phrase("model.save(path)")))


def checksum_of(body: dict[str, Any]) -> str:
    """The checksum of all that the metadata says, the checksums of the arrays included."""
    text = json.dumps([body["kind"], body["format"], body["content"], body.get("arrays")], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()
