"""The embedded sample: ratings generated from a written-down model, whose truth is therefore known.

The model, with MovieLens' shape (every constant is below, named):

* a film i has a quality b_i ~ N(0, 0.45), one to three of eight genres, and a character q_i: the mean of its
  genres' directions plus a part of its own, scaled to unit mean square; a user u has a mildness b_u ~ N(0, 0.42)
  and a taste p_u, both of `TASTES` dimensions;
* how much u likes i: m_ui = 3.5 + b_u + b_i + 0.64 p_u.q_i / sqrt(TASTES);
* the star given: m_ui + e with e ~ N(0, 0.84), rounded to the nearest of 1..5;
* who rates what: activities are log-normal with at least 20 ratings, popularity falls as a power of the rank,
  good films are seen more, and users prefer what they like (so ratings are not missing at random, as in life);
* in which order they are rated, and when: in sessions, in which taste drifts (`recae.datasets.sample_order`).

Which films are rated depends on m but not on e, so E[star | u, i] = 1 + sum_{s=1..4} P(m_ui + e > s + 1/2)
is the best possible prediction, and its RMSE is the floor for every model. What comes next is known as well as it can
be by `next_scores`.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from recae._types import DoubleArray, IntArray
from recae.datasets.sample_order import next_scores, rating_times, telling_genres
from recae.datasets.sample_titles import GENRES, film_titles
from recae.errors import ParameterError
from recae.ratings import RatingMatrix
from recae.ratings.seeds import generator_of

Rng = int | np.random.Generator | None

TASTES = 4  # dimensions of taste
MEAN, USER_SPREAD, ITEM_SPREAD, TASTE_SPREAD, NOISE = 3.5, 0.42, 0.45, 0.64, 0.84
POPULARITY_POWER, POPULARITY_OFFSET = 1.1, 25.0  # weight of the film of rank r: (r + offset) ** -power
QUALITY_PULL, TASTE_PULL = 0.5, 0.35  # how much quality and liking raise the log-odds of being seen
LEAST = 20  # ratings that every user has, as in MovieLens
ACTIVITY_SPREAD = 0.9
THRESHOLDS = np.array([1.5, 2.5, 3.5, 4.5])
START, THREE_YEARS = 956_700_000, 94_608_000  # seconds: April 2000, the time of MovieLens-1M
BLOCK = 2048  # users whose choice is drawn at once: memory is BLOCK x items


@dataclass(frozen=True, eq=False, repr=False)
class SampleTruth:
    """The model behind one sample; indices are raw id - 1, and arrays are read-only.

    Attributes:
        user_bias: b_u, shape (n_users,).
        item_bias: b_i, shape (n_items,).
        tastes: p_u, shape (n_users, TASTES).
        characters: q_i, shape (n_items, TASTES).
        pulls: log-odds of each film of being rated, taste left out, shape (n_items,).
        activities: ratings of each user, shape (n_users,).
        genres: telling genre of each film, index into GENRES, shape (n_items,).
    """

    user_bias: DoubleArray
    item_bias: DoubleArray
    tastes: DoubleArray
    characters: DoubleArray
    pulls: DoubleArray
    activities: IntArray
    genres: IntArray

    def liking(self, user_ids: Any, item_ids: Any) -> DoubleArray:
        """m_ui for pairs of raw ids, shape (n_pairs,)."""
        u, i = np.asarray(user_ids) - 1, np.asarray(item_ids) - 1
        taste = np.einsum("nd,nd->n", self.tastes[u], self.characters[i]) / np.sqrt(TASTES)
        return np.asarray(MEAN + self.user_bias[u] + self.item_bias[i] + TASTE_SPREAD * taste)

    def expected(self, user_ids: Any, item_ids: Any) -> DoubleArray:
        """E[star | truth] for pairs of raw ids, shape (n_pairs,): the best prediction there is."""
        from scipy.special import ndtr

        liking = self.liking(user_ids, item_ids)
        return np.asarray(1.0 + ndtr((liking[:, None] - THRESHOLDS) / NOISE).sum(axis=1))

    def best_rmse(self, test: RatingMatrix) -> float:
        """RMSE of `expected` on the ratings of `test` (a part of the sample): no model gets reliably below it."""
        users, items, stars = test.pairs()
        error = self.expected(test.user_ids[users], test.item_ids[items]) - stars
        return float(np.sqrt(np.mean(error**2)))

    def next_scores(self, user_ids: Any, last_item_ids: Any) -> DoubleArray:
        """How probable each film is as the one after the film rated last, as a logarithm up to a constant.

        Ranking the films by it that the user has not rated yet gives the best list there is in the user's last session,
        for who does not know which films the user is going to rate.

        Returns:
            Shape (n_pairs, n_items).
        """
        u = np.asarray(user_ids) - 1
        log_weights = _log_weights(self.pulls, self.tastes[u], self.characters)
        return next_scores(log_weights, self.activities[u], self.genres, np.asarray(last_item_ids) - 1)

    def __repr__(self) -> str:
        return f"SampleTruth({len(self.user_bias):,} users x {len(self.item_bias):,} items)"


def sample(users: int = 1000, items: int = 1200, ratings: int = 80_000, rng: Rng = 0) -> RatingMatrix:
    """Generated ratings with MovieLens' shape: stars 1..5, timestamps, titles, genres; the model is the module's.

    The same `rng` gives the same ratings. Unrated films do not occur (none, at the defaults).

    Raises:
        ParameterError: the numbers do not go together (fewer than 20 ratings a user, or too many for the films).
    """
    return sample_with_truth(users, items, ratings, rng)[0]


def sample_truth(users: int = 1000, items: int = 1200, ratings: int = 80_000, rng: int = 0) -> SampleTruth:
    """The model behind `sample` of the same arguments; `best_rmse(test)` is what the best model would reach.

    `rng` is a seed here (a generator has no way back): with a generator, use `sample_with_truth`.
    """
    return sample_with_truth(users, items, ratings, rng)[1]


def sample_with_truth(
    users: int = 1000, items: int = 1200, ratings: int = 80_000, rng: Rng = 0
) -> tuple[RatingMatrix, SampleTruth]:
    """The ratings of `sample` and the model that made them."""
    _check(users, items, ratings)
    drawn = _drawn_once if isinstance(rng, int) else _drawn
    columns, item_table, user_table, truth = drawn(users, items, ratings, rng)
    matrix = RatingMatrix.from_columns(
        *columns, scale=(1.0, 5.0), item_table=item_table.copy(), user_table=user_table.copy(), name="sample"
    )
    return matrix, truth


def _drawn(
    users: int, items: int, ratings: int, rng: Rng
) -> tuple[tuple[npt.NDArray[Any], ...], pd.DataFrame, pd.DataFrame, SampleTruth]:
    """Users, items, stars and times of all ratings; the tables of items and users; what they were drawn from."""
    rng = generator_of(rng)
    genres = _genres(items, rng)
    user_bias, item_bias = rng.normal(0, USER_SPREAD, users), rng.normal(0, ITEM_SPREAD, items)
    tastes, characters = rng.normal(0, 1, (users, TASTES)), _characters(genres, rng)
    activities = _activities(users, items, ratings, rng)
    pulls = _pulls(item_bias, rng)
    truth = SampleTruth(
        user_bias, item_bias, tastes, characters, pulls, activities, telling_genres(genres)
    )  # fmt: skip
    user_index, item_index = _who_rates_what(truth, rng)
    stars = _stars(truth, user_index, item_index, rng)
    joined = START + rng.integers(0, THREE_YEARS, users)
    waits = rng.exponential(14 * 86_400, len(user_index)).astype(np.int64)
    item_table, user_table = _item_table(genres, rng), _user_table(truth, genres, rng)
    times = rating_times(user_index, truth.genres[item_index], joined, waits, rng)
    for array in vars(truth).values():  # whoever asks for the same sample gets these
        array.setflags(write=False)
    return (user_index + 1, item_index + 1, stars, times), item_table, user_table, truth


# A command draws the ratings, and then their truth; a notebook loads them again and again.
_drawn_once = functools.lru_cache(maxsize=2)(_drawn)


def _check(users: int, items: int, ratings: int) -> None:
    if users < 1 or items < LEAST:
        name, value, least = ("users", users, 1) if users < 1 else ("items", items, LEAST)
        raise ParameterError(name=name, value=value, expected=f"a number of at least {least}")
    if not LEAST * users <= ratings <= users * items // 2:
        raise ParameterError(
            f"{users:,} users and {items:,} items",
            name="ratings",
            value=ratings,
            expected=f"a number from {LEAST * users:,} ({LEAST} a user) to {users * items // 2:,} (half of the table)",
        )


def _genres(items: int, rng: np.random.Generator) -> npt.NDArray[np.bool_]:
    """One to three genres a film, the first genres commonest; shape (items, len(GENRES))."""
    share = 1.0 / (np.arange(len(GENRES)) + 2.0)
    keys = np.log(share) + rng.gumbel(size=(items, len(GENRES)))
    rank = np.argsort(np.argsort(-keys, axis=1), axis=1)
    return np.asarray(rank < rng.choice([1, 2, 3], size=(items, 1), p=[0.4, 0.4, 0.2]))


def _characters(genres: npt.NDArray[np.bool_], rng: np.random.Generator) -> DoubleArray:
    directions = rng.normal(0, 1, (genres.shape[1], TASTES))
    own = rng.normal(0, 0.5, (len(genres), TASTES))
    characters = genres @ directions / genres.sum(axis=1, keepdims=True) + own
    characters -= characters.mean(axis=0)
    return np.asarray(characters / characters.std(axis=0))


def _activities(users: int, items: int, ratings: int, rng: np.random.Generator) -> npt.NDArray[np.int64]:
    """Ratings of each user: at least LEAST, at most two thirds of the films, `ratings` in all."""
    most = max(LEAST, 2 * items // 3)
    share = np.exp(rng.normal(0, ACTIVITY_SPREAD, users))
    counts = np.full(users, LEAST)
    while (left := ratings - int(counts.sum())) > 0:
        room = counts < most
        counts += rng.multinomial(left, np.where(room, share, 0) / share[room].sum())
        np.minimum(counts, most, out=counts)
    return counts.astype(np.int64)


def _pulls(item_bias: DoubleArray, rng: np.random.Generator) -> DoubleArray:
    """Log-odds of each film of being rated: good ones and those at the head of the tail are seen more, (n_items,)."""
    rank = rng.permutation(len(item_bias))
    return np.asarray(QUALITY_PULL * item_bias - POPULARITY_POWER * np.log(rank + POPULARITY_OFFSET))


def _log_weights(pulls: DoubleArray, tastes: DoubleArray, characters: DoubleArray) -> DoubleArray:
    """Log-odds of each film of being rated by users of these tastes, (n_users, n_items)."""
    return np.asarray(pulls + TASTE_PULL * (tastes @ characters.T) / np.sqrt(TASTES))


def _who_rates_what(truth: SampleTruth, rng: np.random.Generator) -> tuple[IntArray, IntArray]:
    """Films drawn without replacement for each user: the first of Gumbel keys (Efraimidis and Spirakis 2006)."""
    counts, chosen = truth.activities, []
    for first in range(0, len(counts), BLOCK):
        keys = _log_weights(truth.pulls, truth.tastes[first : first + BLOCK], truth.characters)
        order = np.argsort(-(keys + rng.gumbel(size=keys.shape)), axis=1)
        chosen += [row[:n] for row, n in zip(order, counts[first : first + BLOCK])]
    return np.repeat(np.arange(len(counts)), counts), np.concatenate(chosen)


def _stars(truth: SampleTruth, u: Any, i: Any, rng: np.random.Generator) -> npt.NDArray[np.float32]:
    given = truth.liking(u + 1, i + 1) + rng.normal(0, NOISE, len(u))
    return np.clip(np.floor(given + 0.5), 1, 5).astype(np.float32)


def _item_table(genres: npt.NDArray[np.bool_], rng: np.random.Generator) -> pd.DataFrame:
    titles, years = film_titles(genres, rng)
    names = ["|".join(name for name, has in zip(GENRES, row) if has) for row in genres]
    return pd.DataFrame({"item": np.arange(len(genres)) + 1, "title": titles, "year": years, "genres": names})


def _user_table(truth: SampleTruth, genres: npt.NDArray[np.bool_], rng: np.random.Generator) -> pd.DataFrame:
    """What a form at the door would ask: the favourite genre (from the taste), and the age (from nothing)."""
    typical = np.stack([truth.characters[has].mean(axis=0) if has.any() else np.zeros(TASTES) for has in genres.T])
    favourite = np.array(GENRES, dtype=object)[np.argmax(truth.tastes @ typical.T, axis=1)]
    n_users = len(truth.user_bias)
    return pd.DataFrame({"user": np.arange(n_users) + 1, "age": rng.integers(14, 75, n_users), "favourite": favourite})
