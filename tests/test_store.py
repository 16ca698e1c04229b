"""Ratings on disk: what a store holds is what memory would hold; a kill, a flipped bit and a bad line are met."""

from __future__ import annotations

import gzip
import os
import signal
import subprocess
import sys
import time
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from cli_helpers import LIMITS
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from property_examples import examples
from store_toys import Killed, prepared, same, table, take_small_steps

import recae
from recae.errors import DataError
from recae.store import check_store, chunks, making, sources
from recae.store import prepare as preparing


@pytest.fixture(autouse=True)
def small_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """Small files are cut as large ones are."""
    take_small_steps(monkeypatch)


# ---------------------------------------------------------------- a store holds what memory would


@settings(max_examples=examples(25), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    rows=st.lists(
        st.tuples(st.integers(0, 6), st.integers(0, 9), st.integers(1, 10), st.integers(0, 3)), min_size=1, max_size=60
    ),
    texts=st.booleans(), times=st.booleans(), duplicates=st.sampled_from(["last", "mean"]),
    cut=st.integers(0, 60),
)  # fmt: skip
def test_a_store_is_the_matrix_of_the_same_table(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[int, ...]], texts: bool, times: bool,
    duplicates: Any, cut: int,
) -> None:  # fmt: skip
    """Any table, cut into two files anywhere, gives the rows, ids and times of `RatingMatrix.from_frame`."""
    folder = tmp_path_factory.mktemp("table")
    frame = pd.DataFrame(rows, columns=["user", "item", "rating", "timestamp"])
    frame["item"] = frame["item"].map(lambda item: f"ß,{item}") if texts else frame["item"] * 10**15
    frame = frame if times else frame.drop(columns="timestamp")
    files = [folder / "a.csv", folder / "b.parquet"]
    frame[:cut].to_csv(files[0], index=False)
    frame[cut:].to_parquet(files[1], index=False)
    recae.prepare_store(files, folder / "store", duplicates=duplicates)
    memory = recae.RatingMatrix.from_frame(frame, timestamp="timestamp" if times else None, duplicates=duplicates)
    same(recae.load(folder / "store"), memory)


def test_many_files_of_many_kinds_are_one_table(tmp_path: Path) -> None:
    """csv, csv.gz, tsv.zst, '::' and Parquet, named or by their folder, give one matrix, in the order of names."""
    frame, folder = table(100), tmp_path / "files"
    folder.mkdir()
    frame[:20].to_csv(folder / "a.csv", index=False)
    frame[20:40].to_csv(folder / "b.csv.gz", index=False)
    tsv = frame[40:60].to_csv(sep="\t", index=False).encode()
    with pa.CompressedOutputStream(str(folder / "c.tsv.zst"), "zstd") as file:
        file.write(tsv)
    (folder / "d.dat").write_text("\n".join("::".join(map(str, row)) for row in frame[60:80].values.tolist()) + "\n")
    frame[80:].to_parquet(folder / "e.parquet", index=False, row_group_size=6)
    (folder / "_SUCCESS").touch()
    memory = recae.RatingMatrix.from_frame(frame.astype({"user": int, "item": int}), timestamp="timestamp")
    numbers = (folder / "d.dat").read_text().replace(".0::", "::")
    (folder / "d.dat").write_text(numbers)
    recae.prepare_store(folder, tmp_path / "one")
    same(recae.load(tmp_path / "one"), memory)
    recae.prepare_store(sorted(folder.glob("?.*")), tmp_path / "two")
    same(recae.load(tmp_path / "two"), memory)


def test_one_id_that_is_a_text_makes_texts_of_all(tmp_path: Path) -> None:
    """With "007" in one file, 7 of another file is "7": nothing is lost, and nothing is mixed up."""
    (tmp_path / "a.csv").write_text("user,item,rating\n7,1,3\n8,1,4\n")
    (tmp_path / "b.csv").write_text("user,item,rating\n007,2,5\n7,2,1\n")
    recae.prepare_store([tmp_path / "a.csv", tmp_path / "b.csv"], tmp_path / "s")
    ratings = recae.load(tmp_path / "s")
    assert ratings.user_ids.tolist() == ["007", "7", "8"]
    assert ratings.item_ids.tolist() == [1, 2]
    assert ratings.user_rows.toarray().tolist() == [[0, 5], [3, 1], [4, 0]]


