"""Model files: every registered model comes back as it was, with ids and tables; what cannot be is refused."""

from __future__ import annotations

import datetime as dt
import math
import subprocess
import sys
import uuid
from decimal import Decimal
from numbers import Real
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pandas as pd
import pytest
from contract import COLD_USER, FILMS, USERS, brief, fitted, frame_of, ratings

from recae.errors import DataError, ModelFileError, ParameterError
from recae.models import EASE, MODELS, Bias, Popularity, load_model
from recae.models.autorec.autorec import AutoRec
from recae.ratings import RatingMatrix
from recae.recommender import files
from recae.recommender.params import Param, declared
from recae.storage import pack, read_file, unpack, write_file

each = pytest.mark.parametrize("name", MODELS)


@each
def test_a_loaded_model_is_the_model(name: str, tmp_path: Path) -> None:
    """Saved and loaded: same class, parameters, lists, seen films, titles, predictions, and it can be saved again."""
    model = fitted(name)
    loaded = load_model(model.save(tmp_path / "m.recae"))
    model = getattr(model, "model_", model)  # of `auto`, the one that it took
    assert type(loaded) is type(model)
    assert loaded.get_params() == model.get_params()
    pd.testing.assert_frame_equal(loaded.recommend([*USERS, COLD_USER], n=4), model.recommend([*USERS, COLD_USER], n=4))
    pd.testing.assert_frame_equal(loaded.recommend_new(frame_of(2)), model.recommend_new(frame_of(2)))
    pd.testing.assert_frame_equal(loaded.similar_items(FILMS[:3]), model.similar_items(FILMS[:3]))
    if MODELS[name].model_class.predicts_ratings:
        np.testing.assert_array_equal(loaded.predict(USERS, FILMS[2]), model.predict(USERS, FILMS[2]))
    assert loaded.save(tmp_path / "again").read_bytes() == (tmp_path / "m.recae").read_bytes()


def three(ids: list[Any], **more: Any) -> RatingMatrix:
    """Three users and three items whose raw ids are `ids`."""
    column = pd.Series(index=range(3), dtype=object)
    for index, raw in enumerate(ids):
        column[index] = raw
    frame = pd.DataFrame({"user": column, "item": column, "rating": [1.0, 2.0, 5.0], "at": [10, 30, 20]})
    return RatingMatrix.from_frame(frame, scale=(1.0, 5.0), timestamp="at", **more)


@pytest.mark.parametrize(
    "ids",
    [
        [1, 2, 2**40], [-1, 0, 7], [0.5, 1.5, 2.0], ["007", "7", "7,0"], ["人", "ü", "\U0001f3ac"], ["", " ", "\n"],
        [("a", 1), ("a", 2), ("b", ("c", 3))], ["1", 1, 2.5], [True, "True", 3],
    ],
)  # fmt: skip
def test_ids_of_any_plain_type_survive(ids: list[Any], tmp_path: Path) -> None:
    """Numbers, texts with leading zeros, commas, line breaks and unicode, tuples, mixtures: value and type are kept."""
    data = three(ids)
    loaded = load_model(Bias().fit(data).save(tmp_path / "m")).ratings_
    for ours, theirs in ((loaded.user_ids, data.user_ids), (loaded.item_ids, data.item_ids)):
        assert ours.tolist() == theirs.tolist()
        assert [type(i) for i in ours.tolist()] == [type(i) for i in theirs.tolist()]
    np.testing.assert_array_equal(loaded.timestamps, data.timestamps)
    assert loaded.scale == data.scale
    assert loaded.name == data.name
    assert (loaded.user_rows != data.user_rows).nnz == 0


