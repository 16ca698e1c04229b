"""`auto`: what it takes for ratings, purchases and counts, and that it serves as the model it took."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from contract import brief
from rating_toys import low_rank, parted

import recae
from recae.errors import DataError, NotFittedError, ParameterError
from recae.models.ensemble import choose_next_item as next_item
from recae.models.ensemble.auto import are_ratings
from recae.models.ensemble.choose_next_item import choose_next_item
from recae.models.ensemble.choose_ranker import Choice
from recae.models.ensemble.choose_rating_model import choose_rating_model
from recae.ratings import RatingMatrix
from recae.ratings.csr import make_csr


def table(values: np.ndarray, n_users: int = 40, n_items: int = 25) -> RatingMatrix:
    """These values for as many random pairs."""
    pairs = np.random.default_rng(0).permutation(n_users * n_items)[: len(values)]
    return RatingMatrix.from_columns(*np.divmod(pairs, n_items), values.astype(np.float32))


def counts() -> RatingMatrix:
    """Numbers of plays, long-tailed."""
    return table(np.ceil(np.random.default_rng(1).pareto(0.8, 400)))


@pytest.mark.parametrize(
    ("values", "wanted"),
    [
        (np.ones(300), False),
        (np.ceil(np.random.default_rng(0).pareto(1.0, 300)), False),
        (np.random.default_rng(0).choice([1, 2, 3], 300, p=[0.7, 0.2, 0.1]), False),
        (np.random.default_rng(0).integers(1, 6, 300), True),
        (np.random.default_rng(0).uniform(-10, 10, 300), True),
        (np.random.default_rng(0).integers(1, 101, 300), True),
        (np.r_[np.ceil(np.random.default_rng(0).pareto(1.0, 280)), np.zeros(15), -np.ones(5)], False),
        (np.random.default_rng(0).choice([-1, 0, 1, 2, 3], 300, p=[0.05, 0.05, 0.6, 0.2, 0.1]), False),
        (np.round(np.random.default_rng(0).lognormal(3, 1.5, 300), 2), False),
        (np.random.default_rng(0).choice([-1, 1], 300, p=[0.3, 0.7]), True),
        (np.random.default_rng(0).choice([0, 1], 300, p=[0.96, 0.04]), True),
        (np.r_[np.random.default_rng(0).integers(1, 11, 900) / 2, 55.5], True),
    ],
    ids=[
        "purchases", "plays", "times bought", "stars", "a line", "per cent", "plays less skips", "bought less returned",
        "money", "thumbs", "labels", "a slip",
    ],
)  # fmt: skip
def test_ratings_are_told_from_amounts(values: np.ndarray, wanted: bool) -> None:
    """Equal values, long tails and mostly ones are no ratings, whatever was brought back; scales of any width are."""
    assert are_ratings(table(values)) == wanted


def test_ratings_are_predicted_and_better_than_by_the_biases() -> None:
    """Where tastes can be learnt, a rating model is taken, and is ahead of the biases on ratings that it never saw."""
    train, test = parted(low_rank(120, 60))
    model = recae.Auto().fit(train)
    assert model.predicts_ratings
    assert model.choice_.name in ("dual-autorec", "biased-mf")
    assert model.choice_.name in model.choice_.reason
    biases = recae.evaluate(recae.Bias().fit(train), test)["rmse"]
    assert recae.evaluate(model, test)["rmse"] < 0.9 * biases


def test_features_are_looked_at_where_there_are_any() -> None:
    """Hybrid, which reads them, is compared where the tables say something of items or users, and not otherwise: a
    column that is different in each row (a title) says nothing. It is taken where they say much."""
    data = low_rank(60, 40)
    kinds = pd.DataFrame({"kind": np.array(["drama", "comedy"])[np.arange(40) % 2]}, index=data.item_ids)
    titles = pd.DataFrame({"title": [f"film {i}" for i in range(40)]}, index=data.item_ids)
    for without in (data, replace(data, item_table=titles)):
        assert set(choose_rating_model(without).figures) == {"bias", "dual-autorec", "biased-mf"}
    assert set(choose_rating_model(replace(data, item_table=kinds)).figures) == {
        "bias",
        "dual-autorec",
        "hybrid",
        "biased-mf",
    }
    rare = low_rank(90, 300, 0.05)  # four or five ratings an item, which alone say little
    kinds = pd.DataFrame({"kind": np.array(list("abc"))[rare.item_ids % 3]}, index=rare.item_ids)
    rng, (users, items, _) = np.random.default_rng(0), rare.pairs()
    liked = rng.choice([2.0, 4.0], (90, 3))[users, rare.item_ids[items] % 3] + rng.normal(size=len(users))
    stars = np.clip(np.round(liked), 1, 5).astype(np.float32)
    told = replace(rare.with_rows(make_csr(stars, items, rare.user_rows.indptr, rare.shape)), item_table=kinds)
    model = recae.Auto(task="ratings").fit(told)
    assert model.choice_.name == "hybrid"
    assert model.chosen_["features"] == "item"


def test_noise_gets_the_biases() -> None:
    """Where stars depend on nothing, no model is worth its parameters."""
    choice = choose_rating_model(table(np.random.default_rng(2).integers(1, 6, 900)))
    assert choice.name == "bias"


@pytest.mark.parametrize("data", [counts(), low_rank().binarize(3)], ids=["plays", "purchases"])
def test_what_is_no_rating_is_ranked(data: RatingMatrix) -> None:
    """A ranker is taken, whose lists are the model's."""
    model = recae.Auto(rng=1).fit(data)
    assert not model.predicts_ratings
    pd_list = model.recommend(data.user_ids[:3], 4)
    assert pd_list.equals(model.model_.recommend(data.user_ids[:3], 4))


