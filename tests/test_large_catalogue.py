"""The generated catalogue of `benchmarks.large_catalogue`, and Spectral on a small one of its kind."""

from __future__ import annotations

from typing import Any

import click
import numpy as np
import pytest

from benchmarks.scale import large_catalogue
from benchmarks.scale.large_catalogue import CHUNK, KINDS, generate, size_of, user_kinds
from recae.models import Spectral


def test_purchases_are_of_a_users_kinds_and_occur_once() -> None:
    """Each user has about a hundred items, in order, all of five kinds at most; the first of a kind are bought most."""
    ratings = generate(20_000, 60_000)
    rows = ratings.user_rows
    assert ratings.shape == (600, 20_000)
    assert 0.95 < ratings.n_ratings / 60_000 < 1.05
    kinds = user_kinds(np.arange(600), 20)
    assert kinds.shape == (600, KINDS)
    for user in (0, 299, 599):
        items = rows.indices[rows.indptr[user] : rows.indptr[user + 1]]
        assert (np.diff(items) > 0).all()
        assert set(items // 1000) <= set(kinds[user])
    counts = np.bincount(rows.indices % 1000, minlength=1000)
    assert counts[:100].sum() > 5 * counts[-100:].sum()
    assert len(np.unique(kinds)) == 20


def test_chunks_of_users_are_those_of_the_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    """The rows of a chunk begin where the one before ends, and more users leave the first ones as they are."""
    monkeypatch.setattr(large_catalogue, "CHUNK", 100)
    whole, less = generate(10_000, 30_000), generate(10_000, 20_000)
    assert whole.n_users == 300
    assert CHUNK > 100
    assert (whole.user_rows[:200] != less.user_rows).nnz == 0
    assert (np.diff(whole.user_rows.indptr) > 50).all()


def test_lists_of_a_generated_catalogue_are_of_a_users_kinds() -> None:
    """What the benchmark reports is right on a small catalogue: nearly all that is listed, far above chance."""
    found: dict[str, Any] = large_catalogue.learn(20_000, 60_000, strength=0.45, post=0.45, popularity=0.0)
    assert found["by_chance"] == 0.25
    assert found["own_kinds"] > 0.75
    assert found["fit"]["peak_mb"] >= found["generate"]["peak_mb"] > 0


def test_r_is_weighed_part_by_part(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many ratings are weighed at once, R is X over powers of its counts; the ratings stay what they are."""
    ratings = generate(5_000, 20_000)
    before, model = ratings.user_rows.data.copy(), Spectral(user_power=0.25, prior=5.0)
    monkeypatch.setattr("recae.models.linear.spectral.PART", 777)
    found = model._weighed(ratings)
    counts_user, counts_item = ratings.counts("user"), ratings.counts("item")
    entry = ratings.user_rows.tocoo()
    wanted = counts_user[entry.row] ** -0.25 / np.sqrt(counts_item[entry.col] + 5.0)
    np.testing.assert_allclose(found.data, wanted, rtol=1e-5)
    found.data[:] = 0
    np.testing.assert_array_equal(ratings.user_rows.data, before)


def test_a_size_that_is_none_is_refused() -> None:
    """ITEMS:PAIRS, and no fewer than the generator needs."""
    assert size_of("100000:2000000") == (100_000, 2_000_000)
    for wrong in ("100000", "a:b", "10:1000", "100000:1"):
        with pytest.raises(click.BadParameter):
            size_of(wrong)
