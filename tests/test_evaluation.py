"""`evaluate` against dense loops, on known and on hidden users."""

from __future__ import annotations

from dataclasses import replace
from math import sqrt
from typing import Any

import numpy as np
import pandas as pd
import pytest
from evaluation_toys import COLD, HIDDEN, SPLIT, TESTED, Ranker, Rater, ratings_of, shuffled

import recae
from recae import metrics
from recae.evaluation import evaluate
from recae.ranking import top_n_reference
from recae.ratings import RatingMatrix
from recae.splitting import Split, split


def dense_figures(scores: np.ndarray, seen: np.ndarray, relevant: np.ndarray, k: int) -> dict[str, float]:
    """Recall, NDCG and hit rate with loops over a dense score matrix."""
    recalls, gains, hits = [], [], []
    for user in np.flatnonzero(relevant.any(axis=1)):
        order = [i for i in np.argsort(-scores[user], kind="stable") if not seen[user, i]][:k]
        found = [bool(relevant[user, i]) for i in order]
        n = int(relevant[user].sum())
        recalls.append(sum(found) / min(k, n))
        ideal = sum(1 / np.log2(r + 2) for r in range(min(k, n)))
        gains.append(sum(f / np.log2(r + 2) for r, f in enumerate(found)) / ideal)
        hits.append(float(any(found)))
    return {f"recall@{k}": np.mean(recalls), f"ndcg@{k}": np.mean(gains), f"hit@{k}": np.mean(hits)}


def stored(part: RatingMatrix) -> np.ndarray:
    dense = np.zeros(part.shape, bool)
    users, items, _ = part.pairs()
    dense[users, items] = True
    return dense


@pytest.mark.parametrize("block", [None, 1, 7])
def test_known_users_as_dense_loops_rank_them(block: int | None) -> None:
    """Train and validation are masked, all other items ranked, and the block changes nothing but memory."""
    model = Ranker(SPLIT.train)
    assert SPLIT.validation is not None
    seen = stored(SPLIT.train) | stored(SPLIT.validation)
    expected = dense_figures(model.known, seen, stored(SPLIT.test), 6)
    report = evaluate(model, SPLIT, list(expected), block=block)
    assert dict(report) == pytest.approx(expected)
    assert max(model.asked) == (block or TESTED)


def test_the_validation_part_masks_train_only() -> None:
    """part="validation" measures the validation ratings, with nothing but train masked."""
    model = Ranker(SPLIT.train)
    assert SPLIT.validation is not None
    expected = dense_figures(model.known, stored(SPLIT.train), stored(SPLIT.validation), 6)
    assert dict(evaluate(model, SPLIT, list(expected), part="validation")) == pytest.approx(expected)
    assert dict(evaluate(model, SPLIT.validation, list(expected))) == pytest.approx(expected)


def test_ratings_alone_mask_what_the_model_saw_and_what_is_excluded() -> None:
    """A test part without its split masks the training ratings; `exclude` adds the validation part."""
    model = Ranker(SPLIT.train)
    assert SPLIT.validation is not None
    names = ["recall@6", "ndcg@6", "hit@6"]
    only_train = dense_figures(model.known, stored(SPLIT.train), stored(SPLIT.test), 6)
    assert dict(evaluate(model, SPLIT.test, names)) == pytest.approx(only_train)
    whole = dict(evaluate(model, SPLIT, names))
    assert dict(evaluate(model, SPLIT.test, names, exclude=SPLIT.validation)) == whole
    assert whole != only_train


@pytest.mark.parametrize("part", ["test", "validation"])
def test_hidden_users_are_scored_from_what_is_shown(part: Any) -> None:
    """Hidden users are ranked by the model's function of their shown ratings, which are masked."""
    model = Ranker(HIDDEN.train)
    shown, target = HIDDEN.parts()[f"{part}_input"], HIDDEN.parts()[part]
    scores = np.asarray(shown.user_rows @ model.weights)
    expected = dense_figures(scores, stored(shown), stored(target), 9)
    assert min(expected.values()) > 0
    assert expected != dense_figures(scores, np.zeros(scores.shape, bool), stored(target), 9)
    report = evaluate(model, HIDDEN, list(expected), part=part, block=3)
    assert dict(report) == pytest.approx(expected)
    assert report.counts["n_users"] == int((target.counts("user") > 0).sum())


