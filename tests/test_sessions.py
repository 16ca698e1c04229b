"""Sessions: what they are cut from and into, and the parts of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

import recae
from recae.errors import DataError, DataWarning, ParameterError
from recae.events.cutting import sessions
from recae.events.next_ranks import dated_history, history, rank_figures, ranks_of_next
from recae.events.session_events import Sessions
from recae.events.session_splits import TEST, TRAIN, VALIDATION, split_sessions
from recae.recommender.popularity import POPULAR

MINUTE = 60


def test_events_of_a_store_are_cut_into_mapped_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Cut 100 events at a time, users whole, the sessions are those cut in memory; their arrays are maps of files."""
    monkeypatch.setattr("recae.events.mapped_sessions.EVENTS", 100)
    table = recae.load("sample").select(np.arange(80_000) < 1500).to_frame()
    table.to_csv(tmp_path / "events.csv", index=False)
    recae.prepare_store(tmp_path / "events.csv", tmp_path / "store")
    stored = recae.load(tmp_path / "store")
    assert stored.is_mapped
    mapped, memory = recae.sessions(stored, "1h"), recae.sessions(recae.load(tmp_path / "events.csv"), "1h")
    assert mapped.n_sessions > 20
    assert mapped.how == memory.how
    for name in ("items", "values", "times", "session_starts", "user_starts"):
        np.testing.assert_array_equal(getattr(mapped, name), getattr(memory, name))
    assert all(isinstance(array, np.memmap) for array in (mapped.items, mapped.values, mapped.times))


def log(rows: list[tuple[str, str, float, int]]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["user", "item", "rating", "timestamp"])


TWO = log([
    ("v", "c", 1, 500 * MINUTE), ("u", "a", 5, 100 * MINUTE), ("u", "b", 4, 100 * MINUTE + 1), ("v", "a", 2, 0),
    ("u", "c", 3, 130 * MINUTE + 1), ("u", "d", 2, 160 * MINUTE + 2),
])  # fmt: skip


def matrix(frame: pd.DataFrame, **more) -> recae.RatingMatrix:
    return recae.RatingMatrix.from_frame(frame, timestamp="timestamp", **more)


def as_lists(cut: Sessions) -> dict[str, list[list[str]]]:
    """User to sessions to items."""
    frame = cut.to_frame()
    return {
        user: [part["item"].tolist() for _, part in rows.groupby("session")] for user, rows in frame.groupby("user")
    }


def test_a_gap_ends_a_session() -> None:
    """Events in any order are put in that of time; more than 30 minutes without one begin a session, 30 do not."""
    cut = sessions(matrix(TWO))
    assert as_lists(cut) == {"u": [["a", "b", "c"], ["d"]], "v": [["a"], ["c"]]}
    assert cut.statistics()["events_per_session"] == {"least": 1, "median": 1.0, "mean": 1.5, "most": 3}
    assert cut.since().tolist() == [-1, 1, 30 * MINUTE, 30 * MINUTE + 1, -1, 500 * MINUTE]
    assert as_lists(sessions(matrix(TWO), gap="1D")) == {"u": [["a", "b", "c", "d"]], "v": [["a", "c"]]}
    assert as_lists(sessions(matrix(TWO), gap=31 * MINUTE)) == as_lists(sessions(TWO, gap="31min"))


def test_rows_of_one_pair_are_events_of_their_own() -> None:
    """Who plays c three times has three events, from a table and from a matrix, and the last one is the rating."""
    frame = pd.concat([TWO, log([("v", "c", 4, 10), ("v", "c", 5, 20)])])
    with pytest.warns(DataWarning, match="repeat a pair"):
        cut = sessions(matrix(frame))
    assert as_lists(cut)["v"] == [["a", "c", "c"], ["c"]]
    with pytest.warns(DataWarning, match="repeat a pair"):
        assert as_lists(sessions(frame)) == as_lists(cut)
    again = cut.to_ratings()
    assert again.n_ratings == 6
    assert as_lists(sessions(again)) == as_lists(cut)
    assert cut.to_ratings(cut.times <= 20).user_rows[[1], [2]] == 5


