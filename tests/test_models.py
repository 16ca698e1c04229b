"""Every registered model keeps the contract (see `tests/contract.py` for the ratings and their answer)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from contract import (
    COLD_FILM,
    COUNTS_FOLLOWERS,
    FILMS,
    FILMS_A,
    IMPERSONAL,
    NEEDS_MORE_USERS,
    SOLVED_FOR,
    USERS,
    N,
    brief,
    fitted,
    frame_of,
    hidden_films,
    ratings,
    small,
    stars,
)

import recae
from recae.errors import DataError, NotFittedError, ParameterError, UnknownIdError
from recae.models import MODELS, Recommender, make_model
from recae.recommender.model_card import facts_of
from recae.recommender.params import declared

PERSONAL = [name for name in MODELS if name not in IMPERSONAL | NEEDS_MORE_USERS]
RATING = [name for name in MODELS if MODELS[name].model_class.predicts_ratings]
RANKING = [name for name in MODELS if name not in RATING]

each = pytest.mark.parametrize("name", MODELS)


def lists(frame: pd.DataFrame, user: Any) -> list[str]:
    return frame.loc[frame["user"] == user, "item"].tolist()


# ---------------------------------------------------------------- fitting and parameters


@each
def test_fit_returns_the_model_and_leaves_ratings_and_parameters_alone(name: str) -> None:
    """fit gives back the very object; hyper-parameters and the caller's arrays are what they were."""
    data, model = ratings(), brief(name, 1)
    params, rows = model.get_params(), data.user_rows.copy()
    assert model.fit(data) is model
    model.recommend(USERS[0])
    assert model.get_params() == params
    assert model.ratings_ is data
    for part in ("data", "indices", "indptr"):
        np.testing.assert_array_equal(getattr(data.user_rows, part), getattr(rows, part))


@each
def test_scikit_learns_conventions(name: str) -> None:
    """Parameters are got, set and cloned, by us and by scikit-learn; what was learnt is not; others are refused."""
    from sklearn.base import clone

    model = fitted(name)
    for twin in (model.clone(), clone(model)):
        assert type(twin) is type(model)
        assert twin.get_params() == model.get_params()
        with pytest.raises(NotFittedError):
            twin.recommend(USERS[0])
    other = model.clone()
    for key in model.get_params():
        assert other.set_params(**{key: "anything"}) is other
        assert other.get_params()[key] == "anything"
    with pytest.raises(ParameterError, match="no hyper-parameter 'no_such'"):
        other.set_params(no_such=1)
    with pytest.raises(TypeError):
        type(model)(no_such=1)


@each
def test_every_hyper_parameter_is_declared_in_full(name: str) -> None:
    """Each has a meaning; its default is among its choices and not below its lowest; worse values are refused."""
    data = ratings()
    for p in declared(MODELS[name].model_class):
        assert len(p.help) > 5, p.name
        assert p.choices is None or p.default in p.choices
        if p.low is not None:
            with pytest.raises(ParameterError, match=f"{p.name}="):
                small(name, **{p.name: p.low - 1}).fit(data)
        if p.choices is not None:
            with pytest.raises(ParameterError, match=f"{p.name}='no such'"):
                small(name, **{p.name: "no such"}).fit(data)


@each
def test_an_unfitted_model_says_so(name: str, tmp_path: Path) -> None:
    """Every question to a model that has learnt nothing raises NotFittedError that names the model."""
    model = small(name)
    for ask in (
        lambda: model.recommend(USERS[0]), lambda: model.recommend_new(frame_of(0)),
        lambda: model.similar_items(FILMS[0]), lambda: model.predict(USERS[0], FILMS[0]),
        lambda: model.predict_new(frame_of(0), frame_of(0)), lambda: model.save(tmp_path / "m"),
    ):  # fmt: skip
        with pytest.raises(NotFittedError, match=type(model).__name__):
            ask()
    assert list(tmp_path.iterdir()) == []


@each
def test_what_cannot_be_learnt_from_is_refused(name: str, tmp_path: Path) -> None:
    """A frame, no ratings, a validation part of strangers, a checkpoint where there are no epochs."""
    data = ratings()
    with pytest.raises(DataError, match=r"recae\.load"):
        small(name).fit(data.to_frame())
    with pytest.raises(DataError, match="no rating to learn from"):
        small(name).fit(data.select(np.zeros(data.n_ratings, bool)))
    with pytest.raises(DataError, match="none of the 226 validation ratings"):
        small(name).fit(data, data.with_rows(data.user_rows, user_ids=np.arange(data.n_users)))
    if not MODELS[name].model_class.iterative:
        with pytest.raises(ParameterError, match="fitted in one step"):
            small(name).fit(data, checkpoint=tmp_path / "c")


