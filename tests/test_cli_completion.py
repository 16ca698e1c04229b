"""What a shell completes, what is checked before training, and the progress bar on a terminal of 80 columns."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import shutil
import struct
import subprocess
import sys
import termios
from pathlib import Path

import pytest
from cli_helpers import LIMITS, command, inline

_MAIN = "import sys; from recae.cli import main; main(sys.argv[1:])"


def completed(line: str, shell: str = "bash") -> list[str]:
    """What click's script for a shell is told about the last word of a line."""
    words = line.split(" ")
    environment = {"_RECAE_COMPLETE": f"{shell}_complete", "COMP_WORDS": line, "COMP_CWORD": str(len(words) - 1)}
    if shell == "fish":
        environment["COMP_CWORD"] = words[-1]
    ran = subprocess.run(
        [sys.executable, "-c", _MAIN], env=os.environ | LIMITS | environment, capture_output=True, text=True, check=True
    )
    return ran.stdout.splitlines()


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("recae rec", ["plain,recommend"]),
        ("recae train --model mult", ["plain,mult-vae", "plain,mult-dae"]),
        ("recae tune --model eas", ["plain,ease"]),
        ("recae models glo", ["plain,glocal-k", "plain,global-mean"]),
        ("recae compare -m ease,popu", ["plain,ease,popularity"]),
        ("recae train ml-1", ["file,ml-1", "plain,ml-100k", "plain,ml-1m", "plain,ml-10m"]),
        ("recae data info samp", ["file,samp", "plain,sample"]),
        ("recae demo den", ["plain,denoise"]),
        ("recae info m.", ["file,m."]),
        ("recae recommend m.recae --unknown p", ["plain,popular"]),
    ],
)
def test_words_are_completed(line: str, expected: list[str]) -> None:
    """Commands, models, data sets, demos, choices and files, as click's script for bash takes them."""
    assert completed(line) == expected


def test_zsh_and_fish_are_told_what_names_mean() -> None:
    """Both scripts are told the name and the sentence about it."""
    assert completed("recae models popul", "zsh") == ["plain", "popularity", "the most rated items, for everybody"]
    assert completed("recae models popul", "fish")[0].startswith("plain")


@pytest.mark.skipif(shutil.which("bash") is None, reason="there is no bash")
def test_bash_completes_with_the_script_of_the_page(tmp_path: Path) -> None:
    """The line of docs/cli.md, run by bash, registers a function that completes a model's name."""
    page = (Path(__file__).parents[1] / "docs" / "cli.md").read_text()
    assert all(f"_RECAE_COMPLETE={shell}_source recae" in page for shell in ("bash", "zsh", "fish"))
    program = tmp_path / "recae"  # as an installation has it
    program.write_text(f"#!{sys.executable}\n{_MAIN}\n")
    program.chmod(0o755)
    script = f"""
        PATH={tmp_path}:$PATH
        eval "$(_RECAE_COMPLETE=bash_source recae)"
        COMP_WORDS=(recae models eas) COMP_CWORD=2
        _recae_completion recae
        echo "${{COMPREPLY[@]}}"
    """
    ran = subprocess.run(["bash", "-c", script], env=os.environ | LIMITS, capture_output=True, text=True, check=False)
    assert ran.stdout.split() == ["ease"], ran.stderr


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("train", "no-such-file.csv", "--model", "bias", "--metrics", "rmsee"), "did you mean rmse?"),
        (("train", "no-such-file.csv", "--model", "bias", "--metrics", "ndcg"), "such as ndcg@20"),
        (("train", "no-such-file.csv", "--model", "ease", "--metrics", "ndcg@5,rmse"), "predicts no ratings"),
        (("tune", "no-such-file.csv", "--model", "ease", "--metric", "rmse"), "predicts no ratings"),
    ],
)
def test_metrics_are_checked_before_anything_is_read(arguments: tuple[str, ...], words: str) -> None:
    """A metric that is misspelt, or not of the model, is refused before the file is looked for."""
    result = inline(*arguments)
    assert result.exit_code == 2
    assert words in result.stderr
    assert "no-such-file" not in result.stderr


def test_the_bar_fits_a_terminal_of_80_columns() -> None:
    """With the loss and the validation figure, no line of the bar is cut or longer than 80 columns."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    arguments = [*command(), "train", "sample", "--hidden", "8", "--epochs", "3"]
    with subprocess.Popen(arguments, stdout=subprocess.DEVNULL, stderr=theirs, env=os.environ | LIMITS) as process:
        os.close(theirs)
        written = b""
        try:
            while chunk := os.read(ours, 65536):
                written += chunk
        except OSError:  # Linux says so when the other end is closed
            pass
        assert process.wait() == 0
    os.close(ours)
    bars = [line for line in re.split("[\r\n]+", written.decode()) if line.startswith("training:")]
    assert max(map(len, bars)) <= 80
    shown = r"training: 100%\|(.+)\| 24/24 \[[\d:]+<[\d:]+, loss=[\d.]+, val=\d\.\d{4}\]"
    found = re.fullmatch(shown, bars[-1].strip())
    assert found is not None, bars[-1]
    assert len(found[1]) >= 15  # room for longer counts and times