def test_quoted_fields_may_run_over_lines(tmp_path: Path) -> None:
    """A file with quotes is streamed and not cut: an id with a line break in it stays whole."""
    rows = [f'{n % 5},"item, {n % 3}\nof two lines",{n % 4 + 1}' for n in range(60)]
    text = "user,item,rating\n" + "\n".join(rows) + "\n"
    (tmp_path / "a.csv").write_text(text)
    (tmp_path / "b.csv.gz").write_bytes(gzip.compress(text.encode()))
    for name in ("a.csv", "b.csv.gz"):
        recae.prepare_store(tmp_path / name, tmp_path / f"{name} store")
        found = recae.load(tmp_path / f"{name} store")
        assert found.item_ids.tolist() == [f"item, {n}\nof two lines" for n in range(3)]
        assert found.user_ids.tolist() == [0, 1, 2, 3, 4]


def test_columns_scale_and_name_are_as_for_load(tmp_path: Path) -> None:
    """Options mean what they mean for `recae.load`: stated columns, no ratings, a scale, a name."""
    table().rename(columns={"user": "who", "rating": "x"}).to_csv(tmp_path / "a.csv", index=False)
    options: Any = {"user": "who", "rating": False, "timestamp": False, "scale": (0.0, 2.0), "name": "clicks"}
    recae.prepare_store(tmp_path / "a.csv", tmp_path / "s", **options)
    same(recae.load(tmp_path / "s"), recae.load(tmp_path / "a.csv", **options))
    assert recae.load(tmp_path / "s").name == "clicks"


def test_opening_needs_no_memory_for_ratings(tmp_path: Path) -> None:
    """A hundred times the ratings of as many users and items: not a kilobyte more is allocated by opening."""
    peaks = []
    for share in (100, 1):
        users, items = np.divmod(np.arange(0, 40_000, share), 200)
        frame = pd.DataFrame({"user": users % 200, "item": (items + users) % 200, "rating": 1.0})
        (tmp_path / str(share)).mkdir()
        with pytest.MonkeyPatch.context() as patch:
            for module, name in ((chunks, "CHUNK_BYTES"), (chunks, "PART_ROWS"), (making, "BIN")):
                patch.setattr(module, name, 1 << 20)
            store = prepared(tmp_path / str(share), pd.concat([frame, table(0)[["user"]]])[["user", "item", "rating"]])
        recae.load(store)
        tracemalloc.start()
        ratings = recae.load(store)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        assert ratings.n_ratings == 40_000 // share
    assert peaks[1] - peaks[0] < 8 * 400 + 1024  # the small one may lack users: 8 bytes each for ids and row starts


# ---------------------------------------------------------------- kills


def test_wherever_it_stops_it_resumes_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Stopped at every point at which progress is reported, one after another, the store comes out the same; a chunk
    is read again only if it was stopped in the middle of it."""
    frame = table(150, texts=True)
    frame[:100].to_csv(tmp_path / "a.csv", index=False)
    frame[100:].to_csv(tmp_path / "b.csv.gz", index=False)
    files, reads, stops = [tmp_path / "a.csv", tmp_path / "b.csv.gz"], [], []
    read = sources.Source.read
    monkeypatch.setattr(sources.Source, "read", lambda self, n: (reads.append(n), read(self, n))[1])

    def report(_: Any, what: str, n_done: int, total: int) -> None:
        if (what, n_done) not in stops:
            stops.append((what, n_done))
            raise Killed

    monkeypatch.setattr(preparing.Bar, "report", report)
    for _ in range(1000):
        try:
            recae.prepare_store(files, tmp_path / "s")
        except Killed:
            continue
        break
    same(recae.load(tmp_path / "s"), recae.RatingMatrix.from_frame(frame, timestamp="timestamp"))
    check_store(tmp_path / "s")
    assert len(set(reads)) > 5
    within = len(reads) - len(set(reads))  # reads that came to nothing
    assert 0 < within <= sum(what == "reading" for what, _ in stops)
    assert {what for what, _ in stops} == {
        "reading", "binning by user", "sorting user_rows", "binning by item", "sorting item_rows",
    }  # fmt: skip
    assert not (tmp_path / "s" / ".making").exists()


SLOW = """
import sys
from recae.store import chunks, making
chunks.CHUNK_BYTES, making.BIN = 3000, 4000
from recae.cli import main
main(["data", "prepare", *sys.argv[1:], "-q"])
"""
RESUME = """
from recae.store import sources
read = sources.Source.read
def once(self, chunk):
    assert chunk >= 9, f"chunk {chunk} is read again"
    return read(self, chunk)