def test_the_file_holds_the_model_that_was_taken(tmp_path: Path) -> None:
    """What is loaded is that model, and predicts the same."""
    data = low_rank()
    model = recae.Auto(task="ratings").fit(data)
    again = recae.load_model(model.save(tmp_path / "m.recae"))
    assert type(again) is type(model.model_)
    pairs = np.arange(20), np.arange(20)
    np.testing.assert_array_equal(again.predict_pairs(*pairs), model.predict_pairs(*pairs))


def rings(users: int = 30, sittings: int = 3, steps: int = 5, films: int = 20) -> pd.DataFrame:
    """Each film is followed by the next one of a ring; a user starts anywhere and goes on after each pause."""
    user, step = np.divmod(np.arange(users * sittings * steps), sittings * steps)
    start = np.random.default_rng(0).integers(films, size=users)
    return pd.DataFrame({
        "user": user, "item": (start[user] + step) % films, "rating": 3.0,
        "timestamp": user * 10**7 + step * 60 + step // steps * 10**5,
    })  # fmt: skip


def test_the_next_item(tmp_path: Path) -> None:
    """Where each film has one successor, its counts are taken; lists, files and explanations are that model's."""
    frame = rings()
    data = RatingMatrix.from_frame(frame, timestamp="timestamp")
    model = recae.Auto(task="next-item").fit(data)
    assert model.choice_.name == "markov"
    assert model.choice_.figures["markov"] > model.choice_.figures["popularity"]
    last = frame.groupby("user")["item"].last()
    found = model.recommend(last.index.to_numpy(), 1)
    assert found["item"].tolist() == ((last + 1) % 20).tolist()
    again = recae.load_model(model.save(tmp_path / "m.recae"))
    stranger = pd.DataFrame({"user": "z", "item": [7, 3], "timestamp": [200, 100]})
    assert model.recommend_new(stranger, 1)["item"].tolist() == [8]
    assert again.recommend_new(stranger, 1)["item"].tolist() == [8]
    split = recae.split_sessions(recae.sessions(data))
    assert recae.evaluate_next_items(model, split)["recall@5"] == 1
    why = recae.explain(model, stranger, 8)
    assert why["item"].tolist()[0] == 7
    pd.testing.assert_frame_equal(recae.explain(again, stranger, 8), why)


def test_the_next_item_where_little_can_be_told() -> None:
    """With one session a user nothing is compared, and V-SKNN is taken; without times it is an error in words."""
    frame = rings(sittings=1)
    data = RatingMatrix.from_frame(frame, timestamp="timestamp")
    assert "no user has two sessions" in recae.Auto(task="next-item").fit(data).choice_.reason
    with pytest.raises(DataError, match="no timestamps"):
        recae.Auto(task="next-item").fit(data.with_rows(data.user_rows))


