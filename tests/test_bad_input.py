"""Bad input gives an error that says what, where and what to do; nothing is lost or silently mended."""

from __future__ import annotations

import bz2
import gzip
import lzma
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from recae.errors import DataError, ParameterError, RecaeError
from recae.loaders import load
from recae.ratings import RatingMatrix

GOOD = "user,item,rating,timestamp\na,x,4,10\na,y,3,11\nb,x,5,12\n"  # lines 1 to 4


def written(tmp_path: Path, text: str, name: str = "ratings.csv") -> Path:
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return path


def _zst(data: bytes) -> bytes:
    return bytes(pa.compress(data, "zstd", asbytes=True))


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("b,y,five,13", r"ratings.csv, line 5: rating 'five' in column 'rating' is not a number"),
        ('b,y,"4,5",13', r"ratings.csv, line 5: rating '4,5' in column 'rating' is not a number"),
        ("b,y,nan,13", r"ratings.csv, line 5: the rating is missing, as in 1 of the 5 rows"),
        ("b,y,,13", r"ratings.csv, line 5: the rating is missing, as in 1 of the 5 rows"),
        ("b,y,inf,13", r"ratings.csv, line 5: rating inf is not a finite number"),
        ("b,y,-inf,13", r"ratings.csv, line 5: rating -inf is not a finite number"),
        ("b,y,1e99,13", r"ratings.csv, line 5: rating inf is not a finite number"),
        ("b,y,5.5,13", r"ratings.csv, line 5: rating 5.5 is outside the scale 1 to 5"),
        ("b,y,0,13", r"ratings.csv, line 5: rating 0 is outside the scale 1 to 5"),
        ("b,y,4", r"ratings.csv, line 5: 3 fields, expected 4 \(user, item, rating, timestamp\)"),
        ("b,y,4,13,14", r"ratings.csv, line 5: 5 fields, expected 4"),
        (",y,4,13", r"ratings.csv, line 5: the id in column 'user' is missing"),
        ("b,,4,13", r"ratings.csv, line 5: the id in column 'item' is missing"),
        ("b,y,4,soon", r"ratings.csv, line 5: timestamp 'soon' in column 'timestamp' is neither .*timestamp=False"),
        ("b,x,4,13", r"ratings.csv, line 5: a second rating for user 'b', item 'x'; merge .* duplicates="),
    ],
)
@pytest.mark.parametrize("numeric", [False, True], ids=["string ids", "integer ids"])
def test_a_bad_line_is_named(tmp_path: Path, line: str, message: str, numeric: bool) -> None:
    """Whatever is wrong with a line, the message names the file, the line and the value, whichever reader met it."""
    rows = (GOOD + line + "\nc,z,1,14\n").splitlines()
    if numeric:
        numbers = {"a": "1", "b": "2", "c": "3", "x": "7", "y": "8", "z": "9"}
        rows = [rows[0], *(",".join(numbers.get(field, field) for field in row.split(",")) for row in rows[1:])]
        message = message.replace("user 'b', item 'x'", "user 2, item 7")
    text = "\n".join(rows)
    with pytest.raises(DataError, match=message):
        load(written(tmp_path, text), scale=(1, 5), duplicates="error")


def test_lines_are_counted_as_an_editor_does(tmp_path: Path) -> None:
    """Blank lines and line breaks inside quotes count as lines."""
    text = 'user,item,rating\n\na,"two\nlines",4\n\nb,x,?\n'
    with pytest.raises(DataError, match=r"line 6: rating '\?'"):
        load(written(tmp_path, text))


@pytest.mark.parametrize(("name", "text"), [("r.tsv", "1\t2\t4\n1\t3\tbad\n"), ("r.dat", "1::2::4::9\n1::3::bad::9\n")])
def test_lines_without_a_header(tmp_path: Path, name: str, text: str) -> None:
    """In files without a header the second line is line 2."""
    with pytest.raises(DataError, match=f"{name}, line 2: rating 'bad' in column 'rating' is not a number"):
        load(written(tmp_path, text, name))


def test_json_lines_at_fault(tmp_path: Path) -> None:
    """Broken JSON, other JSON, missing fields and bad ratings are named by line."""
    good = '{"user": "a", "item": "x", "rating": 4}\n'
    for bad, message in {
        '{"user": "a", "item"': "line 2: not JSON",
        "[1, 2]": "line 2: a JSON list, expected one object a line",
        '{"user": "b", "rating": 1}': "line 2: no field 'item' for the item",
        '{"user": "b", "item": "x", "rating": "bad"}': "line 2: rating 'bad' in column 'rating' is not a number",
        '{"user": "b", "item": "x", "rating": null}': "line 2: the rating is missing, as in 1 of the 2 rows",
        '{"user": null, "item": "x", "rating": 1}': "line 2: the id in column 'user' is missing",
    }.items():
        with pytest.raises(DataError, match=f"r.jsonl, {message}"):
            load(written(tmp_path, good + bad + "\n", "r.jsonl"))