sources.Source.read = once
"""


def test_a_killed_process_is_resumed(tmp_path: Path) -> None:
    """kill -9 in the middle: there is no store yet, opening says what to do, and the same command ends it without
    reading again what was read."""
    frame = table(12_000)
    frame["user"] = np.arange(12_000) % 4001
    frame.to_csv(tmp_path / "a.csv", index=False)
    command = [sys.executable, "-c", SLOW, "a.csv", "--out", "s"]
    run = subprocess.Popen(command, cwd=tmp_path, env=os.environ | LIMITS)
    step = tmp_path / "s" / ".making" / "parts.000009"
    give_up = time.monotonic() + 60
    while not step.exists():
        assert run.poll() is None
        assert time.monotonic() < give_up
        time.sleep(0.002)
    run.send_signal(signal.SIGKILL)
    run.wait()
    assert run.returncode == -signal.SIGKILL
    with pytest.raises(DataError, match=r"half made.*prepare_store"):
        recae.load(tmp_path / "s")
    command[2] = RESUME + SLOW
    subprocess.run(command, cwd=tmp_path, env=os.environ | LIMITS, check=True)
    same(recae.load(tmp_path / "s"), recae.RatingMatrix.from_frame(frame, timestamp="timestamp"))


def test_what_is_half_made_of_something_else_is_not_mixed_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Other files, other options and foreign folders are refused with the remedy; restart=True begins afresh."""
    table().to_csv(tmp_path / "a.csv", index=False)

    def stop(_: Any, what: str, n_done: int, total: int) -> None:
        if what == "binning by user":
            raise Killed

    report = preparing.Bar.report
    monkeypatch.setattr(preparing.Bar, "report", stop)
    with pytest.raises(Killed):
        recae.prepare_store(tmp_path / "a.csv", tmp_path / "s")
    monkeypatch.setattr(preparing.Bar, "report", report)
    with pytest.raises(DataError, match=r"duplicates='last', now 'mean'.*restart=True"):
        recae.prepare_store(tmp_path / "a.csv", tmp_path / "s", duplicates="mean")
    table(seed=1).to_csv(tmp_path / "a.csv", index=False)
    with pytest.raises(DataError, match=r"other files, or changed since.*restart=True"):
        recae.prepare_store(tmp_path / "a.csv", tmp_path / "s")
    recae.prepare_store(tmp_path / "a.csv", tmp_path / "s", restart=True)
    same(recae.load(tmp_path / "s"), recae.RatingMatrix.from_frame(table(seed=1), timestamp="timestamp"))
    with pytest.raises(DataError, match="holds something else"):
        recae.prepare_store(tmp_path / "a.csv", tmp_path)


def test_a_whole_store_is_left_as_it_is(tmp_path: Path) -> None:
    """The same again does nothing; other files need another folder."""
    store = prepared(tmp_path, table())
    before = (store / "manifest.json").stat().st_mtime_ns
    recae.prepare_store(tmp_path / "ratings.csv", store)
    assert (store / "manifest.json").stat().st_mtime_ns == before
    table(seed=2).to_csv(tmp_path / "b.csv", index=False)
    with pytest.raises(
        DataError, match=r"whole store of something else \(other files, or changed since\).*restart=True"
    ):
        recae.prepare_store(tmp_path / "b.csv", store)
