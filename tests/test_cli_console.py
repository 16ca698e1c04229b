"""The command line on any console and into any file: real processes, real pipes, and files that are none."""

from __future__ import annotations

import errno
import io
import json
import os
import re
import shlex
import stat
import subprocess
from pathlib import Path

import pytest
from cli_helpers import LIMITS, command, done, inline

from recae.cli.console import printable, printable_json, printable_line, usable_streams

EVIL = "\x1b]0;PWNED\x07\x1b[31mRed\x1b[8mhidden \x9b31m\u202edrawkcab"
RAW = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202e]")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A MovieLens folder whose titles command the terminal, ratings whose ids do, and popularity models of both."""
    folder = tmp_path_factory.mktemp("console")
    (folder / "films").mkdir()
    (folder / "films" / "movies.csv").write_text(
        f'movieId,title,genres\n1,"{EVIL}",Action\n2,"Two\nlines",Comedy\n3,Zoë 猫,Drama\n', encoding="utf-8"
    )
    (folder / "films" / "ratings.csv").write_text(
        "userId,movieId,rating,timestamp\n1,1,5,1\n1,2,4,2\n2,1,3,3\n2,3,4,4\n3,2,1,5\n"
    )
    (folder / "ids.csv").write_text(f"user,item,rating\nann,{EVIL},5\nann,b,4\nZoë,b,3\n", encoding="utf-8")
    for data, model in (("films", "films.recae"), ("ids.csv", "ids.recae")):
        done(inline("train", folder / data, "--model", "popularity", "--test", 0, "--out", folder / model, "-q"))
    return folder


def shell(line: str, folder: Path, **environment: str) -> subprocess.CompletedProcess[bytes]:
    """A line of bash in which `recae` is this program."""
    line = re.sub(r"(?<![\w.])recae ", f"{shlex.join(command())} ", line)
    env = {name: value for name, value in os.environ.items() if name not in ("LANG", "LC_ALL", "PYTHONUTF8")}
    return subprocess.run(
        ["bash", "-c", line], cwd=folder, env=env | LIMITS | environment, capture_output=True, timeout=120, check=False
    )


# ---------------------------------------------------------------- streams


def test_a_closed_stderr_is_no_error(folder: Path) -> None:
    """`2>&-` leaves Python without a stderr: results still come, failures still have their exit code."""
    failed = shell("recae recommend ids.recae --user nobody 2>&-", folder)
    assert (failed.returncode, failed.stdout) == (1, b"")
    assert shell("recae models bias 2>&-", folder).stdout.startswith(b"bias:")
    assert shell("recae nothing 2>&-", folder).returncode == 2


def test_a_closed_stdout_is_no_error(folder: Path) -> None:
    """`>&-` as well; nothing is on stderr."""
    run = shell("recae models bias >&-", folder)
    assert (run.returncode, run.stderr) == (0, b"")


@pytest.mark.parametrize("line", ["recae models -q", "recae data list", "recae models --json", "recae train -h"])
def test_a_reader_that_stops_reading_ends_the_command_quietly(line: str, folder: Path) -> None:
    """`| head -1` and a reader that is gone before anything is written: nothing on stderr, no traceback."""
    assert shell(f"{line} | head -1", folder).stderr == b""
    assert shell(f"(sleep 2; {line}) | true", folder).stderr == b""


@pytest.mark.parametrize(
    "environment",
    [{"PYTHONIOENCODING": "ascii"}, {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}],
    ids=str,
)
def test_a_console_without_unicode_shows_what_it_can(environment: dict[str, str], folder: Path) -> None:
    """On an ASCII console a title has question marks, JSON has escapes, csv stays UTF-8; no traceback."""
    if "LC_ALL" in environment:
        environment = {**environment, "PYTHONIOENCODING": ""}
    table = shell("recae recommend films.recae --user 3 -n 3", folder, **environment)
    assert (table.returncode, table.stderr) == (0, b"")
    assert b"Zo? ?" in table.stdout
    table.stdout.decode("ascii")
    listed = shell("recae recommend films.recae --user 3 -n 3 --json", folder, **environment)
    assert "Zoë 猫" in [one["title"] for one in json.loads(listed.stdout.decode("ascii"))]
    missing = shell("recae recommend ids.recae --user Zoé", folder, **environment)
    assert missing.returncode == 1
    assert b"Traceback" not in missing.stderr


# ---------------------------------------------------------------- what a terminal would obey


