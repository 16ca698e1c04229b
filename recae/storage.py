"""Arrays and JSON to one safetensors file and back, checked and without pickle.

A file of arrays is safetensors as any reader knows it. Its metadata holds one JSON text under the key `recae`: the kind
of file, the format's version, what the caller handed in, a checksum of each array, and one over all of that.
Files of format 1 have one checksum over everything.
"""

from __future__ import annotations

import hashlib
import json
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from recae._types import Arrays
from recae.atomic import refuse_irregular, write_bytes
from recae.errors import ModelFileError
from recae.headers import checksum_of, open_to_read
from recae.schemas import Invalid, as_object, is_int, parse_json, refusing, require

FORMAT = 2
REMEDY = "fetch or save it anew"
_DTYPES = {
    "BOOL": np.bool_, "U8": np.uint8, "U16": np.uint16, "U32": np.uint32, "U64": np.uint64, "I8": np.int8,
    "I16": np.int16, "I32": np.int32, "I64": np.int64, "F16": np.float16, "F32": np.float32, "F64": np.float64,
}  # fmt: skip


def write_file(path: str | Path, kind: str, arrays: Arrays, content: dict[str, Any]) -> Path:
    """Write `arrays` and the JSON-able `content` to `path`, as `recae.atomic.write_bytes` does.

    Raises:
        ModelFileError: the file cannot be written.
    """
    from safetensors.numpy import save

    arrays = {name: np.asarray(array, order="C") for name, array in arrays.items()}  # a scalar keeps its shape ()
    checksums = {name: _checksum_of_array(array) for name, array in arrays.items()}
    body = {"kind": kind, "format": FORMAT, "content": content, "arrays": checksums}
    body["checksum"] = checksum_of(body)
    return write_bytes(path, save(arrays, metadata={"recae": json.dumps(body)}))


def read_file(path: str | Path, kind: str, *, verify: bool = True) -> tuple[Arrays, dict[str, Any]]:
    """The arrays and the content of a file that `write_file` wrote.

    Args:
        path: the file.
        kind: what it has to hold.
        verify: compare the checksums of the arrays. That of the content is always compared.

    Raises:
        ModelFileError: there is no such file, or it is foreign, truncated, tampered with, of another kind, or
            of a newer format. The message says which.
    """
    body, arrays, digests = _open(Path(path), verify=verify)
    with refusing(ModelFileError, path, REMEDY):
        content = as_object(body["content"], "its content")
    if body["format"] > FORMAT:
        raise ModelFileError(
            f"{path} has format {body['format']}, newer than {FORMAT}, which this recae reads", remedy="upgrade recae"
        )
    if body["kind"] != kind:
        raise ModelFileError(f"{path} holds a {body['kind']}, not a {kind}")
    changed = _changed_part(body, arrays, digests, verify)
    if changed is not None:
        raise ModelFileError(
            f"{path} has been changed since it was written (the checksum of {changed} differs)", remedy=REMEDY
        )
    return arrays, content


def kind_of(path: str | Path) -> str:
    """What kind of file `write_file` wrote at `path`.

    Raises:
        ModelFileError: there is no such file, or it is foreign or truncated.
    """
    body, _, _ = _open(Path(path), arrays=False)
    return str(body["kind"])


def fingerprint(path: str | Path) -> str:
    """Twelve digits that tell contents of files apart: the beginning of the checksum of all that the file holds.

    Raises:
        ModelFileError: there is no such file, or it is foreign or truncated.
    """
    body, _, _ = _open(Path(path), arrays=False)
    return str(body["checksum"])[:12]


def _open(path: Path, *, arrays: bool = True, verify: bool = False) -> tuple[dict[str, Any], Arrays, dict[str, str]]:
    """What recae's metadata says, with values of the types that they have to have; the arrays, and their checksums."""
    from safetensors import SafetensorError, safe_open

    refuse_irregular(path)
    open_to_read(path).close()  # safe_open says of every failure that there is no such file
    try:
        with safe_open(path, framework="numpy") as file:  # it compares the sizes of all arrays with the file's
            metadata = file.metadata() or {}
            names = file.keys() if arrays else []
            if any(file.get_slice(name).get_dtype() not in _DTYPES for name in names):
                raise ModelFileError(f"{path} is a safetensors file, but not one that recae wrote")
            found, digests = {}, {}
            with ThreadPoolExecutor(2) as pool:  # what has been read is hashed while the next is: both leave Python
                for name in names:
                    found[name] = file.get_tensor(name)
                    if verify:
                        digests[name] = pool.submit(_checksum_of_array, found[name])
    except (SafetensorError, OSError, ValueError) as error:
        if isinstance(error, ModelFileError):
            raise
        raise ModelFileError(f"{path} is not a recae file, or it is cut short ({error})") from None
    try:
        body = as_object(
            parse_json(metadata.get("recae", ""), "metadata"), "metadata", ("kind", "format", "content", "checksum")
        )
        require(isinstance(body["kind"], str) and is_int(body["format"], 1), "metadata")
    except Invalid as error:
        deep = f" ({error})" if "nested" in str(error) else ""
        raise ModelFileError(f"{path} is a safetensors file, but not one that recae wrote{deep}") from None
    return body, found, {name: digest.result() for name, digest in digests.items()}


