"""Users and items that only their tables know: `recae.load(..., unrated=True)` and `--unrated`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from cli_helpers import done, inline, parsed, process

import recae
from recae.errors import DataError, ParameterError
from recae.models import CFN, EASE, Bias

PRODUCTS = pd.DataFrame({"item": np.arange(48), "kind": np.where(np.arange(48) % 2, "tea", "coffee")})
CUSTOMERS = pd.DataFrame({"user": np.arange(95), "town": np.where(np.arange(95) % 2, "Oslo", "Turin")})


def sold() -> pd.DataFrame:
    """90 customers and 40 products of two kinds, one's own kind liked: 4 or 5, and 1 or 2 for the other."""
    rng = np.random.default_rng(0)
    u, i = np.nonzero(rng.random((90, 40)) < 0.4)
    return pd.DataFrame(
        {"user": u, "item": i, "rating": np.where(u % 2 == i % 2, 4.0, 1.0) + rng.integers(0, 2, len(u))}
    )


def quick() -> Any:
    return CFN(hidden=8, epochs=2, device="cpu")


def test_they_come_after_those_with_ratings() -> None:
    """Ratings are the same; ids that only the tables have are last, in their order; without it they are unknown."""
    plain = recae.load(sold(), items=PRODUCTS, users=CUSTOMERS)
    found = recae.load(sold(), items=PRODUCTS, users=CUSTOMERS, unrated=True)
    assert plain.shape == (90, 40)
    assert found.shape == (95, 48)
    np.testing.assert_array_equal(found.item_ids[:40], plain.item_ids)
    np.testing.assert_array_equal(found.item_ids[40:], np.arange(40, 48))
    np.testing.assert_array_equal(found.user_ids[90:], np.arange(90, 95))
    pd.testing.assert_frame_equal(found.to_frame(), plain.to_frame())
    assert (found.counts("item")[40:] == 0).all()
    assert found.rows("item").shape == (48, 95)


def test_ids_with_ratings_alone_change_nothing() -> None:
    """A table that knows no others gives the ratings back."""
    assert recae.load(sold(), items=PRODUCTS[:40], unrated=True).shape == (90, 40)
    assert recae.load(sold(), items=PRODUCTS[:7], unrated=True).shape == (90, 40)


def test_without_tables_there_is_nothing_to_know() -> None:
    """It is refused, with what to give."""
    with pytest.raises(ParameterError, match=r"unrated=True.*no table of users or items.*items="):
        recae.load(sold(), unrated=True)


def test_ids_of_two_kinds_are_refused() -> None:
    """Numbers in the ratings and names in the table are others."""
    with pytest.raises(DataError, match="item ids are numbers in the ratings and texts in the table of items"):
        recae.load(sold(), items=PRODUCTS.assign(item=[f"p{i}" for i in range(48)]), unrated=True)


def test_new_products_and_customers_are_answered_for_by_their_features(tmp_path: Path) -> None:
    """Of their kind, more than a star apart; as by the biases where nothing reads features. A file keeps them."""
    ratings = recae.load(sold(), items=PRODUCTS, users=CUSTOMERS, unrated=True)
    model = quick().fit(ratings)
    users, items = np.arange(95).repeat(48), np.tile(np.arange(48), 95)
    said = model.predict(users, items)
    own = users % 2 == items % 2
    for part in ((users < 90) & (items >= 40), (users >= 90) & (items < 40), (users >= 90) & (items >= 40)):
        assert said[part & own].mean() > said[part & ~own].mean() + 1
    again = recae.load_model(model.save(tmp_path / "m.recae"))
    np.testing.assert_array_equal(again.predict(users, items), said)
    blind = Bias().fit(ratings).predict(users, items)
    fresh = (users < 90) & (items >= 40)
    assert abs(blind[fresh & own].mean() - blind[fresh & ~own].mean()) < 0.3


def test_lists_among_new_products_are_of_ones_own_kind() -> None:
    """`candidates` asks which of the new ones are for whom; a new customer's list is of the town's kind."""
    model = quick().fit(recae.load(sold(), items=PRODUCTS, users=CUSTOMERS, unrated=True))
    lists = model.recommend(list(range(95)), n=4, candidates=range(40, 48))
    assert (lists["user"] % 2 == lists["item"] % 2).mean() > 0.95
    lists = model.recommend([90, 91, 92], n=10)
    assert (lists["user"] % 2 == lists["item"] % 2).all()


def test_a_ranker_is_not_disturbed() -> None:
    """EASE lists what it lists without the new products."""
    plain = EASE(l2=10.0).fit(recae.load(sold(), items=PRODUCTS))
    more = EASE(l2=10.0).fit(recae.load(sold(), items=PRODUCTS, unrated=True))
    pd.testing.assert_frame_equal(plain.recommend(range(90), n=5), more.recommend(range(90), n=5), rtol=1e-3)


def test_on_the_command_line(tmp_path: Path) -> None:
    """Train with --unrated, list new products among candidates; without tables it is refused."""
    sold().to_csv(tmp_path / "sold.csv", index=False)
    PRODUCTS.to_csv(tmp_path / "products.csv", index=False)
    (tmp_path / "new.txt").write_text("".join(f"{i}\n" for i in range(40, 48)))
    given = ("sold.csv", "--items", "products.csv", "--unrated", "--model", "cfn", "--hidden", 8, "--epochs", 2)
    run = process("train", *given, "--test", 0, "--out", "m.recae", cwd=tmp_path)
    assert run.returncode == 0, run.stderr
    listed = parsed("recommend", tmp_path / "m.recae", "--user", 1, "-n", 4, "--candidates", tmp_path / "new.txt")
    assert {int(row["item"]) % 2 for row in listed[:3]} == {1}
    refused = inline("train", tmp_path / "sold.csv", "--unrated", "--model", "bias")
    assert refused.exit_code != 0
    assert "--unrated" in refused.stderr
    assert "--items" in refused.stderr
    info = done(inline("data", "info", tmp_path / "sold.csv", "--items", tmp_path / "products.csv", "--unrated"))
    assert "48" in info


@pytest.mark.data
def test_all_films_of_movielens_are_known() -> None:
    """movies.dat has 3,883 films, of which 3,706 have a rating."""
    found = recae.load("ml-1m", unrated=True, download=False)
    assert found.n_items == 3883
    assert (found.counts("item") > 0).sum() == 3706
