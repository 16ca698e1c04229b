"""`recae.load` on files and frames: every format gives the same matrix, ids keep every character."""

from __future__ import annotations

import bz2
import gzip
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from property_examples import examples

from recae.errors import DataError, DatasetNotFoundError, ParameterError
from recae.loaders import DATASETS, datasets, info, load
from recae.ratings import RatingMatrix
from recae.readers.integers import BLOCK, is_plain

CHECK = Path(__file__).parent.parent / "data" / "check"


@pytest.fixture
def frame() -> pd.DataFrame:
    """Three users, four items; no id is an integer."""
    return pd.DataFrame(
        {
            "user": ["ann", "ann", "bob", "zoë", "zoë"],
            "item": ["x1", "x3", "x2", "x1", "x4"],
            "rating": [4.0, 3.5, 5.0, 1.0, 0.5],
            "timestamp": [50, 40, 30, 20, 10],
        }
    )


def assert_holds(matrix: RatingMatrix, frame: pd.DataFrame) -> None:
    """The matrix is the frame, sorted by user and item."""
    expected = frame.sort_values(["user", "item"]).reset_index(drop=True)
    back = matrix.to_frame()
    assert list(back.columns) == list(expected.columns)
    for column in expected.columns:
        assert list(back[column]) == list(expected[column]), column


WRITERS: dict[str, Callable[[pd.DataFrame, Path], object]] = {
    "r.csv": lambda f, p: f.to_csv(p, index=False),
    "r.csv.gz": lambda f, p: f.to_csv(p, index=False),
    "r.csv.bz2": lambda f, p: p.write_bytes(bz2.compress(f.to_csv(index=False).encode())),
    "with an index.csv": lambda f, p: f.to_csv(p),
    "windows.csv": lambda f, p: f.to_csv(p, index=False, lineterminator="\r\n"),
    "byte order mark.csv": lambda f, p: f.to_csv(p, index=False, encoding="utf-8-sig"),
    "blank lines.csv": lambda f, p: p.write_text("\n\n" + f.to_csv(index=False) + "\n\n"),
    "semicolons.txt": lambda f, p: f.to_csv(p, index=False, sep=";"),
    "r.tsv": lambda f, p: f.to_csv(p, index=False, sep="\t"),
    "no header.tsv": lambda f, p: f.to_csv(p, index=False, header=False, sep="\t"),
    "r.dat": lambda f, p: p.write_text("\n".join("::".join(map(str, row)) for row in f.itertuples(index=False))),
    "r.dat.gz": lambda f, p: p.write_bytes(
        gzip.compress("\n".join("::".join(map(str, row)) for row in f.itertuples(index=False)).encode())
    ),
    "r.parquet": lambda f, p: f.to_parquet(p),
    "r.jsonl": lambda f, p: f.to_json(p, orient="records", lines=True, force_ascii=False),
    "r.ndjson.gz": lambda f, p: f.to_json(p, orient="records", lines=True),
}


@pytest.mark.parametrize("file", WRITERS)
def test_every_format_gives_the_same_matrix(frame: pd.DataFrame, tmp_path: Path, file: str) -> None:
    """A table written in any format, packed or not, with a header or without, loads as itself."""
    WRITERS[file](frame, tmp_path / file)
    assert_holds(load(tmp_path / file), frame)


@pytest.mark.parametrize("file", ["r.csv", "r.csv.gz", "r.tsv", "no header.tsv", "r.dat", "r.parquet", "r.jsonl"])
def test_integer_ids_stay_integers(tmp_path: Path, file: str) -> None:
    """Ids that are plain integers load as int64, from the parallel reader and from the careful one."""
    frame = pd.DataFrame(
        {"user": [7, 7, 12, 0], "item": [1, 30, 1, 2], "rating": [1.0, 2, 3, 4], "timestamp": [4, 3, 2, 1]}
    )
    WRITERS[file](frame, tmp_path / file)
    matrix = load(tmp_path / file)
    assert matrix.user_ids.dtype == matrix.item_ids.dtype == np.int64
    assert_holds(matrix, frame)


ODD_IDS = ["007", "7", "+7", "-0", "0", "7.0", "1e3", "a,b", 'say "hi"', "Łódź", "日本", "0x1F", "NA", "nan",
           "null", "x:y", "true", "12345678901234567890123", "line\nbreak"]  # fmt: skip


