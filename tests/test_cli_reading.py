"""The command line on files of other people: options say how they are written, and what was merged is said."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pandas as pd
import pytest
from cli_helpers import done, inline, parsed, process

import recae
from recae.cli.inputs import title_of
from recae.serving.served_model import titles_of

TEXT = "user,item,rating\n1,a,3\n1,a,5\n2,b,4\n2,a,1\n"


def written(folder: Path, name: str, text: str, encoding: str = "utf-8") -> Path:
    path = folder / name
    path.write_bytes(text.encode(encoding))
    return path


def test_options_say_how_a_file_is_written(tmp_path: Path) -> None:
    """--encoding, --sep and --header decide; without them the error names them as options."""
    path = written(tmp_path, "a.csv", "\u5f20\u2016x\u2016y\n\u674e\u2016x\u2016z\n", "gb18030")
    assert "--encoding" in inline("data", "info", path).stderr
    columns = (
        "--user-column",
        0,
        "--item-column",
        1,
        "--rating-column",
        "none",
        "--encoding",
        "gb18030",
        "--sep",
        "\u2016",
    )
    refused = inline("data", "info", path, *columns)
    assert refused.exit_code == 1
    assert "--header" in refused.stderr
    assert parsed("data", "info", path, *columns, "--no-header")["n_ratings"] == 2
    assert parsed("data", "info", path, *columns, "--header")["n_ratings"] == 1
    made = parsed("data", "prepare", path, *columns, "--no-header", "--out", tmp_path / "s")
    assert made["n_ratings"] == 2


@pytest.mark.parametrize("command", ["info", "prepare"])
def test_what_was_merged_is_said(tmp_path: Path, command: str) -> None:
    """One line on stderr: how many rows repeat a pair, and what became of them."""
    path = written(tmp_path, f"{command}.csv", TEXT)
    out = ("--out", tmp_path / "s") if command == "prepare" else ()
    said = inline("data", command, path, *out, "--duplicates", "sum")
    done(said)
    assert said.stderr.count("1 of 4 rows repeat a pair of user and item; they were added up") == 1


@pytest.mark.parametrize(
    ("columns", "shown"),
    [(["Name"], "Name"), (["name", "TITLE"], "TITLE"), (["Title", "title"], "title"), (["titles"], None)],
)
def test_which_column_holds_titles(columns: list[str], shown: str | None) -> None:
    """`title` before `name`, in any case: in lists, in the server and on the command line alike."""
    table = pd.DataFrame({"item": ["a", "b", "c"], **{column: [f"{column} {i}" for i in "abc"] for column in columns}})
    frame = pd.DataFrame({"user": [1, 1, 2, 2], "item": ["a", "b", "b", "c"]})
    model = recae.Popularity().fit(recae.load(frame, rating=False, items=table))
    expected = [None if shown is None else f"{shown} {i}" for i in "abc"]
    assert titles_of(model) == [title_of(model, item) for item in "abc"] == expected
    listed = model.recommend(1, 1)
    assert ("title" in listed) == (shown is not None)
    assert shown is None or listed["title"].tolist() == expected[2:]


def test_titles_of_own_items(tmp_path: Path) -> None:
    """--items and --users: their columns are known, and lists show titles."""
    path = written(tmp_path, "r.csv", TEXT)
    items = written(tmp_path, "p.csv", "product_id;title;price\na;Tea, black;2\nb;Cake;3\n")
    users = written(tmp_path, "u.csv", "customer_id,age\n1,30\n2,40\n")
    shown = parsed("data", "info", path, "--items", items, "--users", users)
    assert (shown["item_table"], shown["user_table"]) == (["title", "price"], ["age"])
    done(inline("train", path, "--items", items, "--model", "popularity", "--test", "0", "--out", tmp_path / "m"))
    assert "Cake" in done(inline("recommend", tmp_path / "m", "--user", "1", "-n", "1"))


def test_pairs_from_parquet(tmp_path: Path) -> None:
    """Pairs in a Parquet file, ids of whatever type, are answered as those of a text file."""
    path = written(tmp_path, "r.csv", TEXT)
    done(inline("train", path, "--model", "bias", "--test", "0", "--out", tmp_path / "m"))
    pairs = written(tmp_path, "pairs.csv", "user,item\n1,b\n2,b\n")
    pd.DataFrame({"user": [1, 2], "item": ["b", "b"]}).to_parquet(tmp_path / "pairs.parquet")
    expected = done(inline("predict", tmp_path / "m", pairs)).rstrip()
    assert done(inline("predict", tmp_path / "m", tmp_path / "pairs.parquet")).rstrip() == expected
    pd.DataFrame({"user": [1, 7], "item": ["b", "b"]}).to_parquet(tmp_path / "pairs.parquet")
    assert "pairs.parquet, row 2: user '7'" in inline("predict", tmp_path / "m", tmp_path / "pairs.parquet").stderr


@pytest.mark.skipif(sys.platform == "win32", reason="there is no /dev/stdin")
@pytest.mark.parametrize("name", ["-", "/dev/stdin"])
def test_standard_input(name: str) -> None:
    """Ratings from a pipe are those of the file."""
    assert json.loads(process("data", "info", name, "--json", stdin=TEXT).stdout)["n_ratings"] == 3


def test_devices_are_refused() -> None:
    """A device is no file of ratings: refused before a byte of it is read."""
    assert "is a device" in inline("data", "info", "/dev/zero").stderr
