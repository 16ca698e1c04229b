"""Files of other people: every row is read, or the file is refused with the remedy; nothing is lost in silence."""

from __future__ import annotations

import gzip
import lzma
import warnings
import zipfile
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import sparse

import recae
from recae.errors import DataError, DatasetNotFoundError, DataWarning, ParameterError
from recae.readers import text_layout
from recae.readers.delimited import TextTable


def triples(ratings: recae.RatingMatrix) -> list[tuple[Any, Any, float]]:
    """Every rating with its raw ids, by user and item."""
    return list(ratings.to_frame()[["user", "item", "rating"]].itertuples(index=False, name=None))


class Written:
    """Writes text to a file, and loads it; a copy that is packed and a store must say the same."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def path(self, name: str, text: str | bytes) -> Path:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    def load(self, name: str, text: str | bytes, **options: Any) -> recae.RatingMatrix:
        path = self.path(name, text)
        ratings = recae.load(path, **options)
        packed = self.path(f"{name}.gz", gzip.compress(path.read_bytes()))
        assert triples(recae.load(packed, **options)) == triples(ratings)
        recae.prepare_store(path, self.folder / "store", restart=True, progress=False, **options)
        assert triples(recae.load(self.folder / "store")) == triples(ratings)
        return ratings

    def refused(self, name: str, text: str | bytes, match: str, **options: Any) -> None:
        path = self.path(name, text)
        packed = self.path(f"{name}.gz", gzip.compress(path.read_bytes()))
        for read in (
            lambda: recae.load(path, **options),
            lambda: recae.load(packed, **options),
            lambda: recae.prepare_store(path, self.folder / "store", restart=True, progress=False, **options),
        ):
            with pytest.raises(DataError, match=match):
                read()


@pytest.fixture
def written(tmp_path: Path) -> Written:
    return Written(tmp_path)


# ---------------------------------------------------------------- quotes


def test_a_quote_in_a_tab_file_swallows_nothing(written: Written) -> None:
    """A quote that opens a field and does not close it is a character like others: all six rows are read."""
    ratings = written.load(
        "a.tsv",
        'user\tartist\tname\tplays\nu1\ta1\tplain band\t10\nu1\ta2\t"odd al\t7\nu2\ta1\tplain band\t3\n'
        'u2\ta3\tother\t5\nu3\ta2\tthe "last"\t8\nu3\ta4\tmore\t9\n',
        item="artist", rating="plays",
    )  # fmt: skip
    assert [value for _, _, value in triples(ratings)] == [10, 7, 3, 5, 8, 9]


def test_a_quote_may_begin_an_id(written: Written) -> None:
    """With quotes at the beginning of ids, and at their end, ids are as written, and pairs meet."""
    text = 'user\titem\tplays\nu1\t"odd al\t7\nu2\ta1\t3\nu2\ta3\t5\nu3\t"odd al\t8\nu3\ta4"\t9\n'
    ratings = written.load("a.tsv", text, rating="plays")
    assert ratings.item_ids.tolist() == ['"odd al', "a1", "a3", 'a4"']
    assert len(ratings) == 5


def test_a_quote_that_does_not_close_is_refused_in_a_comma_file(written: Written) -> None:
    """Where a comma file with an open quote can be read in two ways, or in none, the line is named."""
    written.refused("a.csv", 'user,item,rating\n1,a,3\n2,"b,4\n3,c",5\n4,d,5\n', r"a.csv.*, line 3: a quoted field")
    written.refused("a.csv", 'user,item,rating\n1,a,3\n2,"b ""c,x",4,5\n', r"a.csv.*, line 3: 4 fields, expected 3")


def test_an_open_quote_in_a_comma_file_is_a_character(written: Written) -> None:
    """Where lines are whole only if the quote is a character, it is one."""
    ratings = written.load("a.csv", 'user,item,rating\n1,a,3\n2,"b,4\n3,5" disc,5\n')
    assert ratings.item_ids.tolist() == ['"b', '5" disc', "a"]


def test_backslashes_in_quoted_fields(written: Written) -> None:
    """A file in which a backslash takes away the meaning of a quote, as Book-Crossing's is, is read so."""
    text = 'user;item;rating\n"1";"the \\"good\\" one";"3"\n"2";"x; y";"4"\n'
    assert triples(written.load("a.csv", text)) == [(1, 'the "good" one', 3.0), (2, "x; y", 4.0)]


def test_quoted_fields_over_lines(written: Written) -> None:
    """A field that runs over lines stays whole, in a file with quotes of all sorts."""
    text = 'user,item,rating\n1,"two\nlines",3\n2,"a ""quoted"" one",4\n3,plain,5\n'
    assert [item for _, item, _ in triples(written.load("a.csv", text))] == ["two\nlines", 'a "quoted" one', "plain"]


# ---------------------------------------------------------------- headers


def test_a_header_with_too_few_names_is_refused(written: Written) -> None:
    """Row names, as R writes them, would shift the columns: file, line and numbers are named, packed or not."""
    text = "user,item,rating\n1,10,20,4\n2,10,21,5\n3,11,20,3\n"
    written.refused("a.csv", text, r"a.csv(.gz)?, line 2: 4 fields, expected 3 \(user, item, rating\)")
    written.refused("a.csv", "user,item,rating,date,more\n1,10,4\n2,10,5\n", r"line 2: 3 fields, expected 5")


def test_a_header_can_be_stated(written: Written) -> None:
    """Texts only may be names or a rating: refused, until it is said; then no row is lost."""
    text, columns = "alice,book-1\nalice,book-2\nbob,book-1\nbob,book-3\n", {"user": 0, "item": 1, "rating": False}
    written.refused("a.csv", text, r"first line \(alice, book-1\) may be names.*header=True .*header=False", **columns)
    assert len(written.load("a.csv", text, header=False, **columns)) == 4
    assert len(written.load("a.csv", text, header=True, **columns)) == 3