def test_tables_survive_with_what_is_missing(tmp_path: Path) -> None:
    """Titles, years, missing entries and lists of genres come back; users' table too."""
    items = pd.DataFrame(
        {"item": [1, 2, 3], "title": ["Amélie", None, "Léon, 1994"], "year": [2001, 1990, 1994],
         "genres": [["Comedy", "Romance"], [], ["Crime"]]}
    )  # fmt: skip
    users = pd.DataFrame({"user": [1, 2, 3], "age": [20.0, np.nan, 40.0]})
    model = Popularity().fit(three([1, 2, 3], item_table=items, user_table=users))
    loaded = load_model(model.save(tmp_path / "m")).ratings_
    assert loaded.item_table is not None
    assert loaded.user_table is not None
    assert loaded.item_table.loc[1, "title"] == "Amélie"
    assert pd.isna(loaded.item_table.loc[2, "title"])
    assert loaded.item_table["year"].tolist() == [2001, 1990, 1994]
    assert loaded.item_table["genres"].tolist() == [["Comedy", "Romance"], [], ["Crime"]]
    assert loaded.user_table["age"].isna().tolist() == [False, True, False]


@pytest.mark.parametrize(
    "ids",
    [
        [pd.Timestamp(2020, 1, day) for day in (1, 2, 3)], [uuid.UUID(int=n) for n in (1, 2, 3)], [b"a", b"b", b"c"],
        [dt.date(2020, 1, day) for day in (1, 2, 3)], [1.5, 2.5, float("inf")], [("a", b"b"), ("a", 1), ("b", 2)],
        [Decimal(1), Decimal(2), Decimal(3)], [frozenset("a"), frozenset("b"), frozenset("c")],
    ],
    ids=["timestamp", "uuid", "bytes", "date", "infinite", "in a tuple", "decimal", "set"],
)  # fmt: skip
def test_ids_that_no_file_holds_are_refused_before_training(ids: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """Dates, UUIDs, bytes and the like are named by `fit`, and not by `save` when the work is done."""
    monkeypatch.setattr(Bias, "_fit", lambda *_: pytest.fail("it was trained"))
    with pytest.raises(DataError, match=r"user id .*numbers, texts and tuples.*\.astype\(str\)"):
        Bias().fit(three(ids))


def test_dates_of_one_type_are_refused_too(tmp_path: Path) -> None:
    """A column of NumPy's dates, which NumPy makes whole numbers of, is no column of numbers."""
    frame = pd.DataFrame({"user": pd.to_datetime(["2020-01-01", "2020-01-02"]), "item": [1, 2], "rating": [1.0, 2.0]})
    with pytest.raises(DataError, match=r"user id Timestamp\('2020-01-01"):
        Bias().fit(RatingMatrix.from_frame(frame))


def test_a_table_is_held_or_refused_before_training(tmp_path: Path) -> None:
    """Dates in a table of items become texts; what no file holds is named with its column."""
    born = pd.DataFrame({"born": [dt.date(2020, 1, 1), pd.NaT, dt.date(2020, 1, 3)]}, index=[1, 2, 3])
    loaded = load_model(Bias().fit(three([1, 2, 3], item_table=born)).save(tmp_path / "m")).ratings_
    assert loaded.item_table is not None
    assert loaded.item_table["born"].fillna("?").tolist() == ["2020-01-01", "?", "2020-01-03"]
    odd = pd.DataFrame({"tags": [{"a"}, {"b"}, set()]}, index=[1, 2, 3])
    with pytest.raises(DataError, match=r"item table, column 'tags' \{'a'\} \(set\)"):
        Bias().fit(three([1, 2, 3], item_table=odd))


@pytest.mark.parametrize("letter", ["a", "ü"])
def test_ids_do_not_fill_the_header(letter: str, tmp_path: Path) -> None:
    """20,000 ids of 36 characters, and as many titles, are not in the header, which safetensors limits to 100 MB."""
    n = 20_000
    ids = np.array([f"{i:035d}{letter}" for i in range(n)], object)
    frame = pd.DataFrame({"user": ids, "item": ids[::-1], "rating": 1.0 + np.arange(n) % 5})
    titles = pd.DataFrame({"title": [f"the title of {one}" for one in ids]}, index=ids)
    model = Popularity().fit(RatingMatrix.from_frame(frame, item_table=titles))
    path = model.save(tmp_path / "m")
    with path.open("rb") as file:
        assert int.from_bytes(file.read(8), "little") < 10_000
    loaded = load_model(path).ratings_
    assert loaded.user_ids.tolist() == ids.tolist()
    assert loaded.item_ids.tolist() == model.ratings_.item_ids.tolist()
    assert loaded.item_table is not None
    assert loaded.item_table["title"].tolist() == titles["title"].tolist()


def test_files_whose_header_lists_the_ids_are_read(tmp_path: Path) -> None:
    """As recae 0.1.0 wrote ids and tables: as lists in the JSON of the header."""
    titles = pd.DataFrame({"title": ["x", None, "z"]}, index=["a", "b", "c"])
    path = Bias().fit(three(["a", "b", "c"], item_table=titles)).save(tmp_path / "m")
    arrays, content = read_file(path, "model")
    tree = unpack(arrays, content["tree"])
    ids: list[Any] = ["a", "b", "c"]
    tree["ratings"] |= {"user_ids": ids, "item_ids": ids}
    tree["ratings"]["item_table"] = {"index": ids, "columns": {"title": ["x", None, "z"]}}
    arrays, twin = pack(tree)
    write_file(path, "model", arrays, {**content, "tree": twin})
    loaded = load_model(path).ratings_
    assert loaded.user_ids.tolist() == loaded.item_ids.tolist() == ids
    assert loaded.item_table is not None
    assert loaded.item_table["title"].fillna("?").tolist() == ["x", "?", "z"]


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("dates", "not said what column 'size'"), ("numbers", "does not hold numbers"), (3, "not said what"),
        ({"categories": ["s"]}, "has no 'ordered'"), ({"categories": ["s", "s"], "ordered": True}, "not distinct"),
        ({"categories": [None], "ordered": True}, "not distinct"), ({"categories": ["s"], "ordered": 1}, "not a list"),
        ({"categories": [["s"]], "ordered": False}, "not distinct"), ({"categories": 3, "ordered": True}, "object"),
    ],
)  # fmt: skip
def test_kinds_of_columns_that_are_none_are_refused(kind: Any, message: str, tmp_path: Path) -> None:
    """What a file says of a column is checked like the rest of it."""
    sizes = pd.DataFrame({"size": ["s", None, "l"]}, index=[1, 2, 3])
    path = Bias().fit(three([1, 2, 3], item_table=sizes)).save(tmp_path / "m")
    arrays, content = read_file(path, "model")
    tree = unpack(arrays, content["tree"])
    assert tree["ratings"]["item_table"]["kinds"] == {"size": "values"}
    tree["ratings"]["item_table"]["kinds"]["size"] = kind
    arrays, twin = pack(tree)
    write_file(path, "model", arrays, {**content, "tree": twin})
    with pytest.raises(ModelFileError, match=message):
        load_model(path)


