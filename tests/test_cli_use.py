"""The commands on the sample and on files: what they print is what the API says."""

from __future__ import annotations

import csv
import io
import json
import sys
from pathlib import Path
from typing import Any

import pytest
from cli_helpers import TINY, done, inline, parsed, process

import recae


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("use")


@pytest.fixture(scope="module")
def trained(folder: Path) -> tuple[dict[str, Any], Path]:
    """The object that `train --json` prints, and the model's file; the test part is test.csv beside it."""
    out = folder / "m.recae"
    found = parsed("train", "sample", *TINY, "--out", out, "--save-test", folder / "test.csv", "--seed", 3)
    return found, out


@pytest.fixture(scope="module")
def model(trained: tuple[dict[str, Any], Path]) -> recae.Recommender:
    return recae.load_model(trained[1])


@pytest.fixture(scope="module")
def file(trained: tuple[dict[str, Any], Path]) -> Path:
    return trained[1]


# ---------------------------------------------------------------- evaluate


def test_evaluating_the_saved_test_part_gives_the_figures_of_training(
    trained: tuple[dict[str, Any], Path], folder: Path
) -> None:
    """`evaluate` on --save-test's file has the very rmse that `train` printed."""
    found = parsed("evaluate", trained[1], folder / "test.csv", "--metrics", "rmse,mae,recall@20")
    assert found["rmse"] == trained[0]["rmse"]
    assert found["mae"] == trained[0]["mae"]
    assert found["seen_ratings"] == 0
    assert 0 <= found["recall@20"] <= 1


def test_ids_that_look_like_numbers_in_the_test_file_only_are_those_of_the_model(tmp_path: Path) -> None:
    """A model with text ids is measured on a file whose few ids are all digits."""
    (tmp_path / "train.csv").write_text(
        "user,item,rating\n" + "".join(f"{u},{i},{1 + len(u + i) % 5}\n" for u in ("7", "x", "12") for i in ("3", "y"))
    )
    (tmp_path / "test.csv").write_text("user,item,rating\n7,3,4\n12,3,5\n")
    out = tmp_path / "m.recae"
    done(inline("train", tmp_path / "train.csv", "-m", "bias", "--test", 0, "--out", out))
    found = parsed("evaluate", out, tmp_path / "test.csv")
    assert found["unknown_ratings"] == 0
    assert found["n_ratings"] == 2


# ---------------------------------------------------------------- recommend, similar


def test_recommend_is_the_api_s_list(file: Path, model: recae.Recommender) -> None:
    """Items, scores, ranks and titles for two users are those of `model.recommend`, in the order asked for."""
    rows = parsed("recommend", file, "--user", 9, "--user", 2, "-n", 5)
    wanted = model.recommend([9, 2], 5)
    assert [row["user"] for row in rows] == [9] * 5 + [2] * 5
    assert [row["item"] for row in rows] == wanted["item"].tolist()
    assert [row["title"] for row in rows] == wanted["title"].tolist()
    assert [row["score"] for row in rows] == pytest.approx(wanted["score"].tolist())


def test_recommend_for_people_is_a_table_with_whole_titles(file: Path, model: recae.Recommender) -> None:
    """Every line of the table has rank, item, score and the whole title, whatever the width of the screen."""
    lines = done(inline("recommend", file, "--user", 2, "-n", 30)).splitlines()
    wanted = model.recommend(2, 30)
    assert lines[0] == "user 2"
    assert lines[1].split() == ["rank", "item", "score", "title"]
    for line, row in zip(lines[2:], wanted.itertuples(), strict=True):
        assert line.split(maxsplit=3) == [str(row.rank), str(row.item), f"{row.score:.4f}", row.title]
    assert len({line.index(row.title) for line, row in zip(lines[2:], wanted.itertuples())}) == 1


