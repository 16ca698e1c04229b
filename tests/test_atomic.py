"""Files written all or nothing: what killed processes leave is deleted by the next one, and no two processes mix."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from cli_helpers import LIMITS, command, warmly
from download_toys import GOOD

from recae.atomic import only_process, remove_leftovers, replacing, temporary_folder, write_text
from recae.datasets.unpacking import unpack
from recae.errors import ModelFileError

WAITS = """
import sys
from pathlib import Path
from recae.atomic import only_process, replacing, temporary_folder
what, path = sys.argv[1], Path(sys.argv[2])
block = {"file": replacing, "folder": temporary_folder, "lock": lambda path: only_process(path, "writing")}[what](path)
with block as found:
    if what == "file":
        found.write(b"half")
        found.flush()
    print("inside", flush=True)
    sys.stdin.read()
"""


def inside(what: str, path: Path) -> subprocess.Popen[str]:
    """A process that is in a block of `recae.atomic` until its standard input ends."""
    run = subprocess.Popen(
        [sys.executable, "-c", WAITS, what, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert run.stdout is not None
    assert run.stdout.readline() == "inside\n"
    return run


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("what", ["file", "folder"])
def test_only_what_a_killed_process_left_is_deleted(what: str, tmp_path: Path) -> None:
    """While its process lives, a temporary file or folder stays; after kill -9 the next writer deletes it. Files of
    others stay, whatever their names."""
    target = tmp_path / "m.recae"
    others = [
        ".m.recae.swp",
        ".m.recae.x.recae-part",
        ".other.recae.abcdefgh.recae-part",
        "m.recae.abcdefgh.recae-part",
    ]
    for name in others:
        (tmp_path / name).write_text("another's")
    run = inside(what, target)
    try:
        assert len(names(tmp_path)) == len(others) + 1
        write_text(target, "whole")
        assert len(names(tmp_path)) == len(others) + 2
    finally:
        run.kill()
        run.communicate()
    write_text(target, "whole again")
    assert names(tmp_path) == sorted([*others, "m.recae"])
    assert target.read_text() == "whole again"


def test_a_block_that_fails_leaves_the_older_file(tmp_path: Path) -> None:
    """An exception within leaves what stood there, and nothing beside it; so does a folder's block."""
    write_text(tmp_path / "a", "old")

    def fail() -> None:
        with temporary_folder(tmp_path / "a") as folder, replacing(tmp_path / "a") as file:
            (folder / "x").write_text("x")
            file.write(b"new")
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert names(tmp_path) == ["a"]
    assert (tmp_path / "a").read_text() == "old"
    remove_leftovers(tmp_path / "no folder" / "a")  # nothing to do, and no error


def test_one_process_at_a_time(tmp_path: Path) -> None:
    """A second process is refused by the file's name; a kill ends the lock; nothing stays of it."""
    target = tmp_path / "m.recae"
    run = inside("lock", target)
    with (
        pytest.raises(ModelFileError, match=r"another process is training .*m\.recae"),
        only_process(target, "training"),
    ):
        pass
    run.kill()
    run.communicate()
    with only_process(target, "training"):
        assert names(tmp_path) == [".m.recae.lock"]
    assert names(tmp_path) == []


def test_an_archive_half_unpacked_by_a_killed_process_is_cleared_away(tmp_path: Path) -> None:
    """The next one that unpacks the same data set deletes the half."""
    (tmp_path / "a.zip").write_bytes(GOOD)
    into = tmp_path / "cache"
    into.mkdir()
    run = inside("folder", into / "tiny")
    run.kill()
    run.communicate()
    assert len(names(into)) == 1
    unpack(tmp_path / "a.zip", "tiny", into)
    assert names(into) == ["tiny"]


@pytest.mark.slow
def test_two_trainings_with_one_out_do_not_mix(tmp_path: Path) -> None:
    """The second one is refused while the first one runs, whatever its model and checkpoint; after a kill it is not."""
    train = ("train", "sample", "--hidden", "30", "--out", "m.recae")
    first = subprocess.Popen(
        [*command(), *train, "--epochs", "1000000", "--checkpoint-every", "0"], cwd=tmp_path, env=os.environ | LIMITS,
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    give_up = time.monotonic() + 120
    while not (tmp_path / "m.recae.ckpt").exists():
        assert first.poll() is None, first.communicate()
        assert time.monotonic() < give_up
        time.sleep(0.01)
    for more in (("--hidden", "2", "--epochs", "1", "--checkpoint", "c"), ("-m", "ease")):
        second = warmly(*train[:2], *train[4:], *more, cwd=tmp_path)
        assert second.returncode == 1, second.stderr
        assert "another process is training m.recae" in second.stderr
    assert first.poll() is None
    first.kill()
    first.communicate()
    ended = warmly(*train, "--epochs", "1", "--restart", cwd=tmp_path)
    assert ended.returncode == 0, ended.stderr
    assert names(tmp_path) == ["m.recae"]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no named pipes")
def test_what_is_no_file_is_never_replaced(tmp_path: Path) -> None:
    """Whoever writes by `replacing`, a pipe stays a pipe, and a device a device, also behind a symbolic link."""
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to("pipe")
    for path, kind in ((tmp_path / "pipe", "a pipe"), (tmp_path / "link", "a pipe"), (Path("/dev/null"), "a device")):
        with pytest.raises(ModelFileError, match=f"is {kind}, not a file"), replacing(path):
            pytest.fail("nothing is written")
    assert (tmp_path / "pipe").is_fifo()
    assert Path("/dev/null").is_char_device()
    assert {path.name for path in tmp_path.iterdir()} == {"pipe", "link"}