@pytest.mark.parametrize("damage", ["ends fall", "ends are too few", "no texts", "no array", "no UTF-8"])
def test_damaged_lists_are_refused(damage: str, tmp_path: Path) -> None:
    """Texts and their ends that do not fit each other are named, whatever the checksums say."""
    path = Bias().fit(three(["aa", "bü", "cc"])).save(tmp_path / "m")
    arrays, content = read_file(path, "model")
    tree = unpack(arrays, content["tree"])
    ids = tree["ratings"]["user_ids"]
    if damage == "ends fall":
        ids["ends"] = ids["ends"].flip(0)
    elif damage == "ends are too few":
        ids["ends"] = ids["ends"][:-1]
    elif damage == "no texts":
        del ids["texts"]
    elif damage == "no array":
        ids["texts"] = "aabbcc"
    else:
        ids["ends"][1] = 4
    arrays, twin = pack(tree)
    write_file(path, "model", arrays, {**content, "tree": twin})
    with pytest.raises(ModelFileError, match="the users' ids"):
        load_model(path)


def test_numpys_numbers_as_hyper_parameters(tmp_path: Path) -> None:
    """A model made with NumPy's integers and floats (from a grid) is saved, and loaded with plain ones."""
    model = Bias(sweeps=np.int64(3), user_l2=np.float32(2.5)).fit(three([1, 2, 3]))
    assert load_model(model.save(tmp_path / "m")).get_params() == {"user_l2": 2.5, "item_l2": 3.0, "sweeps": 3}


