"""Dates whose day and month may be taken for each other, and what Excel writes above a table."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import recae
from recae.errors import DataError, DataWarning
from recae.ratings.column_checks import row_number
from recae.ratings.times import seconds

APRIL, MARCH = (int(pd.Timestamp(day).timestamp()) for day in ("2005-04-03", "2005-03-04"))


def table(*dates: str) -> pd.DataFrame:
    return pd.DataFrame({"user": range(len(dates)), "item": 1, "rating": 3.0, "date": dates})


def written(folder: Path, kind: str, frame: pd.DataFrame) -> Any:
    """The table as text, JSON lines, Parquet, or in memory; "store": text, for `loaded`."""
    if kind == "frame":
        return frame
    kind = "csv" if kind == "store" else kind
    path = folder / f"r.{kind}"
    if kind == "jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in frame.to_dict("records")))
    elif kind == "parquet":
        frame.to_parquet(path, index=False)
    else:
        frame.to_csv(path, index=False)
    return path


def loaded(folder: Path, kind: str, frame: pd.DataFrame, **options: Any) -> recae.RatingMatrix:
    """The ratings of the table, read from a file of this kind, by way of a store, or from memory."""
    source = written(folder, kind, frame)
    if kind != "store":
        return recae.load(source, **options)
    recae.prepare_store(source, folder / "s", progress=False, restart=True, **options)
    return recae.load(folder / "s")


def stamps(ratings: recae.RatingMatrix) -> list[int]:
    assert ratings.timestamps is not None
    return [int(stamp) for stamp in ratings.timestamps]


@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet", "frame"])
@pytest.mark.parametrize("mark", ["/", ".", "-"])
def test_a_day_above_12_shows_the_order(tmp_path: Path, kind: str, mark: str) -> None:
    """13/04 makes 03/04 the third of April, 04/13 makes it the fourth of March; either is said."""
    for other, expected, order in (("13/04/2005", APRIL, "day"), ("04/13/2005", MARCH, "month")):
        frame = table(*(date.replace("/", mark) for date in ("03/04/2005", other)))
        with pytest.warns(DataWarning, match=f"are read with the {order} first"):
            assert stamps(recae.load(written(tmp_path, kind, frame)))[0] == expected


@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet", "frame"])
def test_what_no_date_shows_is_asked_for(tmp_path: Path, kind: str) -> None:
    """03/04/2005 alone is refused with the option that settles it; both ways in one column are refused."""
    source = written(tmp_path, kind, table("03/04/2005", "5/6/2005"))
    with pytest.raises(DataError, match=r"the day or the month may come first.*day_first=True.*day_first=False"):
        recae.load(source)
    assert stamps(recae.load(source, day_first=True))[0] == APRIL
    assert stamps(recae.load(source, day_first=False))[0] == MARCH
    with pytest.raises(DataError, match="the day or the month may come first"):
        recae.load(written(tmp_path, kind, table("13/04/2005", "04/13/2005")))
    with pytest.raises(DataError, match=r"'04/13/2005'.* neither a number of seconds nor"):
        recae.load(written(tmp_path, kind, table("13/04/2005", "04/13/2005")), day_first=True)
    with pytest.raises(DataError, match=r"'31/02/2005'.* neither a number of seconds nor"):
        recae.load(written(tmp_path, kind, table("13/04/2005", "31/02/2005")), day_first=True)


def test_times_of_day(tmp_path: Path) -> None:
    """Hours, minutes and seconds behind such a date."""
    frame = table("3/4/2005 17:30", "03/04/2005 17:30:09")
    assert stamps(recae.load(frame, day_first=True)) == [APRIL + 17 * 3600 + 1800, APRIL + 17 * 3600 + 1809]


@pytest.mark.parametrize("kind", ["csv", "store", "jsonl", "parquet", "frame"])
@pytest.mark.parametrize(("first", "bad"), [
    ("03/04/05", "03/04/05"), ("25/12/24", "25/12/24"), ("13-09-06 10:00:00", "13-09-06 10:00:00"),
    ("2005/03/01", "2005/02/30"), ("2005-03-01", "2005-02-30"), ("2005-03-01", "now"), ("today", "today"),
])  # fmt: skip
def test_what_is_no_date_is_refused(tmp_path: Path, kind: str, first: str, bad: str) -> None:
    """Two digits of a year, days that no month has, and words for the present moment are refused by row, from whatever
    the column is read.
    """
    row = 2 if first == bad else 3  # lines of a text file, below its header
    row -= kind not in ("csv", "store")
    with pytest.raises(
        DataError, match=rf"(line|row) {row}: timestamp '{bad}' .*neither a number of seconds nor a date"
    ):
        loaded(tmp_path, kind, table(first, bad), day_first=True)


@pytest.mark.parametrize("kind", ["csv", "store", "jsonl", "parquet", "frame"])
def test_dates_that_occur_again(tmp_path: Path, kind: str) -> None:
    """Each row has the time of its own date, of one digit or two, and of texts that begin with a later date."""
    frame = table("2005/4/3", "2005/03/04", "2005/04/03", "2005/3/4", "2005/4/3")
    assert stamps(loaded(tmp_path, kind, frame)) == [APRIL, MARCH, APRIL, MARCH, APRIL]


@pytest.mark.parametrize("kind", ["csv", "store", "jsonl", "parquet", "frame"])
def test_a_number_that_is_no_day(tmp_path: Path, kind: str) -> None:
    """Of numbers that are days, year first, one that no month has is named with its row."""
    frame = table("20050906", "20050907", "20050231")
    frame["date"] = frame["date"].astype(int)
    with pytest.raises(DataError, match=r"(line 4|row 3|line 3): timestamp 20050231 in column 'date' .* no such day"):
        loaded(tmp_path, kind, frame)


@pytest.mark.parametrize("kind", ["csv", "store", "frame"])
@pytest.mark.parametrize("number", ["9999999999999999999", "-9223372036854775808", "1e300", "-1e19"])
def test_numbers_beyond_64_bits_are_refused(tmp_path: Path, kind: str, number: str) -> None:
    """What no integer of 64 bits holds is named with its row, and is not another time."""
    frame = table("7", number)
    if kind == "frame":
        frame["date"] = pd.to_numeric(frame["date"])
    with pytest.raises(DataError, match=r"(line 3|row 2): timestamp .* in column 'date' is too large for a time"):
        loaded(tmp_path, kind, frame)


def test_numbers_without_a_sign_are_times() -> None:
    """Unsigned numbers are seconds, and nanoseconds, like others."""
    frame = table("1", "2")
    assert stamps(recae.load(frame.assign(date=pd.array([7, 9], "uint64")), timestamp="date")) == [7, 9]
    with pytest.warns(DataWarning, match="are read as nanoseconds"):
        assert stamps(recae.load(frame.assign(date=pd.array([10**18, 2 * 10**18], "uint64")))) == [10**9, 2 * 10**9]


def test_a_store_must_be_told(tmp_path: Path) -> None:
    """A store is made in parts, of which one may show what another does not: the order is stated."""
    path = written(tmp_path, "csv", table("13/04/2005", "03/04/2005"))
    with pytest.raises(DataError, match="day_first=True"):
        recae.prepare_store(path, tmp_path / "s", progress=False)
    recae.prepare_store(path, tmp_path / "s", progress=False, day_first=True, restart=True)
    assert stamps(recae.load(tmp_path / "s"))[1] == APRIL


@pytest.mark.parametrize("first", ["sep=;", "sep=;\r", '"sep=;"', " sep=;"])
@pytest.mark.parametrize("header", [True, False])
def test_a_first_line_that_names_the_delimiter(tmp_path: Path, first: str, header: bool) -> None:
    """Excel's "sep=;" is no rating and no header; what is stated wins; messages name lines as the file has them."""
    names = "user;item;rating\n" if header else ""
    path = tmp_path / "r.csv"
    path.write_text(f"{first}\n{names}1;a;4,5\n2;a;3\n")
    with pytest.warns(DataWarning, match="decimal commas"):
        ratings = recae.load(path)
    assert ratings.to_frame()["rating"].tolist() == [4.5, 3.0]
    path.write_text(f"{first}\n{names}1;a;bad\n2;a;3\n")
    with pytest.raises(DataError, match=f"line {2 + header}: rating 'bad'"):
        recae.load(path)


