"""`recae train`: what it prints is what the API gives, and its options have their effects."""

from __future__ import annotations

import csv
import shlex
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cli_helpers import TINY, done, inline, parsed

import recae
from recae.splitting import take_validation


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("use")


@pytest.fixture(scope="module")
def trained(folder: Path) -> tuple[dict[str, Any], Path]:
    """The object that `train --json` prints, and the model's file; the test part is test.csv beside it."""
    out = folder / "m.recae"
    found = parsed("train", "sample", *TINY, "--out", out, "--save-test", folder / "test.csv", "--seed", 3)
    return found, out


def test_train_prints_one_object_with_figures_and_how_they_came_about(trained: tuple[dict[str, Any], Path]) -> None:
    """`train --json` has figures, sizes that add up, settings, seed and time; the floor is below the figure."""
    found, out = trained
    assert found["n_train"] + found["n_validation"] + found["n_test"] == 80_000
    assert found["n_test"] == 8_000
    assert found["n_validation"] == 3_600
    assert found["best_reachable_rmse"] < found["rmse"] < 1.2
    assert found["settings"]["hidden"] == 8
    assert found["settings"]["rng"] == found["seed"] == found["split"]["seed"] == 3
    assert found["split"]["how"] == "random"
    assert found["split"]["validation"] == 0.05
    assert (found["model"], found["dataset"], found["epochs"]) == ("i-autorec", "sample", 2)
    assert found["seconds"] > 0
    assert found["out"] == str(out)
    assert out.stat().st_size > 10_000
    assert not out.with_name("m.recae.ckpt").exists()


def test_train_does_what_the_api_does(trained: tuple[dict[str, Any], Path]) -> None:
    """The figure of the command is that of the same split, model and seed made by hand."""
    split = recae.split(recae.load("sample"), "random", test=0.1, rng=3)
    train, validation = take_validation(split.train, 0.05, 3)
    by_hand = recae.AutoRec(hidden=8, epochs=2, rng=3).fit(train, validation)
    assert recae.evaluate(by_hand, split.test)["rmse"] == trained[0]["rmse"]


def test_train_for_people_shows_figures_and_what_to_try_next(folder: Path) -> None:
    """Figures go to stdout, hints with ids that exist to stderr, and these hints work."""
    out = folder / "with space.recae"
    result = inline("train", *TINY, "--out", out)
    assert "rmse" in done(result)
    assert "best reachable rmse" in result.stdout
    assert "Next:" not in result.stdout
    hints = [line for line in result.stderr.splitlines() if line.startswith("  recae ")]
    assert len(hints) == 3
    for hint in hints:
        assert inline(*shlex.split(hint)[1:]).exit_code == 0
    assert result.stderr.splitlines()[-2:] == ["For lists, a model that ranks:", "  recae train sample --model ease"]


def test_the_hint_of_lists_is_given_where_it_is_true(folder: Path) -> None:
    """A model that ranks needs no hint of another, and a file that is read by options is not read alike without."""
    table = folder / "columns.csv"
    table.write_text("who,what,stars\n" + "".join(f"u{i % 9},i{i % 7},{1 + i % 5}\n" for i in range(63)))
    columns = ("--user-column", "who", "--item-column", "what", "--rating-column", "stars")
    for given in (("sample", "--model", "ease"), (table, *columns, "--model", "bias", "--test", "0")):
        result = inline("train", *given, "--out", folder / "hint.recae")
        assert result.exit_code == 0, result.stderr
        assert "Next:" in result.stderr
        assert "a model that ranks" not in result.stderr


def test_quiet_says_nothing_but_the_result(folder: Path) -> None:
    """With -q stderr is empty; with -v it has an epoch a line."""
    assert inline("train", *TINY, "--out", folder / "q.recae", "-q").stderr == ""
    loud = inline("train", *TINY, "--out", folder / "q.recae", "-v")
    assert "RatingMatrix('sample'" in loud.stderr
    assert [line.split()[0] for line in loud.stderr.splitlines() if line.strip()[:1].isdigit()] == ["1", "2"]


@pytest.mark.parametrize(
    ("how", "n_test"),
    [
        (("--split", "k-fold", "--fold", "1", "--folds", "4"), 20_000),
        (("--split", "time", "--test", "0.2"), 16_000),
        (("--split", "leave-one-out"), 1_000),
        (("--split", "per-user"), None),
        (("--split", "held-out-users", "--test", "50"), None),
    ],
)
def test_every_split_can_be_asked_for(how: tuple[str, ...], n_test: int | None) -> None:
    """--split and its options reach the split: the test part has the size that follows."""
    found = parsed("train", "--model", "bias", *how)
    assert found["split"]["how"] == how[1]
    assert found["n_test"] == (n_test or found["n_test"]) > 0
    assert found["n_validation"] == 0


def test_without_a_test_part_everything_is_for_training() -> None:
    """--test 0 --validation 0 trains on all ratings and prints no figure."""
    found = parsed("train", *TINY, "--test", "0", "--validation", "0")
    assert found["n_train"] == 80_000
    assert "rmse" not in found
    assert found["validation_rmse"] is None
    assert found["split"] is None


def test_hyper_parameters_reach_the_model() -> None:
    """Several layers, none, numbers and names are set as said."""
    found = parsed("train", "-m", "u-autorec", "--epochs", 1, "--hidden", "6,4,6", "--patience", "none", "--l2", "7")
    assert found["settings"] | {"hidden": [6, 4, 6], "patience": None, "l2": 7.0, "by": "user"} == found["settings"]


def test_a_model_that_ranks_gets_ranking_figures() -> None:
    """For popularity the figures are of lists, and --metrics chooses among them."""
    assert {"recall@20", "ndcg@100"} <= set(parsed("train", "--model", "popularity"))
    found = parsed("train", "--model", "popularity", "--metrics", "hit@5,mrr@5")
    assert {"hit@5", "mrr@5"} <= set(found)
    assert "recall@20" not in found


def test_columns_of_a_file_can_be_named_and_ids_keep_their_zeros(tmp_path: Path) -> None:
    """A file with columns of any name is read as told; ids with zeros and commas come back as they were."""
    rng = np.random.default_rng(0)
    path, out = tmp_path / "odd.csv", tmp_path / "odd.recae"
    with path.open("w", newline="", encoding="utf-8") as handle:
        writer = csv.writer(handle)
        writer.writerow(["when", "what", "stars", "who"])
        for who in ("007", "a,b", "zoé", "12"):
            for what in ("01", "1", "x y", "10"):
                writer.writerow([rng.integers(100), what, rng.integers(1, 6), who])
    told = ("--user-column", "who", "--item-column", "what", "--rating-column", "2", "--timestamp-column", "none")
    found = parsed("train", path, *TINY, *told, "--test", 0, "--scale", 1, 5, "--out", out)
    assert (found["n_users"], found["n_items"]) == (4, 4)
    asked = ("--user", "007", "--user", "a,b", "--user", "zoé", "--user", "12")
    listed = parsed("recommend", out, *asked, "-n", 4, "--include-seen")
    assert [row["user"] for row in listed[::4]] == ["007", "a,b", "zoé", "12"]
    assert {row["item"] for row in listed} == {"01", "1", "x y", "10"}
    assert inline("recommend", out, "--user", "7").exit_code == 1
    described = parsed("data", "info", path, *told)
    assert (described["n_users"], described["timestamps"]) == (4, False)
