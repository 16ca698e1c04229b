"""`evaluate` against dense loops, on known and on hidden users, and what a `Report` says."""

from __future__ import annotations

import json
import time
from math import sqrt
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pandas as pd
import pytest

from recae import metrics
from recae.errors import DataError, DivergenceError, NotFittedError, ParameterError
from recae.evaluation import METRICS, Report, evaluate
from recae.ranking import top_n_reference
from recae.ratings import RatingMatrix
from recae.splitting import Split, split


class Ranker:
    """Scores by a fixed matrix: known users by their row of it, rows of hidden users by a product with it."""

    predicts_ratings: ClassVar[bool] = False

    def __init__(self, ratings: RatingMatrix, seed: int = 0) -> None:
        self.ratings_ = ratings
        rng = np.random.default_rng(seed)
        self.known = rng.normal(size=ratings.shape).astype(np.float32)
        self.weights = rng.normal(size=(ratings.n_items, ratings.n_items)).astype(np.float32)
        self.asked: list[int] = []

    def score_users(self, user_index: np.ndarray) -> np.ndarray:
        self.asked.append(len(user_index))
        return self.known[user_index]

    def score(self, user_rows: Any) -> np.ndarray:
        self.asked.append(user_rows.shape[0])
        return np.asarray(user_rows @ self.weights)


class Rater(Ranker):
    """Predicts 3 + b_user + b_item with fixed deviations, 3 for what it does not know; hidden users by their mean."""

    predicts_ratings = True

    def __init__(self, ratings: RatingMatrix, seed: int = 0) -> None:
        super().__init__(ratings, seed)
        rng = np.random.default_rng(seed + 1)
        self.user, self.item = rng.normal(size=ratings.n_users), rng.normal(size=ratings.n_items)

    def predict_pairs(self, user_index: np.ndarray, item_index: np.ndarray) -> np.ndarray:
        user = np.where(user_index >= 0, self.user[user_index], 0.0)
        return (3 + user + np.where(item_index >= 0, self.item[item_index], 0.0)).astype(np.float32)

    def predict_pairs_new(self, user_rows: Any, row_index: np.ndarray, item_index: np.ndarray) -> np.ndarray:
        assert np.all(item_index >= 0)
        mean = user_rows.sum(axis=1) / np.maximum(np.diff(user_rows.indptr), 1)
        return (mean[row_index] + self.item[item_index]).astype(np.float32)


def ratings_of(n_users: int = 30, n_items: int = 25, share: float = 0.4, seed: int = 0) -> RatingMatrix:
    rng = np.random.default_rng(seed)
    pairs = np.argwhere(rng.random((n_users, n_items)) < share)
    frame = pd.DataFrame({"user": [f"u{u:02}" for u in pairs[:, 0]], "item": 100 + pairs[:, 1]})
    return RatingMatrix.from_frame(frame.assign(rating=rng.integers(1, 6, len(pairs))), scale=(1, 5), name="toy")


def shuffled(part: RatingMatrix, *, extra: pd.DataFrame | None = None) -> RatingMatrix:
    """The same ratings as a file of its own would give them: other vocabularies, in another order."""
    frame = pd.concat([part.to_frame().iloc[::-1], *([] if extra is None else [extra])])
    order = RatingMatrix.from_frame(frame, scale=part.scale)
    users, items, values = order.pairs()
    new_user, new_item = np.argsort(order.user_ids)[::-1], np.argsort(order.item_ids)[::-1]
    rows = order.user_rows[new_user][:, new_item].tocsr()
    rows.sort_indices()
    assert len(values) == rows.nnz == len(users) == len(items)
    return RatingMatrix(rows, order.user_ids[new_user], order.item_ids[new_item], part.scale, name=part.name)


SPLIT = split(ratings_of(), "random", test=0.3, validation=0.2, rng=0)
TESTED = int((SPLIT.test.counts("user") > 0).sum())
HIDDEN = split(ratings_of(), "held-out-users", test=8, validation=4, rng=0)


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
    report = evaluate(model, SPLIT, list(expected), block=block)  # type: ignore[arg-type]
    assert dict(report) == pytest.approx(expected)
    assert max(model.asked) == (block or TESTED)


