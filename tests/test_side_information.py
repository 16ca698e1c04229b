"""Side information: tables as numbers, networks told of features, users and items without a single rating."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import torch
from scipy import special

from recae.errors import DataError, ParameterError
from recae.models import CFN, Bias, Recommender, WideDeep, load_model
from recae.models.autorec.feature_tables import encode_table
from recae.models.autorec.rating_network import Given, rating_loss
from recae.models.autorec.side_network import SideNetwork
from recae.models.autorec.side_rows import SideRows
from recae.ratings import RatingMatrix
from recae.sparse import SparseRows
from recae.splitting import Split, split
from recae.training import Batch

By = Literal["item", "user"]
both = pytest.mark.parametrize("by", ["item", "user"])
each = pytest.mark.parametrize("kind", [CFN, WideDeep])


# ---------------------------------------------------------------- tables


def test_a_table_is_encoded_column_by_column() -> None:
    """Numbers standardised, texts one-hot, genres and lists multi-hot, rare values left out, all less their mean."""
    table = pd.DataFrame(
        {"age": [20.0, 40.0, np.nan, 30.0], "sex": ["F", "M", "F", None], "genres": ["A|B", "A", "", "B|C"],
         "tags": [["x"], ["x", "y"], [], ["y"]], "title": ["p", "q", "r", "s"], "same": 1},
        index=[1, 2, 3, 4],
    )  # fmt: skip
    matrix, names = encode_table(table, np.array([4, 1, 2, 3, 9]), common=2)
    assert names == ["age", "sex=F", "genres=A", "genres=B", "tags=x", "tags=y"]
    assert matrix.dtype == np.float32
    at = dict(zip(names, matrix.T))
    np.testing.assert_allclose(at["age"], np.array([0, -10, 10, 0, 0]) / np.sqrt(200 / 3), rtol=1e-6)
    np.testing.assert_allclose(at["sex=F"], [0, 1 / 3, -2 / 3, 1 / 3, 0], rtol=1e-6)
    np.testing.assert_allclose(at["genres=B"], [0.5, 0.5, -0.5, -0.5, 0])
    np.testing.assert_allclose(at["tags=y"], [0.5, -0.5, 0.5, -0.5, 0])


@pytest.mark.parametrize("table", [None, pd.DataFrame(index=[1, 2]), pd.DataFrame({"title": ["a", "b"]}, index=[1, 2])])
def test_a_table_that_says_nothing_has_no_columns(table: Any) -> None:
    """No table, one without columns, one of titles: (n, 0)."""
    matrix, names = encode_table(table, np.array([1, 2]))
    assert matrix.shape == (2, 0)
    assert names == []


@pytest.mark.parametrize("high", [1e-200, 5e-324, 1e308])
def test_numbers_without_a_deviation_say_nothing(high: float) -> None:
    """Numbers so small, or so large, that the square of their deviation is no double: no column, and never NaN."""
    table = pd.DataFrame({"p": [high, -high] * 10, "age": range(20)})
    features = encode_table(table, np.arange(20))
    assert features.names == ["age"]
    assert np.isfinite(features.matrix).all()


# ---------------------------------------------------------------- types of columns, and files


def entries(*four: Any) -> pd.Series:
    """Objects: the four again and again, 50 in all."""
    column = pd.Series(index=range(50), dtype=object)
    column[:] = pd.Series([four[place % 4] for place in range(50)], dtype=object)
    return column


QUARTERS = entries(0, 1, 2, 3)
HOLES = entries(3, None, 11, 20)
DAYS = pd.Series(pd.to_datetime("2020-01-01") + pd.to_timedelta(QUARTERS.astype(int), "D"))
COLUMNS: dict[str, Any] = {  # 50 entries each, of four kinds
    "category of integers": QUARTERS.astype("category"), "with missing ones": HOLES.astype("category"),
    "of few and many": pd.Series(np.where(np.arange(50) % 3 == 0, 7, np.arange(50) + 1000)).astype("category"),
    "of numbers": pd.Series(QUARTERS.astype("float32") / 10).astype("category"), "of days": DAYS.astype("category"),
    "of texts": entries("a", "b", None, "d").astype("category"), "of truths": (QUARTERS > 1).astype("category"),
    "in order": entries("low", "mid", "top", "mid").astype(pd.CategoricalDtype(["low", "mid", "top", "over"], True)),
    "objects, integers": QUARTERS, "objects, integers and None": HOLES, "objects, numbers": entries(0.0, 1.0, 2.0, 3.0),
    "objects, mixed": entries("a", 1, None, 2.5), "objects, truths": entries(True, False, None, True),
    "objects, None": entries(None, None, None, None), "objects, large": entries(2**70, 2**70 + 1, 5, 6),
    "lists": entries(["a"], ["a", "b"], [], None), "lists of integers": entries([1], [1, 2], [], None),
    "tuples": entries(("a", 1), ("b", 2), None, ("a",)), "bool": QUARTERS > 1,
    "float32": QUARTERS.astype("float32") / 7,
    "infinite": QUARTERS.astype(float).replace(3, np.inf), "uint64": QUARTERS.astype("uint64") + 2**63,
    "Int64": HOLES.astype("Int64"), "boolean": entries(True, False, None, True).astype("boolean"),
    "string": entries("a", "b", None, "c").astype("string"), "sparse": pd.arrays.SparseArray(QUARTERS.astype(int)),
    "datetime": DAYS, "with a zone": DAYS.dt.tz_localize("Europe/Berlin"), "days": DAYS.dt.date,
    "Arrow, integers": HOLES.astype("Int64").astype("int64[pyarrow]"),
    "Arrow, truths": entries(True, False, None, True).astype("bool[pyarrow]"),
    "Arrow, texts": entries("a", "b", None, "c").astype("string[pyarrow]"),
    "Arrow, moments": DAYS.astype("timestamp[ns][pyarrow]"), "Arrow, days": DAYS.astype("date32[pyarrow]"),
    "Arrow, dictionary": HOLES.astype("Int64").astype(pd.ArrowDtype(pa.dictionary(pa.int32(), pa.int64()))),
}  # fmt: skip
each_column = pytest.mark.parametrize("column", COLUMNS.values(), ids=COLUMNS)


def of_type(column: Any) -> RatingMatrix:
    """`kinds` with these entries in the table of items, beside numbers."""
    table = pd.DataFrame({"item": np.arange(50), "b": np.arange(50) % 5, "a": column})
    return kinds().with_rows(kinds().user_rows, item_table=table.set_index("item"))


@each_column
def test_columns_of_any_type_are_read_alike_before_and_after_saving(column: Any, tmp_path: Path) -> None:
    """A model answers to the bit as before it was saved, whatever type a column of its table had."""
    model = quick(CFN, "user", epochs=2, hidden=3).fit(of_type(column), progress=False)
    loaded: Any = load_model(model.save(tmp_path / "m"))
    np.testing.assert_array_equal(loaded._side_features["item"], model._side_features["item"])
    users, items = np.repeat(np.arange(90), 50), np.tile(np.arange(50), 90)
    np.testing.assert_array_equal(loaded.predict(users, items), model.predict(users, items))


@each_column
def test_columns_of_any_type_are_read_alike_from_a_saved_split(column: Any, tmp_path: Path) -> None:
    """What a model reads of a table is the same in a split and in the file of it."""
    whole = split(of_type(column), "random", test=0.1, rng=0)
    again = Split.load(whole.save(tmp_path / "s")).train
    ours, theirs = (encode_table(part.item_table, part.item_ids, bends=True) for part in (again, whole.train))
    assert ours.names == theirs.names
    np.testing.assert_array_equal(ours.matrix, theirs.matrix)


def test_categories_stay_categories(tmp_path: Path) -> None:
    """Categories that are integers come back as integers, in their order, with those that no item has."""
    sizes = pd.Series([30, 10, None, 20] * 12 + [10, 10]).astype(pd.CategoricalDtype([30, 20, 10, 5], ordered=True))
    loaded = load_model(Bias().fit(of_type(sizes)).save(tmp_path / "m")).ratings_.item_table
    assert loaded is not None
    assert loaded["a"].dtype == sizes.dtype
    assert loaded["a"].cat.codes.tolist() == sizes.cat.codes.tolist()


@pytest.mark.parametrize("column", [DAYS - DAYS[0], pd.cut(QUARTERS.astype(int), 2)], ids=["timedelta", "intervals"])
def test_columns_that_no_file_holds_are_refused(column: Any, tmp_path: Path) -> None:
    """Spans and intervals, also as categories, are named by `fit` and by `Split.save`."""
    with pytest.raises(DataError, match="item table, column 'a'"):
        Bias().fit(of_type(column))
    with pytest.raises(DataError, match="numbers and texts"):
        split(of_type(column), "random", test=0.1, rng=0).save(tmp_path / "s")


# ---------------------------------------------------------------- the network


def test_the_network_is_the_documented_one() -> None:
    """In NumPy: x beside each layer and the last, columns' features in the output units, weights by what was shown."""
    rng, (n, f, c, rows) = np.random.default_rng(0), (6, 2, 3, 4)
    columns = rng.normal(size=(n, c))
    torch.manual_seed(0)
    net = SideNetwork(
        n, (5, 4), columns=torch.tensor(columns), counts=torch.ones(n), n_features=f, n_rows=rows,
        vector=1, shown_weight=0.5, hidden_weight=2.0, activation="sigmoid", output="identity", scale=(1, 5),
    ).double()  # fmt: skip
    with torch.no_grad():
        for p in net.parameters():
            p += 0.3 * torch.from_numpy(rng.normal(size=tuple(p.shape)))
    r = rng.integers(1, 6, (rows, n)) * (rng.random((rows, n)) < 0.6)
    features = rng.normal(size=(rows, f))
    side = SideRows(
        SparseRows.from_scipy(r, dtype=torch.float64), torch.tensor(features), torch.tensor([0, 1, -1, 3])
    )  # fmt: skip
    p = {name: value.detach().numpy() for name, value in net.named_parameters()}
    vectors = p["vectors.weight"]
    x = np.hstack([features, np.stack([vectors[0], vectors[1], vectors.mean(0), vectors[3]])])
    h = special.expit(r @ p["core.encoder.layers.0.weight"] + x @ p["side.0.weight"] + p["core.encoder.layers.0.bias"])
    h = special.expit(
        h @ p["core.decoder.layers.0.weight"].T + x @ p["side.1.weight"] + p["core.decoder.layers.0.bias"]
    )
    last = "core.decoder.layers.1"
    unit = np.hstack([p[f"{last}.weight"], p["wide.weight"]]) + columns @ p["unit.weight"]
    out = np.hstack([h, x]) @ unit.T + p[f"{last}.bias"] + (columns @ p["shift.weight"])[:, 0]
    np.testing.assert_allclose(net.full(side).detach().numpy(), out, rtol=1e-8)
    shown = torch.from_numpy(rng.random(int((r != 0).sum())) < 0.5)
    weight = net.entry_weights(shown)
    assert weight is not None
    np.testing.assert_array_equal(weight.numpy(), np.where(shown, 0.5, 2.0))
    net.core.noise.given = lambda rows: Given(rows, shown, None)
    error = (out - r)[r != 0]
    expected = (weight.numpy() * error**2).sum() / rows
    assert rating_loss(net, Batch(side, side)).item() == pytest.approx(expected, rel=1e-8)


