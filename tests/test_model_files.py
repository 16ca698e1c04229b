"""Model files: every registered model comes back as it was, with ids and tables; what cannot be is refused."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from contract import COLD_USER, FILMS, USERS, fitted, frame_of

from recae.errors import ModelFileError, ParameterError
from recae.models import MODELS, Bias, Popularity, load_model
from recae.models.autorec.autorec import AutoRec
from recae.ratings import RatingMatrix
from recae.storage import read_file, write_file

each = pytest.mark.parametrize("name", MODELS)


@each
def test_a_loaded_model_is_the_model(name: str, tmp_path: Path) -> None:
    """Saved and loaded: same class, parameters, lists, seen films, titles, predictions, and it can be saved again."""
    model = fitted(name)
    loaded = load_model(model.save(tmp_path / "m.recae"))
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


def test_what_a_file_cannot_hold_is_refused(tmp_path: Path) -> None:
    """Ids that are neither numbers nor texts (dates, say) are named, and no file is left behind."""
    data = three([pd.Timestamp(2020, 1, day) for day in (1, 2, 3)])
    with pytest.raises(ModelFileError, match="numbers, texts or tuples"):
        Bias().fit(data).save(tmp_path / "m")
    assert list(tmp_path.iterdir()) == []


def test_numpys_numbers_as_hyper_parameters(tmp_path: Path) -> None:
    """A model made with NumPy's integers and floats (from a grid) is saved, and loaded with plain ones."""
    model = Bias(sweeps=np.int64(3), user_l2=np.float32(2.5)).fit(three([1, 2, 3]))
    assert load_model(model.save(tmp_path / "m")).get_params() == {"user_l2": 2.5, "item_l2": 3.0, "sweeps": 3}


def test_a_model_of_a_later_version(tmp_path: Path) -> None:
    """A class that this version does not know asks for an upgrade."""
    path = Bias().fit(three([1, 2, 3])).save(tmp_path / "m")
    arrays, content = read_file(path, "model")
    write_file(path, "model", arrays, {**content, "class": "Oracle"})
    with pytest.raises(ModelFileError, match=r"holds a Oracle.*upgrade recae"):
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
