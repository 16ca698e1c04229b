"""The comparison with other packages: what they are given, and that their scores are measured as ours are."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from linear_toys import ratings_of
from scipy import sparse

import recae
from benchmarks.pages import peers_page
from benchmarks.peers import __main__ as peers
from benchmarks.peers import environments as env
from benchmarks.peers import limited_process, tasks
from benchmarks.peers import scores as accuracy
from recae.models import EASE
from recae.splitting import Split


def parts() -> Split:
    """60 users of 110 items: 15 hidden to stop by, 15 to test on; some have too few ratings to hold any out."""
    rng = np.random.default_rng(0)
    share = np.where(np.arange(60) % 7 == 0, 0.02, 0.3)[:, None]
    return recae.split(ratings_of(rng.random((60, 110)) < share), "held-out-users", test=15, validation=15, rng=0)


def test_a_peer_with_our_scores_has_our_figures() -> None:
    """Scores that go out and come back as an array are measured user by user as the model's own are."""
    split = parts()
    model = EASE(l2=5.0).fit(split.train)
    assert split.test_input is not None
    busy = np.flatnonzero(split.test.counts("user"))
    assert 0 < len(busy) < split.test.n_users
    theirs = accuracy.of_peer(split, model.score(split.test_input.user_rows[busy]))
    ours = accuracy.measured(model, split)
    for metric in accuracy.METRICS:
        np.testing.assert_array_equal(theirs.per_user[metric], ours.per_user[metric])
    worse = accuracy.of_peer(split, -model.score(split.test_input.user_rows[busy]))
    assert worse["ndcg@100"] < ours["ndcg@100"]


def test_scores_of_other_rows_are_refused() -> None:
    """Given scores belong to their rows: fewer, or others, are not measured by mistake."""
    split = parts()
    assert split.test_input is not None
    rows = split.test_input.user_rows
    given = accuracy.Given(rows, np.zeros(rows.shape, np.float32))
    given.score(rows)
    for other in (rows[:3], rows[::-1]):
        with pytest.raises(AssertionError):
            given.score(other)


def test_what_a_peer_is_given(tmp_path: Path) -> None:
    """The matrices it reads are ones where something is rated, of the users who have something to be found."""
    split = parts()
    tasks.hand_over_liked(tmp_path, split)
    assert split.validation is not None
    assert split.validation_input is not None
    busy = split.validation.counts("user") > 0
    wanted = {
        "train": split.train.user_rows, "shown": split.validation_input.user_rows[busy],
        "wanted": split.validation.user_rows[busy],
    }  # fmt: skip
    for name, rows in wanted.items():
        with np.load(tmp_path / f"{name}.npz") as file:
            read = sparse.csr_matrix(
                (np.ones(len(file["indices"])), file["indices"], file["indptr"]), tuple(file["shape"])
            )
        np.testing.assert_array_equal(read.toarray(), rows.toarray() != 0)


# ---------------------------------------------------------------- environments and processes


@pytest.fixture
def scripts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of scripts and pins, and a cache, of this test only."""
    folder = tmp_path / "scripts"
    folder.mkdir()
    for module in (env, limited_process):
        monkeypatch.setattr(module, "SCRIPTS", folder)
    (tmp_path / "cache").mkdir()
    (tmp_path / "data").mkdir()
    return folder


def test_what_does_not_install_is_told_with_pips_last_line(scripts: Path, tmp_path: Path) -> None:
    """A package that is nowhere gives pip's error, which is remembered; the environment does not count as made."""
    (scripts / "nobody.txt").write_text("# Nobody.\nno-such-file.whl\n")
    reason = env.install("nobody", tmp_path / "cache")
    assert "no-such-file.whl" in reason
    assert env.python_of("nobody", tmp_path / "cache") is None
    kept = env.folder_of("nobody", tmp_path / "cache") / "failed.txt"
    assert kept.read_text() == reason
    kept.write_text("as it was")
    assert env.install("nobody", tmp_path / "cache") == "as it was"
    assert "no-such-file.whl" in env.install("nobody", tmp_path / "cache", again=True)


def test_other_pins_are_another_environment(scripts: Path, tmp_path: Path) -> None:
    """A changed version asks for a new environment; a changed comment does not."""
    file = scripts / "one.txt"
    folders = []
    for text in ("one==1.0\n", "# about\none==1.0  # why\n", "one==1.1\n"):
        file.write_text(text)
        folders.append(env.folder_of("one", tmp_path))
    assert folders[0] == folders[1] != folders[2]
    assert env.names() == ["one"]