def test_an_id_that_is_a_usual_name_makes_no_header(written: Written) -> None:
    """A first line with a number is a rating, although 'book' is a usual name of a column."""
    text = "bob,book,5\nann,book,4\nbob,film-2,3\n"
    assert len(written.load("a.csv", text)) == 3
    assert len(written.load("a.csv", text, user=0, item=1, rating=2)) == 3
    written.refused(
        "a.csv", "user,item,5\nann,book,4\n", "may be names of columns or a rating", user=0, item=1, rating=2
    )


def test_a_guess_that_decides_about_a_row_is_said(written: Written) -> None:
    """A first line of words over numbers is taken for names, and that is said where columns are given by position."""
    with pytest.warns(DataWarning, match=r"first line \(who, what, five\) is taken for the names"):
        assert len(recae.load(written.path("a.csv", "who,what,five\na,b,4\n"), user=0, item=1, rating=2)) == 1


def test_a_matrix_is_not_read_as_four_columns(written: Written) -> None:
    """More columns than a table of ratings has, or fractions for ids, are refused until columns are stated."""
    row = "8,99,-2.6,2.51,99,99\n7,-8.72,1.82,99,99,-0.55\n"
    written.refused("a.csv", row, r"6 columns and no header.*user=0 item=1 rating=2.*scipy.sparse")
    written.refused("a.csv", "8,99,-2.6\n7,-8.72,1.82\n", r"fractions where users, items")
    with pytest.warns(DataWarning, match=r"no header: its columns are taken for user, item, rating and timestamp"):
        written.load("a.csv", "5,3,0,1\n4,0,0,1\n")
    assert len(written.load("a.csv", "1,2,3,4,5,6\n2,2,3,4,5,6\n", user=0, item=1, rating=2)) == 2