def test_the_validation_part_masks_train_only() -> None:
    """part="validation" measures the validation ratings, with nothing but train masked."""
    model = Ranker(SPLIT.train)
    assert SPLIT.validation is not None
    expected = dense_figures(model.known, stored(SPLIT.train), stored(SPLIT.validation), 6)
    assert dict(evaluate(model, SPLIT, list(expected), part="validation")) == pytest.approx(expected)  # type: ignore[arg-type]
    assert dict(evaluate(model, SPLIT.validation, list(expected))) == pytest.approx(expected)  # type: ignore[arg-type]


def test_ratings_alone_mask_what_the_model_saw_and_what_is_excluded() -> None:
    """A test part without its split masks the training ratings; `exclude` adds the validation part."""
    model = Ranker(SPLIT.train)
    assert SPLIT.validation is not None
    names = ["recall@6", "ndcg@6", "hit@6"]
    only_train = dense_figures(model.known, stored(SPLIT.train), stored(SPLIT.test), 6)
    assert dict(evaluate(model, SPLIT.test, names)) == pytest.approx(only_train)  # type: ignore[arg-type]
    whole = dict(evaluate(model, SPLIT, names))  # type: ignore[arg-type]
    assert dict(evaluate(model, SPLIT.test, names, exclude=SPLIT.validation)) == whole  # type: ignore[arg-type]
    assert whole != only_train


@pytest.mark.parametrize("part", ["test", "validation"])
def test_hidden_users_are_scored_from_what_is_shown(part: Any) -> None:
    """Hidden users are ranked by the model's function of their shown ratings, which are masked."""
    model = Ranker(HIDDEN.train)
    shown, target = HIDDEN.parts()[f"{part}_input"], HIDDEN.parts()[part]
    scores = np.asarray(shown.user_rows @ model.weights)
    expected = dense_figures(scores, stored(shown), stored(target), 4)
    report = evaluate(model, HIDDEN, list(expected), part=part, block=3)  # type: ignore[arg-type]
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
    expected = dense_figures(rows @ model.weights, rows > 0, target, 4)
    assert dict(evaluate(model, HIDDEN, list(expected))) == pytest.approx(expected)  # type: ignore[arg-type]


def test_rating_errors_as_scikit_learn_gives_them() -> None:
    """RMSE and MAE of known users over all test ratings, and each user's own beside them."""
    model = Rater(SPLIT.train)
    users, items, truth = SPLIT.test.pairs()
    predicted = model.predict_pairs(users, items)
    report = evaluate(model, SPLIT)  # type: ignore[arg-type]
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
        assert evaluate(model, HIDDEN, "rmse")["rmse"] == pytest.approx(expected)  # type: ignore[arg-type]