@pytest.mark.parametrize(("script", "wanted"), [
    ("raise ValueError('it is so')", "ValueError: it is so"),
    ("import time; time.sleep(60)", "stopped after 1.5 s"),
    ("import os; os.kill(os.getpid(), 9)", "ended by signal 9 (SIGKILL)"),
    ("from _given import answer\nanswer({'fill': lambda *_: {'bytes': len(bytearray(2**30))}})", "MemoryError"),
])  # fmt: skip
def test_a_peer_that_fails_is_a_row_with_its_reason(scripts: Path, tmp_path: Path, script: str, wanted: str) -> None:
    """An error, too long a run, a killed process and too much memory each come back as a reason."""
    shutil.copy(Path(env.__file__).parent / "scripts" / "_given.py", scripts)
    (scripts / "with_torch.py").write_text(script + "\n")
    (tmp_path / "data" / "settings.json").write_text(json.dumps({"memory_gib": 0.5}))
    limits = limited_process.Limits(threads=1, seconds=1.5 if "sleep" in script else 60)
    told, arrays = limited_process.run("torch", "fill", "", tmp_path / "data", tmp_path / "cache", limits)
    assert told["reason"].startswith(wanted)
    assert arrays == {}


def test_a_peer_is_bound_to_its_cores_and_hands_back_arrays(scripts: Path, tmp_path: Path) -> None:
    """The process sees one core and one thread; what it tells, its peak of memory and its arrays come back."""
    shutil.copy(Path(env.__file__).parent / "scripts" / "_given.py", scripts)
    (scripts / "with_torch.py").write_text(
        "import os\nimport numpy as np\nfrom _given import answer, repeated, threads\n"
        "def work(data, out, settings):\n"
        "    told, result = repeated(lambda: np.arange(3), settings)\n"
        "    np.save(out / 'made.npy', result)\n"
        "    return {**told, 'threads': [threads(), os.environ['OMP_NUM_THREADS']], 'method': settings['method']}\n"
        "answer({'work': work})\n"
    )
    (tmp_path / "data" / "settings.json").write_text(json.dumps({"repeats": 3, "enough_seconds": 20}))
    limits = limited_process.Limits(threads=1, seconds=60)
    told, arrays = limited_process.run("torch", "work", "fast", tmp_path / "data", tmp_path / "cache", limits)
    assert told["threads"] == [1, "1"]
    assert told["method"] == "fast"
    assert len(told["seconds"]) == 3
    assert told["peak_mb"] > 10
    np.testing.assert_array_equal(arrays["made"], [0, 1, 2])
    assert list((tmp_path / "cache").iterdir()) == []