def test_hidden_users_of_a_model_with_another_order_of_items() -> None:
    """A model whose vocabulary has another order and more items gets the shown rows in its own columns."""
    more = pd.DataFrame({"user": ["zz"], "item": [999], "rating": [3]})
    model = Ranker(shuffled(HIDDEN.train, extra=more))
    own = model.ratings_.item_index(HIDDEN.train.item_ids)
    assert HIDDEN.test_input is not None
    rows = np.zeros((8, model.ratings_.n_items), np.float32)
    rows[:, own] = HIDDEN.test_input.user_rows.toarray()
    target = np.zeros(rows.shape, bool)
    target[:, own] = stored(HIDDEN.test)
    expected = dense_figures(rows @ model.weights, rows > 0, target, 9)
    assert min(expected.values()) > 0
    assert dict(evaluate(model, HIDDEN, list(expected))) == pytest.approx(expected)


def test_rating_errors_as_scikit_learn_gives_them() -> None:
    """RMSE and MAE of known users over all test ratings, and each user's own beside them."""
    model = Rater(SPLIT.train)
    users, items, truth = SPLIT.test.pairs()
    predicted = model.predict_pairs(users, items)
    report = evaluate(model, SPLIT)
    assert report["rmse"] == pytest.approx(metrics.rmse(truth, predicted))
    assert report["mae"] == pytest.approx(metrics.mae(truth, predicted))
    assert list(report) == ["rmse", "mae"]
    mine = users == 5
    assert report.per_user.loc["u05", "rmse"] == pytest.approx(metrics.rmse(truth[mine], predicted[mine]))


def test_hidden_users_ratings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hidden users' ratings are predicted from what is shown, the same in blocks of any size."""
    model = Rater(HIDDEN.train)
    users, items, truth = HIDDEN.test.pairs()
    assert HIDDEN.test_input is not None
    expected = metrics.rmse(truth, model.predict_pairs_new(HIDDEN.test_input.user_rows, users, items))
    for size in (2048, 1, 3):
        monkeypatch.setattr("recae.evaluation.rate.HIDDEN_USERS", size)
        assert evaluate(model, HIDDEN, "rmse")["rmse"] == pytest.approx(expected)


def test_hidden_users_ratings_are_asked_at_their_moments(monkeypatch: pytest.MonkeyPatch) -> None:
    """A model that reads dates gets those of what hidden users show, some users at a time, and is asked when the test
    ratings were given: the figures are those of `predict_new` with times, and others without them."""
    rng, data = np.random.default_rng(0), ratings_of(40, 25)
    dated = data.with_rows(data.user_rows, rng.permutation(data.n_ratings).astype(np.int64) * 600)
    made = split(dated, "held-out-users", test=9, rng=0)
    assert made.test_input is not None
    model = recae.make_model("session-rnn-ratings", epochs=0, hidden=3, device="cpu").fit(made.train, progress=False)
    pairs = made.test.to_frame()
    expected = metrics.rmse(made.test.user_rows.data, model.predict_new(made.test_input, pairs))
    for users in (4, 2048):
        monkeypatch.setattr("recae.evaluation.rate.HIDDEN_USERS", users)
        assert evaluate(model, made, "rmse")["rmse"] == pytest.approx(expected)
    untimed = made.test_input.with_rows(made.test_input.user_rows)
    assert evaluate(model, replace(made, test_input=untimed), "rmse")["rmse"] != pytest.approx(expected)