def test_whole_rows_are_hidden_in_training_only() -> None:
    """With hide_rows, that share of rows shows nothing; in evaluation every rating is shown."""
    from recae.models.autorec.rating_network import RowNoise

    torch.manual_seed(0)
    rows = SparseRows.from_scipy(np.ones((2000, 3)))
    noise = RowNoise(0.0, whole=0.25)
    shown = noise.given(rows).shown
    assert shown is not None
    by_row = shown.reshape(2000, 3).float().mean(1)
    assert set(by_row.tolist()) == {0.0, 1.0}
    assert float(by_row.mean()) == pytest.approx(0.75, abs=0.04)
    assert noise.eval().given(rows).shown is None


# ---------------------------------------------------------------- cold users and items


def kinds(seed: int = 0) -> RatingMatrix:
    """Users and films of two kinds, told only by the tables: one's own kind gets 5 or 4 stars, the other 2 or 1."""
    rng = np.random.default_rng(seed)
    u, i = np.nonzero(rng.random((90, 50)) < 0.4)
    r = np.where(u % 2 == i % 2, 4.0, 1.0) + rng.integers(0, 2, len(u))
    users = pd.DataFrame({"user": np.arange(90), "job": np.where(np.arange(90) % 2, "cook", "pilot"), "age": 30.0})
    items = pd.DataFrame({"item": np.arange(50), "genres": np.where(np.arange(50) % 2, "Drama", "Crime|War")})
    return RatingMatrix.from_columns(u, i, r, scale=(1.0, 5.0), user_table=users, item_table=items)


