"""Models taken elsewhere: graphs that ONNX Runtime runs, and vectors that an index searches."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from cli_helpers import inline

import recae
from recae.errors import ParameterError
from recae.export import export_onnx, export_vectors

onnxruntime = pytest.importorskip("onnxruntime")

MODELS: dict[str, dict[str, Any]] = {
    "ease": {"l2": 50.0}, "edlae": {"l2": 50.0}, "pca": {"factors": 5}, "elsa": {"factors": 6, "epochs": 2},
    "mult-vae": {"hidden": 8, "latent": 4, "epochs": 2}, "mult-dae": {"hidden": 7, "epochs": 2},
    "ease, log": {"l2": 50.0, "values": "log"}, "mult-dae, log": {"hidden": 7, "epochs": 2, "values": "log"},
    "rec-vae": {"hidden": 8, "latent": 4, "epochs": 1}, "cdae": {"hidden": 5, "epochs": 2},
    "u-autorec": {"hidden": 9, "epochs": 3}, "u-autorec, ordinal": {"hidden": 9, "epochs": 3, "output": "ordinal"},
}  # fmt: skip


def ratings() -> recae.RatingMatrix:
    """A third of 41 x 30 pairs, with text ids whose order is not that of the alphabet."""
    rng = np.random.default_rng(3)
    user, item = np.nonzero(rng.random((41, 30)) < 0.3)
    frame = pd.DataFrame(
        {"user": user, "item": [f"i{j * 7 % 30}" for j in item], "rating": rng.integers(1, 6, len(user))}
    )
    return recae.RatingMatrix.from_frame(frame.sample(frac=1, random_state=0), scale=(1, 5))


@pytest.mark.parametrize("name", MODELS)
def test_a_graph_gives_the_lists_of_strangers(name: str, tmp_path: Path) -> None:
    """In ONNX Runtime, rows in the order of the file's ids score as `ranking_scores_new` does, to 1e-5."""
    data = ratings()
    model = recae.make_model(name.split(",")[0], **MODELS[name]).fit(data)
    session = onnxruntime.InferenceSession(export_onnx(model, tmp_path / "m.onnx"))
    assert json.loads(session.get_modelmeta().custom_metadata_map["item_ids"]) == data.item_ids.tolist()
    stranger = pd.DataFrame({"user": "new", "item": ["i7", "i1", "i22"], "rating": [5.0, 2.0, 4.0]})
    row = np.zeros((1, 30), np.float32)
    row[0, data.item_index(stranger["item"])] = stranger["rating"]
    scores = session.run(None, {"ratings": row})[0][0]
    listed = model.recommend_new(stranger, 27)
    np.testing.assert_allclose(scores[data.item_index(listed["item"])], listed["score"], rtol=1e-5, atol=1e-5)


def test_what_is_no_function_of_a_row_is_refused(tmp_path: Path) -> None:
    """An item-based network, a neighbourhood of users, and ratings of which some are 0 have no such graph."""
    data = ratings()
    with pytest.raises(ParameterError, match="AutoRec is no function of a row alone"):
        export_onnx(recae.AutoRec(hidden=4, epochs=1).fit(data), tmp_path / "m.onnx")
    zero = recae.load(data.to_frame(), scale=(0, 5))
    with pytest.raises(ParameterError, match="0 stands for a missing one"):
        export_onnx(recae.AutoRec(by="user", hidden=4, epochs=1).fit(zero), tmp_path / "m.onnx")


def test_vectors_hold_what_similar_and_lists_are_made_of(tmp_path: Path) -> None:
    """Cosines of the items' vectors give `similar_items`; products with a user's, of vectors for lists, the list."""
    data = ratings()
    model = recae.AutoRec(hidden=6, epochs=3, shrink="never").fit(data)
    frame = pd.read_parquet(export_vectors(model, tmp_path / "items.parquet"))
    items = np.stack(frame["vector"])
    for_lists = np.load(export_vectors(model, tmp_path / "lists.npy", lists=True), allow_pickle=False)
    users = np.load(export_vectors(model, tmp_path / "users.npy", of="users", lists=True), allow_pickle=False)
    ids = json.loads((tmp_path / "users.npy.ids.json").read_text())
    assert frame["id"].tolist() == data.item_ids.tolist()
    assert ids == data.user_ids.tolist()
    listed = model.recommend(ids[4], 30, filter_seen=False)["item"].tolist()
    assert [frame["id"][i] for i in np.argsort(-(for_lists @ users[4]), kind="stable")] == listed
    unit = items / np.linalg.norm(items, axis=1, keepdims=True)
    nearest = np.argsort(-(unit @ unit[0]), kind="stable")[1]
    assert model.similar_items(frame["id"][0], 1)["similar"].tolist() == [frame["id"][nearest]]
    for wrong, of in ((recae.EASE(l2=50.0).fit(data), "users"), (recae.ItemKNN().fit(data), "items"), (model, "users")):
        with pytest.raises(ParameterError):
            export_vectors(wrong, tmp_path / "x.npy", of=of)


