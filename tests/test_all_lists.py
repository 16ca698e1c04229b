"""The lists of all users into a file: the same lists, whole after a kill; conditions, boosts and own candidates."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from cli_helpers import LIMITS, command, done, inline, warmly
from contract import FILMS, USERS, fitted

import recae
from recae.errors import DataError, ParameterError, UnknownIdError
from recae.models import EASE
from recae.recommender.all_lists import lists_of, lists_of_new, write_lists

READ = {
    ".csv": pd.read_csv, ".parquet": pd.read_parquet,
    ".ndjson": lambda file: pd.read_json(file, lines=True, dtype=False),
}  # fmt: skip


@pytest.fixture(scope="module")
def model_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """EASE on the sample."""
    ratings = recae.load("sample")
    return recae.make_model("ease", l2=300.0).fit(ratings).save(tmp_path_factory.mktemp("lists") / "m.recae")


@pytest.mark.parametrize("suffix", READ)
def test_the_file_holds_the_lists_of_recommend(suffix: str, tmp_path: Path) -> None:
    """In each format, parts of 4 users join to what `recommend` gives, with ids, ranks and titles; nothing is left."""
    model = fitted("ease")
    file, seen = tmp_path / f"lists{suffix}", []
    write_lists(model, file, 3, users_a_part=4, progress=lambda *counts: seen.append(counts))
    found, expected = READ[suffix](file), model.recommend(model.ratings_.user_ids, 3)
    assert found[["user", "item", "rank", "title"]].to_numpy().tolist() == (
        expected[["user", "item", "rank", "title"]].to_numpy().tolist()
    )
    np.testing.assert_allclose(found["score"], expected["score"], rtol=1e-5)
    assert seen == [(min(31, start + 4), 31) for start in range(0, 31, 4)]
    assert [path.name for path in tmp_path.iterdir()] == [file.name]


_SLOW = """
import sys, time, recae
recae.write_lists(recae.load_model(sys.argv[1]), sys.argv[2], 5, users_a_part=50,
                  progress=lambda done, total: (print(done, flush=True), time.sleep(float(sys.argv[3]))))
