"""How far features are believed: by what they explain of users and items that lose all their ratings for a while."""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

import numpy as np

from recae._types import FloatArray, IntArray, Mask
from recae.ratings import RatingMatrix

SHARE = 0.1  # of the users, and of the items, that lose all ratings
FEWEST = 5  # of them, of no less than four times as many: fewer would say nothing
MOST_RATINGS = 1_000_000  # that are looked at


class ColdWeights(NamedTuple):
    """Weight of a model's answers against the biases, 0 to 1, for users and for items without a single rating."""

    user: float = 1.0
    item: float = 1.0


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


def cold_part(ratings: RatingMatrix, described: dict[Literal["user", "item"], Mask], seed: int) -> ColdPart | None:
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


def cold_weights(part: ColdPart, model: Any) -> ColdWeights:
    """The weights, by a model that was fitted on `part.rest`."""
    found = []
    for (users, items, truth), of in ((part.user, part.user[0]), (part.item, part.item[1])):
        baseline = model._baseline().at(users, items)
        found.append(careful_slope(truth - baseline, model._pairs(users, items) - baseline, of) if len(of) else 1.0)
    return ColdWeights(*found)


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
