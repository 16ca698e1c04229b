"""Files: what goes in comes out, nothing else is read, and a failed write costs nothing."""

from __future__ import annotations

import errno
import json
import os
import re
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst
from property_examples import examples

from recae.errors import ModelFileError
from recae.headers import read_header
from recae.storage import FORMAT, pack, read_file, unpack, write_file

ROOT = Path(__file__).parents[1]
ARRAYS = {"weight": np.arange(6, dtype=np.float32).reshape(2, 3), "empty": np.zeros((0, 4), np.int64)}
CONTENT = {"name": "Amélie, 007", "numbers": [1, 2.5, None, True]}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return write_file(tmp_path / "m.recae", "model", ARRAYS, CONTENT)


def is_only_file(path: Path) -> bool:
    """Nothing else stands in the file's folder."""
    return [p.name for p in path.parent.iterdir()] == [path.name]


# ---------------------------------------------------------------- round trip


def test_what_is_written_is_read(file: Path) -> None:
    """Arrays come back with shape, type and values, content with its values; no temporary file is left."""
    arrays, content = read_file(file, "model")
    assert content == CONTENT
    assert arrays.keys() == ARRAYS.keys()
    for name, array in ARRAYS.items():
        assert (arrays[name].dtype, arrays[name].shape) == (array.dtype, array.shape)
        np.testing.assert_array_equal(arrays[name], array)
    assert is_only_file(file)


def test_any_safetensors_reader_reads_it(file: Path) -> None:
    """The file is plain safetensors: the library by itself finds the arrays and our one metadata key."""
    from safetensors import safe_open

    with safe_open(file, framework="numpy") as plain:
        assert sorted(plain.keys()) == ["empty", "weight"]
        assert list(plain.metadata()) == ["recae"]
        np.testing.assert_array_equal(plain.get_tensor("weight"), ARRAYS["weight"])


def test_arrays_need_not_be_contiguous(tmp_path: Path) -> None:
    """A transposed and a strided array are stored by value, not by what their memory happens to hold."""
    base = np.arange(12.0).reshape(3, 4)
    path = write_file(tmp_path / "m", "model", {"transposed": base.T, "strided": base[:, ::2]}, {})
    arrays, _ = read_file(path, "model")
    np.testing.assert_array_equal(arrays["transposed"], base.T)
    np.testing.assert_array_equal(arrays["strided"], base[:, ::2])


def test_permissions_are_those_of_any_new_file(file: Path) -> None:
    """The file can be read by whom the umask lets read, not only by its owner as temporary files are."""
    plain = file.parent / "plain"
    plain.touch()
    assert file.stat().st_mode == plain.stat().st_mode


_LEAVES = (
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False) | st.text(max_size=8)
    | npst.arrays(st.sampled_from([np.float32, np.float64, np.int32, np.int64, np.uint8, np.bool_]),
                  npst.array_shapes(min_dims=0, max_dims=3, max_side=3), elements={"allow_nan": False})
)  # fmt: skip
_KEYS = st.text(max_size=5) | st.integers() | st.tuples(st.integers(), st.text(max_size=3))
_TREES = st.recursive(
    _LEAVES, lambda t: st.lists(t, max_size=4) | st.tuples(t, t) | st.dictionaries(_KEYS, t, max_size=4), max_leaves=12
)


def same(a: Any, b: Any) -> bool:
    if isinstance(a, np.ndarray):
        return isinstance(b, torch.Tensor) and a.dtype == b.numpy().dtype and np.array_equal(a, b.numpy())
    if type(a) is not type(b):
        return False
    if isinstance(a, dict):
        return list(a) == list(b) and all(same(a[k], b[k]) for k in a)
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(same(x, y) for x, y in zip(a, b))
    return bool(a == b)


