"""The mean of rankers' standardised scores: its formula, its weights, what is refused, and that `auto` may take it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy import sparse

import recae
from recae import RankingBlend
from recae.errors import ParameterError
from recae.events.next_ranks import history
from recae.events.session_events import Sessions
from recae.models.ensemble.choose_ranker import blends, choose_ranker
from recae.models.ensemble.ranking_blend import shares, standardised
from recae.models.sessions.event_contributions import without
from tests.contract import ratings


def test_only_unrated_items_make_the_unit_of_a_row() -> None:
    """Scores of unrated items get mean 0 and deviation 1, whatever the rated ones have; equal scores become 0."""
    rated = [[5, 0, 0, 0], [0, 0, 4, 4], [0, 1, 0, 0], [1, 1, 1, 1], [1, 1, 0, 1]]
    rows = sparse.csr_array(np.array(rated, np.float32))
    scores = np.array([[900, 1, 2, 3], [7, 5, -40, 60], [2, 9, 2, 2], [1, 2, 3, 4], [1, 2, 3, 4]], np.float32)
    found = standardised(scores, rows)
    half = np.sqrt(1.5)
    np.testing.assert_allclose(found[0, 1:], [-half, 0, half], atol=1e-6)
    np.testing.assert_allclose(found[1, :2], [1, -1], atol=1e-6)
    np.testing.assert_array_equal(found[2:4], 0)
    assert found[4, 2] == 0  # the only one
    equal = np.full((1, 3), 0.1)  # whose mean, as float64 has it, is another number
    assert equal.mean() != 0.1
    np.testing.assert_array_equal(standardised(equal, sparse.csr_array((1, 3))), 0)
    np.testing.assert_allclose(standardised(1e-3 * scores[:2] + 4, rows[:2]), found[:2], rtol=1e-3, atol=1e-3)


def test_chances_of_large_logarithms_are_numbers() -> None:
    """A softmax, whatever is added to a row."""
    expected = np.array([[1, 2, 5]]) / 8
    for level in (0.0, 1e3, -1e3):
        np.testing.assert_allclose(shares(np.log(expected) + level), expected, rtol=1e-10)


def test_scores_are_the_weighted_mean_of_the_members() -> None:
    """Members fitted apart, standardised and weighted by hand, give the blend's scores, of known and unseen users."""
    data = ratings()
    users = np.array([4, 0, 29])
    apart = [recae.make_model("ease", l2=50.0).fit(data), recae.make_model("item-knn", popularity=0.0).fit(data)]
    blend = RankingBlend(members=(apart[0], apart[1]), weights=(3.0, 1.0)).fit(data)
    rows = data.user_rows[users]
    expected = sum(
        w * standardised(model.ranking_scores(users), rows) for w, model in zip((0.75, 0.25), apart, strict=True)
    )
    np.testing.assert_allclose(blend.score_users(users), expected, atol=1e-5)
    np.testing.assert_allclose(blend.score(rows), expected, atol=1e-5)


def test_one_member_ranks_as_it_does() -> None:
    """A blend of one, and one whose other members have no weight, list what that member lists."""
    data = ratings()
    alone = recae.make_model("ease", l2=50.0).fit(data)
    ease = {"model": "ease", "l2": 50.0}
    for blend in (RankingBlend(members=(ease,)), RankingBlend(members=(ease, "popularity"), weights=(2.0, 0.0))):
        pair = blend.fit(data).recommend(data.user_ids[:9], n=4), alone.recommend(data.user_ids[:9], n=4)
        assert pair[0][["user", "item"]].equals(pair[1][["user", "item"]])


def test_members_that_read_dates_get_those_of_unseen_users(tmp_path: Path) -> None:
    """A blend with `recency` lists alike for an unseen user with a known one's events and times, not without times."""
    data = ratings()
    members = ({"model": "recency", "base": {"model": "ease", "l2": 20.0}, "power": 2.0}, {"model": "ease", "l2": 50.0})
    model = recae.load_model(RankingBlend(members=members).fit(data).save(tmp_path / "m.recae"))
    assert model.reads_dates
    assert not RankingBlend(members=("ease",)).fit(data).reads_dates
    user = data.user_ids[3]
    own = data.to_frame().query("user == @user").assign(user="x")
    scores = model.recommend([user], n=6)["score"].to_numpy()
    np.testing.assert_allclose(model.recommend_new(own, n=6)["score"], scores, atol=1e-5)
    assert np.abs(model.recommend_new(own.drop(columns="timestamp"), n=6)["score"] - scores).max() > 1e-3


