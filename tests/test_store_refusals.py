"""Stores on disk: damage, bad input and mistakes are met by name, with the remedy; and so is the command line."""

from __future__ import annotations

import gzip
import json
import shutil
import subprocess
import sys
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from cli_helpers import done, inline, parsed
from store_toys import Killed, prepared, same, table, take_small_steps

import recae
from recae.errors import DataError, DataWarning, ParameterError
from recae.store import check_store
from recae.store import prepare as preparing


@pytest.fixture(autouse=True)
def small_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """Small files are cut as large ones are."""
    take_small_steps(monkeypatch)


# ---------------------------------------------------------------- damage


@pytest.mark.parametrize("name", ["user_rows.data", "item_rows.indices", "timestamps", "user_ids"])
def test_a_flipped_bit_is_found(tmp_path: Path, name: str) -> None:
    """One bit in any array: `check_store` names the file and the remedy."""
    store = prepared(tmp_path, table())
    assert check_store(store).manifest.n_ratings == recae.load(store).n_ratings
    file = store / f"{name}.npy"
    content = bytearray(file.read_bytes())
    content[-3] ^= 16
    file.write_bytes(content)
    with pytest.raises(DataError, match=rf"checksum of {name}.npy .*restart=True"):
        check_store(store)


def test_what_is_cheap_to_see_is_seen_at_opening(tmp_path: Path) -> None:
    """A short file, a missing one, a changed manifest and one of a newer format are refused before anything is read."""
    store = prepared(tmp_path, table())
    file, manifest = store / "item_rows.data.npy", store / "manifest.json"
    content, text = file.read_bytes(), manifest.read_text()
    file.write_bytes(content[:-4])
    with pytest.raises(DataError, match=r"item_rows.data.npy has [\d,]+ bytes, expected"):
        recae.load(store)
    file.unlink()
    with pytest.raises(DataError, match=r"item_rows.data.npy is missing"):
        recae.load(store)
    file.write_bytes(content)
    manifest.write_text(text.replace('"scale": [\n      0.5', '"scale": [\n      0.0'))
    with pytest.raises(DataError, match=r"manifest.json is damaged"):
        recae.load(store)
    manifest.write_text(text.replace('"format": 1', '"format": 2'))
    with pytest.raises(DataError, match="newer"):
        recae.load(store)


def test_a_bit_of_a_header_is_found(tmp_path: Path) -> None:
    """What stands before an array's values is checked as well: every byte of a store is."""
    store = prepared(tmp_path, table())
    file = store / "item_rows.data.npy"
    content = bytearray(file.read_bytes())
    content[30] ^= 1
    file.write_bytes(content)
    with pytest.raises(DataError, match=r"the header of item_rows.data.npy"):
        check_store(store)


@pytest.mark.parametrize("side", ["user_rows", "item_rows"])
def test_nothing_is_trained_on_columns_that_there_are_not(tmp_path: Path, side: str) -> None:
    """An index beyond the last one is refused by number before any kernel meets it, and the remedy finds the file."""
    store = prepared(tmp_path, table())
    file = store / f"{side}.indices.npy"
    content = bytearray(file.read_bytes())
    content[-1] ^= 64
    file.write_bytes(content)
    for model in (recae.AutoRec(hidden=2, epochs=1, device="cpu"), recae.EASE(device="cpu")):
        with pytest.raises(
            DataError, match=r"store is damaged.* number 1,073,7\d\d,\d\d\d, and there are.*check_store"
        ):
            model.fit(recae.load(store))
    with pytest.raises(DataError, match=rf"checksum of {side}.indices.npy"):
        check_store(store)


def test_nothing_is_split_on_columns_that_there_are_not(tmp_path: Path) -> None:
    """A split copies ratings into memory: a foreign column is refused before it is counted or copied."""
    store = prepared(tmp_path, table())
    file = store / "user_rows.indices.npy"
    content = bytearray(file.read_bytes())
    content[-1] ^= 16
    file.write_bytes(content)
    for how in ("random", "per-user", "time", "held-out-users"):
        with pytest.raises(DataError, match="is damaged: a rating is of item number"):
            recae.split(recae.load(store), how, rng=0)
    assert inline("data", "info", store).exit_code in (0, 1)  # not killed by a signal