@pytest.mark.parametrize("text", ["", "\n\n  \n"])
@pytest.mark.parametrize("name", ["r.csv", "r.tsv", "r.jsonl"])
def test_an_empty_file(tmp_path: Path, name: str, text: str) -> None:
    """An empty file is called empty."""
    with pytest.raises(DataError, match=f"{name} is empty"):
        load(written(tmp_path, text, name))


def test_only_a_header(tmp_path: Path) -> None:
    """A header without a rating is refused."""
    with pytest.raises(DataError, match=r"ratings.csv has no rows; at least one rating is needed"):
        load(written(tmp_path, "user,item,rating\n"))


def test_missing_columns_are_named_with_the_remedy(tmp_path: Path) -> None:
    """A column that is not there is reported with those that are, and how to map."""
    path = written(tmp_path, "who,what,how\na,b,3\n")
    with pytest.raises(
        DataError, match=r"no column found for the user; its columns are 'who', 'what', 'how'; .* user="
    ):
        load(path)
    with pytest.raises(DataError, match="no column 'usr' for the user; its columns are 'who', 'what', 'how'"):
        load(path, user="usr")
    with pytest.raises(DataError, match="column 'what' was given for more than one of"):
        load(path, user="what", item="what", rating="how")
    with pytest.raises(DataError, match="the table: no column found for the item; its columns are 'user', 'stars'"):
        load(pd.DataFrame({"user": [1], "stars": [1]}))


def test_a_column_that_occurs_twice(tmp_path: Path) -> None:
    """Two columns of one name are refused rather than chosen from."""
    with pytest.raises(DataError, match="column 'user' occurs more than once"):
        load(written(tmp_path, "user,user,item,rating\n1,2,3,4\n"))
    frame = pd.DataFrame([[1, 2, 3, 4]], columns=["user", "user", "item", "rating"])
    with pytest.raises(DataError, match="column 'user' occurs more than once"):
        RatingMatrix.from_frame(frame)


def test_files_that_are_no_tables(tmp_path: Path) -> None:
    """Binary files, other encodings and damaged Parquet are called what they are."""
    path = tmp_path / "r.csv"
    path.write_bytes(b"\x89PNG\0\0\0")
    with pytest.raises(DataError, match="not a text file in UTF-8: csv, tsv"):
        load(path)
    path.write_bytes("user,item,rating\nZoë,x,3\n".encode("latin-1"))
    with pytest.raises(DataError, match="not written in UTF-8, which was tried; say which encoding"):
        load(path)
    with pytest.raises(DataError, match="cannot be read as Parquet"):
        load(written(tmp_path, "user,item,rating\n1,2,3\n", "r.parquet"))


