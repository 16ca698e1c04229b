"""Ratings from a value on, as what was taken, of users who have enough of them."""

from __future__ import annotations

import warnings

from recae.errors import DataWarning
from recae.ratings.matrix import RatingMatrix

ENOUGH = 5  # ratings that a user has at least (Liang et al., WWW 2018)


def liked(ratings: RatingMatrix, threshold: float, min_user: int = ENOUGH) -> RatingMatrix:
    """Ratings of at least `threshold`, each as 1, of the users who have `min_user` or more of them.

    How many ratings of other users are left out is said by a `DataWarning`.

    Raises:
        DataError: no rating is left.
    """
    reached = ratings.binarize(threshold)
    kept = reached.filter(min_user=min_user)
    if lost := reached.n_ratings - kept.n_ratings:
        users = int((reached.counts("user") > 0).sum()) - kept.n_users
        warnings.warn(
            f"{ratings.name}: {lost:,} of the {reached.n_ratings:,} ratings of at least {threshold:g} are left out: "
            f"they are of {users:,} users with fewer than {min_user}", DataWarning, stacklevel=3,
        )  # fmt: skip
    return kept