# ---------------------------------------------------------------- delimiters and lines


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("User ID,Movie ID,Rating\n1,2,3\n2,2,4\n", [(1, 2, 3.0), (2, 2, 4.0)]),
        ("1,The Lord of the Rings,5\n2,Up,4\n", [(1, "The Lord of the Rings", 5.0), (2, "Up", 4.0)]),
        ("1|Toy, Story|5\n2|Up, Up|4\n", [(1, "Toy, Story", 5.0), (2, "Up, Up", 4.0)]),
        (" 226  429   5\n 226  52    3\n  42  429   4\n", [(42, 429, 4.0), (226, 52, 3.0), (226, 429, 5.0)]),
        ("user, item, rating\n1, 2, 4.0\n1, 3, 3.5\n", [(1, 2, 4.0), (1, 3, 3.5)]),
        ("# Directed graph\n# From\tTo\n1\t2\t5\n2\t2\t4\n", [(1, 2, 5.0), (2, 2, 4.0)]),
        ("% a comment\n1 2 5\n2 2 4\n", [(1, 2, 5.0), (2, 2, 4.0)]),
        ("# item user rating\n1\t2\t5\n3\t2\t4\n", [(2, 1, 5.0), (2, 3, 4.0)]),
        ("#1,a,5\n2,b,3\n", [("#1", "a", 5.0), ("2", "b", 3.0)]),
        ("a:b::c::3\nx::y:z::4\n", [("a:b", "c", 3.0), ("x", "y:z", 4.0)]),
        ("user_id:token\titem_id:token\trating:float\n1\t2\t3.0\n2\t2\t3\n", [(1, 2, 3.0), (2, 2, 3.0)]),
        ("user,item,rating\r1,10,5\r2,10,4\r2,11,1", [(1, 10, 5.0), (2, 10, 4.0), (2, 11, 1.0)]),
        ("user,item,rating\r1,10,5\n2,10,4\n2,11,1\n", [(1, 10, 5.0), (2, 10, 4.0), (2, 11, 1.0)]),
        ("user;item;rating\n1;2;3,5\n1;3;4\n", [(1, 2, 3.5), (1, 3, 4.0)]),
    ],
)  # fmt: skip
def test_how_a_file_is_written_is_found(written: Written, text: str, expected: list[tuple[Any, ...]]) -> None:
    """Delimiters beside blanks and commas in names, aligned columns, comments, ':' in ids, returns, decimal commas."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DataWarning)
        assert triples(written.load("a.txt", text)) == expected


def test_comments_that_may_be_rows_are_said(written: Written) -> None:
    """Lines that begin with '#' are passed over and counted, where they have a delimiter or stand between rows."""
    with pytest.warns(DataWarning, match="2 lines that begin with '#' are passed over, such as '# a comment'"):
        assert len(written.load("a.csv", "# a comment\n1,2,3\n#1,3,4\n2,2,5\n")) == 2
    with pytest.warns(DataWarning, match="1 lines that begin with '%'"):
        assert len(written.load("a.csv", "%a,b,c\n1,2,3\n")) == 1
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert len(written.load("a.csv", "# a comment\n1,2,3\n")) == 1


def test_a_delimiter_can_be_stated(written: Written) -> None:
    """`sep` overrules the guess, with one character or several; one that is not in the file is refused."""
    assert triples(written.load("a.txt", "a b,x|c,3\na b,y|d,4\n", sep=",")) == [
        ("a b", "x|c", 3.0),
        ("a b", "y|d", 4.0),
    ]
    assert triples(written.load("b.txt", "a||x||3\nb||y||4\n", sep="||")) == [("a", "x", 3.0), ("b", "y", 4.0)]
    written.refused("c.txt", "a,x,3\nb,y,4\n", "sep=';': .*it is not in", sep=";")
    with pytest.raises(ParameterError, match="sep=''"):
        recae.load(written.path("a.txt", "a,b,3\n"), sep="")


def test_netflix_blocks(written: Written) -> None:
    """'item:' lines with 'user,rating,date' below are ratings of that item, with the lines of the file in messages."""
    text = "1:\n1488844,3,2005-09-06\n822109,5,2005-05-13\n2:\n885013,4,2005-10-19\n822109,2,2005-10-19\n"
    ratings = written.load("a.txt", text)
    assert triples(ratings) == [(822109, 1, 5.0), (822109, 2, 2.0), (885013, 2, 4.0), (1488844, 1, 3.0)]
    assert ratings.timestamps is not None
    assert pd.Timestamp(ratings.timestamps[0], unit="s") == pd.Timestamp("2005-05-13")
    written.refused("b.txt", text.replace("885013,4", "885013,bad"), r"b.txt(.gz)?, line 5: rating 'bad'")


def test_decimal_commas(written: Written) -> None:
    """Said where they are read; refused where they may be thousands, or make a field more."""
    with pytest.warns(DataWarning, match="decimal commas: 3,5 is read as 3.5"):
        recae.load(written.path("a.csv", "user;item;rating\n1;2;3,5\n"))
    written.refused("a.csv", "user;item;rating\n1;2;3,500\n", "may be thousands or a decimal comma")
    written.refused("a.csv", "user,item,rating\n1,10,3,5\n2,10,4,5\n", "line 2: 4 fields, expected 3")
    odd = "user;item;rating\n1;2;3,5\n1;3;k.A.\n"  # a point that is no decimal sign
    written.refused("a.csv", odd, r"line 3: rating 'k\.A\.' in column 'rating' is not a number")


def test_decimal_commas_in_tables_of_items(written: Written) -> None:
    """Between semicolons they are numbers, and said; lists of numbers, titles and what may be thousands stay texts."""
    ratings = pd.DataFrame({"user": [1, 1], "item": ["x", "y"], "rating": [3, 4]})
    table = "item;length;title;many;tags\nx;93,6;1,5;1,234;1,2,3\ny;-100;2;12,500;4,5\n"
    with pytest.warns(DataWarning, match="numbers with decimal commas, in 'length', are read as such"):
        found = recae.load(ratings, items=written.path("p.csv", table)).item_table
    assert found is not None
    assert found["length"].tolist() == [93.6, -100.0]
    assert found["title"].tolist() == ["1,5", "2"]
    assert found["many"].tolist() == ["1,234", "12,500"]
    assert found["tags"].tolist() == ["1,2,3", "4,5"]


LISTS = "0 1 2 3 4 5\n1 2\n2 3 4 5 6 7 8\n3\n"


def test_lists_are_read_as_what_they_are(written: Written) -> None:
    """'user item item ...' of whole numbers is read, each item a rating of 1, and said; so are users without items."""
    path = written.path("lists/train.txt", LISTS)
    written.path("lists/test.txt", "0 6\n")
    with pytest.warns(DataWarning, match="train.txt: 4 lines are read as lists.*1 users without an item have no"):
        ratings = recae.load(path)
    assert triples(ratings)[:6] == [(0, 1, 1.0), (0, 2, 1.0), (0, 3, 1.0), (0, 4, 1.0), (0, 5, 1.0), (1, 2, 1.0)]
    assert len(ratings) == 12
    with pytest.raises(DatasetNotFoundError, match="published_lists"):
        recae.load(path.parent)
    with pytest.raises(DataError, match="looks like lists"):
        recae.load(path, user=0, item=1)
    with pytest.raises(DataError, match="looks like lists"):
        recae.prepare_store(path, written.folder / "store", progress=False)


def test_lists_that_are_stated(written: Written) -> None:
    """lists=True: ids of any kind, another delimiter, leading zeros kept; messages name the line."""
    path = written.path("a.csv", "ann,x,007,y\nbob,x\nann,z\n")
    ratings = recae.load(path, lists=True, sep=",")
    assert [(u, i) for u, i, _ in triples(ratings)] == [
        ("ann", "007"), ("ann", "x"), ("ann", "y"), ("ann", "z"), ("bob", "x"),
    ]  # fmt: skip
    assert recae.load(written.path("b.txt", "1\t2 3\r\n2 3\r\n"), lists=True).item_ids.tolist() == [2, 3]
    with pytest.raises(DataError, match=r"c.csv, line 2: an id is missing"):
        recae.load(written.path("c.csv", "ann,x\nbob,,y\n"), lists=True, sep=",")
    with pytest.raises(DataError, match="no line has a user and an item"):
        recae.load(written.path("d.csv", "ann\nbob\n"), lists=True)
    with pytest.raises(ParameterError, match="lists=True"):
        recae.load(path, lists=True, user=0)


@pytest.mark.parametrize(
    "text", ["1 2 3 4\n1 3 4 5\n2 5 3 4 5\n", "1 2\n1 3\n2 5 3 4 5 6\n", "1 2 3 4 5\n2 2 3\n3 1 5 9 9\n"]
)
def test_a_damaged_table_is_not_taken_for_lists(written: Written, text: str) -> None:
    """A field too many in one line, users that come back, few lines: refused, and lists=True is named."""
    written.path("a.txt", text)
    with pytest.raises(DataError, match=r"looks like lists.*lists=True"):
        recae.load(written.folder / "a.txt")
    assert len(recae.load(written.folder / "a.txt", lists=True)) > 0


# ---------------------------------------------------------------- encodings and packing


def test_encodings(written: Written) -> None:
    """UTF-16 by its mark, others as stated; the error names what was tried, and advises no other."""
    text = "user,item,rating\n张,三体,4\n李,活着,5\n"
    for encoding in ("gbk", "utf-16", "utf-8-sig", "utf-16-le"):
        stated = {} if encoding in ("utf-16", "utf-8-sig") else {"encoding": encoding}
        assert len(written.load("a.csv", text.encode(encoding), **stated)) == 2
        assert recae.load(written.folder / "a.csv", **stated).user_ids.tolist() == ["张", "李"]
    with pytest.raises(DataError, match=r"not written in UTF-8, which was tried; .*encoding=\.\.\.$"):
        recae.load(written.path("b.csv", text.encode("gbk")))
    late = "user,item,rating\n" + "a,b,3\n" * 20_000 + "ä,b,4\n"
    with pytest.raises(DataError, match="not written in UTF-8"):
        recae.load(written.path("c.csv", late.encode("latin-1")))
    with pytest.raises(ParameterError, match="encoding='nope'"):
        recae.load(written.path("d.csv", text), encoding="nope")


def test_zip_and_xz(written: Written) -> None:
    """Both are read as .gz is; an archive of several files is refused with their names."""
    text = "user,item,rating\n1,2,5\n2,2,4\n"
    expected = [(1, 2, 5.0), (2, 2, 4.0)]
    assert triples(recae.load(written.path("a.csv.xz", lzma.compress(text.encode())))) == expected
    with zipfile.ZipFile(written.folder / "a.zip", "w") as archive:
        archive.writestr("folder/ratings.csv", text)
        archive.writestr("__MACOSX/._ratings.csv", "x")
    assert triples(recae.load(written.folder / "a.zip")) == expected
    recae.prepare_store(written.folder / "a.zip", written.folder / "s")
    assert triples(recae.load(written.folder / "s")) == expected
    with zipfile.ZipFile(written.folder / "a.zip", "a") as archive:
        archive.writestr("more.csv", text)
    with pytest.raises(DataError, match=r"a.zip holds 2 files \(folder/ratings.csv, more.csv\)"):
        recae.load(written.folder / "a.zip")


def test_a_workbook_is_called_one(tmp_path: Path) -> None:
    """An Excel file is a zip of many parts; nobody is told to unpack it, but to save the sheet as CSV."""
    with zipfile.ZipFile(tmp_path / "f.xlsx", "w") as archive:
        archive.writestr("[Content_Types].xml", "<Types/>")
        archive.writestr("xl/workbook.xml", "<workbook/>")
    with pytest.raises(DataError, match=r"f.xlsx is a workbook.*as a CSV file, or pass.*pandas.read_excel"):
        recae.load(tmp_path / "f.xlsx")


# ---------------------------------------------------------------- ids


def test_ids_of_19_digits_have_one_type(written: Written) -> None:
    """Whatever the reader, integers of 64 bits are integers; one more digit makes texts of all."""
    for first in (1234567890123450000, 2**63 - 1):
        text = f"user,item,rating\n{first},7,4\n5,3,4\n"
        assert written.load("a.csv", text).user_ids.tolist() == [5, first]
        quoted = written.load("b.csv", text.replace(str(first), f'"{first}"'))
        assert quoted.user_ids.tolist() == [5, first]
    assert written.load("c.csv", f"user,item,rating\n{2**63},7,4\n5,3,4\n").user_ids.tolist() == ["5", str(2**63)]


def test_blanks_round_an_id_split_no_item_in_two(written: Written) -> None:
    """One dirty field makes neither texts of all ids nor two of one; what was merged is said, with its number."""
    text = "2\t51\t13883\n2\t52\t11690\n3\t65  \t12\n3\t51\t4\n4\t65\t7\n"
    with pytest.warns(DataWarning, match="blanks round 1 ids are taken off, so that '65  ' is the same as '65'"):
        ratings = written.load("a.dat", text)
    assert ratings.item_ids.tolist() == [51, 52, 65]
    assert len(ratings) == 5


def test_ids_of_frames_that_are_nearly_alike_are_said() -> None:
    """A frame's ids stay as they are; two that differ in blanks or in their type only are named."""
    frame = pd.DataFrame({"user": [1, 2], "item": ["65", "65 "], "rating": [1.0, 2]})
    with pytest.warns(DataWarning, match="item ids '65' and '65 ' are different"):
        assert recae.load(frame).n_items == 2
    with pytest.warns(DataWarning, match="user ids 1 and '1' are different"):
        recae.load(frame.assign(user=pd.Series([1, "1"], dtype=object), item=1))