def test_known_users_ratings_in_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pairs predicted a few at a time give the same errors."""
    whole = evaluate(Rater(SPLIT.train), SPLIT)["rmse"]  # type: ignore[arg-type]
    monkeypatch.setattr("recae.evaluation.rate.PAIRS", 7)
    assert evaluate(Rater(SPLIT.train), SPLIT)["rmse"] == whole  # type: ignore[arg-type]


COLD = pd.DataFrame({"user": ["new", "new", "u01"], "item": [100, 777, 777], "rating": [1, 2, 5]})


def test_a_test_file_of_its_own() -> None:
    """Ids in another order change nothing; unknown users and items are counted, predicted as unknown, not ranked."""
    model = Rater(SPLIT.train)
    names = ["rmse", "mae", "recall@5", "ndcg@5"]
    plain = evaluate(model, SPLIT.test, names)  # type: ignore[arg-type]
    moved = evaluate(model, shuffled(SPLIT.test), names)  # type: ignore[arg-type]
    assert dict(moved) == pytest.approx(dict(plain))
    pd.testing.assert_frame_equal(moved.per_user.sort_index(), plain.per_user.sort_index(), check_index_type=False)
    cold = evaluate(model, shuffled(SPLIT.test, extra=COLD), names)  # type: ignore[arg-type]
    assert cold["ndcg@5"] == pytest.approx(plain["ndcg@5"])
    squared = plain["rmse"] ** 2 * SPLIT.test.n_ratings
    one = SPLIT.train.user_index("u01")[0], SPLIT.train.item_index(100)[0]
    squared += (1 - 3 - model.item[one[1]]) ** 2 + (2 - 3) ** 2 + (5 - 3 - model.user[one[0]]) ** 2
    assert cold["rmse"] == pytest.approx(sqrt(squared / (SPLIT.test.n_ratings + 3)), rel=1e-5)
    assert cold.counts == {
        "n_users": plain.counts["n_users"] + 1, "n_ratings": SPLIT.test.n_ratings + 3, "cold_users": 1,
        "cold_items": 1, "cold_ratings": 3, "unknown_ratings": 3, "seen_ratings": 0,
    }  # fmt: skip
    assert "3 of the ratings are of users (1) or items (1) without a training rating; 3 are unknown" in str(cold)
    assert np.isnan(cold.per_user.loc["new", "ndcg@5"])


def test_hidden_users_with_unknown_items() -> None:
    """An item the model does not know, asked of a hidden user, is predicted as nothing known at all."""
    extra = HIDDEN.test.to_frame().iloc[:1].assign(item=777, rating=5)
    test = shuffled(HIDDEN.test, extra=extra)
    model = Rater(HIDDEN.train)
    plain = evaluate(model, HIDDEN, "rmse")  # type: ignore[arg-type]
    other = Split(HIDDEN.train, test, test_input=HIDDEN.test_input)
    n = HIDDEN.test.n_ratings
    expected = sqrt((plain["rmse"] ** 2 * n + (5 - 3) ** 2) / (n + 1))
    report = evaluate(model, other, "rmse")  # type: ignore[arg-type]
    assert report["rmse"] == pytest.approx(expected, rel=1e-6)
    assert (report.counts["cold_items"], report.counts["cold_users"]) == (1, 0)


def test_known_to_the_vocabulary_but_never_rated_is_cold() -> None:
    """An item of the vocabulary without a training rating is cold, though not unknown."""
    train = SPLIT.train.select(SPLIT.train.user_rows.indices != 3)
    counts = evaluate(Rater(train), SPLIT.test).counts  # type: ignore[arg-type]
    assert (counts["cold_items"], counts["unknown_ratings"]) == (1, 0)
    assert counts["cold_ratings"] == int((SPLIT.test.user_rows.indices == 3).sum()) > 0


def test_relevance_may_begin_at_a_rating() -> None:
    """With relevant_from=4 only ratings of 4 and 5 count; users without one are left out."""
    model = Ranker(SPLIT.train)
    assert SPLIT.validation is not None
    relevant = SPLIT.test.user_rows.toarray() >= 4
    seen = stored(SPLIT.train) | stored(SPLIT.validation)
    expected = dense_figures(model.known, seen, relevant, 6)
    report = evaluate(model, SPLIT, list(expected), relevant_from=4)  # type: ignore[arg-type]
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
    report = evaluate(model, SPLIT, names, block=4)  # type: ignore[arg-type]
    assert list(report) == names
    assert report["coverage@5"] == metrics.coverage(shown)
    assert report["gini@5"] == metrics.gini(shown)
    assert report["novelty@5"] == pytest.approx(metrics.novelty(ranked, 5, information).mean())
    assert report["diversity@3"] == pytest.approx(metrics.diversity(ranked, 3, SPLIT.train).mean())
    assert report.interval("coverage@5") is None
    only = evaluate(model, SPLIT, "coverage@5")  # type: ignore[arg-type]
    assert only.counts["n_users"] == len(ranked)


def test_intervals_have_the_width_of_a_bootstrap() -> None:
    """Standard errors of rmse, mae and ndcg are those that resampling users gives, to a tenth."""
    made = split(ratings_of(300, 40, 0.3), "random", test=0.3, rng=0)
    model = Rater(made.train)
    report = evaluate(model, made, ["rmse", "mae", "ndcg@10"])  # type: ignore[arg-type]
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
    model.score_users = lambda user_index: model.known[: len(user_index)]  # type: ignore[method-assign]
    before = model.known.copy()
    evaluate(model, SPLIT, "recall@5")  # type: ignore[arg-type]
    np.testing.assert_array_equal(model.known, before)


def test_a_constant_scorer_does_not_win() -> None:
    """Equal scores for all items find no more than chance does, far less than scores that know something."""
    made = split(ratings_of(400, 100, 0.2), "per-user", test=0.3, rng=0)
    constant, chance, informed = (Ranker(made.train) for _ in range(3))
    constant.known = np.zeros_like(constant.known)
    informed.known = informed.known + 1.0 * stored(made.test)
    figures = [evaluate(m, made, "ndcg@10")["ndcg@10"] for m in (constant, chance, informed)]  # type: ignore[arg-type]
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

        def score_users(self, user_index: np.ndarray) -> np.ndarray:
            asked.append(len(user_index))
            return np.zeros((len(user_index), self.ratings_.n_items), np.float32)

    evaluate(Wide(made.train), made)  # type: ignore[arg-type]
    assert sum(asked) == 400
    assert max(asked) * made.train.n_items * 4 <= 64 * 2**20


def test_the_training_part_is_no_test() -> None:
    """Ranking the training part is refused; its rating error is measured, and the report says what it is."""
    model = Rater(SPLIT.train)
    with pytest.raises(DataError, match="is this the training part"):
        evaluate(model, SPLIT.train, "recall@5")  # type: ignore[arg-type]
    report = evaluate(model, SPLIT.train)  # type: ignore[arg-type]
    assert report.counts["seen_ratings"] == SPLIT.train.n_ratings
    assert f"{SPLIT.train.n_ratings} of the ratings were shown to the model" in str(report)


def test_defaults() -> None:
    """Rating models give rmse and mae, rankers the ranking figures that the catalogue is large enough for."""
    assert list(evaluate(Rater(SPLIT.train), SPLIT)) == ["rmse", "mae"]  # type: ignore[arg-type]
    assert list(evaluate(Ranker(SPLIT.train), SPLIT)) == ["recall@20", "ndcg@20", "coverage@20"]  # type: ignore[arg-type]
    made = split(ratings_of(10, 8), test=0.3, rng=0)
    assert list(evaluate(Ranker(made.train), made)) == ["recall@8", "ndcg@8"]  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("metric", "message"),
    [
        ("accuracy", "'accuracy' is unknown; there are rmse, mae, recall@k"),
        ("ndgc@10", "'ndgc@10' is unknown; there are rmse"),
        ("ndcg", "'ndcg'.*such as ndcg@20"),
        ("recall@0", "'recall@0'.*such as recall@20"),
        ("recall@ten", "'recall@ten'.*such as recall@20"),
        ("rmse@5", "rmse takes no cut-off"),
        ("recall@26", "only 25 items"),
        ("rmse", "Ranker ranks items and predicts no ratings"),
        ((), "no metric was asked for"),
    ],
)
def test_wrong_metrics_are_refused(metric: Any, message: str) -> None:
    """A name that is unknown, incomplete or out of reach is refused before anything is scored."""
    model = Ranker(SPLIT.train)
    with pytest.raises(ParameterError, match=message):
        evaluate(model, SPLIT, metric)  # type: ignore[arg-type]
    assert model.asked == []


def test_every_metric_by_its_name() -> None:
    """Every name in METRICS can be measured, and is a finite number."""
    names = [name.replace("@k", "@7") for name in METRICS]
    report = evaluate(Rater(SPLIT.train), SPLIT, names)  # type: ignore[arg-type]
    assert list(report) == names
    assert np.isfinite(list(report.values())).all()


def test_wrong_input_is_refused() -> None:
    """No fit, no split, no such part, no such users, no block and not-a-number each have their own message."""
    model: Any = Rater(SPLIT.train)
    unfitted: Any = object.__new__(Rater)
    with pytest.raises(NotFittedError, match="Rater has learnt nothing"):
        evaluate(unfitted, SPLIT)
    with pytest.raises(DataError, match="not DataFrame"):
        evaluate(model, SPLIT.test.to_frame())  # type: ignore[arg-type]
    with pytest.raises(DataError, match="no validation part"):
        evaluate(model, split(ratings_of(), rng=0), part="validation")
    with pytest.raises(ParameterError, match="part='train'"):
        evaluate(model, SPLIT, part="train")  # type: ignore[arg-type]
    with pytest.raises(ParameterError, match="pass that part itself"):
        evaluate(model, SPLIT.test, part="validation")
    with pytest.raises(ParameterError, match="block=0"):
        evaluate(model, SPLIT, block=0)
    with pytest.raises(DataError, match="holds no rating"):
        evaluate(model, SPLIT.test.select(np.zeros(SPLIT.test.n_ratings, bool)))
    strangers = RatingMatrix.from_frame(COLD.assign(user=["x", "y", "z"]))
    with pytest.raises(DataError, match="of 3 users the model knows 0, and of 2 items 1"):
        evaluate(model, strangers, "recall@5")
    with pytest.raises(DataError, match="relevant_from"):
        evaluate(model, SPLIT, "recall@5", relevant_from=6)


def test_a_model_that_diverged_is_no_zero() -> None:
    """NaN predictions and NaN scores are errors, not figures."""
    model: Any = Rater(SPLIT.train)
    model.item[3] = np.nan
    with pytest.raises(DivergenceError, match="Rater predicts nan for user 'u"):
        evaluate(model, SPLIT)
    model.known = np.full_like(model.known, np.nan)
    with pytest.raises(DivergenceError, match="scores items as NaN"):
        evaluate(model, SPLIT, "recall@5")


def test_report_to_read_print_and_keep(tmp_path: Path) -> None:
    """A report is a mapping, a frame, JSON (also in a file) and a small table, all with the same figures."""
    report = evaluate(Rater(SPLIT.train), SPLIT, ["rmse", "recall@5", "coverage@5"])  # type: ignore[arg-type]
    assert isinstance(report, Report)
    assert len(report) == 3
    assert report.get("mae") is None
    with pytest.raises(KeyError, match="mae was not measured; there are rmse, recall@5, coverage@5"):
        report["mae"]
    with pytest.raises(KeyError, match="mae"):
        report.interval("mae")
    frame = report.to_frame()
    assert list(frame.columns) == ["value", "low", "high"]
    assert frame.loc["rmse", "low"] < report["rmse"] < frame.loc["rmse", "high"]
    assert np.isnan(frame.loc["coverage@5", "low"])
    text = report.to_json(tmp_path / "report.json")
    kept = json.loads((tmp_path / "report.json").read_text())
    assert kept == json.loads(text) == report.to_dict()
    assert kept["rmse"] == report["rmse"]
    assert kept["intervals"]["rmse"] == list(frame.loc["rmse", ["low", "high"]])
    assert kept["n_users"] == TESTED
    low, high = report.interval("rmse") or (0, 0)
    lines = str(report).splitlines()
    assert lines[0] == f"Rater on toy, random split: {TESTED} users, {SPLIT.test.n_ratings} ratings"
    assert lines[2] == f"  rmse          {report['rmse']:.4f}  {low:.4f} to {high:.4f}"
    assert lines[4] == f"  coverage@5    {report['coverage@5']:.4f}"
    assert len({line.index(".") for line in lines[2:5]}) == 1


def test_one_user_has_a_figure_and_no_interval() -> None:
    """With a single test user there is no spread to tell: a value, no interval, valid JSON."""
    model = Rater(SPLIT.train)
    one = SPLIT.test.select(SPLIT.test.pairs()[0] == 0)
    report = evaluate(model, one, ["rmse", "recall@5"])  # type: ignore[arg-type]
    assert report.interval("rmse") is None
    assert report.interval("recall@5") is None
    assert json.loads(report.to_json())["intervals"] == {}


@pytest.mark.slow
def test_ranking_and_measuring_cost_at_most_half_the_score_product() -> None:
    """4,000 users x 20,000 items are ranked and measured within 1.5 times the score product itself (best of 5)."""
    rng = np.random.default_rng(0)
    n = 480_000
    made = split(
        RatingMatrix.from_columns(rng.integers(0, 4000, n), rng.integers(0, 20_000, n), np.ones(n)),
        "per-user", test=0.2, rng=0,
    )  # fmt: skip

    class Factors(Ranker):
        def __init__(self) -> None:
            self.ratings_ = made.train
            self.users = rng.normal(size=(made.train.n_users, 128)).astype(np.float32)
            self.items = rng.normal(size=(made.train.n_items, 128)).astype(np.float32)
            self.seconds = 0.0

        def score_users(self, user_index: np.ndarray) -> np.ndarray:
            start = time.perf_counter()
            scores = self.users[user_index] @ self.items.T
            self.seconds += time.perf_counter() - start
            return scores

    ratios = []
    for _ in range(5):
        model, start = Factors(), time.perf_counter()
        evaluate(model, made, ["recall@20", "recall@50", "ndcg@100"])  # type: ignore[arg-type]
        ratios.append((time.perf_counter() - start) / model.seconds)
    assert min(ratios) < 1.5, ratios
