"""The protocol of Liang et al. 2018, draw for draw, from files of the published formats."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from benchmarks.topn import liang
from recae.errors import DataError, DatasetNotFoundError, ParameterError
from recae.splitting import Split, liang_2018
from recae.splitting import liang as protocol

HELD_OUT = 12


def table_of(seed: int = 0, n_users: int = 90, n_items: int = 40) -> pd.DataFrame:
    """Rows in an order that is neither by user nor by item; users have 2 to 30 items, popular ones more often."""
    rng = np.random.default_rng(seed)
    share = 1 / (np.arange(n_items) + 3.0)
    rows = [
        (7 * user + 11, 3 * item + 5, rng.integers(1, 6))
        for user in range(n_users)
        for item in rng.choice(n_items, rng.integers(2, 31), replace=False, p=share / share.sum())
    ]
    return pd.DataFrame(rows, columns=["user", "item", "rating"]).sample(frac=1, random_state=1, ignore_index=True)


def reference(table: pd.DataFrame, *, above: float, min_users: int, min_items: int) -> dict[str, set[tuple[Any, Any]]]:
    """The authors' notebook in today's pandas: global legacy seed, groups in the order of the file."""
    table = table[table["rating"] > above]
    if min_users:
        table = table[table.groupby("item")["user"].transform("size") >= min_users]
    table = table[table.groupby("user")["item"].transform("size") >= min_items]
    users = np.unique(table["user"])
    state = np.random.get_state()  # noqa: NPY002  (what the protocol is made of)
    try:
        np.random.seed(98765)  # noqa: NPY002
        users = users[np.random.permutation(len(users))]  # noqa: NPY002
        cuts = {"train": users[: -2 * HELD_OUT], "validation": users[-2 * HELD_OUT : -HELD_OUT]}
        cuts["test"] = users[-HELD_OUT:]
        train = table[table["user"].isin(cuts["train"])]
        found = {"train": pairs(train)}
        for part in ("validation", "test"):
            theirs = table[table["user"].isin(cuts[part]) & table["item"].isin(train["item"])]
            np.random.seed(98765)  # noqa: NPY002
            shown, hidden = [], []
            for _, group in theirs.groupby("user"):
                chosen = np.zeros(len(group), bool)
                if len(group) >= 5:
                    size = int(0.2 * len(group))
                    chosen[np.random.choice(len(group), size=size, replace=False)] = True  # noqa: NPY002
                hidden.append(group[chosen])
                shown.append(group[~chosen])
            found[part], found[f"{part}_input"] = pairs(pd.concat(hidden)), pairs(pd.concat(shown))
    finally:
        np.random.set_state(state)  # noqa: NPY002
    return found


def pairs(table: pd.DataFrame) -> set[tuple[Any, Any]]:
    return set(zip(table["user"].tolist(), table["item"].tolist()))


def split_pairs(parts: Split) -> dict[str, set[tuple[Any, Any]]]:
    return {name: pairs(part.to_frame()) for name, part in parts.parts().items()}


def write_movielens(table: pd.DataFrame, folder: Path) -> pd.DataFrame:
    table = table.assign(rating=table["rating"] / 2 + 2)  # half stars, 2.5 to 4.5: 3.5 is out, 4.0 in
    (folder / "ml-20m").mkdir()
    named = table.set_axis(["userId", "movieId", "rating"], axis=1).assign(timestamp=0)
    named.to_csv(folder / "ml-20m" / "ratings.csv", index=False)
    return table


def netflix_text(table: pd.DataFrame, movies: Any) -> str:
    lines = []
    for movie in movies:
        theirs = table[table["item"] == movie]
        lines += [f"{movie}:", *(f"{u},{r},2005-09-06" for u, r in zip(theirs["user"], theirs["rating"]))]
    return "\n".join(lines) + "\n"


def write_netflix(table: pd.DataFrame, folder: Path, *, combined: bool = True) -> pd.DataFrame:
    movies = np.unique(table["item"])
    target = folder / "netflix" / ("" if combined else "training_set")
    target.mkdir(parents=True)
    groups = np.array_split(movies, 4) if combined else [[movie] for movie in movies]
    for number, group in enumerate(groups, 1):
        name = f"combined_data_{number}.txt" if combined else f"mv_{group[0]:07d}.txt"
        (target / name).write_text(netflix_text(table, group))
    return table.sort_values("item", kind="stable")


def write_msd(table: pd.DataFrame, folder: Path) -> pd.DataFrame:
    table = table.assign(user=table["user"].map("b{:04x}".format), item=table["item"].map("SO{:03d}".format))
    (folder / "msd").mkdir()
    table.to_csv(folder / "msd" / "train_triplets.txt", sep="\t", header=False, index=False)
    return table


def test_movielens_is_split_as_the_notebook_does(tmp_path: Path) -> None:
    """From ratings.csv, every part has exactly the pairs of the pandas notebook."""
    table = write_movielens(table_of(), tmp_path)
    parts = liang_2018(liang.read("ml-20m", tmp_path), "ml-20m", held_out=HELD_OUT)
    assert split_pairs(parts) == reference(table, above=3.5, min_users=0, min_items=5)


@pytest.mark.parametrize("combined", [True, False])
def test_netflix_is_split_as_the_notebook_does(tmp_path: Path, combined: bool) -> None:
    """From four combined files and from a file a movie, in the order of the files."""
    table = write_netflix(table_of(1), tmp_path, combined=combined)
    parts = liang_2018(liang.read("netflix", tmp_path), "netflix", held_out=HELD_OUT)
    assert split_pairs(parts) == reference(table, above=3.5, min_users=0, min_items=5)


def test_songs_are_filtered_before_users(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From train_triplets.txt: songs first, users then, once; thresholds are lowered to the size of the table."""
    small = protocol.Preparation(min_rating=None, min_item=25, min_user=8, held_out=HELD_OUT)
    monkeypatch.setitem(protocol.PREPARATIONS, "msd", small)
    table = write_msd(table_of(2), tmp_path)
    parts = liang_2018(liang.read("msd", tmp_path), "msd")
    expected = reference(table, above=0, min_users=25, min_items=8)
    assert split_pairs(parts) == expected
    assert len(expected["train"]) < len(table)


