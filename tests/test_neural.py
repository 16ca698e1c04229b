"""What the neural recommenders share: rows, stopping by hidden users, exact resume, and no NaN for anybody."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from linear_toys import assert_sane, random_ratings, ratings_of, sparse_sets
from property_examples import examples
from test_resume import StopAt
from torch import nn

import recae
from recae.errors import DataError, TrainingInterrupted
from recae.models import MODELS, make_model
from recae.models.vae.neural_ranker import NeuralRanker, unit_rows
from recae.nn import Autoencoder, Decoder, Encoder
from recae.ratings import RatingMatrix
from recae.recommender.list_error import ranking_error
from recae.recommender.params import hyperparameters, param
from recae.recommender.registry import Entry

NAMES = [name for name, entry in MODELS.items() if issubclass(entry.model_class, NeuralRanker)]
each = pytest.mark.parametrize("name", NAMES)
SMALL: dict[str, Any] = {"hidden": 6, "latent": 3, "epochs": 3, "batch_size": 8, "lr": 0.01, "device": "cpu", "rng": 2}


def small(name: str, **more: Any) -> NeuralRanker:
    known = make_model(name).get_params()
    model = make_model(name, **{key: value for key, value in {**SMALL, **more}.items() if key in known})
    assert isinstance(model, NeuralRanker)
    return model


def tastes(seed: int = 0, n_users: int = 90, n_items: int = 130) -> RatingMatrix:
    """Users of five tastes who rate about a fifth of the 130 items, most of them their own."""
    rng = np.random.default_rng(seed)
    own = (np.arange(n_users)[:, None] % 5) == (np.arange(n_items)[None] % 5)
    return ratings_of(rng.random((n_users, n_items)) < np.where(own, 0.6, 0.1))


def same(a: NeuralRanker, b: NeuralRanker) -> bool:
    return all(np.array_equal(x, y) for x, y in zip(a._arrays().values(), b._arrays().values(), strict=True))


def test_the_four_are_there() -> None:
    """The family is registered, so that the tests below run over it."""
    assert set(NAMES) >= {"cdae", "mult-dae", "mult-vae", "rec-vae"}


@each
@pytest.mark.parametrize("hidden_users", [False, True], ids=["known users", "hidden users"])
def test_stopped_and_resumed_is_as_if_nothing_had_happened(
    name: str, hidden_users: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Stopped anywhere, also where the KL term is being annealed or an update alternates: the same bits."""
    split = recae.split(tastes(), "held-out-users", test=10, validation=20, rng=0)
    parts = {"ratings": split.train, "validation": split.validation, "validation_input": split.validation_input}
    if not hidden_users:
        train, validation = recae.splitting.take_validation(split.train, 0.2, rng=0)
        parts = {"ratings": train, "validation": validation}
    settings: dict[str, Any] = {"batch_size": 16}
    whole = small(name, **settings).fit(**parts)
    for step in (2, 6, 9, 12):
        path = tmp_path / f"{step}.ckpt"
        with monkeypatch.context() as patch:
            StopAt(patch, step)
            with pytest.raises(TrainingInterrupted):
                small(name, **settings).fit(**parts, checkpoint=path)
        resumed = small(name, **settings).fit(**parts, checkpoint=path, resume=True)
        assert same(resumed, whole)
        assert resumed.history_.best_epoch == whole.history_.best_epoch


@each
def test_hidden_users_choose_the_epoch(name: str) -> None:
    """The validation figure of hidden users is 1 - NDCG@100 as `recae.evaluate` measures it, and the best one's
    weights are kept."""
    split = recae.split(tastes(), "held-out-users", test=10, validation=20, rng=0)
    model = small(name, epochs=6, lr=0.05, patience=None)
    model.fit(split.train, split.validation, validation_input=split.validation_input)
    figures = [record["validation"] for record in model.history_.records]
    assert model.history_.best == min(figures)
    report = recae.evaluate(model, split, "ndcg@100", part="validation")
    assert report["ndcg@100"] == pytest.approx(1 - min(figures), abs=1e-6)


