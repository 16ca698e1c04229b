"""Bad input: one line that says what, where and what to do; the right exit code; nothing lost, no traceback."""

from __future__ import annotations

import re
import signal
import subprocess
from pathlib import Path

import numpy as np
import pytest
from cli_helpers import TINY, command, done, inline, process

import recae
from recae.cli import failures

FILES = {
    "nan.csv": "user,item,rating\n1,2,3\n1,3,nan\n2,2,4\n",
    "text.csv": "user,item,rating\n1,2,3\n1,3,4\n2,2,great\n",
    "short.csv": "user,item,rating\n1,2,3\n1,3\n",
    "columns.csv": "who,item,rating\n1,2,3\n",
    "header.csv": "user,item,rating\n",
    "empty.csv": "",
    "one.csv": "user,item,rating\n1,2,3\n",
    "pairs.csv": "user,item\n1,2\n1,nope\n",
    "long.csv": "user,item\n1,2\n1,2,3\n",
    "foreign.recae": "not a model",
}


# `restart=True`, `rating=...`, `model.save`, `recae.load`: what a caller of the API writes.
API_WORDS = re.compile(r"\b\w+=(?:True|False|None|'|\.\.\.|\(|\d)|\b(?:recae|pandas|model|ratings)\.\w+\(|`|\bNone\b")
OPTIONS = re.compile(r"(?<![\w-])--?[a-z][\w-]*")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with bad files, and m.recae and p.recae (popularity), which are good."""
    folder = tmp_path_factory.mktemp("bad")
    for name, text in FILES.items():
        (folder / name).write_text(text)
    done(inline("train", *TINY, "--test", 0, "--out", folder / "m.recae"))
    done(inline("train", "--model", "popularity", "--test", 0, "--out", folder / "p.recae"))
    whole = (folder / "m.recae").read_bytes()
    (folder / "cut.recae").write_bytes(whole[: len(whole) // 2])
    (folder / "changed.recae").write_bytes(whole[:-8] + bytes(8 * [7]))
    return folder


CASES = [
    # files of ratings
    ("train missing.csv", 1, ["'missing.csv'", "neither a file nor a data set", "ml-100k"]),
    ("train ml-9m", 1, ["did you mean ml-1m"]),
    ("train nan.csv", 1, ["nan.csv, line 3", "nan"]),
    ("train text.csv", 1, ["text.csv, line 4", "'great'"]),
    ("train short.csv", 1, ["short.csv, line 3", "2 fields, expected 3"]),
    ("train columns.csv", 1, ["no column found for the user", "'who'", "--user-column"]),
    ("train columns.csv --user-column whom", 1, ["no column 'whom'", "'who'"]),
    ("train header.csv", 1, ["header.csv has no rows"]),
    ("train empty.csv", 1, ["empty.csv is empty"]),
    ("train one.csv", 1, ["test part empty"]),
    ("train one.csv --scale 4 5", 1, ["one.csv, line 2", "outside"]),
    ("train one.csv --split time", 1, ["no timestamps", "--timestamp-column"]),
    ("train ml-1m --user-column who", 2, ["--user-column applies only to files"]),
    ("train mnist", 2, ["not a set of ratings"]),
    # models and hyper-parameters
    ("train --model autorec", 2, ["'autorec'", "i-autorec, u-autorec"]),
    ("train --hiden 5", 2, ["--hiden", "--hidden --activation"]),
    ("train --hidden abc", 2, ["'abc'", "INTEGER"]),
    ("train --hidden 0", 2, ["--hidden 0", "at least 1"]),
    ("train --l2 -1", 2, ["--l2 -1", "at least 0"]),
    ("train --output relu", 2, ["'relu'", "identity or sigmoid"]),
    ("train --activation wavy", 2, ["'wavy'", "sigmoid"]),
    ("train --device quux", 2, ["--device quux", "cpu"]),
    ("train --model bias --hidden 5", 2, ["--hidden", "--user-l2 --item-l2 --sweeps"]),
    # options that do not go together
    ("train --test 2", 2, ["--test 2"]),
    ("train --test -0.1", 2, ["from 0 to below 1"]),
    ("train --test much", 2, ["'much'"]),
    ("train --validation 3", 2, ["--validation 3"]),
    ("train --test 0 --metrics rmse", 2, ["--metrics", "no test part"]),
    ("train --split k-fold", 2, ["--fold"]),
    ("train --split k-fold --fold 9", 2, ["--fold 9", "0 to 4"]),
    ("train --split k-fold --fold 0 --test 0.3", 2, ["--test 0.3", "leave it out"]),
    ("train --fold 1", 2, ["--split k-fold"]),
    ("train --model bias --resume --out x.recae", 2, ["fitted in one step"]),
    ("train --resume", 2, ["--out"]),
    ("train --resume --restart --out x.recae", 2, ["choose one"]),
    ("train --metrics foo --epochs 0", 2, ["--metrics foo", "rmse"]),
    # folders and devices
    ("train --out nowhere/m.recae", 1, ["no folder nowhere", "make it"]),
    ("train --out .", 1, ["is a folder"]),
    ("train --out one.csv/m.recae", 1, ["no folder one.csv"]),
    ("train --save-test nowhere/t.csv", 1, ["no folder nowhere"]),
    ("predict m.recae one.csv --out nowhere/p.csv", 1, ["no folder nowhere"]),
    # model files
    ("recommend missing.recae --user 1", 1, ["no file missing.recae", "recae train"]),
    ("recommend foreign.recae --user 1", 1, ["foreign.recae is not a recae file"]),
    ("similar cut.recae --item 1", 1, ["cut.recae", "cut short"]),
    ("evaluate changed.recae one.csv", 1, ["changed.recae has been changed"]),
    # ids and lists
    ("recommend m.recae", 2, ["--user ID"]),
    ("recommend m.recae --user nobody", 1, ["user 'nobody'", "such as 1, 2, 3", "--unknown popular"]),
    ("recommend m.recae --user 5 -n 0", 2, ["-n 0"]),
    ("recommend m.recae --user 5 -n ten", 2, ["'ten'"]),
    ("recommend m.recae --user 5 --candidates 1,zzz", 1, ["item 'zzz'", "--unknown warn passes"]),
    ("recommend m.recae --user 5 --exclude empty.csv", 1, ["empty.csv holds no item id"]),
    ("recommend m.recae --user 5 --exclude one.csv", 1, ["one item id per line"]),
    ("recommend m.recae --user 5 --candidates missing.txt", 1, ["no file missing.txt", "one item id per line"]),
    ("recommend m.recae --user 5 --exclude nowhere/sold-out --unknown warn", 1, ["no file nowhere/sold-out"]),
    ("recommend m.recae --user 5 --exclude /dev/zero", 1, ["/dev/zero is a device"]),
    ("recommend m.recae --users missing.txt", 1, ["no file missing.txt"]),
    ("recommend m.recae --user ann --new-ratings one.csv", 1, ["user 'ann'", "one.csv must hold ratings"]),
    ("similar m.recae --item 99999", 1, ["item '99999'"]),
    ("similar m.recae", 2, ["--item"]),
    # pairs and figures
    ("predict m.recae pairs.csv", 1, ["pairs.csv, line 3", "item 'nope'", "--unknown baseline"]),
    ("predict m.recae long.csv", 1, ["long.csv, line 3", "3 fields, expected 2"]),
    ("predict m.recae columns.csv", 1, ["no column found for the user"]),
    ("predict m.recae empty.csv", 1, ["empty"]),
    ("predict m.recae header.csv", 1, ["no pairs"]),
    ("predict m.recae missing.csv", 1, ["no file missing.csv"]),
    ("predict p.recae one.csv", 2, ["ranks items and predicts no ratings"]),
    ("evaluate m.recae missing.csv", 1, ["'missing.csv'"]),
    ("evaluate m.recae one.csv --metrics ndcg@5000", 2, ["1,200 items"]),
    ("evaluate m.recae one.csv --relevant-from 4", 2, ["--metrics ndcg@10"]),
    ("evaluate p.recae one.csv --metrics rmse", 2, ["predicts no ratings"]),
    # the rest
    ("data info nope", 1, ["'nope' is not a data set"]),
    ("data fetch sample", 2, ["nothing to fetch"]),
    ("models nope", 2, ["'nope'", "i-autorec"]),
    ("models i-autrec", 2, ["did you mean i-autorec?"]),
    ("train --model u-autorek", 2, ["did you mean u-autorec?"]),
    ("evaluate m.recae one.csv --metrics rsme", 2, ["did you mean rmse?"]),
    ("demo denose", 2, ["denose", "did you mean denoise?"]),
    ("nothing", 2, ["No such command 'nothing'", "train, evaluate"]),
    ("recomend m.recae", 2, ["No such command 'recomend'", "did you mean recommend?"]),
    ("data inof sample", 2, ["did you mean info?"]),
]


@pytest.mark.parametrize(("line", "code", "words"), CASES, ids=[case[0] for case in CASES])
def test_bad_input(line: str, code: int, words: list[str], folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The last line on stderr says what is wrong in options, not in words of the API; the library's own error names no
    option. Nothing is on stdout, and no file is made."""
    monkeypatch.chdir(folder)
    before = sorted(folder.iterdir())
    raised: list[BaseException] = []
    explained = failures.explain
    monkeypatch.setattr(failures, "explain", lambda error, *more: raised.append(error) or explained(error, *more))
    result = inline(*line.split())
    assert result.exit_code == code, result.stderr
    assert result.stdout == ""
    assert "Traceback" not in result.stderr
    last = result.stderr.rstrip().splitlines()[-1]
    assert last.startswith("Error: ")
    for word in words:
        assert word in last
    assert not API_WORDS.findall(last)
    assert not OPTIONS.findall(" ".join(map(str, raised)))
    assert sorted(folder.iterdir()) == before


