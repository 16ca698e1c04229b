"""The embedded sample: its shape, its seed, and the truth behind it."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from recae.datasets.sample import NOISE
from recae.datasets.sample_order import NEXT, SAME, next_scores, rating_times, telling_genres, transition_weights
from recae.datasets.sample_titles import GENRES
from recae.errors import ParameterError
from recae.events.cutting import sessions
from recae.loaders import load, sample, sample_truth, sample_with_truth


def test_shape_of_movielens() -> None:
    """1,000 users, 1,200 films, 80,000 ratings, whole stars, at least 20 a user, and a long tail."""
    matrix = load("sample")
    assert (matrix.shape, matrix.n_ratings) == ((1000, 1200), 80_000)
    assert matrix.scale == (1.0, 5.0)
    stars = np.bincount(matrix.user_rows.data.astype(int), minlength=6)[1:]
    assert (stars > 1000).all()
    assert matrix.counts("user").min() >= 20
    popularity = np.sort(matrix.counts("item"))[::-1]
    assert popularity[:120].sum() > 0.3 * 80_000  # a tenth of the films, a third of the ratings
    assert popularity[-1] >= 1
    assert matrix.timestamps is not None
    assert matrix.timestamps.min() > 9.5e8


def test_titles_and_genres() -> None:
    """Every film has a title of its own with its year, and one to three known genres; users have a favourite."""
    films, users = sample().item_table, sample().user_table
    assert films is not None
    assert users is not None
    assert films["title"].is_unique
    assert all(title.endswith(f"({year})") for title, year in zip(films["title"], films["year"]))
    lists = films["genres"].str.split("|")
    assert set(lists.explode()) == set(GENRES)
    assert lists.str.len().between(1, 3).all()
    assert set(users["favourite"]) <= set(GENRES)


def test_the_seed_decides() -> None:
    """The same seed gives the same ratings, another seed others; a generator is taken too."""
    one, two, other = sample(rng=3), sample(rng=3), sample(rng=4)
    assert (one.user_rows != two.user_rows).nnz == 0
    np.testing.assert_array_equal(one.timestamps, two.timestamps)
    assert (one.user_rows != other.user_rows).nnz > 0
    generated = sample(rng=np.random.default_rng(3))
    assert (one.user_rows != generated.user_rows).nnz == 0


def test_who_changes_a_sample_changes_no_other_one() -> None:
    """The same sample is drawn once: each call has ratings and tables of its own, and the shared truth is read-only."""
    first, truth = sample_with_truth()
    again, _ = sample_with_truth()
    stars, title = again.user_rows.data.copy(), again.item_table.iloc[0, 0]
    first.user_rows.data[:], first.item_table.iloc[0, 0] = 1, "another title"
    last, same = sample_with_truth()
    np.testing.assert_array_equal(last.user_rows.data, stars)
    assert last.item_table.iloc[0, 0] == title
    with pytest.raises(ValueError, match="read-only"):
        same.tastes[0, 0] = 9.0
    assert truth is same


def test_the_truth_is_the_floor() -> None:
    """The truth's RMSE is near 0.79, the bias model fitted on all ratings is far above, and no shift improves it."""
    matrix, truth = sample_with_truth()
    users, items, stars = matrix.pairs()
    floor = truth.best_rmse(matrix)
    assert 0.76 < floor < 0.82
    expected = truth.expected(matrix.user_ids[users], matrix.item_ids[items])
    assert abs(np.mean(stars - expected)) < 0.01  # unbiased
    slope = np.cov(stars, expected)[0, 1] / expected.var()
    assert slope == pytest.approx(1, abs=0.02)  # and neither too bold nor too shy
    by_user = np.bincount(users, stars) / matrix.counts("user")
    by_item = np.bincount(items, stars - by_user[users]) / matrix.counts("item")
    bias = np.sqrt(np.mean((stars - by_user[users] - by_item[items]) ** 2))
    assert bias > floor + 0.1


def test_expected_stars_against_simulation() -> None:
    """The closed form of E[star | truth] agrees with the mean of simulated stars."""
    _, truth = sample_with_truth(30, 60, 700, rng=1)
    users, items = np.array([1, 5, 30]), np.array([2, 40, 7])
    rng = np.random.default_rng(0)
    drawn = truth.liking(users, items) + rng.normal(0, NOISE, (200_000, 3))
    stars = np.clip(np.rint(drawn), 1, 5)
    np.testing.assert_allclose(truth.expected(users, items), stars.mean(axis=0), atol=0.01)