def test_a_validation_part_that_does_not_fit() -> None:
    """Hidden users without what they show, of another catalogue, or for a model that cannot meet them: refused."""
    split = recae.split(tastes(), "held-out-users", test=10, validation=20, rng=0)
    model = small("mult-vae")
    with pytest.raises(DataError, match=r"give validation_input=.* too"):
        model.fit(split.train, split.validation)
    with pytest.raises(DataError, match=r"validation None, and training has 130 items"):
        model.fit(split.train, validation_input=split.validation_input)
    with pytest.raises(DataError, match="held-out-users"):
        model.fit(split.train, split.validation, validation_input=split.test_input)
    stars = split.train.user_rows.copy()
    stars.data[::2] = 2.0
    train = split.train.with_rows(stars, scale=(1.0, 2.0))
    with pytest.raises(DataError, match="take_validation"):
        recae.AutoRec().fit(train, split.validation, validation_input=split.validation_input)
    recae.EASE().fit(split.train, split.validation, validation_input=split.validation_input)  # has no use for it


@each
def test_a_learnt_taste_is_recommended_to_strangers(name: str) -> None:
    """Hidden users get far more of their own taste than one in five."""
    split = recae.split(tastes(n_users=200), "held-out-users", test=40, validation=40, rng=0)
    model = small(name, hidden=20, epochs=40, lr=0.02, batch_size=16)
    model.fit(split.train, split.validation, validation_input=split.validation_input)
    popular = recae.Popularity().fit(split.train)
    ours, theirs = (recae.evaluate(m, split, "ndcg@20")["ndcg@20"] for m in (model, popular))
    assert ours > 1.5 * theirs


@given(sparse_sets())
@settings(max_examples=examples(8), deadline=None)
@pytest.mark.parametrize("values", ["binary", "ratings"])
@each
def test_any_set_gives_finite_scores(name: str, values: str, ratings: RatingMatrix) -> None:
    """Users and items without ratings, stored zeros, a single user: numbers come out for everybody."""
    if values == "ratings" and not ratings.user_rows.data.any():
        return
    assert_sane(small(name, values=values, epochs=2).fit(ratings), ratings)


def test_unit_rows() -> None:
    """Rows have length 1; an empty row first, between and last, and a row of stored zeros, stay as they are."""
    dense = np.array([[0, 0, 0], [3, 4, 0], [0, 0, 0], [0, 0, 2], [0, 0, 0]])
    stored = dense != 0
    stored[2, 1] = True
    rows = unit_rows(ratings_of(dense, stored).user_rows)
    np.testing.assert_allclose(rows.toarray(), [[0, 0, 0], [0.6, 0.8, 0], [0, 0, 0], [0, 0, 1], [0, 0, 0]], rtol=1e-6)
    assert rows.nnz == 4
    assert unit_rows(random_ratings().user_rows[:0]).shape == (0, 13)


@pytest.mark.parametrize("name", ["mult-vae", "mult-dae"])
def test_what_is_no_count_is_refused(name: str) -> None:
    """Negative ratings, or only zeros, are no counts: the message says how to go on; as ones they are fine."""
    ratings = ratings_of(np.array([[-3.0, 2.0, 0.0], [0.0, 5.0, 1.0]]))
    with pytest.raises(DataError, match=r"from -3 to 5 .* values='binary'"):
        small(name, values="ratings").fit(ratings)
    with pytest.raises(DataError, match="from 0 to 0"):
        small(name, values="ratings").fit(ratings_of(np.zeros((2, 3)), np.eye(2, 3) > 0))
    small(name, values="binary").fit(ratings)


