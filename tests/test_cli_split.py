"""`recae split`: parts that are saved once, and what trains and is measured on them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cli_helpers import TINY, done, inline, parsed

import recae
from recae.splitting import Split


def rows_of(part: recae.RatingMatrix) -> list[tuple[Any, ...]]:
    return sorted(part.to_frame().itertuples(index=False, name=None))


def same(one: Split, other: Split) -> None:
    assert one.parts().keys() == other.parts().keys()
    for name, part in one.parts().items():
        assert rows_of(part) == rows_of(other.parts()[name])
    assert (one.how, one.settings) == (other.how, other.settings)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ([], {}),
        (["--validation", "0.2", "--seed", "4"], {"validation": 0.2, "rng": 4}),
        (["--split", "time", "--test", "0.3"], {"how": "time", "test": 0.3}),
        (["--split", "k-fold", "--folds", "4", "--fold", "1"], {"how": "k-fold", "folds": 4, "fold": 1}),
        (["--split", "held-out-users", "--test", "40", "--validation", "30"],
         {"how": "held-out-users", "test": 40, "validation": 30}),
    ],
)  # fmt: skip
def test_the_file_is_the_split(tmp_path: Path, options: list[str], expected: dict[str, Any]) -> None:
    """What `recae split` saves is what `recae.split` makes with the same options and seed."""
    path = tmp_path / "parts.npz"
    facts = parsed("split", "sample", *options, "--out", path)
    made = recae.split(recae.load("sample"), **{"rng": 0, **expected})
    same(Split.load(path), made)
    assert {name: facts[name] for name in made.parts()} == {name: len(part) for name, part in made.parts().items()}


@pytest.fixture
def saved(tmp_path: Path) -> tuple[Path, Split]:
    path = tmp_path / "parts.npz"
    done(inline("split", "sample", "--validation", "0.1", "--out", path))
    return path, Split.load(path)


def test_train_and_evaluate_take_a_saved_split(saved: tuple[Path, Split], tmp_path: Path) -> None:
    """`train` learns from its train part and stops by its validation part; `evaluate` has the same figure."""
    path, parts = saved
    found = parsed("train", path, *TINY, "--out", tmp_path / "m.recae")
    assert (found["n_train"], found["n_validation"], found["n_test"]) == tuple(
        len(part) for part in (parts.train, parts.validation or [], parts.test)
    )
    assert found["split"]["how"] == "random"
    assert parsed("evaluate", tmp_path / "m.recae", path)["rmse"] == found["rmse"]
    model = recae.load_model(tmp_path / "m.recae")
    np.testing.assert_array_equal(model.ratings_.user_rows.data, parts.train.user_rows.data)


def test_compare_takes_a_saved_split(saved: tuple[Path, Split]) -> None:
    """All models on its parts, as `recae.compare` has them."""
    path, parts = saved
    found = parsed("compare", path, "--models", "ease,popularity", "--metrics", "ndcg@10")
    expected = recae.compare(parts, ["ease", "popularity"], metrics=["ndcg@10"])
    assert [row["ndcg@10"] for row in found["models"]] == [row["ndcg@10"] for row in expected.rows]


def test_hidden_users_of_a_saved_split(tmp_path: Path) -> None:
    """Whole users are hidden: a model that learns by epochs is stopped by a part of train, and measured on these."""
    path = tmp_path / "parts.npz"
    done(inline("split", "sample", "--split", "held-out-users", "--test", 50, "--validation", 50, "--out", path))
    found = parsed("train", path, *TINY, "--metrics", "ndcg@10")
    assert found["n_test"] == len(Split.load(path).test)
    assert 0 < found["ndcg@10"] < 1


@pytest.mark.parametrize(
    "option", [("--test", "0.2"), ("--validation", "0.2"), ("--fold", "1"), ("--threshold", "4"), ("--again",)]
)
@pytest.mark.parametrize("command", [("train",), ("compare", "--models", "popularity")])
def test_what_is_split_is_not_split_again(
    saved: tuple[Path, Split], option: tuple[str, ...], command: tuple[str, ...]
) -> None:
    """Options that say how to split are refused by name."""
    result = inline(command[0], saved[0], *command[1:], *option)
    assert result.exit_code == 2
    assert f"{option[0]}: the data is a saved split" in result.stderr


def test_a_saved_split_is_no_table(saved: tuple[Path, Split], tmp_path: Path) -> None:
    """Where ratings are expected, the error says what the file is; a file of another kind is not taken for one."""
    with pytest.raises(recae.errors.DataError, match=r"saved split.*Split.load"):
        recae.load(saved[0])
    np.savez(tmp_path / "other.npz", a=np.ones(3))
    assert inline("train", tmp_path / "other.npz").exit_code == 1


def test_parts_from_files(tmp_path: Path) -> None:
    """--test FILE: parts from files of their own are saved as one split."""
    for name, rows in (("a.csv", "1,1,5\n1,2,3\n2,1,4\n"), ("b.csv", "2,2,3\n3,1,2\n")):
        (tmp_path / name).write_text("user,item,rating\n" + rows)
    done(inline("split", tmp_path / "a.csv", "--test", tmp_path / "b.csv", "--out", tmp_path / "p.npz"))
    parts = Split.load(tmp_path / "p.npz")
    assert rows_of(parts.test) == [(2, 2, 3.0), (3, 1, 2.0)]
    assert parts.how == "own"
    assert inline("split", tmp_path / "a.csv", "--out", tmp_path / "no" / "p.npz").exit_code == 1