def test_a_column_names_sessions() -> None:
    """Names may have gaps and be shared by users; sessions are in the order of their first events."""
    frame = TWO.assign(visit=[9, 7, 7, 2, 3, 40])
    assert as_lists(sessions(frame, column="visit")) == {"u": [["a", "b"], ["c"], ["d"]], "v": [["a"], ["c"]]}
    with pytest.raises(DataError, match="row 2: the session in column 'visit' is missing"):
        sessions(frame.assign(visit=[1, None, 1, 1, 1, 1]), column="visit")
    with pytest.raises(DataError, match="user 'u' in column 'visit' overlap"):
        sessions(frame.assign(visit=[1, 7, 8, 1, 7, 7]), column="visit")
    with pytest.raises(ParameterError, match="give the table"):
        sessions(matrix(TWO), column="visit")
    with pytest.raises(DataError, match="no column 'day'"):
        sessions(TWO, column="day")


def test_columns_of_a_log_are_found() -> None:
    """Usual names of columns, in any case, are found as `recae.load` finds them; others are stated, by name or
    position; a refusal names the argument."""
    names = {"user": "Customer_ID", "item": "sku", "rating": "stars", "timestamp": "unix_time"}
    log_of = TWO.rename(columns=names)
    assert as_lists(sessions(log_of)) == as_lists(sessions(TWO))
    np.testing.assert_array_equal(sessions(log_of).values, sessions(TWO).values)
    assert set(sessions(log_of.drop(columns="stars")).values) == set(sessions(log_of, rating=False).values) == {1.0}
    own = log_of.rename(columns={"Customer_ID": "wer", "unix_time": "wann"})
    assert as_lists(sessions(own, user="wer", timestamp=3)) == as_lists(sessions(TWO))
    with pytest.raises(DataError, match=r"no column found for the timestamp: .*'wann'; name it with timestamp=\.\.\."):
        sessions(own, user="wer")
    with pytest.raises(DataError, match=r"no column found for the user; .*name it with user=\.\.\."):
        sessions(own, timestamp="wann")
    with pytest.raises(DataError, match="no column 'when' for the timestamp"):
        sessions(own, user="wer", timestamp="when")
    with pytest.raises(ParameterError, match=r"no argument 'time'.*did you mean 'timestamp'"):
        sessions(own, time="wann")
    named = log_of.assign(u=[9, 7, 7, 2, 3, 40])  # a usual name, but stated as that of sessions
    assert as_lists(sessions(named, column="u")) == as_lists(sessions(TWO.assign(visit=named["u"]), column="visit"))


def test_what_says_nothing_of_order_is_refused() -> None:
    """No timestamps, one moment for all, a gap that is none: each is named."""
    with pytest.raises(DataError, match="no timestamps"):
        sessions(recae.RatingMatrix.from_frame(TWO))
    with pytest.raises(DataError, match="all 6 timestamps of 'ratings' are 5"):
        sessions(matrix(TWO.assign(timestamp=5)))
    with pytest.raises(DataError, match="takes a RatingMatrix or a table"):
        sessions(5)
    for gap in (0, -1, float("nan"), "soon", True, None):
        with pytest.raises(ParameterError, match=r"gap|span"):
            sessions(matrix(TWO), gap)


def test_one_event_and_a_long_session() -> None:
    """A single event is a session; 50,000 events, half a minute apart, are one."""
    assert as_lists(sessions(TWO.iloc[:1])) == {"v": [["c"]]}
    n = 50_000
    long = log([("u", f"i{k % 700}", 1, 30 * k) for k in range(n)])
    with pytest.warns(DataWarning, match="repeat a pair"):
        cut = sessions(long)
    assert (cut.n_events, cut.n_sessions, cut.n_users) == (n, 1, 1)


@st.composite
def logs(draw: st.DrawFn) -> pd.DataFrame:
    rows = draw(st.lists(
        st.tuples(st.integers(0, 4), st.integers(0, 6), st.integers(1, 5), st.integers(0, 400)), min_size=2, max_size=40
    ))  # fmt: skip
    rows = [*rows, (0, 0, 1, 0), (0, 1, 1, 401)]  # so that moments differ
    return pd.DataFrame(rows, columns=["user", "item", "rating", "timestamp"]).assign(rating=lambda f: f.rating * 1.0)