def test_truth_without_the_ratings() -> None:
    """sample_truth gives the model of sample with the same arguments."""
    matrix, truth = sample_with_truth(50, 60, 1500, rng=2)
    assert sample_truth(50, 60, 1500, rng=2).best_rmse(matrix) == truth.best_rmse(matrix)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"ratings": 1000}, "ratings=1000: .*expected a number from 20,000"),
        ({"ratings": 10**6}, "expected a number from .* to 600,000"),
        ({"items": 10}, "items=10: expected a number of at least 20"),
    ],
)
def test_numbers_that_do_not_go_together(arguments: dict[str, int], message: str) -> None:
    """Too few or too many ratings for the users and films are refused, with the range."""
    with pytest.raises(ParameterError, match=message):
        sample(**arguments)


def test_other_sizes() -> None:
    """The numbers asked for are met exactly, also where users nearly exhaust the films."""
    assert sample(7, 45, 150, rng=0).n_ratings == 150
    assert sample(3000, 200, 70_000, rng=0).n_ratings == 70_000


# ------------------------------------------------------------------ sessions and their drift


def test_ratings_are_given_in_sessions() -> None:
    """Users rate some films in a row, minutes apart, and pause for at least two hours before they go on."""
    matrix = sample(200, 300, 10_000)
    events = sessions(matrix)
    since = events.since()
    begins = np.isin(np.arange(events.n_events), events.session_starts)
    assert since[~begins].min() >= 20
    assert since[~begins].max() < 300
    assert since[begins & (since >= 0)].min() >= 7200
    assert 5 < events.n_events / events.n_sessions < 9  # 8 but for the end of a user's films


def test_taste_drifts_along_the_ring_of_genres() -> None:
    """Films of the next genre follow far more often than films of others, by the weights that are written down.

    In the last session of users who rate many films, of whose choice most of them were a part, counts of what was to be
    had, weighed, give the share that is expected.
    """
    matrix, truth = sample_with_truth(300, 400, 40_000)
    events, expected, found = sessions(matrix), [], []
    for user in np.flatnonzero(matrix.counts("user") > 150):
        last = events.items[events.session_starts[events.user_starts[user + 1] - 1] : events.event_starts[user + 1]]
        left = list(matrix.user_rows[[user]].indices)
        for one, following in pairwise(last):
            left.remove(one)
            weights = transition_weights(len(GENRES))[truth.genres[one]][truth.genres[left]]
            ahead = truth.genres[left] == (truth.genres[one] + 1) % len(GENRES)
            expected.append(weights[ahead].sum() / weights.sum())
            found.append((truth.genres[following] - truth.genres[one]) % len(GENRES) == 1)
    assert len(found) > 400
    assert np.mean(expected) > 0.6
    assert np.mean(found) == pytest.approx(np.mean(expected), abs=3 * 0.5 / np.sqrt(len(found)))


def test_genres_stand_in_a_ring_and_the_rarest_tells() -> None:
    """The weight after a genre is high for the next one, round the ring, and lower for itself."""
    weights = transition_weights(3)
    np.testing.assert_array_equal(weights, [[SAME, NEXT, 1], [1, SAME, NEXT], [NEXT, 1, SAME]])
    np.testing.assert_array_equal(telling_genres(np.array([[True, False, True], [False, True, False]])), [2, 1])


def test_the_list_of_the_truth_is_better_than_simulation_finds_any_film() -> None:
    """Films drawn by their clocks, with the drift, come next as often as the truth's scores say.

    40,000 users of one taste rate 3 of 7 films; after the first film of a session, what comes second is counted.
    """
    rng, rates, genres = np.random.default_rng(0), np.array([4.0, 2, 2, 1, 1, 1, 0.5]), np.array([0, 1, 2, 1, 2, 0, 1])
    n, k = 40_000, 3
    films = np.argsort(rng.exponential(size=(n, 7)) / rates, axis=1)[:, :k].ravel()
    users, zeros = np.repeat(np.arange(n), k), np.zeros(n, np.int64)
    times = rating_times(users, genres[films], zeros, np.zeros(n * k, np.int64), rng)
    order = np.lexsort((times, users))
    films, times = films[order].reshape(n, k), times[order].reshape(n, k)
    whole = (np.diff(times, axis=1) < 7200).all(axis=1)  # all three in one session
    seconds = films[whole & (films[:, 0] == 0)][:, 1]
    counts = np.bincount(seconds, minlength=7)[1:]
    scores = next_scores(np.log(rates)[None], np.array([k]), genres, np.array([0]))[0, 1:]
    of_genre = [np.flatnonzero(genres[1:] == genre) for genre in (1, 2)]
    for group in of_genre:  # within a genre, films come as their odds say, in order
        assert (np.argsort(-scores[group]) == np.argsort(-counts[group])).all()
    assert counts[of_genre[0]].sum() > 3 * counts[of_genre[1]].sum()  # and the next genre before the others
    assert scores[0] == scores.max()
    assert counts[0] == counts.max()