@pytest.mark.parametrize(("ids", "words"), [
    (["1", "2.0", "2"], "user ids '2' and '2.0' are different"),
    (["caf\u00e9", "cafe\u0301", "b"], r"user ids 'cafe\\u0301' and 'caf\\xe9' are different"),
    (["NA", "1", "2"], "user 'NA' is read as an id"), (["None", "b", "c"], "user 'None' is read as an id"),
])  # fmt: skip
@pytest.mark.parametrize("kind", ["csv", "parquet", "frame"])
def test_ids_that_may_be_meant_as_one_or_as_none_are_said(
    ids: list[str], words: str, kind: str, tmp_path: Path
) -> None:
    """ "2.0" beside "2", two forms of é, and "NA": each stays an id, and is named, whatever the table is in."""
    frame = pd.DataFrame({"user": ids, "item": "x", "rating": [1.0, 2, 3]})
    table: Any = frame if kind == "frame" else tmp_path / f"r.{kind}"
    if kind == "csv":
        frame.to_csv(table, index=False)
    elif kind == "parquet":
        frame.to_parquet(table)
    with pytest.warns(DataWarning, match=words):
        assert recae.load(table).n_users == 3


@pytest.mark.parametrize("kind", ["csv", "parquet", "frame", "floats", "store"])
@pytest.mark.parametrize("all_of_them", [True, False])
def test_ids_that_a_spreadsheet_has_rounded_are_said(kind: str, all_of_them: bool, tmp_path: Path) -> None:
    """Long ids as 1.23457E+17 may be several users in one: said however many there are, whatever the table is in."""
    ids = ["1.23457E+17", "1.23458E+17", "1.23457E+17"] if all_of_them else ["1.23457E+17", "1", "2"]
    if kind == "floats":  # as pandas reads such a file
        ids = list(map(float, ids))  # type: ignore[arg-type]
    frame = pd.DataFrame({"user": ids, "item": ["x", "x", "y"], "rating": [1.0, 2, 3]})
    table: Any = frame if kind in ("frame", "floats") else tmp_path / f"r.{kind.replace('store', 'csv')}"
    if kind in ("csv", "store"):
        frame.to_csv(table, index=False)
    elif kind == "parquet":
        frame.to_parquet(table)
    said = f"{2 if all_of_them else 1} of {len(set(ids))} user ids, such as .*several users may have become one"
    with pytest.warns(DataWarning, match=said):
        found: Any = (
            recae.prepare_store(table, tmp_path / "s", progress=False) if kind == "store" else recae.load(table)
        )
    assert found.n_users == len(set(ids))


