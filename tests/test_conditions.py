"""Conditions over the item table: what they select, and that nothing in them is run."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from recae.errors import DataError, ParameterError
from recae.ratings.conditions import items_where

TABLE = pd.DataFrame(
    {
        "title": ["Spade", "Rake", None, "Salt", "Pepper"],
        "category": ["Garden", "Garden", "Tools", "Kitchen", None],
        "price": [12.0, 30.0, np.nan, 1.5, 2.5],
        "in_stock": [True, False, True, True, False],
        "tags": [["new", "iron"], [], ["new"], None, ["x"]],
        "count": pd.array([1, 2, None, 0, 5], dtype="Int64"),
    },
    index=[10, 20, 30, 40, 50],
)
IDS = np.array([20, 10, 40, 30, 50, 60])  # 60 has no row


def chosen(condition: str) -> list[int]:
    return sorted(IDS[items_where(condition, TABLE, IDS)].tolist())


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ('category == "Garden"', [10, 20]), ('category == "Garden" and in_stock', [10]), ("price < 12", [40, 50]),
        ("1.5 < price <= 12", [10, 50]), ("not in_stock", [20, 50]), ("in_stock or price > 20", [10, 20, 30, 40]),
        ('category in ["Tools", "Kitchen"]', [30, 40]), ('"pp" in title', [50]), ('"new" in tags', [10, 30]),
        ('"new" not in tags', [20, 40, 50]), ("count", [10, 20, 50]), ("count > 1", [20, 50]),
        ("price == price", [10, 20, 40, 50]),
        ("(price > -1) and not (category == 'Garden')", [40, 50]), ("1 < 2", [10, 20, 30, 40, 50]), ("False", []),
        ("title", [10, 20, 40, 50]), ('title > "Q"', [10, 20, 40]), ('price == "12"', [10]), ('count >= "2"', [20, 50]),
        ('"1.5" < price <= "12.0"', [10, 50]), ('count in ["1", 5]', [10, 50]),
        ('price not in ["12"]', [20, 30, 40, 50]), ('count != "1"', [20, 40, 50]),
    ],
)  # fmt: skip
def test_what_a_condition_selects(condition: str, expected: list[int]) -> None:
    """Comparisons, membership and combinations; a missing value fulfils none, an item without a row is left out."""
    assert chosen(condition) == expected


@pytest.mark.parametrize(
    "condition",
    ["__import__('os').system('x')", "title.str", "title[0]", "(lambda: 1)()", "[x for x in title]", "price <",
     "price + 1", "category < 3", "1 in [1]", "-'a' == title", "x = 1", "", "f'{title}'", "not " * 400 + "title",
     "(" * 150, "9" * 900 + " < price", "price if price else 1", "title == None"],
)  # fmt: skip
def test_what_is_no_condition_is_refused(condition: str) -> None:
    """Calls, attributes, subscripts, arithmetic, comparisons of unlike kinds, deep nests: refused, none is run."""
    with pytest.raises(ParameterError, match="where"):
        chosen(condition)


def test_refusals_name_what_is_there() -> None:
    """An unknown column names the nearest one, a long text its limit, a catalogue without a table that it has none;
    a text that is compared with a number is shown."""
    with pytest.raises(ParameterError, match=r"column 'category' holds texts, such as 'Garden': .* than 3"):
        chosen("3 < category")
    with pytest.raises(ParameterError, match=r"column 'price' holds numbers, such as 12\.0: .* than 'x'"):
        chosen("in_stock and price <= 'x'")
    for condition in ("price == 'x'", "price != 'nan'", "price in [1, 'x']", "'12 EUR' == price", "'12 EUR' in price"):
        with pytest.raises(ParameterError, match=r"column 'price' holds numbers, such as 12\.0: .* than '"):
            chosen(condition)
    with pytest.raises(ParameterError, match=r"column 'in_stock' holds truths, such as True: .* than 'yes'"):
        chosen("in_stock == 'yes'")
    with pytest.raises(ParameterError, match=r"column 'tags' holds lists, such as .* than 'new'"):
        chosen("tags == 'new'")
    for condition in ("category == 3", "category in [3]", "3 != title"):
        with pytest.raises(ParameterError, match=r"holds texts, such as .* than 3"):
            chosen(condition)
    with pytest.raises(ParameterError, match="did you mean 'category'"):
        chosen("categorie == 'Garden'")
    with pytest.raises(ParameterError, match="at most 1000 characters"):
        chosen("x" * 1001)
    with pytest.raises(DataError, match="no table"):
        items_where("price < 1", None, IDS)