def test_known_users_ratings_in_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pairs predicted a few at a time give the same errors."""
    whole = evaluate(Rater(SPLIT.train), SPLIT)["rmse"]
    monkeypatch.setattr("recae.evaluation.rate.PAIRS", 7)
    assert evaluate(Rater(SPLIT.train), SPLIT)["rmse"] == whole


def test_a_test_file_of_its_own() -> None:
    """Ids in another order change nothing; unknown users and items are counted, predicted as unknown, not ranked."""
    model = Rater(SPLIT.train)
    names = ["rmse", "mae", "recall@5", "ndcg@5"]
    plain = evaluate(model, SPLIT.test, names)
    moved = evaluate(model, shuffled(SPLIT.test), names)
    assert dict(moved) == pytest.approx(dict(plain))
    pd.testing.assert_frame_equal(moved.per_user.sort_index(), plain.per_user.sort_index(), check_index_type=False)
    cold = evaluate(model, shuffled(SPLIT.test, extra=COLD), names)
    assert cold["ndcg@5"] == pytest.approx(plain["ndcg@5"])
    squared = plain["rmse"] ** 2 * SPLIT.test.n_ratings
    one = SPLIT.train.user_index("u01")[0], SPLIT.train.item_index(100)[0]
    squared += (1 - 3 - model.item[one[1]]) ** 2 + (2 - 3) ** 2 + (5 - 3 - model.user[one[0]]) ** 2
    assert cold["rmse"] == pytest.approx(sqrt(squared / (SPLIT.test.n_ratings + 3)), rel=1e-5)
    assert cold.counts == {
        "n_users": plain.counts["n_users"] + 1, "known_users": plain.counts["n_users"], "new_users": 1,
        "n_ratings": SPLIT.test.n_ratings + 3, "cold_users": 1,
        "cold_items": 1, "cold_ratings": 3, "unknown_ratings": 3, "unknown_users": 1, "unknown_items": 1,
        "seen_ratings": 0,
    }  # fmt: skip
    assert "3 of the ratings are of users (1) or items (1) without a training rating; 3 are unknown" in str(cold)
    assert "1 of the users and 1 of the items are unknown to the model" in str(cold)
    assert np.isnan(cold.per_user.loc["new", "ndcg@5"])


def test_hidden_users_with_unknown_items() -> None:
    """An item the model does not know, asked of a hidden user, is predicted as nothing known at all."""
    extra = HIDDEN.test.to_frame().iloc[:1].assign(item=777, rating=5)
    test = shuffled(HIDDEN.test, extra=extra)
    model = Rater(HIDDEN.train)
    plain = evaluate(model, HIDDEN, "rmse")
    other = Split(HIDDEN.train, test, test_input=HIDDEN.test_input)
    n = HIDDEN.test.n_ratings
    expected = sqrt((plain["rmse"] ** 2 * n + (5 - 3) ** 2) / (n + 1))
    report = evaluate(model, other, "rmse")
    assert report["rmse"] == pytest.approx(expected, rel=1e-6)
    assert (report.counts["cold_items"], report.counts["cold_users"]) == (1, 0)


def test_known_to_the_vocabulary_but_never_rated_is_cold() -> None:
    """An item of the vocabulary without a training rating is cold, though not unknown."""
    train = SPLIT.train.select(SPLIT.train.user_rows.indices != 3)
    counts = evaluate(Rater(train), SPLIT.test).counts
    assert (counts["cold_items"], counts["unknown_ratings"]) == (1, 0)
    assert counts["cold_ratings"] == int((SPLIT.test.user_rows.indices == 3).sum()) > 0


def test_relevance_may_begin_at_a_rating() -> None:
    """With relevant_from=4 only ratings of 4 and 5 count; users without one are left out."""
    model = Ranker(SPLIT.train)
    assert SPLIT.validation is not None
    relevant = SPLIT.test.user_rows.toarray() >= 4
    seen = stored(SPLIT.train) | stored(SPLIT.validation)
    expected = dense_figures(model.known, seen, relevant, 6)
    report = evaluate(model, SPLIT, list(expected), relevant_from=4)
    assert dict(report) == pytest.approx(expected)
    assert report.counts["n_users"] == relevant.any(axis=1).sum()


def test_beyond_accuracy_is_measured_on_the_same_lists() -> None:
    """Coverage, Gini, novelty and diversity equal the metrics of the reference's lists, whatever the block."""
    model = Ranker(SPLIT.train)
    assert SPLIT.validation is not None
    scores = np.where(stored(SPLIT.train) | stored(SPLIT.validation), -np.inf, model.known)
    ranked = top_n_reference(scores, 5)[0][stored(SPLIT.test).any(axis=1)]
    shown = metrics.exposure(ranked, 5, 25)
    information = metrics.self_information(SPLIT.train)
    names = ["gini@5", "coverage@5", "novelty@5", "diversity@3"]
    report = evaluate(model, SPLIT, names, block=4)
    assert list(report) == names
    assert report["coverage@5"] == metrics.coverage(shown)
    assert report["gini@5"] == metrics.gini(shown)
    assert report["novelty@5"] == pytest.approx(metrics.novelty(ranked, 5, information).mean())
    assert report["diversity@3"] == pytest.approx(metrics.diversity(ranked, 3, SPLIT.train).mean())
    assert report.interval("coverage@5") is None
    only = evaluate(model, SPLIT, "coverage@5")
    assert only.counts["n_users"] == len(ranked)