@each
def test_whole_numbers_as_hyper_parameters(name: str, tmp_path: Path) -> None:
    """A model whose float settings are all given as integers (`l2=300`) is saved, and loaded with the same answers."""
    model = brief(name, 1)
    model.set_params(**{p.name: whole(p, getattr(model, p.name)) for p in declared(type(model)) if takes_float(p)})
    if name == "recency":
        model.set_params(base={"model": "ease", "l2": 100})
    if name == "ranking-blend":
        model.set_params(members=({"model": "recency", "base": {"model": "ease", "l2": 100}, "power": 1}, "item-knn"))
    model.fit(ratings())
    loaded = load_model(model.save(tmp_path / "m"))
    pd.testing.assert_frame_equal(loaded.recommend(USERS, n=4), model.recommend(USERS, n=4))


def takes_float(param: Param) -> bool:
    """Whether a hyper-parameter may be any number (of those that lie above 0 and below 1, none is whole)."""
    return (param.type is float or float in get_args(param.type)) and param.name not in ("lr", "holdout", "test")


def whole(param: Param, value: Any) -> Any:
    """The integer nearest to `value`, within what the hyper-parameter allows; 1 where it is open."""
    low, high = math.ceil(param.low or 0), math.floor(2**62 if param.high is None else param.high)
    return max(low, min(high, round(value) if isinstance(value, Real) else 1))


def test_files_that_hold_a_setting_as_an_integer_are_read(tmp_path: Path) -> None:
    """Versions before wrote `l2=300` as an integer, and such a file gives the answers of the model."""
    model = EASE(l2=300).fit(three([1, 2, 3]))
    path = model.save(tmp_path / "m")
    arrays, content = read_file(path, "model")
    write_file(path, "model", {**arrays, "l2": np.array(300)}, content)
    loaded = load_model(path)
    assert (loaded.l2_, type(loaded.l2_)) == (300.0, float)
    pd.testing.assert_frame_equal(loaded.recommend([1, 2, 3]), model.recommend([1, 2, 3]))


def test_a_model_of_a_later_version(tmp_path: Path) -> None:
    """A class that this version does not know asks for an upgrade."""
    path = Bias().fit(three([1, 2, 3])).save(tmp_path / "m")
    arrays, content = read_file(path, "model")
    write_file(path, "model", arrays, {**content, "class": "Oracle"})
    with pytest.raises(ModelFileError, match=r"holds the class Oracle.*upgrade recae"):
        load_model(path)


@pytest.mark.parametrize("damage", ["cut", "flipped", "foreign", "missing"])
def test_damaged_model_files(damage: str, tmp_path: Path) -> None:
    """Cut short, changed, somebody else's, not there: ModelFileError that names the file."""
    path = Bias().fit(three([1, 2, 3])).save(tmp_path / "m")
    data = bytearray(path.read_bytes())
    if damage == "missing":
        path.unlink()
    else:
        data[-1] ^= 1
        path.write_bytes({"cut": bytes(data[:-9]), "flipped": bytes(data), "foreign": b"user,item"}[damage])
    with pytest.raises(ModelFileError, match=str(path)):
        load_model(path)


