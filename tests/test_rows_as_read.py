"""How AutoRec reads its rows: as they are, less their level, less their columns' means, or less both."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import pytest
import torch

import recae
from recae.models import AutoRec, DualAutoRec
from recae.models.autorec.rating_network import RowNoise
from recae.ratings import RatingMatrix
from recae.recommender.biases import LEVEL_L2
from recae.sparse import SparseRows

By = Literal["item", "user"]
INPUTS = ("raw", "levelled", "centred", "residual")
every = pytest.mark.parametrize("reads", INPUTS)
both = pytest.mark.parametrize("by", ["item", "user"])


def levels_apart(users: int = 30, items: int = 22) -> RatingMatrix:
    """Ratings of 30 users for 22 items, half of them known, whose items lie up to three stars apart."""
    rng = np.random.default_rng(0)
    truth = np.linspace(1.2, 4.6, items) + 0.4 * rng.normal(size=(users, items))
    u, i = np.nonzero(rng.random(truth.shape) < 0.5)
    return RatingMatrix.from_columns(u, i, np.clip(truth[u, i], 1, 5), scale=(1.0, 5.0))


def quick(by: By, **more: Any) -> AutoRec:
    settings = {"hidden": 6, "epochs": 4, "noise": 0.0, "device": "cpu", "shrink": "never", "lr": 0.01}
    return AutoRec(by=by, **{**settings, **more})


@both
@every
def test_scores_of_all_items_pairs_and_files_agree(by: By, reads: str, tmp_path: Any) -> None:
    """However rows are read, a pair's prediction is the one in the full row of scores, of known and of new users, and
    of the model that is read back from its file."""
    data = levels_apart()
    model = quick(by, input=reads).fit(data)
    users, items = (index.ravel() for index in np.indices((data.n_users, data.n_items)))
    pairs = model.predict_pairs(users, items).reshape(data.n_users, data.n_items)
    np.testing.assert_allclose(np.clip(model.score_users(np.arange(data.n_users)), 1, 5), pairs, atol=2e-6)
    new = data.user_rows[:5]
    row, column = (index.ravel() for index in np.indices((5, data.n_items)))
    np.testing.assert_allclose(
        np.clip(model.score(new), 1, 5).ravel(), model.predict_pairs_new(new, row, column), atol=2e-6
    )
    model.save(tmp_path / "model.recae")
    again = recae.load_model(tmp_path / "model.recae")
    np.testing.assert_array_equal(again.predict_pairs(users, items), pairs.ravel())


def test_levels_need_not_be_learnt() -> None:
    """After no training to speak of, items that lie three stars apart are told apart by a levelled network alone."""
    data = levels_apart()
    users, items, truth = data.pairs()
    error = {}
    for reads in INPUTS:
        model = quick("item", input=reads, epochs=1, lr=1e-5).fit(data)
        error[reads] = float(np.sqrt(np.mean((model.predict_pairs(users, items) - truth) ** 2)))
    assert error["levelled"] < 0.6 < 0.9 < error["raw"]
    assert error["residual"] < 0.6 < 0.9 < error["centred"]


@every
def test_what_the_network_is_given_is_as_documented(reads: str) -> None:
    """Ratings [5, 2 | 4] of columns with means [3, 1, 2]: less level, means, or both, sparse and dense alike."""
    means = torch.tensor([3.0, 1.0, 2.0])
    noise = RowNoise(0.0, means, centred=reads in ("centred", "residual"), levelled=reads in ("levelled", "residual"))
    rows = SparseRows(torch.tensor([0, 2, 3]), torch.tensor([0, 1, 2], dtype=torch.int32), torch.tensor([5.0, 2, 4]), 3)
    level = torch.tensor([(2 + 1) / (2 + LEVEL_L2), 2 / (1 + LEVEL_L2)])
    values = {"raw": torch.tensor([5.0, 2, 4]), "centred": torch.tensor([2.0, 1, 2])}
    wanted = values["raw" if reads in ("raw", "levelled") else "centred"]
    if noise.levelled:
        wanted = wanted - level[torch.tensor([0, 0, 1])]
    given = noise.given(rows)
    torch.testing.assert_close(given.rows.values, wanted)
    dense, found = noise.given_dense(rows.to_dense(), rows.to_dense() != 0)
    torch.testing.assert_close(dense, given.rows.to_dense())
    assert (given.level is None) == (found is None) == (not noise.levelled)
    if found is not None:
        torch.testing.assert_close(given.level, level)
        torch.testing.assert_close(found[:, 0], level)


def test_a_file_from_before_levels_is_read_as_it_was_meant(tmp_path: Any) -> None:
    """An item-based model with input="auto" whose file holds no means reads raw rows, to the same bits."""
    data = levels_apart()
    model = quick("item", input="raw").fit(data)
    model.input = "auto"
    model.save(tmp_path / "old.recae")
    again = recae.load_model(tmp_path / "old.recae")
    assert again.get_params()["input"] == "raw"
    users, items, _ = data.pairs()
    np.testing.assert_array_equal(again.predict_pairs(users, items), model.predict_pairs(users, items))


def test_dual_autorec_reads_levels_and_old_files(tmp_path: Any) -> None:
    """Levelled and raw, a pair's prediction is the one in the row of scores, of known and of new users; a file without
    means is one of a raw model, to the same bits."""
    data = levels_apart()
    users, items = (index.ravel() for index in np.indices((data.n_users, data.n_items)))
    for reads in ("levelled", "raw"):
        model = DualAutoRec(input=reads, hidden=6, side=3, epochs=4, device="cpu", shrink="never").fit(data)
        pairs = model.predict_pairs(users, items)
        np.testing.assert_allclose(np.clip(model.score_users(np.arange(data.n_users)), 1, 5).ravel(), pairs, atol=2e-6)
        new = data.user_rows[:5]
        row, column = (index.ravel() for index in np.indices((5, data.n_items)))
        alone = model.predict_pairs_new(new, row, column)
        np.testing.assert_allclose(np.clip(model.score(new), 1, 5).ravel(), alone, atol=2e-6)
        model.input = "levelled"  # which a file from before does not know
        model.save(tmp_path / "model.recae")
        again = recae.load_model(tmp_path / "model.recae")
        assert again.get_params()["input"] == reads
        np.testing.assert_array_equal(again.predict_pairs(users, items), pairs)


@both
def test_an_output_that_is_no_rating_has_no_level_by_default(by: By) -> None:
    """With another output than the rating itself, `auto` reads rows as before, and levels are refused by name."""
    data = levels_apart()
    model = quick(by, output="sigmoid").fit(data)
    assert not model.network_.core.noise.levelled
    with pytest.raises(recae.errors.ParameterError, match="levelled"):
        quick(by, output="sigmoid", input="levelled").fit(data)