@given(logs(), st.integers(1, 200))
@settings(max_examples=60)
@pytest.mark.filterwarnings("ignore::recae.errors.DataWarning")
def test_every_event_is_in_one_session(frame: pd.DataFrame, gap: int) -> None:
    """Nothing is lost; times rise within a user; a pause is longer than the gap exactly where a session begins."""
    cut = sessions(frame, gap=gap)
    columns = ["user", "item", "rating", "timestamp"]
    found, wanted = (f[columns].sort_values(columns).to_numpy() for f in (cut.to_frame(), frame))
    np.testing.assert_array_equal(found, wanted)
    since, first = cut.since(), np.zeros(cut.n_events, bool)
    first[cut.session_starts[:-1]] = True
    assert ((since == -1) == np.isin(np.arange(cut.n_events), cut.event_starts[:-1])).all()
    assert (first == ((since > gap) | (since == -1))).all()
    assert (since >= -1).all()


@given(logs(), st.integers(1, 200), st.booleans())
@settings(max_examples=60)
@pytest.mark.filterwarnings("ignore::recae.errors.DataWarning")
def test_the_last_session_is_the_test(frame: pd.DataFrame, gap: int, validation: bool) -> None:
    """Of who has enough sessions the last one is the test, the one before it validation; parts are all events."""
    cut = sessions(frame, gap=gap)
    needed, counts = 2 + validation, np.diff(cut.user_starts)
    if counts.max() < needed:
        with pytest.raises(DataError, match="no user"):
            split_sessions(cut, validation=validation)
        return
    parts = split_sessions(cut, validation=validation)
    for user in range(cut.n_users):
        of_user = [set(parts.part[a:b]) for a, b in zip(cut.session_starts, cut.session_starts[1:])]
        of_user = of_user[cut.user_starts[user] : cut.user_starts[user + 1]]
        late = [{VALIDATION}, {TEST}] if validation else [{TEST}]
        enough = len(of_user) >= needed
        assert of_user == [{TRAIN}] * (len(of_user) - enough * len(late)) + (late if enough else [])
    events = sum(sessions_of(part) for part in (parts.train, parts.validation, parts.test) if part is not None)
    assert events == cut.n_events


def sessions_of(ratings: recae.RatingMatrix) -> int:
    """How many events ratings hold."""
    return ratings.n_ratings + (
        0 if ratings.repeats is None else len(ratings.repeats) - len(set(ratings.repeats.position))
    )


@given(logs(), st.floats(0.05, 0.6))
@settings(max_examples=60)
@pytest.mark.filterwarnings("ignore::recae.errors.DataWarning")
def test_a_cut_by_time_parts_nothing_of_one_moment(frame: pd.DataFrame, share: float) -> None:
    """Train is before validation, validation before the test; the test has its share at least."""
    cut = sessions(frame, gap=50)
    wanted = max(1, int(share * cut.n_events + 0.5))
    left = cut.times[cut.times < np.sort(cut.times)[-wanted]]
    if len(left) == 0 or np.sort(left)[-max(1, int(share * len(left) + 0.5))] == left.min():
        with pytest.raises(DataError, match="leaves the train part empty"):
            split_sessions(cut, "time", test=share)
        return
    parts = split_sessions(cut, "time", test=share)
    ends = [(cut.times[parts.part == k].min(), cut.times[parts.part == k].max()) for k in (TRAIN, VALIDATION, TEST)]
    assert ends[0][1] < ends[1][0] <= ends[1][1] < ends[2][0]
    assert (parts.part == TEST).sum() >= wanted
    assert parts.up_to(VALIDATION).n_events == (parts.part < TEST).sum()
    assert (parts.up_to(VALIDATION).users == cut.users[parts.part < TEST]).all()


def test_events_of_one_moment_are_not_in_catalogue_order() -> None:
    """Of 40 users with 8 events of one moment each, neighbours rise about as often as they fall; order is the same."""
    users, items = np.divmod(np.arange(320), 8)
    data = recae.RatingMatrix.from_columns(users, items, np.ones(320), users * 10_000)
    cut = sessions(data)
    rises = np.diff(cut.items.reshape(40, 8)) > 0
    assert 0.35 < rises.mean() < 0.65
    few = sessions(data.select((users == 7) | (users == 9)))
    np.testing.assert_array_equal(few.items[:8], cut.items[56:64])