def test_a_deep_model_that_computes_elsewhere(tmp_path: Path) -> None:
    """Layers, output head and scale come back; the device can be chosen anew, and only where there is one."""
    data = three([1, 2, 3])
    model = AutoRec(hidden=(4, 2, 4), output="sigmoid", epochs=1, device="cpu").fit(data)
    path = model.save(tmp_path / "m")
    loaded = load_model(path, device="auto")
    assert loaded.get_params() == {**model.get_params(), "device": "auto"}
    np.testing.assert_allclose(loaded.predict([1, 2], [2, 3]), model.predict([1, 2], [2, 3]), rtol=1e-5)
    with pytest.raises(ParameterError, match="device"):
        load_model(path, device="abacus")


def test_a_file_is_read_in_another_process(tmp_path: Path) -> None:
    """A fresh interpreter loads the file and recommends, without the data that the model was fitted on."""
    model = fitted("u-autorec")
    path = model.save(tmp_path / "m.recae")
    code = "import sys, recae; print(*recae.load_model(sys.argv[1]).recommend(sys.argv[2], n=3)['item'], sep='|')"
    done = subprocess.run(
        [sys.executable, "-X", "utf8", "-c", code, str(path), USERS[5]],
        capture_output=True, text=True, encoding="utf-8", check=True,
    )  # fmt: skip
    assert done.stdout.strip().split("|") == model.recommend(USERS[5], n=3)["item"].tolist()


def written_as_before(model: Any, path: Path) -> Path:
    """The file of a fitted model as recae 0.1.0 wrote it: neither a unit nor a weight against the biases."""
    arrays = {name: array for name, array in model._saved_arrays().items()
              if name.rpartition("/")[2] not in ("unit", "model_weight")}  # fmt: skip
    about = {"saved": "2025-01-01T00:00:00", "chosen": {}}
    return files.write_model(path, type(model).__name__, model._saved_params(), model.ratings_, arrays, about)


BEFORE: dict[str, dict[str, Any]] = {
    "biased-mf": {"prior": 0.0, "factors": 3}, "cfn": {"by": "user", "hidden": 4, "epochs": 1, "input": "centred"},
    "u-autorec": {"hidden": 4, "epochs": 1, "input": "centred", "device": "cpu"}, "bias": {},
    "blend": {"members": ("bias", {"model": "biased-mf", "prior": 0.0})},
    "dated": {"base": {"model": "biased-mf", "prior": 0.0}},
}  # fmt: skip


@pytest.mark.parametrize("name", BEFORE)
def test_a_file_of_before_keeps_its_meaning_when_it_is_saved_again(name: str, tmp_path: Path) -> None:
    """Loaded and saved, also twice and without the ratings, it answers as the first file does, for the cold, too; a
    fit of what was loaded forgets that meaning."""
    data = fitted("bias").ratings_
    model = MODELS[name].make(**BEFORE[name]).fit(data)
    old = load_model(written_as_before(model, tmp_path / "old"))
    again = load_model(load_model(old.save(tmp_path / "again")).save(tmp_path / "twice"))
    users, items = np.divmod(np.arange(data.n_users * data.n_items), data.n_items)
    np.testing.assert_array_equal(again.predict_pairs(users, items), old.predict_pairs(users, items))
    expected = old.predict_pairs_new(data.user_rows, users, items)
    np.testing.assert_array_equal(again.predict_pairs_new(data.user_rows, users, items), expected)
    assert again.get_params() == old.get_params()
    if old._reads_only_rows():
        lean = load_model(load_model(old.save(tmp_path / "lean", ratings=False)).save(tmp_path / "leaner"))
        found = lean.predict_pairs_new(data.user_rows, users, items)
        np.testing.assert_allclose(found, expected, atol=1e-6)
    anew, fresh = old.fit(data), old.clone().fit(data)
    np.testing.assert_array_equal(anew.predict_pairs(users, items), fresh.predict_pairs(users, items))
    last = load_model(anew.save(tmp_path / "anew"))
    np.testing.assert_array_equal(last.predict_pairs(users, items), fresh.predict_pairs(users, items))