def test_a_tab_that_is_named(tmp_path: Path) -> None:
    """sep= with a tab, or with the two characters that stand for one; a store is made the same way."""
    for sep in ("\t", "\\t"):
        path = tmp_path / "r.csv"
        path.write_text(f"sep={sep}\nuser\titem\trating\n1\tx, y\t4\n2\tx, y\t3\n")
        assert recae.load(path).item_ids.tolist() == ["x, y"]
        recae.prepare_store(path, tmp_path / "s", progress=False, restart=True)
        assert recae.load(tmp_path / "s").item_ids.tolist() == ["x, y"]


@pytest.mark.parametrize(("name", "number", "said"), [
    ("date", 43831, True), ("date", 202001, True),
    ("Review Date", 2020, True), ("date", 1577836800, False), ("timestamp", 7, False),
])  # fmt: skip
def test_days_and_years_are_no_seconds(name: str, number: int, said: bool, recwarn: pytest.WarningsRecorder) -> None:
    """A spreadsheet's days and bare years in a column of dates are read as numbers, and said; places in an order are
    not."""
    frame = pd.DataFrame({"user": [1, 2], "item": 1, "rating": 3.0, name: [number, number + 1]})
    assert stamps(recae.load(frame, timestamp=name)) == [number, number + 1]
    assert any("which is January 1970" in str(one.message) for one in recwarn) == said
    unnamed = frame.set_axis(range(4), axis=1)
    assert stamps(recae.load(unnamed, user=0, item=1, rating=2, timestamp=3)) == [number, number + 1]


