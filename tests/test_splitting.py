"""Splits are disjoint, complete, seeded, and of the size that was asked for."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from property_examples import examples
from splitting_toys import random_ratings

from recae.errors import DataWarning, ParameterError
from recae.ratings import RatingMatrix
from recae.splitting import HOW, Split, k_folds, split, strong_generalisation, take_validation

KNOWN_USERS = [how for how in HOW if how != "held-out-users"]
OPTIONS: dict[str, dict[str, Any]] = {
    "k-fold": {"folds": 3, "fold": 1},
    "held-out-users": {"fold_in": 0.5, "min_ratings": 2},
}


def rows_of(*parts: RatingMatrix | None) -> list[tuple[Any, ...]]:
    """All ratings of the parts as sorted tuples of raw ids, rating and timestamp."""
    frames = [part.to_frame() for part in parts if part is not None]
    return sorted(pd.concat(frames).itertuples(index=False, name=None))


def make(ratings: RatingMatrix, how: Any, seed: int = 0, **changes: Any) -> Split:
    share = {} if how in ("k-fold", "leave-one-out") else {"test": 0.3}
    return split(ratings, how, **{**share, **OPTIONS.get(how, {}), "rng": seed, **changes})


sets = st.builds(random_ratings, st.integers(8, 20), st.integers(9, 17), st.integers(150, 300), st.integers(0, 10_000))


@settings(max_examples=examples(25), deadline=None)
@given(ratings=sets, how=st.sampled_from(KNOWN_USERS), seed=st.integers(0, 2**40), validation=st.sampled_from([0, 0.2]))
def test_disjoint_and_complete(ratings: RatingMatrix, how: Any, seed: int, validation: float) -> None:
    """Each rating, with its value and its time, is in exactly one part, and the parts share their indices."""
    made = make(ratings, how, seed, validation=validation)
    assert rows_of(*made.parts().values()) == rows_of(ratings)
    assert (made.validation is not None) == bool(validation)
    for part in made.parts().values():
        assert part.n_ratings > 0
        assert part.user_ids is ratings.user_ids
        assert part.item_ids is ratings.item_ids


@settings(max_examples=examples(25), deadline=None)
@given(ratings=sets, how=st.sampled_from(list(HOW)), seed=st.integers(0, 2**40))
@example(ratings=random_ratings(8, 16, 150, 45), how="held-out-users", seed=0)  # only validation users rated one item
def test_the_seed_decides(ratings: RatingMatrix, how: Any, seed: int) -> None:
    """One seed gives one split, as a number or as a generator, and the test part does not depend on validation.

    Of held-out users that holds for the users, and for their ratings where the train users left know the same items.
    """
    made = make(ratings, how, seed, validation=0.2)
    again = make(ratings, how, np.random.default_rng(seed), validation=0.2)
    for name, part in made.parts().items():
        assert rows_of(part) == rows_of(again.parts()[name])
    without = make(ratings, how, seed)
    assert np.array_equal(made.test.user_ids, without.test.user_ids)
    if np.array_equal(made.test.item_ids, without.test.item_ids):
        assert rows_of(made.test) == rows_of(without.test)
    else:
        assert how == "held-out-users"
        assert set(made.test.item_ids) < set(without.test.item_ids)


def test_another_seed_is_another_split() -> None:
    """Each way that draws at random draws anew for another seed."""
    ratings = random_ratings(20, 30, 400, 0, times=None)
    for how in ("random", "k-fold", "per-user", "leave-one-out", "held-out-users"):
        assert rows_of(make(ratings, how, 1).test) != rows_of(make(ratings, how, 2).test), how


@settings(max_examples=examples(25), deadline=None)
@given(ratings=sets, test=st.floats(0.05, 0.8), validation=st.floats(0.1, 0.5))
def test_sizes_of_a_random_split(ratings: RatingMatrix, test: float, validation: float) -> None:
    """The test part is that share of all ratings, the validation part that share of the train ratings."""
    made = split(ratings, "random", test=test, validation=validation, rng=0)
    n_test = int(test * ratings.n_ratings + 0.5)
    assert made.test.n_ratings == n_test
    assert made.validation is not None
    assert made.validation.n_ratings == int(validation * (ratings.n_ratings - n_test) + 0.5)


def test_autorec_protocol() -> None:
    """90/10, and 10 % of train for validation: of 1,000 ratings 100 are tested and 90 validate."""
    frame = pd.DataFrame({"user": np.arange(1000) // 10, "item": np.arange(1000) % 10, "rating": 1.0})
    made = split(RatingMatrix.from_frame(frame), validation=0.1, rng=0)
    assert [part.n_ratings for part in (made.train, made.validation, made.test) if part] == [810, 90, 100]
    assert made.settings == {"test": 0.1, "validation": 0.1, "seed": 0}
    assert repr(made) == "Split('ratings', random: train 810, validation 90, test 100 ratings)"


@settings(max_examples=examples(30), deadline=None)
@given(ratings=sets, folds=st.integers(2, 7), seed=st.integers(0, 1000))
def test_folds_cover_everything_once(ratings: RatingMatrix, folds: int, seed: int) -> None:
    """Every rating is tested in exactly one fold, sizes differ by one at most, and single folds can be asked for."""
    made = list(k_folds(ratings, folds, validation=0.2, rng=seed))
    assert rows_of(*(one.test for one in made)) == rows_of(ratings)
    sizes = [one.test.n_ratings for one in made]
    assert max(sizes) - min(sizes) <= 1
    single = split(ratings, "k-fold", folds=folds, fold=1, validation=0.2, rng=seed)
    for name, part in single.parts().items():
        assert rows_of(part) == rows_of(made[1].parts()[name])


def test_each_fold_has_its_own_validation_part() -> None:
    """Of two folds of one size, and of two seeds, other places among the ratings that are left are put aside."""
    ratings = random_ratings(9, 7, 50, 3)
    ratings = ratings.select(np.arange(ratings.n_ratings) < 40)

    def places(made: Split) -> list[int]:
        assert made.validation is not None
        known, aside = (set(zip(*part.pairs()[:2])) for part in (made.train, made.validation))
        return [place for place, pair in enumerate(sorted(known | aside)) if pair in aside]

    found = [places(one) for seed in (0, 1) for one in k_folds(ratings, 2, validation=0.3, rng=seed)]
    assert all(one != other for one, other in itertools.combinations(found, 2))


def test_as_many_folds_as_ratings_leave_one_out_each() -> None:
    """That is the most folds there can be."""
    ratings = random_ratings(3, 4, 8, 0)
    n = ratings.n_ratings
    assert [one.test.n_ratings for one in k_folds(ratings, n)] == [1] * n
    with pytest.raises(ParameterError, match="folds"):
        k_folds(ratings, n + 1)


def test_folds_agree_without_a_seed() -> None:
    """With rng=None, and with a generator, the folds of one call still partition the ratings."""
    ratings = random_ratings(9, 7, 50, 3)
    for rng in (None, np.random.default_rng(5)):
        assert rows_of(*(one.test for one in k_folds(ratings, 4, rng=rng))) == rows_of(ratings)


@settings(max_examples=examples(25), deadline=None)
@given(ratings=sets, test=st.floats(0.1, 0.99), last=st.booleans())
@example(ratings=random_ratings(8, 9, 150, 0), test=0.99, last=False)
def test_per_user_sizes(ratings: RatingMatrix, test: float, last: bool) -> None:
    """Of n ratings of a user round(test n) are hidden, never all; with last=True none shown is later than a hidden."""
    made = split(ratings, "per-user", test=test, rng=0, last=last)
    n = ratings.counts("user")
    np.testing.assert_array_equal(made.test.counts("user"), np.minimum((test * n + 0.5).astype(int), n - 1))
    if last:
        assert_hidden_are_later(made)


def assert_hidden_are_later(made: Split) -> None:
    shown = made.train.to_frame().groupby("user")["timestamp"].max()
    hidden = made.test.to_frame().groupby("user")["timestamp"].min()
    both = shown.index.intersection(hidden.index)
    assert len(both)
    assert (shown[both] <= hidden[both]).all()


@settings(max_examples=examples(25), deadline=None)
@given(ratings=sets, last=st.sampled_from([None, True, False]))
def test_leave_one_out(ratings: RatingMatrix, last: bool | None) -> None:
    """One rating of each user with two or more is hidden: the latest, unless any is asked for."""
    made = split(ratings, "leave-one-out", rng=0, last=last)
    np.testing.assert_array_equal(made.test.counts("user"), ratings.counts("user") > 1)
    if last is not False:
        assert_hidden_are_later(made)


def test_leave_one_out_by_hand() -> None:
    """The latest of three is hidden, a user with one rating stays in train, equal times are drawn at random."""
    frame = pd.DataFrame(
        {"user": list("aaabccc"), "item": [3, 1, 2, 1, 1, 2, 3], "rating": 1.0, "timestamp": [5, 9, 7, 1, 4, 4, 2]}
    )
    ratings = RatingMatrix.from_frame(frame, timestamp="timestamp")
    hidden = set()
    for seed in range(20):
        test = split(ratings, "leave-one-out", rng=seed).test.to_frame()
        assert test["user"].tolist() == ["a", "c"]
        assert test["item"][0] == 1
        hidden.add(test["item"][1])
    assert hidden == {1, 2}
    any_item = {split(ratings, "leave-one-out", rng=s, last=False).test.to_frame()["item"][0] for s in range(30)}
    assert any_item == {1, 2, 3}


@settings(max_examples=examples(25), deadline=None)
@given(ratings=sets, test=st.floats(0.05, 0.8))
def test_time_cut(ratings: RatingMatrix, test: float) -> None:
    """Every hidden rating is later than every shown one, validation lies between, and the share is reached."""
    made = split(ratings, "time", test=test, validation=0.2, rng=0)
    assert made.validation is not None
    stamps = [part.timestamps for part in (made.train, made.validation, made.test)]
    assert stamps[0].max() < stamps[1].min()
    assert stamps[1].max() < stamps[2].min()
    assert made.test.n_ratings >= int(test * ratings.n_ratings + 0.5)


def test_time_keeps_a_moment_together() -> None:
    """Three ratings of one moment go to the test part together, although a share of 1/6 asks for one."""
    frame = pd.DataFrame({"user": list("abcdef"), "item": 1, "rating": 1.0, "timestamp": [1, 2, 3, 4, 4, 4]})
    made = split(RatingMatrix.from_frame(frame, timestamp="timestamp"), "time", test=1 / 6)
    assert made.test.to_frame()["user"].tolist() == ["d", "e", "f"]


@settings(max_examples=examples(25), deadline=None)
@given(ratings=sets, fold_in=st.floats(0.3, 0.7), validation=st.sampled_from([0, 3, 0.2]), seed=st.integers(0, 99))
def test_held_out_users(ratings: RatingMatrix, fold_in: float, validation: float, seed: int) -> None:
    """Users are parted, items are those of train users, nothing but ratings for other items is lost, targets fit."""
    made = split(ratings, "held-out-users", test=4, validation=validation, rng=seed, fold_in=fold_in, min_ratings=2)
    users = [set(part.user_ids) for part in (made.train, made.test, made.validation) if part is not None]
    assert set.union(*users) == set(ratings.user_ids)
    assert sum(map(len, users)) == ratings.n_users
    assert made.test.n_users == 4
    frame = ratings.to_frame()
    vocabulary = set(frame.loc[frame["user"].isin(users[0]), "item"])
    assert set(made.train.item_ids) == vocabulary
    kept = frame[frame["item"].isin(vocabulary)]
    assert rows_of(*made.parts().values()) == sorted(kept.itertuples(index=False, name=None))
    assert made.settings["dropped_ratings"] == len(frame) - len(kept)
    for target, given_part in ((made.test, made.test_input), (made.validation, made.validation_input)):
        if target is not None:
            assert given_part is not None
            assert target.item_ids is given_part.item_ids
            assert list(target.item_ids) == list(made.train.item_ids)
            assert target.user_ids is given_part.user_ids
            n = target.counts("user") + given_part.counts("user")
            share = ((1 - fold_in) * n + 1e-9).astype(int)
            np.testing.assert_array_equal(target.counts("user"), np.where(n >= 2, share, 0))


def test_held_out_users_as_published() -> None:
    """Liang et al.: of 5, 9, 10 and 24 ratings int(0.2 n) = 1, 1, 2 and 4 are held out, of 4 none."""
    sizes = {"a": 4, "b": 5, "c": 9, "d": 10, "e": 24}
    users = [user for user, n in sizes.items() for _ in range(n)]
    frame = pd.DataFrame({"user": users, "item": [i for n in sizes.values() for i in range(n)], "rating": 1.0})
    everything = pd.DataFrame({"user": "train", "item": np.arange(30), "rating": 1.0})
    ratings = RatingMatrix.from_frame(pd.concat([frame, everything]))
    test_users = ratings.user_index(list(sizes))

    def published(shown: RatingMatrix) -> np.ndarray:
        from recae.splitting.held_out import _share

        return _share(shown, 0.8, 5, np.random.default_rng(0))

    made = strong_generalisation(ratings, test_users, np.array([], int), hold_out=published)
    assert made.test.counts("user").tolist() == [0, 1, 1, 2, 4]
    assert made.test_input is not None
    assert made.test_input.counts("user").tolist() == [4, 4, 8, 8, 20]
    assert "1 train users, 5 test users" in repr(made)


def test_held_out_users_take_any_share_of_a_user() -> None:
    """Over many seeds each of a held-out user's ratings is sometimes hidden: the draw favours no item."""
    frame = pd.DataFrame({"user": np.repeat(np.arange(6), 10), "item": np.tile(np.arange(10), 6), "rating": 1.0})
    ratings = RatingMatrix.from_frame(frame)
    hidden = np.zeros(10)
    for seed in range(200):
        hidden += split(ratings, "held-out-users", test=1, rng=seed).test.counts("item")
    assert hidden.sum() == 400
    assert hidden.min() > 15  # 40 expected, standard deviation 5.7
    assert hidden.max() < 65


