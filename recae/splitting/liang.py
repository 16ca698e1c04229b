"""The held-out-users preparation of Liang et al. (WWW 2018), draw for draw, of MovieLens-20M, Netflix and MSD.

Figures on these sets are compared across papers only where users and held-out ratings are the very same ones. They
come from NumPy's legacy generator, seeded 98765 three times, as the authors' notebook has it: once to order the users,
and once for each of the validation and the test users' held-out ratings.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Any

import numpy as np

from recae._types import Mask
from recae.errors import DataError, ParameterError
from recae.ratings import RatingMatrix
from recae.splitting.held_out import strong_generalisation
from recae.splitting.parts import Split

SEED = 98765
_SHOWN_ONLY = 5  # users with fewer ratings show them all


@dataclass(frozen=True)
class Preparation:
    """How one set was prepared.

    Attributes:
        min_rating: ratings from here count as 1, the others are dropped; None: every row counts.
        min_item: users that an item needs; counted first. 0: items are not filtered (the notebook, not the prose).
        min_user: items that a user needs; counted once, after that.
        held_out: users of the validation part, and of the test part.
    """

    min_rating: float | None
    min_item: int
    min_user: int
    held_out: int


PREPARATIONS: dict[str, Preparation] = {
    "ml-20m": Preparation(min_rating=4.0, min_item=0, min_user=5, held_out=10_000),  # "> 3.5", in half stars
    "netflix": Preparation(min_rating=4.0, min_item=0, min_user=5, held_out=40_000),
    "msd": Preparation(min_rating=None, min_item=200, min_user=20, held_out=50_000),
}


def liang_2018(ratings: RatingMatrix, name: str, *, held_out: int | None = None) -> Split:
    """The split of Liang et al. 2018 of all ratings of one of their sets.

    Args:
        ratings: the whole set as published. Its `timestamps` must be the positions of the ratings in the
            file (0, 1, ...): which of a user's ratings are held out depends on their order there.
        name: ml-20m, netflix or msd.
        held_out: users of each hidden part, instead of the published number: for tests on small sets.

    Returns:
        A `Split` of held-out users, every rating 1; items are those of the train users.

    Raises:
        ParameterError: there is no preparation of that name.
        DataError: positions in the file are not known, or there are too few users.
    """
    if name not in PREPARATIONS:
        raise ParameterError(name="name", value=name, expected=tuple(PREPARATIONS))
    chosen = PREPARATIONS[name]
    n = chosen.held_out if held_out is None else held_out
    if ratings.timestamps is None:
        raise DataError("the order of the ratings in their file is needed: give it as their timestamps, 0, 1, ...")
    kept = ratings.binarize(-np.inf if chosen.min_rating is None else chosen.min_rating)
    if chosen.min_item:
        kept = kept.filter(min_item=chosen.min_item, until_stable=False)
    kept = kept.filter(min_user=chosen.min_user, until_stable=False)
    if n < 1 or 2 * n >= kept.n_users:
        raise DataError(
            f"{2 * n:,} users are to be hidden, and {kept.name!r} has {kept.n_users:,} with {chosen.min_user} ratings "
            f"or more: is this all of {name}?"
        )
    order = np.random.RandomState(SEED).permutation(kept.n_users)
    settings: dict[str, Any] = {"preparation": f"Liang et al. 2018, {name}", "held_out": n, "seed": SEED}
    return strong_generalisation(
        kept, np.sort(order[-n:]), np.sort(order[-2 * n : -n]), hold_out=_fifth_of_each, settings=settings
    )


def _fifth_of_each(theirs: RatingMatrix) -> Mask:
    """int(0.2 n) of the n ratings of each user with 5 or more, drawn in the order of the file."""
    draw = np.random.RandomState(SEED)
    stamps, indptr = theirs.timestamps, theirs.user_rows.indptr
    assert stamps is not None  # `liang_2018` has looked
    chosen = np.zeros(theirs.n_ratings, dtype=bool)
    for begin, end in itertools.pairwise(indptr):
        n = int(end - begin)
        if n >= _SHOWN_ONLY:
            picked = draw.choice(n, size=int(0.2 * n), replace=False)
            chosen[begin + np.argsort(stamps[begin:end])[picked]] = True
    return chosen