HALF_WRITTEN = """
import os, sys
from recae.store import chunks, layout, making
chunks.CHUNK_BYTES, chunks.PART_ROWS, making.BIN = 200, 16, 12
rename, left = os.replace, [int(sys.argv.pop(1))]
def killed(*names):
    left[0] -= 1
    if left[0] == 0:
        os._exit(9)
    rename(*names)
layout.os.replace = killed
from recae.cli import main
main(["data", "prepare", *sys.argv[1:], "-q"])
"""


@pytest.mark.parametrize("restart", [False, True])
def test_a_kill_between_writing_and_renaming_a_note(tmp_path: Path, restart: bool) -> None:
    """A note that was written and not yet renamed hinders neither the same command nor --restart, and is gone after."""
    table().to_csv(tmp_path / "a.csv", index=False)
    for when in (1, 9, 20):
        killed = subprocess.run(
            [sys.executable, "-c", HALF_WRITTEN, str(when), "a.csv", "--out", "s"], cwd=tmp_path, check=False
        )
        assert killed.returncode == 9
        done(
            inline("data", "prepare", tmp_path / "a.csv", "--out", tmp_path / "s", *(["--restart"] if restart else []))
        )
        assert list(tmp_path.rglob("*.part")) == []
        same(recae.load(tmp_path / "s"), recae.RatingMatrix.from_frame(table(), timestamp="timestamp"))
        shutil.rmtree(tmp_path / "s")


def test_row_ends_out_of_order_are_seen_at_opening(tmp_path: Path) -> None:
    """A row that would end before it begins is refused, for ends are read anyway."""
    store = prepared(tmp_path, table())
    ends = np.memmap(store / "user_rows.indptr.npy", np.int64, mode="r+", offset=128)
    ends[2] = ends[-1] + 5
    ends.flush()
    with pytest.raises(DataError, match=r"damaged: the ends of user_rows are not in order"):
        recae.load(store)


def test_a_manifest_of_others_makes_no_store(tmp_path: Path) -> None:
    """Other programs write a manifest.json too: opening says that it is no store, and --restart deletes nothing."""
    (tmp_path / "manifest.json").write_text('{"name": "an extension"}')
    table().to_csv(tmp_path.parent / "of_others.csv", index=False)
    with pytest.raises(DataError, match="is not a rating store"):
        check_store(tmp_path)
    with pytest.raises(FileNotFoundError, match="no rating store"):
        recae.load(tmp_path)
    with pytest.raises(DataError, match=r"holds something else \(manifest.json\)"):
        recae.prepare_store(tmp_path.parent / "of_others.csv", tmp_path, restart=True)
    assert (tmp_path / "manifest.json").is_file()


# ---------------------------------------------------------------- what is there already


def test_restart_deletes_nothing_but_a_store(tmp_path: Path) -> None:
    """A folder with anything else in it is refused and left as it is, whatever the names of its files."""
    table().to_csv(tmp_path / "a.csv", index=False)
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "user_ids.csv").write_text("mine")
    with pytest.raises(DataError, match=r"holds something else \(user_ids.csv\); choose a new folder"):
        recae.prepare_store(tmp_path / "a.csv", folder, restart=True)
    (folder / "user_ids.csv").rename(folder / "user_ids.npy")
    with pytest.raises(DataError, match=r"holds something else \(user_ids.npy\)"):
        recae.prepare_store(tmp_path / "a.csv", folder, restart=True)
    assert (folder / "user_ids.npy").read_text() == "mine"
    store = prepared(tmp_path, table())
    (store / "notes.txt").write_text("mine")
    with pytest.raises(DataError, match=r"holds something else \(notes.txt\)"):
        recae.prepare_store(tmp_path / "a.csv", store, restart=True)
    check_store(store)
    (store / "notes.txt").unlink()
    recae.prepare_store(tmp_path / "a.csv", store, restart=True)
    check_store(store)


LOCKS = """
import fcntl, sys
file = open(sys.argv[1] + "/.making/lock", "w")
fcntl.flock(file, fcntl.LOCK_EX)
print("locked", flush=True)
sys.stdin.read()
"""


