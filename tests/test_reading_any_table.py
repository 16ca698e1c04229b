"""Any table, written in any format and layout, is read back as it was, or refused: no row is lost, moved or merged.

`make properties` tries 1,000 tables.
"""

from __future__ import annotations

import bz2
import csv
import datetime as dt
import gzip
import io
import lzma
import random
import re
import warnings
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, event, example, given, settings
from hypothesis import strategies as st
from property_examples import examples

import recae
from recae.errors import DataError, DataWarning
from recae.readers import text_layout

ODD = "abkz019 ,;|:\t\"'#%\\/.+-_éß漢\u00a0"
PLAIN_TEXT = st.from_regex(r"[a-z]{1,3}[0-9]{0,2}", fullmatch=True)
NUMBERS = st.one_of(st.integers(0, 30), st.integers(-5, 5), st.integers(10**17, 2**63 - 1))
ODD_TEXT = st.text(ODD, min_size=1, max_size=6).filter(lambda text: text == text.strip())
ODD_LINES = st.text(ODD + "\n", min_size=1, max_size=6).filter(lambda text: text == text.strip())
RATINGS = st.one_of(st.integers(1, 5).map(float), st.integers(1, 10).map(lambda n: n / 2), st.floats(-9, 9, width=16))


def _zipped(data: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("r.csv", data)
    return buffer.getvalue()


PACK: dict[str, Callable[[bytes], bytes]] = {
    "": bytes, ".gz": gzip.compress, ".bz2": bz2.compress, ".xz": lzma.compress, ".zip": _zipped,
    ".zst": lambda data: bytes(pa.compress(data, "zstd", asbytes=True)),
}  # fmt: skip


@dataclass
class Table:
    """Rows of user, item, rating and perhaps time, each pair once; tame ids are plain numbers or words."""

    rows: list[tuple[Any, ...]]
    is_tame: bool

    @property
    def columns(self) -> list[str]:
        return ["user", "item", "rating", "timestamp"][: len(self.rows[0])]

    def expected(self) -> list[tuple[str, str, float, int]]:
        return sorted((str(u), str(i), float(np.float32(r)), *map(int, t)) for u, i, r, *t in self.rows)


@st.composite
def tables(draw: Any, lines: bool = False) -> Table:
    kinds = [draw(st.sampled_from(["numbers", "words", "odd", "lines" if lines else "odd"])) for _ in range(2)]
    of = {"numbers": NUMBERS, "words": PLAIN_TEXT, "odd": ODD_TEXT, "lines": ODD_LINES}
    columns = [of[kind] for kind in kinds] + [RATINGS]
    columns += [st.integers(0, 2_000_000_000)] if draw(st.booleans()) else []
    rows = draw(
        st.lists(st.tuples(*columns), min_size=1, max_size=12, unique_by=lambda row: (str(row[0]), str(row[1])))
    )
    return Table(rows, set(kinds) <= {"numbers", "words"})


@dataclass
class Form:
    """How a table is written as text."""

    delimiter: str
    header: bool
    quoting: int
    end: str
    encoding: str
    packing: str
    shuffled: bool
    stated: bool
    last_end: bool
    sep_line: bool
    block: int


FORMS = st.builds(
    Form,
    delimiter=st.sampled_from([",", "\t", ";", "|", "::", " "]),
    header=st.booleans(),
    quoting=st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL, csv.QUOTE_NONNUMERIC, csv.QUOTE_NONE]),
    end=st.sampled_from(["\n", "\r\n", "\r"]),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-16-be", "gb18030"]),
    packing=st.sampled_from(list(PACK)),
    shuffled=st.booleans(),
    stated=st.booleans(),
    last_end=st.booleans(),
    sep_line=st.booleans(),
    block=st.sampled_from([7, 64, 1 << 22]),
)


def may_be_quoted(field: str, form: Form) -> bool:
    """Whether a field with quotes that are characters may as well be a quoted field, so that a reader cannot tell."""
    return '"' in field and (not form.header or field.startswith('"') == field.endswith('"') or len(form.delimiter) > 1)


