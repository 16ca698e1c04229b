"""The comparison with other packages: what they are given, and that their scores are measured as ours are."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from linear_toys import ratings_of
from scipy import sparse

import recae
from benchmarks import peers
from recae.models import EASE
from recae.splitting import Split


def parts() -> Split:
    """60 users of 110 items: 15 hidden to stop by, 15 to test on; some have too few ratings to hold any out."""
    rng = np.random.default_rng(0)
    share = np.where(np.arange(60) % 7 == 0, 0.02, 0.3)[:, None]
    return recae.split(ratings_of(rng.random((60, 110)) < share), "held-out-users", test=15, validation=15, rng=0)


def test_a_peer_with_our_scores_has_our_figures() -> None:
    """Scores that go out and come back as an array are measured user by user as the model's own are."""
    split = parts()
    model = EASE(l2=5.0).fit(split.train)
    assert split.test_input is not None
    busy = np.flatnonzero(split.test.counts("user"))
    assert 0 < len(busy) < split.test.n_users
    theirs = peers.of_peer(split, model.score(split.test_input.user_rows[busy]))
    ours = peers.measured(model, split)
    for metric in peers.METRICS:
        np.testing.assert_array_equal(theirs.per_user[metric], ours.per_user[metric])
    worse = peers.of_peer(split, -model.score(split.test_input.user_rows[busy]))
    assert worse["ndcg@100"] < ours["ndcg@100"]


def test_scores_of_other_rows_are_refused() -> None:
    """Given scores belong to their rows: fewer, or others, are not measured by mistake."""
    split = parts()
    assert split.test_input is not None
    rows = split.test_input.user_rows
    given = peers.Given(rows, np.zeros(rows.shape, np.float32))
    given.score(rows)
    for other in (rows[:3], rows[::-1]):
        with pytest.raises(AssertionError):
            given.score(other)


def test_what_a_peer_is_given(tmp_path: Path) -> None:
    """The matrices it reads are ones where something is rated, of the users who have something to be found."""
    split = parts()
    peers.hand_over(tmp_path, split, {"l2": 3.0})
    assert json.loads((tmp_path / "settings.json").read_text()) == {"l2": 3.0}
    assert split.validation is not None
    assert split.validation_input is not None
    busy = split.validation.counts("user") > 0
    wanted = {
        "train": split.train.user_rows, "shown": split.validation_input.user_rows[busy],
        "wanted": split.validation.user_rows[busy],
    }  # fmt: skip
    for name, rows in wanted.items():
        with np.load(tmp_path / f"{name}.npz") as file:
            read = sparse.csr_matrix(
                (np.ones(len(file["indices"])), file["indices"], file["indptr"]), tuple(file["shape"])
            )
        np.testing.assert_array_equal(read.toarray(), rows.toarray() != 0)