def test_as_a_process_a_failure_is_one_line_and_a_usage_error_says_where_help_is(folder: Path) -> None:
    """Exit codes 1 and 2 reach the shell; stdout is empty; stderr is one line, or usage."""
    failed = process("train", "nan.csv", "-q", cwd=folder)
    assert (failed.returncode, failed.stdout) == (1, ""), failed.stderr
    missing = "the rating is missing, as in 1 of the 3 rows that were read; drop or fill these rows first"
    assert failed.stderr.splitlines() == [f"Error: nan.csv, line 3: {missing}"]
    usage = process("train", "--model", "nope", cwd=folder)
    assert (usage.returncode, usage.stdout) == (2, "")
    assert "python -m recae train --help" in usage.stderr
    assert not {"Traceback"} & set((failed.stderr + usage.stderr).split())


def test_with_vv_the_traceback_is_shown(folder: Path) -> None:
    """-vv shows where an error came from, before the same last line."""
    result = inline("train", folder / "nan.csv", "-vv")
    assert result.exit_code == 1
    assert "Traceback" in result.stderr
    assert result.stderr.rstrip().splitlines()[-1].startswith("Error: nan.csv, line 3")


def test_a_bug_is_one_line_too(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An unexpected error names its kind and how to see more; exit code 1."""
    monkeypatch.setattr("recae.cli.inputs.load_model", lambda *_, **__: 1 // 0)
    result = inline("similar", folder / "m.recae", "--item", 1)
    assert result.exit_code == 1
    assert "unexpected ZeroDivisionError" in result.stderr
    assert "-vv" in result.stderr


def test_a_model_that_stood_there_survives_a_failure(folder: Path) -> None:
    """Training that diverges leaves the older model file as it was, and no checkpoint behind."""
    out = folder / "p.recae"
    before = out.read_bytes()
    result = inline("train", "--lr", "1e9", "--optimizer", "sgd", "--l2", 0, "--hidden", 4, "--epochs", 2, "--out", out)
    assert result.exit_code == 1
    assert "learning rate" in result.stderr
    assert out.read_bytes() == before
    assert not (folder / "p.recae.ckpt").exists()


def test_a_tiny_set_trains_without_a_validation_part(tmp_path: Path) -> None:
    """Where 5 % of the ratings would be none, nothing is held out, and the model trains."""
    path = tmp_path / "tiny.csv"
    path.write_text("user,item,rating\n1,2,3\n1,3,4\n2,2,5\n2,3,1\n")
    assert inline("train", path, "--test", 0, "--hidden", 2, "--epochs", 1).exit_code == 0
    assert "validation part" in inline("train", path, "--test", 0, "--validation", 0.05).stderr


def test_one_user_trains_and_equal_ratings_do_not(tmp_path: Path) -> None:
    """A single user is odd but no error; ratings that are all equal are, for a model that predicts ratings."""
    path, same = tmp_path / "one.csv", tmp_path / "same.csv"
    path.write_text("user,item,rating\n" + "".join(f"7,{i},{4 + i % 2}\n" for i in range(30)))
    result = inline("train", path, "--hidden", 2, "--epochs", 1)
    assert result.exit_code == 0, result.stderr
    same.write_text("user,item,rating\n" + "".join(f"7,{i},4\n" for i in range(30)))
    result = inline("train", same, "--hidden", 2, "--epochs", 1)
    assert result.exit_code == 1
    assert "ratings of 'same.csv' are 4" in result.stderr
    assert "--model ease" in result.stderr


def test_a_closed_pipe_is_no_error(folder: Path) -> None:
    """`| head -1` ends the command quietly, with nothing on stderr."""
    rng = np.random.default_rng(0)
    pairs = folder / "many.csv"
    lines = (f"{u},{i}\n" for u, i in zip(rng.integers(1, 1000, 60_000), rng.integers(1, 1200, 60_000)))
    pairs.write_text("user,item\n" + "".join(lines))
    run = subprocess.Popen(
        [*command(), "predict", folder / "m.recae", pairs, "--unknown", "baseline"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, preexec_fn=lambda: signal.alarm(100),
    )  # fmt: skip
    assert run.stdout is not None
    assert run.stderr is not None
    assert run.stdout.readline() == "user,item,rating\n"
    run.stdout.close()
    assert run.stderr.read() == ""
    run.wait()
    pairs.unlink()


def test_a_cut_file_is_said_by_what_reads_only_its_beginning(tmp_path: Path) -> None:
    """info and card do not read arrays, yet see from the header that the end of a file is missing."""
    whole = recae.Popularity().fit(recae.load("sample")).save(tmp_path / "m.recae")
    cut = tmp_path / "cut.recae"
    cut.write_bytes(whole.read_bytes()[:-1])
    for reader in ("info", "card"):
        assert inline(reader, whole).exit_code == 0
        result = inline(reader, cut)
        assert result.exit_code == 1
        assert "cut short" in result.stderr


def test_a_folder_is_called_a_folder(tmp_path: Path) -> None:
    """Where a file is expected and a folder is named, the message says so, whatever the file is."""
    model = recae.make_model("ease", l2=300.0).fit(recae.load("sample")).save(tmp_path / "m.recae")
    for arguments in (
        ("info", tmp_path), ("card", tmp_path), ("recommend", tmp_path, "--user", 1),
        ("recommend", model, "--users", tmp_path), ("recommend", model, "--user", 1, "--candidates", tmp_path),
        ("recommend", model, "--user", 1, "--user-candidates", tmp_path),
    ):  # fmt: skip
        result = inline(*arguments)
        assert result.exit_code == 1
        assert f"{tmp_path} is a folder" in result.stderr


def test_csv_is_not_written_under_another_kinds_name(tmp_path: Path) -> None:
    """A spreadsheet's or Parquet's suffix is refused before the work, unless --format says what is written."""
    model = recae.make_model("ease", l2=300.0).fit(recae.load("sample")).save(tmp_path / "m.recae")
    for suffix in (".xlsx", ".parquet"):
        out = tmp_path / f"lists{suffix}"
        result = inline("recommend", model, "--user", 1, "--out", out)
        assert result.exit_code == 2
        assert f"a {suffix} file is not written here" in result.stderr
        assert inline("recommend", model, "--user", 1, "--out", out, "--format", "csv").exit_code == 0


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with ratings, and what else commands read: a model, tables, lists of ids, settings."""
    folder = tmp_path_factory.mktemp("inputs")
    table = "user,item,rating\n1,1,5\n1,2,3\n2,1,4\n3,2,1\n"
    (folder / "own").mkdir()
    texts = {
        "a.csv": table, "a.json": table, "a.png": table, "t.csv": table, "own/ratings.csv": table.replace(",", ";"),
        "items.csv": "item,title\n1,A\n2,B\n", "ids.csv": "1\n2\n", "s.toml": 'model = "popularity"\n[params]\n',
    }  # fmt: skip
    for name, text in texts.items():
        (folder / name).write_text(text)
    (folder / "link.csv").symlink_to("a.csv")
    done(inline("train", folder / "a.csv", "--model", "popularity", "--test", 0, "--out", folder / "m.recae"))
    done(inline("train", folder / "a.csv", "--model", "bias", "--test", 0, "--out", folder / "b.recae"))
    return folder


@pytest.mark.parametrize(
    "line",
    [
        "split a.csv --out a.csv",
        "split a.csv --out link.csv",
        "split link.csv --out ./a.csv",
        "train a.csv --model popularity --test 0 --out a.csv",
        "train a.csv --model popularity --save-test a.csv",
        "train a.csv --epochs 1 --restart --checkpoint a.csv",
        "train a.csv --model popularity --test t.csv --out t.csv",
        "train a.csv --model popularity --items items.csv --out items.csv",
        "train own --model popularity --out own/ratings.csv",
        "train a.csv --settings s.toml --out s.toml",
        "tune a.csv --budget 1 --out a.csv",
        "tune a.json --budget 1 --out a.toml",
        "tune a.csv --budget 1 --restart --study a.csv",
        "compare a.csv --models popularity --out a.csv",
        "compare --train a.csv --test t.csv --models popularity --out t.csv",
        "compare a.png --models popularity --figure a.png",
        "data info a.png --plot a.png",
        "recommend m.recae --user 1 --out m.recae",
        "recommend m.recae --users ids.csv --out ids.csv",
        "recommend m.recae --user 1 --candidates ids.csv --out ids.csv",
        "recommend m.recae --users all --exclude ids.csv --out ids.csv",
        "recommend m.recae --new-ratings t.csv --out t.csv",
        "recommend m.recae --user 1 --user-candidates t.csv --out t.csv",
        "predict b.recae t.csv --out t.csv",
        "predict b.recae a.csv --new-ratings t.csv --out t.csv",
        "similar m.recae --item 1 --out m.recae",
        "explain m.recae --user 1 --item 1 --out m.recae",
        "export m.recae --to vectors --out m.recae",
        "export m.recae --to onnx --out m.recae",
        "card m.recae --out m.recae",
    ],
)
def test_no_output_is_written_over_an_input(line: str, inputs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that the command reads is refused as its output, before the work, under whatever name; nothing changes."""
    monkeypatch.chdir(inputs)
    before = {path: path.read_bytes() for path in inputs.rglob("*") if path.is_file()}
    result = inline(*line.split())
    assert result.exit_code == 2, result.stderr
    assert "is a file that this command reads, and would be overwritten" in result.stderr
    assert {path: path.read_bytes() for path in inputs.rglob("*") if path.is_file()} == before


@pytest.mark.parametrize(
    "line",
    [
        "train a.csv --model popularity --out new.csv --save-test ./new.csv",
        "train a.csv --epochs 1 --out new.recae --checkpoint new.recae",
        "tune a.csv --budget 1 --out new.json",
        "compare a.csv --models popularity --out new.png --figure new.png",
    ],
)
def test_two_outputs_are_two_files(line: str, inputs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One file named for two outputs would keep the later one only, and is refused before the work."""
    monkeypatch.chdir(inputs)
    result = inline(*line.split())
    assert result.exit_code == 2, result.stderr
    assert "is named for two outputs" in result.stderr
    assert not list(inputs.glob("new*"))


def test_training_may_take_the_place_of_the_model_that_it_starts_from(tmp_path: Path) -> None:
    """--start and --out may be one file, which is read whole before it is replaced; so may an output of before."""
    out = tmp_path / "m.recae"
    done(inline("train", *TINY, "--test", 0, "--out", out))
    done(inline("train", *TINY, "--test", 0, "--start", out, "--out", out))
    assert recae.load_model(out).get_params()["epochs"] == 2