@settings(max_examples=examples(60), deadline=None)
@given(_TREES)
def test_any_nest_comes_back_as_it_was(tmp_path_factory: pytest.TempPathFactory, tree: Any) -> None:
    """Dicts (any plain keys, in order), lists, tuples, numbers, texts and arrays of any shape survive a file."""
    arrays, twin = pack(tree)
    path = write_file(tmp_path_factory.getbasetemp() / "nest", "model", arrays, {"tree": twin})
    arrays, content = read_file(path, "model")
    assert same(tree, unpack(arrays, content["tree"]))


def test_tensors_and_numpys_numbers_are_packed_by_value() -> None:
    """A tensor that wants gradients comes back without them; a NumPy scalar becomes the Python number."""
    arrays, twin = pack({"w": torch.ones(2, requires_grad=True), "k": np.int64(3), "x": np.float32(0.5)})
    back = unpack(arrays, json.loads(json.dumps(twin)))
    assert torch.equal(back["w"], torch.ones(2))
    assert not back["w"].requires_grad
    assert (back["k"], back["x"]) == (3, 0.5)
    assert type(back["k"]) is int


@pytest.mark.parametrize("thing", [object(), {1, 2}, b"bytes", lambda: 0, 1j])
def test_what_cannot_be_packed_is_refused(thing: Any) -> None:
    """Anything else raises TypeError with its type: there is no way for code to get into a file."""
    with pytest.raises(TypeError, match=f"{type(thing).__name__} cannot be packed"):
        pack({"a": [thing]})


# ---------------------------------------------------------------- what is not read


def expect(path: Path, message: str, kind: str = "model") -> None:
    with pytest.raises(ModelFileError, match=message) as error:
        read_file(path, kind)
    assert str(path) in str(error.value)
    assert error.value.__cause__ is None  # one clear error, no second traceback


def test_files_that_are_none_of_ours(tmp_path: Path) -> None:
    """Missing, empty, text, pickle and folder: each says that it is not a recae file, or not there."""
    import pickle

    expect(tmp_path / "nothing", "no file")
    expect(tmp_path, "is a folder")
    for name, data in {
        "empty": b"",
        "text": b"user,item\n1,2\n",
        "pickle": pickle.dumps([1]),
        "zip": b"PK\3\4" * 9,
    }.items():
        path = tmp_path / name
        path.write_bytes(data)
        expect(path, "not a recae file")


def test_somebody_elses_safetensors(tmp_path: Path) -> None:
    """A safetensors file without our metadata, or with a strange one, is named as such."""
    from safetensors.numpy import save_file

    path = tmp_path / "theirs.safetensors"
    strange = ["text", "[]", "{}", '"x"', "1", '{"kind": "model", "format": "new", "content": {}, "checksum": 0}']
    for metadata in [None, {"format": "pt"}, *({"recae": text} for text in strange)]:
        save_file({"w": np.ones(3)}, path, metadata=metadata)
        expect(path, "not one that recae wrote")


@pytest.mark.parametrize("kept", [0.99, 0.5, 0.1, 0.01])
def test_a_truncated_file(file: Path, kept: float) -> None:
    """Cut anywhere, it is refused as cut short."""
    data = file.read_bytes()
    file.write_bytes(data[: int(kept * len(data))])
    expect(file, "cut short")


def test_a_longer_file(file: Path) -> None:
    """Bytes behind the end are not overlooked."""
    file.write_bytes(file.read_bytes() + b"more")
    expect(file, "not a recae file")


def test_no_byte_can_be_changed(file: Path) -> None:
    """Each byte in turn, changed in one bit: the file is refused, always with ModelFileError, never misread."""
    data = file.read_bytes()
    refused = 0
    for offset in range(len(data)):
        for bit in (0, 5):
            changed = bytearray(data)
            changed[offset] ^= 1 << bit
            file.write_bytes(changed)
            try:
                arrays, content = read_file(file, "model")
            except ModelFileError:
                refused += 1
            else:  # a space of the header's padding, say: nothing that means anything
                assert content == CONTENT
                assert all(np.array_equal(arrays[name], ARRAYS[name]) for name in ARRAYS)
    assert refused > 1.9 * len(data)