def text_of(table: Table, form: Form) -> str | None:
    """The table as text; None where this form cannot hold it."""
    names = table.columns
    order = list(range(len(names)))
    if form.header and form.shuffled:
        random.Random(0).shuffle(order)
    lines = [[row[j] for j in order] for row in table.rows]
    lines = [[names[j] for j in order], *lines] if form.header else lines
    if len(form.delimiter) == 1 and form.delimiter != " " and form.quoting != csv.QUOTE_NONE:
        buffer = io.StringIO()
        csv.writer(buffer, delimiter=form.delimiter, quoting=form.quoting, lineterminator=form.end).writerows(lines)
        text = buffer.getvalue()
    else:
        fields = [[str(field) for field in line] for line in lines]
        unfit = {form.delimiter[0], "\n", "\r", *("\t\u00a0" if form.delimiter == " " else "")}
        if any(set(field) & unfit or may_be_quoted(field, form) for line in fields for field in line):
            return None
        text = "".join(form.delimiter.join(line) + form.end for line in fields)
    text = text if form.last_end else text[: -len(form.end)]
    first = f"sep={form.delimiter}{form.end}"  # as Excel has it
    return first + text if form.sep_line and len(form.delimiter) == 1 and form.delimiter != " " else text


def options_of(form: Form) -> dict[str, Any]:
    """What must be stated, and what is where it is stated."""
    options: dict[str, Any] = {}
    if form.encoding in ("utf-16-be", "gb18030"):
        options["encoding"] = form.encoding
    if form.stated:
        options |= {"sep": form.delimiter, "header": form.header}
    return options


def found(ratings: recae.RatingMatrix) -> list[tuple[str, str, float, int]]:
    """As `Table.expected`."""
    return sorted(
        (str(u), str(i), float(r), *map(int, t)) for u, i, r, *t in ratings.to_frame().itertuples(index=False)
    )


def read(source: Any, **options: Any) -> recae.RatingMatrix | DataError:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DataWarning)
        try:
            return recae.load(source, **options)
        except DataError as error:
            return error


def equal_or_refused(table: Table, outcome: recae.RatingMatrix | DataError, *, must: bool) -> None:
    if isinstance(outcome, DataError):
        event("refused")
        assert not must, outcome
    else:
        event("read")
        assert found(outcome) == table.expected()


MANY = settings(deadline=None, suppress_health_check=list(HealthCheck))


@MANY
@given(table=tables(lines=True), form=FORMS)
def test_any_text_file(tmp_path_factory: pytest.TempPathFactory, table: Table, form: Form) -> None:
    """Any delimiter, header, quotes, ends of lines, encoding, packing and size of what is read at a time.

    What is tame and stated is not refused. Read like itself, without a word on its form, it is the same.
    """
    text = text_of(table, form)
    if text is None:
        return
    path = tmp_path_factory.mktemp("any") / f"r.csv{form.packing}"
    path.write_bytes(PACK[form.packing](text.encode(form.encoding)))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(text_layout, "BLOCK_BYTES", form.block)
        outcome = read(path, **options_of(form))
    equal_or_refused(table, outcome, must=table.is_tame and (form.stated or form.header))
    if isinstance(outcome, recae.RatingMatrix):
        equal_or_refused(table, read(path, like=outcome), must=True)


@MANY
@given(
    table=tables(), form=FORMS,
    names=st.lists(st.sampled_from(["kunde", "what", "x", "user", "item", "rating", "größe"]), min_size=4, unique=True),
)  # fmt: skip
def test_columns_that_are_remembered(
    tmp_path_factory: pytest.TempPathFactory, table: Table, form: Form, names: list[str]
) -> None:
    """Columns that were stated by name, of a text file or a frame, need not be stated for a file with these columns."""
    roles = dict(zip(table.columns, names))
    frame = pd.DataFrame(table.rows, columns=table.columns).rename(columns=roles)
    if len(form.delimiter) > 1 or form.delimiter == " ":
        return
    path = tmp_path_factory.mktemp("like") / "r.csv"
    frame.to_csv(path, index=False, sep=form.delimiter, quoting=csv.QUOTE_ALL)
    like = read(frame, **roles)
    assert isinstance(like, recae.RatingMatrix)
    equal_or_refused(table, read(path, like=like), must=False)
    outcome = read(path, **roles, sep=form.delimiter)
    equal_or_refused(table, outcome, must=True)
    equal_or_refused(table, read(path, like=outcome), must=True)