def test_ways_to_split_that_there_are_not() -> None:
    """An unknown way, a share for last sessions, a date after all events: errors that say so."""
    cut = sessions(TWO)
    with pytest.raises(ParameterError, match="'last-session' or 'time'"):
        split_sessions(cut, "random")  # type: ignore[arg-type]
    with pytest.raises(ParameterError, match="does not use it"):
        split_sessions(cut, test=0.1)
    with pytest.raises(DataError, match="leaves the test part empty"):
        split_sessions(cut, "time", test="2024-01-01")
    with pytest.raises(ParameterError, match="share"):
        split_sessions(cut, "time", test=1.5)
    dated = split_sessions(cut, "time", test="1970-01-01 02:40:00", validation=False)
    assert dated.part.tolist() == [TRAIN] * 3 + [TEST] + [TRAIN, TEST]
    assert dated.validation is None


def test_a_store_gives_the_same_sessions(tmp_path) -> None:
    """Ratings that are memory-mapped are cut as those in memory."""
    TWO.to_csv(tmp_path / "log.csv", index=False)
    recae.prepare_store([tmp_path / "log.csv"], tmp_path / "store", progress=False)
    stored = recae.load(tmp_path / "store")
    assert stored.is_mapped
    assert as_lists(sessions(stored)) == as_lists(sessions(TWO))


def test_next_items_by_hand() -> None:
    """Popularity's lists against what came next: ranks among what a user did not have; first events are left out."""
    data = log([
        ("u", "a", 1, 0), ("u", "b", 1, 60), ("u", "c", 1, 10**6), ("u", "d", 1, 10**6 + 60),
        ("v", "a", 1, 5), ("v", "b", 1, 50), ("w", "a", 1, 5), ("w", "d", 1, 9),
    ])  # fmt: skip
    parts = split_sessions(sessions(matrix(data)), validation=False)
    found = recae.evaluate_next_items(recae.Popularity().fit(parts.train), parts)
    # d is asked after a, b and c: of what is left, only d; it is first
    assert found == {"recall@5": 1.0, "recall@20": 1.0, "mrr@20": 1.0, "ndcg@20": 1.0, "n_events": 1, "n_users": 1}
    counts = np.array([[3.0, 2.0, 0.0, 1.0]])
    for target, seen, rank in ((3, [], 3), (3, [0], 2), (1, [0], 1), (2, [], 4), (0, [0], 0)):
        row = sparse.csr_array((np.ones(len(seen)), (np.zeros(len(seen), int), seen)), shape=(1, 4))
        assert ranks_of_next(counts, np.array([target]), row).tolist() == [rank]
    figures = rank_figures(np.array([1, 6, 21, 0]))
    assert figures["recall@5"].tolist() == [1, 0, 0]
    assert figures["mrr@20"].tolist() == [1, 1 / 6, 0]
    assert figures["ndcg@20"] == pytest.approx([1, 1 / np.log2(7), 0])


def test_next_items_are_measured_by_lists_with_their_popularity() -> None:
    """A model whose lists are popularity's, for it adds nothing but popularity, has popularity's figures."""
    parts = split_sessions(sessions(recae.load("sample")))
    wanted = recae.evaluate_next_items(recae.Popularity().fit(parts.train), parts, most=300)
    found = recae.evaluate_next_items(recae.ItemKNN(popularity=POPULAR, k=20).fit(parts.train), parts, most=300)
    assert found == wanted
    own = recae.evaluate_next_items(recae.ItemKNN(popularity=0.0, k=20).fit(parts.train), parts, most=300)
    assert own != wanted


@pytest.mark.filterwarnings("ignore::recae.errors.DataWarning")
def test_history_is_what_was_before() -> None:
    """Rows hold the items before a position, the latest rating of each, and when it was given."""
    cut = sessions(log([("u", "a", 1, 0), ("u", "b", 2, 9), ("u", "a", 5, 20), ("v", "b", 4, 3)]))
    rows = history(cut, np.array([0, 0, 0, 1]), np.array([0, 2, 3, 4]), values=True)
    np.testing.assert_array_equal(rows.toarray(), [[0, 0], [1, 2], [5, 2], [0, 4]])
    dated = dated_history(cut, np.array([0, 0, 0, 1]), np.array([0, 2, 3, 4]))
    np.testing.assert_array_equal(dated.user_rows.toarray(), rows.toarray())
    assert dated.timestamps.tolist() == [0, 9, 20, 9, 3]