def _changed_part(body: dict[str, Any], arrays: Arrays, digests: dict[str, str], verify: bool) -> str | None:
    """The first part of a file whose checksum differs; None where there is none."""
    if body["format"] == 1:
        everything = verify and _checksum_of_everything(body["kind"], arrays, body["content"]) != body["checksum"]
        return "everything" if everything else None
    checksums = body.get("arrays")
    if checksum_of(body) != body["checksum"] or not isinstance(checksums, dict):
        return "the content"
    if checksums.keys() != arrays.keys():
        return "the list of arrays"
    return next((f"array {name!r}" for name, digest in digests.items() if digest != checksums[name]), None)


def pack(tree: Any) -> tuple[Arrays, Any]:
    """A nest of dicts, lists, tuples, numbers, texts and tensors as arrays and a JSON-able twin of the nest."""
    arrays: Arrays = {}

    def strip(node: Any) -> Any:
        if isinstance(node, np.ndarray) or _is_tensor(node):
            name = f"t{len(arrays)}"
            arrays[name] = node if isinstance(node, np.ndarray) else node.detach().cpu().numpy()
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


def _is_tensor(node: Any) -> bool:
    """Whether it is a tensor; where PyTorch was not imported, nothing is."""
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(node, torch.Tensor)


def unpack(arrays: Arrays, twin: Any, *, tensors: bool = True) -> Any:
    """What `pack` was given, with tensors on the CPU, which share the memory of `arrays`; or these themselves.

    Raises:
        Invalid: `twin` is not of the form that `pack` makes, or an array is not there or is used twice.
    """
    left = dict(arrays)

    def build(node: Any) -> Any:
        if not isinstance(node, dict):
            require(not isinstance(node, list), "a list of values has no kind")
            return node
        kind = node.get("#")
        if kind == "tensor":
            name = str(node.get("name"))
            require(name in left, f"array {name!r} is not there, or is used twice")
            array = left.pop(name)
            if not tensors:
                return array
            import torch  # files of models are read without it

            return torch.from_numpy(array)
        items: Any = node.get("items")
        require(kind in ("dict", "list", "tuple") and isinstance(items, list), "a value is of no known kind")
        if kind != "dict":
            values = [build(value) for value in items]
            return tuple(values) if kind == "tuple" else values
        require(all(isinstance(pair, list) and len(pair) == 2 for pair in items), "an entry is not a key and a value")
        result = {_hashable(build(key)): build(value) for key, value in items}
        require(len(result) == len(items), "a key occurs twice")
        return result

    return build(twin)


def _hashable(key: Any) -> Any:
    parts = key if isinstance(key, tuple) else (key,)
    flat = all(part is None or isinstance(part, str | int | float | bool) for part in parts)
    require(flat, "a key is neither a number nor a text")
    return key


def _checksum_of_array(array: npt.NDArray[Any]) -> str:
    digest = hashlib.sha256(f"{array.dtype.str} {array.shape}".encode())
    digest.update(_bytes_of(array))
    return digest.hexdigest()


def _checksum_of_everything(kind: str, arrays: Arrays, content: dict[str, Any]) -> str:
    """As format 1 has it."""
    digest = hashlib.sha256(json.dumps([kind, content], sort_keys=True).encode())
    for name in sorted(arrays):
        digest.update(f"{name} {arrays[name].dtype.str} {arrays[name].shape}".encode())
        digest.update(_bytes_of(arrays[name]))
    return digest.hexdigest()


def _bytes_of(array: npt.NDArray[Any]) -> Any:
    return np.ascontiguousarray(array).reshape(-1).view(np.uint8).data if array.size else b""