def test_ids_that_are_apart_are_not_spoken_of(recwarn: pytest.WarningsRecorder) -> None:
    """Ids that all have ".0", or an é each, or are all "NA", give no warning."""
    for ids in (["1.0", "2.0", "3.0"], ["é", "è", "e"], ["NA"] * 3, ["1E5", "1e-5", "2E+x"], [0.5, 1e15, 2e15]):
        recae.load(pd.DataFrame({"user": ids, "item": ["x", "y", "z"], "rating": [1.0, 2, 3]}))
    assert [str(one.message) for one in recwarn if issubclass(one.category, DataWarning)] == []


def test_a_matrix_with_names_says_what_to_do(written: Written) -> None:
    """A table with a column for each item is refused, and the way to rows is said."""
    path = written.path("a.csv", "user,i1,i2,i3\nu1,5,,3\nu2,,4,\n")
    with pytest.raises(DataError, match=r"no column found for the item; .*pandas\.melt"):
        recae.load(path)


def test_a_wide_table_is_told_from_ratings(written: Written) -> None:
    """Of 31 columns without usual names it is said at once what they may be, with blanks and without a header."""
    names = ";".join(f"book {n}" for n in range(30))
    rows = "".join(
        f"r{n};" + ";".join(str(1 + k % 5) if k % 3 == n else "" for k in range(30)) + "\n" for n in range(3)
    )
    for text in (f"reader;{names}\n{rows}", rows):
        written.refused("a.csv", text, r"31 columns \(.*\), .* a column for each item; make rows .*pandas\.melt.*user=")
    path = written.path("b.csv", f"reader;{names}\n{rows.replace(';;', ';3;').replace(';;', ';3;')}")
    assert recae.load(path, user="reader", item="book 0", rating="book 1").n_users == 3  # what is stated holds


def test_a_few_odd_ids_among_integers_are_said(written: Written) -> None:
    """One id that is no whole number makes texts of all: said, since "65.0" beside "65" is another item."""
    text = "user,item,rating\n" + "".join(f"{n},{n},3\n" for n in range(60, 80)) + "60,65.0,4\n"
    with pytest.warns(DataWarning, match=r"column 'item': 1 of 21 ids are no whole numbers, such as '65.0'"):
        assert written.load("a.csv", text).n_items == 21


def test_nested_ids_are_named(written: Written) -> None:
    """An exported document with {"$oid": ...} as id: line and field are named."""
    path = written.path("a.jsonl", '{"user":{"$oid":"5f1"},"item":2,"rating":3}\n')
    with pytest.raises(DataError, match=r"a.jsonl, line 1: the user in field 'user' is {\"\$oid\": \"5f1\"}"):
        recae.load(path)


# ---------------------------------------------------------------- times


def test_dates_are_read_alike_from_every_format(written: Written) -> None:
    """Dates as text, as dates and as times, in csv, JSON, Parquet and frames, are the same seconds."""
    frame = pd.DataFrame({"user": [1, 2, 3], "item": [1, 1, 2], "rating": [1.0, 2, 3]})
    texts, times = (
        ["2005-09-06", "2005-05-13", "2005-10-19"],
        pd.to_datetime(["2005-09-06", "2005-05-13", "2005-10-19"]),
    )
    expected = [1125964800, 1115942400, 1129680000]
    folder = written.folder
    frame.assign(date=texts).to_csv(folder / "a.csv", index=False)
    frame.assign(date=texts).to_json(folder / "a.jsonl", orient="records", lines=True)
    frame.assign(date=texts).to_parquet(folder / "text.parquet")
    frame.assign(date=times.date).to_parquet(folder / "date.parquet")
    frame.assign(date=times).to_parquet(folder / "time.parquet")
    frame.assign(date=times.tz_localize("UTC")).to_parquet(folder / "zone.parquet")
    sources: list[Any] = [
        *folder.iterdir(),
        frame.assign(date=times),
        frame.assign(date=times.date),
        frame.assign(date=texts),
    ]
    for source in sources:
        stamps = recae.load(source).timestamps
        assert stamps is not None
        assert stamps.tolist() == expected, source


@pytest.mark.parametrize(
    ("written_as", "expected", "said"),
    [
        ("1425941529", 1425941529, ""), ("1425941529000", 1425941529, "milliseconds"), ("0", 0, ""),
        ("1425941529000000000", 1425941529, "nanoseconds"), ("20150309", 1425859200, "days"),
        ("2015-03-09T22:52:09Z", 1425941529, ""), ("2015-03-09 22:52:09", 1425941529, ""),
        ("2015-03-09T23:52:09+01:00", 1425941529, ""), ("2015/03/09", 1425859200, ""), ("1425941529.7", 1425941529, ""),
        ('"Mar 9, 2015"', 1425859200, ""), ('"03 09, 2015"', 1425859200, ""),
        ("Mon Mar 09 22:52:09 +0000 2015", 1425941529, ""),
    ],
)  # fmt: skip
def test_times_of_many_kinds(written: Written, written_as: str, expected: int, said: str) -> None:
    """Seconds, smaller units, and dates with the year first; another unit is said."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        stamps = written.load("a.csv", f"user,item,rating,time\n1,2,3,{written_as}\n").timestamps
    assert stamps is not None
    assert stamps.tolist() == [expected]
    assert bool(said) == bool(caught)
    assert [str(one.message) for one in caught if said not in str(one.message)] == []


def test_times_of_two_units_are_refused(written: Written) -> None:
    """Seconds and milliseconds in one column would move ratings by decades: the line is named."""
    text = "user,item,rating,time\n1,2,3,1425941529000\n1,3,3,1425941529\n"
    written.refused("a.csv", text, "line 3: the timestamp 1425941529 in column 'time' has another unit")


def test_dates_that_may_be_two_days_are_refused(written: Written) -> None:
    """Day or month first cannot be told: named with line and remedy."""
    written.refused("a.csv", "user,item,rating,date\n1,2,3,03/04/2015\n", r"line 2: .*'03/04/2015'.*2005-09-06")


# ---------------------------------------------------------------- folders and pairs that occur twice


def test_a_folder_s_ratings_are_read_by_their_header(written: Written) -> None:
    """ratings.csv with columns in another order is not MovieLens': users and items are those of the header."""
    path = written.path(
        "mine/ratings.csv", "movieId,userId,rating,timestamp\n110,1,1.0,1425941529\n147,2,4.5,1425942435\n"
    )
    assert triples(recae.load(path.parent)) == triples(recae.load(path)) == [(1, 110, 1.0), (2, 147, 4.5)]