@pytest.mark.skipif(sys.platform == "win32", reason="there is no flock")
def test_another_process_s_work_is_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """While another process makes a store, the same command is refused, --restart too, and deletes nothing of it: done
    steps, the step in progress and its plan stay."""
    table().to_csv(tmp_path / "a.csv", index=False)

    def stop(_: Any, what: str, n_done: int, total: int) -> None:
        if what == "binning by user":
            raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(preparing.Bar, "report", stop)
        with pytest.raises(Killed):
            recae.prepare_store(tmp_path / "a.csv", tmp_path / "s")
    (tmp_path / "s" / ".making" / "by_user.000000.part").mkdir()
    before = sorted(tmp_path.rglob("*"))
    other = subprocess.Popen(
        [sys.executable, "-c", LOCKS, str(tmp_path / "s")], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        assert other.stdout is not None
        assert other.stdout.readline() == "locked\n"
        for restart in (False, True):
            with pytest.raises(DataError, match="another process is making"):
                recae.prepare_store(tmp_path / "a.csv", tmp_path / "s", restart=restart)
        assert sorted(tmp_path.rglob("*")) == before
    finally:
        other.communicate("")
    recae.prepare_store(tmp_path / "a.csv", tmp_path / "s")
    check_store(tmp_path / "s")


def test_parts_that_were_read_otherwise_are_not_mixed_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A store half made by a version that reads files otherwise is refused with the remedy, and begun afresh."""
    table().to_csv(tmp_path / "a.csv", index=False)

    def stop(_: Any, what: str, n_done: int, total: int) -> None:
        if what == "binning by user":
            raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(preparing.Bar, "report", stop)
        with pytest.raises(Killed):
            recae.prepare_store(tmp_path / "a.csv", tmp_path / "s")
    note = tmp_path / "s" / ".making" / "plan.json"
    kept = json.loads(note.read_text())
    del kept["reader"]  # as the first versions wrote it
    note.write_text(json.dumps(kept))
    with pytest.raises(DataError, match=r"half made .*another version of recae, which reads files otherwise.*restart"):
        recae.prepare_store(tmp_path / "a.csv", tmp_path / "s")
    recae.prepare_store(tmp_path / "a.csv", tmp_path / "s", restart=True)
    check_store(tmp_path / "s")


def test_other_options_are_not_passed_over_in_silence(tmp_path: Path) -> None:
    """A whole store with another scale or other columns than are asked for is refused; the same ones do nothing."""
    store = prepared(tmp_path, table(), scale=(0, 6), user="user")
    recae.prepare_store(tmp_path / "ratings.csv", store, scale=(0, 6), user="user")
    with pytest.raises(DataError, match=r"something else \(scale=\(0, 6\), now \(0, 9\)\).*restart=True"):
        recae.prepare_store(tmp_path / "ratings.csv", store, scale=(0, 9), user="user")
    with pytest.raises(DataError, match=r"something else \(user='user', now 'item'\)"):
        recae.prepare_store(tmp_path / "ratings.csv", store, user="item", item="user")


def test_after_a_mistake_that_nothing_was_done_with_the_right_command_works(tmp_path: Path) -> None:
    """A first try that failed in its first chunk leaves nothing that a second one, of other files, is held to."""
    (tmp_path / "a.csv").write_text("user,item,rating\n1,2,9\n")
    table().to_csv(tmp_path / "b.csv", index=False)
    with pytest.raises(DataError, match="outside the scale"):
        recae.prepare_store(tmp_path / "a.csv", tmp_path / "s", scale=(1, 5))
    recae.prepare_store(tmp_path / "b.csv", tmp_path / "s")
    same(recae.load(tmp_path / "s"), recae.RatingMatrix.from_frame(table(), timestamp="timestamp"))


# ---------------------------------------------------------------- bad input


def test_a_bad_rating_is_named_by_file_and_line(tmp_path: Path) -> None:
    """In any chunk of a plain file, in a packed one and in Parquet: file, line or row, and the value."""
    lines = ["user,item,rating", *(f"{n % 7},{n % 11},3" for n in range(80))]
    lines[57] = "5,6,bad"
    (tmp_path / "a.csv").write_text("\n".join(lines))
    with gzip.open(tmp_path / "b.csv.gz", "wt") as file:
        file.write("\n".join(lines))
    for name in ("a.csv", "b.csv.gz"):
        with pytest.raises(DataError, match=rf"{name}, line 58: rating 'bad'"):
            recae.prepare_store(tmp_path / name, tmp_path / "s", restart=True)
    lines[57] = "5,6,9"
    (tmp_path / "c.csv").write_text("\n".join(lines))
    with pytest.raises(DataError, match=r"c.csv, line 58: rating 9 is outside the scale"):
        recae.prepare_store(tmp_path / "c.csv", tmp_path / "s", scale=(1, 5), restart=True)
    lines[57] = ",6,3"
    (tmp_path / "d.csv").write_text("\n".join(lines))
    with pytest.raises(DataError, match=r"d.csv, line 58: the id in column 'user' is missing"):
        recae.prepare_store(tmp_path / "d.csv", tmp_path / "s", restart=True)
    frame = pd.DataFrame({"user": [1] * 50, "item": range(50), "rating": [1.0] * 40 + [float("inf")] + [1.0] * 9})
    frame.to_parquet(tmp_path / "e.parquet", row_group_size=7)
    with pytest.raises(DataError, match=r"e.parquet, row 41: rating inf"):
        recae.prepare_store(tmp_path / "e.parquet", tmp_path / "s", restart=True)


def test_a_second_rating_is_named_by_file_and_line(tmp_path: Path) -> None:
    """duplicates="error": the pair's raw ids, and the line on which it comes for the second time."""
    (tmp_path / "a.csv").write_text("user,item,rating\n" + "".join(f"u{n},7,3\n" for n in range(60)))
    (tmp_path / "b.csv").write_text("item,user,rating\n9,u3,1\n7,u3,2\n")
    with pytest.raises(DataError, match=r"b.csv, line 3: a second rating for user 'u3', item 7"):
        recae.prepare_store([tmp_path / "a.csv", tmp_path / "b.csv"], tmp_path / "s", duplicates="error")


def test_what_cannot_be_prepared_says_why(tmp_path: Path) -> None:
    """Missing files, JSON, fractions as ids, times in some files only, no rows, unknown options."""
    with pytest.raises(DataError, match="no file"):
        recae.prepare_store(tmp_path / "none.csv", tmp_path / "s")
    (tmp_path / "a.jsonl").write_text("{}")
    with pytest.raises(DataError, match=r"\.jsonl files cannot be prepared"):
        recae.prepare_store(tmp_path / "a.jsonl", tmp_path / "s")
    pd.DataFrame({"user": [0.5], "item": [1], "rating": [1.0]}).to_parquet(tmp_path / "a.parquet")
    with pytest.raises(DataError, match=r"a.parquet: the id 0.5 in column 'user' is a float"):
        recae.prepare_store(tmp_path / "a.parquet", tmp_path / "s")
    (tmp_path / "a.csv").write_text("user,item,rating\n1,2,3\n")
    table(5).to_csv(tmp_path / "b.csv", index=False)
    with pytest.raises(DataError, match=r"a.csv has no timestamps, and others have.*timestamp=False"):
        recae.prepare_store([tmp_path / "a.csv", tmp_path / "b.csv"], tmp_path / "t")
    (tmp_path / "c.csv").write_text("user,item,rating\n")
    with pytest.raises(DataError, match="no rows"):
        recae.prepare_store(tmp_path / "c.csv", tmp_path / "u")
    with pytest.raises(ParameterError, match="'newest': choose"):
        recae.prepare_store(tmp_path / "a.csv", tmp_path / "v", duplicates="newest")
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="no files"):
        recae.prepare_store(tmp_path / "empty", tmp_path / "w")
    with pytest.raises(DataError, match=r"a.csv is a file; choose a new folder"):
        recae.prepare_store(tmp_path / "b.csv", tmp_path / "a.csv")
    recae.prepare_store(tmp_path / "b.csv", tmp_path / "x")
    with pytest.raises(DataError, match="x is a rating store already"):
        recae.prepare_store(tmp_path / "x", tmp_path / "y")