@pytest.mark.parametrize(
    "settings",
    [
        {"members": ()}, {"members": "ease"}, {"members": ("bias",)}, {"members": ("no-such-model",)},
        {"members": ("ease", "als"), "weights": (1.0,)}, {"members": ("ease",), "weights": (0.0,)},
        {"members": ("ease", "als"), "weights": (1.0, -1.0)},
    ],
)  # fmt: skip
def test_what_cannot_be_blended_is_refused(settings: dict) -> None:
    """No member, one that predicts ratings, an unknown name, weights of another number, below 0, or all 0."""
    with pytest.raises(ParameterError):
        RankingBlend(**settings).fit(ratings())


def test_auto_compares_means_of_its_candidates() -> None:
    """Blends stand among the figures; the one that is taken, of all, is the best, and is made with its members."""
    names = ["dan", "ease", "als", "spectral", "popularity"]
    assert blends(names)["dan + als"] == ("dan", "als")
    assert blends(["sparse-ease", *names[2:]])["sparse-ease + als + spectral"] == ("sparse-ease", "als", "spectral")
    data = recae.load("sample").filter(min_user=1, min_item=1)
    choice = choose_ranker(data)
    assert set(blends(names)) < set(choice.figures)
    members = [member["model"] for member in choice.params.get("members", [])]
    taken = " + ".join(members) or choice.name
    assert taken in {"popularity", max(choice.figures, key=choice.figures.__getitem__)}


def test_the_next_item_of_a_blend(tmp_path: Path) -> None:
    """Event by event, members that read order get events and others the row so far; of logarithms the shares count.

    Members of rows are asked for what their lists are made of: where nothing is known yet, popularity.
    """
    data = ratings()
    settings = {"hidden": 4, "epochs": 2, "batch_size": 8, "device": "cpu"}
    apart = [recae.SessionRNN(**settings), recae.VSKNN(decay=0.5), recae.EASE(l2=50.0)]
    blend = RankingBlend(members=tuple(apart), weights=(3.0, 2.0, 1.0)).fit(data)
    assert blend.reads_order
    assert not RankingBlend(members=("ease",)).reads_order
    network, neighbours, ease = (model.fit(data) for model in apart)
    events = network.sessions_
    users, stops = events.users[20:60:7], np.arange(20, 60, 7)
    seen = history(events, users, stops, values=True)
    logits = network.scores_before(events, users, stops).astype(np.float64)
    chances = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    own = [chances, neighbours.scores_before(events, users, stops), ease.ranking_scores_new(seen)]
    expected = sum(w / 6 * standardised(scores, seen) for w, scores in zip((3, 2, 1), own, strict=True))
    again = recae.load_model(blend.save(tmp_path / "m.recae"))
    np.testing.assert_allclose(again.scores_before(events, users, stops), expected, atol=1e-4)
    ahead = blend.scores_at(events, users, stops)
    np.testing.assert_allclose(ahead(users[2:4], stops[2:4]), expected[2:4], atol=1e-4)
    assert not recae.SessionRNN(loss="bpr").logarithmic
    split = recae.split_sessions(recae.sessions(data), validation=False)
    assert recae.evaluate_next_items(blend, split)["n_events"] > 50


def test_a_blend_of_session_models_is_explained_by_events() -> None:
    """An event's contribution is what the score loses without it; with a member that reads rows, a rating's is."""
    data = ratings()
    blend = RankingBlend(members=({"model": "v-sknn", "length": 5}, "markov")).fit(data)
    events, user = blend.models_[0].sessions_, 3
    first, stop = events.event_starts[user], events.event_starts[user + 1]
    item_id = data.item_ids[9]
    item = data.item_index([item_id])

    def score(some: Sessions, at: int) -> float:
        return float(blend.scores_before(some, np.array([at]), some.event_starts[[at + 1]])[0, item[0]])

    why = recae.explain(blend, data.user_ids[user], item_id)
    lost = [score(events, user) - score(without(events, user, np.array([k])), 0) for k in range(stop - first)]
    np.testing.assert_allclose(np.sort(why["contribution"]), np.sort(lost), atol=1e-5)
    assert why.attrs["score"] == pytest.approx(score(events, user), abs=1e-5)
    assert {"session", "timestamp"} <= set(why)
    mixed = RankingBlend(members=({"model": "v-sknn", "length": 5}, "ease")).fit(data)
    assert "session" not in recae.explain(mixed, data.user_ids[user], item_id)
