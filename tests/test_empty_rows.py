"""Users without a rating: every personal model ranks what is popular for them; figures tell them apart."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from cli_helpers import done, inline
from contract import COLD_FILM, COLD_USER, FILMS, IMPERSONAL, USERS, N, fitted, ratings

from recae.comparison import compare
from recae.errors import DataError
from recae.evaluation import evaluate
from recae.models import MODELS, make_model
from recae.ratings import RatingMatrix
from recae.ratings.csr import make_csr
from recae.splitting import Split

PERSONAL = sorted(set(MODELS) - IMPERSONAL)
COUNTS = ratings().counts("item")
POPULAR = [ratings().item_ids[i] for i in np.argsort(-COUNTS, kind="stable")]


def test_the_popular_list_is_no_catalogue_order() -> None:
    """The fixture can tell popularity from the order of the catalogue."""
    assert ratings().item_ids.tolist() != POPULAR


@pytest.mark.parametrize("name", PERSONAL)
def test_a_user_without_a_rating_gets_what_is_popular(name: str) -> None:
    """Known user, empty row: the items by their number of ratings, which is the score."""
    model = fitted(name)
    frame = model.recommend([COLD_USER, USERS[0]], n=N)
    theirs = frame[frame["user"] == COLD_USER]
    assert theirs["item"].tolist() == POPULAR
    assert theirs["score"].tolist() == sorted(COUNTS.tolist(), reverse=True)
    known = frame[frame["user"] == USERS[0]].reset_index(drop=True)
    assert known["item"].tolist() == model.recommend(USERS[0], n=N)["item"].tolist()


@pytest.mark.filterwarnings("ignore:.*unknown to the model")
@pytest.mark.parametrize("name", PERSONAL)
def test_a_new_user_of_unknown_items_gets_what_is_popular(name: str) -> None:
    """All items of a new user are unknown, or only one is: popularity, or the model."""
    model = fitted(name)
    new = pd.DataFrame({"user": ["x", "y", "y"], "item": ["?", "?", FILMS[0]], "rating": 5.0})
    frame = model.recommend_new(new, n=5)
    assert frame.loc[frame["user"] == "x", "item"].tolist() == POPULAR[:5]
    alone = model.recommend_new(new[new["item"] == FILMS[0]], n=5)
    assert frame.loc[frame["user"] == "y", "item"].tolist() == alone["item"].tolist()


@pytest.mark.parametrize("name", ["ease", "edlae", "item-knn", "slim", "sparse-ease"])
def test_ratings_that_tell_nothing(name: str) -> None:
    """A new user who rated only a film that nobody else rated: a linear model scores all items alike; popularity."""
    new = pd.DataFrame({"user": ["x"], "item": [COLD_FILM], "rating": [5.0]})
    assert fitted(name).recommend_new(new, n=5)["item"].tolist() == POPULAR[:5]


@pytest.mark.parametrize("name", sorted(IMPERSONAL))
def test_impersonal_models_keep_their_list(name: str) -> None:
    """A user without a rating gets the same list as everybody from a model that has one list."""
    model = fitted(name)
    frame = model.recommend([COLD_USER, USERS[0]], n=N, filter_seen=False)
    lists = [part["item"].tolist() for _, part in frame.groupby("user")]
    assert lists[0] == lists[1]


def test_features_serve_users_without_ratings() -> None:
    """CFN that reads a table of users ranks a cold user by it; of the two cold users only the described one."""
    frame = ratings().to_frame()
    frame = pd.concat([frame, pd.DataFrame({"user": ["c", "d"], "item": FILMS[0], "rating": 5.0})])
    table = pd.DataFrame({"user": [*USERS, "c"], "group": [user[0] for user in USERS] + ["b"]})
    data = RatingMatrix.from_frame(frame.drop(columns="timestamp"), scale=(1, 5), user_table=table)
    train = data.select(~np.isin(data.user_ids[data.pairs()[0]], ["c", "d"]))
    settings = {"hidden": 8, "epochs": 80, "lr": 0.02, "batch_size": 8, "device": "cpu", "rng": 0, "by": "user"}
    model = make_model("cfn", l2=2.0, **settings).fit(train)
    counts = train.counts("item")
    popular = [train.item_ids[i] for i in np.argsort(-counts, kind="stable")]
    lists = {user: part["item"].tolist() for user, part in model.recommend(["c", "d"], n=8).groupby("user")}
    assert lists["d"] == popular[:8]
    assert lists["c"] != popular[:8]
    assert {film[0] for film in lists["c"][:5]} == {"B"}


def test_scores_of_an_empty_row_stay_the_models_own() -> None:
    """Only ranking is replaced: `score` is what the model says, and what `recae.explain` takes apart."""
    empty = make_csr(np.zeros(0, np.float32), np.zeros(0, np.int32), np.zeros(2, np.int64), (1, N))
    assert not fitted("ease").score(empty).any()


# ---------------------------------------------------------------- figures of known and of new users


def test_figures_of_known_and_new_users() -> None:
    """By hand: new users' recall is popularity's, known users' is the rest; counts and figures make up the whole."""
    data = ratings()
    users, _, _ = data.pairs()
    late = np.isin(users, [0, 1, 20])  # three users lose all their ratings, the others every fifth
    chosen = late | (np.arange(data.n_ratings) % 5 == 0)
    parts = Split(data.select(~chosen), data.select(chosen), how="by hand")
    model = make_model("ease", l2=100.0).fit(parts.train)
    report = evaluate(model, parts, ["recall@5", "coverage@5"])
    new = report.per_user.index.isin(data.user_ids[[0, 1, 20]])
    assert (report.counts["known_users"], report.counts["new_users"]) == ((~new).sum(), 3)
    for group, rows in (("known", ~new), ("new", new)):
        theirs = report.per_user.loc[rows, "recall@5"]
        assert report.groups[group]["recall@5"].value == pytest.approx(theirs.mean())
        assert list(report.groups[group]) == ["recall@5"]  # coverage is of all lists together
    popular = evaluate(make_model("popularity").fit(parts.train), parts, ["recall@5"])
    assert popular.groups["new"] == report.groups["new"]
    assert f"3 users without a training rating: recall@5 {report.groups['new']['recall@5'].value:.4f}" in str(report)
    assert report.to_dict()["groups"]["new"]["n_users"] == 3
    found = compare(parts, ["ease", "popularity"], metrics=["recall@5"])
    assert found.rows[0]["groups"]["known"]["n_users"] == (~new).sum()
    assert "recall@5 of the 3 users without a training rating: " in str(found)