@pytest.mark.parametrize(
    ("name", "pack"),
    [("r.csv.gz", gzip.compress), ("r.csv.bz2", bz2.compress), ("r.csv.xz", lzma.compress), ("r.csv.zst", _zst)],
)
def test_packed_files_that_are_cut_short(tmp_path: Path, name: str, pack: Callable[[bytes], bytes]) -> None:
    """A packed file without its end is refused, however much of it could be read: no row is lost in silence."""
    data = pack(b"user,item,rating\n" + b"".join(b"%d,%d,3\n" % (n, n * n % 99_991) for n in range(50_000)))
    (tmp_path / name).write_bytes(data)
    assert len(load(tmp_path / name)) == 50_000
    for cut in (len(data) // 2, len(data) - 1):
        (tmp_path / name).write_bytes(data[:cut])
        with pytest.raises(DataError, match=rf"{name}.*(cut short|cannot read)|cannot read.*{name}"):
            load(tmp_path / name)


def test_text_with_the_name_of_a_packed_file(tmp_path: Path) -> None:
    """What a browser unpacked and named .gz all the same is read as the text that it is."""
    assert len(load(written(tmp_path, "user,item,rating\n1,2,3\n", "r.csv.gz"))) == 1


def test_text_that_begins_like_a_packed_file(tmp_path: Path) -> None:
    """A user BZhang is no bzip2 file, whose beginning goes on; an empty one is still known as that."""
    assert load(written(tmp_path, "BZhang,1,3\nBZh9,2,4\n"), user=0, item=1, rating=2).user_ids.tolist() == [
        "BZh9", "BZhang",
    ]  # fmt: skip
    (tmp_path / "r.bz2").write_bytes(bz2.compress(b""))
    with pytest.raises(DataError, match="is empty"):
        load(tmp_path / "r.bz2")


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
@pytest.mark.parametrize("ids", ["1", "a"])
@pytest.mark.parametrize("last", ["False", "5"])
def test_truths_are_no_ratings(tmp_path: Path, pack: Callable[[bytes], bytes], ids: str, last: str) -> None:
    """True is refused as a rating by every reader of text, be all ratings truths or not; exponents are numbers."""
    path = tmp_path / "r.csv"
    path.write_bytes(pack(f"user,item,rating\n{ids},2,True\n{ids},3,{last}\n".encode()))
    with pytest.raises(DataError, match=r"r.csv, line 2: rating 'True' in column 'rating' is not a number"):
        load(path)
    path.write_bytes(pack(f"user,item,rating\n{ids},2,1e0\n{ids},3,20E-1\n".encode()))
    assert load(path).to_frame()["rating"].tolist() == [1, 2]


FRAME = pd.DataFrame({"user": ["a", "b", "c"], "item": [1, 2, 3], "rating": [1.0, 2.0, 3.0]})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"rating": [1, np.nan, 3]}, "row 2: the rating is missing, as in 1 of the 3 rows"),
        ({"rating": [1, 2, np.inf]}, "row 3: rating inf is not a finite number"),
        ({"rating": ["1", "2", "three"]}, "row 3: rating 'three' in column 'rating' is not a number"),
        ({"rating": [1, 9, 3]}, "row 2: rating 9 is outside the scale 1 to 5"),
        ({"user": ["a", None, "c"]}, "row 2: .*'user' is missing, as in 1 of the 3 rows that were read; drop or fill"),
        ({"item": [1, 2, np.nan]}, "row 3: the id in column 'item' is missing"),
    ],
)
def test_a_bad_row_of_a_frame_is_named(change: dict[str, list[object]], message: str) -> None:
    """In frames the row is named, counted from 1, by load and by from_frame alike."""
    frame = FRAME.assign(**change)
    frame.index = [70, 80, 90]  # labels must not matter
    with pytest.raises(DataError, match=message):
        load(frame, scale=(1, 5))
    with pytest.raises(DataError, match=message):
        RatingMatrix.from_frame(frame, scale=(1, 5))


def test_an_empty_frame_and_a_wrong_scale() -> None:
    """No rows, and a scale that is upside down, are refused."""
    for make in (load, RatingMatrix.from_frame):
        with pytest.raises(DataError, match="has no rows; at least one rating is needed"):
            make(FRAME.iloc[:0])
    with pytest.raises(ParameterError, match="the lowest rating first"):
        load(FRAME, scale=(5, 1))


def test_duplicates_in_a_file(tmp_path: Path) -> None:
    """The default keeps the latest rating of a pair, 'mean' their mean; nothing else changes."""
    path = written(tmp_path, GOOD + "a,x,1,5\na,y,5,99\n")
    assert load(path).to_frame()["rating"].tolist() == [4, 5, 5]
    assert load(path, duplicates="mean").to_frame()["rating"].tolist() == [2.5, 4, 5]


def test_a_single_user_and_a_single_rating(tmp_path: Path) -> None:
    """One user, one item, one rating make a matrix of 1 x 1."""
    matrix = load(written(tmp_path, "user,item,rating\n7,8,3\n"))
    assert matrix.shape == (1, 1)
    assert matrix.scale == (3.0, 3.0)
    assert matrix.density == 1


def test_all_ratings_equal() -> None:
    """Equal ratings are ratings; the scale is that one value unless it is stated."""
    matrix = load(FRAME.assign(rating=4.0))
    assert matrix.scale == (4.0, 4.0)
    assert load(FRAME.assign(rating=4.0), scale=(1, 5)).scale == (1.0, 5.0)


def test_zero_and_negative_ratings_are_stored(tmp_path: Path) -> None:
    """0 and -9.95 (Jester) are ratings: stored, counted, and given back, also with duplicates to merge."""
    path = written(tmp_path, "user,item,rating\n1,1,0\n1,2,-9.95\n2,1,3\n2,1,-3\n")
    matrix = load(path, duplicates="mean")
    assert matrix.n_ratings == 3
    assert matrix.to_frame()["rating"].tolist() == pytest.approx([0, -9.95, 0])
    assert matrix.rows("item").nnz == 3
    assert matrix.scale == pytest.approx((-9.95, 3.0))


def test_every_error_is_one_line(tmp_path: Path) -> None:
    """A message fits on one line: no traceback of another library is quoted in it."""
    for text in ("", "user,item,rating\na,b\n", "user,item,rating\na,b,x\n", "x,y\n1,2\n"):
        with pytest.raises(RecaeError) as caught:
            load(written(tmp_path, text))
        assert "\n" not in str(caught.value)