@pytest.mark.parametrize("file", ["r.csv", "r.csv.gz", "r.tsv", "semicolons.txt", "r.parquet", "r.jsonl"])
def test_odd_ids_are_kept(tmp_path: Path, file: str) -> None:
    """Leading zeros, signs, quotes, commas, line breaks, unicode and words for 'missing' stay as written."""
    frame = pd.DataFrame({"user": ODD_IDS, "item": ODD_IDS[::-1], "rating": 1.0, "timestamp": 1})
    WRITERS[file](frame, tmp_path / file)
    assert_holds(load(tmp_path / file), frame)


@pytest.mark.parametrize("odd", ["007", "+7", "-0", "00", "7.0", "1e3", "x"])
def test_one_odd_id_among_integers_is_kept(tmp_path: Path, odd: str) -> None:
    """One id that would not survive as an integer, far from the beginning, makes the column strings."""
    users = [str(n) for n in range(1, 4001)]
    users[3210] = odd
    path = tmp_path / "r.csv"
    path.write_text("user,item,rating\n" + "".join(f"{user},{n},3.5\n" for n, user in enumerate(users)))
    matrix = load(path)
    assert sorted(matrix.user_ids) == sorted(users)
    assert matrix.item_ids.dtype == np.int64
    assert matrix.user_rows[matrix.user_index([odd])[0], matrix.item_index([3210])[0]] == 3.5


@given(
    st.integers(0, 40), st.sampled_from(["1,2,3.5\n", "1,02,3.5\n", "01,2,3.5\n", "1,2,+3\n", "1,-2,3\n", "1, 2,3\n"])
)
@settings(max_examples=examples(40), deadline=None)
def test_odd_numbers_are_seen_wherever_a_block_ends(
    tmp_path_factory: pytest.TempPathFactory, shift: int, line: str
) -> None:
    """The look through the bytes misses nothing that lies across two blocks."""
    path = tmp_path_factory.mktemp("blocks") / "r.csv"
    filler = "10,20,0.5\n"
    head = "u,i,r\n" + filler * ((BLOCK + 6 - 20) // len(filler))
    padding = "5" * ((BLOCK + 6 - 20 + shift - len(head)) % 30) + "1,2,3\n"
    path.write_text(head + padding + line + filler)
    assert is_plain(path, ",", 1) == (line == "1,2,3.5\n")


def test_a_quoted_line_break_far_down_is_read(tmp_path: Path) -> None:
    """Quotes that the first lines do not show are still read as quotes."""
    path = tmp_path / "r.csv"
    rows = "".join(f"u{n},i,3,fine\n" for n in range(20_000))
    path.write_text("user,item,rating,review\nua,i,1,x\n" + rows + 'last,i,5,"two\nlines, and a comma"\n')
    matrix = load(path)
    assert len(matrix) == 20_002
    assert matrix.user_rows[matrix.user_index("last")[0], 0] == 5


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("userId,movieId,rating,timestamp", "MovieLens"),
        ("reviewerID,asin,overall,unixReviewTime", "Amazon"),
        ("User-ID,ISBN,Book-Rating,date", "Book-Crossing"),
        ("uid,iid,stars,ts", "short"),
        ("USER_ID,ITEM_ID,SCORE,TIME", "capitals"),
        ("user_id:token,item_id:token,rating:float,timestamp:float", "RecBole"),
    ],
)
def test_usual_names_are_found(tmp_path: Path, header: str, expected: str) -> None:
    """The names in use are recognised in any case, and surplus columns do not matter."""
    path = tmp_path / f"{expected}.csv"
    path.write_text(f"note,{header}\nfine,u,i,4,99\n")
    assert load(path).to_frame().to_dict("records") == [{"user": "u", "item": "i", "rating": 4.0, "timestamp": 99}]


def test_columns_by_name_and_by_place(tmp_path: Path) -> None:
    """Columns with other names are mapped by name or by index, in files and in frames."""
    path = tmp_path / "r.csv"
    path.write_text("who,what,how\n1,2,3\n")
    for given_columns in ({"user": "who", "item": "what", "rating": "how"}, {"user": 0, "item": 1, "rating": 2}):
        assert load(path, **given_columns).to_frame().to_numpy().tolist() == [[1, 2, 3]]
        assert load(pd.read_csv(path), **given_columns).to_frame().to_numpy().tolist() == [[1, 2, 3]]
    path.write_text("3\t5.0\t1\n4\t2.0\t1\n")
    assert load(path, user=2, item=0, rating=1, timestamp=False).to_frame()["item"].tolist() == [3, 4]


def test_without_ratings_every_row_counts_one(tmp_path: Path) -> None:
    """rating=False reads implicit data; otherwise a table without ratings is refused, with the remedy."""
    path = tmp_path / "r.csv"
    path.write_text("user,item\n1,2\n1,3\n")
    assert load(path, rating=False).to_frame()["rating"].tolist() == [1, 1]
    with pytest.raises(DataError, match=r"no column found for the rating.*'user', 'item'.*rating=False"):
        load(path)