def test_lists_can_be_limited(file: Path, folder: Path, model: recae.Recommender) -> None:
    """--candidates and --exclude take ids with commas or a file; --include-seen lists what was rated."""
    ids = folder / "ids.txt"
    ids.write_text("5\n6\n\n7\n")
    by_file = parsed("recommend", file, "--user", 1, "--candidates", ids, "--include-seen")
    assert by_file == parsed("recommend", file, "--user", 1, "--candidates", "5, 6,7", "--include-seen")
    assert {row["item"] for row in by_file} == {5, 6, 7}
    without = parsed("recommend", file, "--user", 1, "--candidates", ids, "--exclude", "6", "--include-seen")
    assert {row["item"] for row in without} == {5, 7}
    seen = int(model.ratings_.item_ids[model.ratings_.user_rows[[0]].indices[0]])
    assert parsed("recommend", file, "--user", 1, "--candidates", seen) == []
    assert len(parsed("recommend", file, "--user", 1, "--candidates", seen, "--include-seen")) == 1
    assert "No items to list" in inline("recommend", file, "--user", 1, "--candidates", seen).stderr


def test_ids_may_be_more_than_a_file_name_holds(file: Path) -> None:
    """--candidates and --exclude take 80 ids, 319 characters, of which no file can have the name."""
    ids = list(range(100, 180))
    text = ",".join(map(str, ids))
    assert len(text) > 255
    rows = parsed("recommend", file, "--user", 1, "-n", 100, "--candidates", text, "--include-seen")
    assert sorted(row["item"] for row in rows) == ids
    left = parsed("recommend", file, "--user", 1, "-n", 2000, "--exclude", text, "--include-seen")
    assert len(left) == 1200 - 80


def test_ids_with_a_slash_and_ids_from_a_pipe(tmp_path: Path) -> None:
    """An id that looks like a path is an id where the model knows it; a pipe is read as the file that it stands for."""
    (tmp_path / "r.csv").write_text("user,item,rating\n1,a/x.txt,5\n1,b/y,3\n2,a/x.txt,4\n2,c/z,1\n")
    out = tmp_path / "m.recae"
    done(inline("train", tmp_path / "r.csv", "-m", "popularity", "--test", 0, "--out", out))
    asked = ("recommend", out, "--user", 1, "--include-seen", "--candidates")
    assert [row["item"] for row in parsed(*asked, "a/x.txt")] == ["a/x.txt"]
    assert {row["item"] for row in parsed(*asked, "a/x.txt,c/z")} == {"a/x.txt", "c/z"}
    if sys.platform == "win32":
        return
    piped = process(*asked, "/dev/stdin", "--json", stdin="b/y\nc/z\n")
    assert {row["item"] for row in json.loads(piped.stdout)} == {"b/y", "c/z"}


@pytest.mark.parametrize(
    ("asked", "reason"),
    [
        (["--where", "year > 3000"], "no item fulfils --where 'year > 3000'"),
        (["--where", "year > 3000", "--candidates", "5,6"], "no item of --candidates fulfils --where 'year > 3000'"),
        (["--candidates", "5,6", "--exclude", "6,5"], "--candidates and --exclude leave none"),
    ],
)
def test_why_there_is_nothing_to_list(file: Path, asked: list[str], reason: str) -> None:
    """Where no item is allowed, what left none is named, and not the users' ratings."""
    assert inline("recommend", file, "--user", 1, *asked).stderr.strip() == f"No items to list: {reason}."


def test_several_users_in_one_option(file: Path) -> None:
    """`--user 1,2` is refused with the way to give both."""
    assert "give each user by itself: --user 1 --user 2" in inline("recommend", file, "--user", "1,2").stderr


def test_users_can_come_from_a_file(file: Path, folder: Path) -> None:
    """--users FILE is as good as --user for each of its lines."""
    users = folder / "users.txt"
    users.write_text("4\n2\n")
    assert parsed("recommend", file, "--users", users) == parsed("recommend", file, "--user", 4, "--user", 2)


