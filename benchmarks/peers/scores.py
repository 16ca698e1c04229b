"""Mult-VAE and EASE beside irspack's on MovieLens-1M: both fitted alike, both ranked and measured by our evaluation."""

from __future__ import annotations

import statistics
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import stats

import recae
from benchmarks.peers.tasks import busy_users
from recae.comparison import paired_test
from recae.evaluation import Report
from recae.models import EASE, MultVAE
from recae.ratings import RatingMatrix
from recae.recommender.base import Recommender
from recae.recommender.fitting import FitOptions
from recae.recommender.learned import LearnedArrays
from recae.splitting import Split

METRICS = ("ndcg@100", "recall@20", "recall@50")


class Given(Recommender):
    """Scores that somebody else made, of exactly these rows."""

    def __init__(self, rows: Any, scores: npt.NDArray[np.float32]) -> None:
        self.rows, self.scores = rows, scores

    def _fit(self, ratings: RatingMatrix, validation: RatingMatrix | None, options: FitOptions) -> None:
        raise NotImplementedError

    def _arrays(self) -> dict[str, Any]:
        raise NotImplementedError

    def _restore(self, arrays: LearnedArrays) -> None:
        raise NotImplementedError

    def score(self, user_rows: Any) -> npt.NDArray[np.float32]:
        assert user_rows.shape == self.rows.shape
        assert (user_rows != self.rows).nnz == 0
        return self.scores.copy()


def measured(model: Recommender, parts: Split) -> Report:
    """All test users at once, so that given scores stay beside their rows."""
    return recae.evaluate(model, parts, METRICS, block=parts.test.n_users)


def of_peer(parts: Split, scores: npt.NDArray[np.float32]) -> Report:
    """The peer's scores of the test users who have something to be found, by our evaluation."""
    model = Given(parts.test_input.user_rows[busy_users(parts)], scores)  # type: ignore[union-attr]
    model.ratings_ = parts.train
    return measured(model, parts)


def our_ease(parts: Split, l2: float) -> Report:
    return measured(EASE(l2=l2).fit(parts.train), parts)


def our_vae(parts: Split, settings: dict[str, Any], seed: int) -> tuple[Report, dict[str, Any]]:
    """Fitted as the peer's is: the best epoch by NDCG@100 of the validation users."""
    vae = MultVAE(**settings["vae"], epochs=settings["most_epochs"], patience=settings["patience"], rng=seed)
    vae.fit(parts.train, parts.validation, validation_input=parts.validation_input, progress=False)
    assert vae.history_.best is not None
    return measured(vae, parts), {
        "best_epoch": vae.history_.best_epoch, "validation_ndcg": 1 - vae.history_.best,
        "seconds": [sum(record["seconds"] for record in vae.history_.records)],
    }  # fmt: skip


def pooled(reports: list[Report]) -> tuple[dict[str, Any], pd.Series]:
    """Figures over several seeds, and NDCG@100 of each user, mean over seeds."""
    figures: dict[str, Any] = {m: statistics.fmean(float(report[m]) for report in reports) for m in METRICS}
    per_user = pd.concat([report.per_user[METRICS[0]] for report in reports], axis=1).mean(axis=1)
    figures["standard_error"] = float(stats.sem(per_user))
    figures["each_seed"] = [float(report[METRICS[0]]) for report in reports]
    return figures, per_user


def side_by_side(ours: list[Report], theirs: list[Report]) -> dict[str, Any]:
    """Both sides' figures, and what ours are better by (paired t-test over users)."""
    (our_row, our_users), (their_row, their_users) = pooled(ours), pooled(theirs)
    return {"recae": our_row, "irspack": their_row, "recae_less_irspack": paired_test(our_users, their_users)}
