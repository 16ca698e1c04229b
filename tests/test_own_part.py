"""Rankers that put a part of the ratings aside: epochs, settings, and lists that are drawn to popularity."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from linear_toys import ratings_of
from test_neural import StopAt
from test_ridge_choice import by_popularity, by_taste

import recae
from recae.errors import TrainingInterrupted
from recae.models import MODELS, load_model, make_model
from recae.ratings import RatingMatrix
from recae.recommender.held_out_lists import MeanOverHidings
from recae.recommender.own_part import AGAIN, ChoosesOnOwnPart, StopsByOwnPart, densest, own_part
from recae.recommender.popularity import POPULAR, DrawnToPopularity

BASES = {"epochs": StopsByOwnPart, "at once": ChoosesOnOwnPart, "any": DrawnToPopularity}
EPOCHS, AT_ONCE, DRAWN = (
    [name for name, entry in MODELS.items() if issubclass(entry.model_class, base)] for base in BASES.values()
)
QUICK: dict[str, Any] = {
    "hidden": 8, "latent": 4, "factors": 8, "epochs": 8, "lr": 0.02, "batch_size": 32, "device": "cpu", "patience": 3,
}  # fmt: skip


def quick(name: str, **more: Any) -> Any:
    known = make_model(name).get_params()
    return make_model(name, **{**{key: value for key, value in QUICK.items() if key in known}, **more})


def same(a: Any, b: Any) -> bool:
    return all(np.array_equal(x, y) for x, y in zip(a._arrays().values(), b._arrays().values(), strict=True))


def test_the_rankers_are_there() -> None:
    """The models that the tests below run over."""
    assert set(EPOCHS) == {"linear-ae", "elsa", "mult-vae", "mult-dae", "rec-vae", "cdae"}
    assert set(AT_ONCE) == {"pca", "item-knn", "slim", "spectral", "als", "bpr"}
    assert set(DRAWN) == {*EPOCHS, *AT_ONCE}


@pytest.mark.parametrize("name", EPOCHS)
def test_all_is_learnt_for_the_epochs_that_were_best(name: str) -> None:
    """The epochs are those of the best figure on the own part, and the learning rates those of all epochs."""
    ratings = by_taste(120, 40)
    rest, held_out = own_part(ratings, 0.1, 0) or pytest.fail("there is a part")
    found = quick(name).fit(rest, held_out, progress=False).history_
    model = quick(name).fit(ratings, progress=False)
    assert len(model.history_) == found.best_epoch
    whole = quick(name, own_part=0.0).fit(ratings, progress=False)
    assert len(whole.history_) >= len(model.history_)
    assert [r["lr"] for r in model.history_.records] == [r["lr"] for r in whole.history_.records[: found.best_epoch]]
    assert [r["loss"] for r in model.history_.records] == [
        r["loss"] for r in whole.history_.records[: found.best_epoch]
    ]


@pytest.mark.parametrize("name", EPOCHS)
def test_both_parts_resume_with_the_same_bits(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Stopped while the epochs are found, or afterwards, and resumed: as if nothing had happened, and no file stays."""
    ratings, path = by_taste(120, 40), tmp_path / "c"
    whole = quick(name).fit(ratings, progress=False)
    n_steps = len(whole.history_) * -(-120 // 32)
    first = quick(name).fit(*(own_part(ratings, 0.1, 0) or ()), progress=False)
    before = len(first.history_) * -(-120 // 32)
    for step in (2, before + n_steps - 1):
        with monkeypatch.context() as patch:
            StopAt(patch, step)
            with pytest.raises(TrainingInterrupted):
                quick(name).fit(ratings, checkpoint=path, progress=False)
        assert (tmp_path / "c.own").exists()
        resumed = quick(name).fit(ratings, checkpoint=path, resume=True, progress=False)
        assert same(resumed, whole)
        assert not (tmp_path / "c.own").exists()
        path.unlink()


def test_the_own_part_is_a_share_and_nobody_loses_all() -> None:
    """A tenth of the entries, of at most so many users; the rest and the part are all ratings."""
    ratings = by_taste(200, 60)
    rest, held_out = own_part(ratings, 0.1, 3) or pytest.fail("there is a part")
    assert rest.n_ratings + held_out.n_ratings == ratings.n_ratings
    assert held_out.n_ratings == pytest.approx(0.1 * ratings.n_ratings, rel=0.3)
    assert (rest.counts("user") > 0).sum() == (ratings.counts("user") > 0).sum()
    few = own_part(ratings, 0.1, 3, most_users=5)
    assert few is not None
    assert (few[1].counts("user") > 0).sum() <= 5
    assert own_part(ratings, 0.0, 3) is None
    assert own_part(ratings_of(np.eye(4)), 0.1, 0) is None
    assert own_part(by_taste(60, 30), 0.1, 0) is None  # of fewer than 50 entries


def test_choices_are_made_on_at_most_so_many_users_and_items() -> None:
    """Of 2,050 items the 2,000 most rated ones are left where so many are asked for; of few, all."""
    rng = np.random.default_rng(0)
    many = ratings_of(rng.random((30, 2050)) < rng.random(2050) ** 2)
    small = densest(many, 2000)
    assert small.shape == (30, 2000)
    assert small.n_ratings >= many.n_ratings - 50 * np.sort(many.counts("item"))[50]
    assert densest(many).shape == many.shape
    assert densest(by_taste()).shape == by_taste().shape


@pytest.mark.parametrize("name", ["als", "spectral", "item-knn", "pca"])
def test_a_settled_copy_fits_as_the_model_that_chooses(name: str) -> None:
    """`settled` gives what `fit` chooses, as settings: both fits give the same lists, and nothing is left to choose."""
    ratings = by_taste()
    model = make_model(name)
    settled = model.settled(ratings)
    assert len(settled._candidates(ratings)) == 1
    assert settled.popularity is not None
    users = np.arange(ratings.n_users)
    own, theirs = (one.fit(ratings, progress=False).ranking_scores(users) for one in (model, settled))
    np.testing.assert_allclose(own, theirs, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", DRAWN)
def test_what_is_drawn_by_popularity_is_ranked_by_popularity(name: str) -> None:
    """Where popularity is all there is, the weight is found, and lists are as good as popularity's."""
    split = recae.split(by_popularity(), "per-user", test=0.2, rng=0)
    model = quick(name).fit(split.train, progress=False)
    ours, popular = (recae.evaluate(m, split, "recall@10") for m in (model, recae.Popularity().fit(split.train)))
    assert ours["recall@10"] > popular["recall@10"] - 0.01


@pytest.mark.parametrize("name", ["item-knn", "elsa"])
def test_lists_add_the_prior_and_scores_do_not(name: str, tmp_path: Path) -> None:
    """A list's score is `score_users` plus `prior_`, in a saved model too; of weight 0 there is none."""
    ratings = by_taste()
    model = quick(name, popularity=0.5).fit(ratings, progress=False)
    assert model.prior_ is not None
    loaded = load_model(str(model.save(tmp_path / "m.recae")))
    users = np.arange(5)
    for one in (model, loaded):
        np.testing.assert_array_equal(one.ranking_scores(users), model.score_users(users) + model.prior_)
        assert one.recommend(ratings.user_ids[:5]).equals(model.recommend(ratings.user_ids[:5]))
    order, counts = np.argsort(model.prior_, kind="stable"), ratings.counts("item")
    assert (np.diff(counts[order]) >= 0).all()
    assert quick(name, popularity=0.0).fit(ratings, progress=False).prior_ is None


@pytest.mark.parametrize("name", DRAWN)
def test_play_counts_of_another_unit_give_the_same_lists(name: str) -> None:
    """Counts times 20 change no list of a model that reads entries as ones."""
    plays = by_taste(120, 40).user_rows.toarray() * np.random.default_rng(1).integers(1, 9, (120, 40))
    fitted = [quick(name).fit(ratings_of(unit * plays), progress=False) for unit in (1, 20)]
    lists = [model.recommend(model.ratings_.user_ids, n=10) for model in fitted]
    assert lists[0].equals(lists[1])


def test_the_rank_of_pca_follows_the_data() -> None:
    """Five groups with items of their own are five directions; where there is only popularity, one or its prior."""
    assert 3 <= recae.PCARecommender().fit(by_taste(), progress=False).components_.shape[1] <= 8
    model = recae.PCARecommender().fit(by_popularity(), progress=False)
    assert model.components_.shape[1] <= 2 or model.prior_ is not None


def test_the_factors_of_als_follow_the_data(tmp_path: Path) -> None:
    """Thin rows of two tastes get few factors, and a file says how many; a width that is given is kept."""
    rng = np.random.default_rng(0)
    taste = np.where((np.arange(500)[:, None] % 2) == (np.arange(150)[None] % 2), 0.12, 0.02)
    ratings = ratings_of(rng.random((500, 150)) < taste)
    model = recae.ImplicitALS().fit(ratings, progress=False)
    assert model.factors_ == 4
    assert load_model(str(model.save(tmp_path / "m.recae"))).item_vectors().shape == (150, 4)
    given = recae.ImplicitALS(factors=9).fit(ratings, progress=False)
    assert given.item_factors_.shape == (150, given.factors_) == (150, 9)


def test_means_over_hidings_are_those_of_each_user() -> None:
    """A user counts as often as entries of theirs were hidden; who never had any is left out."""
    mean = MeanOverHidings(2, 4)
    mean.add(np.array([0, 2]), np.array([[1.0, 5.0], [0.0, 3.0]]))
    mean.add(np.array([2, 3]), np.array([[7.0, 4.0], [1.0, 2.0]]))
    np.testing.assert_array_equal(mean.values(), [[1.0, 6.0, 4.0], [0.0, 2.0, 2.0]])


@pytest.mark.parametrize(("later", "drawn"), [(0.2, False), (-0.2, True)])
def test_further_hidings_decide_what_one_leaves_open(
    later: float, drawn: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A gain within two standard errors is looked at again: taken where it stays, and dropped where it does not."""
    seen: list[float] = []

    def values(model: Any, _held_out: RatingMatrix) -> Any:
        seen.append(0.02 if not seen else later)
        users = np.arange(model.ratings_.n_users)
        noise = np.where(users % 2, 0.3, -0.3)  # a standard error of 0.017
        return users, np.stack([np.full(len(users), 0.5) + seen[-1] + noise, np.full(len(users), 0.5)])

    monkeypatch.setattr(recae.ItemKNN, "_values_by_weight", values)
    monkeypatch.setattr(recae.ItemKNN, "_weights", lambda _: (0.0, POPULAR))
    model = recae.ItemKNN(k=5, shrink=1.0).fit(by_taste(), progress=False)
    assert len(seen) == 1 + AGAIN
    assert (model.prior_ is not None) == drawn


def test_a_given_setting_is_taken_as_it_is() -> None:
    """With everything said, a fit is one fit: nothing is put aside."""
    ratings: RatingMatrix = by_taste()
    model = recae.ItemKNN(k=10, shrink=0.0, popularity=0.0)
    model._trials = lambda *_: pytest.fail("nothing is to be chosen")  # type: ignore[method-assign]
    assert model.fit(ratings).prior_ is None


def test_popularity_itself_may_be_given_where_others_are_chosen() -> None:
    """The weight of popularity alone, as `chosen_` tells it, is taken while other settings are chosen."""
    model = recae.ItemKNN(popularity=POPULAR).fit(by_taste(), progress=False)
    assert model.prior_ is not None
    assert set(model.chosen_) == {"shrink"}
