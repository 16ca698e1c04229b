"""Tables and JSON as they are printed."""

from __future__ import annotations

import json
import math

import numpy as np
import pandas as pd
import pytest

from recae.cli.printing import plain, records, score_texts, table_lines


def test_columns_are_aligned_and_nothing_is_cut() -> None:
    """Right and left columns line up under their names; None is a dash; the last column is whole."""
    long = "a title " * 30
    lines = list(table_lines([[1, "x", long], [1000, None, "b"]], ["n", "name", "what"], "rll"))
    assert lines == [
        "    n  name  what",
        f"    1  x     {long}".rstrip(),
        "1,000  -     b",
    ]


def test_the_last_column_wraps_under_itself_on_a_terminal() -> None:
    """With a width, no line is longer, and no word is lost."""
    text = "words that go on and on " * 5
    lines = list(table_lines([["key", text]], ["k", "v"], "ll", indent=2, width=50))
    assert max(map(len, lines)) <= 50
    assert " ".join(" ".join(lines[1:]).split()) == f"key {text}".strip()
    assert all(line.startswith(" " * 7) for line in lines[2:])


def test_json_has_no_nan_and_no_numpy() -> None:
    """NaN and infinities become null; arrays, tuples and scalars what JSON knows."""
    value = {"a": np.float32(1.5), "b": (np.int64(2), math.nan), "c": np.array([True]), 3: math.inf}
    assert json.loads(json.dumps(plain(value), allow_nan=False)) == {"a": 1.5, "b": [2, None], "c": [True], "3": None}


def test_records_have_null_for_a_missing_title() -> None:
    """A frame's rows become mappings; a missing text is None, not NaN."""
    frame = pd.DataFrame({"item": [1, 2], "title": ["x", None]})
    assert plain(records(frame)) == [{"item": 1, "title": "x"}, {"item": 2, "title": None}]


@pytest.mark.parametrize(
    ("scores", "texts"),
    [([3.0, 12.0], ["3", "12"]), ([0.5, 3.25], ["0.5000", "3.2500"]), ([0.00012345, 0.002], ["0.0001234", "0.002"])],
)
def test_scores_have_as_many_digits_as_tell_them_apart(scores: list[float], texts: list[str]) -> None:
    """Counts are whole, small scores keep four figures."""
    assert score_texts(scores) == texts
