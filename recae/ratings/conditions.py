"""A condition over the columns of a table, `category == "Garden" and price < 20`: parsed, and never run as code.

    comparisons    year >= 1990, 1990 <= year < 2000, category != "Garden", a column on either side
    membership     category in ["Garden", "Tools"];  "Comedy" in genres, for texts that hold it and for lists
    combinations   and, or, not, parentheses
    a column       in_stock: where it is true, or not 0 and not empty

A missing value fulfils no comparison. A text that is compared with numbers is read as one ("2000"); what no entry of a
column can equal, such as a text that is no number, is refused.
"""

from __future__ import annotations

import ast
import math
import operator
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

from recae._types import IdArray, Mask
from recae.errors import DataError, ParameterError

LONGEST = 1000  # characters
_COMPARISONS: dict[type[ast.cmpop], Callable[[Any, Any], Any]] = {
    ast.Eq: operator.eq, ast.NotEq: operator.ne, ast.Lt: operator.lt, ast.LtE: operator.le,
    ast.Gt: operator.gt, ast.GtE: operator.ge,
}  # fmt: skip
_KINDS = {bool: "truths", list: "lists", tuple: "lists"}  # what entries that are no texts may be, beside numbers
_EXPECTED = "a condition over columns of the item table, such as 'year >= 1990 and \"Comedy\" in genres'"


def items_where(condition: str, table: pd.DataFrame | None, item_ids: IdArray) -> Mask:
    """Which items fulfil a condition over their table, bool (n_items,); an item without a row does not.

    Raises:
        ParameterError: the condition cannot be read, names a column that is not there, or compares what cannot be.
        DataError: nothing is known of the items.
    """
    if table is None:
        raise DataError("the items have no table: a condition needs columns such as a category")
    if len(condition) > LONGEST:
        raise ParameterError(name="where", expected=f"at most {LONGEST} characters")
    try:
        tree = ast.parse(condition.strip(), mode="eval").body
        found = _truth(_value(tree, table))
    except (SyntaxError, ValueError, TypeError, RecursionError, MemoryError, OverflowError) as error:
        if isinstance(error, ParameterError):
            raise
        raise ParameterError(name="where", value=condition, expected=_EXPECTED) from None
    mask = pd.Series(np.broadcast_to(found, len(table)), index=table.index)
    out: Mask = mask.reindex(item_ids).fillna(False).to_numpy(dtype=bool)
    return out


def _value(node: ast.expr, table: pd.DataFrame) -> Any:
    """A constant, a list of constants, or a column (a truth for each row where it is a condition)."""
    if isinstance(node, ast.Name):
        return _column(node.id, table)
    if isinstance(node, ast.Constant) and isinstance(node.value, str | int | float | bool):
        return node.value
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub) and isinstance(node.operand, ast.Constant):
        return -node.operand.value  # type: ignore[operator]  # of a text it is a TypeError, which is caught
    if isinstance(node, ast.List | ast.Tuple) and all(isinstance(part, ast.Constant) for part in node.elts):
        return [part.value for part in node.elts if isinstance(part, ast.Constant)]
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        return ~_truth(_value(node.operand, table))
    if isinstance(node, ast.BoolOp):
        parts = [_truth(_value(part, table)) for part in node.values]
        return (np.logical_and if isinstance(node.op, ast.And) else np.logical_or).reduce(np.broadcast_arrays(*parts))
    if isinstance(node, ast.Compare):
        return _compared(node, table)
    raise SyntaxError("neither a column, a constant nor a condition")


def _column(name: str, table: pd.DataFrame) -> Any:
    if name in table.columns:
        return table[name]
    raise ParameterError(f"there is no column {name!r} in the item table", value=name, expected=tuple(table.columns))