REPEATS = "user,item,rating\n1,a,3\n1,a,5\n1,a,4\n2,a,1\n2,b,2\n"


@pytest.mark.parametrize(
    ("how", "first"), [("last", 4), ("first", 3), ("mean", 4), ("sum", 12), ("max", 5), ("count", 3)]
)
def test_repeats_are_merged_as_asked_and_said(written: Written, how: Any, first: float) -> None:
    """What becomes of a pair that occurs three times, in memory and in a store; the number is said."""
    with pytest.warns(DataWarning, match=rf"2 of 5 rows repeat a pair.*duplicates='{how}'\), which leaves 3 ratings"):
        ratings = written.load("a.csv", REPEATS, duplicates=how)
    others = [1, 1] if how == "count" else [1, 2]
    assert [value for _, _, value in triples(ratings)] == [first, *others]
    assert ratings.scale[1] == (max(first, 5) if how not in ("count",) else 3)


def test_purchases_are_counted(written: Written) -> None:
    """Rows without a rating: how often a pair occurs is its rating."""
    with pytest.warns(DataWarning, match="rows were counted"):
        ratings = written.load("a.csv", "user,item\n1,a\n1,a\n2,a\n1,b\n", rating=False, duplicates="count")
    assert triples(ratings) == [(1, "a", 2.0), (1, "b", 1.0), (2, "a", 1.0)]
    assert ratings.scale == (1, 2)


def test_repeats_go_by_time(written: Written) -> None:
    """With timestamps, first and last are those of time, and the time is kept."""
    text = "user,item,rating,time\n1,a,3,30\n1,a,5,10\n1,a,4,20\n"
    for how, value, time in (("first", 5, 10), ("last", 3, 30), ("sum", 12, 30)):
        with pytest.warns(DataWarning, match="repeat a pair"):
            ratings = written.load("a.csv", text, duplicates=how)
        assert ratings.timestamps is not None
        assert (ratings.user_rows.data.tolist(), ratings.timestamps.tolist()) == ([value], [time])


def test_sums_outside_the_scale_are_refused(written: Written) -> None:
    """A scale that is stated holds for what rows are merged to."""
    written.refused("a.csv", REPEATS, "outside the scale 1 to 5", duplicates="sum", scale=(1, 5))


# ---------------------------------------------------------------- tables in memory

TABLE = {"user": [1, 1, 2, 2], "item": ["a", "b", "a", "c"], "rating": [4.0, 3, 5, 1]}


def test_tables_of_other_kinds() -> None:
    """polars and Arrow frames, dicts and lists of rows give what the pandas frame gives."""
    import pyarrow as pa

    pl = pytest.importorskip("polars")
    expected = triples(recae.load(pd.DataFrame(TABLE)))
    rows = list(zip(*TABLE.values()))
    records = pd.DataFrame(TABLE).astype({"item": object}).to_records(index=False)
    coded = pl.DataFrame(TABLE).with_columns(pl.col("item").cast(pl.Categorical))
    dicts = [dict(zip(TABLE, row)) for row in rows]
    for source in (pl.DataFrame(TABLE), pl.LazyFrame(TABLE), coded, pa.table(TABLE), TABLE, records, rows, dicts):
        assert triples(recae.load(source)) == expected, type(source)
    for source in (np.ones((3, 3)), 7, None, {1, 2}):
        with pytest.raises(ParameterError, match="cannot load ratings from"):
            recae.load(source)


def test_requests_take_tables_of_other_kinds() -> None:
    """What a pandas frame or array is answered, a polars or Arrow one is, and dicts; what has no order is refused."""
    import pyarrow as pa

    pl = pytest.importorskip("polars")
    model = recae.Bias().fit(recae.RatingMatrix.from_frame(pl.DataFrame(TABLE)))
    new = {"user": ["n", "n"], "item": ["a", "c"], "rating": [4.0, 2.0]}
    expected = model.predict_new(pd.DataFrame(new), pd.DataFrame(new))
    for source in (pl.DataFrame(new), pa.table(new), new):
        np.testing.assert_array_equal(model.predict_new(source, source), expected)
        assert model.recommend_new(source, n=1)["item"].tolist() == ["b"]
    expected = model.predict(TABLE["user"], TABLE["item"])
    for users, items in (
        (pa.array(TABLE["user"]), pa.array(TABLE["item"])),
        [pl.Series(TABLE[n]) for n in ("user", "item")],
    ):
        np.testing.assert_array_equal(model.predict(users, items), expected)
    for bad in (([1, 2, 1], ["a", "b"]), ({1, 2}, "a"), ([[1, 2], [1, 2]], "a")):
        with pytest.raises(ParameterError):
            model.predict(*bad)


LONG = ["12345678901234567890", "12345678901234567891", "5"]  # as floating-point numbers, two of them are one