def test_rows_are_kept_as_they_come(scripts: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A second run measures nothing that is there, `--again` does; a row that failed is a row with its reason."""
    shutil.copy(Path(env.__file__).parent / "scripts" / "_given.py", scripts)
    done = tmp_path / "done.txt"
    (scripts / "with_torch.py").write_text(
        "from _given import answer\n"
        f"answer({{'autorec-epoch': lambda *_: {{'seconds': [open({str(done)!r}, 'a').write('x'), 2, 5]}}}})\n"
    )
    (scripts / "with_pandas.py").write_text("raise OSError('no such file')\n")
    rows = [tasks.Row("load", "pandas", "ratings-1m"), tasks.Row("autorec-epoch", "torch")]
    written: list[dict[str, Any]] = []
    cache = tmp_path / "cache"
    monkeypatch.setattr(peers, "table", lambda large: rows)
    monkeypatch.setattr(peers, "write", lambda name, payload: written.append(payload))
    monkeypatch.setattr(peers, "hand_over", lambda data, settings, large: handed(data))

    def handed(data: Path) -> None:
        data.mkdir(exist_ok=True)
        (data / "settings.json").write_text("{}")

    for arguments, times in (([], 1), ([], 1), (["--again", "--only", "autorec-epoch"], 2)):
        outcome = CliRunner().invoke(peers.main, ["--cache", str(cache), "--threads", "1", *arguments])
        assert outcome.exit_code == 0, outcome.output
        assert done.read_text() == "x" * times
        found = written[-1]["rows"]
        assert [(row["peer"], row.get("median"), row.get("reason")) for row in found] == [
            ("pandas", None, "OSError: no such file"), ("torch", 2, None),
        ]  # fmt: skip


@pytest.mark.parametrize("option", ["--only", "--peers"])
def test_unknown_names_are_refused(option: str) -> None:
    """A task or a package that is not there is named, with the option, and with those that are."""
    outcome = CliRunner().invoke(peers.main, [option, "nonsense"])
    assert outcome.exit_code == 2
    assert f"Invalid value for {option}: 'nonsense': choose some of" in outcome.output


# ---------------------------------------------------------------- what is made of the answers


def test_ratings_are_measured_here_and_clipped(tmp_path: Path) -> None:
    """RMSE is that of the clipped predictions: a 9 on a scale to 5 is off by 1 from a 4, not by 5."""
    np.savez(tmp_path / "ml-1m-train.npz", ratings=np.array([1.0, 5.0]))
    np.savez(tmp_path / "ml-1m-test.npz", ratings=np.array([4.0, 2.0]))
    row = tasks.Row("ratings", "surprise", "ml-1m svd")
    told = tasks.judged(row, {"seconds": [1.0]}, {"predicted": np.array([9.0, 2.0])}, tmp_path)
    assert told["rmse"] == pytest.approx(np.sqrt(0.5))


def test_others_are_held_to_ours(tmp_path: Path) -> None:
    """Weights of which one differs by a tenth of the largest are off by 0.1; lists with 3 of 4 items are 75 % ours."""
    weights, lists = np.array([[0.0, 2.0], [1.0, 0.0]]), np.array([[1, 2], [3, 4]])
    tasks.judged(tasks.Row("ease-fit", "recae"), {}, {"weights": weights}, tmp_path)
    tasks.judged(tasks.Row("top-20", "recae"), {}, {"lists": lists}, tmp_path)
    theirs = {"weights": weights + np.array([[0, 0], [0.2, 0]]), "lists": np.array([[2, 1], [3, 9]])}
    told = [tasks.judged(tasks.Row(task, "cornac"), {}, {name: theirs[name]}, tmp_path)
            for task, name in (("ease-fit", "weights"), ("top-20", "lists"))]  # fmt: skip
    assert told == [{"off_by": pytest.approx(0.1)}, {"same_items": 0.75}]


def test_every_row_has_a_script_that_does_its_task() -> None:
    """For each row there is a script with that task, an environment or ours, and a title on the page."""
    for row in tasks.table(large=True):
        script = env.SCRIPTS / f"with_{row.peer}.py"
        assert f'"{row.task}":' in script.read_text(), row
        assert row.peer in (*env.OURS, *env.names())
        assert row.section in peers_page.TITLES
    assert len({row.key for row in tasks.table(large=True)}) == len(tasks.table(large=True))


def test_every_pin_is_exact() -> None:
    """All requirements say one version, so that a run elsewhere compares the same packages."""
    for peer in env.names():
        assert all(re.fullmatch(r"[\w.-]+==[\w.]+", line) for line in env.pins(peer)), peer


# ---------------------------------------------------------------- the page


def row_of(peer: str, median: float = 1.0, **more: object) -> dict[str, object]:
    return {
        "task": "ease-fit",
        "section": "ease-fit",
        "peer": peer,
        "method": "",
        "median": median,
        "peak_mb": 100.0,
    } | more


def test_who_is_ahead_is_said() -> None:
    """A package that is faster, has the lower error or takes less memory is listed; one that is slower is not."""
    rows = [row_of("recae", 2.0), row_of("irspack", 1.5), row_of("cornac", 2.5), row_of("recbole", reason="no")]
    errors = {("recae", "bias"): 0.9, ("recae", "a"): 0.8, ("myfm", "fm"): 0.79, ("surprise", "svd"): 0.85}
    for (peer, method), rmse in errors.items():
        about = {"task": "ratings", "section": "ratings ml-1m", "method": f"ml-1m {method}"}
        rows.append(row_of(peer, **about, rmse=rmse))
    said = peers_page.ahead({"rows": rows}).splitlines()
    assert said == [
        "- Fitting EASE on the same users and items: irspack is faster, 1.500 s against 2.000 s.",
        "- Rating prediction, MovieLens-1M, split 0 (90/10): myFM, fm has the lower RMSE, 0.7900 against 0.8000.",
    ]
    lean = {**row_of("cornac", 2.5), "peak_mb": row_of("recae", 2.0)["peak_mb"] - 1}
    (line,) = peers_page.ahead({"rows": [row_of("recae", 2.0), lean]}).splitlines()
    assert "less memory than recae" in line
    assert "Cornac" in line


def test_our_rows_say_where_the_accuracy_table_has_newer_ones() -> None:
    """The same split's RMSE is named where it is another; equal ones, other splits and other packages are not."""
    about = {"task": "ratings", "section": "ratings ml-1m", "commit": "abc", "date": "2026-01-02T03:04"}
    rows = [row_of("recae", **about | {"method": f"ml-1m {name}"}, rmse=0.9) for name in ("bias", "a", "b")]
    rows.append(row_of("myfm", **about | {"method": "ml-1m fm"}, rmse=0.7))
    fits = {"bias": (0, 0.90001), "a": (0, 0.81234), "b": (1, 0.8), "fm": (0, 0.6)}
    accuracy = {"rows": [{"row": name, "fits": [{"seed": s, "rmse": e}]} for name, (s, e) in fits.items()]}
    said = peers_page.measured_since(rows, accuracy)
    assert said.startswith("Our rows here are of 2026-01-02, commit abc.")
    assert said.endswith("for the same split: `a` 0.8123.")
    assert peers_page.measured_since(rows[:1], accuracy) == ""


def test_failures_stand_in_the_table() -> None:
    """A row without figures keeps its name and says why; the others are in the order of their times."""
    rows = [
        row_of("recae", 2.0),
        row_of("irspack", 1.0, off_by=1e-6),
        {**row_of("cornac"), "reason": "stopped after 9 s"},
    ]
    del rows[2]["median"]
    lines = peers_page.tables({"rows": rows}).splitlines()[4:]
    assert lines[0] == "| irspack | 1.000 s | 0.50 | 100 MB | weights differ by 1e-06 |"
    assert lines[1].startswith("| **recae** | 2.000 s | 1.00 |")
    assert lines[2] == "| Cornac | - |  |  | stopped after 9 s |"