def test_rating_errors_of_known_and_new_users() -> None:
    """Squared errors of both groups, weighed by their numbers of ratings, sum up to the whole."""
    data = ratings()
    users, _, _ = data.pairs()
    chosen = np.isin(users, [0, 1]) | (np.arange(data.n_ratings) % 7 == 0)
    train, test = data.select(~chosen), data.select(chosen)
    report = evaluate(make_model("bias").fit(train), test, "rmse")
    n_new = int(test.counts("user")[[0, 1]].sum())
    known, new = (report.groups[group]["rmse"].value ** 2 for group in ("known", "new"))
    total = new * n_new + known * (test.n_ratings - n_new)
    assert total / test.n_ratings == pytest.approx(report["rmse"] ** 2)


def test_one_group_alone_is_not_told_apart() -> None:
    """Where every test user has training ratings there are no groups, and no line about them."""
    data = ratings()
    chosen = np.arange(data.n_ratings) % 5 == 0
    report = evaluate(make_model("popularity").fit(data.select(~chosen)), data.select(chosen), ["recall@5"])
    assert report.groups == {}
    assert report.counts["new_users"] == 0
    assert "without a training rating" not in str(report)


# ---------------------------------------------------------------- ratings that are all equal


@pytest.mark.parametrize("name", [n for n in sorted(MODELS) if MODELS[n].model_class.predicts_ratings])
def test_rating_models_refuse_equal_ratings(name: str) -> None:
    """A table of purchases (all 1) is refused before anything is fitted, with a model that ranks; stated scales too."""
    for scale in (None, (1.0, 5.0)):
        frame = ratings().to_frame().assign(rating=1.0)
        bought = RatingMatrix.from_frame(frame, timestamp="timestamp", scale=scale, name="bought")
        with pytest.raises(DataError, match=r"all 226 ratings of 'bought' are 1: .*that ranks items: recae.EASE"):
            make_model(name).fit(bought)


def test_a_single_rating_is_no_table_of_purchases() -> None:
    """One rating is learnt from; two equal ones are not; two different ones are."""
    frame = pd.DataFrame({"user": ["a", "b"], "item": ["x", "y"], "rating": [4.0, 4.0]})
    make_model("bias").fit(RatingMatrix.from_frame(frame[:1]))
    make_model("bias").fit(RatingMatrix.from_frame(frame.assign(rating=[4.0, 5.0])))
    with pytest.raises(DataError, match="all 2 ratings"):
        make_model("bias").fit(RatingMatrix.from_frame(frame))


def test_train_says_what_to_do_with_purchases(tmp_path: Path) -> None:
    """A rating model names the model to ask for, and that model is trained; without a model, `auto` takes a ranker."""
    file = tmp_path / "purchases.csv"
    ratings().to_frame()[["user", "item"]].assign(rating=1).to_csv(file, index=False)
    for more in ([], ["--rating-column", "none"]):
        refused = inline("train", str(file), "--model", "i-autorec", *more)
        assert refused.exit_code == 1
        assert "--model ease" in refused.stderr
    assert "recall@17" in done(inline("train", str(file), "--model", "ease", "--l2", "10"))
    chosen = inline("train", str(file))
    assert "auto takes popularity" in chosen.stderr
    assert "recall@17" in done(chosen)
    stars = tmp_path / "stars.csv"
    ratings().to_frame()[["user", "item", "rating"]].to_csv(stars, index=False)
    ranked = inline("train", str(stars), "--task=rankings")  # an option of `auto` alone, so no --model is needed
    assert "auto takes popularity" in ranked.stderr
    assert "No such option '--task'" in inline("tune", str(stars), "--task", "rankings").stderr
