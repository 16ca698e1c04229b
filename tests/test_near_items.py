"""Where vectors of items start: counts of meetings and mutual information by hand, and a training from there."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pandas as pd
import pytest
from scipy import sparse

import recae
from recae.events.cutting import sessions
from recae.models.sessions import near_items as near
from recae.models.sessions.session_rnn import LENGTH, SessionRNN


def log(visits: list[str]) -> recae.RatingMatrix:
    """A user for each text of items of a letter, a minute apart; "|" is a night between two sessions."""
    rows = []
    for user, visit in enumerate(visits):
        moment = 10**7 * user
        for letter in visit:
            moment += 40_000 if letter == "|" else 60
            rows += [] if letter == "|" else [(user, letter, moment)]
    frame = pd.DataFrame(rows, columns=["user", "item", "timestamp"]).assign(rating=1.0)
    return recae.RatingMatrix.from_frame(frame, timestamp="timestamp")


VISITS = ["abcd|ef", "bad|fe", "ca|e", "dcab", "gf|h"]


@pytest.mark.parametrize("window", [1, 2, 20])
def test_meetings_are_counted_within_sessions(window: int, monkeypatch) -> None:
    """Pairs within the window are those of two loops over each session; more events than `PAIRS` shorten it to 1."""
    events = sessions(log(VISITS))
    monkeypatch.setattr(near, "WINDOW", window)
    found = near.meetings(events)
    names = events.ratings.item_ids
    expected: Counter[tuple[str, str]] = Counter()
    for visit in "|".join(VISITS).split("|"):
        for i, one in enumerate(visit):
            for other in visit[i + 1 : i + 1 + window]:
                expected[one, other] += 1
                expected[other, one] += 1
    assert {(names[i], names[j]): found[i, j] for i, j in zip(*found.nonzero())} == dict(expected)
    monkeypatch.setattr(near, "PAIRS", 3)
    shortened = near.meetings(events)
    monkeypatch.setattr(near, "WINDOW", 1)
    np.testing.assert_array_equal(shortened.toarray(), near.meetings(events).toarray())


def test_vectors_are_those_of_the_mutual_information() -> None:
    """Its entries are logs of ratios by hand; vectors of all ranks give U S Uᵀ, and items that met none are zeros."""
    events = sessions(log(VISITS))
    counts = near.meetings(events).toarray()
    total = counts.sum(1)
    chance = total**0.75 / (total**0.75).sum()
    with np.errstate(divide="ignore", invalid="ignore"):
        expected = np.maximum(np.log(counts / total[:, None] / chance), 0)
    expected[~np.isfinite(expected)] = 0
    information = near.mutual_information(near.meetings(events))
    np.testing.assert_allclose(information.toarray(), expected, atol=1e-6)
    found = near.near_items(events, 11, 0)
    left, values, _ = np.linalg.svd(expected)
    whole = (left * values) @ left.T
    met = total > 0
    assert not met[list(events.ratings.item_ids).index("h")]
    assert not found[~met].any()
    assert not found[:, 8:].any()
    scale = np.square(found[met]).sum() / met.sum()
    assert scale == pytest.approx(1.0, abs=1e-5)
    np.testing.assert_allclose(found @ found.T, whole * met.sum() / np.trace(whole), atol=1e-4)


def test_an_item_that_follows_itself_says_nothing() -> None:
    """Meetings of an item with itself change no entry."""
    counts = near.meetings(sessions(log(VISITS)))
    with_itself = sparse.csr_array(counts + sparse.diags_array(np.arange(counts.shape[0], dtype=np.float32)))
    expected = near.mutual_information(counts).toarray()
    np.testing.assert_array_equal(near.mutual_information(with_itself).toarray(), expected)


def test_a_training_starts_there() -> None:
    """Without an epoch, vectors are those of `near_items`; what they lack, and "random" as a whole, is drawn."""
    data = log(VISITS)
    model = SessionRNN(hidden=11, epochs=0, device="cpu").fit(data)
    drawn = SessionRNN(hidden=11, epochs=0, device="cpu", embeddings="random").fit(data)
    vectors, random = model.item_vectors(), drawn.item_vectors()
    near_ones = LENGTH * near.near_items(sessions(data), 11, 0)
    np.testing.assert_allclose(vectors, np.where(near_ones != 0, near_ones, random), atol=1e-6)
    assert (random != 0).all()
    lonely = log(["a", "b|c", "d"])
    alone = SessionRNN(hidden=4, epochs=1, device="cpu").fit(lonely)
    assert np.isfinite(alone.item_vectors()).all()
    assert alone.item_vectors().all()