def test_titles_and_ids_are_printed_escaped(folder: Path) -> None:
    """No escape sequence of a title or an id reaches stdout or stderr, whichever command prints it."""
    films = done(inline("recommend", folder / "films.recae", "--user", 3, "-n", 3))
    assert r"\x1b]0;PWNED\x07\x1b[31mRed\x1b[8mhidden \x9b31m\u202edrawkcab" in films
    assert not RAW.search(films)
    told = done(inline("data", "info", folder / "ids.csv"))
    assert r"\x1b[31mRed" in told
    assert not RAW.search(told)
    lists = inline("recommend", folder / "ids.recae", "--user", "Zoë", "-n", 2)
    assert r"\x1b[31mRed" in done(lists)
    for args in (
        ("recommend", folder / "ids.recae", "--user", EVIL, "-n", 1),
        ("recommend", folder / "ids.recae", "--user", "ann", "--candidates", f"z{EVIL}", "-n", 1),
        ("train", folder / EVIL),
        ("data", "info", EVIL),
        ("models", EVIL),
        (EVIL,),
    ):
        refused = inline(*args)
        assert refused.exit_code
        assert "PWNED" in refused.stderr
        assert not RAW.search(refused.stderr + refused.stdout), args


def test_json_keeps_what_is_escaped(folder: Path) -> None:
    """JSON has no raw control character either, and reads back as the title that it was."""
    text = done(inline("recommend", folder / "films.recae", "--user", 3, "-n", 3, "--json"))
    assert not RAW.search(text)
    assert EVIL in [one["title"] for one in json.loads(text)]


def test_a_cell_is_one_line_and_a_text_keeps_its_lines() -> None:
    """Line ends are escaped in a table's cell, and stay in a text of several lines."""
    assert printable_line("a\nb\tc\x1b") == r"a\nb\tc\x1b"
    assert printable("a\nb\x1b\r") == "a\nb\\x1b\\r"
    assert printable("Zoë 猫") == "Zoë 猫"
    assert json.loads(printable_json(json.dumps(EVIL, ensure_ascii=False))) == EVIL


@pytest.mark.parametrize(("code", "left_with"), [(129, 129), (0, 1)])
def test_a_terminal_that_has_closed_leaves_the_code_of_a_failure(
    code: int, left_with: int, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """What is buffered for it is lost without another error; success that nobody could read is none."""
    with (tmp_path / "tty").open("w") as file:

        class Gone(io.StringIO):
            def flush(self) -> None:
                raise OSError(errno.EIO, "Input/output error")

            def fileno(self) -> int:
                return file.fileno()

        monkeypatch.setattr("sys.stderr", Gone())
        with pytest.raises(SystemExit) as ended, usable_streams():
            raise SystemExit(code)
        assert ended.value.code == left_with
        assert os.path.samestat(os.fstat(file.fileno()), os.stat(os.devnull))  # at the end nothing fails again


# ---------------------------------------------------------------- files that are none

OUTPUTS = [
    "train ids.csv --model popularity --test 0 -q --out {}",
    "train films --model bias --test 0.4 -q --save-test {}",
    "predict bias.recae films/ratings.csv --out {}",
    "compare films --models bias --split random --test 0.4 -q --out {}",
    "compare films --models bias --split random --test 0.4 -q --figure {}",
    "tune films --model bias --budget 1 --test 0 --validation 0.4 -q --out {}",
]


@pytest.fixture(scope="module")
def odd(folder: Path) -> Path:
    """The folder with a pipe, a link to nothing yet, a link to an old file, and where it is allowed a null device."""
    done(inline("train", folder / "films", "--model", "bias", "--test", 0, "--out", folder / "bias.recae", "-q"))
    for suffix in ("", ".png"):  # pictures have one
        os.mkfifo(folder / f"pipe{suffix}")
        if os.geteuid() == 0:
            os.mknod(folder / f"null{suffix}", stat.S_IFCHR | 0o666, os.makedev(1, 3))
    return folder


@pytest.mark.parametrize("line", OUTPUTS)
def test_an_output_never_takes_the_place_of_a_pipe_or_a_device(
    line: str, odd: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each output is refused before the work, with one line, and the pipe and the device are what they were."""
    monkeypatch.chdir(odd)
    suffix = ".png" if "--figure" in line else ""
    for name, kind in ((f"pipe{suffix}", "a pipe"), (f"null{suffix}", "a device")):
        if (odd / name).exists():
            result = inline(*line.format(name).split())
            assert result.exit_code == 1
            assert result.stderr == f"Error: {name} is {kind}, not a file; name a file\n"
            assert not stat.S_ISREG((odd / name).stat().st_mode)


@pytest.mark.parametrize("line", OUTPUTS)
def test_an_output_goes_where_a_link_points(
    line: str, odd: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A link stays a link; the file that it points to, old or not there yet, is written."""
    monkeypatch.chdir(odd)
    for there in (False, True):
        target, link = tmp_path / f"target{there}", odd / ("link.png" if "--figure" in line else "link.out")
        if there:
            target.write_text("old")
        link.symlink_to(target)
        done(inline(*line.format(link.name).split()))
        assert link.is_symlink()
        assert target.read_bytes() not in (b"", b"old")
        link.unlink()
        for left in odd.glob("link.*"):
            left.unlink()