@MANY
@given(
    lists=st.dictionaries(
        st.integers(0, 99), st.lists(st.integers(0, 99), unique=True, max_size=9), min_size=1, max_size=9
    ),
    stated=st.booleans(), blank=st.sampled_from([" ", "\t", "  "]), end=st.sampled_from(["\n", "\r\n", " \n"]),
)  # fmt: skip
def test_any_lists(
    tmp_path_factory: pytest.TempPathFactory, lists: dict[int, list[int]], stated: bool, blank: str, end: str
) -> None:
    """'user item item ...' a line: stated, always read; else read, refused, or a table, and then of equal lines."""
    path = tmp_path_factory.mktemp("lists") / "r.txt"
    path.write_bytes("".join(blank.join(map(str, [user, *items])) + end for user, items in lists.items()).encode())
    expected = sorted((str(user), str(item), 1.0) for user, items in lists.items() for item in items)
    outcome = read(path, **({"lists": True} if stated else {}))
    if isinstance(outcome, DataError):
        assert not (stated and expected)
        return
    widths = {len(items) for items in lists.values()}
    ones = [(user, item, rating) for user, item, rating, *_ in found(outcome)]
    assert ones == expected or (not stated and len(widths - {0}) <= 2)


@MANY
@given(
    days=st.lists(st.dates(dt.date(1970, 1, 1), dt.date(2100, 12, 31)), min_size=1, max_size=9),
    day_first=st.booleans(), stated=st.booleans(), mark=st.sampled_from("/.-"), padded=st.booleans(),
)  # fmt: skip
def test_any_dates_of_days_and_months(
    tmp_path_factory: pytest.TempPathFactory,
    days: list[dt.date],
    day_first: bool,
    stated: bool,
    mark: str,
    padded: bool,
) -> None:
    """Day or month first: read as written, or refused where no date shows which it is."""
    width = 2 if padded else 1
    texts = [
        mark.join(f"{n:0{width}d}" for n in ((day.day, day.month) if day_first else (day.month, day.day)))
        + f"{mark}{day.year}"
        for day in days
    ]
    path = tmp_path_factory.mktemp("days") / "r.csv"
    path.write_text("user,item,rating,date\n" + "".join(f"{n},1,3,{text}\n" for n, text in enumerate(texts)))
    outcome = read(path, **({"day_first": day_first} if stated else {}))
    if isinstance(outcome, DataError):
        assert not stated
        assert all(day.day <= 12 for day in days)
    else:
        assert outcome.timestamps is not None
        assert (outcome.timestamps // 86400).tolist() == [(day - dt.date(1970, 1, 1)).days for day in days]


@MANY
@given(table=tables(), form=FORMS, kind=st.sampled_from(["jsonl", "parquet", "frame", "arrow", "dict", "rows"]))
def test_any_typed_table(tmp_path_factory: pytest.TempPathFactory, table: Table, form: Form, kind: str) -> None:
    """JSON lines, Parquet and tables in memory: always read, with the types that ids have."""
    frame = pd.DataFrame(table.rows, columns=table.columns)
    path = tmp_path_factory.mktemp("typed") / f"r.{kind}"
    if kind == "jsonl":
        frame.to_json(path, orient="records", lines=True, force_ascii=form.header, double_precision=15)
        path = path.rename(f"{path}{form.packing}") if form.packing in (".gz", ".bz2", ".xz") else path
        path.write_bytes(PACK[form.packing if path.suffix != ".jsonl" else ""](path.read_bytes()))
    elif kind == "parquet":
        frame.to_parquet(path, index=False)
    sources = {"frame": frame, "arrow": pa.Table.from_pandas(frame), "dict": frame.to_dict("list"), "rows": table.rows}
    outcome = read(sources.get(kind, path))
    equal_or_refused(table, outcome, must=True)
    assert isinstance(outcome, recae.RatingMatrix)
    for ids, column in ((outcome.user_ids, frame["user"]), (outcome.item_ids, frame["item"])):
        assert isinstance(ids[0], str) == isinstance(column[0], str)


@settings(MANY, max_examples=examples(40))
@given(table=tables(lines=True), form=FORMS)
def test_a_store_of_any_text_file(tmp_path_factory: pytest.TempPathFactory, table: Table, form: Form) -> None:
    """A store holds what memory holds, and is refused where memory refuses."""
    text = text_of(table, form)
    if text is None:
        return
    folder = tmp_path_factory.mktemp("store")
    path = folder / f"r.csv{form.packing}"
    path.write_bytes(PACK[form.packing](text.encode(form.encoding)))
    outcome = read(path, **options_of(form))
    try:
        recae.prepare_store(path, folder / "s", progress=False, **options_of(form))
        refused = ""
    except DataError as error:
        refused = str(error)
    assert refused == (str(outcome) if isinstance(outcome, DataError) else "")
    if not refused:
        assert found(recae.load(folder / "s")) == table.expected()


@st.composite
def damaged(draw: Any) -> tuple[str, bool]:
    """A text file with a few characters changed, and whether it has a header."""
    separator = draw(st.sampled_from([",", "\t", ";", "|", "::", " "]))
    header, times = draw(st.booleans()), draw(st.booleans())
    ids = draw(st.lists(st.sampled_from(["7", "12", "x1", "x2", "a-b", "Ü"]), min_size=1, max_size=10))
    stamps = [[str(10**9 + n)] if times else [] for n in range(len(ids))]
    rows = [[one, str(n), str(n % 5 + 1), *stamp] for n, (one, stamp) in enumerate(zip(ids, stamps))]
    names = ["user", "item", "rating", "timestamp"][: len(rows[0])]
    text = "".join(separator.join(row) + "\n" for row in ([names, *rows] if header else rows))
    for _ in range(draw(st.integers(1, 3))):
        at, cut = draw(st.integers(0, len(text))), draw(st.integers(0, 1))
        put = draw(
            st.sampled_from(['"', separator, "\n", "\r", "#", "%", " ", "x", "5", "", "\\", ".", "\x0b", "\u2028"])
        )
        text = text[:at] + put + text[at + cut :]
    return text, header


@MANY
@example(('u"\rser,item,rating\n7,0,1\n', True))  # names over two lines, by Mac's line end behind a quote
@example(('\ruser,"item,rating\n7,0,1\n', True))  # a quote that nothing closes, below an empty line of a Mac
@example(("#\n7,0,1\n", False))  # a comment that says nothing
@given(damaged())
def test_a_damaged_text_file(tmp_path_factory: pytest.TempPathFactory, case: tuple[str, bool]) -> None:
    """Every line is a rating, or is said to be none, or the file is refused; packed it is the same."""
    text, header = case
    folder = tmp_path_factory.mktemp("damaged")
    (folder / "r.csv").write_bytes(text.encode())
    (folder / "r.csv.gz").write_bytes(gzip.compress(text.encode()))
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always", DataWarning)
        try:
            outcome: Any = recae.load(folder / "r.csv")
        except DataError as error:
            outcome = error
    packed = read(folder / "r.csv.gz")
    if isinstance(outcome, DataError):
        event("refused")
        assert isinstance(packed, DataError)
        open_quote = text.count('"') % 2 == 1 and "\r" in text  # then the line that is blamed may be another one
        assert str(packed).replace(".gz", "") == str(outcome) or open_quote
        return
    event("read")
    assert isinstance(packed, recae.RatingMatrix)
    assert found(packed) == found(outcome)
    n_lines = sum(bool(line.strip().strip("#%")) for line in re.split(r"\r\n|\n|\r", text))
    names_in_quotes = header and '"' in text.partition("\n")[0]  # they may go over several lines
    assert len(outcome) == n_lines - header or said or text.count('"') > 1 or names_in_quotes