def test_intervals_have_the_width_of_a_bootstrap() -> None:
    """Standard errors of rmse, mae and ndcg are those that resampling users gives, to a tenth."""
    made = split(ratings_of(300, 40, 0.3), "random", test=0.3, rng=0)
    model = Rater(made.train)
    report = evaluate(model, made, ["rmse", "mae", "ndcg@10"])
    users, items, truth = made.test.pairs()
    error = truth - model.predict_pairs(users, items).astype(np.float64)
    squared, absolute = np.bincount(users, error**2, 300), np.bincount(users, np.abs(error), 300)
    n, gain = made.test.counts("user"), report.per_user["ndcg@10"].to_numpy()
    draws = np.random.default_rng(0).integers(0, 300, size=(4000, 300))
    again = {
        "rmse": np.sqrt(squared[draws].sum(1) / n[draws].sum(1)),
        "mae": absolute[draws].sum(1) / n[draws].sum(1),
        "ndcg@10": np.nanmean(np.resize(gain, 300)[draws], axis=1),
    }
    for name, values in again.items():
        assert report.figures[name].error == pytest.approx(values.std(), rel=0.1), name
        low, high = report.interval(name) or (0, 0)
        assert (low + high) / 2 == pytest.approx(report[name])


def test_scores_are_not_written_to() -> None:
    """A model that hands out what it keeps, even read-only, is as it was after an evaluation."""
    model = Ranker(SPLIT.train)
    model.known.flags.writeable = False
    model.ranking_scores = lambda user_index: model.known[: len(user_index)]
    before = model.known.copy()
    evaluate(model, SPLIT, "recall@5")
    np.testing.assert_array_equal(model.known, before)


def test_a_constant_scorer_does_not_win() -> None:
    """Equal scores for all items find no more than chance does, far less than scores that know something."""
    made = split(ratings_of(400, 100, 0.2), "per-user", test=0.3, rng=0)
    constant, chance, informed = (Ranker(made.train) for _ in range(3))
    constant.known = np.zeros_like(constant.known)
    informed.known = informed.known + 1.0 * stored(made.test)
    figures = [evaluate(m, made, "ndcg@10")["ndcg@10"] for m in (constant, chance, informed)]
    assert figures[0] < 1.3 * figures[1]
    assert figures[2] > 2 * figures[0]


def test_a_large_catalogue_is_ranked_in_small_blocks() -> None:
    """With 100,000 items no more than 64 MB of scores are asked for at once."""
    rng = np.random.default_rng(0)
    made = split(
        RatingMatrix.from_columns(np.repeat(np.arange(400), 500), rng.integers(0, 100_000, 200_000), np.ones(200_000)),
        "per-user", test=0.2, rng=0,
    )  # fmt: skip
    asked = []

    class Wide(Ranker):
        def __init__(self, ratings: RatingMatrix) -> None:
            self.ratings_ = ratings

        def ranking_scores(self, user_index: np.ndarray) -> np.ndarray:
            asked.append(len(user_index))
            return np.zeros((len(user_index), self.ratings_.n_items), np.float32)

    evaluate(Wide(made.train), made)
    assert sum(asked) == 400
    assert max(asked) * made.train.n_items * 4 <= 64 * 2**20