def test_an_unknown_user_may_get_what_is_popular(file: Path, model: recae.Recommender) -> None:
    """--unknown popular lists the most rated items for the unknown user, and the usual for the known one."""
    rows = parsed("recommend", file, "--user", "nobody", "--user", 2, "-n", 1, "--unknown", "popular")
    most = model.ratings_.item_ids[int(model.ratings_.counts("item").argmax())]
    assert rows[0]["item"] == most
    assert rows[1]["item"] == model.recommend(2, 1)["item"][0]


def test_new_users_are_served_from_their_ratings(file: Path, folder: Path, model: recae.Recommender) -> None:
    """--new-ratings gives the lists and the predictions of the API for users never trained on."""
    new = folder / "new.csv"
    new.write_text("user,item,rating\nann,1,5\nann,2,1\nbob,7,3\nbob,99999,4\n")
    result = inline("recommend", file, "--new-ratings", new, "-n", 3, "--json")
    assert "99999" in result.stderr
    wanted = model.recommend_new(recae.load(new).to_frame().query("item != 99999"), 3)
    assert [row["item"] for row in json.loads(done(result))] == wanted["item"].tolist()
    one = parsed("recommend", file, "--new-ratings", new, "-n", 3, "--user", "ann")
    assert [row["item"] for row in one] == wanted.query("user == 'ann'")["item"].tolist()
    pairs = folder / "new-pairs.csv"
    pairs.write_text("user,item\nbob,5\nann,6\n")
    rows = parsed("predict", file, pairs, "--new-ratings", new, "-q")
    assert [row["user"] for row in rows] == ["bob", "ann"]
    assert all(1 <= row["rating"] <= 5 for row in rows)


def test_similar_is_the_api_s_list(file: Path, model: recae.Recommender) -> None:
    """Neighbours of an item are those of `model.similar_items`; the heading has the item's own title."""
    rows = parsed("similar", file, "--item", 5, "-n", 4)
    assert [row["similar"] for row in rows] == model.similar_items(5, 4)["similar"].tolist()
    assert model.ratings_.item_table is not None
    title = model.ratings_.item_table["title"][5]
    assert done(inline("similar", file, "--item", 5, "-n", 4)).splitlines()[0] == f"item 5  {title}"


# ---------------------------------------------------------------- predict


def test_predict_adds_a_column_to_the_table(file: Path, folder: Path, model: recae.Recommender) -> None:
    """Rows keep their order, repetitions and other columns; ratings are those of `model.predict`."""
    pairs = folder / "pairs.tsv"
    pairs.write_text("note\titemId\tuserId\nfirst, one\t10\t3\nb\t11\t2\nfirst, one\t10\t3\n")
    rows = list(csv.DictReader(io.StringIO(done(inline("predict", file, pairs)))))
    assert [row["note"] for row in rows] == ["first, one", "b", "first, one"]
    wanted = model.predict([3, 2, 3], [10, 11, 10])
    assert [float(row["rating"]) for row in rows] == pytest.approx(wanted.tolist(), abs=1e-4)
    out = folder / "predicted.csv"
    assert done(inline("predict", file, pairs, "--out", out)) == ""
    assert list(csv.DictReader(out.open())) == rows
    assert [row["rating"] for row in parsed("predict", file, pairs)] == [float(row["rating"]) for row in rows]


def test_predict_leaves_a_rating_column_alone(file: Path, folder: Path) -> None:
    """A table that has ratings gets its predictions beside them; unknown ids get the baseline where asked for."""
    pairs = folder / "rated.csv"
    pairs.write_text("user,item,rating\n3,10,2\n3,nope,1\n")
    rows = list(csv.DictReader(io.StringIO(done(inline("predict", file, pairs, "--unknown", "baseline")))))
    assert [row["rating"] for row in rows] == ["2", "1"]
    assert all(1 <= float(row["prediction"]) <= 5 for row in rows)