def decimals(users: list[str], items: list[str], digits: int, point: int) -> Any:
    import pyarrow as pa

    def column(values: list[str], *kind: int) -> Any:
        return pa.array(list(map(Decimal, values)), pa.decimal128(*kind))

    return pa.table({
        "user": column(users, digits, 0), "item": column(items, 10, point), "rating": column(["1.5", "2", "3"], 4, 2),
    })  # fmt: skip


@pytest.mark.parametrize("way", ["table", "parquet", "store"])
def test_decimal_ids_are_exact(tmp_path: Path, way: str) -> None:
    """Decimal ids are integers, or texts where 64 bits or whole numbers do not hold them all; no two become one."""
    from pyarrow import parquet

    def loaded(table: Any) -> recae.RatingMatrix:
        if way == "table":
            return recae.load(table)
        parquet.write_table(table, tmp_path / "r.parquet", row_group_size=1)
        if way == "parquet":
            return recae.load(tmp_path / "r.parquet")
        recae.prepare_store(tmp_path / "r.parquet", tmp_path / "s", progress=False, restart=True)
        return recae.load(tmp_path / "s")

    found = loaded(decimals(LONG, ["1", "2", "3"], 38, 0))
    assert (sorted(found.user_ids.tolist()), found.item_ids.tolist()) == (sorted(LONG), [1, 2, 3])
    assert sorted(found.to_frame()["rating"]) == [1.5, 2, 3]
    found = loaded(decimals(["3", "1", "2"], ["2.00", "1.50", "3.00"], 5, 2))
    assert (found.user_ids.tolist(), sorted(found.item_ids.tolist())) == ([1, 2, 3], ["1.50", "2", "3"])


@pytest.mark.parametrize("load", [recae.load, recae.RatingMatrix.from_frame])
def test_a_name_twice_in_an_arrow_table(load: Any) -> None:
    """A column that occurs twice is refused where it is wanted, and passed over where it is not."""
    import pyarrow as pa

    ids, stars = pa.array([1, 2]), pa.array([3.0, 4.0])
    with pytest.raises(DataError, match="column 'rating' occurs more than once"):
        load(pa.Table.from_arrays([ids, ids, stars, stars], names=["user", "item", "rating", "rating"]))
    found = load(pa.Table.from_arrays([ids, ids, stars, ids, ids], names=["user", "item", "rating", "x", "x"]))
    assert found.n_ratings == 2


def test_dates_of_a_polars_frame() -> None:
    """Dates and times of polars are the seconds that they are."""
    pl = pytest.importorskip("polars")
    frame = pl.DataFrame(TABLE).with_columns(date=pl.date(2005, 9, 6))
    stamps = recae.load(frame).timestamps
    assert stamps is not None
    assert set(stamps.tolist()) == {1125964800}


@pytest.mark.parametrize("kind", ["csr_array", "csc_matrix", "coo_array", "lil_array"])
def test_sparse_arrays(kind: str) -> None:
    """Stored entries are ratings, zeros too; rows and columns keep their numbers, empty ones too."""
    from scipy import sparse

    dense = np.array([[0, 3, 0], [0, 0, 0], [1, 0, 2]], np.float64)
    source = getattr(sparse, kind)(dense)
    ratings = recae.load(source)
    assert triples(ratings) == [(0, 1, 3.0), (2, 0, 1.0), (2, 2, 2.0)]
    assert ratings.shape == (3, 3)
    zero = sparse.coo_array(([0.0, 4.0], ([0, 1], [0, 1])), shape=(2, 2))
    assert triples(recae.load(zero)) == [(0, 0, 0.0), (1, 1, 4.0)]


# ---------------------------------------------------------------- what is known of items and users


def test_tables_of_items_and_users(written: Written) -> None:
    """Files and frames of items and users, by the ids of the ratings; an id that occurs twice is refused."""
    ratings = written.path("r.csv", "user,item,rating\n1,007,3\n2,x,4\n")
    items = written.path("p.csv", 'product_id,title,price\n007,"Tea, black",2.5\nx,Cake,3\n')
    users = pd.DataFrame({"user": [1, 2], "age": [30, 40]})
    loaded = recae.load(ratings, items=items, users=users)
    assert loaded.item_table is not None
    assert loaded.item_table.loc["007", "title"] == "Tea, black"
    assert loaded.item_table["price"].tolist() == [2.5, 3.0]
    assert loaded.user_table is not None
    assert loaded.user_table.loc[2, "age"] == 40
    with pytest.raises(DataError, match="more than one row for item 'x'"):
        recae.load(ratings, items=written.path("q.csv", "item,title\nx,a\nx,b\n"))


def titles_by_item(ratings: recae.RatingMatrix) -> dict[Any, Any]:
    assert ratings.item_table is not None
    found = ratings.item_table["title"].reindex(ratings.item_ids)
    return dict(zip(ratings.item_ids.tolist(), found.tolist()))


@pytest.mark.parametrize("way", ["csv", "store", "frame", "array"])
def test_a_table_has_ids_as_the_ratings_have_them(written: Written, way: str, recwarn: pytest.WarningsRecorder) -> None:
    """Items 0 to 2 have the titles of "0" to "2" in a table that one other id makes one of texts; and reversed."""
    rows = "user,item,rating\n1,0,3\n1,1,4\n2,2,1\n"
    source: Any = written.path("r.csv", rows)
    if way == "store":
        recae.prepare_store(source, written.folder / "s", progress=False)
        source = written.folder / "s"
    if way == "frame":
        source = pd.read_csv(source)
    if way == "array":
        source = sparse.csr_array([[3, 4, 0], [0, 0, 1]])
    products = written.path("p.csv", "item,title\n0,A\nX-9,D\n2,C\n1,B\n")
    for table in (products, pd.read_csv(products)):
        found = recae.load(source, items=table)
        assert titles_by_item(found) == {0: "A", 1: "B", 2: "C"}
        assert found.item_table is not None
        assert found.item_table.index.tolist() == [0, "X-9", 2, 1]
    if way == "csv":
        found = recae.load(
            written.path("r.csv", rows + "2,X-9,1\n"),
            items=written.path("p.csv", "item,title\n0,A\n3,E\n2,C\n"), unrated=True,
        )  # fmt: skip
        assert found.item_ids.tolist() == ["0", "1", "2", "X-9", "3"]
        assert found.item_table is not None
        assert found.item_table.index.tolist() == ["0", "3", "2"]
    assert [str(one.message) for one in recwarn if "none of the" in str(one.message)] == []


