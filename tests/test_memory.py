"""Memory grows with the ratings and the model, never with users x items."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

_PEAK = """
    import resource, sys
    import numpy as np
    from recae.models import AutoRec
    from recae.ratings import RatingMatrix

    def peak():  # GiB, of this process so far
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20

    by, n_users, n_items, n_ratings = sys.argv[1], 100_000, 50_000, 2_000_000
    rng = np.random.default_rng(0)
    users = rng.integers(0, n_users, n_ratings)
    items = (n_items * rng.random(n_ratings) ** 2).astype(np.int64)  # some films are far more popular
    stars = rng.integers(1, 6, n_ratings).astype(np.float32)
    ratings = RatingMatrix.from_columns(users, items, stars, scale=(1.0, 5.0))
    assert ratings.n_users > 99_000 and ratings.n_items > 49_000, ratings
    before = peak()
    model = AutoRec(by=by, hidden=200, epochs=1, batch_size=8192, device="cpu").fit(ratings, ratings)
    trained = peak()
    frame = model.recommend(ratings.user_ids[:2000], n=10)
    model.predict(ratings.user_ids[:5000], ratings.item_ids[:5000])
    assert len(frame) == 20_000
    print(before, trained, peak(), np.isfinite(model.history_.records[0]["loss"]))
"""


@pytest.mark.slow
@pytest.mark.parametrize("by", ["item", "user"])
def test_a_large_sparse_set_is_trained_in_two_gibibytes(by: str) -> None:
    """100,000 users x 50,000 items with 2 million ratings, 200 hidden units, validated on as many: below 2 GiB.

    Dense, the ratings by themselves would take 18.6 GiB, and the scores of the 2,000 users listed afterwards 0.4.
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(_PEAK), by], capture_output=True, text=True, cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    before, trained, asked, finite = done.stdout.split()
    assert finite == "True"
    assert float(before) <= float(trained) < 2.0
    assert float(asked) < 2.0
