"""One report of what was measured of ratings and of lists."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from recae.evaluation.aligned_test import AlignedTest
from recae.evaluation.report import Figure, Measured, Report


def report_of(model: str, test: AlignedTest, names: Sequence[str], found: Sequence[Measured]) -> Report:
    """One report of what was measured, its metrics in the order of `names`."""
    table = pd.concat([measured.per_user for measured in found], axis=1).sort_index()
    new = int(test.new_users()[table.index.to_numpy()].sum())
    counts = {"n_users": len(table), "known_users": len(table) - new, "new_users": new, **test.counts()}
    moved = pd.concat([measured.moved for measured in found], axis=1).reindex(table.index).dropna()
    table.index, moved.index = (pd.Index(test.user_ids[one.index.to_numpy()], name="user") for one in (table, moved))
    groups = {
        group: _in_order(names, [measured.groups.get(group, {}) for measured in found])
        for group in ("known", "new")
        if new and new < len(table)
    }
    figures = _in_order(names, [measured.figures for measured in found])
    per_user = table[[name for name in names if name in table]]
    return Report(figures, counts, per_user, model, test.name, groups, moved=moved)


def _in_order(names: Sequence[str], parts: Sequence[dict[str, Figure]]) -> dict[str, Figure]:
    together = {name: figure for part in parts for name, figure in part.items()}
    return {name: together[name] for name in names if name in together}