def _compared(node: ast.Compare, table: pd.DataFrame) -> Any:
    """All comparisons of a chain, `a < b < c`."""
    sides = [_value(side, table) for side in (node.left, *node.comparators)]
    found = []
    for left, how, right in zip(sides, node.ops, sides[1:]):
        if isinstance(how, ast.In | ast.NotIn):
            of_lists = isinstance(right, pd.Series) and right.map(type).isin([list, tuple]).any()
            member = _is_in(*((left, right) if of_lists else _alike(left, right)))
            found.append(~member if isinstance(how, ast.NotIn) else member)
        else:
            found.append(_truth(_ordered(*_alike(left, right), how)))
    return np.logical_and.reduce(np.broadcast_arrays(*found))


def _ordered(left: Any, right: Any, how: ast.cmpop) -> Any:
    """One comparison.

    Raises:
        ParameterError: an entry of a column is a text and the other side a number, or the other way round.
    """
    try:
        return _COMPARISONS[type(how)](left, right)
    except TypeError:
        column, other = (left, right) if isinstance(left, pd.Series) else (right, left)
        if not isinstance(column, pd.Series) or isinstance(other, pd.Series):
            raise
        raise _unlike(column, other) from None


def _alike(left: Any, right: Any) -> tuple[Any, Any]:
    """Both sides of a comparison, constants as the column on the other side has its entries."""
    if isinstance(left, pd.Series) and not isinstance(right, pd.Series):
        if isinstance(right, list):
            return left, [_as_entry(left, one) for one in right]
        return left, _as_entry(left, right)
    if isinstance(right, pd.Series) and not isinstance(left, pd.Series | list):
        return _as_entry(right, left), right
    return left, right


def _as_entry(column: pd.Series, constant: Any) -> Any:
    """A constant that is compared with a column's entries; a text as the number that it is, where these are numbers.

    Raises:
        ParameterError: it is a text and they are not, or the other way round, so that nothing could ever equal it.
    """
    if column.dtype == object or isinstance(column.dtype, pd.StringDtype | pd.CategoricalDtype):
        entries = column.dropna().tolist()
        texts = sum(isinstance(entry, str) for entry in entries)
        if not entries or (texts if isinstance(constant, str) else len(entries) - texts):
            return constant
    elif not isinstance(constant, str) or not pd.api.types.is_numeric_dtype(column):
        return constant
    number = _number(constant) if column.dtype != bool and isinstance(constant, str) else None
    if number is None:
        raise _unlike(column, constant)
    return number


def _number(text: str) -> int | float | None:
    """The finite number that a text is, or None."""
    for kind in (int, float):
        try:
            number = kind(text)
        except ValueError:
            continue
        return number if math.isfinite(number) else None
    return None


def _unlike(column: pd.Series, other: Any) -> ParameterError:
    """That a column of texts is compared with a number, or one of numbers with a text."""
    entries = [entry for entry in column.dropna().tolist() if isinstance(entry, str) != isinstance(other, str)]
    example = f", such as {entries[0]!r}" if entries else ""
    kind = "texts" if not isinstance(other, str) else _KINDS.get(type(entries[0]) if entries else float, "numbers")
    return ParameterError(
        f"column {column.name!r} holds {kind}{example}: they are neither equal to nor less or more than {other!r}",
        name="where",
    )


def _is_in(one: Any, many: Any) -> Mask:
    if isinstance(one, pd.Series) and isinstance(many, list):
        return one.isin(many).to_numpy()
    if isinstance(one, str) and isinstance(many, pd.Series):
        return np.array([isinstance(entry, str | list | tuple) and one in entry for entry in many], bool)
    raise TypeError("`in` takes a column and a list, or a text and a column")


def _truth(value: Any) -> Any:
    """A truth for each row; missing values are not true."""
    if not isinstance(value, pd.Series):
        return np.asarray(value, bool)
    if value.dtype == bool:
        return value.to_numpy()
    missing = value.isna().to_numpy()
    return np.array([not gone and bool(entry) for entry, gone in zip(value.astype(object), missing)], bool)
