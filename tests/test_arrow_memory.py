"""What pyarrow's threads read is memory of its own: none of them asks for Python while a process ends."""

from __future__ import annotations

import bz2
import gzip
import lzma
import sys
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyarrow import csv, json

import recae
from recae.readers.arrow_memory import held_by_arrow, opened_by_arrow


def test_a_copy_holds_nothing_of_pythons() -> None:
    """The copy has the same bytes, and the bytes of Python's have no more owners than before."""
    block = bytes(bytearray(b"1,2,3\n" * 7))
    owners = sys.getrefcount(block)
    held = held_by_arrow(block)
    assert held.to_pybytes() == block
    assert sys.getrefcount(block) == owners
    assert held_by_arrow(b"").size == 0


TABLES = {
    "words.csv": "user,item,rating\na,b,3\nc,b,5\n",
    "r.jsonl": '{"user":1,"item":2,"rating":3}\n{"user":4,"item":2,"rating":5}\n',
}


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("name", list(TABLES))
def test_readers_read_such_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, packed: bool) -> None:
    """Every table that pyarrow reads by threads is read from its own file, or from memory that it has allocated."""
    sources: list[Any] = []

    def watch(module: Any, function: str) -> None:
        original = getattr(module, function)

        def watched(source: Any, *args: Any, **options: Any) -> Any:
            sources.append(source)
            return original(source, *args, **options)

        monkeypatch.setattr(module, function, watched)

    watch(csv, "read_csv")
    watch(json, "read_json")
    blocks: list[int] = []

    def recorded(block: bytes) -> Any:
        copy = held_by_arrow(block)
        blocks.append(copy.address)
        return copy

    monkeypatch.setattr("recae.readers.delimited.held_by_arrow", recorded)
    path = tmp_path / f"{name}{'.gz' if packed else ''}"
    path.write_bytes(gzip.compress(TABLES[name].encode()) if packed else TABLES[name].encode())
    assert recae.load(path).n_ratings == 2
    assert sources
    if name.endswith("csv"):
        for source in sources:
            source.seek(0)
        assert {source.read_buffer().address for source in sources} <= set(blocks)
    else:
        assert {type(source) for source in sources} == {pa.BufferReader if packed else pa.OSFile}


@pytest.mark.parametrize("packing", ["", ".gz", ".bz2", ".xz"])
def test_a_file_is_opened_unpacked(tmp_path: Path, packing: str) -> None:
    """What pyarrow reads of a file is what was packed, in memory of its own; more than one part of it, too."""
    text = b"0123456789\n" * 200_000
    pack = {"": bytes, ".gz": gzip.compress, ".bz2": bz2.compress, ".xz": lzma.compress}[packing]
    path = tmp_path / f"r.jsonl{packing}"
    path.write_bytes(pack(text))
    with opened_by_arrow(path) as source:
        assert source.read() == text
