"""Models of sessions on the command line: files whose times say nothing are refused, others are read right."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from cli_helpers import done, inline, parsed, warmly

import recae

NET = ("--model", "session-rnn", "--hidden", 4, "--epochs", 1)


def log() -> pd.DataFrame:
    """12 users with 3 sittings of 3 events; each film is followed by the next one of a ring of 15."""
    user, step = np.divmod(np.arange(108), 9)
    return pd.DataFrame({
        "user": [f"u{k}" for k in user], "item": [f"i{k}" for k in (user + step) % 15], "rating": 1 + step % 5,
        "timestamp": user * 10**6 + step * 60 + step // 3 * 90_000,
    })  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Files of the same log: as it is, without times, of one moment, out of order, its first event alone."""
    folder, frame = tmp_path_factory.mktemp("sessions"), log()
    frames = {
        "ok": frame, "bare": frame.drop(columns="timestamp"), "equal": frame.assign(timestamp=5),
        "mixed": frame.sample(frac=1, random_state=0), "one": frame[:1],
    }  # fmt: skip
    for name, each in frames.items():
        each.to_csv(folder / f"{name}.csv", index=False)
    return folder


@pytest.mark.parametrize(
    ("file", "words"), [("bare", "has no timestamps"), ("equal", "timestamps of 'equal.csv' are 5")]
)
def test_times_that_say_nothing_are_refused(folder: Path, file: str, words: str) -> None:
    """Processes end with one line that names the file and the remedy, and leave no model."""
    for model in (("--model", "v-sknn"), NET):
        found = warmly("train", f"{file}.csv", *model, "--test", 0, "--out", f"{file}.recae", cwd=folder)
        assert found.returncode == 1
        assert words in found.stderr
        assert "Traceback" not in found.stderr
        assert not (folder / f"{file}.recae").exists()


def test_the_order_of_rows_does_not_matter(folder: Path) -> None:
    """Out of order, the same file gives the same lists; an unseen user's rows may be out of order, too."""
    lists = []
    for name in ("ok", "mixed"):
        out = folder / f"{name}.recae"
        done(inline("train", folder / f"{name}.csv", "--model", "markov", "--test", 0, "--out", out))
        lists.append(parsed("recommend", out, "--user", "u4", "-n", 3))
    assert lists[0] == lists[1]
    assert lists[0][0]["item"] == "i13"
    stranger = folder / "stranger.csv"
    log().query("user == 'u2'").assign(user="z").sample(frac=1, random_state=1).to_csv(stranger, index=False)
    found = parsed("recommend", folder / "ok.recae", "--new-ratings", stranger, "-n", 1)
    assert [row["item"] for row in found] == ["i11"]


def test_one_event(folder: Path) -> None:
    """A file of one event trains, and lists its one item."""
    for model in (("--model", "markov"), NET):
        done(inline("train", folder / "one.csv", *model, "--test", 0, "--out", folder / "one.recae"))
        found = inline("recommend", folder / "one.recae", "--user", "u0", "-n", 3, "--include-seen")
        assert "i0" in done(found)


def test_a_session_of_50000_events(tmp_path: Path) -> None:
    """It is one session, read whole; after its last event comes what came after that item before."""
    n = 50_000
    frame = pd.DataFrame({"user": "u", "item": np.arange(n) % 700, "rating": 1.0, "timestamp": 30 * np.arange(n)})
    two = pd.concat([frame, frame[:2].assign(user="v")])
    two.to_csv(tmp_path / "long.csv", index=False)
    out = tmp_path / "m.recae"
    done(inline("train", tmp_path / "long.csv", "--model", "markov", "--test", 0, "--out", out))
    assert [str(row["item"]) for row in parsed("recommend", out, "--user", "v", "-n", 1)] == ["2"]


def test_attention_is_printed(folder: Path) -> None:
    """`recae explain` shows the session, what attention weighs, and - where it weighs nothing."""
    out = folder / "net.recae"
    done(inline("train", folder / "ok.csv", *NET, "--attention", "true", "--test", 0, "--out", out))
    lines = done(inline("explain", out, "--user", "u4", "--item", "i14", "-n", 9)).splitlines()
    assert lines[1].split() == [
        "item",
        "rating",
        "contribution",
        "session",
        "event",
        "attention",
        "session",
        "attention",
    ]
    assert all((line.split()[3] == "3") == (line.split()[-1] == "-") for line in lines[2:])
    assert sum(float(line.split()[4]) for line in lines[2:] if line.split()[4] != "-") == pytest.approx(1, abs=0.01)


def test_the_latest_ratings_are_held_out(folder: Path) -> None:
    """Without --split, models of sessions are measured on the latest ratings, said in a line; --split stays."""
    said = "markov reads the order of ratings: held out are the latest ones (--split time, not {})."
    found = inline("train", folder / "ok.csv", "--model", "markov", "--out", folder / "late.recae")
    done(found)
    assert said.format("random") in found.stderr
    found = inline("compare", folder / "ok.csv", "--models", "popularity,markov", "--json")
    assert json.loads(done(found))["protocol"] == "time"
    assert said.format("held-out-users") in found.stderr
    found = inline("train", folder / "ok.csv", "--model", "markov", "--split", "random")
    done(found)
    assert "held out" not in found.stderr
    assert "held out" not in inline("train", folder / "ok.csv", "--model", "popularity").stderr
    auto = inline("train", folder / "ok.csv", "--model", "auto", "--task", "next-item")
    assert "auto reads the order" in auto.stderr


def test_new_users_are_predicted_at_the_moments_of_their_pairs(folder: Path) -> None:
    """`recae predict --new-ratings` reads the dates of the pairs: what it prints is what `predict_new` answers."""
    out, new = folder / "rated.recae", folder / "new.csv"
    train = ("train", folder / "ok.csv", "--model", "session-rnn-ratings", "--hidden", 4, "--epochs", 2, "--test", 0)
    done(inline(*train, "--out", out))
    stranger = log().query("user == 'u2'").assign(user="z", rating=[1, 1, 1, 5, 5, 5, 5, 5, 5])
    stranger.to_csv(new, index=False)
    moments = stranger["timestamp"].iloc[[0, 3, 8]].to_numpy() + 1
    asked = pd.DataFrame({"user": "z", "item": "i14", "timestamp": moments})
    expected = recae.load_model(out).predict_new(stranger, asked)
    assert len(set(expected.round(3))) == 3
    days = pd.to_datetime(asked["timestamp"], unit="s").dt.strftime("%Y-%m-%d %H:%M:%S")
    for name, frame in (("pairs.csv", asked), ("days.csv", asked.assign(timestamp=days))):
        frame.to_csv(folder / name, index=False)
        told = parsed("predict", out, folder / name, "--new-ratings", new)
        np.testing.assert_allclose([row["rating"] for row in told], expected, atol=1e-4)