def test_a_changed_weight_is_called_by_its_name(file: Path) -> None:
    """A change that leaves the form intact is found by the checksum, and the message says so."""
    data = bytearray(file.read_bytes())
    data[-1] ^= 1
    file.write_bytes(data)
    expect(file, "changed since it was written")


def test_a_newer_format(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file of a future version asks for an upgrade, before anything else is said."""
    monkeypatch.setattr("recae.storage.FORMAT", FORMAT + 1)
    path = write_file(tmp_path / "m", "something new", ARRAYS, CONTENT)
    monkeypatch.undo()
    expect(path, f"format {FORMAT + 1}, newer than {FORMAT}.*upgrade recae")


def test_another_kind_of_file(file: Path) -> None:
    """A model is not a checkpoint."""
    expect(file, "holds a model, not a checkpoint", kind="checkpoint")


# ---------------------------------------------------------------- writing that fails


def test_a_full_disk_leaves_the_old_file_whole(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """ENOSPC in the middle: ModelFileError that says what to do, the old content, and no temporary file."""
    before = file.read_bytes()

    def full(fd: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(ModelFileError, match=r"No space left.*unchanged.*make room"):
        write_file(file, "model", ARRAYS, {"other": 1})
    assert file.read_bytes() == before
    assert is_only_file(file)


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    """A missing folder, or a folder instead of the file, is a ModelFileError that names the path."""
    for path in (tmp_path / "missing" / "m.recae", tmp_path):
        with pytest.raises(ModelFileError, match=re.escape(str(path))):
            write_file(path, "model", ARRAYS, CONTENT)
    assert list(tmp_path.iterdir()) == []


_WRITE_FOR_EVER = """
    import sys, numpy as np
    from recae.storage import write_file
    path, round_ = sys.argv[1], 0
    while True:
        round_ += 1
        write_file(path, "model", {"w": np.full(200_000, round_)}, {"round": round_})
        print("written", flush=True)
"""


def test_a_kill_in_the_middle_leaves_a_whole_file(tmp_path: Path) -> None:
    """A process that writes again and again is killed at odd moments: what stands there is always whole."""
    path = tmp_path / "m.recae"
    for delay in (0.0, 0.003, 0.008):
        process = subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(_WRITE_FOR_EVER), str(path)], stdout=subprocess.PIPE, cwd=ROOT
        )
        assert process.stdout is not None
        process.stdout.readline()
        time.sleep(delay)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        arrays, content = read_file(path, "model")
        assert (arrays["w"] == content["round"]).all()


def test_no_pickle_is_ever_read() -> None:
    """Nowhere in recae is pickle imported or a loader called that unpickles; arrays are never allowed to."""
    forbidden = re.compile(
        r"^\s*(import|from)\s+(c?pickle|dill|joblib|shelve|marshal)\b|torch\.(load|save)\(|allow_pickle\s*=\s*True"
        r"|read_pickle|to_pickle",
        re.MULTILINE,
    )
    found = {str(p): forbidden.findall(p.read_text()) for p in (ROOT / "recae").rglob("*.py")}
    assert len(found) > 40
    assert {p: hits for p, hits in found.items() if hits} == {}
    for line in (
        "import pickle",
        "    from pickle import load",
        "x = torch.load(path)",
        "np.load(p, allow_pickle=True)",
    ):
        assert forbidden.search(line)


def test_a_file_that_may_not_be_read_is_said_to_be_so(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the right to read a file, neither it nor its header is called foreign, cut short or missing."""

    def refused(path: Path, *_: Any, **__: Any) -> Any:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "open", refused)
    expect(file, r"is not to be read \(permission denied\)")
    with pytest.raises(ModelFileError, match="permission denied"):
        read_header(file)