@hyperparameters
class Normalised(NeuralRanker):
    """Mult-DAE with BatchNorm behind the first layer."""

    hidden: int = param(6, "hidden units", low=1)

    def _network(self, ratings: RatingMatrix, steps: int) -> nn.Module:
        network = Autoencoder(
            Encoder([ratings.n_items, self.hidden], ["tanh"]), Decoder([self.hidden, ratings.n_items])
        )
        network.encoder = nn.Sequential(network.encoder, nn.BatchNorm1d(self.hidden))
        return network


def test_a_network_with_batchnorm_is_saved_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Running means and the count of batches, which are no parameters, are in the file: scores are the same bits."""
    monkeypatch.setitem(MODELS, "normalised", Entry(Normalised, "", {}))
    model = Normalised(epochs=2, batch_size=16, device="cpu").fit(tastes())
    again = recae.load_model(model.save(tmp_path / "m"))
    assert isinstance(again, Normalised)
    assert again._arrays()["encoder.1.running_mean"].any()
    assert again._arrays()["encoder.1.num_batches_tracked"] == 2 * 6
    np.testing.assert_array_equal(again.score_users(np.arange(90)), model.score_users(np.arange(90)))


@each
def test_averaged_weights_are_what_is_validated_and_kept(name: str) -> None:
    """With ema, every epoch's figure is of the averaged weights, and these are the model that is left."""
    split = recae.split(tastes(), "held-out-users", test=10, validation=20, rng=0)
    parts: dict[str, Any] = {"validation": split.validation, "validation_input": split.validation_input}
    averaged = small(name, ema=0.9).fit(split.train, **parts)
    plain = small(name).fit(split.train, **parts)
    assert not same(averaged, plain)
    assert averaged.history_.records[-1]["validation"] != plain.history_.records[-1]["validation"]
    error = ranking_error(averaged.score, split.validation_input, split.validation)(None)
    assert error == pytest.approx(averaged.history_.best, abs=1e-6)


def starred() -> recae.Split:
    """Stars and their times with some users hidden: more of them than are learnt from."""
    table = tastes().to_frame()
    frame = table.assign(rating=1.0 + (table["user"].astype(str).str.len() + np.arange(len(table))) % 5)
    data = RatingMatrix.from_frame(frame.assign(timestamp=np.arange(len(frame))), timestamp="timestamp")
    return recae.split(data, "held-out-users", test=30, validation=40, rng=0)


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("bias", {}), ("biased-mf", {"shrink": "always"}), ("u-autorec", {"epochs": 1}),
        ("blend", {"members": ("bias", "global-mean")}), ("dated", {"base": "bias"}),
    ],
)  # fmt: skip
def test_rating_models_refuse_hidden_users(name: str, settings: dict[str, Any]) -> None:
    """Rows of hidden users are no rows of training: weights on them would be of other users."""
    split = starred()
    with pytest.raises(DataError, match="predicts ratings") as told:
        make_model(name, **settings).fit(split.train, split.validation, validation_input=split.validation_input)
    assert "take_validation" in str(told.value)


def test_rankers_of_rankers_hand_hidden_users_to_those_that_can_meet_them() -> None:
    """A member stops by them as it does alone, one that stops by known users gets none, and so does a base."""
    split, alone = starred(), small("mult-vae")
    parts = {"validation": split.validation, "validation_input": split.validation_input}
    figures = [one["validation"] for one in alone.clone().fit(split.train, **parts).history_.records]
    assert None not in figures
    network = {"model": "session-rnn", "hidden": 3, "epochs": 1, "own_part": False, "device": "cpu"}
    blend: Any = recae.RankingBlend(members=(alone, network, "ease"), rng=2).fit(split.train, **parts)
    assert [one["validation"] for one in blend.models_[0].history_.records] == figures
    assert blend.models_[1].history_.records[0]["validation"] is None
    based: Any = recae.Recency(base=alone, power=1.0, rng=2).fit(split.train, **parts)
    assert [one["validation"] for one in based.base_.history_.records] == figures