def test_timestamps_can_be_left_out_or_be_dates(tmp_path: Path) -> None:
    """A timestamp column is taken if there is one, as seconds or ISO dates, and left out on request."""
    path = tmp_path / "r.csv"
    path.write_text("user,item,rating,date\na,b,3,1970-01-02\n")
    assert list(load(path).timestamps) == [86_400]
    path.write_text("user,item,rating,date\na,b,3,1970-01-02 00:00:10\n")
    assert list(load(path).timestamps) == [86_410]
    assert load(path, timestamp=False).timestamps is None


def test_json_lines_of_mixed_types(tmp_path: Path) -> None:
    """Where fields change their type from line to line, ids keep the one each has, and ratings in quotes are read."""
    path = tmp_path / "r.jsonl"
    path.write_text(
        '{"user": 1, "item": "a", "rating": 4}\n\n{"user": "1", "item": "b", "rating": "2.5", "more": [1]}\n'
    )
    assert sorted(map(repr, load(path).user_ids)) == ["'1'", "1"]
    assert sorted(load(path).user_rows.data) == [2.5, 4]


def test_scale_name_and_policy_are_passed_on(frame: pd.DataFrame, tmp_path: Path) -> None:
    """scale, name and duplicates mean the same for a file as for a frame."""
    path = tmp_path / "r.csv"
    pd.concat([frame, frame.assign(rating=2.0)]).to_csv(path, index=False)
    matrix = load(path, scale=(0, 5), name="mine", duplicates="mean")
    assert (matrix.scale, matrix.name) == ((0.0, 5.0), "mine")
    assert matrix.mean == pytest.approx((frame["rating"].mean() + 2) / 2)
    assert load(path).name == "r.csv"


def test_a_matrix_is_given_back_and_other_things_are_refused() -> None:
    """A RatingMatrix passes through; what is no source gives an error that says what is one."""
    matrix = load("sample")
    assert load(matrix) is matrix
    assert load("sample", name="mine").name == "mine"
    with pytest.raises(ParameterError, match="user='x': it is for files and frames, and 'sample' has its own columns"):
        load("sample", user="x")
    with pytest.raises(ParameterError, match="scale="):
        load(matrix, scale=(1, 5))
    with pytest.raises(ParameterError, match="pass a name, a path, a frame"):
        load([1, 2])


def test_unknown_names_get_suggestions(tmp_path: Path) -> None:
    """A misspelt name is answered with close names and the list; so is a folder without ratings."""
    with pytest.raises(
        DatasetNotFoundError, match=r"'ml1m' is neither a file nor a data set.*did you mean ml-1m.*ml-32m"
    ):
        load("ml1m")
    with pytest.raises(DatasetNotFoundError, match="a folder without MovieLens' files"):
        load(tmp_path)
    with pytest.raises(ParameterError, match="'mnist' is not a set of ratings: MNIST"):
        load("mnist")
    with pytest.raises(DatasetNotFoundError, match="'m-1m' is not a data set that recae knows; did you mean"):
        info("m-1m")


def test_the_catalogue_is_complete() -> None:
    """Every entry says what it is and on which terms; every fixed archive has a pinned MD5."""
    assert [entry.name for entry in datasets("ratings")] == [
        "sample", "ml-100k", "ml-1m", "ml-10m", "ml-20m", "ml-25m", "ml-32m", "ml-latest-small", "ml-latest",
    ]  # fmt: skip
    readme = (Path(__file__).parent.parent / "data" / "README.md").read_text()
    for entry in datasets():
        assert entry.description
        assert entry.licence
        assert f"`{entry.name}`" in readme, f"{entry.name} is not described in data/README.md"
        for remote in entry.files:
            assert remote.md5 is None or len(remote.md5) == 32
            assert remote.md5 is None or remote.md5 in readme
            assert (remote.md5 is None) == entry.name.startswith("ml-latest")
    assert info("ml-1m") is DATASETS["ml-1m"]


def test_the_file_to_check_by_hand() -> None:
    """data/check/ratings.csv loads as its README says: 4 users, 5 items, 11 ratings, the explicit 0 stored."""
    matrix = load(CHECK / "ratings.csv")
    assert (matrix.n_users, matrix.n_items, matrix.n_ratings) == (4, 5, 11)
    assert list(matrix.user_ids) == ["007", "7", "Anaïs", "Smith, J."]
    assert matrix.user_rows[matrix.user_index("7")[0], matrix.item_index("zero")[0]] == 0
    assert matrix.mean == pytest.approx(31.5 / 11)
