"""Side information: tables as numbers, networks told of features, users and items without a single rating."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import pandas as pd
import pytest
import torch
from scipy import special

from recae.errors import ParameterError
from recae.models import CFN, Bias, Recommender, WideDeep, load_model
from recae.models.autorec.feature_tables import encode_table
from recae.models.autorec.rating_network import Given, rating_loss
from recae.models.autorec.side_network import SideNetwork
from recae.models.autorec.side_rows import SideRows
from recae.ratings import RatingMatrix
from recae.sparse import SparseRows
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
