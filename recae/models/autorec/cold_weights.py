"""How far features are believed: by what they explain of users and items that lose all their ratings for a while."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from recae._types import FloatArray, IntArray, Mask
from recae.ratings import RatingMatrix
from recae.ratings.matrix import By
from recae.recommender.biases import Biases, fit_baseline
from recae.recommender.cold_regression import fit_cold_regression

SHARE = 0.1  # of the users, and of the items, that lose all ratings
FEWEST = 5  # of them, of no less than four times as many: fewer would say nothing
MOST_RATINGS = 1_000_000  # that are looked at
PULLS = (5.0, 20.0, 80.0)  # of a regression on features, tried
USUAL_PULL = 20.0  # where none can be tried


class ColdWeights(NamedTuple):
    """What was chosen for users and for items without a single rating.

    Attributes:
        user, item: how far what features say is believed against what is expected without them, 0 to 1.
        user_pull, item_pull: of the regression on features (`recae.recommender.cold_regression.ColdRegression`).
    """

    user: float = 1.0
    item: float = 1.0
    user_pull: float = USUAL_PULL
    item_pull: float = USUAL_PULL


class ColdPart(NamedTuple):
    """Ratings without those of some users and items, and what these gave or received.

    Attributes:
        rest: what is left to learn from; users and items keep their indices.
        user, item: index arrays of user and item, and ratings: of users who lost theirs, and of items that did; the
            other side of each pair still has ratings.
    """

    rest: RatingMatrix
    user: tuple[IntArray, IntArray, FloatArray]
    item: tuple[IntArray, IntArray, FloatArray]


def cold_part(ratings: RatingMatrix, described: dict[By, Mask], seed: int) -> ColdPart | None:
    """Take all ratings from a tenth of the users and of the items that features are known of.

    Args:
        ratings: of more than a million, those of some users are looked at.
        described: who has features, by "user" and "item", bool (n_users,) and (n_items,).
        seed: of the draw.

    Returns:
        None where there are too few of either.
    """
    rng = np.random.default_rng((seed, 2))
    if ratings.n_ratings > MOST_RATINGS:
        some = rng.random(ratings.n_users) < MOST_RATINGS / ratings.n_ratings
        ratings = ratings.select(np.repeat(some, ratings.counts("user")))
    users, items, truth = ratings.pairs()
    cold_user = _drawn(ratings.counts("user"), described["user"], rng)[users]
    cold_item = _drawn(ratings.counts("item"), described["item"], rng)[items]
    rest = ratings.select(~cold_user & ~cold_item)
    if not rest.n_ratings or not (cold_user.any() or cold_item.any()):
        return None
    rated = (rest.counts("user") > 0)[users], (rest.counts("item") > 0)[items]
    only_user, only_item = cold_user & ~cold_item & rated[1], cold_item & ~cold_user & rated[0]
    return ColdPart(rest, *((users[part], items[part], truth[part]) for part in (only_user, only_item)))


def cold_weights(part: ColdPart, features: dict[By, FloatArray]) -> ColdWeights:
    """The weights and pulls by which features, (n_users, f) and (n_items, f), explain best what `part` hides."""
    baseline = fit_baseline(part.rest)
    user = _chosen(part, baseline, "user", features["user"])
    item = _chosen(part, baseline, "item", features["item"])
    return ColdWeights(user[0], item[0], user[1], item[1])


def _chosen(part: ColdPart, baseline: Biases, by: By, features: FloatArray) -> tuple[float, float]:
    """Weight and pull for users, or items, that have no ratings in the rest."""
    users, items, truth = part.item if by == "item" else part.user
    if not len(truth) or not features.shape[1]:
        return 1.0, USUAL_PULL
    if by == "item":
        row, column, deviation, rows = users, items, baseline.user, part.rest.rows("user")
    else:
        row, column, deviation, rows = items, users, baseline.item, part.rest.rows("item")

    def expected(*known: Any) -> FloatArray:
        found = fit_cold_regression(rows, baseline.mean, deviation, *known)
        return found.at(found.coefficients(rows, baseline.mean, deviation), row, column)

    plain = expected()
    wanted = truth - baseline.at(users, items) - plain
    found = []
    for pull in PULLS:
        added = expected(features, pull) - plain
        weight = careful_slope(wanted, added, column)
        found.append((float(np.square(wanted - weight * added, dtype=np.float64).sum()), weight, pull))
    return min(found)[1:]


def careful_slope(wanted: FloatArray, added: FloatArray, of: IntArray) -> float:
    """argmin over w of Σ (wanted - w added)², less its standard error, within 0 and 1.

    Ratings of one user err together, as those of one item do, so errors are summed by group (Liang and Zeger,
    Biometrika 1986).

    Args:
        wanted: what the biases leave over of each rating, (n,).
        added: what the model adds to them, (n,).
        of: the user or item that each rating belongs to, (n,).
    """
    wanted, added = np.asarray(wanted, np.float64), np.asarray(added, np.float64)
    squares = float(added @ added)
    if squares == 0:
        return 0.0
    slope = float(added @ wanted) / squares
    groups = np.unique(of, return_inverse=True)[1]
    sums = np.bincount(groups, added * (wanted - slope * added))
    error = float(np.linalg.norm(sums)) / squares * np.sqrt(len(sums) / max(1, len(sums) - 1))
    return float(np.clip(slope - error, 0.0, 1.0))


def _drawn(counts: IntArray, described: Mask, rng: np.random.Generator) -> Mask:
    """A tenth of those with ratings and features, at least five; none where there are too few, (n,)."""
    chosen = np.zeros(len(counts), bool)
    able = np.flatnonzero((counts > 0) & described)
    if len(able) >= 4 * FEWEST:
        chosen[rng.choice(able, max(FEWEST, round(SHARE * len(able))), replace=False)] = True
    return chosen