# ---------------------------------------------------------------- the command line


def test_the_commands_make_describe_and_check_a_store(tmp_path: Path) -> None:
    """prepare, info, check and train, one after another, from one file; a bad one ends with exit code 1."""
    frame = table(200)
    frame.to_csv(tmp_path / "a.csv", index=False)
    memory = recae.RatingMatrix.from_frame(frame, timestamp="timestamp")
    made = parsed("data", "prepare", tmp_path / "a.csv", "--out", tmp_path / "s")
    assert (made["n_rows"], made["n_ratings"], made["merged"]) == (200, memory.n_ratings, 200 - memory.n_ratings)
    described = parsed("data", "info", tmp_path / "s")
    assert (described["n_users"], described["n_items"]) == memory.shape
    assert parsed("data", "check", tmp_path / "s")["whole"]
    done(inline("train", tmp_path / "s", "--hidden", "3", "--epochs", "1", "--test", "0", "--out", tmp_path / "m"))
    (tmp_path / "s" / "user_rows.data.npy").unlink()
    bad = inline("data", "check", tmp_path / "s")
    assert bad.exit_code == 1
    assert "user_rows.data.npy is missing" in bad.stderr


def test_ctrl_c_says_how_to_resume(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Exit code 130, one line on stderr, and the same command ends what was begun."""
    table().to_csv(tmp_path / "a.csv", index=False)
    command, report = ("data", "prepare", tmp_path / "a.csv", "--out", tmp_path / "s"), preparing.Bar.report

    def stop(_: Any, what: str, n_done: int, total: int) -> None:
        if what == "sorting user_rows":
            raise KeyboardInterrupt

    monkeypatch.setattr(preparing.Bar, "report", stop)
    stopped = inline(*command)
    assert (stopped.exit_code, stopped.stdout) == (130, "")
    assert "run the same command again to resume" in stopped.stderr
    monkeypatch.setattr(preparing.Bar, "report", report)
    done(inline(*command))
    same(recae.load(tmp_path / "s"), recae.RatingMatrix.from_frame(table(), timestamp="timestamp"))


FULL = """
import resource, sys
import recae
from recae.cli import main
from recae.errors import DataError
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]), resource.RLIM_INFINITY))
try:
    recae.prepare_store("a.csv", "s", progress=False)