"""


def test_it_goes_on_after_a_kill(model_file: Path, tmp_path: Path) -> None:
    """Killed after three parts, the same call makes the others only, and the file is that of an undisturbed run."""
    out, whole = tmp_path / "lists.csv", tmp_path / "whole.csv"
    start = [sys.executable, "-c", _SLOW, str(model_file), str(out)]
    running = subprocess.Popen([*start, "1"], stdout=subprocess.PIPE, text=True, env=os.environ | LIMITS)
    assert running.stdout is not None
    assert [running.stdout.readline().strip() for _ in range(3)] == ["50", "100", "150"]
    running.send_signal(signal.SIGKILL)
    running.wait()
    running.stdout.close()
    assert not out.exists()
    parts = sorted((tmp_path / ".lists.csv.lists").glob("*.csv"))
    assert len(parts) >= 3
    before = {part: part.stat().st_mtime_ns for part in parts}
    time.sleep(0.01)
    stopped = subprocess.Popen([*start, "30"], stdout=subprocess.PIPE, text=True, env=os.environ | LIMITS)
    assert stopped.stdout is not None
    stopped.stdout.readline()
    stopped.kill()
    stopped.wait()
    stopped.stdout.close()
    assert all(part.stat().st_mtime_ns == moment for part, moment in before.items())
    model = recae.load_model(model_file)
    write_lists(model, out, 5, users_a_part=50)
    write_lists(model, whole, 5, users_a_part=50)
    assert out.read_bytes() == whole.read_bytes()


def test_ctrl_c_keeps_whole_lists_and_says_how_to_resume(tmp_path: Path) -> None:
    """Caught in the middle of 100,000 users: exit code 130, one line, parts of whole lists; the same command goes on,
    and its file is that of a run in one go."""
    n_users = 100_000
    users, items = np.repeat(np.arange(n_users), 2), np.tile([0, 1], n_users)
    ratings = recae.RatingMatrix.from_columns([*users, *[0] * 12], [*items, *range(2, 14)], np.ones(len(users) + 12))
    model = recae.Popularity().fit(ratings)
    file, out, whole = model.save(tmp_path / "m.recae"), tmp_path / "lists.csv", tmp_path / "whole.csv"
    request = ["recommend", str(file), "--users", "all", "-n", "10", "--out", str(out)]
    folder = tmp_path / ".lists.csv.lists"
    run = subprocess.Popen(
        [*command(), *request], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=os.environ | LIMITS
    )
    while not list(folder.glob("*.csv")):
        assert run.poll() is None, run.communicate()
        time.sleep(0.005)
    run.send_signal(signal.SIGINT)
    printed, said = run.communicate(timeout=60)
    assert (run.returncode, printed) == (130, "")
    parts = sorted(folder.glob("*.csv"))
    (line,) = said.splitlines()
    assert line.startswith("Error: interrupted; the lists of ")
    assert line.endswith(f"0,000 of 100,000 users are kept beside {out}: run the same command again to resume")
    assert not out.exists()
    assert all(len(pd.read_csv(part)) >= 10_000 * 9 for part in parts)
    before = {part.name: part.read_bytes() for part in parts}
    assert "Lists of 100,000 users" in inline(*request).stderr
    write_lists(model, whole, 10)
    assert out.read_bytes() == whole.read_bytes()
    assert out.read_bytes().startswith(before["000000000000.csv"])


def test_parts_of_another_request_are_not_used(tmp_path: Path) -> None:
    """Parts that belong to another n, condition or model are made anew."""
    model, out = fitted("ease"), tmp_path / "lists.csv"

    def stop(done: int, _: int) -> None:
        raise KeyboardInterrupt

    for change in ({"n": 3}, {"n": 2, "exclude": [FILMS[0]]}, {"n": 2, "filter_seen": False}):
        with pytest.raises(KeyboardInterrupt):
            write_lists(model, out, progress=stop, users_a_part=4, **change)
        write_lists(model, out, 2, users_a_part=4)
        assert len(pd.read_csv(out)) == 2 * 31
        assert pd.read_csv(out)["item"].tolist() == model.recommend(model.ratings_.user_ids, 2)["item"].tolist()


def test_parts_with_other_ids_or_titles_are_not_used(tmp_path: Path) -> None:
    """The same numbers under other ids, or with other titles, are other lists."""
    data = fitted("ease").ratings_
    model, out = EASE().fit(data), tmp_path / "lists.csv"

    def stop(done: int, _: int) -> None:
        raise KeyboardInterrupt

    for change in (
        {"user_ids": np.array([f"{one}!" for one in data.user_ids.tolist()], object)},
        {"item_table": data.item_table.assign(title="another")},
    ):
        model._set_ratings(data)
        with pytest.raises(KeyboardInterrupt):
            write_lists(model, out, 2, progress=stop, users_a_part=4)
        model._set_ratings(replace(data, _cache={}, **change))
        write_lists(model, out, 2, users_a_part=4)
        wanted = model.recommend(model.ratings_.user_ids, 2)[["user", "title"]]
        assert (
            pd.read_csv(out, dtype=str)[["user", "title"]].to_numpy().tolist() == wanted.astype(str).to_numpy().tolist()
        )


def test_own_candidates_and_exclusions(tmp_path: Path) -> None:
    """A list holds only candidates of its user, in the order of all; a user without candidates has none."""
    model = fitted("ease")
    own = pd.DataFrame({"user": [USERS[0]] * 3 + [USERS[20]] * 2, "item": FILMS[:3] + FILMS[10:12]})
    found = lists_of(model, [USERS[0], USERS[1], USERS[20]], 5, candidates=own, filter_seen=False)
    for user, items in own.groupby("user")["item"]:
        everything = model.recommend(user, len(FILMS), filter_seen=False)["item"].tolist()
        listed = found[found["user"] == user]["item"].tolist()
        assert listed == [item for item in everything if item in set(items)]
    assert USERS[1] not in set(found["user"])
    with pytest.raises(UnknownIdError):
        lists_of(model, [USERS[0]], candidates=pd.DataFrame({"user": ["nobody known"], "item": [FILMS[0]]}))


def test_a_boost_adds_standard_deviations(model_file: Path) -> None:
    """The score of a boosted item is its own plus weight x z x the standard deviation of the user's scores."""
    model = recae.load_model(model_file)
    ratings, user = model.ratings_, model.ratings_.user_ids[7]
    year = ratings.item_table["year"].reindex(ratings.item_ids).to_numpy(float)
    own = model.ranking_scores(np.array([7]))[0]
    expected = own + 0.5 * own.std() * (year - year.mean()) / year.std()
    found = lists_of(model, [user], 20, boost={"year": 0.5}, filter_seen=False)
    index = ratings.item_index(found["item"])
    np.testing.assert_allclose(found["score"], expected[index], rtol=1e-4)
    assert set(index) == set(np.argsort(-expected)[:20])
    with pytest.raises(ParameterError, match="did you mean 'year'"):
        lists_of(model, [user], boost={"yaer": 1.0})
    with pytest.raises(DataError, match="no numbers"):
        lists_of(model, [user], boost={"title": 1.0})


