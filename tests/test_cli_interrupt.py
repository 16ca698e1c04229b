"""Signals and kills in the middle of training: the checkpoint is kept, and a training that resumes ends the same."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import shlex
import signal
import subprocess
import termios
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cli_helpers import LIMITS, command, inline, warmly
from safetensors.numpy import load_file

# As written, this trains for a second or two; the last epoch's weights are what is compared.
LONG = ("train", "sample", "--hidden", "30", "--epochs", "40", "--validation", "0", "--dropout", "0.1", "--json")


def stopped(folder: Path, how: signal.Signals, *more: str) -> subprocess.CompletedProcess[str]:
    """The long training, hit by a signal soon after a checkpoint was written."""
    checkpoint = folder / "m.recae.ckpt"
    before = checkpoint.stat().st_mtime_ns if checkpoint.exists() else 0
    run = subprocess.Popen(
        [*command(), *LONG, "--out", "m.recae", "--checkpoint-every", "0.1", *more], cwd=folder,
        env=os.environ | LIMITS, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    give_up = time.monotonic() + 60
    while not checkpoint.exists() or checkpoint.stat().st_mtime_ns == before:
        assert run.poll() is None, run.communicate()
        assert time.monotonic() < give_up
        time.sleep(0.01)
    run.send_signal(how)
    out, err = run.communicate(timeout=60)
    return subprocess.CompletedProcess(run.args, run.returncode, out, err)


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """One training in one go, and one that is interrupted, resumed, killed and resumed again."""
    folder = tmp_path_factory.mktemp("interrupt")
    found: dict[str, Any] = {"folder": folder, "whole": warmly(*LONG, "--out", "whole.recae", cwd=folder)}
    found["interrupted"] = stopped(folder, signal.SIGINT)
    found["left"] = sorted(path.name for path in folder.iterdir())
    found["forgotten"] = inline(*LONG, "--out", folder / "m.recae")
    found["still"] = (folder / "m.recae.ckpt").exists()
    found["other"] = inline(*LONG, "--out", folder / "m.recae", "--resume", "--lr", "0.5")
    found["killed"] = stopped(folder, signal.SIGKILL, "--resume")
    found["resumed"] = warmly(*LONG, "--out", "m.recae", "--resume", cwd=folder)
    return found


def test_ctrl_c_keeps_the_state_and_says_how_to_resume(runs: dict[str, Any]) -> None:
    """Exit code 130, an empty stdout, a checkpoint and no model; the command to resume is there to be pasted."""
    run = runs["interrupted"]
    assert (run.returncode, run.stdout) == (130, "")
    assert runs["left"] == ["m.recae.ckpt", "whole.recae"]
    assert "m.recae.ckpt" in run.stderr
    pasted = shlex.split(run.stderr.rstrip().splitlines()[-1])
    assert pasted == ["python", "-m", "recae", *run.args[3:], "--resume"]
    assert "Traceback" not in run.stderr


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGHUP], ids=lambda n: n.name)
def test_other_signals_keep_the_state_as_ctrl_c_does(how: signal.Signals, tmp_path: Path) -> None:
    """The exit code is 128 + the signal's number, the checkpoint stays, and the command to resume is on stderr."""
    run = stopped(tmp_path, how)
    assert (run.returncode, run.stdout) == (128 + how, ""), run.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["m.recae.ckpt"]
    assert run.stderr.rstrip().endswith("--resume")
    assert "Traceback" not in run.stderr


def test_a_terminal_that_closes_keeps_the_state(tmp_path: Path) -> None:
    """Without its terminal, the training cannot print any more; it keeps the checkpoint all the same, and the exit code
    is that of SIGHUP."""
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (24, 80))
    run = subprocess.Popen(
        [*command(), *LONG, "--out", "m.recae", "--checkpoint-every", "1000"], cwd=tmp_path, env=os.environ | LIMITS,
        stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True,
        preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
    )  # fmt: skip
    os.close(theirs)
    seen = b""
    while b"loss=" not in seen:  # the bar of the training
        assert run.poll() is None, seen
        seen += os.read(ours, 1000)
    os.close(ours)
    assert run.wait(timeout=60) == 128 + signal.SIGHUP
    assert [path.name for path in tmp_path.iterdir()] == ["m.recae.ckpt"]


def test_a_checkpoint_is_not_overwritten_by_a_forgotten_option(runs: dict[str, Any]) -> None:
    """Without --resume or --restart nothing is done, and both are named."""
    assert runs["forgotten"].exit_code == 1
    assert "--resume" in runs["forgotten"].stderr
    assert "--restart" in runs["forgotten"].stderr
    assert runs["still"]


def test_other_settings_do_not_resume(runs: dict[str, Any]) -> None:
    """A checkpoint of another training is refused, not mixed in."""
    assert runs["other"].exit_code == 1
    assert "settings" in runs["other"].stderr
    assert "--restart" in runs["other"].stderr


def test_interrupted_killed_and_resumed_ends_where_one_go_ends(runs: dict[str, Any]) -> None:
    """After Ctrl-C and kill -9 the figures and every weight are those of the training in one go."""
    assert runs["killed"].returncode == -signal.SIGKILL
    assert runs["whole"].returncode == runs["resumed"].returncode == 0, runs["resumed"].stderr
    whole, resumed = json.loads(runs["whole"].stdout), json.loads(runs["resumed"].stdout)
    assert whole["rmse"] == resumed["rmse"]
    assert resumed["epochs"] == whole["epochs"] == 40
    one, other = load_file(runs["folder"] / "whole.recae"), load_file(runs["folder"] / "m.recae")
    assert one.keys() == other.keys()
    for name in one:
        np.testing.assert_array_equal(one[name], other[name])
    assert not (runs["folder"] / "m.recae.ckpt").exists()


def test_restart_starts_from_the_beginning(tmp_path: Path) -> None:
    """--restart throws the old state away; --resume without one says so and begins from the start."""
    (tmp_path / "m.recae.ckpt").write_text("an old state")
    args = ("train", "--hidden", "4", "--epochs", "1", "--out", tmp_path / "m.recae")
    assert inline(*args, "--resume").exit_code == 1  # that state is broken
    assert inline(*args, "--restart").exit_code == 0
    assert not (tmp_path / "m.recae.ckpt").exists()
    fresh = inline(*args, "--resume")
    assert fresh.exit_code == 0
    assert "no checkpoint" in fresh.stderr
