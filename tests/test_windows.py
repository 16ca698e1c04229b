"""What other systems lack is not needed: the usual commands run without POSIX-only modules and functions."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

# Other packages are imported whole; then what Windows lacks is taken away; then recae is imported.
PROGRAM = r"""
import ctypes, os, pathlib, signal, sys
import click, implicit.cpu.als, matplotlib.pyplot, numba, numpy, pandas, pyarrow.csv, pyarrow.parquet, pooch, requests
import safetensors.numpy, scipy.linalg, scipy.sparse, sklearn.base, threadpoolctl, torch, tqdm
assert not any(name.split(".")[0] == "recae" for name in sys.modules)
for name in ("fcntl", "resource", "pwd", "grp", "termios", "tty", "pty", "readline", "syslog"):
    sys.modules[name] = None
for name in ("register_at_fork", "fork", "sched_getaffinity", "sched_setaffinity", "O_NOFOLLOW", "O_DIRECTORY",
             "getuid", "geteuid", "sysconf", "statvfs", "mkfifo", "fchmod", "chown", "killpg", "setsid", "nice"):
    if hasattr(os, name):
        delattr(os, name)
for name in ("SIGHUP", "SIGUSR1", "SIGUSR2", "SIGALRM", "SIGKILL", "alarm", "setitimer", "pthread_sigmask"):
    if hasattr(signal, name):
        delattr(signal, name)

library = ctypes.CDLL
def no_name(name, *args, **kwargs):
    if name is None:
        raise TypeError("LoadLibrary() argument 1 must be str, not None")
    return library(name, *args, **kwargs)
ctypes.CDLL = no_name

opened = pathlib.Path.open
def no_proc(path, *args, **kwargs):
    if str(path).startswith(("/proc", "/sys", "/dev")):
        raise FileNotFoundError(2, "No such file or directory", str(path))
    return opened(path, *args, **kwargs)
pathlib.Path.open = no_proc
pathlib.Path.read_text = lambda path, encoding=None, errors=None: no_proc(path, encoding=encoding).read()
pathlib.Path.write_text = lambda path, data, encoding=None, **kw: no_proc(path, "w", encoding=encoding).write(data)

from recae.cli import main
for words in sys.argv[1:]:
    try:
        main(words.split())
    except SystemExit as end:
        assert not end.code, f"{words} ended with {end.code}"
"""
COMMANDS = [
    "train few.csv --model i-autorec --hidden 4 --epochs 2 --device cpu --out a.recae",
    "recommend a.recae --user 3 -n 2",
    "train few.csv --model ease --out e.recae",
    "similar e.recae --item 4 -n 2",
    "check e.recae",
    "compare few.csv --models popularity,pca",
    "data prepare few.csv --out store",
    "train store --model popularity --out p.recae",
]


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with few.csv: 40 users of 12 items."""
    folder = tmp_path_factory.mktemp("windows")
    rows = [f"{u},{(u * k + k) % 12},{1 + (u + k) % 5}" for u in range(40) for k in range(1, 8)]
    (folder / "few.csv").write_text("\n".join(["user,item,rating", *dict.fromkeys(rows)]) + "\n", encoding="utf-8")
    return folder


@pytest.mark.slow
def test_the_usual_commands_need_nothing_posix(table: Path) -> None:
    """Training, lists, comparison, stores and checks run without fcntl, fork, /proc, SIGHUP and more."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, *COMMANDS], cwd=table, capture_output=True, text=True, timeout=500, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert (table / "store" / "manifest.json").is_file()
    assert not [name for name in os.listdir(table) if name.endswith(".recae-part")]


def test_no_file_is_opened_in_the_system_s_encoding() -> None:
    """Texts are UTF-8 on every system: each call that opens a text says so (Windows' own encoding is another)."""
    ruff = Path(sys.executable).with_name("ruff")
    if not ruff.exists():
        pytest.skip("ruff is not installed")
    root = Path(__file__).parents[1]
    command = [ruff, "check", "--isolated", "--preview", "--select", "PLW1514", "--no-cache", "recae"]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