except DataError as error:
    print(error)
main(["data", "prepare", "a.csv", "--out", "s"])
"""


@pytest.mark.skipif(sys.platform == "win32", reason="no limit on the size of files")
@pytest.mark.parametrize("size", [8_000, 0])  # of an array too little; of all files
def test_a_full_disk_says_to_make_room_and_resumes(tmp_path: Path, size: int) -> None:
    """Where a file cannot become larger, the API and the command line say so with the remedy, which then works."""
    frame = table(3000)
    frame.to_csv(tmp_path / "a.csv", index=False)
    remedy = "make room, and run the same {} again, which resumes it"
    told = subprocess.run(
        [sys.executable, "-c", FULL, str(size)], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert told.returncode == 1
    assert "there is no room for the store s (" in told.stdout
    assert remedy.format("recae.prepare_store(files, folder)") in told.stdout
    assert remedy.format("'recae data prepare FILES --out FOLDER'") in " ".join(told.stderr.split())
    done(inline("data", "prepare", tmp_path / "a.csv", "--out", tmp_path / "s"))
    with pytest.warns(DataWarning, match="repeat a pair"):
        same(recae.load(tmp_path / "s"), recae.RatingMatrix.from_frame(frame, timestamp="timestamp"))


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e30, -7.0])
def test_a_rating_outside_the_scale_is_refused_though_its_checksum_is_right(tmp_path: Path, value: float) -> None:
    """Whoever forges a number can forge its checksum: the rating itself is looked at, by fit, split and check alike."""
    store = prepared(tmp_path, table())
    path, note = store / "user_rows.data.npy", store / "manifest.json"
    ratings = np.array(np.load(path))
    ratings[3] = value
    path.write_bytes(path.read_bytes()[:128] + ratings.tobytes())
    body = json.loads(note.read_text())
    body["content"]["arrays"][path.name]["crc32"] = zlib.crc32(ratings.tobytes())
    body["crc32"] = zlib.crc32(json.dumps(body["content"], sort_keys=True).encode())
    note.write_text(json.dumps(body))
    for use in (check_store, lambda _: recae.split(recae.load(store)), lambda _: recae.Bias().fit(recae.load(store))):
        with pytest.raises(DataError, match=r"damaged.* a rating is not a number from 0.5 to 5"):
            use(store)
