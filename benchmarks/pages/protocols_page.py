"""The tables of docs/protocols.md."""

from __future__ import annotations

from typing import Any

from benchmarks.common.markdown import p_value, table
from benchmarks.common.paths import DOCS
from benchmarks.common.record import read
from benchmarks.pages.topn_page import in_words

PAGE = DOCS / "protocols.md"


def parts() -> dict[str, str]:
    """The page's parts by name."""
    found = read("protocols")
    sets = [one_set(result) for result in found["sets"]]
    return {"time": "\n\n".join([given(found["settings"]), *sets]), "repeats": repeats(found["repeats"])}


def given(settings: dict[str, Any]) -> str:
    """The models' settings that are not defaults."""
    shown = [f"`{model}` with{in_words(own)[1:]}" for model, own in settings.items() if own]
    return f"Settings: {'; '.join(shown)}; all others are defaults."


def repeats(found: dict[str, Any]) -> str:
    """Purchases that are merged before they are cut by time, and after it."""
    sizes = found["sizes"]
    head = ["model", "merged, then cut", "cut, then merged", "with what is bought again"]
    rows = [[f"`{row['model']}`", *(f"{row[way]:.4f}" for way in sizes)] for row in found["rows"]]
    counts = [f"{sizes[way]['train']:,} / {sizes[way]['test']:,}" for way in sizes]
    said = f"{found['purchases']:,} purchases of {found['pairs']:,} pairs, of which the last {found['cut']} are hidden."
    return f"{said}\n\n" + table(head, [["pairs to train on / tested", *counts], *rows])


def one_set(result: dict[str, Any]) -> str:
    """Users of both kinds, and each model before and after."""
    known, new = result["known_users"], result["new_users"]
    head = ["model", "all, before", "all", "known users", "new users, before", "new users", "p, before", "p"]
    rows = []
    for row in result["rows"]:
        before, after = row["before"], row["after"]
        figures = [before["all"], after["all"], after["known"], before["new"], after["new"]]
        tests = [p_value({"p": one["p_against_popularity"]}) for one in (before, after)]
        ps = ["", ""] if row["model"] == "popularity" else tests
        rows.append([f"`{row['model']}`", *(f"{figure:.4f}" for figure in figures), *ps])
    share = new / (known + new)
    return f"`{result['data']}`: {known + new} test users, of whom {new} ({share:.0%}) are new.\n\n" + table(head, rows)