def test_the_command_writes_all_lists(model_file: Path, tmp_path: Path) -> None:
    """`--users all` in a process of its own, with a condition; every list fulfils it, and every user has one."""
    out = tmp_path / "lists.parquet"
    arguments = [
        "recommend",
        str(model_file),
        "--users",
        "all",
        "-n",
        "4",
        "--where",
        "year >= 1990",
        "--out",
        str(out),
    ]
    ran = warmly(*arguments)
    assert "Lists of 1,000 users" in ran.stderr
    found, ratings = pd.read_parquet(out), recae.load_model(model_file).ratings_
    assert found["user"].nunique() == 1000
    assert found.groupby("user").size().max() == 4
    assert (ratings.item_table["year"].loc[found["item"]] >= 1990).all()


def test_the_command_takes_boosts_and_own_candidates(model_file: Path, tmp_path: Path) -> None:
    """--where, --boost and --user-candidates change the lists of single users as the API's arguments do."""
    model = recae.load_model(model_file)
    printed = done(inline("recommend", model_file, "--user", 7, "-n", 3, "--boost", "year=2", "--format", "csv"))
    user = model.ratings_.user_ids[model.ratings_.user_index([7])[0]]
    assert [int(line.split(",")[1]) for line in printed.splitlines()[1:]] == (
        lists_of(model, [user], 3, boost={"year": 2.0})["item"].tolist()
    )
    own = tmp_path / "own.csv"
    own.write_text("user,item\n7,10\n7,11\n8,12\n")
    rows = done(inline("recommend", model_file, "--user", 7, "--user-candidates", own, "--include-seen",
                       "--format", "csv")).splitlines()[1:]  # fmt: skip
    assert {int(row.split(",")[1]) for row in rows} == {10, 11}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--users", "all"), "--out FILE"),
        (("--users", "all", "--out", "lists.json"), ".parquet"),
        (("--user", "7", "--boost", "year"), "COLUMN=WEIGHT"),
        (("--user", "7", "--where", "yaer > 3"), "did you mean year"),
        (("--new-ratings", "x.csv", "--users", "all", "--out", "x.csv"), "users that the model knows"),
    ],
)
def test_what_cannot_be_is_refused(arguments: tuple[str, ...], words: str, model_file: Path, tmp_path: Path) -> None:
    """Options that have no effect together, or name what is not there, end with exit code 2 and the remedy."""
    result = inline("recommend", model_file, *arguments)
    assert result.exit_code == 2
    assert words in result.stderr


def test_new_users_take_boosts_and_own_candidates(model_file: Path, tmp_path: Path) -> None:
    """With a known user's row, a stranger's boosted and own lists are that user's; the command says the same."""
    model = recae.load_model(model_file)
    ratings = model.ratings_
    row = ratings.to_frame().query("user == 7")
    stranger = row.assign(user=-1)
    for request in ({"boost": {"year": 1.5}}, {"where": "year >= 1990", "boost": {"year": -1.0}}):
        known, found = lists_of(model, [7], 6, **request), lists_of_new(model, stranger, 6, **request)
        assert found["item"].tolist() == known["item"].tolist()
        assert set(found["user"]) == {-1}
    own = pd.DataFrame({"user": [-1, -1, -1], "item": [10, 11, 12]})
    assert set(lists_of_new(model, stranger, 9, candidates=own, filter_seen=False)["item"]) == {10, 11, 12}
    with pytest.raises(UnknownIdError):
        lists_of_new(model, stranger, candidates=own.assign(user=7))
    file, pairs = tmp_path / "new.csv", tmp_path / "own.csv"
    stranger[["user", "item", "rating"]].to_csv(file, index=False)
    own.to_csv(pairs, index=False)
    printed = done(inline("recommend", model_file, "--new-ratings", file, "-n", 6, "--boost", "year=1.5",
                          "--format", "csv"))  # fmt: skip
    assert [int(line.split(",")[1]) for line in printed.splitlines()[1:]] == (
        lists_of(model, [7], 6, boost={"year": 1.5})["item"].tolist()
    )
    printed = done(inline("recommend", model_file, "--new-ratings", file, "--user", "-1", "--include-seen",
                          "--user-candidates", pairs, "--format", "csv"))  # fmt: skip
    assert {int(line.split(",")[1]) for line in printed.splitlines()[1:]} == {10, 11, 12}


def test_a_lean_file_has_nobody_to_list_for(model_file: Path, tmp_path: Path) -> None:
    """`--users all` of a file without users is an error, and no empty file."""
    lean, out = recae.load_model(model_file).save(tmp_path / "lean.recae", ratings=False), tmp_path / "lists.csv"
    result = inline("recommend", lean, "--users", "all", "--out", out)
    assert result.exit_code == 2
    assert "saved without ratings and users" in result.stderr
    assert not out.exists()
