"""What was stated of the training data holds for other files of its form, unless they show that it is otherwise."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cli_helpers import done, inline, parsed

import recae
from recae.errors import DataError, DataWarning, ModelFileError
from recae.storage import pack, read_file, unpack, write_file

ROWS = [(f"k{u}", f"a{i}", 1 + (u * i + u) % 5) for u in range(12) for i in range(9) if (u + i) % 3]
COLUMNS = {"user": "kunde", "item": "artikel", "rating": "sterne"}


def table(names: str, sep: str = ",", rows: list[Any] = ROWS) -> str:
    return "\n".join([names, *(sep.join(map(str, row)) for row in rows)]) + "\n"


def triples(ratings: recae.RatingMatrix) -> list[Any]:
    return ratings.to_frame()[["user", "item", "rating"]].to_numpy().tolist()


EXPECTED = sorted([user, item, float(rating)] for user, item, rating in ROWS)


@pytest.fixture
def trained(tmp_path: Path) -> recae.RatingMatrix:
    """Ratings whose columns, delimiter and encoding were stated, as a model that is read from a file has them."""
    path = tmp_path / "train.csv"
    path.write_bytes(table("kunde;artikel;größe;sterne", ";", [(u, i, "ü", r) for u, i, r in ROWS]).encode("cp1252"))
    ratings = recae.load(path, **COLUMNS, sep=";", encoding="cp1252", header=True)
    assert triples(ratings) == EXPECTED
    return recae.load_model(recae.Bias().fit(ratings).save(tmp_path / "m.recae")).ratings_


def test_what_was_stated_is_in_the_model_file(trained: recae.RatingMatrix) -> None:
    """By the names of `recae.load`; what was found is not in it."""
    assert trained.read_as == {**COLUMNS, "sep": ";", "encoding": "cp1252", "header": True}
    assert recae.load("sample").read_as == {}


def test_splits_and_thresholds_keep_it(trained: recae.RatingMatrix) -> None:
    """Parts of a split, own parts and ratings above a threshold are read as the whole was."""
    split = recae.split(trained, "random", test=0.2, validation=0.1, rng=0)
    own = recae.splitting.own_split(split.train, recae.load({"user": ["k1"], "item": ["a1"], "rating": [3]}))
    for part in (*split.parts().values(), own.train, own.test, trained.binarize(3).filter(min_user=1)):
        assert part.read_as == trained.read_as


def test_a_file_of_the_same_form(trained: recae.RatingMatrix, tmp_path: Path) -> None:
    """Nothing needs to be stated again; what is stated wins, one by one."""
    path = tmp_path / "test.csv"
    rows = [("kä", i, "ü", r) for _, i, r in ROWS[:6]]
    path.write_bytes(table("kunde;artikel;größe;sterne", ";", rows).encode("cp1252"))
    assert recae.load(path, like=trained).user_ids.tolist() == ["kä"]
    assert recae.load(path, like=trained, item="größe").item_ids.tolist() == ["ü"]
    with pytest.raises(DataError, match="'größe'"):
        recae.load(path, like=trained, rating="größe")


def test_a_file_of_another_form(trained: recae.RatingMatrix, tmp_path: Path) -> None:
    """Usual names, a comma and UTF-8 are what the file shows; which columns are taken instead is said."""
    path = tmp_path / "test.csv"
    path.write_text(table("user,item,rating", ",", [("kä", i, r) for _, i, r in ROWS[:6]]), encoding="utf-8")
    with pytest.warns(DataWarning, match="taken are 'user' for 'kunde', 'item' for 'artikel', 'rating' for 'sterne'"):
        ratings = recae.load(path, like=trained)
    assert ratings.user_ids.tolist() == ["kä"]
    path.write_text(table("who,what,how"))
    with pytest.raises(DataError, match=r"no column found for the user \(in the training data it was 'kunde'\)"):
        recae.load(path, like=trained)


def test_other_formats(trained: recae.RatingMatrix, tmp_path: Path) -> None:
    """JSON lines and frames with the stated columns; what is for text files only says nothing of them."""
    rows = [dict(zip(COLUMNS.values(), row)) for row in ROWS]
    path = tmp_path / "test.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert triples(recae.load(path, like=trained)) == triples(recae.load(rows, like=trained)) == EXPECTED


@pytest.mark.parametrize("stated", [{}, {"header": False}])
def test_positions(tmp_path: Path, stated: dict[str, Any]) -> None:
    """Positions in a file without a header: so are others read, but for those with a header of usual names."""
    path = tmp_path / "a.csv"
    path.write_text("".join(f"{item},{user},{rating}\n" for user, item, rating in ROWS))
    like = recae.load(path, user=1, item=0, rating=2, **stated)
    assert triples(like) == EXPECTED
    assert triples(recae.load(path, like=like)) == EXPECTED
    path.write_text(table("user,item,rating"))
    assert triples(recae.load(path, like=like)) == EXPECTED


def test_positions_in_a_file_with_a_header_are_names(tmp_path: Path) -> None:
    """A column that was stated by its position is found by its name where another file has other columns first."""
    path = tmp_path / "a.csv"
    path.write_text(table("kunde,artikel,sterne"))
    with pytest.warns(DataWarning, match="taken for the names"):
        like = recae.load(path, user=0, item=1, rating=2)
    assert like.read_as == COLUMNS
    path.write_text(table("sterne,artikel,kunde", rows=[row[::-1] for row in ROWS]))
    assert triples(recae.load(path, like=like)) == EXPECTED


@pytest.mark.parametrize(
    ("encoding", "name", "told"),
    [
        ("gbk", "张", "gbk"), ("utf-8", "张", "gbk"), ("utf-16", "张", "gbk"), ("ascii", "k", "gbk"),
        ("ascii", "k", "utf-16"), ("utf-16-le", "k", "utf-16-le"), ("iso2022_jp", "漢", "iso2022_jp"),
        ("utf-8", "漢", "iso2022_jp"),
    ],
)  # fmt: skip
def test_the_encoding_that_a_file_has(tmp_path: Path, encoding: str, name: str, told: str) -> None:
    """The one that was stated, but for files that are UTF-8, or that a mark tells; also far below the first lines."""
    like = recae.load({"user": [1, 1], "item": [1, 2], "rating": [1, 2]})
    like.read_as["encoding"] = told
    path = tmp_path / "a.csv"
    path.write_bytes(table("user,item,rating", rows=[*ROWS * 800, (name, "a", 1)]).encode(encoding))
    with pytest.warns(DataWarning, match="repeat a pair"):
        assert name in recae.load(path, like=like).user_ids.tolist()


def test_dates_and_repeats(tmp_path: Path) -> None:
    """The order of day and month and what becomes of repeats are remembered too."""
    path = tmp_path / "a.csv"
    path.write_text("user,item,rating,date\n1,2,3,03/04/2005\n1,2,5,02/04/2005\n2,2,1,02/04/2005\n")
    with pytest.warns(DataWarning, match="repeat"):
        like = recae.load(path, day_first=True, duplicates="mean")
    with pytest.warns(DataWarning, match="mean"):
        again = recae.load(path, like=like)
    assert again.timestamps is not None
    assert like.timestamps is not None
    np.testing.assert_array_equal(again.timestamps, like.timestamps)
    assert triples(again) == [[1, 2, 4.0], [2, 2, 1.0]]


def test_a_store_remembers_its_columns(tmp_path: Path) -> None:
    """Names that `prepare_store` was told hold for the files that a model from the store is measured on."""
    path = tmp_path / "a.csv"
    path.write_text(table("kunde;artikel;sterne", ";"))
    recae.prepare_store(path, tmp_path / "s", **COLUMNS, sep=";", progress=False)
    assert triples(recae.load(path, like=recae.load(tmp_path / "s"))) == EXPECTED


@pytest.mark.parametrize("read_as", ["sep", {"sep": [";"]}, {"sep": None}, {"user": 1.5}])
def test_a_file_that_remembers_something_else(tmp_path: Path, read_as: Any) -> None:
    """What is no name, position, yes or no is refused when the model is read."""
    path = recae.Bias().fit(recae.load({"user": [1, 1], "item": [1, 2], "rating": [1, 2]})).save(tmp_path / "m")
    arrays, content = read_file(path, "model")
    tree = unpack(arrays, content["tree"])
    tree["ratings"]["read_as"] = read_as
    arrays, twin = pack(tree)
    write_file(path, "model", arrays, {**content, "tree": twin})
    with pytest.raises(ModelFileError, match="how the ratings were read"):
        recae.load_model(path)


# ---------------------------------------------------------------- the command line

STATED = ("--user-column", "kunde", "--item-column", "artikel", "--rating-column", "sterne")


@pytest.mark.parametrize("model", ["bias", "ease"])
def test_evaluate_and_new_ratings_need_not_be_told(tmp_path: Path, model: str) -> None:
    """Columns stated for `train` serve the saved test part, files of that form, and requests of new users."""
    (tmp_path / "train.csv").write_text(table("kunde;artikel;sterne", ";"))
    ask = ("train", tmp_path / "train.csv", *STATED, "--sep", ";", "--model", model)
    made = parsed(*ask, "--out", tmp_path / "m.recae", "--save-test", tmp_path / "test.csv")
    assert (tmp_path / "test.csv").read_text().startswith("kunde,artikel,sterne\n")
    result = inline("evaluate", tmp_path / "m.recae", tmp_path / "test.csv", "--json")
    metric = (
        "rmse" if model == "bias" else "recall@20" if "recall@20" in made else next(k for k in made if "recall" in k)
    )
    assert json.loads(done(result))[metric] == made[metric]
    assert result.stderr == ""
    (tmp_path / "new.csv").write_text("kunde;artikel;sterne\nneu;a1;5\nneu;a2;1\n")
    (tmp_path / "plain.csv").write_text("user,item,rating\nneu,a1,5\nneu,a2,1\n")
    new = [parsed("recommend", tmp_path / "m.recae", "--new-ratings", tmp_path / f) for f in ("new.csv", "plain.csv")]
    assert new[0] == new[1]
    explain = [
        parsed("explain", tmp_path / "m.recae", "--new-ratings", tmp_path / f, "--item", "a3")
        for f in ("new.csv", "plain.csv")
    ]
    assert explain[0] == explain[1]


def test_counted_rows_of_a_saved_test_part(tmp_path: Path) -> None:
    """--rating-column none --duplicates count: the test part has a row for each that was counted."""
    rows = [row for n, row in enumerate(ROWS) for _ in range(1 + n % 3)]
    (tmp_path / "train.csv").write_text(table("kunde,artikel", rows=[row[:2] for row in rows]))
    ask = ("train", tmp_path / "train.csv", *STATED[:4], "--rating-column", "none", "--duplicates", "count")
    done(inline(*ask, "--model", "ease", "--out", tmp_path / "m.recae", "--save-test", tmp_path / "test.csv"))
    model = recae.load_model(tmp_path / "m.recae")
    with pytest.warns(DataWarning, match="counted"):
        test = recae.load(tmp_path / "test.csv", like=model.ratings_)
    kept = {(user, item): count for user, item, count in triples(model.ratings_)}
    counts = {(user, item): 1.0 + n % 3 for n, (user, item, _) in enumerate(ROWS)}
    assert {**kept, **{(user, item): count for user, item, count in triples(test)}} == counts


def test_new_users_without_ratings(tmp_path: Path) -> None:
    """A model that ranks needs no column of ratings for new users, and says that every row counts 1."""
    (tmp_path / "train.csv").write_text(table("user,item,rating"))
    (tmp_path / "new.csv").write_text("user,item\nneu,a1\nneu,a2\n")
    (tmp_path / "bare.csv").write_text("neu,a1\nneu,a2\n")
    (tmp_path / "ones.csv").write_text("user,item,rating\nneu,a1,1\nneu,a2,1\n")
    for model in ("ease", "bias"):
        done(inline("train", tmp_path / "train.csv", "--model", model, "--out", tmp_path / f"{model}.recae"))
    ask = ("recommend", tmp_path / "ease.recae", "--new-ratings")
    result = inline(*ask, tmp_path / "new.csv", "--json")
    assert json.loads(done(result)) == parsed(*ask, tmp_path / "ones.csv")
    assert "no column of ratings: every row counts 1" in result.stderr
    result = inline("recommend", tmp_path / "bias.recae", "--new-ratings", tmp_path / "new.csv")
    assert result.exit_code == 1
    assert "no column found for the rating" in result.stderr
