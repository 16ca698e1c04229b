"""One table, whatever the way: plain or packed, in memory or as a store, the same ratings or the same refusal."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from fuzz.ways import as_is, differences, packed, stored
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from property_examples import examples

import recae
from recae.errors import RecaeError

ENDS = ["\n", "\r\n", "\r"]
RATINGS = ["1", "4.5", "3,5", "1,234", "2,0", "nan", "", "x", " 5", "+3", "-1"]
IDS = ["1", "2", "007", "7", "a", "é", " b", "b ", "", '"q"', 'q"', "1.0", "9" * 19]


@st.composite
def tables(draw: Any) -> bytes:
    """Rows of odd ids and ratings, with ends of lines of all kinds, also within a row; and decimal commas."""
    delimiter = draw(st.sampled_from([",", ";", "\t", "::", "|", " "]))
    wild = draw(st.booleans())
    ids = st.sampled_from(IDS if wild else IDS[:6])
    ratings = st.sampled_from(RATINGS if wild else draw(st.sampled_from([RATINGS[:2], RATINGS[2:3], RATINGS[:3]])))
    rows = draw(st.lists(st.tuples(ids, ids, ratings), min_size=1, max_size=6))
    usual = draw(st.sampled_from(ENDS))
    ends = st.sampled_from([usual, usual, usual, *ENDS]) if wild else st.just(usual)
    lines = [("user", "item", "rating"), *rows] if draw(st.booleans()) else rows
    text = "".join(delimiter.join(line) + draw(ends) for line in lines)
    if wild and draw(st.booleans()):  # a row that is cut
        at = draw(st.integers(0, len(text)))
        text = text[:at] + draw(st.sampled_from(ENDS)) + text[at:]
    return text.encode()


def found(data: bytes, name: str = "r.csv") -> list[str]:
    """Where the ways differ."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        path.write_bytes(data)
        try:
            return list(differences(path, as_is, packed, stored))
        except RecaeError:
            return []  # all refuse it


@pytest.mark.filterwarnings("ignore")
@settings(max_examples=examples(60), deadline=None, suppress_health_check=list(HealthCheck))
@given(data=tables())
def test_every_way_gives_the_same(data: bytes) -> None:
    """Lone carriage returns, decimal commas and rows that are cut: no way reads what another one refuses."""
    assert found(data) == []


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    "data",
    [
        b"user,item,rating\r1,2,3\r2,2,4\r", b"user,item,rating\r1,2,3\n2,2,4\n", b"user,item,rating\n1,2,3\r4,5,6\n",
        b'user;item;rating\n1;2;"3,5"\n2;2;4,0\n', b"user;item;rating\n1;2;3,5\n2;2;4.5\n",
        b"user,item,rating\n1,2,3\r",
        b'user,item,rating\n1,2,"3,5"\n1,3,4\n', b"user,item,rating\n1,2\r,3\n", b"1;2;1,234\n2;2;2,345\n",
    ],
)  # fmt: skip
def test_tables_that_differed_once(data: bytes) -> None:
    """Each was read by one way and refused, or read otherwise, by another one."""
    assert found(data) == []


def test_a_named_index_is_columns() -> None:
    """Users and items in a frame's index, as groupby gives them, or in that of a series, are read as columns are."""
    table = pd.DataFrame({"user": [1, 2, 2], "item": [10, 10, 11], "rating": [3.0, 4, 5]})
    wanted = recae.load(table).to_frame()
    for source in (
        table.set_index("user"),
        table.set_index(["user", "item"]),
        table.set_index(["user", "item"])["rating"],
    ):
        pd.testing.assert_frame_equal(recae.load(source).to_frame(), wanted)
    by_position = recae.load(table.set_index(pd.Index(list("abc"), name="row")), user=0, item=1, rating=2)
    pd.testing.assert_frame_equal(by_position.to_frame(), wanted)