def test_predict_keeps_every_column(file: Path, folder: Path) -> None:
    """A table with the columns rating and prediction keeps both: the new one is prediction2, then prediction3."""
    text = "user,item,rating,prediction\n1,2,2,before\n4,7,1,\n"
    for names in (["prediction2"], ["prediction2", "prediction3"]):
        (folder / "predicted.csv").write_text(text)
        text = done(inline("predict", file, folder / "predicted.csv"))
        rows = list(csv.DictReader(io.StringIO(text)))
        assert list(rows[0]) == ["user", "item", "rating", "prediction", *names]
        assert [row["prediction"] for row in rows] == ["before", ""]
        assert [row["rating"] for row in rows] == ["2", "1"]
        assert all(1 <= float(row[names[-1]]) <= 5 for row in rows)


# ---------------------------------------------------------------- data, models


def test_data_list_has_every_set_and_where_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The listing has the whole catalogue; a copy in --data-dir is found, an archive is not unpacked."""
    from recae.loaders import datasets

    monkeypatch.setenv("RECAE_DATA_DIR", str(tmp_path / "none"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    archive = tmp_path / "sets" / "ml-1m.zip"
    archive.parent.mkdir()
    archive.write_bytes(b"no archive at all")
    listed = {entry["name"]: entry for entry in parsed("data", "list", "--data-dir", archive.parent)}
    assert set(listed) == {dataset.name for dataset in datasets()}
    assert listed["ml-1m"]["path"] == str(archive)
    assert [name for name, entry in listed.items() if entry["here"]] == ["sample", "ml-1m"]
    text = done(inline("data", "list"))
    assert all(dataset.description in text for dataset in datasets())


def test_data_info_describes_what_is_here() -> None:
    """Facts of the catalogue and of the ratings themselves stand side by side."""
    found = parsed("data", "info", "sample")
    assert (found["n_users"], found["n_items"], found["n_ratings"]) == (1000, 1200, 80_000)
    assert "1,000" in done(inline("data", "info", "sample"))


@pytest.mark.data
def test_movielens_by_name(data_dir: Path, tmp_path: Path) -> None:
    """A real set is trained on by its name, found without a download, and recommends titles."""
    assert done(inline("data", "fetch", "ml-100k")).strip() == str(data_dir / "ml-100k")
    out = tmp_path / "m.recae"
    found = parsed("train", "ml-100k", "--model", "bias", "--out", out)
    assert found["rmse"] < 0.96
    assert parsed("recommend", out, "--user", 1, "-n", 1)[0]["title"]


def test_models_are_listed_with_what_they_give() -> None:
    """Every registered model is in the listing, text and JSON."""
    listed = {entry["name"]: entry for entry in parsed("models")}
    assert set(listed) == set(recae.MODELS)
    assert listed["popularity"]["gives"] == "rankings"
    assert listed["i-autorec"]["preset"] == {"by": "item"}
    text = done(inline("models"))
    assert all(name in text and entry.about in text for name, entry in recae.MODELS.items())


# ---------------------------------------------------------------- explain


def test_explain_is_the_api_s_frame(file: Path, model: recae.Recommender) -> None:
    """Contributions on the command line are those of `recae.explain`, as JSON and as a table with the score."""
    user, item = str(model.ratings_.user_ids[0]), str(model.ratings_.item_ids[3])
    found = parsed("explain", file, "--user", user, "--item", item, "-n", 4)
    expected = recae.explain(model, model.ratings_.user_ids[0], model.ratings_.item_ids[3], n=4)
    assert [row["item"] for row in found["contributions"]] == expected["item"].tolist()
    assert found["score"] == pytest.approx(expected.attrs["score"], rel=1e-5)
    lines = done(inline("explain", file, "--user", user, "--item", item, "-n", 4)).splitlines()
    assert lines[0].startswith(f"item {item}  ")
    assert len(lines) == 2 + 4


def test_explain_needs_exactly_one_user(file: Path) -> None:
    """Without a user, or with a known and a new one, the command says what to name."""
    result = inline("explain", file, "--item", 1)
    assert result.exit_code == 2
    assert "--user" in result.stderr