def quick(kind: type[Recommender], by: By, **more: Any) -> Any:
    settings = {
        "hidden": 8,
        "epochs": 60,
        "lr": 0.02,
        "l2": 1.0,
        "batch_size": 16,
        "side_l2": 0.1,
        "column_l2": 0.1,
        "device": "cpu",
    }
    return kind(by=by, **{**settings, "hide_rows": 0.2, **more})


@each
@both
@pytest.mark.parametrize("output", ["identity", "ordinal"])
def test_users_and_items_without_ratings_are_served_from_their_features(kind: Any, by: By, output: str) -> None:
    """Ten users and eight films are hidden: cold users, cold films, and pairs of both are foretold within a star."""
    data = kinds()
    users, items, r = data.pairs()
    cold_user, cold_item = users < 10, items < 8
    train = data.select(~cold_user & ~cold_item)
    model = quick(kind, by, output=output).fit(train)
    for asked in (cold_user & ~cold_item, ~cold_user & cold_item, cold_user & cold_item):
        error = model.predict_pairs(users[asked], items[asked]) - r[asked]
        assert float(np.sqrt(np.mean(error**2))) < 1.0
    blind = Bias().fit(train).predict_pairs(users[cold_user], items[cold_user]) - r[cold_user]
    assert float(np.sqrt(np.mean(blind**2))) > 1.4