def test_a_table_of_others_is_said(written: Written) -> None:
    """Where no id of a table is among those of the ratings, a warning shows one of each."""
    source = written.path("r.csv", "user,item,rating\n1,7,3\n2,8,4\n")
    for table in (written.path("p.csv", "item,title\nQ1,A\nQ2,B\n"), pd.DataFrame({"item": ["Q1"], "title": "A"})):
        with pytest.warns(DataWarning, match=r"none of the . items in the table of items is .* 'Q1', and they have 7"):
            recae.load(source, items=table)
    with pytest.warns(DataWarning, match="none of the 1 users in the table of users is among those of the ratings"):
        recae.RatingMatrix.from_frame(pd.read_csv(source), user_table=pd.DataFrame({"user": [3], "age": [1]}))


def test_tables_of_json_lines(written: Written) -> None:
    """Ids and titles keep the types that JSON gives them; a field that a line lacks is missing there."""
    source = written.path("r.jsonl", '{"user":"a","item":"007","rating":3}\n{"user":"b","item":"012","rating":4}\n')
    products = '{"item":"012","title":"1984","date":"2020-01-01"}\n\n{"item":"007","title":"1917","price":2.5}\n'
    found = recae.load(source, items=written.path("p.jsonl", products))
    assert titles_by_item(found) == {"007": "1917", "012": "1984"}
    assert found.item_table is not None
    assert found.item_table.columns.tolist() == ["title", "date", "price"]
    assert found.item_table.loc["012", "date"] == "2020-01-01"
    assert found.item_table["price"].isna().tolist() == [True, False]
    for title in ("title", "Name"):  # what lists show
        films = written.path("p.csv", f"item,{title}\n007,1917\n012,1984\n")
        table = recae.load(source, items=films).item_table
        assert table is not None
        assert table[title].to_dict() == {"007": "1917", "012": "1984"}


@pytest.mark.parametrize(("name", "content", "message"), [
    ("p.jsonl", '{"item": 7}\n{"item": 8\n', r"p.jsonl, line 2: not JSON"),
    ("p.jsonl", "[7]\n", r"p.jsonl, line 1: a JSON list"),
    ("p.jsonl", "\n", r"p.jsonl is empty"),
    ("p.jsonl", '{"item": "\\ud800"}\n', r"p.jsonl, line 1: field 'item' holds half a character"),
    ("p.parquet", "item\n7\n", r"p.parquet cannot be read as Parquet"),
])  # fmt: skip
def test_broken_tables_are_named(written: Written, name: str, content: str, message: str) -> None:
    """A table of items that cannot be read is refused as a table of ratings is: with its file, line and fault."""
    source = written.path("r.csv", "user,item,rating\n1,7,3\n2,8,4\n")
    with pytest.raises(DataError, match=message):
        recae.load(source, items=written.path(name, content))


def test_decimal_numbers_of_a_table(tmp_path: Path) -> None:
    """Decimal ids of a table are those of the ratings, exactly; other decimal numbers are floating-point numbers."""
    import pyarrow as pa
    from pyarrow import parquet

    ratings = decimals(["1", "2", "3"], ["1", "2", "3"], 5, 0).set_column(1, "item", pa.array(LONG))
    ids = pa.array(list(map(Decimal, LONG)), pa.decimal128(38, 0))
    prices = pa.array([Decimal("1.5"), None, Decimal("3")], pa.decimal128(5, 2))
    table = pa.table({"item": ids, "title": ["A", "B", "C"], "price": prices})
    parquet.write_table(table, tmp_path / "p.parquet")
    for items in (table, tmp_path / "p.parquet"):
        found = recae.load(ratings, items=items)
        assert titles_by_item(found) == dict(zip(LONG, "ABC"))
        assert found.item_table is not None
        assert found.item_table["price"].fillna(0).tolist() == [1.5, 0, 3]


def test_fields_over_lines_are_read_in_blocks(written: Written, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file of quoted fields that run over lines is never in memory whole: blocks hold a few records each."""
    rows = [(f'u{n}\n"{n % 7}", x', f"i{n % 5}", n % 9 + 1) for n in range(500)]
    text = "user,item,rating\n" + "".join('"{}",{},{}\n'.format(u.replace('"', '""'), i, r) for u, i, r in rows)
    path, sizes = written.path("a.csv", text), []
    parsed = TextTable._parsed

    def noted(self: TextTable, block: bytes, *, newlines: bool = False) -> Any:
        sizes.append(len(block))
        return parsed(self, block, newlines=newlines)

    monkeypatch.setattr(TextTable, "_parsed", noted)
    monkeypatch.setattr(text_layout, "BLOCK_BYTES", 256)
    assert triples(recae.load(path)) == sorted((u, i, float(r)) for u, i, r in rows)
    assert len(sizes) > 20
    assert max(sizes) < 600
    with pytest.raises(DataError, match=r"line 1003: rating 'bad'"):
        recae.load(written.path("b.csv", text + 'u,"i\n",bad\n'))


@pytest.mark.parametrize("quote", ["", '"'])
def test_a_line_longer_than_a_block(written: Written, quote: str) -> None:
    """A title of nine million characters in one line, quoted or not, is read."""
    title = "x" * 9_000_000
    path = written.path("a.csv", f"user,item,title,rating\n1,a,{quote}{title}{quote},3\n2,a,t,4\n")
    assert triples(recae.load(path)) == [(1, "a", 3.0), (2, "a", 4.0)]
