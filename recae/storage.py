"""Files: arrays and JSON to one safetensors file and back, checked and without pickle; and any file written atomically.

A file of arrays is safetensors as any reader knows it. Its metadata holds one JSON text under the key `recae`: the kind
of file, the format's version, a checksum over everything, and what the caller handed in.
"""

from __future__ import annotations

import hashlib
import json
import os
import stat
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import torch

from recae._types import Arrays
from recae.errors import ModelFileError, Phrase, Remedy

FORMAT = 1


def write_file(path: str | Path, kind: str, arrays: Arrays, content: dict[str, Any]) -> Path:
    """Write `arrays` and the JSON-able `content` to `path`, as `write_bytes` does.

    Raises:
        ModelFileError: the file cannot be written.
    """
    from safetensors.numpy import save

    arrays = {name: np.asarray(array, order="C") for name, array in arrays.items()}  # a scalar keeps its shape ()
    body = {"kind": kind, "format": FORMAT, "content": content, "checksum": _checksum(kind, arrays, content)}
    return write_bytes(path, save(arrays, metadata={"recae": json.dumps(body)}))


def write_text(path: str | Path, text: str) -> Path:
    """Write `text` in UTF-8, as `write_bytes` does."""
    return write_bytes(path, text.encode("utf-8"))


def write_bytes(path: str | Path, data: bytes) -> Path:
    """Write a file, all or nothing.

    The file is written in its folder under another name, and renamed when it is whole: a kill or a full disk leaves an
    older file as it was. Of a symbolic link, the file that it points to is written.

    Raises:
        ModelFileError: `path` is no regular file (a folder, a device, a pipe), its folder is missing or cannot be
            written, or the disk is full.
    """
    path = Path(path)
    refuse_irregular(path)
    try:
        _replace(Path(os.path.realpath(path)), data)
    except OSError as error:
        raise ModelFileError(
            f"{path} could not be written ({error.strerror or error}); what stood there is unchanged",
            remedy=("choose another folder", "make room, and save again"),
        ) from error
    return path


def check_writable(path: str | Path) -> None:
    """Find out before the work whether `write_bytes` can write a file; nothing is left behind.

    Raises:
        ModelFileError: as `write_bytes`.
    """
    path = Path(path)
    refuse_irregular(path)
    folder = Path(os.path.realpath(path)).parent
    if not folder.is_dir():
        raise ModelFileError(
            f"{path} cannot be written: there is no folder {folder if path.is_symlink() else path.parent}",
            remedy=("make it", "choose another folder"),
        )
    try:
        with tempfile.NamedTemporaryFile(dir=folder, prefix=".recae-"):
            pass
    except OSError as error:
        raise ModelFileError(f"{path} cannot be written ({error.strerror})", remedy="choose another folder") from None


def refuse_irregular(path: Path) -> None:
    """Refuse what is there and is no regular file: renaming a file onto `/dev/null` would replace the device.

    Raises:
        ModelFileError: says what it is.
    """
    try:
        mode = path.stat().st_mode
    except OSError:  # not there, or not to be seen: writing says why
        return
    if stat.S_ISDIR(mode):
        raise ModelFileError(f"{path} is a folder", remedy="name a file in it")
    if not stat.S_ISREG(mode):
        kind = "a pipe" if stat.S_ISFIFO(mode) else "a socket" if stat.S_ISSOCK(mode) else "a device"
        raise ModelFileError(f"{path} is {kind}, and no file can take its place", remedy="name a file")


def read_file(path: str | Path, kind: str) -> tuple[Arrays, dict[str, Any]]:
    """The arrays and the content of a file that `write_file` wrote.

    Raises:
        ModelFileError: there is no such file, or it is foreign, truncated, tampered with, of another kind, or
            of a newer format. The message says which.
    """
    from safetensors import SafetensorError, safe_open

    path = Path(path)
    if not path.is_file():
        raise ModelFileError(f"no file {path}", remedy=Remedy("{save} writes one", save=Phrase("model.save(path)")))
    try:
        with safe_open(path, framework="numpy") as file:
            metadata = file.metadata() or {}
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a mapping
    except (SafetensorError, OSError, ValueError) as error:
        raise ModelFileError(f"{path} is not a recae file, or it is cut short ({error})") from None
    try:
        body = json.loads(metadata["recae"])
        found, version, content, checksum = body["kind"], int(body["format"]), body["content"], body["checksum"]
    except (KeyError, TypeError, ValueError):
        raise ModelFileError(f"{path} is a safetensors file, but not one that recae wrote") from None
    if version > FORMAT:
        raise ModelFileError(
            f"{path} has format {version}, newer than {FORMAT}, which this recae reads", remedy="upgrade recae"
        )
    if found != kind:
        raise ModelFileError(f"{path} holds a {found}, not a {kind}")
    if checksum != _checksum(kind, arrays, content):
        raise ModelFileError(
            f"{path} has been changed since it was written (its checksum differs)", remedy="fetch or save it anew"
        )
    return arrays, content


def pack(tree: Any) -> tuple[Arrays, Any]:
    """A nest of dicts, lists, tuples, numbers, texts and tensors as arrays and a JSON-able twin of the nest."""
    arrays: Arrays = {}

    def strip(node: Any) -> Any:
        if isinstance(node, torch.Tensor | np.ndarray):
            name = f"t{len(arrays)}"
            arrays[name] = node.detach().cpu().numpy() if isinstance(node, torch.Tensor) else node
            return {"#": "tensor", "name": name}
        if isinstance(node, dict):
            return {"#": "dict", "items": [[strip(k), strip(v)] for k, v in node.items()]}
        if isinstance(node, list | tuple):
            return {"#": type(node).__name__, "items": [strip(v) for v in node]}
        if isinstance(node, np.number | np.bool_):
            return node.item()
        if node is None or isinstance(node, bool | int | float | str):
            return node
        raise TypeError(f"{type(node).__name__} cannot be packed")

    return arrays, strip(tree)


def unpack(arrays: Arrays, twin: Any) -> Any:
    """What `pack` was given, with tensors on the CPU."""
    if not isinstance(twin, dict):
        return twin
    kind = twin["#"]
    if kind == "tensor":
        return torch.from_numpy(np.array(arrays[twin["name"]]))
    if kind == "dict":
        return {unpack(arrays, k): unpack(arrays, v) for k, v in twin["items"]}
    values = [unpack(arrays, v) for v in twin["items"]]
    return tuple(values) if kind == "tuple" else values


def _replace(path: Path, data: bytes) -> None:
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o666 & ~_umask())
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _checksum(kind: str, arrays: Arrays, content: dict[str, Any]) -> str:
    digest = hashlib.sha256(json.dumps([kind, content], sort_keys=True).encode())
    for name in sorted(arrays):
        array = arrays[name]
        digest.update(f"{name} {array.dtype.str} {array.shape}".encode())
        digest.update(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data if array.size else b"")
    return digest.hexdigest()