@each
def test_the_same_seed_gives_the_same_scores(name: str) -> None:
    """Fitted twice, whatever was drawn in between, scores are equal bit for bit."""
    once = brief(name, 3).fit(ratings())
    np.random.seed(1)  # noqa: NPY002 - the global state must not matter
    again = brief(name, 3).fit(ratings())
    everybody = np.arange(len(USERS))
    np.testing.assert_array_equal(again.score_users(everybody), once.score_users(everybody))


@each
def test_what_a_fit_chose_has_the_names_of_settings(name: str, tmp_path: Path) -> None:
    """`chosen_` names hyper-parameters, or weights beside them, in plain values, and the model's file keeps it."""
    model = fitted(name)
    told = model.chosen_
    assert told == json.loads(json.dumps(told))
    of = getattr(model, "model_", model)  # what `auto` took
    assert set(told) <= {*of.get_params(), "weight", "cold_users", "cold_items"}
    file = model.save(tmp_path / "m.recae")
    assert recae.load_model(file).chosen_ == told == facts_of(file)["chosen"]


# ---------------------------------------------------------------- scores and lists


@each
def test_scores_are_rows_of_numbers(name: str) -> None:
    """One float32 a film for each row asked for, finite, also for no user and for a user without ratings."""
    model, rows = fitted(name), ratings().user_rows
    for n in (0, 1, 5, 31):
        for scores in (model.score(rows[:n]), model.score_users(np.arange(n))):
            assert scores.shape == (n, N)
            assert scores.dtype == np.float32
            assert np.isfinite(scores).all()