@pytest.mark.parametrize(
    ("written", "moment"),
    [
        (["20200229123059", "20191231000000"], "2020-02-29 12:30:59"), ([20200229123059], "2020-02-29 12:30:59"),
        ([202002291230, 197601010000], "2020-02-29 12:30:00"), (["2020-02-29 12:30:59 UTC"], "2020-02-29 12:30:59"),
        (["Sat, 29 Feb 2020 12:30:59 GMT"], "2020-02-29 12:30:59"), ([1582979459000], "2020-02-29 12:30:59"),
        ([202002291230, 202002296130], "1976-05-26 23:44:51"),  # a minute of 61 is none: milliseconds, as before
    ],
)  # fmt: skip
@pytest.mark.filterwarnings("ignore::recae.errors.DataWarning")
def test_how_exports_write_moments(written: list[Any], moment: str) -> None:
    """Fourteen and twelve digits that are all dates are these, and a zone may be UTC or GMT in letters."""
    found = seconds(pd.Series(written), "timestamp", row_number)
    assert pd.Timestamp(int(found[0]), unit="s") == pd.Timestamp(moment)


def test_months_are_times_and_durations_are_not() -> None:
    """A column of periods begins with each of them; durations and complex numbers are refused."""
    frame = pd.DataFrame({"user": [1, 2], "item": 1, "rating": 3.0})
    months = frame.assign(timestamp=pd.period_range("2020-01", periods=2, freq="M"))
    assert stamps(recae.load(months)) == [1577836800, 1580515200]
    with pytest.raises(DataError, match="column 'timestamp' holds durations"):
        recae.load(frame.assign(timestamp=pd.to_timedelta([1, 2], unit="D")))
    with pytest.raises(DataError, match=r"row 1: rating .* is not a number"):
        recae.load(frame.assign(rating=[1 + 0j, 2 + 1j]))
