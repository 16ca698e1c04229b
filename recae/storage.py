"""Arrays and JSON to one safetensors file and back: atomic, checked, without pickle.

A file is safetensors as any reader knows it. Its metadata holds one JSON text under the key `recae`: the kind
of file, the format's version, a checksum over everything, and what the caller handed in.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import torch

from recae._types import Arrays
from recae.errors import ModelFileError

FORMAT = 1


def write_file(path: str | Path, kind: str, arrays: Arrays, content: dict[str, Any]) -> Path:
    """Write `arrays` and the JSON-able `content` to `path`, all or nothing.

    The file is written beside its place and moved there when it is whole: a kill or a full disk leaves an
    older file as it was.

    Raises:
        ModelFileError: the folder is missing or cannot be written, or the disk is full.
    """
    from safetensors.numpy import save

    path = Path(path)
    arrays = {name: np.asarray(array, order="C") for name, array in arrays.items()}  # a scalar keeps its shape ()
    body = {"kind": kind, "format": FORMAT, "content": content, "checksum": _checksum(kind, arrays, content)}
    try:
        _replace(path, save(arrays, metadata={"recae": json.dumps(body)}))
    except OSError as error:
        raise ModelFileError(
            f"{path} could not be written ({error.strerror or error}); "
            "what stood there is unchanged: choose another folder or make room, and save again"
        ) from error
    return path


def read_file(path: str | Path, kind: str) -> tuple[Arrays, dict[str, Any]]:
    """The arrays and the content of a file that `write_file` wrote.

    Raises:
        ModelFileError: there is no such file, or it is foreign, truncated, tampered with, of another kind, or
            of a newer format. The message says which.
    """
    from safetensors import SafetensorError, safe_open

    path = Path(path)
    if not path.is_file():
        raise ModelFileError(f"no file {path}: `save` writes one")
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
        raise ModelFileError(f"{path} has format {version}, newer than {FORMAT}, which this recae reads: upgrade recae")
    if found != kind:
        raise ModelFileError(f"{path} holds a {found}, not a {kind}")
    if checksum != _checksum(kind, arrays, content):
        raise ModelFileError(
            f"{path} has been changed since it was written (its checksum differs): fetch or save it anew"
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