def test_take_validation_by_hand() -> None:
    """A quarter of 8 train ratings becomes the validation part, each way, and both keep the indices."""
    frame = pd.DataFrame(
        {"user": np.repeat(["a", "b"], 4), "item": np.tile(np.arange(4), 2), "rating": 1.0, "timestamp": range(8)}
    )
    train = RatingMatrix.from_frame(frame, timestamp="timestamp")
    for how, per_user in (("random", None), ("per-user", [1, 1]), ("time", [0, 2])):
        left, validation = take_validation(train, 0.25, rng=0, how=how)
        assert (left.n_ratings, validation.n_ratings) == (6, 2)
        assert left.shape == validation.shape == train.shape
        assert per_user is None or validation.counts("user").tolist() == per_user


def test_users_without_ratings_stay_in_train() -> None:
    """A user whose ratings were dropped is never drawn as a held-out user."""
    frame = pd.DataFrame({"user": np.repeat(np.arange(8), 6), "item": np.tile(np.arange(6), 8), "rating": 1.0})
    ratings = RatingMatrix.from_frame(frame)
    ratings = ratings.select(np.repeat(np.arange(8) > 3, 6))
    for seed in range(10):
        made = split(ratings, "held-out-users", test=2, rng=seed)
        assert set(made.test.user_ids) <= {4, 5, 6, 7}
        assert made.train.n_users == 6


def test_hidden_users_keep_each_of_their_events() -> None:
    """A pair that occurs twice stays two events in whichever part its user is, in the part's own positions."""
    rng = np.random.default_rng(0)
    u, i = np.repeat(np.arange(40), 12), rng.integers(0, 9, 480)
    with pytest.warns(DataWarning, match="repeat a pair"):
        log = RatingMatrix.from_columns(u, i, np.ones(480), np.arange(480))
    parts = split(log, "held-out-users", test=0.25, rng=0)
    assert log.repeats is not None
    total = 0
    for part in (parts.train, parts.test_input, parts.test):
        frame = part.to_frame()
        assert part.repeats is not None
        own = frame.iloc[part.repeats.position].reset_index(drop=True)
        for (user, item), times in own.assign(t=part.repeats.timestamps).groupby(["user", "item"])["t"]:
            np.testing.assert_array_equal(np.sort(times), np.flatnonzero((u == user) & (i == item)))
        total += len(part.repeats)
    assert total == len(log.repeats)