def test_recency_is_looked_at_for_the_next_item(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is compared with its dates read, and what it chose is kept, so that a fit scores as the one that was compared;
    of many items it is no candidate."""
    monkeypatch.setattr(next_item, "MOST_LEARNT", 10)
    data = RatingMatrix.from_frame(rings(), timestamp="timestamp")
    assert choose_next_item(data).figures["recency"] > choose_next_item(data).figures["ease"]
    compared = next_item._candidates(data, 0, 3)["recency"].fit(data, progress=False)
    name, params = next_item._settings(compared, "recency")
    assert params["power"] > 0
    fitted = recae.make_model(name, **params, rng=3)
    monkeypatch.setattr(recae.Recency, "_chosen_power", lambda *_: pytest.fail("the power was chosen already"))
    fitted.fit(data)
    assert fitted.chosen_.keys() <= {"base"}
    np.testing.assert_allclose(fitted.score_users(np.arange(9)), compared.score_users(np.arange(9)), atol=1e-5)
    monkeypatch.setattr(next_item, "MOST_ITEMS", 10)
    assert not {"recency", "ease"} & set(choose_next_item(data).figures)


def test_the_next_items_network_is_fitted_as_it_was_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    """A blend of what was compared scores as one that is fitted anew on the same part; long logs have no network."""
    data = RatingMatrix.from_frame(rings(), timestamp="timestamp")
    figures = choose_next_item(data).figures
    assert {"markov", "session-rnn"} < set(figures)
    for others in ("session-rnn", "recency", "session-rnn + recency"):
        assert any(name.startswith(f"{others} + v-sknn of ") for name in figures)
    network, nearest = recae.SessionRNN(**next_item.NETWORK).fit(data), recae.VSKNN(length=5).fit(data)
    recent = recae.Recency(base="spectral").fit(data)
    for members in ([network, nearest], [network, recent, nearest]):
        compared = next_item._blend(members)
        name, params = next_item._settings(compared)
        fitted = recae.make_model(name, **params).fit(data)
        np.testing.assert_allclose(fitted.score_users(np.arange(9)), compared.score_users(np.arange(9)), atol=1e-5)
    monkeypatch.setattr(next_item, "MOST_LEARNT", 10)
    assert not [name for name in choose_next_item(data).figures if "session-rnn" in name]


@pytest.mark.parametrize("name", ["mult-vae", "u-autorec", "biased-mf", "ease"])
def test_hidden_validation_users_reach_what_can_meet_them(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Which model is taken is not known before: a network that ranks stops by them, others learn without that part."""
    settings: dict[str, Any] = {"epochs": 2, "hidden": 4, "device": "cpu"} if name in ("mult-vae", "u-autorec") else {}
    settings = {**settings, "latent": 3} if name == "mult-vae" else settings
    monkeypatch.setattr(recae.Auto, "_choose", lambda *_: Choice(name, settings, name, {}))
    split = recae.split(low_rank(), "held-out-users", test=5, validation=10, rng=0)
    model: Any = recae.Auto()
    for _ in range(2):  # a second fit does not remember what the first one took
        model.fit(split.train, split.validation, validation_input=split.validation_input)
        if settings:
            measured = [one["validation"] is not None for one in model.model_.history_.records]
            assert measured == [name == "mult-vae"] * 2
    apart: Any = recae.make_model(name, **settings)
    hidden = {"validation": split.validation, "validation_input": split.validation_input}
    apart.fit(split.train, **(hidden if name == "mult-vae" else {}))
    np.testing.assert_array_equal(model.score(split.test_input.user_rows), apart.score(split.test_input.user_rows))


@pytest.mark.parametrize("member", ["auto", {"model": "auto", "task": "rankings"}, recae.Auto(rng=1)], ids=repr)
def test_it_is_no_member_of_a_model_made_of_others(member: Any) -> None:
    """What it takes is known after its fit only, and a file says before what it holds; the message names the way."""
    data = RatingMatrix.from_frame(rings(), timestamp="timestamp")
    makers = (
        recae.RankingBlend(members=(member, "ease")), recae.Recency(base=member, power=1.0),
        recae.Blend(members=(member, "bias")), recae.Dated(base=member),
    )  # fmt: skip
    stars = data.with_rows(low_stars(data), data.timestamps, scale=(1.0, 2.0))
    for model in makers:
        with pytest.raises(ParameterError, match=r"Auto takes a model as it is fitted.*model_"):
            model.fit(stars)


def low_stars(data: RatingMatrix) -> Any:
    """The rows with ones and twos."""
    rows = data.user_rows.copy()
    rows.data = 1.0 + np.arange(rows.nnz, dtype=np.float32) % 2
    return rows


KINDS = ["biased-mf", "dual-autorec", "bias", "als", "spectral", "ease", "popularity", "ranking-blend", "markov"]


@pytest.mark.parametrize("name", KINDS)
def test_it_answers_as_its_file_does(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything that can be asked of a fitted `auto` is answered, or refused, as the model in its file does."""
    settings = {} if name == "ranking-blend" else brief(name, 2).get_params()
    settings = {"members": ("ease", "als")} if name == "ranking-blend" else settings
    monkeypatch.setattr(recae.Auto, "_choose", lambda *_: Choice(name, settings, name, {}))
    with pytest.raises(NotFittedError):
        recae.Auto().user_vectors()
    stars = low_rank(30, 22).to_frame()
    data = RatingMatrix.from_frame(stars.assign(timestamp=np.arange(len(stars)) * 7919 % 10**6), timestamp="timestamp")
    one = recae.Auto().fit(data)
    two = recae.load_model(one.save(tmp_path / "m.recae"))
    users, items = data.user_ids[[3, 0, 7]], data.item_ids[[4, 1, 9]]
    new = data.to_frame().query("user == @users[0]").assign(user="z")
    row = data.item_index(new["item"]), new["rating"].to_numpy(), 5

    def asked(model: Any) -> dict[str, Any]:
        ask = {
            "predict": lambda: model.predict(users, items),
            "predict_new": lambda: model.predict_new(new, pd.DataFrame({"user": "z", "item": items})),
            "recommend": lambda: model.recommend(users, 5), "recommend_new": lambda: model.recommend_new(new, 5),
            "recommend_row": lambda: model.recommend_row(*row),
            "with times": lambda: model.recommend_row(*row, timestamps=new["timestamp"].to_numpy()),
            "similar_items": lambda: model.similar_items(items, 4),
            "similar_users": lambda: model.similar_users(users, 4),
            "explain": lambda: recae.explain(model, users[0], items[0]),
            "explain new": lambda: recae.explain(model, new, items[0]),
            "lists_of": lambda: recae.lists_of(model, users, n=5), "lean": lambda: lean(model),
            "onnx": lambda: recae.export_onnx(model, tmp_path / "m.onnx").stat().st_size > 0,
        }  # fmt: skip
        for of in ("items", "users"):
            for lists in (False, True):
                ask[f"vectors of {of}, {lists}"] = lambda of=of, lists=lists: vectors(model, of, lists)
        return {what: _told(question) for what, question in ask.items()}

    def vectors(model: Any, of: Any, lists: bool) -> Any:
        return np.load(recae.export_vectors(model, tmp_path / "v.npy", of=of, lists=lists))

    def lean(model: Any) -> Any:
        return recae.load_model(model.save(tmp_path / "lean", ratings=False)).recommend_new(new, 5)

    found, expected = asked(one), asked(two)
    for what, answer in expected.items():
        if isinstance(answer, pd.DataFrame):
            pd.testing.assert_frame_equal(found[what], answer, obj=what)
            assert found[what].attrs == answer.attrs
        else:
            np.testing.assert_equal(found[what], answer, what)


def _told(question: Any) -> Any:
    """The answer, or the words of a refusal after the first, which may be the class of the model."""
    try:
        return question()
    except recae.RecaeError as error:
        return type(error).__name__, str(error).split(maxsplit=1)[1]


OF_FITS = {
    "_fit", "_is_weighed", "_weigh", "_fit_cold", "_belief", "_arrays", "_restore", "_restore_saved", "_saved_arrays",
    "_saved_params", "_read_as_before", "iterative", "shares_rows", "reads_order", "logarithmic",
    "_reads_beside", "_draw_by",
}  # fmt: skip


@pytest.mark.parametrize("name", [*KINDS, "cfn", "hybrid", "sparse-ease", "item-knn", "v-sknn", "session-rnn"])
def test_what_a_candidate_answers_by_itself_is_handed_on(name: str) -> None:
    """No step of an answer that a candidate's class changes is left as it is for any model; fits and files apart."""
    base, own, auto = recae.Recommender, type(recae.make_model(name)), recae.Auto()
    auto._take(recae.make_model(name))
    changed = {one for one in dir(base) if getattr(own, one) != getattr(base, one) and not one.startswith("__")}
    handed = {one for one in dir(base) if getattr(recae.Auto, one) != getattr(base, one)} | set(vars(auto))
    assert changed - handed - OF_FITS - {"_abc_impl"} == set()