@both
def test_who_has_no_features_either_gets_the_simple_answer(by: By) -> None:
    """Cold, and no row in the table: as of the biases; as is everybody cold when tables are not to be read."""
    data = kinds()
    users, _, _ = data.pairs()
    train = data.select((users != 3) & (users != 4))
    assert train.user_table is not None
    train = train.with_rows(train.user_rows, user_table=train.user_table.drop(index=3))
    model, plain = quick(CFN, by).fit(train), quick(CFN, by, features="none", epochs=1).fit(train)
    bias = Bias().fit(train)
    some = np.arange(50)
    expected = bias.predict_pairs(np.full(50, 3), some)
    np.testing.assert_allclose(model.predict_pairs(np.full(50, 3), some), expected, atol=1e-5)
    assert np.abs(model.predict_pairs(np.full(50, 4), some) - expected).max() > 0.5
    np.testing.assert_allclose(plain.predict_pairs(np.full(50, 4), some), expected, atol=1e-5)


@each
@both
def test_a_saved_model_reads_its_tables_again(kind: Any, by: By, tmp_path: Any) -> None:
    """Cold pairs included, a loaded model predicts the same: its tables are in the file."""
    data = kinds().select(kinds().pairs()[0] != 3)
    model = quick(kind, by, epochs=3).fit(data)
    loaded = load_model(model.save(tmp_path / "m"))
    users, items = np.arange(90), np.arange(90) % 50
    np.testing.assert_array_equal(loaded.predict_pairs(users, items), model.predict_pairs(users, items))


@both
def test_wide_and_deep_learns_a_vector_for_each_row(by: By) -> None:
    """As many vectors as rows, as wide as asked for and not 0; without them and without features it still learns."""
    data = kinds()
    model = quick(WideDeep, by, vector=3, vector_l2=0.1).fit(data)
    assert tuple(model.network_.vectors.weight.shape) == (data.rows(by).shape[0], 3)
    assert float(model.network_.vectors.weight.detach().abs().mean()) > 1e-3
    bare = quick(WideDeep, by, vector=0, features="none").fit(data)
    users, items, r = data.pairs()
    assert float(np.sqrt(np.mean((bare.predict_pairs(users, items) - r) ** 2))) < 0.8


def test_a_hidden_ratings_weight_is_felt() -> None:
    """alpha and beta reach the loss: doubled, both double it, and they are refused below 0."""
    data = kinds()
    losses = [quick(CFN, "item", alpha=a, beta=b, epochs=1, lr=1e-9, noise=0.5).fit(data).history_.records[0]["loss"]
              for a, b in ((1, 1), (2, 2), (2, 0), (0, 2))]  # fmt: skip
    assert losses[1] == pytest.approx(2 * losses[0], rel=1e-5)
    assert losses[2] + losses[3] == pytest.approx(losses[1], rel=1e-5)
    with pytest.raises(ParameterError, match="alpha=-1"):
        quick(CFN, "item", alpha=-1.0).fit(data)
