"""Warm start: `fit(ratings, start=yesterday)` takes over what yesterday's model learnt."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from cli_helpers import inline

import recae
from recae.errors import DataWarning, ModelFileError, NotFittedError, ParameterError
from recae.ratings import RatingMatrix
from recae.recommender.warm_start import seen_before
from recae.splitting import take_validation

MODELS = {
    "i-autorec": {"hidden": 6, "shrink": "never"},
    "u-autorec": {"hidden": (9, 6, 9), "shrink": "never"},
    "deep-rec": {"hidden": 7, "shrink": "never"},
    "mult-vae": {"hidden": 8, "latent": 4},
    "mult-dae": {"hidden": 40},
    "rec-vae": {"hidden": 8, "latent": 4},
    "cdae": {"hidden": 7},
    "elsa": {"factors": 6},
    "linear-ae": {"hidden": 5},
}


def frame(seed: int = 0, n_users: int = 30, n_items: int = 40) -> pd.DataFrame:
    """Ratings of about a third of all pairs, two user ids and three item ids of which only the end names."""
    rng = np.random.default_rng(seed)
    user, item = np.nonzero(rng.random((n_users, n_items)) < 0.35)
    return pd.DataFrame({"user": user + 100, "item": [f"i{j}" for j in item], "rating": rng.integers(1, 6, len(user))})


def days() -> tuple[RatingMatrix, RatingMatrix]:
    """Yesterday's ratings without two users and three items, and today's in another order of ids."""
    today = frame().sample(frac=1, random_state=1)
    new = today["user"].isin([104, 117]) | today["item"].isin(["i3", "i21", "i39"])
    old = today[~new].sort_values(["item", "user"])
    return recae.load(old, scale=(1, 5)), recae.load(today, scale=(1, 5))


@pytest.mark.parametrize("name", MODELS)
def test_known_ids_keep_their_scores_and_new_ones_are_means(name: str) -> None:
    """With no epoch at all, pairs known yesterday are scored as yesterday, though ids have another order today."""
    yesterday, today = days()
    old = recae.make_model(name, **MODELS[name], epochs=3).fit(yesterday, progress=False)
    new = recae.make_model(name, **MODELS[name], epochs=0).fit(today, start=old, progress=False)
    before, now = old._start_state(), new._start_state()
    assert before.keys() == now.keys()
    users, items = today.user_index(yesterday.user_ids), today.item_index(yesterday.item_ids)
    sizes = {yesterday.n_users: users, yesterday.n_items: items}
    new_rows = {28: np.setdiff1d(np.arange(30), users), 37: np.setdiff1d(np.arange(40), items)}
    axes = 0
    for key, value in before.items():
        kept, fresh = now[key].numpy(), now[key].numpy()
        for axis, size in enumerate(value.shape):
            if size in sizes:
                fresh = kept.take(new_rows[size], axis) if axis == 0 else fresh
                kept = kept.take(sizes[size], axis)
                axes += 1
        if key.rsplit(".", 1)[-1] != "means":  # a buffer, as today's ratings have it
            np.testing.assert_allclose(kept, value.numpy(), rtol=1e-6, atol=1e-7, err_msg=key)  # ELSA's are normalised
            if value.shape[0] in sizes and value.ndim == 2:
                mean = value.numpy().mean(0)
                mean = mean / np.linalg.norm(mean) if name == "elsa" else mean
                np.testing.assert_allclose(fresh, np.tile(mean, (len(fresh), 1)), rtol=1e-5, atol=1e-6)
    assert axes >= 1


def test_a_size_that_is_both_hidden_units_and_items_is_told_apart() -> None:
    """A network with as many hidden units as items is aligned along the items only."""
    yesterday, today = days()
    assert yesterday.n_items == 37
    old = recae.MultDAE(hidden=37, epochs=2).fit(yesterday, progress=False)
    new = recae.MultDAE(hidden=37, epochs=0).fit(today, start=old, progress=False)
    items = today.item_index(yesterday.item_ids)
    before, now = (m.network_.decoder.layers[-1].weight.detach().numpy() for m in (old, new))
    assert now.shape == (40, 37)
    np.testing.assert_array_equal(now[items], before)


def test_it_starts_where_training_ended() -> None:
    """On the same ratings the first loss of a warm start is below a tenth of the way down from the cold start's."""
    _, today = days()
    cold = recae.AutoRec(hidden=20, epochs=40, shrink="never").fit(today, progress=False)
    warm = recae.AutoRec(hidden=20, epochs=1, lr=1e-5, shrink="never").fit(today, start=cold, progress=False)
    losses = [record["loss"] for record in cold.history_.records]
    assert warm.history_.records[0]["loss"] < losses[-1] + 0.1 * (losses[0] - losses[-1])


