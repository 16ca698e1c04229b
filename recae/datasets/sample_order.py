"""In which order, and when, the users of the embedded sample rate: sessions, in which taste drifts.

Which films a user rates, and how, is drawn before (`recae.datasets.sample`). The order is drawn afterwards:

* a film's telling genre is its rarest one. The genres stand in a ring;
* after a film of telling genre g, each film that the user has still to rate comes next with a probability in proportion
  to `NEXT` where its telling genre is the one after g in the ring, to `SAME` where it is g, and else to 1;
* a session ends after each film with probability 1 / `LENGTH`. The next one begins with any film left: taste drifts
  within a session, and starts anew with each;
* so drawn, the first session in the draw is the last one in time, and so on: the films of later sessions are chosen
  among more films, so that few of the last sessions are made of what was left;
* sessions begin on days of the weeks after a user joined, at least `PAUSE` after the end of the one before. Within a
  session 20 to 300 seconds pass between films.

Who knows all this, and does not know which films a user is going to rate, ranks the films left by the odds that the
user rates them times the weight above: `next_scores`. That holds in the last session of each user, of whose choice all
films were a part, but for what the few films left to come change in each other's odds.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from recae._types import DoubleArray, IntArray, Mask

NEXT, SAME = 40.0, 5.0  # weights of films of the next genre in the ring and of the same one; others have 1
LENGTH = 8.0  # films of a session, on average
PAUSE = 2 * 3600  # seconds between sessions, at least
BETWEEN = (20, 300)  # seconds between films of a session


def telling_genres(genres: npt.NDArray[np.bool_]) -> IntArray:
    """The rarest genre of each film, (n_items,); the columns of `genres`, (n_items, n_genres), go to the rarest."""
    return np.asarray(genres.shape[1] - 1 - np.argmax(genres[:, ::-1], axis=1))


def transition_weights(n_genres: int) -> DoubleArray:
    """How much a film of each telling genre weighs after one of another, (n_genres, n_genres)."""
    same = np.eye(n_genres)
    return np.asarray(1 + (SAME - 1) * same + (NEXT - 1) * np.roll(same, 1, axis=1))


def rating_times(
    users: IntArray, genres: IntArray, joined: IntArray, waits: IntArray, rng: np.random.Generator
) -> npt.NDArray[np.int64]:
    """When each rating is given, seconds since 1970, (n,).

    Args:
        users: of each rating, rising, from 0 without gaps, (n,).
        genres: telling genre of each rating's film, (n,).
        joined: when each user joined, (n_users,).
        waits: seconds after joining, drawn for each rating, of which sessions take theirs, (n,).
    """
    n = len(users)
    counts = np.bincount(users)
    first = np.cumsum(counts) - counts
    begins, order = _last_to_first(users, *_drawn(users, genres, counts, rng))
    sorted_waits = waits[np.lexsort((waits, users))]
    steps = np.where(begins, 0, rng.integers(*BETWEEN, n))
    opening = np.flatnonzero(begins)
    session = np.cumsum(begins) - 1
    lasted = np.bincount(session, steps).astype(np.int64)
    spent = np.cumsum(lasted + PAUSE) - (lasted + PAUSE)  # of all sessions before, other users' too
    user = users[opening]
    era = 10**10 * user  # of one user after those of the user before: a running maximum then stays within a user
    own = spent - spent[session[first]][user]
    starts = np.maximum.accumulate(sorted_waits[opening] - own + era) + own - era
    within = np.cumsum(steps)
    times = np.empty(n, np.int64)
    times[order] = joined[users] + starts[session] + within - within[opening][session]
    return times


def _last_to_first(users: IntArray, begins: Mask, order: IntArray) -> tuple[Mask, IntArray]:
    """The sessions of each user in the opposite order, each in itself as it was."""
    session = np.cumsum(begins)
    turned = np.lexsort((session.max() - session, users))
    return begins[turned], order[turned]


def _drawn(users: IntArray, genres: IntArray, counts: IntArray, rng: np.random.Generator) -> tuple[Mask, IntArray]:
    """Whether a session begins at each position of a user's history, and which rating stands there, (n,) each."""
    n_genres = int(genres.max()) + 1
    weights = transition_weights(n_genres)
    by_genre = np.lexsort((rng.random(len(users)), genres, users))  # within a genre any order is as likely
    left = np.zeros((len(counts), n_genres), np.int64)
    np.add.at(left, (users, genres), 1)
    upcoming = (np.cumsum(left) - left.ravel()).reshape(left.shape)
    first, longest_first = np.cumsum(counts) - counts, np.argsort(-counts, kind="stable")
    begins, order = np.ones(len(users), bool), np.empty(len(users), np.int64)
    genre = np.zeros(len(counts), np.int64)
    active = np.searchsorted(-counts[longest_first], -np.arange(counts.max()))
    for step, n_active in enumerate(active):  # users that have a rating left
        user = longest_first[:n_active]
        anew = (rng.random(n_active) < 1 / LENGTH) | (step == 0)
        odds = np.where(anew[:, None], 1.0, weights[genre[user]]) * left[user]
        reached = np.cumsum(odds, axis=1)
        chosen = (reached <= rng.random((n_active, 1)) * reached[:, -1:]).sum(axis=1)
        order[first[user] + step] = by_genre[upcoming[user, chosen]]
        begins[first[user] + step] = anew
        upcoming[user, chosen] += 1
        left[user, chosen] -= 1
        genre[user] = chosen
    return begins, order


def next_scores(log_weights: DoubleArray, counts: IntArray, genres: IntArray, last: Any) -> DoubleArray:
    """What a film's probability of coming next is in proportion to, as a logarithm, (n, n_items).

    A user rates the films whose exponential clocks, of rate `exp(log_weights)`, ring before a moment at which `counts`
    of them have rung: which is how they were drawn.

    Args:
        log_weights: of each film for each user, (n, n_items).
        counts: ratings of each user, (n,).
        genres: telling genre of each film, (n_items,).
        last: index of the film before, (n,).
    """
    rates = np.exp(log_weights - log_weights.max(axis=1, keepdims=True))
    low, high = np.zeros(len(rates)), np.full(len(rates), 60.0)
    for _ in range(50):  # bisection on the logarithm of the moment
        middle = (low + high) / 2
        rung = -np.expm1(-rates * np.expm1(middle)[:, None]).sum(axis=1)
        low, high = np.where(rung < counts, middle, low), np.where(rung < counts, high, middle)
    passed = rates * np.expm1(high)[:, None]
    log_odds = passed + np.log(-np.expm1(-passed))  # of ringing before: log(exp(passed) - 1)
    weights = transition_weights(int(genres.max()) + 1)
    return np.asarray(log_odds + np.log(weights[genres[np.asarray(last)]][:, genres]))