def test_the_published_numbers_are_the_preparations() -> None:
    """Thresholds and held-out users are those of the paper and its notebook."""
    found = {name: (p.min_rating, p.min_item, p.min_user, p.held_out) for name, p in protocol.PREPARATIONS.items()}
    assert found == {
        "ml-20m": (4.0, 0, 5, 10_000), "netflix": (4.0, 0, 5, 40_000), "msd": (None, 200, 20, 50_000),
    }  # fmt: skip


def test_the_command_prints_our_figures_beside_the_published(tmp_path: Path) -> None:
    """On a small stand-in the whole benchmark runs, and records nothing."""
    write_movielens(table_of(n_users=400, n_items=130), tmp_path)
    arguments = ["ml-20m", "--models", "ease,popularity", "--held-out", str(HELD_OUT), "--data-dir", str(tmp_path)]
    result = CliRunner().invoke(liang.main, arguments)
    assert result.exit_code == 0, result.output
    ease = next(line for line in result.output.splitlines() if line.startswith("ease"))
    assert "(0.391)" in ease
    assert "(0.521)" in ease
    assert "(0.420)" in ease


@pytest.mark.parametrize(
    ("name", "file"), [("ml-20m", "ratings.csv"), ("netflix", "combined_data_1.txt"), ("msd", "train_triplets.txt")]
)
def test_missing_files_are_named(tmp_path: Path, name: str, file: str) -> None:
    """Without data the error says which file is wanted, and where."""
    with pytest.raises(DatasetNotFoundError, match=file):
        liang.read(name, tmp_path)


def test_what_cannot_be_prepared_is_said(tmp_path: Path) -> None:
    """An unknown name, a set too small for the published number of users, and ratings without positions are refused."""
    write_movielens(table_of(), tmp_path)
    ratings = liang.read("ml-20m", tmp_path)
    with pytest.raises(ParameterError, match="'ml-20m', 'netflix' or 'msd'"):
        liang_2018(ratings, "ml-1m")
    with pytest.raises(DataError, match="20,000 users are to be hidden"):
        liang_2018(ratings, "ml-20m")
    with pytest.raises(DataError, match="timestamps"):
        liang_2018(ratings.with_rows(ratings.user_rows), "ml-20m")
