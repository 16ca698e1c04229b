"""What pyarrow's threads read is memory of its own: none of them asks for Python while a process ends."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyarrow import csv, json

import recae
from recae.readers.arrow_memory import held_by_arrow


def test_a_copy_holds_nothing_of_pythons() -> None:
    """The copy has the same bytes, and the bytes of Python's have no more owners than before."""
    block = bytes(bytearray(b"1,2,3\n" * 7))
    owners = sys.getrefcount(block)
    held = held_by_arrow(block)
    assert held.to_pybytes() == block
    assert sys.getrefcount(block) == owners
    assert held_by_arrow(b"").size == 0


@pytest.mark.parametrize(
    ("reader", "name", "text"),
    [
        ((csv, "read_csv"), "words.csv", "user,item,rating\na,b,3\nc,b,5\n"),
        ((json, "read_json"), "r.jsonl", '{"user":1,"item":2,"rating":3}\n{"user":4,"item":2,"rating":5}\n'),
    ],
)
def test_readers_read_such_copies(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reader: tuple[Any, str], name: str, text: str
) -> None:
    """Every table that pyarrow reads by threads is read from memory that pyarrow has allocated."""
    (module, function), sources = reader, []
    original = getattr(module, function)

    def watched(source: Any, *args: Any, **options: Any) -> Any:
        before = pa.total_allocated_bytes()
        whole = source.read_buffer()  # shares memory with the source
        assert pa.total_allocated_bytes() == before
        source.seek(0)
        sources.append(whole.address)
        return original(source, *args, **options)

    held: list[int] = []

    def recorded(block: bytes) -> Any:
        copy = held_by_arrow(block)
        held.append(copy.address)
        return copy

    monkeypatch.setattr(module, function, watched)
    for place in ("delimited", "json_lines"):
        monkeypatch.setattr(f"recae.readers.{place}.held_by_arrow", recorded)
    path = tmp_path / name
    path.write_text(text)
    assert recae.load(path).n_ratings == 2
    assert sources
    assert set(sources) <= set(held)