@each
def test_lists_are_the_best_scores_in_order(name: str) -> None:
    """recommend lists each unseen film once by score, then by catalogue order, ranks from 1, scores as scored.

    The film without ratings is scored as rating models predict it (tests/test_cold_answers.py).
    """
    model, data = fitted(name), ratings()
    frame = model.recommend(USERS, n=N)
    scores = model.ranking_scores(data.user_index(USERS))
    rated = data.counts("item") > 0
    np.testing.assert_allclose(scores[:, rated], model.score_users(data.user_index(USERS))[:, rated], rtol=1e-6)
    for row, user in enumerate(USERS):
        part = frame[frame["user"] == user]
        items = data.item_index(part["item"])
        np.testing.assert_array_equal(part["rank"], np.arange(1, len(part) + 1))
        assert set(items) == set(range(N)) - set(data.user_rows[data.user_index([user])].indices)
        assert list(items) == sorted(items, key=lambda i: (-scores[row, i], i))
        np.testing.assert_allclose(part["score"], scores[row, items], rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("name", PERSONAL)
def test_the_hidden_films_come_first(name: str) -> None:
    """What learns tastes lists the two hidden films of the own group first of those with ratings, for nearly all."""
    frame = fitted(name).recommend(USERS, n=2, exclude=[COLD_FILM])
    found = [len({FILMS[f] for f in hidden_films(u)} & set(lists(frame, USERS[u]))) for u in range(len(USERS))]
    assert np.mean(found) >= (1.4 if name in COUNTS_FOLLOWERS else 1.8)


@each
def test_seen_films_are_left_out_or_not(name: str) -> None:
    """By default nothing rated is listed; with filter_seen=False the whole catalogue is."""
    model = fitted(name)
    seen = {FILMS[film] for film in stars(3)}
    assert not seen & set(lists(model.recommend(USERS[3], n=N), USERS[3]))
    assert len(model.recommend(USERS[3], n=N, filter_seen=False)) == N


@each
def test_candidates_and_exclusions(name: str) -> None:
    """Only candidates are listed, exclusions never, in the order they have in the whole list."""
    model = fitted(name)
    whole = lists(model.recommend(USERS[3], n=N), USERS[3])
    chosen, out = whole[1::2], [whole[1]]
    assert lists(model.recommend(USERS[3], n=N, candidates=chosen), USERS[3]) == chosen
    assert lists(model.recommend(USERS[3], n=N, exclude=out), USERS[3]) == [w for w in whole if w not in out]
    assert lists(model.recommend(USERS[3], n=N, candidates=iter(chosen), exclude=iter(out)), USERS[3]) == chosen[1:]
    assert len(model.recommend(USERS[3], candidates=[])) == 0
    for unknown in ({"candidates": [*chosen, "no such"]}, {"exclude": [*out, "no such"]}):
        with pytest.raises(UnknownIdError, match="no such"):
            model.recommend(USERS[3], **unknown)
    assert lists(model.recommend(USERS[3], n=N, candidates=[*chosen, "?"], unknown="ignore"), USERS[3]) == chosen


@each
@pytest.mark.parametrize("n", [0, -1, 2.0, True])
def test_lists_have_room_for_one_film_at_least(name: str, n: Any) -> None:
    """A length below 1, or that is no whole number, is refused, and the message says what it may be."""
    for ask in (lambda: fitted(name).recommend(USERS[0], n=n), lambda: fitted(name).recommend_new(frame_of(0), n=n),
                lambda: fitted(name).similar_items(FILMS[0], n=n)):  # fmt: skip
        with pytest.raises(ParameterError, match="a number of items, 1 or more"):
            ask()


@each
def test_a_small_catalogue_gives_short_lists(name: str) -> None:
    """Asked for more films than there are, lists have all of them."""
    model = fitted(name)
    every = model.recommend(USERS[0], n=N, filter_seen=False)
    pd.testing.assert_frame_equal(model.recommend(USERS[0], n=N + 5, filter_seen=False), every)
    assert len(model.recommend_new(frame_of(0), n=N + 5, filter_seen=False)) == N
    assert len(model.similar_items(FILMS[0], n=N + 5)) == N - 1


@each
def test_raw_ids_and_titles_come_out(name: str) -> None:
    """Ids are the caller's, letter for letter, users in the caller's order, and each film has its title."""
    frame = fitted(name).recommend([USERS[20], USERS[1]], n=3)
    assert frame.columns.tolist() == ["user", "item", "score", "rank", "title"]
    assert frame["user"].tolist() == [USERS[20]] * 3 + [USERS[1]] * 3
    assert set(frame["item"]) <= {*FILMS, COLD_FILM}
    assert frame["title"].tolist() == [f"The {item}" for item in frame["item"]]


@each
def test_unknown_users(name: str) -> None:
    """A user not trained on is an error that names them, or gets the most rated films on request."""
    model = fitted(name)
    with pytest.raises(UnknownIdError, match="stranger"):
        model.recommend([USERS[0], "stranger"])
    frame = model.recommend(["stranger", USERS[0]], n=4, unknown="popular")
    counts = ratings().counts("item")
    popular = [ratings().item_ids[i] for i in np.argsort(-counts, kind="stable")[:4]]
    assert lists(frame, "stranger") == popular
    assert lists(frame, USERS[0]) == lists(model.recommend(USERS[0], n=4), USERS[0])
    with pytest.raises(ParameterError, match="'error', 'popular', 'warn' or 'ignore'"):
        model.recommend("stranger", unknown="guess")


@each
def test_blocks_make_no_difference(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Scored three users at a time or all at once, lists and predictions are the same."""
    model = fitted(name)

    def scores() -> list[dict[tuple[str, str], float]]:
        seen, similar = model.recommend(USERS, n=N), model.similar_items(FILMS, n=N)
        return [
            dict(zip(zip(seen["user"], seen["item"]), seen["score"])),
            dict(zip(zip(similar["item"], similar["similar"]), similar["score"])),
        ]

    whole = scores()
    monkeypatch.setattr("recae.recommender.scoring.BLOCK_BYTES", 3 * N * 4)
    for in_blocks, at_once in zip(scores(), whole):
        assert in_blocks == pytest.approx(at_once, rel=1e-5, abs=1e-5)  # sums may differ in the last digit


# ---------------------------------------------------------------- similar items


@each
def test_similar_items(name: str) -> None:
    """A film is not similar to itself, each other film is listed once, and the own group comes first."""
    model = fitted(name)
    frame = model.similar_items(FILMS, n=5)
    assert frame.columns.tolist() == ["item", "similar", "score", "rank", "title"]
    assert not (frame["item"] == frame["similar"]).any()
    assert not frame.duplicated(["item", "similar"]).any()
    assert frame["score"].between(-1.0001, 1.0001).all()
    assert frame.groupby("item")["score"].apply(lambda s: s.is_monotonic_decreasing).all()
    same_group = frame["item"].str[0] == frame["similar"].str[0]
    assert name in NEEDS_MORE_USERS or same_group[frame["rank"] <= 3].mean() > 0.9
    with pytest.raises(UnknownIdError, match="no such"):
        model.similar_items("no such")


def test_names_that_are_not_registered() -> None:
    """An unknown model name is refused with the names there are."""
    with pytest.raises(ParameterError, match=r"'i-autorec', 'u-autorec'"):
        make_model("svd++")


def test_the_lists_of_exceptions_are_up_to_date() -> None:
    """Every name that the contract makes an exception for is a registered model."""
    assert set(MODELS) >= IMPERSONAL | SOLVED_FOR | COUNTS_FOLLOWERS | NEEDS_MORE_USERS
    assert all(issubclass(entry.model_class, Recommender) and len(entry.about) > 10 for entry in MODELS.values())
    assert len(set(FILMS)) > FILMS_A
