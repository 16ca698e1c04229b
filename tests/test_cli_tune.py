"""`recae tune` as real processes: what it writes, Ctrl-C and a kill in the middle, and `train --settings`."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import time
import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from cli_helpers import LIMITS, command, done, inline, parsed, warmly

import recae
from recae.ratings.liked import ENOUGH
from recae.settings import load_settings

SEARCH = (
    "tune", "sample", "--hidden", "6", "--try", "l2=5:100:log", "--try", "lr=0.002:0.02:log", "--try", "epochs=2:5",
    "--budget", "8", "--json",
)  # fmt: skip


def stopped(folder: Path, how: signal.Signals, *more: str, trials: int) -> subprocess.CompletedProcess[str]:
    """The search, hit by a signal after it has told of so many trials."""
    run = subprocess.Popen(
        [*command(), *SEARCH, "--out", "t.toml", *more], cwd=folder, env=os.environ | LIMITS, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert run.stderr is not None
    said: list[str] = []
    while sum(line.startswith("trial ") for line in said) < trials:
        line = run.stderr.readline()
        assert line, said
        said.append(line)
    time.sleep(0.05)
    run.send_signal(how)
    out, err = run.communicate(timeout=60)
    return subprocess.CompletedProcess(run.args, run.returncode, out, "".join(said) + err)


def of(text: str) -> Any:
    """What a search found, but for its seconds and its file."""
    found = json.loads(text)
    for key in ("seconds", "out"):
        del found[key]
    for trial in found["trials"]:
        del trial["seconds"]
    return found


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """A search in one go; and one that is interrupted, forgotten, killed and continued."""
    folder = tmp_path_factory.mktemp("tune")
    found: dict[str, Any] = {"folder": folder, "whole": warmly(*SEARCH, "--out", "whole.toml", cwd=folder)}
    found["interrupted"] = stopped(folder, signal.SIGINT, trials=2)
    found["left"] = sorted(path.name for path in folder.iterdir())
    found["forgotten"] = inline(*SEARCH, "--out", folder / "t.toml")
    found["killed"] = stopped(folder, signal.SIGKILL, "--resume", trials=1)
    found["resumed"] = warmly(*SEARCH, "--out", "t.toml", "--resume", cwd=folder)
    return found


def test_ctrl_c_keeps_the_trials_and_says_how_to_go_on(runs: dict[str, Any]) -> None:
    """Exit code 130, nothing on stdout, a study and no settings; the command to go on is there to be pasted."""
    run = runs["interrupted"]
    assert (run.returncode, run.stdout) == (130, "")
    assert {"t.toml.study", "whole.toml", "whole.json"} <= set(runs["left"])
    assert "t.toml" not in runs["left"]
    assert shlex.split(run.stderr.rstrip().splitlines()[-1]) == ["python", "-m", "recae", *run.args[3:], "--resume"]
    assert "Traceback" not in run.stderr


def test_a_study_is_not_continued_by_accident(runs: dict[str, Any]) -> None:
    """Without --resume or --restart nothing is done, and both are named."""
    assert runs["forgotten"].exit_code == 1
    assert "--resume" in runs["forgotten"].stderr
    assert "--restart" in runs["forgotten"].stderr


def test_interrupted_killed_and_continued_ends_where_one_go_ends(runs: dict[str, Any]) -> None:
    """After Ctrl-C and kill -9 the trials, their figures and the settings are those of the search in one go."""
    assert runs["killed"].returncode == -signal.SIGKILL
    assert runs["whole"].returncode == runs["resumed"].returncode == 0, runs["resumed"].stderr
    assert of(runs["whole"].stdout) == of(runs["resumed"].stdout)
    folder = runs["folder"]
    assert (folder / "whole.toml").read_text() == (folder / "t.toml").read_text()


def test_what_was_found_is_what_train_takes(runs: dict[str, Any]) -> None:
    """`train --settings` has the model and its settings; options go over them; Python reads the same file."""
    path = runs["folder"] / "whole.toml"
    params = tomllib.loads(path.read_text())["params"]
    trained = parsed("train", "sample", "--settings", path, "--validation", "0")
    assert trained["model"] == "i-autorec"
    assert {key: trained["settings"][key] for key in params} == params
    assert trained["settings"]["hidden"] == 6
    split = recae.split(recae.load("sample"), "random", test=0.1, rng=0)
    by_hand = load_settings(path).fit(split.train)
    assert recae.evaluate(by_hand, split.test)["rmse"] == trained["rmse"]
    assert parsed("train", "sample", "--settings", path, "--epochs", "1")["settings"]["epochs"] == 1


def test_the_search_does_not_see_what_train_tests_on(runs: dict[str, Any]) -> None:
    """The ratings searched on are, in number, those that `train` learns from with the same seed and no validation."""
    found = json.loads(runs["whole"].stdout)
    assert found["n_train"] + found["n_validation"] == 72_000


def test_the_next_command_reads_and_splits_as_the_search_did(tmp_path: Path) -> None:
    """What was said of the file and of the test part is said again, so that the same part is held out."""
    table, tuned = tmp_path / "a b.csv", tmp_path / "t.toml"
    table.write_text("wer;was;2\n" + "".join(f"{n % 9};{n % 7} x;{n}\n" for n in range(60)))
    said = ["--split", "time", "--test", "0.2", "--seed", "3", "--user-column", "wer", "--item-column", "was",
            "--rating-column", "none", "--timestamp-column", "2", "--header"]  # fmt: skip
    run = inline("tune", table, "--model", "ease", "--budget", "1", "--out", tuned, *said)
    assert run.exit_code == 0
    words = shlex.split(run.stderr.rstrip().splitlines()[-1])
    assert words[1:3] == ["train", str(table)]
    end = ["--settings", str(tuned), "--validation", "0", "--out", "m.recae"]
    assert words[-6:] == end
    assert sorted(words[3:-6]) == sorted(said)
    assert parsed(*words[1:-2])["split"]["how"] == "time"


def test_liked_and_bought_again_are_options_of_the_search_too(tmp_path: Path) -> None:
    """--threshold, --min-user and --again are those of `train`, and the next command has them."""
    table, tuned, rng = tmp_path / "p.csv", tmp_path / "t.toml", np.random.default_rng(6)
    columns = {"user": rng.integers(0, 12, 400), "item": rng.integers(0, 9, 400), "rating": rng.integers(1, 9, 400)}
    pd.DataFrame({**columns, "timestamp": rng.integers(10**9, 10**9 + 10**6, 400)}).to_csv(table, index=False)
    said = ["--split", "time", "--test", "3D", "--threshold", "3.0", "--min-user", "2", "--again"]
    run = inline("tune", table, "--model", "ease", "--budget", "1", "--validation", "2D", "--out", tuned, *said)
    assert run.exit_code == 0, run.stderr
    words = shlex.split(run.stderr.rstrip().splitlines()[-1])
    assert set(said) <= set(words)
    assert parsed(*words[1:-2])["split"]["again"] is True
    refused = inline("tune", table, "--model", "ease", "--again")
    assert (refused.exit_code, "--again applies only to --split time" in refused.stderr) == (2, True)


def test_settings_of_another_model_are_refused(runs: dict[str, Any], tmp_path: Path) -> None:
    """--model and --settings must agree; a file that is none is one line and exit code 1 or 2."""
    other = inline("train", "sample", "--model", "ease", "--settings", runs["folder"] / "whole.toml")
    assert other.exit_code == 2
    assert "i-autorec" in other.stderr
    assert inline("train", "sample", "--settings", tmp_path / "none.toml").exit_code == 1
    (tmp_path / "bad.toml").write_text('model = "svd"')
    assert inline("train", "sample", "--settings", tmp_path / "bad.toml").exit_code == 2
    help_text = done(inline("train", "--settings", runs["folder"] / "whole.toml", "-h"))
    assert "Hyper-parameters of i-autorec" in help_text


@pytest.mark.parametrize(
    ("args", "word"),
    [
        (("--try", "no_such=1:2"), "no_such"), (("--try", "l2=a:b"), "l2=a:b"), (("--try", "l2=9:1"), "l2"),
        (("--try", "activation=sigmoid|no"), "no"), (("--budget", "soon"), "soon"), (("--resume",), "--out"),
        (("--try", "l2"), "NAME=RANGE"), (("--validation", "2"), "share"),
    ],
)  # fmt: skip
def test_bad_options_are_named(args: tuple[str, ...], word: str) -> None:
    """Each is one line on stderr that names it, exit code 2, and no traceback."""
    result = inline("tune", "sample", "--hidden", "4", *args)
    assert result.exit_code == 2
    assert word in result.stderr
    assert "Traceback" not in result.stderr


def test_for_people_a_table_and_the_next_command(tmp_path: Path) -> None:
    """stdout has the best trials; stderr a line a trial and, without --out, the settings as options."""
    result = inline("tune", "sample", "--hidden", "4", "--try", "epochs=1|2", "--budget", "2")
    assert done(result).splitlines()[0].split() == ["rmse", "epochs", "seconds"]
    assert sum(line.startswith("trial ") for line in result.stderr.splitlines()) == 2
    assert "--model i-autorec --epochs 2" in result.stderr


def test_a_saved_split_is_searched_on_without_its_test_part(tmp_path: Path) -> None:
    """Its train part is learnt from and its validation part measured on; options that would split again are refused."""
    parts = recae.split(recae.load("sample"), "random", test=0.3, validation=0.2, rng=1)
    assert parts.validation is not None
    path = parts.save(tmp_path / "parts.npz")
    command = ("tune", path, "--model", "bias", "--try", "user_l2=5", "--budget", "1", "--json")
    found = json.loads(done(inline(*command)))
    assert (found["n_train"], found["n_validation"]) == (parts.train.n_ratings, parts.validation.n_ratings)
    by_hand = recae.evaluate(recae.make_model("bias", user_l2=5.0).fit(parts.train), parts.validation)
    assert found["value"] == by_hand["rmse"]
    for option in (("--test", "0.2"), ("--split", "time"), ("--validation", "0.2")):
        refused = inline(*command, *option)
        assert refused.exit_code == 2
        assert f"{option[0]}: the data is a saved split" in refused.stderr


@pytest.mark.parametrize("name", ["train", "tune", "compare", "split"])
def test_helps_name_the_users_that_a_threshold_keeps(name: str) -> None:
    """The default of --min-user in each help is what is done without the option."""
    assert f"[default: {ENOUGH}]" in inline(name, "--help").stdout.split("--min-user N")[1].split("[x>=1]")[0]
