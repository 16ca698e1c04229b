"""The table of docs/guides/bring_your_data.md: counts of plays, read in three ways."""

from __future__ import annotations

from benchmarks.common.markdown import table
from benchmarks.common.paths import DOCS
from benchmarks.common.record import read

PAGE = DOCS / "guides" / "bring_your_data.md"
VALUES = ("binary", "log", "ratings")


def parts() -> dict[str, str]:
    """The page's parts by name."""
    rows = {row["model"]: row for row in read("defaults-values-ranking", {"rows": []})["rows"]}
    names = list(dict.fromkeys(name.split()[0] for name in rows))
    lines = [
        [f"`{name}`", *(f"{rows[f'{name} values={values}']['recall@20']:.3f}" for values in VALUES)] for name in names
    ]
    return {"counts": table(["Recall@20", "ones", '`values="log"`', '`values="ratings"`'], lines)}