def test_what_does_not_fit_is_refused() -> None:
    """Another class, other layers, another scale, a model fitted in one step, one that learnt nothing: each is said."""
    yesterday, today = days()
    old = recae.AutoRec(hidden=6, epochs=1, shrink="never").fit(yesterday, progress=False)
    with pytest.raises(ParameterError, match="start is a AutoRec, and a MultDAE goes on from its like"):
        recae.MultDAE(hidden=6).fit(today, start=old)
    with pytest.raises(ParameterError, match="start was fitted with hidden=6"):
        recae.AutoRec(hidden=7, shrink="never").fit(today, start=old)
    with pytest.raises(ParameterError, match="from 1 to 5, and these are from 0 to 5"):
        recae.AutoRec(hidden=6, shrink="never").fit(recae.load(frame(), scale=(0, 5)), start=old)
    with pytest.raises(ParameterError, match="EASE goes on from no other model: it is fitted in one step"):
        recae.EASE().fit(today, start=recae.EASE().fit(yesterday))
    with pytest.raises(ParameterError, match="CFN goes on from no other model: each fit begins anew"):
        recae.CFN(hidden=6).fit(today, start=old)
    with pytest.raises(NotFittedError):
        recae.AutoRec(hidden=6, shrink="never").fit(today, start=recae.AutoRec(hidden=6, shrink="never"))


def test_a_lean_file_does_where_only_items_have_rows(tmp_path: object) -> None:
    """A ranker over items goes on from a file without ratings; CDAE, with a vector a user, cannot."""
    yesterday, today = days()
    for name, ok in (("mult-dae", True), ("u-autorec", True)):
        old = recae.make_model(name, hidden=6, epochs=1, **({"shrink": "never"} if name == "u-autorec" else {}))
        path = old.fit(yesterday, progress=False).save(f"{tmp_path}/{name}.recae", ratings=False)
        start = recae.load_model(path)
        assert old.clone().fit(today, start=start, progress=False).ratings_.n_users == 30, ok


def test_held_out_ratings_that_start_has_learnt_from_are_said() -> None:
    """Only the entries that yesterday had count as seen, and a validation part of them is warned of."""
    yesterday, today = days()
    seen = seen_before(today, recae.Popularity().fit(yesterday))
    frame = today.to_frame()
    new = frame["user"].isin([104, 117]) | frame["item"].isin(["i3", "i21", "i39"])
    np.testing.assert_array_equal(seen, ~new)
    train, validation = take_validation(today, 0.2, 0)
    old = recae.MultDAE(hidden=6, epochs=1).fit(yesterday, progress=False)
    with pytest.warns(DataWarning, match=r"start has learnt from [0-9]+ of the [0-9]+ validation ratings"):
        recae.MultDAE(hidden=6, epochs=1).fit(train, validation, start=old, progress=False)


def test_a_warm_start_resumes_exactly(tmp_path: object) -> None:
    """A checkpoint of a warm start belongs to its start: without it the checkpoint is refused."""
    yesterday, today = days()
    old = recae.AutoRec(hidden=6, epochs=2, shrink="never").fit(yesterday, progress=False)
    file = f"{tmp_path}/c.ckpt"
    done = old.clone().fit(today, start=old, checkpoint=file, checkpoint_seconds=0, progress=False)
    again = old.clone().fit(today, start=old, checkpoint=file, resume=True, progress=False)
    np.testing.assert_array_equal(done.predict(100, ["i0", "i1"]), again.predict(100, ["i0", "i1"]))
    with pytest.raises(ModelFileError):
        old.clone().fit(today, checkpoint=file, resume=True, progress=False)


def test_the_command_goes_on_from_a_file(tmp_path: Path) -> None:
    """--start takes model and settings from the file; the test ratings that it knows are said; nonsense is refused."""
    yesterday, today = days()
    old = recae.make_model("u-autorec", hidden=6, epochs=2, shrink="never").fit(yesterday, progress=False)
    start, table, out = tmp_path / "old.recae", tmp_path / "today.csv", tmp_path / "new.recae"
    old.save(start)
    today.to_frame().to_csv(table, index=False)
    ran = inline("train", table, "--start", start, "--epochs", 1, "--scale", 1, 5, "--out", out, "--validation", 0)
    assert ran.exit_code == 0, ran.stderr
    assert "start has learnt from" in ran.stderr
    new = recae.load_model(out)
    assert new.get_params() == {**old.get_params(), "epochs": 1}
    assert new.ratings_.n_users == 30
    wrong = inline("train", table, "--start", start, "--model", "ease", "--test", 0)
    assert wrong.exit_code == 2
    assert "u-autorec" in wrong.stderr
    missing = inline("train", table, "--start", tmp_path / "none.recae")
    assert missing.exit_code == 1
    assert "no file" in missing.stderr