@pytest.mark.parametrize("other", ["a7", 2**70, (1, "b")])
def test_ids_that_are_no_column_of_parquet_are_refused(other: Any, tmp_path: Path) -> None:
    """Numbers beside texts, beyond 64 bits or in tuples: the message says that .npy holds them, and it does."""
    data = ratings()
    ids = np.empty(data.n_items, object)
    ids[:] = [*range(data.n_items - 1), other]
    model = recae.PCARecommender(factors=3).fit(data.with_rows(data.user_rows, item_ids=ids))
    with pytest.raises(ParameterError, match="npy"):
        export_vectors(model, tmp_path / "items.parquet")
    export_vectors(model, tmp_path / "items.npy")
    kept = json.loads((tmp_path / "items.npy.ids.json").read_text())[-1]
    assert kept == (list(other) if isinstance(other, tuple) else other)


@pytest.mark.parametrize("name", ["als", "bpr", "biased-mf"])
@pytest.mark.parametrize("popularity", [0.0, 0.5])
def test_factors_rank_lists_with_what_is_added(name: str, popularity: float, tmp_path: Path) -> None:
    """Products of exported users and items are each user's list; similar users are the nearest rows of the factors."""
    data = ratings()
    settings = {"factors": 5, "shrink": "never"} if name == "biased-mf" else {"factors": 5, "popularity": popularity}
    model: Any = recae.make_model(name, **settings).fit(data, progress=False)
    if popularity:
        model.prior_ = None if name == "biased-mf" else np.linspace(0, 2, data.n_items, dtype=np.float32)
    items = np.load(export_vectors(model, tmp_path / "items.npy", lists=True))
    users = np.load(export_vectors(model, tmp_path / "users.npy", of="users", lists=True))
    for user in (0, 4):
        listed = model.recommend(data.user_ids[user], 30, filter_seen=False)
        products = (items @ users[user])[data.item_index(listed["item"])]
        apart = products - listed["score"]  # nothing, or what is the same for all items of a user
        np.testing.assert_allclose(apart, apart.mean(), atol=1e-4)
        assert (np.diff(products) < 1e-4).all()
    factors = model.user_vectors()
    assert factors.shape == (data.n_users, 5)
    unit = factors / np.linalg.norm(factors, axis=1, keepdims=True)
    cosines = np.delete(unit @ unit[2], 2)
    found = model.similar_users(data.user_ids[2], 1)
    assert found["score"].tolist() == [pytest.approx(cosines.max(), abs=1e-5)]
    assert unit[data.user_index(found["similar"])[0]] @ unit[2] == pytest.approx(cosines.max(), abs=1e-5)
    if items.shape[1] > 5:
        with pytest.raises(ParameterError, match="lists"):
            export_vectors(model, tmp_path / "users.npy", of="users")


@pytest.mark.parametrize(
    ("name", "why"), [("als", "factors are solved for"), ("i-autorec", "weights are solved for"),
                      ("popularity", "same list"), ("markov", "order")],
)  # fmt: skip
def test_a_refused_graph_says_why(name: str, why: str, tmp_path: Path) -> None:
    """The message names the reason that is true of the model."""
    settings = {"epochs": 1} if name == "i-autorec" else {}
    frame = ratings().to_frame().assign(timestamp=range(ratings().n_ratings))
    model = recae.make_model(name, **settings).fit(recae.load(frame), progress=False)
    with pytest.raises(ParameterError, match=why):
        export_onnx(model, tmp_path / "m.onnx")


def test_an_index_finds_what_the_model_lists(tmp_path: Path) -> None:
    """The recipe of docs/export.md: usearch over the items' vectors lists for a user what the model lists."""
    usearch = pytest.importorskip("usearch.index")
    data = ratings()
    model = recae.AutoRec(hidden=6, epochs=3, shrink="never").fit(data)
    items = np.load(export_vectors(model, tmp_path / "items.npy", lists=True))
    users = np.load(export_vectors(model, tmp_path / "users.npy", of="users", lists=True))
    index = usearch.Index(ndim=items.shape[1], metric="ip", dtype="f32")
    index.add(np.arange(len(items)), items)
    found = index.search(users[3], 5, exact=True)
    assert data.item_ids[found.keys.astype(int)].tolist() == (
        model.recommend(data.user_ids[3], 5, filter_seen=False)["item"].tolist()
    )


def test_the_command_exports(tmp_path: Path) -> None:
    """`recae export --to onnx` and `--to vectors` write the files; a suffix that does not fit is refused."""
    model = recae.MultDAE(hidden=5, epochs=1).fit(ratings()).save(tmp_path / "m.recae")
    for to, name in (("onnx", "m.onnx"), ("vectors", "items.parquet"), ("vectors", "items.npy")):
        assert inline("export", model, "--to", to, "--out", tmp_path / name).exit_code == 0
        assert (tmp_path / name).stat().st_size > 100
    result = inline("export", model, "--to", "vectors", "--out", tmp_path / "items.csv")
    assert result.exit_code == 2
    assert ".parquet" in result.stderr
